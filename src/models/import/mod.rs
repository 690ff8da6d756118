//! From a network's file to a manifest: what was seen of it, and what a family proposes.

pub mod facts;
pub mod label_file;
pub mod picture;
pub mod python;
pub mod recognise;

use std::collections::BTreeMap;

use crate::{
    frame::Size,
    vision::{
        geometry::Resize,
        tensor::{Channels, Layout},
    },
};

/// What is known of a network that has no manifest yet: what its file says, and what one run gave.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Name of the input that takes the picture.
    pub input: String,
    /// Its size in the run, in pixels.
    pub size: Size,
    pub layout: Layout,
    /// The input holds bytes, so that scaling is inside the network.
    pub bytes: bool,
    /// Names of further inputs.
    pub others: Vec<String>,
    /// In the network's order.
    pub outputs: Vec<SeenOutput>,
    /// The file's `metadata_props`: Ultralytics writes `names`, `stride`, `imgsz` and `task`.
    pub metadata: BTreeMap<String, String>,
    /// The program that wrote the file, as it calls itself.
    pub producer: String,
    /// Number of labels, where a person or the metadata named them.
    pub labels: Option<usize>,
}

/// One output tensor of the run.
#[derive(Clone, Debug)]
pub struct SeenOutput {
    pub name: String,
    /// Without the batch axis.
    pub shape: Vec<usize>,
    /// In row-major order.
    pub values: Vec<f32>,
}

/// How a family would read the network.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Nothing else that is known looks like this. If several families could be meant, a person is asked.
    pub certain: bool,
    /// What it was recognised by, as the end of a sentence: "one output of …".
    pub because: String,
    /// Number of labels that the outputs have room for.
    pub classes: usize,
    pub channels: Channels,
    /// A level v (0..=255) becomes `(v * scale - mean[c]) / std[c]`.
    pub scale: f32,
    pub mean: [f32; 3],
    pub std: [f32; 3],
    pub resize: Resize,
    /// Level of the bars, 0..=255.
    pub pad: u8,
    /// Score threshold and IoU for non-maximum suppression.
    pub score: f32,
    pub iou: f32,
    /// The manifest's keys that only the family knows.
    pub keys: toml::Table,
    /// Values for the network's further inputs.
    pub constants: Vec<(String, Vec<f64>)>,
}

impl Default for Proposal {
    /// What most detectors take: RGB of 0 to 1 in a letterbox with grey bars.
    fn default() -> Self {
        Self {
            certain: true,
            because: String::new(),
            classes: 0,
            channels: Channels::Rgb,
            scale: 1.0 / 255.0,
            mean: [0.0; 3],
            std: [1.0; 3],
            resize: Resize::Letterbox,
            pad: 114,
            score: 0.25,
            iou: 0.45,
            keys: toml::Table::new(),
            constants: Vec::new(),
        }
    }
}

impl Seen {
    /// The only output, if there is but one.
    pub fn single(&self) -> Option<&SeenOutput> {
        match self.outputs.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Could there be this number of labels, as far as a person or the metadata named them?
    pub fn has_labels(&self, classes: usize) -> bool {
        self.labels.is_none_or(|labels| labels == classes)
    }

    /// Ultralytics' programs have written the file: YOLOv3 and YOLOv5 of their kind, YOLOv8 and later.
    pub fn is_ultralytics(&self) -> bool {
        self.metadata.contains_key("names") && self.metadata.contains_key("stride")
    }

    /// What the metadata says of a task is not another than this one.
    pub fn is_for(&self, task: &str) -> bool {
        self.metadata.get("task").is_none_or(|told| told == task)
    }

    /// What most detectors take; bytes as they are where the network takes bytes.
    pub fn usual(&self) -> Proposal {
        let scale = if self.bytes { 1.0 } else { 1.0 / 255.0 };
        Proposal { scale, ..Proposal::default() }
    }

    /// Number of cells of all grids with these strides; `None` if one does not divide the input.
    pub fn cells(&self, strides: &[u32]) -> Option<usize> {
        let Size { width, height } = self.size;
        let fits = |stride: &u32| width.is_multiple_of(*stride) && height.is_multiple_of(*stride);
        strides
            .iter()
            .all(fits)
            .then(|| strides.iter().map(|stride| (width / stride * (height / stride)) as usize).sum())
    }
}

impl SeenOutput {
    /// Are the values in these places of the last axis, or in all of a single axis, all within 0 and 1?
    pub fn are_probabilities(&self, places: std::ops::Range<usize>) -> bool {
        let length = self.shape.last().copied().unwrap_or(1).max(1);
        let each = |row: &[f32]| row.get(places.clone()).is_some_and(|row| row.iter().all(is_probability));
        self.values.chunks_exact(length).all(each)
    }
}

/// What 16 bits and quantised numbers are off by is forgiven.
fn is_probability(value: &f32) -> bool {
    (-0.01..=1.01).contains(value)
}
