//! Darknet's files: what is read of them, what comes out, and what is refused.

mod genuine;
mod layers;
pub mod random;
mod refused;

use std::path::PathBuf;

use sightglass::{
    config::{EngineOptions, Precision, Provider},
    engine::{Engine, Inferred, Network},
    models::darknet::{Converted, convert},
};

/// The network of a cfg with random weights.
fn network(cfg: &str, seed: u64) -> Converted {
    convert(cfg, &random::weights(cfg, seed)).unwrap_or_else(|words| panic!("{words}\n{cfg}"))
}

/// The outputs for each picture, of runs of up to `batch` pictures.
fn run(converted: &Converted, pictures: &[Vec<f32>], batch: usize) -> Vec<Inferred> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.onnx");
    std::fs::write(&file, converted.onnx.write().unwrap()).unwrap();
    let network = Network {
        file,
        half_file: None,
        input: "images".into(),
        shape: [3, converted.size.height as usize, converted.size.width as usize],
        constants: Vec::new(),
    };
    let options = EngineOptions {
        onnxruntime: Some(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deps/onnxruntime")),
        provider: Provider::Cpu,
        precision: Precision::F32,
        sessions: Some(1),
        threads: Some(1),
        batch: Some(batch),
        cache: None,
        measure_again: false,
    };
    let engine = Engine::open(&network, &options).unwrap();
    let tickets: Vec<_> = pictures
        .iter()
        .map(|picture| {
            let mut input = engine.input();
            input.copy_from_slice(picture);
            engine.submit(input).unwrap()
        })
        .collect();
    tickets.into_iter().map(|ticket| ticket.wait().unwrap()).collect()
}
