//! What an earlier process left is taken up.

use std::{collections::HashSet, sync::Arc};

use super::{Jobs, RecordingState, Transition, VideoState, lanes::Kind, now};
use crate::error::Result;

/// Starts of a video that stored no frame before the process died; after so many it is given up.
const MAX_ATTEMPTS: u32 = 3;

impl Jobs {
    /// Takes up what an earlier process left: videos go on from their last stored frame, recordings start again,
    /// files that no video or recording owns are removed.
    ///
    /// # Errors
    /// The store or the data folder cannot be read or written.
    pub fn resume(self: &Arc<Self>) -> Result<()> {
        for id in self.files.videos()? {
            if self.store.video(&id)?.is_none() {
                self.files.remove_video(&id)?;
            } else {
                self.remove_stray_recordings(&id)?;
            }
        }
        for mut video in self.store.videos_in(&[VideoState::Queued, VideoState::Running])? {
            if video.attempts >= MAX_ATTEMPTS {
                video.state = VideoState::Failed;
                video.error = Some("The server stopped each time it worked on this file, so it was given up. Convert the video to H.264 MP4 and try again.".into());
                video.finished_at = Some(now());
            } else {
                video.state = VideoState::Queued;
            }
            if self.store.update_video(&video)? == Transition::Stored && !video.state.is_final() {
                self.lock().lane(Kind::Video).waiting.push_back(video.id);
            }
        }
        for mut recording in self.store.recordings_in(&[RecordingState::Queued, RecordingState::Encoding])? {
            recording.state = RecordingState::Queued;
            recording.frames_done = 0;
            if self.store.update_recording(&recording)? == Transition::Stored {
                self.lock().lane(Kind::Recording).waiting.push_back(recording.id);
            }
        }
        self.dispatch();
        Ok(())
    }

    /// Removes files of a video's recordings that are not done: deleted ones and those that will be written again.
    fn remove_stray_recordings(&self, id: &str) -> Result<()> {
        let done =
            self.store.recordings_of(id)?.into_iter().filter(|recording| recording.state == RecordingState::Done);
        let mut known: HashSet<_> = done.map(|one| self.files.recording(id, &one.id, one.format)).collect();
        known.insert(self.files.source(id));
        for entry in std::fs::read_dir(self.files.video(id))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("recording-") && !known.contains(&path) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}
