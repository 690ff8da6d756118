//! `model.toml`, described in `docs/ref/model-toml.md`.

use serde::Deserialize;

use super::{family, labels::Labels};
use crate::{
    frame::Size,
    vision::{
        geometry::Resize,
        tensor::{Channels, Layout, TensorSpec},
    },
};

/// What a model takes and what its numbers mean.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
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
    #[serde(default)]
    pub heads: Vec<Heads>,
    pub decoded: Option<Decoded>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    #[default]
    Detect,
}

impl Task {
    pub fn as_str(self) -> &'static str {
        match self {
            Task::Detect => "detect",
        }
    }
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

/// A raw YOLO head: logits on a grid.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heads {
    /// Name of the output tensor.
    pub output: String,
    /// Pixels of the input per cell.
    pub stride: u32,
    /// Darknet's `scale_x_y`: stretches the centre's range beyond its cell.
    #[serde(default = "one")]
    pub scale_x_y: f32,
    /// Width and height in pixels of the input; Darknet's `anchors` picked by `mask`.
    pub anchors: Vec<[f32; 2]>,
}

/// One output `[N, K, 5 + classes]` with probabilities: centre x, centre y, width, height, objectness, classes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoded {
    /// Name of the output tensor.
    pub output: String,
    #[serde(default)]
    pub coordinates: Coordinates,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coordinates {
    #[default]
    InputPixels,
    /// 0..=1 of the input's width and height.
    Normalized,
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

    fn check(&self) -> Result<(), String> {
        if !family::FAMILIES.iter().any(|(name, _)| *name == self.family) {
            let known: Vec<&str> = family::FAMILIES.iter().map(|(name, _)| *name).collect();
            return Err(format!("the family `{}` is not known; known: {}", self.family, known.join(", ")));
        }
        let input = &self.input;
        if !(1..=8192).contains(&input.width) || !(1..=8192).contains(&input.height) {
            return Err("[input] width and height must lie between 1 and 8192".into());
        }
        let numbers = [input.scale].into_iter().chain(input.mean).chain(input.std);
        if !numbers.into_iter().all(f32::is_finite) || input.scale == 0.0 || input.std.contains(&0.0) {
            return Err("[input] scale and std must be numbers other than 0, and mean numbers".into());
        }
        let probability = |value: f32| value > 0.0 && value < 1.0;
        if !probability(self.thresholds.score) || !probability(self.thresholds.iou) {
            return Err("[thresholds] score and iou must lie between 0 and 1".into());
        }
        Ok(())
    }
}
