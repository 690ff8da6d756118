//! Hands a live stream's frames to the thread that writes its recording, without holding detection up.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc::{SyncSender, TrySendError, sync_channel},
};

use tokio::sync::broadcast;

use super::{
    super::{Jobs, Recording},
    crew::{Closing, Member},
    writer::{Entry, Writer, encoder},
};
use crate::{error::Result, event::Detection, fault, frame::Frame, media::Rate};

/// Frames that wait for the encoder; beyond them it is too slow, and frames are left out of the file and counted.
const WAITING: usize = 8;
/// Rates that cameras have; an AVI is written at one of them.
const RATES: [u32; 11] = [1, 2, 5, 8, 10, 12, 15, 20, 25, 30, 60];

/// A recording that is being written; dropping it finishes the file.
pub(super) struct Recorder {
    id: String,
    frames: SyncSender<Entry>,
    /// Frames that were left out.
    skipped: Arc<AtomicU64>,
    jobs: Arc<Jobs>,
}

/// The place for a stream's recording. Once it is closed no recording can be started: nobody would end it.
#[derive(Default)]
pub(super) struct RecorderSlot {
    recorder: Option<Recorder>,
    closed: bool,
}

impl Recorder {
    /// Starts the thread that writes `recording`, which the store knows already. `fps`: frames a second that come.
    /// `member` is held until the file is whole.
    pub fn start(
        jobs: &Arc<Jobs>,
        events: broadcast::Sender<Arc<str>>,
        closing: Closing,
        recording: Recording,
        fps: f64,
        member: Member,
    ) -> Result<Self> {
        let (frames, received) = sync_channel(WAITING);
        let id = recording.id.clone();
        let skipped = Arc::<AtomicU64>::default();
        let (own, counted) = (jobs.clone(), skipped.clone());
        std::thread::Builder::new().name("record".into()).spawn(move || {
            let _member = member;
            let rate = rate(fps);
            Writer { jobs: &own, recording, rate, skipped: counted, events, closing, create: encoder }.run(&received);
        })?;
        Ok(Self { id, frames, skipped, jobs: jobs.clone() })
    }

    /// Gives a frame to the file. False when the writer has ended by itself: a full disk.
    fn push(&self, frame: &Frame, found: &Arc<[Detection]>) -> bool {
        match self.frames.try_send((frame.clone(), found.clone())) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                if self.skipped.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!(id = self.id, "the encoder is too slow: frames are left out of a recording");
                }
                self.jobs.meter.recording_frames_dropped.inc();
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

impl RecorderSlot {
    /// The id of the recording that is being written.
    pub fn id(&self) -> Option<&str> {
        self.recorder.as_ref().map(|recorder| recorder.id.as_str())
    }

    /// # Errors
    /// [`Conflict`](crate::error::Kind::Conflict) when one is being written already or the stream has ended.
    pub fn check_free(&self) -> Result<()> {
        if self.closed {
            return Err(fault!(Conflict, "This stream has ended: there is nothing more to record."));
        }
        if self.recorder.is_some() {
            return Err(fault!(Conflict, "This stream is being recorded already: stop that recording first."));
        }
        Ok(())
    }

    pub fn set(&mut self, recorder: Recorder) {
        self.recorder = Some(recorder);
    }

    /// Gives a frame to the recording, if there is one.
    pub fn push(&mut self, frame: &Frame, found: &Arc<[Detection]>) {
        if self.recorder.as_ref().is_some_and(|recorder| !recorder.push(frame, found)) {
            self.recorder = None;
        }
    }

    /// Ends the recording with this id; its file is whole soon after.
    pub fn stop(&mut self, id: &str) {
        if self.id() == Some(id) {
            self.recorder = None;
        }
    }

    /// Ends the recording, and refuses further ones.
    pub fn close(&mut self) {
        (self.recorder, self.closed) = (None, true);
    }
}

/// The lowest usual rate that loses no frame: repeating one costs little, leaving one out shows.
fn rate(fps: f64) -> Rate {
    let enough = |rate: &&u32| f64::from(**rate) >= 0.97 * fps;
    Rate { num: RATES.iter().find(enough).copied().unwrap_or(60), den: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_avi_has_the_rate_of_a_camera() {
        for (fps, usual) in [(29.4, 30), (20.1, 20), (14.2, 15), (12.6, 15), (0.3, 1), (500.0, 60)] {
            assert_eq!(rate(fps), Rate { num: usual, den: 1 });
        }
    }
}
