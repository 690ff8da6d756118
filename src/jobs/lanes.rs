//! What waits and what runs. Nothing here touches the store or a file, so the lock around it is held for moments only,
//! also by handlers on async threads.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Jobs;
use crate::{
    cancel::CancelToken,
    error::{Error, Result},
    fault,
};

/// A piece of work, by the id of its video or recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Detection on a video.
    Video(String),
    /// An annotated copy of a video.
    Recording(String),
}

impl Work {
    pub fn id(&self) -> &str {
        match self {
            Self::Video(id) | Self::Recording(id) => id,
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Video(_) => Kind::Video,
            Self::Recording(_) => Kind::Recording,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Video,
    Recording,
}

impl Kind {
    pub fn of(self, id: String) -> Work {
        match self {
            Self::Video => Work::Video(id),
            Self::Recording => Work::Recording(id),
        }
    }

    fn full(self, most: usize) -> Error {
        match self {
            Self::Video => fault!(Busy, "{most} videos are waiting already: try again in a minute."),
            Self::Recording => fault!(Busy, "{most} recordings are waiting already: try again in a minute."),
        }
    }
}

/// Work of one kind.
#[derive(Default)]
pub(super) struct Lane {
    /// In the order in which it is started.
    pub waiting: VecDeque<String>,
    pub running: HashMap<String, CancelToken>,
    /// Places that are taken by work that is being stored and will then wait.
    reserved: usize,
}

impl Lane {
    /// The next that may start: one whose last thread is still ending waits for that.
    pub fn take_next(&mut self) -> Option<String> {
        let next = self.waiting.iter().position(|id| !self.running.contains_key(id))?;
        self.waiting.remove(next)
    }
}

#[derive(Default)]
pub(super) struct Lanes {
    videos: Lane,
    recordings: Lane,
}

impl Lanes {
    pub fn lane(&mut self, kind: Kind) -> &mut Lane {
        match kind {
            Kind::Video => &mut self.videos,
            Kind::Recording => &mut self.recordings,
        }
    }

    pub fn is_idle(&self) -> bool {
        self.videos.running.is_empty() && self.recordings.running.is_empty()
    }

    /// Takes a piece of work out of the line. Returns whether it waited, and the token of its thread if it has one.
    pub fn withdraw(&mut self, work: &Work) -> (bool, Option<CancelToken>) {
        let lane = self.lane(work.kind());
        let before = lane.waiting.len();
        lane.waiting.retain(|waiting| waiting != work.id());
        (lane.waiting.len() < before, lane.running.get(work.id()).cloned())
    }
}

/// A place in the line, taken before work is stored so that what is stored is sure to find room; given back when dropped.
pub(super) struct Place<'a> {
    jobs: &'a Jobs,
    kind: Kind,
    filled: bool,
}

impl Place<'_> {
    /// Lets stored work wait in this place.
    pub fn fill(mut self, id: String) {
        let mut lanes = self.jobs.lock();
        let lane = lanes.lane(self.kind);
        // In one step: counted twice, it would turn somebody else away.
        lane.waiting.push_back(id);
        lane.reserved -= 1;
        self.filled = true;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.filled {
            self.jobs.lock().lane(self.kind).reserved -= 1;
        }
    }
}

impl Jobs {
    /// Refuses when as many videos wait as may.
    ///
    /// # Errors
    /// [`Busy`](crate::error::Kind::Busy), or [`Unavailable`](crate::error::Kind::Unavailable) when the server stops.
    pub fn check_capacity(&self) -> Result<()> {
        self.check_place(&mut self.lock(), Kind::Video)
    }

    fn check_place(&self, lanes: &mut Lanes, kind: Kind) -> Result<()> {
        if self.is_stopping() {
            return Err(fault!(Unavailable, "The server is stopping: try again in a minute."));
        }
        let (most, lane) = (self.settings.max_queue, lanes.lane(kind));
        if lane.waiting.len() + lane.reserved >= most {
            return Err(kind.full(most));
        }
        Ok(())
    }

    /// Takes a place in the line: the check and the taking are one step.
    ///
    /// # Errors
    /// As [`Jobs::check_capacity`].
    pub(super) fn reserve(&self, kind: Kind) -> Result<Place<'_>> {
        let mut lanes = self.lock();
        self.check_place(&mut lanes, kind)?;
        lanes.lane(kind).reserved += 1;
        Ok(Place { jobs: self, kind, filled: false })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Videos that a request is changing. A request claims its video before it reads the store and until it has stored and
/// announced the change; requests for other videos are not held up, however long SQLite takes.
#[derive(Default)]
pub(super) struct Claims {
    held: Mutex<HashSet<String>>,
    released: Condvar,
}

/// Held while a video is changed.
pub(super) struct Claim<'a> {
    claims: &'a Claims,
    id: String,
}

impl Claims {
    /// Waits until nobody else changes this video. Only for threads that may block.
    pub fn claim(&self, id: &str) -> Claim<'_> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        while held.contains(id) {
            held = self.released.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        held.insert(id.to_owned());
        Claim { claims: self, id: id.to_owned() }
    }
}

#[cfg(test)]
impl Claims {
    pub fn is_claimed(&self, id: &str) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.claims.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        self.claims.released.notify_all();
    }
}
