//! The video object of the API.

use serde::Serialize;

use super::now;
use crate::media::MediaInfo;

/// Where a video's work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VideoState {
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl VideoState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// As the store spells it; what it does not know is `failed`.
    pub fn parse(text: &str) -> Self {
        match text {
            "queued" => Self::Queued,
            "running" => Self::Running,
            "done" => Self::Done,
            "cancelled" => Self::Cancelled,
            _ => Self::Failed,
        }
    }

    /// No more work will be done unless somebody asks for it.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A video and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Video {
    pub id: String,
    /// The store's number of it: later uploads have higher ones.
    #[serde(skip)]
    pub seq: i64,
    /// As the uploader named it.
    pub name: String,
    pub state: VideoState,
    pub model: String,
    /// Detections below this score are not kept.
    pub threshold: f32,
    /// Of the upright picture with square pixels.
    pub width: u32,
    pub height: u32,
    /// Frames per second as a fraction, e.g. `30000/1001`; null where the file gives none.
    pub frame_rate: Option<String>,
    /// Seconds: the end of the last frame once `done`; before, what the file says of itself, or null.
    pub duration: Option<f64>,
    /// The last frame is not known yet, so that `duration` may still change.
    pub duration_estimated: bool,
    /// An estimate until `done`, then exact.
    pub frames_total: Option<u64>,
    pub frames_done: u64,
    /// Detected frames per second: lately while running, over all once done.
    pub detect_fps: Option<f64>,
    /// Size of the source file.
    pub bytes: u64,
    /// MIME type of the source file.
    pub content_type: String,
    pub codec: Option<String>,
    /// Why it failed, and what to do.
    pub error: Option<String>,
    /// What a viewer should know although it is done: a truncated or damaged file.
    pub warning: Option<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
    pub finished_at: Option<String>,
}

impl Video {
    /// An uploaded file that waits for its turn.
    pub fn new(id: String, name: String, model: String, threshold: f32, bytes: u64, info: MediaInfo) -> Self {
        Self {
            id,
            seq: 0,
            name,
            state: VideoState::Queued,
            model,
            threshold,
            width: info.size.width,
            height: info.size.height,
            frame_rate: info.rate.map(|rate| rate.to_string()),
            duration: info.duration,
            duration_estimated: info.duration.is_some(),
            frames_total: info.frames,
            frames_done: 0,
            detect_fps: None,
            bytes,
            content_type: info.mime.to_owned(),
            codec: info.codec,
            error: None,
            warning: None,
            created_at: now(),
            finished_at: None,
        }
    }
}
