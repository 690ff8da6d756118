//! `sightglass bench`: each stage alone and the whole, in turns, so that a busy machine spoils all alike.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use super::place::cache_folder;
use crate::{
    app,
    config::{Limits, MediaSettings, ModelSettings},
    detector::Detector,
    engine::{Load, Measured},
    error::{Error, Result},
    event::Task,
    fault,
    frame::Size,
    jobs::{Files, JobSettings, Jobs, Retention, Store, Video, new_id},
    media::{self, FileSource},
    meter::{Meter, Process, cpu_seconds},
};

#[derive(clap::Args)]
pub struct BenchSettings {
    /// A video; a longer one measures better, because opening and closing count.
    input: PathBuf,
    /// How often everything is measured; medians are told.
    #[arg(long, env = "SIGHTGLASS_RUNS", default_value_t = 3, value_name = "N")]
    runs: usize,
    /// How long ONNX Runtime alone is measured in each run.
    #[arg(long, env = "SIGHTGLASS_SPAN", default_value = "5s", value_name = "TIME", value_parser = crate::config::parse_duration)]
    span: Duration,
    /// Another program on the same video, measured in turns with ours: a shell command whose last line is JSON with `fps`.
    #[arg(long, env = "SIGHTGLASS_PEER", value_name = "COMMAND")]
    peer: Option<String>,
    /// Print one JSON object instead of a table.
    #[arg(long, env = "SIGHTGLASS_JSON")]
    json: bool,
    #[command(flatten)]
    models: ModelSettings,
    #[command(flatten)]
    media: MediaSettings,
}

/// Frames that are kept for measuring the preprocessing.
const SAMPLE: usize = 32;
/// The preprocessing is repeated until so many frames went through.
const PREPARED: u64 = 320;

/// One stage's runs.
struct Stage {
    name: &'static str,
    runs: Vec<Measured>,
}

impl Stage {
    fn new(name: &'static str) -> Self {
        Self { name, runs: Vec::new() }
    }

    fn fps(&self) -> f64 {
        median(self.runs.iter().map(Measured::fps))
    }

    /// CPU milliseconds per frame.
    fn cpu(&self) -> f64 {
        median(self.runs.iter().map(|run| 1000.0 * run.cpu_seconds / run.frames as f64))
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

pub fn run(settings: &BenchSettings) -> Result<()> {
    media::init()?;
    let limits = settings.media.limits();
    let options = settings.models.engine_options(cache_folder());
    let models = app::load_models(&settings.models, Some(Task::Detect), cache_folder())?;
    let model = models.first().ok_or_else(|| fault!(BadRequest, "No model was given."))?.clone();
    let size = FileSource::open("bench", &settings.input, &limits)?.info().size;

    let folder = Scratch(std::env::temp_dir().join(format!("sightglass-bench-{}", std::process::id())));
    let whole = Whole::new(&folder.0, &model, limits.clone())?;
    let [mut decoded, mut prepared, mut alone, mut all] =
        ["decoding alone", "preprocessing, one thread", "ONNX Runtime alone", "the whole"].map(Stage::new);
    let mut peer = Vec::new();
    let before = Process::read();
    for run in 1..=settings.runs.max(1) {
        eprintln!("run {run} of {}", settings.runs.max(1));
        let (measured, sample) = decode(&settings.input, &limits)?;
        decoded.runs.push(measured);
        prepared.runs.push(prepare(&model, &sample)?);
        alone.runs.push(model.engine_alone(&options, settings.span)?);
        all.runs.push(whole.run(&settings.input)?);
        if let Some(command) = &settings.peer {
            peer.push(run_peer(command)?);
        }
    }
    let report = Report {
        input: settings.input.display().to_string(),
        size,
        frames: all.runs.first().map_or(0, |run| run.frames),
        model: &model,
        own: median(all.runs.iter().zip(&decoded.runs).zip(&alone.runs).map(|((all, decoded), alone)| {
            let cpu = |run: &Measured| 1000.0 * run.cpu_seconds / run.frames as f64;
            cpu(all) - cpu(decoded) - cpu(alone)
        })),
        ratio: median(all.runs.iter().zip(&alone.runs).map(|(all, alone)| all.fps() / alone.fps())),
        peer: (!peer.is_empty()).then(|| {
            let ratio = median(all.runs.iter().zip(&peer).map(|(all, peer)| all.fps() / peer));
            (median(peer.into_iter()), ratio)
        }),
        stages: [decoded, prepared, alone, all],
        before,
        after: Process::read(),
    };
    if settings.json { report.json() } else { report.table() }
}

/// A folder that goes when the measurement ends.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn clocked(work: impl FnOnce() -> Result<u64>) -> Result<Measured> {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let frames = work()?;
    Ok(Measured {
        frames,
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds() - cpu,
        load: Load::default(),
    })
}

/// Decodes the file as a job does; keeps some frames, copied so that the decoder's buffers go back to it.
fn decode(input: &Path, limits: &Limits) -> Result<(Measured, Vec<crate::frame::Frame>)> {
    let measured = clocked(|| {
        let mut source = FileSource::open("bench", input, limits)?;
        let mut frames = 0;
        while source.next_frame()?.is_some() {
            frames += 1;
        }
        if frames == 0 {
            return Err(fault!(Unprocessable, "The video has no frames."));
        }
        Ok(frames)
    })?;
    let mut sample = Vec::new();
    let mut source = FileSource::open("bench", input, limits)?;
    while let Some(frame) = source.next_frame()?
        && sample.len() < SAMPLE
    {
        sample.push(frame);
    }
    Ok((measured, sample))
}

fn prepare(model: &Detector, sample: &[crate::frame::Frame]) -> Result<Measured> {
    clocked(|| {
        let mut frames = 0;
        for frame in sample.iter().cycle().take(PREPARED as usize) {
            model.prepare(frame)?;
            frames += 1;
        }
        Ok(frames)
    })
}

/// The service's own way of a video, from the queue to the store; only HTTP is left out.
struct Whole {
    jobs: Arc<Jobs>,
    model: String,
    threshold: f32,
    limits: Limits,
    runtime: tokio::runtime::Runtime,
}

impl Whole {
    fn new(folder: &Path, model: &Arc<Detector>, limits: Limits) -> Result<Self> {
        let files = Files::open(folder)?;
        let store = Store::open(&files.database())?;
        let retention = Retention { age: None, bytes: None };
        let settings = JobSettings { limits: limits.clone(), max_queue: 1, max_running: 1, keep_free: 0, retention };
        let jobs = Jobs::new(files, store, vec![model.clone()], Arc::new(Meter::new()), settings);
        let info = model.info();
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let (model, threshold) = (info.name.clone(), info.threshold);
        Ok(Self { jobs, model, threshold, limits, runtime })
    }

    fn run(&self, input: &Path) -> Result<Measured> {
        let id = new_id();
        let bytes = std::fs::copy(input, self.jobs.files.upload(&id))?;
        let info = FileSource::open(&id, input, &self.limits)?.info().clone();
        let video = Video::new(id.clone(), "bench".into(), self.model.clone(), self.threshold, bytes, info);
        let measured = clocked(|| {
            self.jobs.add_video(video)?;
            let mut follower = self.jobs.follow(&id)?;
            let ended = |video: &Arc<Video>| video.state.is_final();
            let stopped = || fault!(Internal, "The work on the video ended unexpectedly.");
            let last = self.runtime.block_on(follower.wait_for(|now| now.video.as_ref().is_none_or(ended)));
            let video = last.map_err(|_| stopped())?.video.clone().ok_or_else(stopped)?;
            match &video.error {
                Some(error) => Err(fault!(Unprocessable, "{error}")),
                None => Ok(video.frames_done),
            }
        })?;
        self.jobs.delete(&id)?;
        Ok(measured)
    }
}

/// Runs another program; its `fps`.
fn run_peer(command: &str) -> Result<f64> {
    let output = Command::new("sh").args(["-c", command]).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last: serde_json::Value =
        text.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
    last["fps"]
        .as_f64()
        .ok_or_else(|| fault!(BadRequest, "The last line that `{command}` prints is no JSON object with `fps`."))
}

struct Report<'a> {
    input: String,
    size: Size,
    frames: u64,
    model: &'a Detector,
    stages: [Stage; 4],
    /// CPU milliseconds per frame beyond decoding and ONNX Runtime.
    own: f64,
    /// The whole over ONNX Runtime alone.
    ratio: f64,
    /// The other program's fps, and the whole over it.
    peer: Option<(f64, f64)>,
    before: Process,
    after: Process,
}

impl Report<'_> {
    fn table(&self) -> Result<()> {
        let info = self.model.info();
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}: {} frames of {}", self.input, self.frames, self.size)?;
        writeln!(out, "{}: {}, {}", info.name, self.model.setup(), info.chosen)?;
        writeln!(out, "medians of {} runs", self.stages[0].runs.len())?;
        writeln!(out, "{:<34}{:>10}{:>16}", "", "fps", "CPU ms/frame")?;
        for stage in &self.stages {
            writeln!(out, "{:<34}{:>10.1}{:>16.2}", stage.name, stage.fps(), stage.cpu())?;
        }
        writeln!(out, "{:<34}{:>26.2}", "own CPU beyond decoder and engine", self.own)?;
        writeln!(out, "{:<34}{:>10.3}", "the whole / ONNX Runtime alone", self.ratio)?;
        if let Some((fps, ratio)) = self.peer {
            writeln!(out, "{:<34}{fps:>10.1}", "the peer")?;
            writeln!(out, "{:<34}{ratio:>10.2}", "the whole / the peer")?;
        }
        let mib = |process: &Process| process.resident as f64 / f64::from(1 << 20);
        let (before, after) = (&self.before, &self.after);
        writeln!(out, "{:<34}{:>10.0} before, {:.0} after", "resident MiB", mib(before), mib(after))?;
        writeln!(out, "{:<34}{:>10} before, {} after", "descriptors", before.descriptors, after.descriptors)?;
        Ok(())
    }

    fn json(&self) -> Result<()> {
        let info = self.model.info();
        let stages = self.stages.iter().map(|stage| {
            let runs: Vec<f64> = stage.runs.iter().map(Measured::fps).collect();
            (
                stage.name.to_owned(),
                serde_json::json!({ "fps": stage.fps(), "cpu_ms": stage.cpu(), "fps_of_runs": runs }),
            )
        });
        let report = serde_json::json!({
            "input": self.input, "frames": self.frames, "width": self.size.width, "height": self.size.height,
            "model": info,
            "stages": stages.collect::<serde_json::Map<_, _>>(),
            "own_cpu_ms": self.own,
            "whole_to_engine": self.ratio,
            "peer": self.peer.map(|(fps, ratio)| serde_json::json!({ "fps": fps, "whole_to_peer": ratio })),
            "resident": [self.before.resident, self.after.resident],
            "descriptors": [self.before.descriptors, self.after.descriptors],
        });
        writeln!(std::io::stdout(), "{report}").map_err(Error::from)
    }
}
