//! `sightglass models import`: files as they come in, a model folder out, tried before it is put into its place.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use super::onnx;
use crate::{
    detector::Detector,
    error::Result,
    fault,
    models::{
        darknet::{self, Converted},
        folder::{self, Contents, Draft, NetworkFile},
        import::label_file,
    },
    vision::geometry::Resize,
};

/// Most bytes of a weights file: those that an ONNX file can hold.
const MOST_WEIGHTS: u64 = 1 << 31;

#[derive(clap::Args, Default)]
#[command(group(clap::ArgGroup::new("source").required(true)))]
pub struct ImportSettings {
    /// Name of the model, and of its folder.
    pub name: String,
    /// An ONNX file; its family is recognised.
    #[arg(long, value_name = "FILE", group = "source")]
    pub onnx: Option<PathBuf>,
    /// Darknet's description of the network.
    #[arg(long, value_name = "FILE", group = "source", requires_all = ["weights", "labels"])]
    pub cfg: Option<PathBuf>,
    /// Darknet's weights for that cfg.
    #[arg(long, value_name = "FILE", requires = "cfg")]
    pub weights: Option<PathBuf>,
    /// The names of the classes: a text with one a line, a list of JSON, Darknet's .data or the .yaml of a data set, or
    /// `coco80` for COCO's [default: those in the ONNX file's metadata].
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// How pictures are made to fit: letterbox, letterbox-top-left, stretch or crop [default: the family's; of Darknet's
    /// cfg letterbox if it sets letter_box, else stretch].
    #[arg(long, value_name = "HOW", value_parser = super::word::<Resize>)]
    pub resize: Option<Resize>,
    #[command(flatten)]
    pub reading: onnx::Reading,
    /// One sentence for people [default: where the file is from].
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Replace the model of this name, if there is one.
    #[arg(long)]
    pub force: bool,
    /// Folder of model folders, in which the new one is made.
    #[arg(long, env = "SIGHTGLASS_MODELS", value_name = "DIR", default_value = "models")]
    pub models: PathBuf,
    /// Folder that holds libonnxruntime.so [default: `deps/onnxruntime` here or beside the program].
    #[arg(long, env = "SIGHTGLASS_ONNXRUNTIME", value_name = "DIR")]
    pub onnxruntime: Option<PathBuf>,
}

pub fn run(settings: &ImportSettings) -> Result<()> {
    folder::place(&settings.models, &settings.name, settings.force)?;
    match (&settings.onnx, &settings.cfg, &settings.weights, &settings.labels) {
        (Some(file), ..) => onnx::import(settings, file),
        (None, Some(cfg), Some(weights), Some(labels)) => of_darknet(settings, cfg, weights, labels),
        _ => Err(fault!(BadRequest, "Name the files of the network: --onnx, or --cfg, --weights and --labels.")),
    }
}

fn of_darknet(settings: &ImportSettings, cfg: &Path, weights: &Path, labels: &Path) -> Result<()> {
    let labels = label_file::read(labels).map_err(|words| fault!(BadRequest, "The labels: {words}."))?;
    if !matches!(settings.resize, None | Some(Resize::Stretch | Resize::Letterbox)) {
        return Err(fault!(BadRequest, "Darknet's networks take --resize stretch or letterbox."));
    }
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
    let from = || format!("{}, by Darknet", cfg.file_stem().unwrap_or_default().display());
    let description = settings.description.clone().unwrap_or_else(from);
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
    try_it(settings);
    Ok(())
}

/// The line that shows what the new model finds.
pub fn try_it(settings: &ImportSettings) {
    let elsewhere = match settings.models.as_path() == Path::new("models") {
        true => String::new(),
        false => format!(" --models {}", settings.models.display()),
    };
    println!("Try it: sightglass detect{elsewhere} --model {} PICTURE -o out.jpg", settings.name);
}

/// Runs a picture through the new model, as every start does, and puts its folder into place.
pub fn try_and_keep(settings: &ImportSettings, draft: Draft) -> Result<()> {
    Detector::load(&draft.folder(), &super::exact(settings.onnxruntime.as_deref()))?.stop();
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
