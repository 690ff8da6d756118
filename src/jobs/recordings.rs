//! What clients ask of recordings: queue, list, cancel and delete them.

use std::sync::Arc;

use super::{
    Jobs, Recording, RecordingOptions, RecordingState, VideoState,
    lanes::{Kind, Work},
    new_id, now,
};
use crate::{
    cancel::Reason,
    error::{Error, Result},
    fault,
};

impl Jobs {
    /// Queues an annotated copy of a video.
    ///
    /// # Errors
    /// There is no such video, it is not done, or as many recordings wait as may.
    pub fn add_recording(self: &Arc<Self>, id: &str, options: RecordingOptions) -> Result<Recording> {
        // The video cannot be deleted while its recording is stored.
        let _claim = self.claims.claim(id);
        let video = self.video(id)?;
        if video.state != VideoState::Done {
            return Err(fault!(
                Conflict,
                "The video is {}: it can be saved once every frame has been detected ({} of {} are).",
                video.state.as_str(),
                video.frames_done,
                video.frames_total.map_or("an unknown number".into(), |n| n.to_string())
            ));
        }
        self.check_disk()?;
        let place = self.reserve(Kind::Recording)?;
        let recording = self.store.insert_recording(&Recording {
            id: new_id(),
            video: Some(video.id),
            stream: None,
            name: None,
            format: options.format,
            state: RecordingState::Queued,
            frames_done: 0,
            frames_total: video.frames_done,
            frames_dropped: 0,
            bytes: None,
            error: None,
            created_at: now(),
            options,
            seq: 0,
        })?;
        self.hub.publish_recording(&recording);
        place.fill(recording.id.clone());
        self.dispatch();
        Ok(recording)
    }

    /// A recording as it stands now.
    ///
    /// # Errors
    /// There is none, or the store cannot be read.
    pub fn recording(&self, id: &str) -> Result<Recording> {
        self.store.recording(id)?.ok_or_else(no_recording)
    }

    /// Recordings of a video before `cursor` (a `seq`; None: from the newest), newest first.
    ///
    /// # Errors
    /// There is no such video, or the store cannot be read.
    pub fn recordings_of_video(&self, id: &str, cursor: Option<i64>, limit: usize) -> Result<Vec<Recording>> {
        self.video(id)?;
        self.store.recordings_page(id, cursor, limit)
    }

    /// Deletes a recording and its file. One of a video that is queued or encoding is cancelled first.
    ///
    /// # Errors
    /// There is no such recording, it is of a live stream and still being written, or it cannot be removed from the store.
    pub fn delete_recording(self: &Arc<Self>, id: &str) -> Result<()> {
        let video = self.recording(id)?.video;
        let _claim = self.claims.claim(video.as_deref().unwrap_or(id));
        let recording = self.interrupt(&Work::Recording(id.to_owned()), Reason::Deleted, || {
            let mut recording = self.recording(id)?;
            let unfinished = !recording.state.is_final();
            if unfinished && recording.video.is_none() {
                return Err(fault!(Conflict, "This recording is being written: stop it, or wait for its end."));
            }
            if !self.forget_recording(&recording)? {
                return Err(no_recording());
            }
            if unfinished {
                // Viewers that show its progress get a last event, although the store has forgotten it.
                recording.state = RecordingState::Failed;
                recording.error = Some("The recording was cancelled.".into());
                self.hub.publish_recording(&recording);
            }
            Ok(recording)
        })?;
        self.dispatch();
        self.remove_recording_files(&recording)
    }

    /// Removes the file of a recording and what was written of it so far; files that do not exist are no error.
    pub(super) fn remove_recording_files(&self, recording: &Recording) -> Result<()> {
        let (id, format) = (&recording.id, recording.format);
        let files = match &recording.video {
            Some(video) => vec![self.files.recording(video, id, format), self.files.recording_part(video, id)],
            None => vec![self.files.live_recording(id, format)],
        };
        for file in files {
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}

fn no_recording() -> Error {
    fault!(NotFound, "There is no such recording; it may have been deleted.")
}
