//! Forgets finished videos and recordings of live streams by age and by size; off unless the operator asks for it.

use std::{sync::Arc, time::Duration};

use super::{Jobs, VideoState};
use crate::error::Result;

/// What may be kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retention {
    /// Finished videos and live recordings older than this are deleted.
    pub age: Option<Duration>,
    /// When all files together take more bytes, the oldest of them are deleted.
    pub bytes: Option<u64>,
}

/// A finished video, or a live stream's recording.
struct Kept {
    /// When it was finished, and when it came; RFC 3339.
    at: String,
    came: String,
    bytes: u64,
    id: String,
    live: bool,
}

impl Jobs {
    /// Deletes what is beyond the limits; returns how many.
    pub fn apply_retention(self: &Arc<Self>) -> Result<usize> {
        self.files.kept.forget_old();
        let limits = self.settings.retention;
        if limits.age.is_none() && limits.bytes.is_none() {
            return Ok(0);
        }
        let ended = self.store.videos_in(&[VideoState::Done, VideoState::Failed, VideoState::Cancelled])?;
        let live = self.store.live_recordings_ended()?;
        let live_bytes = live.iter().filter_map(|recording| recording.bytes).sum::<u64>();
        let mut total = live_bytes + self.files.videos()?.iter().map(|id| self.files.video_bytes(id)).sum::<u64>();
        let videos = ended.into_iter().map(|video| Kept {
            at: video.finished_at.unwrap_or_else(|| video.created_at.clone()),
            came: video.created_at,
            bytes: self.files.video_bytes(&video.id),
            id: video.id,
            live: false,
        });
        let live = live.into_iter().map(|recording| Kept {
            at: recording.created_at.clone(),
            came: recording.created_at,
            bytes: recording.bytes.unwrap_or(0),
            id: recording.id,
            live: true,
        });
        // RFC 3339 in UTC sorts as text; the oldest go first.
        let mut all: Vec<Kept> = videos.chain(live).collect();
        all.sort_by(|one, other| one.came.cmp(&other.came));
        let now = time::OffsetDateTime::now_utc();
        let mut deleted = 0;
        for Kept { at, bytes, id, live, .. } in all {
            let at = time::OffsetDateTime::parse(&at, &time::format_description::well_known::Rfc3339).unwrap_or(now);
            let old = limits.age.is_some_and(|age| now - at > age);
            let much = limits.bytes.is_some_and(|bytes| total > bytes);
            if !(old || much) || (!live && self.has_recording_in_work(&id)?) {
                continue;
            }
            total = total.saturating_sub(bytes);
            if live {
                self.delete_recording(&id)?
            } else {
                self.delete(&id)?
            }
            tracing::info!(id, live, old, much, "deleted a video or a live recording by retention");
            deleted += 1;
        }
        Ok(deleted)
    }

    fn has_recording_in_work(&self, video: &str) -> Result<bool> {
        Ok(self.store.recordings_of(video)?.iter().any(|recording| !recording.state.is_final()))
    }
}
