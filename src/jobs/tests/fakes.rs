//! A scripted backend, and jobs that run on it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    cancel::CancelToken,
    error::Result,
    event::Detection,
    fault,
    frame::{Colour, Frame, FrameTag, Pixels, Plane, Size},
    jobs::{
        Files, JobSettings, Jobs, Models, Recording, RecordingOptions, RecordingState, Retention, Snapshot, Store,
        Video, VideoState,
        backend::{Backend, Detect, FrameSource, InFlight, VideoWriter},
        lanes::{Kind, Lanes},
        new_id,
    },
    media::{Format, Limits, MediaInfo, Rate},
    meter::Meter,
};

/// Nothing of these tests takes so long, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(100);
const SIZE: Size = Size::new(16, 16);

/// A point in a script at which the worker and the test meet.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<(bool, bool)>, Condvar)>);

impl Gate {
    /// Called by the worker: says that it is here, and waits until the test lets it go on.
    fn pass(&self) {
        self.change(|state| state.0 = true);
        self.wait(|state| state.1);
    }

    /// Waits until the worker is here.
    pub fn reached(&self) {
        self.wait(|state| state.0);
    }

    /// Lets the worker go on.
    pub fn open(&self) {
        self.change(|state| state.1 = true);
    }

    fn change(&self, change: impl FnOnce(&mut (bool, bool))) {
        change(&mut self.0.0.lock().expect("no panic"));
        self.0.1.notify_all();
    }

    fn wait(&self, done: impl Fn(&(bool, bool)) -> bool) {
        let state = self.0.0.lock().expect("no panic");
        let waited = self.0.1.wait_timeout_while(state, PATIENCE, |state| !done(state)).expect("no panic");
        assert!(!waited.1.timed_out(), "the other side never came");
    }
}

/// What a source does, one after the other; at the end of the script the file ends.
#[derive(Clone)]
pub enum Step {
    Frames(u64),
    /// Gives nothing, and ends when it is cancelled, as a decoder that stalls does. The gate tells that it stalls.
    Stall(Gate),
    /// Gives nothing until the gate is opened, whatever is asked of it.
    Hang(Gate),
    /// Fails as a broken file does.
    Fail,
    Panic,
}

/// The script of each video, which the test may change at any time; a source reads it when it is opened.
#[derive(Default)]
pub struct Scripts {
    steps: Mutex<HashMap<String, Vec<Step>>>,
    /// How often a source was opened.
    pub opened: AtomicUsize,
    /// Writers find the disk full.
    pub full: AtomicBool,
}

impl Scripts {
    pub fn set(&self, id: &str, steps: &[Step]) {
        self.steps.lock().expect("no panic").insert(id.to_owned(), steps.to_vec());
    }

    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

struct Fake(Arc<Scripts>);

struct FakeSource {
    steps: std::vec::IntoIter<Step>,
    left: u64,
    next: u64,
    cancel: CancelToken,
}

struct FakeDetector;

struct FakeInFlight(u64);

struct FakeWriter {
    file: PathBuf,
    pictures: usize,
    full: bool,
}

impl Backend for Fake {
    fn open(&self, id: &str, file: &Path, cancel: &CancelToken) -> Result<Box<dyn FrameSource>> {
        assert!(file.exists(), "there is no file of the video");
        self.0.opened.fetch_add(1, Ordering::SeqCst);
        let steps = self.0.steps.lock().expect("no panic").get(id).cloned().unwrap_or_default().into_iter();
        Ok(Box::new(FakeSource { steps, left: 0, next: 0, cancel: cancel.clone() }))
    }

    fn detector(&self, _: &str) -> Result<Arc<dyn Detect>> {
        Ok(Arc::new(FakeDetector))
    }

    fn create(&self, file: &Path, _: Format, _: Size, _: Rate, _: &CancelToken) -> Result<Box<dyn VideoWriter>> {
        std::fs::write(file, b"begun")?;
        Ok(Box::new(FakeWriter { file: file.to_owned(), pictures: 0, full: self.0.full.load(Ordering::SeqCst) }))
    }
}

impl FrameSource for FakeSource {
    fn next_frame(&mut self) -> Result<Option<Frame>> {
        while self.left == 0 {
            match self.steps.next() {
                None => return Ok(None),
                Some(Step::Frames(frames)) => self.left = frames,
                Some(Step::Hang(gate)) => gate.pass(),
                Some(Step::Fail) => return Err(fault!(Unprocessable, "The file is broken.")),
                Some(Step::Panic) => panic!("the script's own panic"),
                Some(Step::Stall(gate)) => {
                    gate.change(|state| state.0 = true);
                    assert!(self.cancel.wait(PATIENCE), "nobody ended a source that stalls");
                    self.cancel.check()?;
                }
            }
        }
        self.left -= 1;
        self.next += 1;
        Ok(Some(frame(self.next - 1)))
    }

    fn end(&self) -> f64 {
        self.next as f64 / 25.0
    }

    fn warning(&self) -> Option<String> {
        None
    }
}

/// Frame `number` of a video of 25 frames a second.
fn frame(number: u64) -> Frame {
    let plane = |side: usize| Plane { data: vec![128; side * side].into(), stride: side };
    Frame {
        tag: FrameTag { source: "fake".into(), frame: number, time: number as f64 / 25.0 },
        size: SIZE,
        pixels: Pixels::I420 { planes: [plane(16), plane(8), plane(8)], colour: Colour::default() },
    }
}

impl Detect for FakeDetector {
    fn depth(&self) -> usize {
        2
    }

    fn submit(&self, frame: &Frame, _: &CancelToken) -> Result<Box<dyn InFlight>> {
        Ok(Box::new(FakeInFlight(frame.tag.frame)))
    }
}

impl InFlight for FakeInFlight {
    /// One box, as wide as the frame's number.
    fn wait(self: Box<Self>, _: f32) -> Result<Vec<Detection>> {
        Ok(vec![Detection { bbox: [1.0, 1.0, self.0 as f32, 4.0], class_id: 0, label: "a".into(), score: 0.5 }])
    }
}

impl VideoWriter for FakeWriter {
    fn push(&mut self, _: &Frame, _: f64, _: f64) -> Result<()> {
        self.pictures += 1;
        if self.full { Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into()) } else { Ok(()) }
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(std::fs::write(&self.file, format!("{} pictures", self.pictures))?)
    }
}

/// Jobs on a data folder of their own.
pub struct Desk {
    pub jobs: Arc<Jobs>,
    pub scripts: Arc<Scripts>,
    max_queue: usize,
    folder: TempDir,
}

impl Desk {
    pub fn new() -> Self {
        Self::with_queue(100)
    }

    /// One video is worked on at a time, and so many may wait.
    pub fn with_queue(max_queue: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let scripts = Arc::new(Scripts::default());
        Self { jobs: open(folder.path(), &scripts, max_queue), scripts, max_queue, folder }
    }

    /// Another process on the same folder, which takes up what the first left.
    pub fn restart(self) -> Self {
        let Self { jobs, scripts, max_queue, folder } = self;
        // The folder's lock goes with the last thread.
        let begun = Instant::now();
        while Arc::strong_count(&jobs) > 1 {
            assert!(begun.elapsed() < PATIENCE, "a thread does not end");
            std::thread::yield_now();
        }
        drop(jobs);
        let jobs = open(folder.path(), &scripts, max_queue);
        jobs.resume().expect("resumed");
        Self { jobs, scripts, max_queue, folder }
    }

    /// What an upload becomes.
    pub fn upload(&self, steps: &[Step]) -> Video {
        let id = new_id();
        self.scripts.set(&id, steps);
        std::fs::write(self.jobs.files.upload(&id), b"file").expect("written");
        let info = MediaInfo {
            size: SIZE,
            rate: Some(Rate { num: 25, den: 1 }),
            duration: None,
            frames: None,
            container: None,
            codec: None,
            mime: "video/mp4",
        };
        Video::new(id, "clip.mp4".into(), "shapes".into(), 0.5, 4, info)
    }

    pub fn add(&self, steps: &[Step]) -> String {
        self.jobs.add_video(self.upload(steps)).expect("there is room").id
    }

    /// A video that is done.
    pub fn done(&self, frames: u64) -> String {
        let id = self.add(&[Step::Frames(frames)]);
        assert_eq!(self.ended(&id).state, VideoState::Done);
        self.idle();
        id
    }

    pub fn record(&self, video: &str) -> Recording {
        self.jobs.add_recording(video, RecordingOptions::default()).expect("there is room")
    }

    /// Waits until a follower of the video receives a matching snapshot.
    pub fn told(&self, id: &str, so: impl FnMut(&Snapshot) -> bool) -> Snapshot {
        let mut following = self.jobs.follow(id).expect("there is such a video");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let told = runtime.block_on(async { tokio::time::timeout(PATIENCE, following.wait_for(so)).await });
        told.expect("in time").expect("the channel is open").clone()
    }

    /// The video once no more work is done on it.
    pub fn ended(&self, id: &str) -> Video {
        let ended = |snapshot: &Snapshot| snapshot.video.as_ref().is_some_and(|video| video.state.is_final());
        (*self.told(id, ended).video.expect("it is there")).clone()
    }

    /// The recording once no more work is done on it.
    pub fn recorded(&self, recording: &Recording) -> Recording {
        self.idle();
        let recording = self.stored_recording(&recording.id);
        assert!(recording.state.is_final());
        recording
    }

    /// Waits until nothing is worked on and nothing waits.
    pub fn idle(&self) {
        let busy = |lanes: &mut Lanes| {
            !lanes.is_idle() || [Kind::Video, Kind::Recording].iter().any(|kind| !lanes.lane(*kind).waiting.is_empty())
        };
        let waited = self.jobs.ended.wait_timeout_while(self.jobs.lock(), PATIENCE, busy);
        assert!(!waited.expect("no panic").1.timed_out(), "work does not end");
    }

    pub fn stored(&self, id: &str) -> Video {
        self.jobs.store.video(id).expect("readable").expect("it is there")
    }

    pub fn stored_recording(&self, id: &str) -> Recording {
        self.jobs.store.recording(id).expect("readable").expect("it is there")
    }

    pub fn state_of(&self, recording: &Recording) -> RecordingState {
        self.stored_recording(&recording.id).state
    }

    /// Asserts that exactly so many frames of a video are stored, each with its own box.
    #[track_caller]
    pub fn has_frames(&self, id: &str, frames: u64) {
        let video = self.stored(id);
        let rows = self.jobs.store.frames(video.seq, 0, 10_000).expect("readable");
        assert_eq!((video.frames_done, rows.len() as u64), (frames, frames));
        for (number, row) in rows.iter().enumerate() {
            let found: Vec<Detection> = serde_json::from_str(&row.detections).expect("JSON");
            assert_eq!((row.frame, found[0].bbox[2]), (number as u64, number as f32));
        }
    }

    /// Names of the files of a video.
    pub fn files(&self, id: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.jobs.files.video(id)).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Makes the store refuse what SQL describes, e.g. `UPDATE ON videos WHEN NEW.state='done'`, until `accept`.
    pub fn refuse(&self, what: &str) {
        let trigger = format!("CREATE TRIGGER refuse BEFORE {what} BEGIN SELECT RAISE(ABORT, 'refused'); END");
        self.jobs.store.write().execute_batch(&trigger).expect("a trigger");
    }

    pub fn accept(&self) {
        self.jobs.store.write().execute_batch("DROP TRIGGER refuse").expect("the trigger");
    }
}

fn open(folder: &Path, scripts: &Arc<Scripts>, max_queue: usize) -> Arc<Jobs> {
    let files = Files::open(folder).expect("the data folder");
    let store = Store::open(&files.database()).expect("the store");
    let limits = Limits { max_pixels: 1 << 20, max_duration: 3600.0, stall: PATIENCE };
    let retention = Retention::default();
    let settings = JobSettings { limits, max_queue, max_running: 1, keep_free: 0, retention };
    let backend = Box::new(Fake(scripts.clone()));
    Jobs::with_backend(files, store, Models::new(Vec::new()), Arc::new(Meter::new()), settings, backend)
}
