//! One file per family: how output tensors become candidates.
//!
//! A family is a row of [`FAMILIES`] and a file beside this one (`docs/guide/add-a-family.md`).

mod yolov3;

use super::Manifest;
use crate::vision::nms::Candidate;

/// One output tensor of one picture: shape without the batch axis, values in row-major order.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    pub shape: &'a [usize],
    pub values: &'a [f32],
}

/// Reads a network's outputs.
pub trait Family: Send + Sync {
    /// Names of the output tensors that [`Family::decode`] wants, in its order.
    fn outputs(&self) -> Vec<&str>;

    /// Do outputs of these shapes (without the batch axis; `None` where the model leaves an axis free) fit the manifest?
    ///
    /// # Errors
    /// What does not fit, in words for who wrote the manifest.
    fn check(&self, shapes: &[Vec<Option<usize>>]) -> Result<(), String>;

    /// Candidates with at least this score, in input space, before non-maximum suppression. The outputs have passed
    /// [`Family::check`] with their real shapes.
    fn decode(&self, outputs: &[Output<'_>], threshold: f32) -> Vec<Candidate>;
}

type Make = fn(&Manifest, usize) -> Result<Box<dyn Family>, String>;

/// Name in the manifest, and how the family is made of a manifest and the number of labels.
pub const FAMILIES: &[(&str, Make)] = &[("yolov3", yolov3::make)];

/// The manifest's family.
///
/// # Errors
/// The manifest lacks what the family needs, in words.
pub fn of(manifest: &Manifest, classes: usize) -> Result<Box<dyn Family>, String> {
    match FAMILIES.iter().find(|(name, _)| *name == manifest.family) {
        Some((_, make)) => make(manifest, classes),
        None => Err(format!("the family `{}` is not known", manifest.family)),
    }
}
