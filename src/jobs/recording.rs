//! The recording object of the API: an annotated copy of a video.

use serde::{Deserialize, Serialize};

use crate::{event::Detection, media::Format};

/// Where a recording's work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    Queued,
    Encoding,
    Done,
    Failed,
}

impl RecordingState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Encoding => "encoding",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// As the store spells it; what it does not know is `failed`.
    pub fn parse(text: &str) -> Self {
        match text {
            "queued" => Self::Queued,
            "encoding" => Self::Encoding,
            "done" => Self::Done,
            _ => Self::Failed,
        }
    }

    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// What to write and what to draw: the body of `POST /api/videos/{id}/recordings`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordingOptions {
    /// `avi` or `mp4`.
    #[schema(value_type = String, example = "avi")]
    pub format: Format,
    /// Draw no detection below this score.
    pub threshold: Option<f32>,
    /// Write the label on each box.
    pub labels: bool,
    /// Write the score on each box.
    pub scores: bool,
    /// Draw these classes only.
    pub classes: Option<Vec<u32>>,
}

impl RecordingOptions {
    /// Is this detection drawn?
    pub fn shows(&self, detection: &Detection) -> bool {
        self.threshold.is_none_or(|threshold| detection.score >= threshold)
            && self.classes.as_ref().is_none_or(|classes| classes.contains(&detection.class_id))
    }
}

impl Default for RecordingOptions {
    fn default() -> Self {
        Self { format: Format::Avi, threshold: None, labels: true, scores: true, classes: None }
    }
}

/// A recording and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Recording {
    pub id: String,
    /// Id of the video it is made of; null for one of a live stream.
    pub video: Option<String>,
    /// Id of the live stream that it was written from; null for one of a video.
    pub stream: Option<String>,
    /// The live stream's name, by which the file is named.
    pub name: Option<String>,
    #[schema(value_type = String, example = "avi")]
    pub format: Format,
    pub state: RecordingState,
    /// Frames in the file so far.
    pub frames_done: u64,
    pub frames_total: u64,
    /// Frames of a live stream that are not in the file: the encoder was too slow, or an AVI had no step for them.
    pub frames_dropped: u64,
    /// Size of the file, once done.
    pub bytes: Option<u64>,
    /// Why it failed; of one that is `done`, why its end is missing.
    pub error: Option<String>,
    pub created_at: String,
    #[serde(skip)]
    pub options: RecordingOptions,
    /// The store's number of it: later ones are higher.
    #[serde(skip)]
    pub seq: i64,
}
