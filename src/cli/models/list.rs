//! `sightglass models list`: the model folders that there are, the broken ones with what is wrong.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::amount;
use crate::{
    config::places,
    engine,
    error::Result,
    models::{Model, family},
};

#[derive(clap::Args)]
pub struct ListSettings {
    /// Folder of model folders [default: `models` here and beside the program].
    #[arg(long, env = "SIGHTGLASS_MODELS", value_name = "DIR")]
    models: Option<PathBuf>,
    /// Print JSON instead of a table.
    #[arg(long, env = "SIGHTGLASS_JSON")]
    json: bool,
}

/// A model folder.
#[derive(Serialize)]
struct Row {
    name: String,
    folder: PathBuf,
    /// Bytes on the disk.
    bytes: u64,
    #[serde(flatten)]
    found: Found,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    Whole {
        version: u64,
        task: &'static str,
        family: String,
        /// Width and height in pixels.
        input: [u32; 2],
        labels: usize,
        description: String,
    },
    Broken {
        error: String,
    },
}

pub fn run(settings: &ListSettings) -> Result<()> {
    let places = match &settings.models {
        Some(folder) => vec![folder.clone()],
        None => places("models"),
    };
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for folder in places.iter().flat_map(|place| folders(place)) {
        // Places may be the same folder by several ways.
        if folder.canonicalize().is_ok_and(|real| seen.insert(real)) {
            rows.push(row(folder));
        }
    }
    if settings.json {
        let text = serde_json::to_string_pretty(&rows).unwrap_or_default();
        println!("{text}");
    } else {
        table(&rows);
    }
    Ok(())
}

/// Folders that are models or are meant to be some, by their names.
fn folders(place: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
    let meant = |folder: &PathBuf| folder.join("model.toml").is_file() || folder.join("1/model.onnx").is_file();
    let hidden = |folder: &PathBuf| folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let mut found: Vec<PathBuf> = entries.filter(|folder| meant(folder) && !hidden(folder)).collect();
    found.sort();
    found
}

fn row(folder: PathBuf) -> Row {
    let found = match whole(&folder) {
        Ok(model) => Found::Whole {
            version: model.version,
            task: model.manifest.task.as_str(),
            family: model.manifest.family.clone(),
            input: [model.manifest.input.width, model.manifest.input.height],
            labels: model.labels.len(),
            description: model.manifest.description.clone(),
        },
        Err(error) => Found::Broken { error },
    };
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Row { name, bytes: bytes(&folder), folder, found }
}

/// Everything but a run: that would take seconds for each.
fn whole(folder: &Path) -> Result<Model, String> {
    let model = Model::open(folder).map_err(|error| error.detail)?;
    family::of(&model.manifest, model.labels.len()).map_err(|words| format!("model.toml: {words}"))?;
    match engine::looks_like(&model.file) {
        Some(found) => Err(format!("{}/model.onnx is {found}", model.version)),
        None => Ok(model),
    }
}

fn bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

fn table(rows: &[Row]) {
    if rows.is_empty() {
        println!(
            "There are no models. Fetch one, `sightglass models pull`, or import one: docs/guide/import-a-model.md."
        );
        return;
    }
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(4);
    println!("{:<width$}  VERSION  TASK      FAMILY      INPUT      LABELS  SIZE      FROM", "NAME");
    for row in rows {
        let (name, size) = (&row.name, amount(row.bytes));
        match &row.found {
            Found::Whole { version, task, family, input: [w, h], labels, description } => {
                let input = format!("{w}x{h}");
                println!(
                    "{name:<width$}  {version:<7}  {task:<8}  {family:<10}  {input:<9}  {labels:<6}  {size:<8}  {description}"
                );
            }
            Found::Broken { error } => println!("{name:<width$}  broken: {error}"),
        }
    }
}
