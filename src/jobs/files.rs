//! The data folder: who may use it, and where each file lies.
//!
//! ```text
//! sightglass.db     the store            lock         held by the one process that uses the folder
//! uploads/ID.part   half uploads         videos/ID/   source, recording-ID.avi
//! uploads/ID.gone   videos that are being removed
//! recordings/       ID.avi of live streams
//! images/           ID.jpg, annotated pictures that are kept for a while
//! access/           token and key        tls/         the server's own certificate (both written by `web`)
//! ```
//! Names are ids of our own making; nothing a user wrote becomes a path.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::KeptPictures;
use crate::{
    error::{Error, Result},
    fault,
    media::Format,
};

/// The data folder, locked for this process.
pub struct Files {
    /// Annotated pictures.
    pub kept: KeptPictures,
    root: PathBuf,
    _lock: File,
}

impl Files {
    /// Makes the folder if it is not there, locks it and removes half uploads.
    ///
    /// # Errors
    /// The folder cannot be written, or another process uses it.
    pub fn open(root: &Path) -> Result<Self> {
        let explain = |error| Error::internal(format!("Cannot use the data folder {}.", root.display()), error);
        fs::create_dir_all(root).map_err(explain)?;
        let lock = File::create(root.join("lock")).map_err(explain)?;
        lock.try_lock().map_err(|_| {
            fault!(
                Internal,
                "The data folder {} is used by another sightglass: stop it, or give another --data.",
                root.display()
            )
        })?;
        // Only now: before the lock was taken these could have been another process's.
        let uploads = root.join("uploads");
        if uploads.exists() {
            // Whoever was sending these is gone together with the process that received them.
            fs::remove_dir_all(&uploads).map_err(explain)?;
        }
        for folder in [&uploads, &root.join("videos"), &root.join("recordings"), &root.join("cache")] {
            fs::create_dir_all(folder).map_err(explain)?;
        }
        let kept = KeptPictures::open(root.join("images")).map_err(explain)?;
        Ok(Self { kept, root: root.to_path_buf(), _lock: lock })
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

    /// Makes a finished upload the source of video `id`; on disk before it returns.
    pub fn keep_upload(&self, id: &str) -> Result<()> {
        fs::create_dir_all(self.video(id))?;
        File::open(self.upload(id))?.sync_all()?;
        fs::rename(self.upload(id), self.source(id))?;
        Ok(())
    }

    /// Removes all files of a video; those that are not there are no error, nor is work that still writes there.
    pub fn remove_video(&self, id: &str) -> Result<()> {
        // Out of its place first: a file that is made while the others are being removed would keep the folder.
        let gone = self.root.join("uploads").join(format!("{id}.gone"));
        match fs::rename(self.video(id), &gone).and_then(|()| fs::remove_dir_all(&gone)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
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
