//! The events that the service speaks, on WebSockets, in NDJSON and on the command line.
//!
//! This file is the contract: it changes together with `docs/ref/api.md`, `www/protocol.js` and `fixtures/events/`.

use serde::{Deserialize, Serialize};

/// One object found in a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Detection {
    /// `[x, y, width, height]` in pixels of the upright picture, origin top left, clipped to the picture.
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    /// Index into the model's labels.
    pub class_id: u32,
    pub label: String,
    /// 0 < score <= 1.
    pub score: f32,
}

/// One class that a picture may be of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Class {
    /// Index into the model's labels.
    pub class_id: u32,
    pub label: String,
    /// 0 <= score <= 1; those of all classes make at most 1.
    pub score: f32,
}

/// What a model does with a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Finds objects and their boxes.
    #[default]
    Detect,
    /// Says what the whole picture is of.
    Classify,
}

impl Task {
    pub fn as_str(self) -> &'static str {
        match self {
            Task::Detect => "detect",
            Task::Classify => "classify",
        }
    }
}

/// Everything that was found on one frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FrameEvent {
    /// Decoded frames are counted from 0.
    pub frame: u64,
    /// Stream time in seconds.
    pub time: f64,
    /// Size of the upright picture in pixels.
    pub width: u32,
    pub height: u32,
    pub detections: Vec<Detection>,
    /// The number that the sender's page drew under the picture (`vision::mark`), where it asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
    /// Live sources: milliseconds from the arrival of the picture at the server to its detections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
}

/// A message of a video's event channel. `V` is the video object, `R` the recording object.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event<V, R> {
    Frame(FrameEvent),
    /// The whole video, on every change of state and at least once a second while work runs.
    Status(V),
    /// The whole recording, on progress.
    Recording(R),
    /// Frames that this viewer will not get.
    Dropped {
        count: u64,
    },
    Error {
        detail: String,
    },
    End,
}

/// Rounds to `places` decimals: what is stored, sent and compared is the same number.
pub fn round(value: f64, places: i32) -> f64 {
    let unit = 10f64.powi(places);
    (value * unit).round() / unit
}
