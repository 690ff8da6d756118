//! `sightglass doctor`: what works on this machine, what is missing, and how to get it.

use std::{fmt::Display, path::Path};

use super::place::cache_folder;
use crate::{
    config::{EngineOptions, ModelSettings, Precision, Provider},
    detector::{Detector, network},
    engine::{self, Trial},
    error::Result,
    fault, media,
    models::{self, Model},
    vision::picture,
};

#[derive(clap::Args)]
pub struct DoctorSettings {
    /// Data folder of the service, looked at for room; its measured choices are used where it is there.
    #[arg(long, env = "SIGHTGLASS_DATA", value_name = "DIR", default_value = "data")]
    data: std::path::PathBuf,
    /// Measure each model's setups again, print them and keep the fastest: for the next start of a service with this data
    /// folder, or for the other subcommands where there is none.
    #[arg(long, env = "SIGHTGLASS_MEASURE")]
    measure: bool,
    #[command(flatten)]
    models: ModelSettings,
}

/// Least room for videos and results, in bytes.
const ROOM: u64 = 1 << 30;

/// Prints findings and counts those without which the service does not work.
#[derive(Default)]
struct Findings {
    broken: usize,
}

impl Findings {
    fn heading(&self, words: &str) {
        println!("\n{words}");
    }

    fn good(&self, what: impl Display, how: impl Display) {
        println!("  ok       {what}: {how}");
    }

    /// Not needed, but a user may want it.
    fn absent(&self, what: impl Display, how: impl Display) {
        println!("  absent   {what}: {how}");
    }

    fn broken(&mut self, what: impl Display, how: impl Display) {
        self.broken += 1;
        println!("  MISSING  {what}: {how}");
    }
}

/// Looks at everything; an error at the end tells how much is missing.
pub fn run(settings: &DoctorSettings) -> Result<()> {
    println!("Sightglass {}", env!("CARGO_PKG_VERSION"));
    let mut findings = Findings::default();
    look_at_machine(&mut findings, &settings.data);
    look_at_media(&mut findings);
    look_at_pictures(&mut findings);
    // Where `serve` looks for it.
    let cache = Some(settings.data.join("cache")).filter(|cache| cache.is_dir()).or_else(cache_folder);
    let options = EngineOptions { measure_again: settings.measure, ..settings.models.engine_options(cache) };
    look_at_engine(&mut findings, settings, &options);
    match findings.broken {
        0 => {
            println!("\nEverything that the service needs is here.");
            Ok(())
        }
        n => Err(fault!(Unavailable, "{n} of the things above are missing. `make setup` installs what it can.")),
    }
}

fn look_at_machine(findings: &mut Findings, data: &Path) {
    findings.heading("Machine");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let wide = if engine::has_bf16() { "bf16 by hardware" } else { "no bf16 by hardware: auto stays with f32" };
    findings.good("processor", format_args!("{}, {cores} cores, {wide}", engine::processor()));
    match engine::has_gpu() {
        true => findings.good("NVIDIA driver", "there"),
        false => findings.absent("NVIDIA driver", "no GPU is used; models run on the processor"),
    }
    // The folder may not be there yet: what counts is the disk it will be on.
    let place = data.ancestors().find(|place| place.is_dir()).unwrap_or(Path::new("."));
    match crate::jobs::free_bytes(place) {
        Ok(free) if free < ROOM => findings.broken(
            "room for data",
            format_args!("{} MiB free: free some space, or choose another disk with --data", free >> 20),
        ),
        Ok(free) => findings.good("room for data", format_args!("{} GiB free", free >> 30)),
        Err(error) => findings.broken("room for data", error.full()),
    }
}

fn look_at_media(findings: &mut Findings) {
    findings.heading("Video");
    if let Err(error) = media::init() {
        findings.broken("GStreamer", error.full());
        return;
    }
    findings.good("GStreamer", media::version());
    let (mut there, mut missing) = (0, 0);
    for (element, purpose, package, found) in media::elements() {
        if found {
            there += 1;
        } else {
            missing += 1;
            findings.broken(element, format_args!("{purpose}; apt-get install {package}"));
        }
    }
    if missing == 0 {
        findings.good("elements", format_args!("all {there} that the pipelines name"));
    }
    match media::probe_decoder() {
        Ok(()) => findings.good("decoding", "a drawn pattern was encoded and decoded"),
        Err(error) => findings.broken("decoding", error.full()),
    }
    match media::has_element("nvh264dec") {
        true => findings.good("nvh264dec", "H.264 can be decoded on the GPU"),
        false => findings.absent("nvh264dec", "H.264 is decoded on the processor"),
    }
}

fn look_at_engine(findings: &mut Findings, settings: &DoctorSettings, options: &EngineOptions) {
    findings.heading("ONNX Runtime");
    let library = match engine::library(options) {
        Ok(library) => library,
        Err(error) => return findings.broken("library", error.full()),
    };
    findings.good("library", format_args!("{} at {}", library.version, library.file.display()));
    let folders = match models::asked_for(&settings.models.model, None, settings.models.models.as_deref()) {
        Ok(folders) => folders,
        Err(error) => return findings.broken("models", error.full()),
    };
    let name = |folder: &std::path::PathBuf| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let models: Vec<_> = folders.iter().map(|folder| (name(folder), Model::open(folder))).collect();
    if let Some((_, Ok(model))) = models.iter().find(|(_, model)| model.is_ok()) {
        look_at_providers(findings, model, options);
    }
    findings.heading("Models");
    for (name, model) in &models {
        let loaded = match model {
            Ok(model) => Detector::of(model.clone(), options),
            Err(error) => {
                findings.broken(name, error.full());
                continue;
            }
        };
        match loaded {
            Ok(detector) => {
                let info = detector.info();
                let how = match settings.measure {
                    true if detector.trials().is_empty() => info.chosen.as_str(),
                    true => "the fastest of these",
                    false => info.chosen.as_str(),
                };
                findings.good(name, format_args!("runs by {}; {how}", detector.setup()));
                if settings.measure {
                    print_trials(detector.trials());
                }
            }
            Err(error) => findings.broken(name, error.full()),
        }
    }
}

/// What was measured, the fastest first.
fn print_trials(trials: &[Trial]) {
    let mut trials: Vec<&Trial> = trials.iter().collect();
    trials.sort_by(|a, b| b.measured.fps().total_cmp(&a.measured.fps()));
    if !trials.is_empty() {
        println!("           {:<32}{:>10}{:>22}", "setup", "frames/s", "other programs' CPU");
    }
    for Trial { setup, measured } in &trials {
        let others = format!("{:.0} %", measured.load.others * 100.0);
        println!("           {:<32}{:>10.1}{others:>22}", setup.to_string(), measured.fps());
    }
    if trials.iter().any(|trial| trial.measured.load.busy) {
        println!("           Other programs kept the machine busy: measure again when it is quiet.");
    }
}

fn look_at_pictures(findings: &mut Findings) {
    findings.heading("Pictures");
    findings.good("formats", "JPEG, PNG, WebP, GIF, BMP, TIFF");
    for (format, there) in ["HEIC", "AVIF"].into_iter().zip(picture::reads_heif()) {
        match there {
            true => findings.good(format, "decoded by libheif"),
            false => findings.absent(format, "apt-get install libheif1"),
        }
    }
}

/// A provider works when it really runs a model, not when it is compiled in.
fn look_at_providers(findings: &mut Findings, model: &Model, options: &EngineOptions) {
    for provider in [Provider::Cuda, Provider::TensorRt, Provider::OpenVino, Provider::Cpu] {
        let options = EngineOptions { provider, precision: Precision::F32, cache: None, ..options.clone() };
        match engine::try_provider(&network(model), &options) {
            Ok(()) => findings.good(provider, "really runs a model"),
            Err(error) if provider == Provider::Cpu => findings.broken(provider, error.full()),
            Err(error) => findings.absent(provider, error.full()),
        }
    }
}
