//! Forgets finished videos by age and by size; off unless the operator asks for it.

use std::time::Duration;

use super::{Jobs, VideoState};
use crate::error::Result;

/// What may be kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retention {
    /// Finished videos older than this are deleted.
    pub age: Option<Duration>,
    /// When all files together take more bytes, the oldest finished videos are deleted.
    pub bytes: Option<u64>,
}

impl Jobs {
    /// Deletes what is beyond the limits; returns how many videos.
    pub fn apply_retention(&self) -> Result<usize> {
        let limits = self.settings.retention;
        if limits.age.is_none() && limits.bytes.is_none() {
            return Ok(0);
        }
        let ended = self.store.videos_in(&[VideoState::Done, VideoState::Failed, VideoState::Cancelled])?;
        let mut total: u64 = self.files.videos()?.iter().map(|id| self.files.video_bytes(id)).sum();
        let now = time::OffsetDateTime::now_utc();
        let mut deleted = 0;
        for video in ended {
            let at = video.finished_at.as_ref().unwrap_or(&video.created_at);
            let at = time::OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339).unwrap_or(now);
            let old = limits.age.is_some_and(|age| now - at > age);
            let much = limits.bytes.is_some_and(|bytes| total > bytes);
            if !(old || much) || self.has_recording_in_work(&video.id)? {
                continue;
            }
            total = total.saturating_sub(self.files.video_bytes(&video.id));
            self.delete(&video.id)?;
            tracing::info!(id = %video.id, old, much, "deleted a video by retention");
            deleted += 1;
        }
        Ok(deleted)
    }

    fn has_recording_in_work(&self, video: &str) -> Result<bool> {
        Ok(self.store.recordings_of(video)?.iter().any(|recording| !recording.state.is_final()))
    }
}
