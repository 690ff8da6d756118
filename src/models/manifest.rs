//! `model.toml`, described in `docs/ref/models.md`.

use serde::{Deserialize, de::DeserializeOwned};

use super::labels::Labels;
use crate::{
    event::Task,
    frame::Size,
    vision::{
        geometry::Resize,
        tensor::{Channels, Layout, TensorSpec},
    },
};

/// What a model takes and what its numbers mean.
#[derive(Clone, Debug, Deserialize)]
pub struct Manifest {
    /// A row of [`family::FAMILIES`].
    pub family: String,
    #[serde(default)]
    pub task: Task,
    #[serde(default)]
    pub description: String,
    pub labels: Labels,
    pub input: InputSpec,
    #[serde(default)]
    pub thresholds: Thresholds,
    /// Every class of a cell that reaches the threshold counts, not only the best.
    #[serde(default)]
    pub multi_label: bool,
    /// Inputs beside the picture.
    #[serde(default)]
    pub constants: Vec<Constant>,
    /// What only the family reads.
    #[serde(flatten)]
    rest: toml::Table,
}

/// An input that gets the same values in every run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// Name of the input tensor.
    pub input: String,
    /// In row-major order.
    pub values: Vec<f64>,
}

/// The input tensor. A level v (0..=255) becomes `(v * scale - mean[c]) / std[c]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    pub name: String,
    pub width: u32,
    pub height: u32,
    #[serde(default)]
    pub layout: Layout,
    #[serde(default)]
    pub channels: Channels,
    #[serde(default = "one")]
    pub scale: f32,
    /// In the order of `channels`.
    #[serde(default)]
    pub mean: [f32; 3],
    #[serde(default = "ones")]
    pub std: [f32; 3],
    #[serde(default)]
    pub resize: Resize,
    /// With [`Resize::Crop`]: how much of the picture's middle is looked at, of what fits the input's aspect ratio.
    #[serde(default = "one")]
    pub crop: f32,
    /// Level of the letterbox's bars, 0..=255.
    #[serde(default = "grey")]
    pub pad: u8,
}

fn one() -> f32 {
    1.0
}

fn ones() -> [f32; 3] {
    [1.0; 3]
}

fn grey() -> u8 {
    114
}

impl InputSpec {
    pub fn tensor(&self) -> TensorSpec {
        TensorSpec {
            size: Size::new(self.width, self.height),
            layout: self.layout,
            channels: self.channels,
            mul: self.std.map(|std| self.scale / std),
            add: std::array::from_fn(|c| -self.mean[c] / self.std[c]),
            pad: f32::from(self.pad),
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Detections below are dropped unless a request asks for another threshold.
    pub score: f32,
    /// Boxes of one class that overlap by more are one object.
    pub iou: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { score: 0.25, iou: 0.45 }
    }
}

impl Manifest {
    /// Reads and checks the text of a `model.toml`.
    ///
    /// # Errors
    /// What is wrong, in words for who wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The keys that only the family knows, as its own type, which should refuse those it does not know.
    ///
    /// # Errors
    /// What is wrong with them, in words for who wrote them.
    pub fn family_keys<T: DeserializeOwned>(&self) -> Result<T, String> {
        self.rest.clone().try_into().map_err(|error: toml::de::Error| error.message().to_owned())
    }

    fn check(&self) -> Result<(), String> {
        let input = &self.input;
        if !(1..=8192).contains(&input.width) || !(1..=8192).contains(&input.height) {
            return Err("[input] width and height must lie between 1 and 8192".into());
        }
        let numbers = [input.scale].into_iter().chain(input.mean).chain(input.std);
        if !numbers.into_iter().all(f32::is_finite) || input.scale == 0.0 || input.std.contains(&0.0) {
            return Err("[input] scale and std must be numbers other than 0, and mean numbers".into());
        }
        if !(input.crop > 0.0 && input.crop <= 1.0) {
            return Err("[input] crop must lie above 0 and be at most 1".into());
        }
        if input.resize == Resize::Crop && self.task != Task::Classify {
            return Err(
                "[input] resize = \"crop\" is for `task = \"classify\"`: what is cut off is not looked at".into()
            );
        }
        let probability = |value: f32| value > 0.0 && value < 1.0;
        if !probability(self.thresholds.score) || !probability(self.thresholds.iou) {
            return Err("[thresholds] score and iou must lie between 0 and 1".into());
        }
        Ok(())
    }
}
