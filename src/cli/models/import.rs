//! `sightglass models import`: files as they come in, a model folder out, tried before it is put into its place.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use crate::{
    config::{EngineOptions, Precision, Provider},
    detector::Detector,
    error::Result,
    fault,
    models::{
        darknet::{self, Converted},
        folder::{self, Contents, Draft, NetworkFile},
        labels,
    },
    vision::geometry::Resize,
};

/// Most bytes of a weights file: those that an ONNX file can hold.
const MOST_WEIGHTS: u64 = 1 << 31;

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("source").required(true)))]
pub struct ImportSettings {
    /// Name of the model, and of its folder.
    name: String,
    /// Darknet's description of the network.
    #[arg(long, value_name = "FILE", group = "source", requires_all = ["weights", "labels"])]
    cfg: Option<PathBuf>,
    /// Darknet's weights for that cfg.
    #[arg(long, value_name = "FILE", requires = "cfg")]
    weights: Option<PathBuf>,
    /// The names of the classes, one a line.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// How pictures are made to fit: stretch or letterbox [default: letterbox if the cfg sets letter_box, else stretch].
    #[arg(long, value_name = "HOW", value_parser = parse_resize)]
    resize: Option<Resize>,
    /// Replace the model of this name, if there is one.
    #[arg(long)]
    force: bool,
    /// Folder of model folders, in which the new one is made.
    #[arg(long, env = "SIGHTGLASS_MODELS", value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// Folder that holds libonnxruntime.so [default: `deps/onnxruntime` here or beside the program].
    #[arg(long, env = "SIGHTGLASS_ONNXRUNTIME", value_name = "DIR")]
    onnxruntime: Option<PathBuf>,
}

fn parse_resize(text: &str) -> Result<Resize, String> {
    match text {
        "stretch" => Ok(Resize::Stretch),
        "letterbox" => Ok(Resize::Letterbox),
        _ => Err("write stretch or letterbox".into()),
    }
}

pub fn run(settings: &ImportSettings) -> Result<()> {
    folder::place(&settings.models, &settings.name, settings.force)?;
    match (&settings.cfg, &settings.weights, &settings.labels) {
        (Some(cfg), Some(weights), Some(labels)) => of_darknet(settings, cfg, weights, labels),
        _ => Err(fault!(BadRequest, "Name the files of the network: --cfg, --weights and --labels.")),
    }
}

fn of_darknet(settings: &ImportSettings, cfg: &Path, weights: &Path, labels: &Path) -> Result<()> {
    let labels = labels::read_file(labels)
        .map_err(|words| fault!(BadRequest, "The labels `{}` cannot be read: {words}.", labels.display()))?;
    let text = read(cfg, darknet::MOST_CFG_BYTES as u64)?;
    let converted = darknet::convert(&String::from_utf8_lossy(&text), &read(weights, MOST_WEIGHTS)?)
        .map_err(|words| fault!(BadRequest, "{words}"))?;
    if labels.len() != converted.classes {
        return Err(fault!(
            BadRequest,
            "The cfg has {} classes, but there are {} labels: name the file of labels that the network was trained with.",
            converted.classes,
            labels.len()
        ));
    }
    let Converted { size, resize, .. } = converted;
    let description = format!("{}, by Darknet", cfg.file_stem().unwrap_or_default().display());
    let manifest = converted.manifest(&description, settings.resize.unwrap_or(resize));
    let outputs: Vec<String> = converted.heads.iter().map(|head| format!("{} {}", head.output, head.shape)).collect();
    let bytes = converted.onnx.write().map_err(|words| fault!(TooLarge, "The network is too large: {words}."))?;
    // The network is in memory as often as it must be, not once more: loading it takes as much again.
    drop(converted);
    let contents = Contents { manifest: &manifest, labels: Some(&labels), network: NetworkFile::Bytes(&bytes) };
    let draft = Draft::write(&settings.models, &settings.name, &contents)?;
    drop(bytes);
    try_and_keep(settings, draft)?;
    println!("input    images, {} x {} pixels", size.width, size.height);
    println!("outputs  {}", outputs.join(", "));
    println!("labels   {}", labels.len());
    let elsewhere = match settings.models.as_path() == Path::new("models") {
        true => String::new(),
        false => format!(" --models {}", settings.models.display()),
    };
    println!("Try it: sightglass detect{elsewhere} --model {} PICTURE -o out.jpg", settings.name);
    Ok(())
}

/// Runs a picture through the new model, as every start does, and puts its folder into place.
fn try_and_keep(settings: &ImportSettings, draft: Draft) -> Result<()> {
    let options = EngineOptions {
        onnxruntime: settings.onnxruntime.clone(),
        provider: Provider::Cpu,
        precision: Precision::F32,
        sessions: Some(1),
        threads: Some(1),
        batch: None,
        cache: None,
    };
    Detector::load(&draft.folder(), &options)?.stop();
    let folder = draft.keep(settings.force)?;
    println!("{} is made, and has run on the CPU.", folder.display());
    Ok(())
}

/// A file of a size that can be meant.
fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let shown = path.display();
    let failed = |error: std::io::Error| fault!(BadRequest, "`{shown}` cannot be read: {error}.");
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > most {
        return Err(fault!(TooLarge, "`{shown}` has {length} bytes, and {most} are the most that can be read."));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
