//! The names of classes.

use std::path::Path;

use serde::Deserialize;

/// The labels in the manifest, or the file that holds them, one a line.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Labels {
    Names(Vec<String>),
    /// Relative to the model folder.
    File(String),
}

/// Reads the labels.
///
/// # Errors
/// There are none, or the file cannot be read; in words.
pub fn read(labels: &Labels, folder: &Path) -> Result<Vec<String>, String> {
    let names: Vec<String> = match labels {
        Labels::Names(names) => names.clone(),
        Labels::File(file) => read_file(&folder.join(file))
            .map_err(|words| format!("the labels `{file}` cannot be read beside it: {words}"))?,
    };
    match names.len() {
        0 => Err("there are no labels: write `labels = [\"cat\", \"dog\"]` or name a file with one a line".into()),
        _ => Ok(names),
    }
}

/// The lines of a file of names; what is empty at its end does not count.
///
/// # Errors
/// It cannot be read, or is no text; in words.
pub fn read_file(file: &Path) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    Ok(text.trim_end().lines().map(|line| line.trim().to_owned()).collect())
}
