//! The work on one live stream, with a camera and a detector that do as they are told.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    Manner, Stream, StreamKind, StreamState,
    fakes::{frame, info, jobs, told},
    worker::{Detect, Found, Worker},
};
use crate::{
    error::{Error, Kind, Result},
    event::Detection,
    fault,
    frame::Frame,
    jobs::Jobs,
    media::{Arrival, LiveFrame, LiveSource},
};

/// A camera that gives what is in its list, then ends.
struct Fake(VecDeque<Result<Arrival>>);

impl LiveSource for Fake {
    fn next(&mut self, _: Duration) -> Result<Option<Arrival>> {
        self.0.pop_front().unwrap_or(Ok(Arrival::End)).map(Some)
    }

    fn codec(&self) -> Option<String> {
        Some("JPEG".into())
    }
}

fn picture(number: u64, skipped: u64) -> Result<Arrival> {
    let frame = frame(number, number as f64 / 10.0);
    Ok(Arrival::Picture(LiveFrame { frame, arrived: Instant::now(), skipped }))
}

/// Finds one object on each picture; `refuses` says for which pictures the engine fails, when it is asked and when it
/// answers.
struct Finds {
    refuses: [Option<u64>; 2],
    /// Pictures in the engine, and the most so far.
    inside: Arc<[AtomicU64; 2]>,
}

impl Finds {
    fn all() -> Self {
        Self { refuses: [None, None], inside: Arc::default() }
    }
}

impl Detect for Finds {
    fn at_once(&self) -> usize {
        2
    }

    fn submit(&self, frame: &Frame) -> Result<Found> {
        let number = frame.tag.frame;
        let broken = || Error::new(Kind::Unavailable, "The engine has failed.");
        if self.refuses[0] == Some(number) {
            return Err(broken());
        }
        let inside = self.inside.clone();
        let now = inside[0].fetch_add(1, Ordering::SeqCst) + 1;
        inside[1].fetch_max(now, Ordering::SeqCst);
        let fails = self.refuses[1] == Some(number);
        Ok(Box::new(move |_| {
            inside[0].fetch_sub(1, Ordering::SeqCst);
            let found = Detection { bbox: [number as f32, 0.0, 1.0, 1.0], class_id: 0, label: "x".into(), score: 0.9 };
            if fails { Err(broken()) } else { Ok(vec![found]) }
        }))
    }
}

/// What a stream's work on these arrivals told, and how it ended.
fn worked(jobs: &Jobs, stream: &Stream, arrivals: Vec<Result<Arrival>>, model: &Finds) -> (Vec<Value>, Result<()>) {
    let mut events = stream.follow();
    let outcome = Worker::new(jobs, stream, Manner::default(), 0).run(&mut Fake(arrivals.into()), model);
    (told(&mut events), outcome)
}

fn frames(events: &[Value]) -> Vec<(u64, f64)> {
    let frames = events.iter().filter(|event| event["type"] == "frame");
    frames
        .map(|event| {
            (event["frame"].as_u64().expect("a number"), event["detections"][0]["box"][0].as_f64().expect("a box"))
        })
        .collect()
}

#[test]
fn each_picture_gets_its_own_detections_in_order() {
    let (_folder, jobs) = jobs();
    let stream = Stream::new(info(StreamKind::Network));
    let model = Finds::all();
    let arrivals = [0, 1, 4, 5, 6].map(|number| picture(number, if number == 4 { 2 } else { 0 }));
    let (events, outcome) = worked(&jobs, &stream, arrivals.into(), &model);
    outcome.expect("it ends in order");
    assert_eq!(frames(&events), [(0, 0.0), (1, 1.0), (4, 4.0), (5, 5.0), (6, 6.0)]);
    let dropped: Vec<_> = events.iter().filter(|event| event["type"] == "dropped").collect();
    assert_eq!(dropped, [&serde_json::json!({"type": "dropped", "count": 2})]);
    let info = stream.info();
    assert_eq!((info.frames_done, info.frames_dropped, info.state), (5, 2, StreamState::Live));
    assert_eq!((info.width, info.height, info.codec.as_deref()), (Some(64), Some(48), Some("JPEG")));
    let [inside, most] = [0, 1].map(|at| model.inside[at].load(Ordering::SeqCst));
    assert_eq!((inside, most), (0, 2), "as many at once as there are sessions, and all were waited for");
}

#[test]
fn what_was_found_before_a_camera_or_the_engine_broke_is_told() {
    let (_folder, jobs) = jobs();
    let camera = || -> Vec<Result<Arrival>> {
        vec![picture(0, 0), picture(1, 0), Err(fault!(Unavailable, "The camera is gone."))]
    };
    let refusing = |refuses| Finds { refuses, inside: Arc::default() };
    for (model, words, told) in [
        (Finds::all(), "camera is gone", vec![(0, 0.0), (1, 1.0)]),
        (refusing([Some(1), None]), "engine has failed", vec![(0, 0.0)]),
        // A picture that was in the engine already is a result like any other.
        (refusing([None, Some(0)]), "engine has failed", vec![(1, 1.0)]),
    ] {
        let stream = Stream::new(info(StreamKind::Network));
        let (events, outcome) = worked(&jobs, &stream, camera(), &model);
        assert!(outcome.expect_err("it broke").detail.contains(words));
        assert_eq!(frames(&events), told, "{words}");
    }
}

#[test]
fn a_paused_stream_spends_no_inference_and_goes_on_with_its_numbers() {
    let (_folder, jobs) = jobs();
    let stream = Stream::new(info(StreamKind::Network));
    let model = Finds::all();
    let mut worker = Worker::new(&jobs, &stream, Manner::default(), 7);
    let mut events = stream.follow();
    assert!(stream.pause(true));
    worker.run(&mut Fake([picture(0, 0), picture(1, 0)].into()), &model).expect("it ends in order");
    assert_eq!(model.inside[1].load(Ordering::SeqCst), 0);
    assert_eq!((stream.info().state, stream.info().frames_done), (StreamState::Paused, 0));
    assert!(stream.pause(false));
    // The next connection counts from 0 again.
    worker.run(&mut Fake([picture(0, 0), picture(1, 0)].into()), &model).expect("it ends in order");
    assert_eq!(frames(&told(&mut events)), [(9, 9.0), (10, 10.0)]);
}
