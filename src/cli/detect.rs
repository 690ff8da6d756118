//! `sightglass detect`: files in, frame events out, annotated copies on request.

use std::{
    collections::VecDeque,
    io::{BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    coco::Results,
    inputs::{self, is_picture},
    server::{Server, ServerSettings},
    show::show,
    writer::{self, Writer},
};
use crate::{
    app,
    config::{MediaSettings, ModelSettings, Precision, Provider},
    detector::{Detector, Pending},
    error::{Error, Result},
    event::{Detection, Event, FrameEvent, Task},
    fault,
    frame::Frame,
    jobs::Models,
    media::{self, FileSource, Format, Limits, Rate},
    vision::{
        draw::{Style, annotate},
        picture,
    },
};

#[derive(clap::Args)]
pub struct DetectSettings {
    /// Videos and pictures; a folder or a pattern such as `*.jpg` stands for those in it. None: paths are asked for, or
    /// read from standard input, one a line.
    #[arg(value_name = "INPUT")]
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
    /// Open annotated pictures in the desktop's viewer.
    #[arg(long, env = "SIGHTGLASS_SHOW")]
    show: bool,
    /// Write all detections as COCO's results (JSON). A picture's image_id is the number in its name, as COCO calls its
    /// pictures, or which of the inputs it is, from 1; of a video it is the frame's number. The category_id is the class's
    /// place among the model's labels, from 0.
    #[arg(long, env = "SIGHTGLASS_SAVE_COCO", value_name = "FILE")]
    save_coco: Option<PathBuf>,
    /// Print no events.
    #[arg(short, long, env = "SIGHTGLASS_QUIET")]
    quiet: bool,
    #[command(flatten)]
    server: ServerSettings,
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

/// Where the work is done.
pub enum Place {
    Here(Models),
    There(Server),
}

impl Place {
    /// The service that was named, or the models here, without measuring where that would take longer than the work.
    ///
    /// # Errors
    /// The service's address cannot be used, or a model cannot be loaded.
    pub fn of(server: &ServerSettings, models: &ModelSettings, task: Task, brief: bool) -> Result<Self> {
        if let Some(server) = server.connect()? {
            return Ok(Self::There(server));
        }
        let mut models = models.clone();
        // What is looked at one by one should be exact, too.
        if brief && models.provider == Provider::Auto && models.precision == Precision::Auto {
            (models.provider, models.precision) = (Provider::Cpu, Precision::F32);
            models.sessions = models.sessions.or(Some(1));
        }
        Ok(Self::Here(Models::new(app::load_models(&models, Some(task), cache_folder())?)))
    }
}

/// Everything that one input's work needs.
struct Job<'a> {
    settings: &'a DetectSettings,
    limits: Limits,
    style: Style,
    /// Lines tell which input they are about.
    several: bool,
    events: BufWriter<std::io::Stdout>,
    results: Option<Results>,
}

pub fn run(settings: &DetectSettings) -> Result<()> {
    let several = inputs::several(&settings.inputs);
    if several && settings.output.as_ref().is_some_and(|output| output.extension().is_some() && !output.is_dir()) {
        // Wrong usage that only shows when both are known; ends as clap ends what it finds itself.
        let words = "with several inputs, -o must name a folder";
        super::Cli::command().error(clap::error::ErrorKind::ArgumentConflict, words).exit();
    }
    // Before the work, which may take long.
    let results = settings.save_coco.as_deref().map(Results::create).transpose()?;
    media::init()?;
    let brief = settings.inputs.iter().all(|input| input.is_dir() || is_picture(input));
    let place = Place::of(&settings.server, &settings.models, Task::Detect, brief)?;
    let mut job = Job {
        settings,
        limits: settings.media.limits(),
        style: Style { labels: !settings.no_labels, scores: !settings.no_scores },
        several,
        events: BufWriter::new(std::io::stdout()),
        results,
    };
    let outcome = inputs::each(&settings.inputs, |input| job.one(&place, input));
    job.events.flush()?;
    job.results.map_or(Ok(()), Results::finish)?;
    outcome
}

/// A score between 0 and 1.
fn parse_score(text: &str) -> Result<f32, String> {
    let score = text.parse::<f32>().ok().filter(|score| *score > 0.0 && *score < 1.0);
    score.ok_or_else(|| "choose a score between 0 and 1, for example 0.25".into())
}

/// The user's cache folder (XDG Base Directory Specification).
pub fn cache_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    Some(base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?.join("sightglass"))
}

impl Job<'_> {
    fn one(&mut self, place: &Place, input: &Path) -> Result<()> {
        let done = match (is_picture(input), place) {
            (true, place) => self.picture(place, input),
            _ if !input.is_file() => Err(fault!(NotFound, "There is no such file.")),
            (false, Place::Here(models)) => self.video(models.find(None, Task::Detect)?, input),
            (false, Place::There(server)) => self.send_video(server, input),
        };
        // Who types paths one after the other wants to see each answer.
        self.events.flush()?;
        done
    }

    /// The annotated copy's path for an input, with `ending` if it goes to a folder.
    fn target(&self, input: &Path, ending: &str) -> Result<Option<PathBuf>> {
        self.settings.output.as_ref().map(|output| writer::target(output, input, ending)).transpose()
    }

    /// What a service is asked for.
    fn wishes(&self, input: &Path) -> Vec<(&'static str, String)> {
        let name = input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let model = self.settings.models.model.first().map(|model| ("model", model.clone()));
        let threshold = self.settings.threshold.map(|threshold| ("threshold", threshold.to_string()));
        [("name", name)].into_iter().chain(model).chain(threshold).collect()
    }

    fn say(&mut self, input: &Path, event: FrameEvent) -> Result<()> {
        if let Some(results) = &mut self.results {
            results.push(input, &event)?;
        }
        if self.settings.quiet {
            return Ok(());
        }
        let source = self.several.then(|| input.display().to_string());
        let line = Line { event: Event::Frame(event), source };
        serde_json::to_writer(&mut self.events, &line).map_err(|error| Error::from(std::io::Error::from(error)))?;
        writeln!(self.events)?;
        Ok(())
    }

    fn picture(&mut self, place: &Place, input: &Path) -> Result<()> {
        let bytes = std::fs::read(input).map_err(|error| fault!(NotFound, "It cannot be read: {error}."))?;
        let read = || picture::read(&bytes, self.limits.max_pixels);
        let (event, frame) = match place {
            Place::Here(models) => {
                let (model, frame) = (models.find(None, Task::Detect)?, read()?);
                let threshold = self.settings.threshold.unwrap_or(model.info().threshold);
                (event(&frame, model.detect(&frame, threshold)?), Some(frame))
            }
            Place::There(server) => {
                let mut wishes = self.wishes(input);
                wishes.push(("task", Task::Detect.as_str().to_owned()));
                let found = server.picture(&bytes, wishes)?;
                let (width, height, detections) = (found.width, found.height, found.detections);
                (FrameEvent { frame: 0, time: 0.0, width, height, detections, mark: None, latency_ms: None }, None)
            }
        };
        let target = match self.target(input, writer::picture_ending(input))? {
            None if self.settings.show => Some(writer::shown(input)),
            target => target,
        };
        if let Some(target) = target {
            let frame = frame.map_or_else(read, Ok)?;
            writer::write_picture(&annotate(&frame, &event.detections, self.style), &target)?;
            if self.settings.show {
                show(&target);
            }
        }
        self.say(input, event)
    }

    fn video(&mut self, model: &Detector, input: &Path) -> Result<()> {
        let threshold = self.settings.threshold.unwrap_or(model.info().threshold);
        let mut source = FileSource::open("input", input, &self.limits)?;
        let info = source.info().clone();
        let rate = info.rate.unwrap_or(Rate { num: 25, den: 1 });
        let target = self.target(input, self.settings.format.as_str())?;
        let mut writer = target.map(|target| Writer::create(&target, info.size, rate)).transpose()?;
        let bar = progress(info.frames);
        let mut pending: VecDeque<(Frame, Pending)> = VecDeque::new();
        loop {
            let next = source.next_frame()?;
            let ended = next.is_none();
            if let Some(frame) = next {
                let flying = model.submit(&frame)?;
                pending.push_back((frame, flying));
            }
            while pending.len() >= model.depth() || (ended && !pending.is_empty()) {
                let Some((frame, flying)) = pending.pop_front() else { break };
                let detections = flying.wait(threshold)?;
                if let Some(writer) = &mut writer {
                    writer.write(annotate(&frame, &detections, self.style))?;
                }
                self.say(input, event(&frame, detections))?;
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

    fn send_video(&mut self, server: &Server, input: &Path) -> Result<()> {
        let target = self.target(input, self.settings.format.as_str())?;
        let copy = target.map(|target| writer::format_of(&target).map(|format| (target, format))).transpose()?;
        let bar = progress(None);
        let upload = server.video(input, self.wishes(input), |event, total| {
            bar.set_length(total.unwrap_or(event.frame + 1).max(event.frame + 1));
            bar.set_position(event.frame + 1);
            self.say(input, event)
        })?;
        bar.finish_and_clear();
        if let Some(warning) = &upload.warning {
            eprintln!("{}: {warning}", input.display());
        }
        copy.map_or(Ok(()), |(target, format)| upload.record(&target, format, self.style))
    }
}

fn event(frame: &Frame, detections: Vec<Detection>) -> FrameEvent {
    let (size, tag) = (frame.size, &frame.tag);
    let (width, height) = (size.width, size.height);
    FrameEvent { frame: tag.frame, time: tag.time, width, height, detections, mark: None, latency_ms: None }
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
