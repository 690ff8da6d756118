//! `sightglass eval`: a model's accuracy on annotated pictures, by COCO's measure.

use std::{
    collections::VecDeque,
    io::{IsTerminal, Write},
    path::{Component, Path, PathBuf},
    time::Instant,
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{coco, output, place::cache_folder, writer};
use crate::{
    app,
    config::{MediaSettings, ModelSettings, Precision, Provider},
    detector::{Detector, Pending, Rules},
    error::{Error, Result},
    eval::{
        annotations::{self, Annotations, Category, Image},
        curves,
        figures::evaluate,
        names,
        report::{Report, Settings, Speed},
        results::{self, Found},
    },
    event::Task,
    fault,
    frame::Size,
    jobs::Models,
    media,
    vision::{picture, plot},
};

#[derive(clap::Args)]
pub struct EvalSettings {
    /// What the pictures show: objects as COCO annotates them (JSON).
    #[arg(long, env = "SIGHTGLASS_ANNOTATIONS", value_name = "FILE")]
    annotations: PathBuf,
    /// Folder of the pictures that the annotations name.
    #[arg(long, env = "SIGHTGLASS_IMAGES", value_name = "DIR", required_unless_present = "detections")]
    images: Option<PathBuf>,
    /// Evaluate these detections (COCO's results, JSON) and run no model.
    #[arg(long, env = "SIGHTGLASS_DETECTIONS", value_name = "FILE")]
    detections: Option<PathBuf>,
    /// Keep boxes from this score on.
    #[arg(long, env = "SIGHTGLASS_SCORE", default_value = "0.005", value_parser = parse_ratio)]
    score: f32,
    /// Boxes of one class that overlap by more than this are one object.
    #[arg(long, env = "SIGHTGLASS_IOU", default_value = "0.5", value_parser = parse_ratio)]
    iou: f32,
    /// Most boxes of a picture, the best.
    #[arg(long, env = "SIGHTGLASS_MAX_DETECTIONS", value_name = "N", default_value_t = 100)]
    max_detections: usize,
    /// Only the best class of each cell of the model's grid, and not every one above the score.
    #[arg(long, env = "SIGHTGLASS_BEST_CLASS_ONLY")]
    best_class_only: bool,
    /// Cut boxes where the picture ends, as the service does; published figures are mostly made without.
    #[arg(long, env = "SIGHTGLASS_CLIP")]
    clip: bool,
    /// Evaluate these categories, by name [default: all of the annotations].
    #[arg(long, env = "SIGHTGLASS_CATEGORIES", value_name = "NAMES", value_delimiter = ',')]
    categories: Vec<String>,
    /// Leave out categories that the model has no label for; otherwise their objects count as not found.
    #[arg(long, env = "SIGHTGLASS_ONLY_KNOWN")]
    only_known: bool,
    /// Write the detections as COCO's results.
    #[arg(long, env = "SIGHTGLASS_SAVE_COCO", value_name = "FILE")]
    save_coco: Option<PathBuf>,
    /// Draw precision over recall: a file ending in .png or .jpg.
    #[arg(long, env = "SIGHTGLASS_CURVES", value_name = "FILE", value_parser = parse_picture)]
    curves: Option<PathBuf>,
    /// Print one JSON object instead of tables.
    #[arg(long, env = "SIGHTGLASS_JSON")]
    json: bool,
    #[command(flatten)]
    models: ModelSettings,
    #[command(flatten)]
    media: MediaSettings,
}

fn parse_ratio(text: &str) -> Result<f32, String> {
    let ratio = text.parse::<f32>().ok().filter(|ratio| *ratio > 0.0 && *ratio <= 1.0);
    ratio.ok_or_else(|| "choose a number between 0 and 1, for example 0.5".into())
}

fn parse_picture(text: &str) -> Result<PathBuf, String> {
    let file = PathBuf::from(text);
    match writer::picture_format(&file) {
        Ok(_) => Ok(file),
        Err(_) => Err("choose a name that ends in .png, .jpg, .webp or .bmp".into()),
    }
}

pub fn run(settings: &EvalSettings) -> Result<()> {
    let annotations = read(&settings.annotations, annotations::read)?;
    if annotations.strays > 0 {
        eprintln!("{} annotations are of images or categories that are not listed: passed over", annotations.strays);
    }
    if annotations.objects.iter().any(|object| object.id == 0) {
        eprintln!("an annotation has the id 0: pycocotools never finds it, nor does this; count ids from 1");
    }
    let mut categories = match settings.categories.as_slice() {
        [] => annotations.categories.clone(),
        wanted => names::choose(&annotations.categories, wanted)?,
    };
    // Before the work, which may take long.
    settings.curves.as_deref().map_or(Ok(()), output::can_write)?;
    let mut saved = settings.save_coco.as_deref().map(coco::create).transpose()?;
    let detected = match &settings.detections {
        Some(file) => {
            let found = read(file, results::read)?;
            results::check(&found, &annotations)?;
            Detected { found, name: file.display().to_string(), ..Detected::default() }
        }
        None => detect(settings, &annotations)?,
    };
    if let Some(mut writer) = saved.take() {
        detected.found.iter().try_for_each(|found| writer.push(found))?;
        writer.finish()?;
    }
    if settings.only_known {
        categories.retain(|category| !detected.unknown.contains(category));
    }
    let unknown: Vec<String> = categories
        .iter()
        .filter(|category| detected.unknown.contains(category))
        .map(|category| category.name.clone())
        .collect();
    tell("categories that the model does not know, whose objects count as not found unless --only-known", &unknown);
    tell("labels of the model that are no category, dropped", &detected.dropped);

    let classes = evaluate(&annotations, &detected.found, &categories);
    let mut report = Report::new(annotations.images.len(), &classes);
    (report.unknown_categories, report.dropped_labels) = (unknown, detected.dropped);
    (report.settings, report.model, report.speed) = (detected.settings, detected.model, detected.speed);
    if let Some(file) = &settings.curves {
        let figures = &report.figures;
        let title = format!("{}: AP {:.3}, AP50 {:.3}", detected.name, figures.AP, figures.AP50);
        let drawn = plot::draw(&curves::plot(&title, &classes))?;
        writer::write_picture(&drawn, file)?;
    }
    let mut out = std::io::stdout().lock();
    if settings.json {
        let json = serde_json::to_string(&report).map_err(std::io::Error::from)?;
        writeln!(out, "{json}")?;
    } else {
        write!(out, "{}", report.text())?;
    }
    Ok(())
}

/// What is the matter with some names, how many they are, and the first of them.
fn tell(words: &str, names: &[String]) {
    const SOME: usize = 10;
    if !names.is_empty() {
        let more = if names.len() > SOME { ", …" } else { "" };
        let some: Vec<&str> = names.iter().take(SOME).map(String::as_str).collect();
        eprintln!("{words} ({}): {}{more}", names.len(), some.join(", "));
    }
}

fn read<T>(file: &Path, parse: impl Fn(&[u8]) -> Result<T>) -> Result<T> {
    let bytes =
        std::fs::read(file).map_err(|error| fault!(NotFound, "{}: cannot be read: {error}.", file.display()))?;
    parse(&bytes).map_err(|error| Error { detail: format!("{}: {}", file.display(), error.detail), ..error })
}

/// What a model found, and how.
#[derive(Default)]
struct Detected {
    found: Vec<Found>,
    /// Of the model, or the file that the detections come from.
    name: String,
    /// Categories that no label has, and the other way round.
    unknown: Vec<Category>,
    dropped: Vec<String>,
    settings: Option<Settings>,
    model: Option<serde_json::Value>,
    speed: Option<Speed>,
}

fn detect(settings: &EvalSettings, annotations: &Annotations) -> Result<Detected> {
    let folder = settings.images.as_deref().unwrap_or(Path::new("."));
    let files = find(folder, &annotations.images)?;
    media::init()?;
    let mut models = settings.models.clone();
    models.model.truncate(1);
    // A figure that others are to get again should not depend on what this machine does fastest.
    if models.provider == Provider::Auto && models.precision == Precision::Auto {
        (models.provider, models.precision) = (Provider::Cpu, Precision::F32);
        models.sessions = models.sessions.or(Some(1));
    }
    let models = Models::new(app::load_models(&models, Some(Task::Detect), cache_folder())?);
    let model = models.find(None, Task::Detect)?;
    let matched = names::match_labels(model.label_names(), &annotations.categories)?;
    if matched.of_label.iter().all(Option::is_none) {
        let some: Vec<&str> = annotations.categories.iter().take(5).map(|category| category.name.as_str()).collect();
        return Err(fault!(
            BadRequest,
            "None of the model's {} labels is a category of the annotations ({}, …): choose another --model.",
            model.label_names().len(),
            some.join(", ")
        ));
    }
    let rules = Rules {
        threshold: settings.score,
        iou: settings.iou,
        multi_label: !settings.best_class_only,
        most: settings.max_detections,
        clip: settings.clip,
    };
    let start = Instant::now();
    let found = run_model(model, &rules, &annotations.images, &files, &matched.of_label, settings.media.max_pixels)?;
    let ms_per_image = start.elapsed().as_secs_f64() * 1000.0 / annotations.images.len() as f64;
    Ok(Detected {
        found,
        name: model.info().name.clone(),
        unknown: matched.unknown,
        dropped: matched.dropped,
        settings: Some(Settings {
            score: rules.threshold,
            iou: rules.iou,
            max_detections: rules.most,
            multi_label: rules.multi_label,
            clip: rules.clip,
        }),
        model: Some(serde_json::to_value(model.info()).map_err(std::io::Error::from)?),
        speed: Some(Speed { ms_per_image }),
    })
}

/// The files of the images.
fn find(folder: &Path, images: &[Image]) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Err(fault!(NotFound, "{}: there is no such folder (--images).", folder.display()));
    }
    // The annotations come from elsewhere: they name files below the folder and no others.
    let below = |name: &str| Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    let files: Vec<PathBuf> = images.iter().map(|image| folder.join(&image.file_name)).collect();
    let missing: Vec<String> = images
        .iter()
        .zip(&files)
        .filter(|(image, file)| !below(&image.file_name) || !file.is_file())
        .map(|(image, _)| image.file_name.clone())
        .collect();
    if missing.is_empty() {
        return Ok(files);
    }
    tell("missing pictures", &missing);
    let (missing, all, folder) = (missing.len(), images.len(), folder.display());
    Err(fault!(NotFound, "{missing} of {all} pictures are not in {folder}: without them the figures would be wrong."))
}

/// Runs the model over the pictures, as many at a time as it takes.
fn run_model(
    model: &Detector,
    rules: &Rules,
    images: &[Image],
    files: &[PathBuf],
    of_label: &[Option<i64>],
    max_pixels: u64,
) -> Result<Vec<Found>> {
    let bar = progress(images.len());
    let (mut found, mut resized) = (Vec::new(), Vec::new());
    let mut pending: VecDeque<(i64, Pending)> = VecDeque::new();
    let mut take = |(image, flying): (i64, Pending)| -> Result<()> {
        let category = |class: u32| of_label.get(class as usize).copied().flatten();
        for detection in flying.wait_with(rules)? {
            found.extend(category(detection.class_id).map(|category| Found::new(image, category, &detection)));
        }
        bar.inc(1);
        Ok(())
    };
    for (image, file) in images.iter().zip(files) {
        let frame = read(file, |bytes| picture::read(bytes, max_pixels))?;
        if image.width.zip(image.height).is_some_and(|(width, height)| Size::new(width, height) != frame.size) {
            resized.push(image.file_name.clone());
        }
        if pending.len() >= model.depth() {
            pending.pop_front().map(&mut take).transpose()?;
        }
        pending.push_back((image.id, model.submit(&frame)?));
    }
    pending.into_iter().try_for_each(take)?;
    bar.finish_and_clear();
    tell("pictures of another size than the annotations say, so that boxes may not fit", &resized);
    Ok(found)
}

/// A bar on a terminal, nothing elsewhere.
fn progress(images: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(images as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} images  {per_sec}  {eta} left");
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}
