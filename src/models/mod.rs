//! What a model's numbers mean: folders, manifests, families. Knows nothing of what runs the tensors.
//!
//! A model is a folder `NAME/` with `model.toml` and one folder per version, `1/model.onnx`, `2/model.onnx` and so on;
//! the highest version is taken.

pub mod darknet;
pub mod family;
pub mod fetch;
pub mod folder;
pub mod import;
pub mod labels;
mod manifest;
pub mod onnx;
mod scores;

use std::path::{Path, PathBuf};

pub use manifest::{Constant, InputSpec, Manifest, Thresholds};

use crate::{config::places, error::Result, event::Task, fault};

/// A model's folder, read and checked; the ONNX file itself is not opened.
#[derive(Clone, Debug)]
pub struct Model {
    /// The folder's name.
    pub name: String,
    pub version: u64,
    pub manifest: Manifest,
    pub labels: Vec<String>,
    /// `VERSION/model.onnx`
    pub file: PathBuf,
    /// `VERSION/model.f16.onnx`, the same network with weights and arithmetic of 16 bits, where there is one.
    pub half_file: Option<PathBuf>,
}

impl Model {
    /// Reads the newest version in a model folder.
    ///
    /// # Errors
    /// What is missing or wrong in the folder, in words for who made it.
    pub fn open(folder: &Path) -> Result<Self> {
        let shown = folder.display();
        let name = folder.canonicalize().ok().and_then(|folder| Some(folder.file_name()?.to_str()?.to_owned()));
        let name = name.ok_or_else(|| fault!(BadRequest, "There is no model folder `{shown}`."))?;
        let text = std::fs::read_to_string(folder.join("model.toml")).map_err(|error| {
            fault!(BadRequest, "`{shown}` is no model folder: its model.toml cannot be read ({error}). docs/guide/add-a-model.md says what belongs there.")
        })?;
        let manifest = Manifest::parse(&text).map_err(|words| fault!(BadRequest, "{shown}/model.toml: {words}"))?;
        let labels = labels::read(&manifest.labels, folder)
            .map_err(|words| fault!(BadRequest, "{shown}/model.toml: {words}"))?;
        let version = newest(folder).ok_or_else(|| {
            fault!(BadRequest, "`{shown}` holds no version: put the network at `1/model.onnx` in it.")
        })?;
        let file = |name: &str| folder.join(version.to_string()).join(name);
        let half_file = Some(file("model.f16.onnx")).filter(|file| file.is_file());
        Ok(Self { name, version, manifest, labels, file: file("model.onnx"), half_file })
    }
}

/// The highest number among the folders that hold a `model.onnx`.
fn newest(folder: &Path) -> Option<u64> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let versions = entries.filter(|entry| entry.path().join("model.onnx").is_file());
    versions.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).max()
}

/// The folder of the model that a person names: a path, or a name in `models` (default: the folder `models` here,
/// beside the program, or in the checkout that the program was built in).
///
/// # Errors
/// There is none; the words list those that there are.
pub fn find(name: &str, models: Option<&Path>) -> Result<PathBuf> {
    let path = Path::new(name);
    if path.join("model.toml").is_file() {
        return Ok(path.to_owned());
    }
    let places = match models {
        Some(folder) => vec![folder.to_owned()],
        None => places("models"),
    };
    let plain = Path::new(name).components().count() == 1;
    if let Some(found) =
        places.iter().map(|place| place.join(name)).find(|folder| plain && folder.join("model.toml").is_file())
    {
        return Ok(found);
    }
    let mut known: Vec<String> = places.iter().flat_map(|place| names(place)).collect();
    known.sort();
    known.dedup();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(fault!(
        BadRequest,
        "There is no model `{name}`. Models here: {known}. Name one of them with --model, or the path of a folder that holds a model.toml (docs/guide/add-a-model.md)."
    ))
}

/// The models that ship, for each task.
const SHIPPED: &[(Task, &str)] = &[(Task::Detect, "sightglass-nano"), (Task::Classify, "cifar10")];

/// The folders of the models that were named; where none was, of those that ship for the task, or for all tasks.
///
/// # Errors
/// One is not there.
pub fn asked_for(names: &[String], task: Option<Task>, models: Option<&Path>) -> Result<Vec<PathBuf>> {
    if !names.is_empty() {
        return names.iter().map(|name| find(name, models)).collect();
    }
    let shipped = SHIPPED.iter().filter(|(does, _)| task.is_none_or(|task| task == *does));
    shipped.map(|(_, name)| find(name, models)).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().join("model.toml").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}
