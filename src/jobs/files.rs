//! The data folder: who may use it, and where each file lies.
//!
//! ```text
//! sightglass.db     the store            lock         held by the one process that uses the folder
//! reserve           room for deleting    unclean      there while work goes on: the process crashed if it is there at a start
//! uploads/ID.part   half uploads         videos/ID/   source, recording-ID.avi
//! uploads/ID.gone   videos that are being removed
//! recordings/       ID.avi of live streams
//! images/           ID.jpg, annotated pictures that are kept for a while
//! access/           token and key        tls/         the server's own certificate (both written by `web`)
//! ```
//! Names are ids of our own making; nothing a user wrote becomes a path.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    time::SystemTime,
};

use sha2::{Digest, Sha256};

use super::KeptPictures;
use crate::{
    error::{Error, Result},
    fault,
    media::Format,
};

/// Bytes of the file `reserve`, which is removed to make room for what deleting writes.
const RESERVE: u64 = 4 << 20;
/// With fewer bytes free at the start the reserve is removed, so that the store finds room to open.
const LEAST_FREE: u64 = 1 << 20;

/// The data folder, locked for this process.
pub struct Files {
    /// Annotated pictures.
    pub kept: KeptPictures,
    root: PathBuf,
    lock: File,
    last_used: Option<SystemTime>,
    crashed: bool,
}

impl Files {
    /// Makes the folder if it is not there, locks it and removes half uploads. Works on a full disk, if the folder has been
    /// used before.
    ///
    /// # Errors
    /// The folder cannot be written, or another process uses it.
    pub fn open(root: &Path) -> Result<Self> {
        let explain = |error| Error::internal(format!("Cannot use the data folder {}.", root.display()), error);
        let is_new = !root.exists();
        fs::create_dir_all(root).map_err(explain)?;
        if is_new && let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_folder(parent).map_err(explain)?;
        }
        let path = root.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(explain)?;
        lock.try_lock().map_err(|_| {
            fault!(
                Internal,
                "The data folder {} is used by another sightglass: stop it, or give another --data.",
                root.display()
            )
        })?;
        let last_used = lock.metadata().and_then(|meta| meta.modified()).ok();
        // Only now: before the lock was taken these could have been another process's.
        let uploads = root.join("uploads");
        if uploads.exists() {
            // Whoever was sending these is gone together with the process that received them.
            remove_contents(&uploads).map_err(explain)?;
        }
        for folder in [&uploads, &root.join("videos"), &root.join("recordings"), &root.join("cache")] {
            fs::create_dir_all(folder).map_err(explain)?;
        }
        let kept = KeptPictures::open(root.join("images")).map_err(explain)?;
        let crashed = root.join("unclean").exists();
        let files = Self { kept, root: root.to_path_buf(), lock, last_used, crashed };
        if files.free_bytes().is_ok_and(|free| free < LEAST_FREE) && files.release_reserve() {
            tracing::warn!("the disk is full: the reserve is used");
        }
        sync_folder(root).map_err(explain)?;
        Ok(files)
    }

    /// The process before this one did not stop in order.
    pub fn crashed(&self) -> bool {
        self.crashed
    }

    /// From here on the end of the process is a crash, unless [`Files::mark_clean_stop`] comes first. A start that fails
    /// before leaves no mark.
    pub fn mark_running(&self) {
        if let Err(error) = File::create(self.root.join("unclean")) {
            tracing::warn!(%error, "a crash of this process will not be noticed at the next start");
        }
    }

    /// From here on the end of the process is no crash, however it comes. Needs no room on the disk.
    pub fn mark_clean_stop(&self) {
        let _ = fs::remove_file(self.root.join("unclean"));
    }

    /// When a process before this one was last seen running, by the clock of that time.
    pub fn last_used(&self) -> Option<SystemTime> {
        self.last_used
    }

    /// Keeps `now` for [`Files::last_used`] of the next process. Needs no room on the disk.
    pub fn mark_used(&self, now: SystemTime) {
        if let Err(error) = self.lock.set_modified(now) {
            tracing::debug!(%error, "the time of use cannot be kept");
        }
    }

    /// Makes room by removing the reserve; false if it is gone already.
    pub fn release_reserve(&self) -> bool {
        fs::remove_file(self.root.join("reserve")).is_ok()
    }

    /// Makes the reserve again where that leaves `keep_free` bytes, and as many again, free.
    pub fn restore_reserve(&self, keep_free: u64) {
        let path = self.root.join("reserve");
        let enough = self.free_bytes().is_ok_and(|free| free >= keep_free.saturating_add(2 * RESERVE));
        if path.exists() || !enough {
            return;
        }
        let made = File::create(&path).and_then(|file| {
            // A file with a hole would hold no room.
            let allocated = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE);
            allocated.map_err(std::io::Error::from).or_else(|_| fs::write(&path, vec![0x5a; RESERVE as usize]))
        });
        if let Err(error) = made {
            tracing::debug!(%error, "no room for a reserve");
            let _ = fs::remove_file(&path);
        }
    }

    pub fn database(&self) -> PathBuf {
        self.root.join("sightglass.db")
    }

    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    pub fn upload(&self, id: &str) -> PathBuf {
        self.root.join("uploads").join(format!("{id}.part"))
    }

    pub fn video(&self, id: &str) -> PathBuf {
        self.root.join("videos").join(id)
    }

    pub fn source(&self, id: &str) -> PathBuf {
        self.video(id).join("source")
    }

    /// SHA-256 of a video's source, in hexadecimal. Reads the whole file.
    pub fn source_sha256(&self, id: &str) -> Result<String> {
        let mut hash = Sha256::new();
        let (mut file, mut buffer) = (File::open(self.source(id))?, vec![0; 1 << 20]);
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => hash.update(&buffer[..read]),
            }
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub fn recording(&self, video: &str, id: &str, format: Format) -> PathBuf {
        self.video(video).join(format!("recording-{id}.{}", format.as_str()))
    }

    /// Where a recording grows until it is whole.
    pub fn recording_part(&self, video: &str, id: &str) -> PathBuf {
        self.video(video).join(format!("recording-{id}.part"))
    }

    /// A live stream's recording.
    pub fn live_recording(&self, id: &str, format: Format) -> PathBuf {
        self.root.join("recordings").join(format!("{id}.{}", format.as_str()))
    }

    /// Where a live stream's recording grows until it is whole.
    pub fn live_recording_part(&self, id: &str) -> PathBuf {
        self.root.join("recordings").join(format!("{id}.part"))
    }

    /// Removes files of live recordings whose names nobody knows.
    pub fn remove_live_recordings_but(&self, known: impl Fn(&str) -> bool) -> Result<()> {
        for entry in fs::read_dir(self.root.join("recordings"))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !known(&name) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Makes a finished upload the source of video `id`; file and folders are on disk before it returns.
    pub fn keep_upload(&self, id: &str) -> Result<()> {
        fs::create_dir_all(self.video(id))?;
        publish(&self.upload(id), &self.source(id))?;
        sync_folder(&self.root.join("videos"))?;
        Ok(())
    }

    /// Removes files of a video's recordings whose ids nobody knows: a process died between deleting the row and the file.
    pub fn remove_recordings_but(&self, video: &str, known: impl Fn(&str) -> bool) -> Result<()> {
        for entry in fs::read_dir(self.video(video))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let id = name.strip_prefix("recording-").and_then(|rest| rest.split('.').next());
            if id.is_some_and(|id| !known(id)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes all files of a video; those that are not there are no error, nor is work that still writes there.
    pub fn remove_video(&self, id: &str) -> Result<()> {
        // Out of its place first: a file that is made while the others are being removed would keep the folder.
        let gone = self.root.join("uploads").join(format!("{id}.gone"));
        match fs::rename(self.video(id), &gone).and_then(|()| fs::remove_dir_all(&gone)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Ids of the folders under `videos/`.
    pub fn videos(&self) -> Result<Vec<String>> {
        let names = fs::read_dir(self.root.join("videos"))?;
        Ok(names.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }

    /// Bytes that all files of a video take.
    pub fn video_bytes(&self, id: &str) -> u64 {
        let files = fs::read_dir(self.video(id)).into_iter().flatten().flatten();
        files.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
    }

    /// Bytes free for this process on the folder's disk.
    pub fn free_bytes(&self) -> Result<u64> {
        free_bytes(&self.root)
    }
}

/// Gives a whole file its final name, so that it has that name, and is whole, after a power cut: its bytes are synced, then
/// it is renamed, then the folder is synced. The row that speaks of it comes after that. Returns the file's size in bytes.
///
/// # Errors
/// The disk is full, or fails.
pub(super) fn publish(part: &Path, file: &Path) -> Result<u64> {
    let whole = File::open(part)?;
    whole.sync_all()?;
    let bytes = whole.metadata()?.len();
    fs::rename(part, file)?;
    if let Some(folder) = file.parent() {
        sync_folder(folder)?;
    }
    Ok(bytes)
}

/// Puts the names of a folder on disk (fsync(2): syncing a file does not sync its entry in the folder).
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    match File::open(folder)?.sync_all() {
        // File systems that cannot sync a folder, some of networks, say so.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

/// Empties a folder. The folder itself stays: making it again may need room that is not there.
fn remove_contents(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Bytes free for this process on the disk of a folder that is there.
pub fn free_bytes(folder: &Path) -> Result<u64> {
    let disk = rustix::fs::statvfs(folder).map_err(std::io::Error::from)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_video_is_removed_while_somebody_writes_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::open(folder.path()).expect("the data folder");
        for round in 0..50 {
            let id = round.to_string();
            let video = files.video(&id);
            fs::create_dir_all(&video).expect("the video's folder");
            let (begun, begins) = std::sync::mpsc::sync_channel(1);
            let writer = std::thread::spawn({
                let video = video.clone();
                move || {
                    for n in 0.. {
                        if fs::write(video.join(n.to_string()), b"x").is_err() {
                            return;
                        }
                        let _ = begun.try_send(());
                    }
                }
            });
            begins.recv().expect("the writer has begun");
            files.remove_video(&id).expect("removed");
            assert!(!video.exists());
            writer.join().expect("the writer ends, as its folder is gone");
        }
        assert_eq!(fs::read_dir(folder.path().join("uploads")).expect("uploads").count(), 0);
    }
}
