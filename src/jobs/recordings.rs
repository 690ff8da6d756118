//! Recordings of videos as clients see them: queue, list, cancel and delete.

use std::sync::Arc;

use super::{Jobs, Recording, RecordingOptions, RecordingState, VideoState, new_id, now, stop::Stop};
use crate::{error::Result, fault};

impl Jobs {
    /// Queues an annotated copy of a video.
    pub fn add_recording(self: &Arc<Self>, id: &str, options: RecordingOptions) -> Result<Recording> {
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
        if self.lock().recordings.waiting.len() >= self.settings.max_queue {
            return Err(fault!(
                Busy,
                "{} recordings are waiting already: try again in a minute.",
                self.settings.max_queue
            ));
        }
        let recording = self.store.insert_recording(&Recording {
            id: new_id(),
            video: Some(video.id),
            stream: None,
            name: None,
            format: options.format,
            state: RecordingState::Queued,
            frames_done: 0,
            frames_total: video.frames_done,
            bytes: None,
            error: None,
            created_at: now(),
            options,
            seq: 0,
        })?;
        self.hub.publish_recording(&recording);
        self.lock().recordings.waiting.push_back(recording.id.clone());
        self.dispatch();
        Ok(recording)
    }

    /// A recording as it stands now.
    pub fn recording(&self, id: &str) -> Result<Recording> {
        self.store
            .recording(id)?
            .ok_or_else(|| fault!(NotFound, "There is no such recording; it may have been deleted."))
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
    /// There is no such recording, or it is of a live stream and still being written.
    pub fn delete_recording(&self, id: &str) -> Result<()> {
        let mut lanes = self.lock();
        if let Some(stop) = lanes.recordings.running.get(id) {
            stop.ask(Stop::CANCELLED);
        }
        // Read after that: nothing more is stored by the worker.
        let mut recording = self.recording(id)?;
        let unfinished = !recording.state.is_final();
        if unfinished && recording.video.is_none() {
            return Err(fault!(Conflict, "This recording is being written: stop it, or wait for its end."));
        }
        lanes.recordings.waiting.retain(|waiting| waiting != id);
        if !self.store.delete_recording(id)? {
            return Err(fault!(NotFound, "There is no such recording; it may have been deleted."));
        }
        if unfinished {
            // Viewers that show its progress get a last event, although the store has forgotten it.
            recording.state = RecordingState::Failed;
            recording.error = Some("The recording was cancelled.".into());
            self.hub.publish_recording(&recording);
        }
        drop(lanes);
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
