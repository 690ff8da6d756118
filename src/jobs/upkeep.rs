//! What keeps the data folder usable: room for deleting on a full disk, and the removal of what was deleted.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use super::{Jobs, Recording, clock::ClockGuard};
use crate::{
    cancel::CancelToken,
    error::{Kind, Result},
    fault,
};

/// Frames that one transaction removes: it holds the writer for some milliseconds.
const PURGE_ROWS: usize = 2000;
/// What is stored meanwhile gets its turn between two such transactions.
const PURGE_PAUSE: Duration = Duration::from_millis(5);
/// With fewer bytes free the disk is full, whatever `--keep-free` says.
const LEAST_FREE: u64 = 64 << 10;

/// State of the upkeep.
pub(super) struct Upkeep {
    purging: AtomicBool,
    clock: Mutex<ClockGuard>,
}

impl Upkeep {
    /// `last_used`: when an earlier process was last seen.
    pub fn new(last_used: Option<SystemTime>) -> Self {
        Self { purging: AtomicBool::new(false), clock: Mutex::new(ClockGuard::new(last_used)) }
    }

    pub fn clock(&self) -> MutexGuard<'_, ClockGuard> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Jobs {
    /// Refuses when less than `--keep-free` is free on the disk.
    ///
    /// # Errors
    /// [`Kind::DiskFull`].
    pub fn check_disk(&self) -> Result<()> {
        let free = self.files.free_bytes()?;
        if free < self.settings.keep_free || (self.store.is_confined() && free < LEAST_FREE) {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into());
        }
        if self.store.is_confined() {
            self.store.leave_confinement();
        }
        Ok(())
    }

    /// Why nothing new can be stored, if so; for operators.
    pub fn disk_complaint(&self) -> Option<String> {
        let error = self.check_disk().err()?;
        if error.kind != Kind::DiskFull {
            return Some(error.detail);
        }
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let free = self.files.free_bytes().unwrap_or(0);
        Some(format!(
            "the disk is full ({:.1} MB are free, {:.1} MB are kept free): videos can be seen and deleted, uploads are \
             refused and detection waits",
            megabytes(free),
            megabytes(self.settings.keep_free)
        ))
    }

    /// Forgets a video's rows. On a full disk its files go first.
    pub(super) fn forget_video(&self, id: &str) -> Result<()> {
        let unknown = || fault!(NotFound, "There is no such video; it may have been deleted.");
        let files = || match self.store.video(id)? {
            Some(video) => self.files.remove_video(&video.id),
            None => Err(unknown()),
        };
        if self.delete_rows(|| self.store.delete_video(id), files)? { Ok(()) } else { Err(unknown()) }
    }

    /// Forgets a recording's row; false if there is none. On a full disk its file goes first.
    pub(super) fn forget_recording(&self, recording: &Recording) -> Result<bool> {
        self.delete_rows(|| self.store.delete_recording(&recording.id), || self.remove_recording_files(recording))
    }

    /// Deletes rows, which needs some room for the store's log. Where there is none, the reserve gives it, and else the
    /// files do, which are to go anyway; a row without files says less than files without a row take, so they come second.
    fn delete_rows(&self, rows: impl Fn() -> Result<bool>, files: impl Fn() -> Result<()>) -> Result<bool> {
        let is_full = |deleted: &Result<bool>| matches!(deleted, Err(error) if error.kind == Kind::DiskFull);
        let deleted = rows();
        if !is_full(&deleted) {
            return deleted;
        }
        if self.files.release_reserve() {
            tracing::warn!("the disk is full: the reserve is used to delete");
            let deleted = rows();
            if !is_full(&deleted) {
                return deleted;
            }
        }
        files()?;
        rows()
    }

    /// Removes the frames of deleted videos, on a thread of its own and a few at a time: a long video has a million.
    pub(super) fn start_purge(self: &Arc<Self>) {
        if self.upkeep.purging.swap(true, Ordering::AcqRel) {
            return;
        }
        let jobs = self.clone();
        let purge = move || {
            let pause = CancelToken::default();
            while !jobs.is_stopping() {
                match jobs.store.purge(PURGE_ROWS) {
                    Ok(true) => {
                        pause.wait(PURGE_PAUSE);
                    }
                    Ok(false) => break,
                    Err(error) => {
                        // Tried again by the next upkeep.
                        tracing::warn!(error = %error.full(), "frames of deleted videos cannot be removed yet");
                        break;
                    }
                }
            }
            jobs.files.restore_reserve(jobs.settings.keep_free);
            jobs.upkeep.purging.store(false, Ordering::Release);
        };
        if let Err(error) = std::thread::Builder::new().name("purge".into()).spawn(purge) {
            tracing::error!(%error, "cannot start a thread");
            self.upkeep.purging.store(false, Ordering::Release);
        }
    }

    /// Once a minute: what became too old or too much is deleted, and what earlier calls left is tidied. Returns how many
    /// videos and live recordings were deleted.
    ///
    /// # Errors
    /// The store or the disk fails.
    pub fn keep_up(self: &Arc<Self>) -> Result<usize> {
        let deleted = self.apply_retention();
        if self.store.is_confined() {
            let _ = self.check_disk();
        }
        // Also what an earlier process left.
        self.start_purge();
        deleted
    }
}
