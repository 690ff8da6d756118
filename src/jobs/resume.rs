//! What an earlier process left is taken up.

use std::{collections::HashSet, sync::Arc};

use super::{Jobs, RecordingState, Transition, VideoState, lanes::Kind, now, suspects};
use crate::error::{Kind as ErrorKind, Result};

impl Jobs {
    /// Takes up what an earlier process left: videos go on from their last stored frame, recordings start again,
    /// files that no video or recording owns are removed.
    ///
    /// # Errors
    /// The store or the folder cannot be read. A full disk is none: what cannot be stored now is stored later.
    pub fn resume(self: &Arc<Self>) -> Result<()> {
        for id in self.files.videos()? {
            if self.store.video(&id)?.is_none() {
                self.files.remove_video(&id)?;
                continue;
            }
            self.remove_stray_recordings(&id)?;
        }
        for mut video in self.store.videos_in(&[VideoState::Queued, VideoState::Running])? {
            if let Some(crashes) = self.trials.given_up(&suspects::video(&video.id)) {
                video.state = VideoState::Failed;
                video.error = Some(format!(
                    "The server crashed {crashes} times while it processed this file alone, so it was given up. Convert \
                     the video to H.264 MP4 and try again."
                ));
                video.finished_at = Some(now());
                tracing::error!(id = %video.id, crashes, "a video is given up: it crashes the server");
                match self.files.source_sha256(&video.id) {
                    Ok(sha256) => self.trials.refuse_upload(&self.store, &sha256, crashes),
                    Err(error) => tracing::warn!(error = %error.full(), "the source of that video cannot be read"),
                }
            } else {
                video.state = VideoState::Queued;
            }
            if stored_or_full(self.store.update_video(&video))? && !video.state.is_final() {
                self.lock().lane(Kind::Video).waiting.push_back(video.id);
            }
        }
        for mut recording in self.store.recordings_in(&[RecordingState::Queued, RecordingState::Encoding])? {
            if let Some(crashes) = self.trials.given_up(&suspects::recording(&recording.id)) {
                recording.state = RecordingState::Failed;
                recording.error = Some(format!(
                    "The server crashed {crashes} times while it wrote this recording alone, so it was given up."
                ));
            } else {
                recording.state = RecordingState::Queued;
                recording.frames_done = 0;
            }
            if stored_or_full(self.store.update_recording(&recording))? && !recording.state.is_final() {
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

/// True unless the change was rejected. On a full disk a state cannot be stored; the work itself waits for room and stores
/// it then.
fn stored_or_full(stored: Result<Transition>) -> Result<bool> {
    match stored {
        Err(error) if error.kind == ErrorKind::DiskFull => {
            tracing::warn!("the disk is full: how work stands cannot be stored yet");
            Ok(true)
        }
        stored => Ok(stored? == Transition::Stored),
    }
}
