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
    inputs::{self, Failure, Wanted, is_picture},
    output::Output,
    place::Place,
    server::{Server, ServerSettings},
    show::show,
    writer::{self, Writer},
};
use crate::{
    config::{MediaSettings, ModelSettings},
    detector::Pending,
    error::{Error, Result},
    event::{Detection, Event, FrameEvent, Task},
    frame::Frame,
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

/// Everything that one input's work needs.
struct Job<'a> {
    settings: &'a DetectSettings,
    limits: Limits,
    style: Style,
    /// Lines tell which input they are about.
    several: bool,
    events: BufWriter<std::io::Stdout>,
    results: Option<Results>,
    output: Option<Output>,
}

pub fn run(settings: &DetectSettings) -> Result<()> {
    let several = inputs::several(&settings.inputs);
    if several && settings.output.as_ref().is_some_and(|output| output.extension().is_some() && !output.is_dir()) {
        // Wrong usage that only shows when both are known; ends as clap ends what it finds itself.
        let words = "with several inputs, -o must name a folder";
        super::Cli::command().error(clap::error::ErrorKind::ArgumentConflict, words).exit();
    }
    // Before the work, which may take long.
    let only = if several { None } else { settings.inputs.first().map(PathBuf::as_path) };
    if let Some(only) = only
        && !only.is_file()
    {
        return Err(inputs::named(only, inputs::no_file(only)));
    }
    let output = settings.output.as_deref().map(|output| Output::prepare(output, only)).transpose()?;
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
        output,
    };
    let outcome = inputs::each(&settings.inputs, Wanted::PicturesAndVideos, |input| job.one(&place, input));
    job.events.flush()?;
    job.results.map_or(Ok(()), Results::finish)?;
    if let Some(summary) = job.output.as_ref().and_then(Output::summary)
        && !settings.quiet
    {
        eprintln!("{summary}");
    }
    outcome
}

/// A score between 0 and 1.
fn parse_score(text: &str) -> Result<f32, String> {
    let score = text.parse::<f32>().ok().filter(|score| *score > 0.0 && *score < 1.0);
    score.ok_or_else(|| "choose a score between 0 and 1, for example 0.25".into())
}

impl Job<'_> {
    fn one(&mut self, place: &Place, input: &Path) -> Result<(), Failure> {
        let done = match (is_picture(input), place) {
            _ if !input.is_file() => Err(inputs::no_file(input).into()),
            (true, place) => self.picture(place, input),
            (false, Place::Here(_)) => self.video(place, input),
            (false, Place::There(server)) => Ok(self.send_video(server, input)?),
        };
        // Who types paths one after the other wants to see each answer.
        self.events.flush()?;
        done
    }

    /// The annotated copy's path for an input, with `ending` if it goes to a folder.
    fn target(&mut self, input: &Path, ending: &str) -> Result<Option<PathBuf>> {
        self.output.as_mut().map(|output| output.target(input, ending)).transpose()
    }

    fn wrote(&mut self, target: PathBuf, frames: Option<u64>) {
        if let Some(output) = &mut self.output {
            output.wrote(target, frames);
        }
    }

    /// What a service is asked for.
    fn wishes(&self, input: &Path) -> Vec<(&'static str, String)> {
        let name = input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let model = self.settings.models.model.first().map(|model| ("model", model.clone()));
        let threshold = self.settings.threshold.map(|threshold| ("threshold", threshold.to_string()));
        [("name", name)].into_iter().chain(model).chain(threshold).collect()
    }

    fn say(&mut self, input: &Path, picture: bool, event: FrameEvent) -> Result<()> {
        if let Some(results) = &mut self.results {
            results.push(input, picture, &event)?;
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

    fn picture(&mut self, place: &Place, input: &Path) -> Result<(), Failure> {
        let bytes = inputs::read(input)?;
        let read = || picture::read(&bytes, self.limits.max_pixels);
        if picture::look(&bytes, self.limits.max_pixels).is_ok_and(|still| still.animated) {
            eprintln!("{}: an animation: only its first picture is used", input.display());
        }
        let (event, frame) = match place {
            Place::Here(here) => {
                let frame = read()?;
                let model = here.model()?;
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
        let frame = match frame {
            None if self.output.is_some() || self.settings.show => Some(read()?),
            frame => frame,
        };
        let target = match self.target(input, writer::picture_ending(input))? {
            None if self.settings.show => Some(writer::shown(input)),
            target => target,
        };
        if let (Some(target), Some(frame)) = (target, frame) {
            writer::write_picture(&annotate(&frame, &event.detections, self.style), &target)?;
            if self.settings.show {
                show(&target);
            }
            self.wrote(target, None);
        }
        Ok(self.say(input, true, event)?)
    }

    fn video(&mut self, place: &Place, input: &Path) -> Result<(), Failure> {
        let mut source = FileSource::open("input", input, &self.limits)?;
        let Place::Here(here) = place else { return Ok(()) };
        let model = here.model()?;
        let threshold = self.settings.threshold.unwrap_or(model.info().threshold);
        let info = source.info().clone();
        let rate = info.rate.unwrap_or(Rate { num: 25, den: 1 });
        let target = self.target(input, self.settings.format.as_str())?;
        let mut writer = target.as_ref().map(|target| Writer::create(target, info.size, rate)).transpose()?;
        let mut frames = 0;
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
                self.say(input, false, event(&frame, detections))?;
                frames += 1;
                bar.inc(1);
            }
            if ended {
                break;
            }
        }
        if let Some((writer, target)) = writer.zip(target) {
            writer.finish()?;
            self.wrote(target, Some(frames));
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
        let mut frames = 0;
        let upload = server.video(input, self.wishes(input), |event, total| {
            bar.set_length(total.unwrap_or(event.frame + 1).max(event.frame + 1));
            bar.set_position(event.frame + 1);
            frames += 1;
            self.say(input, false, event)
        })?;
        bar.finish_and_clear();
        if let Some(warning) = &upload.warning {
            eprintln!("{}: {warning}", input.display());
        }
        if let Some((target, format)) = copy {
            upload.record(&target, format, self.style)?;
            self.wrote(target, Some(frames));
        }
        Ok(())
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
