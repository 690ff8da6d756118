//! Announces how videos stand. Frames are not in it: who is told of a higher `frames_done` reads them from the store.

use std::{
    collections::HashMap,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{Recording, Video};
use crate::error::Result;

/// Ended recordings that a snapshot holds, so that a viewer that is a little slow hears of each end.
const MAX_ENDED: usize = 32;

/// How a video and its recordings in work stand.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// None once it was deleted.
    pub video: Option<Arc<Video>>,
    /// Recordings that are not ended yet, and those that ended last.
    pub recordings: Vec<Recording>,
}

impl Snapshot {
    /// Replaces what is known of a recording.
    fn put(&mut self, recording: &Recording) {
        self.recordings.retain(|known| known.id != recording.id);
        self.recordings.push(recording.clone());
        let ended = self.recordings.iter().filter(|known| known.state.is_final()).count();
        if ended > MAX_ENDED
            && let Some(oldest) = self.recordings.iter().position(|known| known.state.is_final())
        {
            self.recordings.remove(oldest);
        }
    }
}

type Channels = Mutex<HashMap<String, watch::Sender<Snapshot>>>;

/// One watch channel for each video that is worked on or looked at.
#[derive(Default)]
pub struct Hub {
    channels: Arc<Channels>,
}

/// Follows a video.
#[derive(Clone)]
pub struct Following {
    // Dropped in this order: the receiver must not be counted any more when `Leave` looks.
    receiver: watch::Receiver<Snapshot>,
    _leave: Leave,
}

/// Lets the channel of an ended video go with its last follower.
#[derive(Clone)]
struct Leave {
    id: String,
    channels: Arc<Channels>,
}

impl Deref for Following {
    type Target = watch::Receiver<Snapshot>;

    fn deref(&self) -> &Self::Target {
        &self.receiver
    }
}

impl DerefMut for Following {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.receiver
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        release(&mut lock(&self.channels), &self.id);
    }
}

impl Hub {
    /// Follows a video from now on. `read` reads how it stands in the store; what is announced in the meantime is newer and
    /// goes before it. Only one call at a time for each video.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn follow(&self, id: &str, read: impl FnOnce() -> Result<(Video, Vec<Recording>)>) -> Result<Following> {
        let following = {
            let mut channels = lock(&self.channels);
            let empty = || watch::Sender::new(Snapshot { video: None, recordings: Vec::new() });
            let receiver = channels.entry(id.to_owned()).or_insert_with(empty).subscribe();
            Following { receiver, _leave: Leave { id: id.to_owned(), channels: self.channels.clone() } }
        };
        let (video, recordings) = read()?;
        if let Some(sender) = lock(&self.channels).get(id) {
            sender.send_modify(|snapshot| {
                snapshot.video.get_or_insert_with(|| Arc::new(video));
                for recording in recordings {
                    if snapshot.recordings.iter().all(|known| known.id != recording.id) {
                        snapshot.put(&recording);
                    }
                }
            });
        }
        Ok(following)
    }

    /// Announces a video.
    pub fn publish_video(&self, video: &Video) {
        let mut channels = lock(&self.channels);
        let announced = Arc::new(video.clone());
        match channels.get(&video.id) {
            Some(sender) => sender.send_modify(|snapshot| snapshot.video = Some(announced)),
            // Whoever asks for an ended one finds it in the store.
            None if video.state.is_final() => {}
            None => {
                let snapshot = Snapshot { video: Some(announced), recordings: Vec::new() };
                channels.insert(video.id.clone(), watch::Sender::new(snapshot));
            }
        }
        release(&mut channels, &video.id);
    }

    /// Announces a recording to those who follow its video.
    pub fn publish_recording(&self, recording: &Recording) {
        let channels = lock(&self.channels);
        if let Some(sender) = recording.video.as_ref().and_then(|video| channels.get(video)) {
            sender.send_modify(|snapshot| snapshot.put(recording));
        }
    }

    /// Announces that a video is gone.
    pub fn remove(&self, id: &str) {
        if let Some(sender) = lock(&self.channels).remove(id) {
            sender.send_modify(|snapshot| snapshot.video = None);
        }
    }

    /// The latest announcement, if the video is worked on or looked at.
    pub fn latest(&self, id: &str) -> Option<Arc<Video>> {
        lock(&self.channels).get(id).and_then(|sender| sender.borrow().video.clone())
    }
}

#[cfg(test)]
impl Hub {
    /// How many channels there are.
    pub fn channels(&self) -> usize {
        lock(&self.channels).len()
    }
}

/// Lets a channel go that nobody follows and whose video is not worked on.
fn release(channels: &mut HashMap<String, watch::Sender<Snapshot>>, id: &str) {
    let idle = |sender: &watch::Sender<Snapshot>| {
        sender.receiver_count() == 0 && sender.borrow().video.as_ref().is_none_or(|video| video.state.is_final())
    };
    if channels.get(id).is_some_and(idle) {
        channels.remove(id);
    }
}

fn lock(channels: &Channels) -> MutexGuard<'_, HashMap<String, watch::Sender<Snapshot>>> {
    channels.lock().unwrap_or_else(PoisonError::into_inner)
}
