//! `sightglass models`: one file per action.

mod download;
mod import;
mod inspect;
mod list;
mod onnx;
mod pull;

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::{
    config::{EngineOptions, Precision, Provider},
    error::Result,
};

#[derive(clap::Args)]
pub struct ModelsSettings {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Make a model folder of a network as it comes: of an ONNX file, or of Darknet's cfg and weights.
    Import(Box<import::ImportSettings>),
    /// Show which models there are.
    List(list::ListSettings),
    /// Show what is known of a model folder, or of an ONNX file that is none yet.
    Inspect(inspect::InspectSettings),
    /// Fetch published models and import them; without a name, show which there are.
    Pull(pull::PullSettings),
}

pub fn run(settings: &ModelsSettings) -> Result<()> {
    match &settings.action {
        Action::Import(settings) => import::run(settings),
        Action::List(settings) => list::run(settings),
        Action::Inspect(settings) => inspect::run(settings),
        Action::Pull(settings) => pull::run(settings),
    }
}

/// A session on the CPU with exact arithmetic, which runs everywhere.
fn exact(onnxruntime: Option<&Path>) -> EngineOptions {
    EngineOptions {
        onnxruntime: onnxruntime.map(Path::to_owned),
        provider: Provider::Cpu,
        precision: Precision::F32,
        sessions: Some(1),
        threads: Some(1),
        batch: None,
        cache: None,
        measure_again: false,
    }
}

/// One of the words that `model.toml` has for something.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::Value::from(text).try_into().map_err(|error: toml::de::Error| error.message().to_owned())
}

/// Bytes for people, in decimal units as disks and downloads are told.
fn amount(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
