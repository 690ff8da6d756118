//! Recordings of live streams: start, stop, and what an earlier process left.

use std::sync::Arc;

use super::{Stream, Streams, recorder::Recorder, stream::lock};
use crate::{
    error::Result,
    fault,
    jobs::{Recording, RecordingOptions, RecordingState, files::publish, new_id, now},
};

/// The rate of an AVI when nothing was measured yet.
const USUAL_FPS: f64 = 25.0;

impl Streams {
    /// Starts to record a stream.
    ///
    /// # Errors
    /// One is being written already, no picture has come yet, or the disk is full.
    pub fn record(&self, id: &str, options: RecordingOptions) -> Result<Recording> {
        let stream = self.get(id)?;
        self.record_stream(&stream, options)
    }

    pub(super) fn record_stream(&self, stream: &Stream, options: RecordingOptions) -> Result<Recording> {
        let info = stream.info();
        if info.width.is_none() {
            return Err(fault!(Conflict, "No picture has come from this stream yet: record it when there is one."));
        }
        self.jobs.check_disk()?;
        // Held until the recorder is in its place: the stream may end at any moment, and then closes the slot.
        let mut slot = lock(&stream.recorder);
        slot.check_free()?;
        let recording = self.jobs.store.insert_recording(&Recording {
            id: new_id(),
            video: None,
            stream: Some(info.id),
            name: Some(info.name),
            format: options.format,
            state: RecordingState::Encoding,
            frames_done: 0,
            frames_total: 0,
            frames_dropped: 0,
            bytes: None,
            error: None,
            created_at: now(),
            options,
            seq: 0,
        })?;
        // In its first moments a stream's rate is not known yet; what comes is never slower than what is worked on.
        let fps = [info.source_fps, info.detect_fps].into_iter().flatten().reduce(f64::max).unwrap_or(USUAL_FPS);
        let (events, closing, member) = (stream.events(), self.closing.clone(), self.crew.join());
        match Recorder::start(&self.jobs, events, closing, recording.clone(), fps, member) {
            Ok(started) => slot.set(started),
            Err(error) => {
                let _ = self.jobs.store.delete_recording(&recording.id);
                return Err(error);
            }
        }
        Ok(recording)
    }

    /// Ends a live recording; its file is whole soon after.
    ///
    /// # Errors
    /// There is no such recording, or it is not of a live stream.
    pub fn stop_recording(&self, id: &str) -> Result<Recording> {
        let recording = self.jobs.recording(id)?;
        let Some(stream) = &recording.stream else {
            return Err(fault!(Conflict, "This recording is of a video: it ends by itself."));
        };
        // A stream that is not there any more has ended its recording itself.
        if let Ok(stream) = self.get(stream) {
            lock(&stream.recorder).stop(id);
        }
        Ok(recording)
    }

    /// What an earlier process was writing when it died: an AVI that can be read is kept, the rest is told as failed.
    ///
    /// # Errors
    /// The store or the folder cannot be read.
    pub fn mend_recordings(self: &Arc<Self>) -> Result<()> {
        // A whole file is written beside the broken one: on a full disk that is left to a later start.
        let is_full = self.jobs.check_disk().is_err();
        let broken = self.jobs.store.live_recordings_in_work()?;
        if is_full && !broken.is_empty() {
            tracing::warn!(recordings = broken.len(), "the disk is full: recordings are mended at a later start");
        }
        for mut recording in broken.into_iter().filter(|_| !is_full) {
            let part = self.jobs.files.live_recording_part(&recording.id);
            let file = self.jobs.files.live_recording(&recording.id, recording.format);
            // The part is renamed when it is whole: then only the store did not learn of it.
            if !part.exists()
                && let Ok(whole) = file.metadata()
            {
                (recording.state, recording.bytes) = (RecordingState::Done, Some(whole.len()));
                self.jobs.store.update_recording(&recording)?;
                continue;
            }
            match crate::media::mend_avi(&part, &file, recording.format).and_then(|()| publish(&file, &file)) {
                Ok(bytes) => {
                    recording.state = RecordingState::Done;
                    recording.bytes = Some(bytes);
                    recording.error = Some("The server was ended while it recorded: the end may be missing.".into());
                }
                Err(error) => {
                    tracing::warn!(id = %recording.id, error = %error.full(), "a recording cannot be mended");
                    recording.state = RecordingState::Failed;
                    recording.error =
                        Some("The server was ended while it recorded, and the file cannot be used.".to_owned());
                }
            }
            self.jobs.store.update_recording(&recording)?;
        }
        // Of the others, and of those that nobody knows any more, nothing is left.
        self.jobs.files.remove_live_recordings_but(|name| {
            let recording = name.split_once('.').and_then(|(id, _)| self.jobs.store.recording(id).ok().flatten());
            recording.is_some_and(|one| {
                let done = one.state == RecordingState::Done && name == format!("{}.{}", one.id, one.format.as_str());
                done || (is_full && !one.state.is_final())
            })
        })
    }
}
