//! One file per family: how output tensors become candidates, and how a network of the family is recognised.
//!
//! A family is a row of [`FAMILIES`] and a file beside this one (`docs/guide/add-a-model-family.md`).

mod classifier;
mod fastestdet;
mod nanodet;
mod rtdetr;
mod yolov3;
mod yolov5;
mod yolov8;
mod yolox;

use serde::{Deserialize, Serialize};

use super::{
    Manifest,
    import::{Proposal, Seen},
};
use crate::{event::Task, vision::nms::Candidate};

/// One output tensor of one picture: shape without the batch axis, values in row-major order.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    pub shape: &'a [usize],
    pub values: &'a [f32],
}

/// Which candidates are asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// The least score.
    pub threshold: f32,
    /// Every class of a cell that reaches the threshold, not only the best.
    pub multi_label: bool,
}

/// Reads a network's outputs.
pub trait Family: Send + Sync {
    /// Names of the output tensors that [`Family::decode`] wants, in its order.
    fn outputs(&self) -> Vec<&str>;

    /// Do outputs of these shapes, without the batch axis, fit the manifest?
    ///
    /// # Errors
    /// What does not fit, in words for who wrote the manifest.
    fn check(&self, shapes: &[&[usize]]) -> Result<(), String>;

    /// What was found, in input space, before non-maximum suppression. Outputs whose number of rows depends on the
    /// picture may have other lengths than those that [`Family::check`] has passed, never other axes.
    fn decode(&self, outputs: &[Output<'_>], wanted: &Wanted) -> Vec<Candidate>;

    /// The network has left out overlapping boxes itself: nothing is suppressed afterwards.
    fn suppresses(&self) -> bool {
        false
    }
}

type Make = fn(&Manifest, usize) -> Result<Box<dyn Family>, String>;

/// A known family.
pub struct Row {
    /// As the manifest names it.
    pub name: &'static str,
    pub task: Task,
    /// Makes the family of a manifest and the number of labels; in words if the manifest lacks something.
    make: Make,
    /// Is a network that was run once of this family, and with which manifest?
    pub recognise: fn(&Seen) -> Option<Proposal>,
}

/// All families.
pub const FAMILIES: &[Row] = &[
    Row { name: "yolov3", task: Task::Detect, make: yolov3::make, recognise: yolov3::recognise },
    Row { name: "yolov5", task: Task::Detect, make: yolov5::make, recognise: yolov5::recognise },
    Row { name: "yolov8", task: Task::Detect, make: yolov8::make, recognise: yolov8::recognise },
    Row { name: "yolox", task: Task::Detect, make: yolox::make, recognise: yolox::recognise },
    Row { name: "nanodet", task: Task::Detect, make: nanodet::make, recognise: nanodet::recognise },
    Row { name: "fastestdet", task: Task::Detect, make: fastestdet::make, recognise: fastestdet::recognise },
    Row { name: "rtdetr", task: Task::Detect, make: rtdetr::make, recognise: rtdetr::recognise },
    Row { name: "classifier", task: Task::Classify, make: classifier::make, recognise: classifier::recognise },
];

/// The manifest's family.
///
/// # Errors
/// It is not known, does not do the manifest's task, or the manifest lacks what it needs; in words.
pub fn of(manifest: &Manifest, classes: usize) -> Result<Box<dyn Family>, String> {
    let Some(row) = FAMILIES.iter().find(|row| row.name == manifest.family) else {
        let known: Vec<&str> = FAMILIES.iter().map(|row| row.name).collect();
        return Err(format!("the family `{}` is not known; known: {}", manifest.family, known.join(", ")));
    };
    if row.task != manifest.task {
        let (task, name) = (row.task.as_str(), row.name);
        return Err(format!(
            "models of the family `{name}` do `task = \"{task}\"`, not \"{}\"",
            manifest.task.as_str()
        ));
    }
    (row.make)(manifest, classes)
}

/// The unit in which a network tells boxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coordinates {
    #[default]
    InputPixels,
    /// 0..=1 of the input's width and height.
    Normalized,
}

impl Coordinates {
    /// What a coordinate along x and along y is multiplied with to be pixels of the input.
    fn unit(self, (width, height): (u32, u32)) -> (f32, f32) {
        match self {
            Coordinates::InputPixels => (1.0, 1.0),
            Coordinates::Normalized => (width as f32, height as f32),
        }
    }
}

/// A table of the manifest that names tensors.
fn tensors<const N: usize>(table: &str, keys: [(&str, &str); N]) -> toml::Table {
    let keys = toml::Table::from_iter(keys.map(|(key, name)| (key.to_owned(), name.into())));
    toml::Table::from_iter([(table.to_owned(), keys.into())])
}
