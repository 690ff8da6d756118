//! What an earlier process left is taken up.

use std::sync::Arc;

use super::{Jobs, RecordingState, VideoState, now};
use crate::error::Result;

/// Starts of a video that stored no frame before the process died; after so many it is given up.
const MAX_ATTEMPTS: u32 = 3;

impl Jobs {
    /// Takes up what an earlier process left: videos go on from their last stored frame, recordings start again,
    /// files that no video owns are removed.
    pub fn resume(self: &Arc<Self>) -> Result<()> {
        for id in self.files.videos()? {
            if self.store.video(&id)?.is_none() {
                self.files.remove_video(&id)?;
            }
        }
        for mut video in self.store.videos_in(&[VideoState::Queued, VideoState::Running])? {
            if video.attempts >= MAX_ATTEMPTS {
                video.state = VideoState::Failed;
                video.error = Some("The server stopped each time it worked on this file, so it was given up. Convert the video to H.264 MP4 and try again.".into());
                video.finished_at = Some(now());
            } else {
                video.state = VideoState::Queued;
                self.lock().videos.waiting.push_back(video.id.clone());
            }
            self.store.update_video(&video)?;
        }
        for mut recording in self.store.recordings_in(&[RecordingState::Queued, RecordingState::Encoding])? {
            recording.state = RecordingState::Queued;
            recording.frames_done = 0;
            self.store.update_recording(&recording)?;
            self.lock().recordings.waiting.push_back(recording.id);
        }
        self.dispatch();
        Ok(())
    }
}
