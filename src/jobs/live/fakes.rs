//! Stand-ins for tests: pictures without a camera, jobs without models.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::broadcast;

use super::{StreamInfo, StreamKind, StreamState};
use crate::{
    frame::{Colour, Frame, FrameTag, Pixels, Plane, Size},
    jobs::{Files, JobSettings, Jobs, Retention, Store, new_id, now},
    media::{self, Limits},
    meter::Meter,
};

/// A grey picture.
pub fn frame(number: u64, time: f64) -> Frame {
    let size = Size::new(64, 48);
    let plane =
        |size: Size| Plane { data: Bytes::from(vec![128; size.pixels() as usize]), stride: size.width as usize };
    Frame {
        tag: FrameTag { source: "camera".into(), frame: number, time },
        size,
        pixels: Pixels::I420 {
            planes: [plane(size), plane(size.chroma()), plane(size.chroma())],
            colour: Colour::default(),
        },
    }
}

/// Jobs on an empty data folder, which is removed with the first of both.
pub fn jobs() -> (tempfile::TempDir, Arc<Jobs>) {
    media::init().expect("GStreamer");
    let folder = tempfile::tempdir().expect("a folder");
    let files = Files::open(folder.path()).expect("a data folder");
    let store = Store::open(&files.database()).expect("a store");
    let settings = JobSettings {
        limits: Limits { max_pixels: 1 << 20, max_duration: 60.0, stall: Duration::from_secs(5) },
        max_queue: 1,
        max_running: 1,
        keep_free: 0,
        retention: Retention::default(),
    };
    (folder, Jobs::new(files, store, Vec::new(), Arc::new(Meter::new()), settings))
}

/// A stream before its first picture, with the size of [`frame`].
pub fn info(kind: StreamKind) -> StreamInfo {
    StreamInfo {
        id: new_id(),
        kind,
        name: "Camera".into(),
        url: None,
        state: StreamState::Connecting,
        model: "none".into(),
        threshold: 0.5,
        width: Some(64),
        height: Some(48),
        codec: None,
        frames_done: 0,
        frames_total: None,
        frames_dropped: 0,
        source_fps: None,
        detect_fps: None,
        latency_ms: None,
        recording: None,
        error: None,
        retry_at: None,
        created_at: now(),
        seq: 0,
    }
}

/// The events that were sent so far.
pub fn told(events: &mut broadcast::Receiver<Arc<str>>) -> Vec<Value> {
    std::iter::from_fn(|| events.try_recv().ok()).map(|text| serde_json::from_str(&text).expect("JSON")).collect()
}
