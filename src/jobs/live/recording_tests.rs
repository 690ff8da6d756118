//! Live recordings beside the end of their streams, and with encoders and a store that fail.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::broadcast;

use super::{
    Stream, StreamKind, StreamSettings, Streams,
    crew::Closing,
    fakes::{frame, info, jobs, told},
    stream::lock,
    writer::{Output, Writer, encoder},
};
use crate::{
    error::{Kind, Result},
    event::Detection,
    fault,
    frame::{Frame, Size},
    jobs::{Jobs, Recording, RecordingOptions, RecordingState, new_id, now},
    media::{self, Encoder, Format, NetworkRules, Rate},
};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn streams(jobs: &Arc<Jobs>, most: usize) -> Arc<Streams> {
    let rules = NetworkRules::new(&["http".into()], &[]).expect("rules");
    Streams::new(jobs.clone(), StreamSettings { most, rules, silence: Duration::from_secs(1) })
}

/// A stream whose thread runs until the sender signals its end or is dropped.
fn started(streams: &Arc<Streams>) -> (Arc<Stream>, SyncSender<()>) {
    let (end, ended) = sync_channel::<()>(0);
    let stream = streams.run(info(StreamKind::Jpeg), move |_, _| {
        let _ = ended.recv();
    });
    (stream.expect("a stream"), end)
}

fn ended(stream: &Stream) {
    let mut ended = stream.ended();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(ended.wait_for(|ended| *ended)).expect("it ends");
}

#[test]
fn no_recording_starts_on_a_stream_that_has_ended() {
    let (_folder, jobs) = jobs();
    let streams = streams(&jobs, 4);
    let (stream, end) = started(&streams);
    // A handler has found the stream; it ends before the recording begins.
    drop(end);
    ended(&stream);
    let error = streams.record_stream(&stream, RecordingOptions::default()).expect_err("too late");
    assert_eq!(error.kind, Kind::Conflict);
    assert!(jobs.store.live_recordings_in_work().expect("a store").is_empty());
    assert!(streams.shut_down(PATIENCE), "nothing keeps the server from stopping");
}

#[test]
fn a_recording_ends_with_its_stream_whatever_holds_on_to_it() {
    let (_folder, jobs) = jobs();
    let streams = streams(&jobs, 4);
    for deleted in [false, true] {
        let (stream, end) = started(&streams);
        let id = stream.info().id;
        let recording = streams.record_stream(&stream, RecordingOptions::default()).expect("a recording");
        assert_eq!(stream.info().recording.as_deref(), Some(&*recording.id));
        let twice = streams.record_stream(&stream, RecordingOptions::default()).expect_err("one is written");
        assert_eq!(twice.kind, Kind::Conflict);
        if deleted {
            // The thread of this stream hangs: it does not look whether it is stopped.
            streams.delete(&id).expect("deleted");
            assert_eq!(stream.info().recording, None);
            drop(end);
        } else {
            drop(end);
            ended(&stream);
        }
        // `stream` is still held, as by a viewer.
        assert!(streams.crew.wait(PATIENCE), "the writer has ended");
        let stored = jobs.store.recording(&recording.id).expect("a store").expect("a recording");
        assert_eq!(stored.state, RecordingState::Failed, "nothing came: {stored:?}");
        streams.stop_recording(&recording.id).expect("it has ended already");
    }
}

/// An encoder that fails at a picture.
struct Failing {
    inner: Encoder,
    left: u32,
}

impl Output for Failing {
    fn push(&mut self, frame: &Frame, time: f64, duration: f64) -> Result<()> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return Err(fault!(Internal, "The encoder failed.")),
        }
        self.inner.push(frame, time, duration)
    }

    fn frames(&self) -> u64 {
        self.inner.frames()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.inner.finish()
    }
}

fn failing(part: &Path, format: Format, size: Size, rate: Rate) -> Result<Box<dyn Output>> {
    let mut inner = Encoder::create(part, format, size, rate)?;
    inner.keep_part();
    Ok(Box::new(Failing { inner, left: 20 }))
}

struct Panicking;

impl Output for Panicking {
    fn push(&mut self, _: &Frame, _: f64, _: f64) -> Result<()> {
        panic!("the encoder panics, as it was asked to")
    }

    fn frames(&self) -> u64 {
        0
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// A recording that the store knows, and its writer with the events that it sends.
fn writer(jobs: &Arc<Jobs>, format: Format) -> (Writer<'_>, broadcast::Receiver<Arc<str>>) {
    let recording = Recording {
        id: new_id(),
        video: None,
        stream: Some(new_id()),
        name: Some("Camera".into()),
        format,
        state: RecordingState::Encoding,
        frames_done: 0,
        frames_total: 0,
        frames_dropped: 0,
        bytes: None,
        error: None,
        created_at: now(),
        options: RecordingOptions::default(),
        seq: 0,
    };
    let recording = jobs.store.insert_recording(&recording).expect("a store");
    let (events, told) = broadcast::channel(1000);
    let writer = Writer {
        jobs,
        recording,
        rate: Rate { num: 10, den: 1 },
        skipped: Arc::default(),
        events,
        closing: Closing::default(),
        create: encoder,
    };
    (writer, told)
}

/// So many frames, 0.1 s apart.
fn entries(count: u64) -> Receiver<(Frame, Arc<[Detection]>)> {
    let (send, received) = sync_channel(count as usize);
    for number in 0..count {
        send.send((frame(number, number as f64 / 10.0), Arc::from([]))).expect("room");
    }
    received
}

fn stored(jobs: &Jobs, id: &str) -> Recording {
    jobs.store.recording(id).expect("a store").expect("a recording")
}

#[test]
fn an_encoder_that_fails_leaves_what_was_recorded() {
    let (_folder, jobs) = jobs();
    let (mut work, mut events) = writer(&jobs, Format::Avi);
    work.create = failing;
    let id = work.recording.id.clone();
    work.run(&entries(40));
    let last = told(&mut events).pop().expect("an event");
    let recording = stored(&jobs, &id);
    assert_eq!((&last["state"], &last["error"]), (&"done".into(), &recording.error.clone().into()), "{last}");
    let error = recording.error.expect("a reason");
    assert!(error.contains("The encoder failed.") && error.contains("is kept"), "{error}");
    let file = jobs.files.live_recording(&id, Format::Avi);
    assert_eq!(recording.bytes, Some(file.metadata().expect("a file").len()));
    assert!(!jobs.files.live_recording_part(&id).exists());
    let mut source = media::FileSource::open("x", &file, &jobs.settings.limits).expect("a whole file");
    let pictures = std::iter::from_fn(|| source.next_frame().expect("a picture")).count();
    // What still waited for the encoder is lost with it.
    assert!((10..=20).contains(&pictures), "{pictures} of 20 pictures");
    // MP4 has no index before its end: nothing can be kept.
    let (mut work, _events) = writer(&jobs, Format::Mp4);
    work.create = failing;
    let id = work.recording.id.clone();
    work.run(&entries(40));
    let recording = stored(&jobs, &id);
    assert_eq!((recording.state, recording.error.as_deref()), (RecordingState::Failed, Some("The encoder failed.")));
    let left = std::fs::read_dir(file.parent().expect("a folder")).expect("a folder").count();
    assert_eq!(left, 1, "of what failed nothing is left");
}

#[test]
fn a_writer_that_panics_ends_its_recording() {
    let (_folder, jobs) = jobs();
    let (mut work, mut events) = writer(&jobs, Format::Avi);
    work.create = |_, _, _, _| Ok(Box::new(Panicking));
    let id = work.recording.id.clone();
    work.run(&entries(5));
    assert_eq!(stored(&jobs, &id).state, RecordingState::Failed);
    assert_eq!(told(&mut events).pop().expect("an event")["state"], "failed");
}

#[test]
fn frames_that_are_left_out_are_counted() {
    let (_folder, jobs) = jobs();
    let (work, mut events) = writer(&jobs, Format::Avi);
    let id = work.recording.id.clone();
    // Two that did not reach the writer, and of ten that did each second one shares the step of the one before.
    work.skipped.store(2, Ordering::Relaxed);
    let (send, received) = sync_channel(10);
    for number in 0..10 {
        let time = (number / 2) as f64 / 10.0 + (number % 2) as f64 * 0.001;
        send.send((frame(number, time), Arc::from([]))).expect("room");
    }
    drop(send);
    work.run(&received);
    let recording = stored(&jobs, &id);
    assert_eq!((recording.state, recording.frames_done, recording.frames_dropped), (RecordingState::Done, 5, 7));
    let last = told(&mut events).pop().expect("an event");
    assert_eq!((&last["frames_done"], &last["frames_dropped"]), (&5.into(), &7.into()));
}

#[test]
fn nothing_is_told_of_a_recording_before_it_is_stored() {
    let (_folder, jobs) = jobs();
    // The store refuses all changes, as on a full disk.
    let sql = "CREATE TRIGGER full BEFORE UPDATE ON recordings BEGIN SELECT RAISE(ABORT, 'no room'); END";
    jobs.store.write().execute_batch(sql).expect("a trigger");
    let (work, mut events) = writer(&jobs, Format::Avi);
    let (id, closing) = (work.recording.id.clone(), work.closing.clone());
    closing.begin();
    work.run(&entries(5));
    assert_eq!(told(&mut events), Vec::<Value>::new(), "the server stopped before it could be stored");
    assert_eq!(stored(&jobs, &id).state, RecordingState::Encoding);
    // The next start finds the whole file.
    let bytes = jobs.files.live_recording(&id, Format::Avi).metadata().expect("a whole file").len();
    jobs.store.write().execute_batch("DROP TRIGGER full").expect("no trigger");
    streams(&jobs, 1).mend_recordings().expect("mended");
    let recording = stored(&jobs, &id);
    assert_eq!((recording.state, recording.bytes, recording.error), (RecordingState::Done, Some(bytes), None));

    // While the server runs it is tried until there is room.
    jobs.store.write().execute_batch(sql).expect("a trigger");
    let (work, mut events) = writer(&jobs, Format::Avi);
    let id = work.recording.id.clone();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| work.run(&entries(5)));
        let file = jobs.files.live_recording(&id, Format::Avi);
        until(|| file.exists());
        jobs.store.write().execute_batch("DROP TRIGGER full").expect("no trigger");
        writing.join().expect("it ends");
    });
    assert_eq!(told(&mut events).pop().expect("an event")["state"], "done");
    assert_eq!(stored(&jobs, &id).state, RecordingState::Done);
}

/// Waits for what another thread does.
fn until(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "it does not happen");
        std::thread::yield_now();
    }
}

#[test]
fn a_slow_encoder_loses_frames_and_counts_them() {
    let (_folder, jobs) = jobs();
    let streams = streams(&jobs, 1);
    let (stream, end) = started(&streams);
    let recording = streams.record_stream(&stream, RecordingOptions::default()).expect("a recording");
    // Far more at once than can wait for the encoder, which cannot draw one in the time of a push.
    let pushed = 2000;
    for number in 0..pushed {
        lock(&stream.recorder).push(&frame(number, number as f64 / 10.0), &Arc::from([]));
    }
    drop(end);
    ended(&stream);
    assert!(streams.crew.wait(PATIENCE), "the writer has ended");
    let stored = stored(&jobs, &recording.id);
    assert_eq!((stored.state, stored.error.as_deref()), (RecordingState::Done, None));
    assert!(stored.frames_dropped > 0, "{stored:?}");
    assert_eq!(stored.frames_done + stored.frames_dropped, pushed);
    assert_eq!(jobs.meter.recording_frames_dropped.get(), stored.frames_dropped);
}
