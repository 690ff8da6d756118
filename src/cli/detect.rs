//! `sightglass detect`: files in, frame events out, annotated copies on request.

use std::{
    collections::VecDeque,
    io::{BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    app,
    config::{MediaSettings, ModelSettings, Precision, Provider},
    detector::{Detector, Pending},
    error::{Error, Result},
    event::{Detection, Event, FrameEvent, Task},
    fault,
    frame::Frame,
    jobs::Models,
    media::{self, Encoder, FileSource, Format, Limits, Rate},
    vision::{
        draw::{Style, annotate},
        picture,
    },
};

#[derive(clap::Args)]
pub struct DetectSettings {
    /// Videos and pictures.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Write an annotated copy: a file ending in .avi, .mp4, .jpg or .png, or a folder when there are several inputs.
    #[arg(short, long, env = "SIGHTGLASS_OUTPUT", value_name = "OUT")]
    output: Option<PathBuf>,
    /// Format of annotated videos in a folder: avi or mp4.
    #[arg(long, env = "SIGHTGLASS_FORMAT", default_value = "avi", value_name = "FORMAT")]
    format: Format,
    /// Keep detections from this score on [default: the model's].
    #[arg(long, env = "SIGHTGLASS_THRESHOLD", value_parser = parse_score)]
    threshold: Option<f32>,
    /// Draw boxes without labels.
    #[arg(long, env = "SIGHTGLASS_NO_LABELS")]
    no_labels: bool,
    /// Draw boxes without scores.
    #[arg(long, env = "SIGHTGLASS_NO_SCORES")]
    no_scores: bool,
    /// Print no events.
    #[arg(short, long, env = "SIGHTGLASS_QUIET")]
    quiet: bool,
    #[command(flatten)]
    models: ModelSettings,
    #[command(flatten)]
    media: MediaSettings,
}

/// One line of the output.
#[derive(serde::Serialize)]
struct Line {
    #[serde(flatten)]
    event: Event<(), ()>,
    /// Which input it is about, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

/// Everything that one input's work needs.
struct Job<'a> {
    settings: &'a DetectSettings,
    model: &'a Detector,
    limits: Limits,
    threshold: f32,
    style: Style,
    events: BufWriter<std::io::Stdout>,
}

pub fn run(settings: &DetectSettings) -> Result<()> {
    let several = settings.inputs.len() > 1;
    if several && settings.output.as_ref().is_some_and(|output| output.extension().is_some() && !output.is_dir()) {
        // Wrong usage that only shows when both are known; ends as clap ends what it finds itself.
        let words = "with several inputs, -o must name a folder";
        super::Cli::command().error(clap::error::ErrorKind::ArgumentConflict, words).exit();
    }
    media::init()?;
    let mut models = settings.models.clone();
    // Measuring would take longer than a few pictures do, and what is looked at one by one should be exact.
    if settings.inputs.iter().all(|input| is_picture(input))
        && models.provider == Provider::Auto
        && models.precision == Precision::Auto
    {
        (models.provider, models.precision) = (Provider::Cpu, Precision::F32);
        models.sessions = models.sessions.or(Some(1));
    }
    let models = Models::new(app::load_models(&models, cache_folder())?);
    let model = models.find(None, Task::Detect)?;
    let mut job = Job {
        settings,
        model,
        limits: settings.media.limits(),
        threshold: settings.threshold.unwrap_or(model.info().threshold),
        style: Style { labels: !settings.no_labels, scores: !settings.no_scores },
        events: BufWriter::new(std::io::stdout()),
    };
    let mut failed = 0;
    for input in &settings.inputs {
        if let Err(error) = job.one(input) {
            eprintln!("{}: {}", input.display(), error.full());
            failed += 1;
        }
    }
    job.events.flush()?;
    match failed {
        0 => Ok(()),
        n => Err(fault!(Unprocessable, "{n} of {} inputs failed.", settings.inputs.len())),
    }
}

/// A score between 0 and 1.
fn parse_score(text: &str) -> Result<f32, String> {
    let score = text.parse::<f32>().ok().filter(|score| *score > 0.0 && *score < 1.0);
    score.ok_or_else(|| "choose a score between 0 and 1, for example 0.25".into())
}

/// By the ending, as people tell them apart.
fn is_picture(input: &Path) -> bool {
    let ending = input.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
    picture::ENDINGS.contains(&ending.as_str())
}

/// The user's cache folder (XDG Base Directory Specification).
pub fn cache_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    Some(base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?.join("sightglass"))
}

impl Job<'_> {
    fn one(&mut self, input: &Path) -> Result<()> {
        if is_picture(input) { self.picture(input) } else { self.video(input) }
    }

    /// The annotated copy's path for an input, with `ending` if it goes to a folder.
    fn target(&self, input: &Path, ending: &str) -> Result<Option<PathBuf>> {
        let Some(output) = &self.settings.output else { return Ok(None) };
        let folder = output.is_dir() || output.extension().is_none();
        let target = if folder {
            std::fs::create_dir_all(output)?;
            output.join(input.file_stem().unwrap_or_default()).with_extension(ending)
        } else {
            output.clone()
        };
        let same =
            target.canonicalize().ok().is_some_and(|target| input.canonicalize().is_ok_and(|input| input == target));
        if same {
            return Err(fault!(BadRequest, "The annotated copy would overwrite its source: choose another -o."));
        }
        Ok(Some(target))
    }

    fn say(&mut self, input: &Path, frame: &Frame, detections: &[Detection]) -> Result<()> {
        if self.settings.quiet {
            return Ok(());
        }
        let event = FrameEvent {
            frame: frame.tag.frame,
            time: frame.tag.time,
            width: frame.size.width,
            height: frame.size.height,
            detections: detections.to_vec(),
            mark: None,
            latency_ms: None,
        };
        let source = (self.settings.inputs.len() > 1).then(|| input.display().to_string());
        let line = Line { event: Event::Frame(event), source };
        serde_json::to_writer(&mut self.events, &line).map_err(|error| Error::from(std::io::Error::from(error)))?;
        writeln!(self.events)?;
        Ok(())
    }

    fn picture(&mut self, input: &Path) -> Result<()> {
        let bytes = std::fs::read(input).map_err(|error| fault!(NotFound, "It cannot be read: {error}."))?;
        let frame = picture::read(&bytes, self.limits.max_pixels)?;
        let detections = self.model.detect(&frame, self.threshold)?;
        self.say(input, &frame, &detections)?;
        if let Some(target) = self.target(input, "jpg")? {
            std::fs::write(&target, picture::encode(&annotate(&frame, &detections, self.style), &target)?)?;
        }
        Ok(())
    }

    fn video(&mut self, input: &Path) -> Result<()> {
        if !input.is_file() {
            return Err(fault!(NotFound, "There is no such file."));
        }
        let mut source = FileSource::open("input", input, &self.limits)?;
        let info = source.info().clone();
        let mut writer = match self.target(input, self.settings.format.as_str())? {
            Some(target) => {
                let ending = target.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
                let format: Format = ending
                    .parse()
                    .map_err(|words| fault!(BadRequest, "A video is written as .avi or .mp4: {words}"))?;
                let rate = info.rate.unwrap_or(Rate { num: 25, den: 1 });
                Some(Writer {
                    encoder: Encoder::create(&target, format, info.size, rate)?,
                    avi: format == Format::Avi,
                    rate,
                    written: 0,
                    held: None,
                    first: None,
                })
            }
            None => None,
        };
        let bar = progress(info.frames);
        let mut pending: VecDeque<(Frame, Pending)> = VecDeque::new();
        loop {
            let next = source.next_frame()?;
            let ended = next.is_none();
            if let Some(frame) = next {
                let flying = self.model.submit(&frame)?;
                pending.push_back((frame, flying));
            }
            while pending.len() >= self.model.depth() || (ended && !pending.is_empty()) {
                let Some((frame, flying)) = pending.pop_front() else { break };
                let detections = flying.wait(self.threshold)?;
                self.say(input, &frame, &detections)?;
                if let Some(writer) = &mut writer {
                    writer.write(annotate(&frame, &detections, self.style))?;
                }
                bar.inc(1);
            }
            if ended {
                break;
            }
        }
        if let Some(writer) = writer {
            writer.finish()?;
        }
        bar.finish_and_clear();
        if let Some(warning) = source.warning() {
            eprintln!("{}: {warning}", input.display());
        }
        Ok(())
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress(frames: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = frames.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} frames  {per_sec}  {eta} left");
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}

/// Writes frames while they come: one is held back until the next tells how long it lasts.
struct Writer {
    encoder: Encoder,
    avi: bool,
    rate: Rate,
    /// Frames in the file.
    written: u64,
    held: Option<Frame>,
    first: Option<f64>,
}

impl Writer {
    fn write(&mut self, frame: Frame) -> Result<()> {
        let until = frame.tag.time;
        self.first.get_or_insert(until);
        match self.held.replace(frame) {
            Some(held) => self.emit(&held, until),
            None => Ok(()),
        }
    }

    /// Writes a frame that lasts until stream time `until`.
    fn emit(&mut self, frame: &Frame, until: f64) -> Result<()> {
        let duration = until - frame.tag.time;
        let mut times = 1;
        if self.avi {
            // AVI has no time stamps: a frame that lasts long is repeated; every frame is there at least once.
            let end = ((until - self.first.unwrap_or(0.0)) * self.rate.per_second()).round() as u64;
            times = end.saturating_sub(self.written).max(1);
        }
        for _ in 0..times {
            self.encoder.push(frame, frame.tag.time, duration)?;
            self.written += 1;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        if let Some(last) = self.held.take() {
            let until = last.tag.time + 1.0 / self.rate.per_second();
            self.emit(&last, until)?;
        }
        self.encoder.finish()
    }
}
