//! Announces how videos stand. Frames are not in it: who is told of a higher `frames_done` reads them from the store.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use super::{Recording, Video};

/// How a video and its recordings in work stand.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// None once it was deleted.
    pub video: Option<Arc<Video>>,
    /// Recordings that are not ended yet, and the one that ended last.
    pub recordings: Vec<Recording>,
}

/// One watch channel for each video that is worked on or looked at.
#[derive(Default)]
pub struct Hub {
    channels: Mutex<HashMap<String, watch::Sender<Snapshot>>>,
}

impl Hub {
    /// Follows a video from now on; `now` is how it stands when nobody has announced it yet.
    pub fn subscribe(&self, id: &str, now: Snapshot) -> watch::Receiver<Snapshot> {
        let mut channels = self.lock();
        channels.entry(id.to_owned()).or_insert_with(|| watch::Sender::new(now)).subscribe()
    }

    /// Announces a video. Channels of ended videos that nobody follows are let go.
    pub fn publish_video(&self, video: &Video) {
        let mut channels = self.lock();
        let video = Arc::new(video.clone());
        let sender = channels
            .entry(video.id.clone())
            .or_insert_with(|| watch::Sender::new(Snapshot { video: None, recordings: Vec::new() }));
        sender.send_modify(|snapshot| snapshot.video = Some(video.clone()));
        if video.state.is_final() {
            Self::sweep(&mut channels);
        }
    }

    /// Announces a recording to those who follow its video.
    pub fn publish_recording(&self, recording: &Recording) {
        let mut channels = self.lock();
        if let Some(sender) = recording.video.as_ref().and_then(|video| channels.get(video)) {
            sender.send_modify(|snapshot| {
                snapshot.recordings.retain(|r| r.id != recording.id && !r.state.is_final());
                snapshot.recordings.push(recording.clone());
            });
        }
        if recording.state.is_final() {
            Self::sweep(&mut channels);
        }
    }

    /// Announces that a video is gone.
    pub fn remove(&self, id: &str) {
        if let Some(sender) = self.lock().remove(id) {
            sender.send_modify(|snapshot| snapshot.video = None);
        }
    }

    /// The latest announcement, if the video is worked on or looked at.
    pub fn latest(&self, id: &str) -> Option<Arc<Video>> {
        self.lock().get(id).and_then(|sender| sender.borrow().video.clone())
    }

    fn sweep(channels: &mut HashMap<String, watch::Sender<Snapshot>>) {
        channels.retain(|_, sender| {
            let ended = sender.borrow().video.as_ref().is_none_or(|video| video.state.is_final());
            sender.receiver_count() > 0 || !ended
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, watch::Sender<Snapshot>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
