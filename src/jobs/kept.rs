//! Annotated pictures that are kept for a while, for clients that fetch them by their address.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use super::{files::free_bytes, new_id};
use crate::{
    error::{Error, Result},
    fault,
};

/// A picture is kept for so long,
const AGE: Duration = Duration::from_secs(3600);
/// and while there are not so many newer ones,
const MOST: usize = 1000;
/// which together take no more bytes than this.
const MOST_BYTES: u64 = 256 << 20;

/// A folder of JPEG pictures with an end to their number, bytes and age.
pub struct KeptPictures {
    folder: PathBuf,
    /// Oldest first.
    known: Mutex<VecDeque<Kept>>,
}

struct Kept {
    id: String,
    /// By a clock that nobody sets; the wall clock may jump back, and pictures would be kept for longer.
    until: Instant,
    bytes: u64,
}

impl KeptPictures {
    /// Takes up what an earlier process left in the folder, which is made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn open(folder: PathBuf) -> std::io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let (now, wall) = (Instant::now(), SystemTime::now());
        let mut known = Vec::new();
        for entry in fs::read_dir(&folder)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            match (name.strip_suffix(".jpg"), entry.metadata()) {
                (Some(id), Ok(meta)) => {
                    // A picture of the future is as if it were new.
                    let age = wall.duration_since(meta.modified()?).unwrap_or_default();
                    known.push(Kept { id: id.into(), until: now + AGE.saturating_sub(age), bytes: meta.len() });
                }
                // Half written when the process ended.
                _ => fs::remove_file(entry.path())?,
            }
        }
        known.sort_by_key(|kept| kept.until);
        let kept = Self { folder, known: Mutex::new(known.into()) };
        kept.forget_old();
        Ok(kept)
    }

    /// Keeps a picture, and leaves `keep_free` bytes of the disk free; returns its id.
    ///
    /// # Errors
    /// [`DiskFull`](crate::error::Kind::DiskFull).
    pub fn keep(&self, jpeg: &[u8], keep_free: u64) -> Result<String> {
        let (id, bytes) = (new_id(), jpeg.len() as u64);
        if free_bytes(&self.folder)? < bytes.saturating_add(keep_free) {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into());
        }
        let part = self.folder.join(format!("{id}.part"));
        let written = fs::write(&part, jpeg).and_then(|()| fs::rename(&part, self.file(&id)));
        if let Err(error) = written {
            let _ = fs::remove_file(&part);
            return Err(error.into());
        }
        self.lock().push_back(Kept { id: id.clone(), until: Instant::now() + AGE, bytes });
        self.forget_old();
        Ok(id)
    }

    /// Where a picture lies.
    ///
    /// # Errors
    /// [`NotFound`](crate::error::Kind::NotFound): there is no such picture, or not any more.
    pub fn path(&self, id: &str) -> Result<PathBuf> {
        self.forget_old();
        if self.lock().iter().any(|kept| kept.id == id) { Ok(self.file(id)) } else { Err(unknown()) }
    }

    /// Deletes a picture.
    ///
    /// # Errors
    /// As [`KeptPictures::path`].
    pub fn delete(&self, id: &str) -> Result<()> {
        let mut known = self.lock();
        let at = known.iter().position(|kept| kept.id == id).ok_or_else(unknown)?;
        known.remove(at);
        fs::remove_file(self.file(id))?;
        Ok(())
    }

    /// Deletes what is beyond the limits.
    pub fn forget_old(&self) {
        let mut known = self.lock();
        let mut bytes: u64 = known.iter().map(|kept| kept.bytes).sum();
        let now = Instant::now();
        let old = |kept: &Kept| kept.until <= now;
        while let Some(first) = known.front().filter(|kept| old(kept) || known.len() > MOST || bytes > MOST_BYTES) {
            if let Err(error) = fs::remove_file(self.file(&first.id)) {
                tracing::warn!(%error, "a kept picture could not be deleted");
            }
            bytes -= first.bytes;
            known.pop_front();
        }
    }

    fn file(&self, id: &str) -> PathBuf {
        Path::new(&self.folder).join(format!("{id}.jpg"))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown() -> Error {
    fault!(NotFound, "There is no such picture, or not any more: pictures are kept for an hour at most.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> usize {
        fs::read_dir(folder).expect("the folder").count()
    }

    #[test]
    fn old_pictures_and_half_ones_go() {
        let folder = std::env::temp_dir().join(format!("sightglass-kept-{}", new_id()));
        fs::create_dir_all(&folder).expect("a folder");
        for (name, age) in [("a.jpg", 2 * AGE), ("b.jpg", AGE / 2), ("c.part", Duration::ZERO)] {
            let file = fs::File::create(folder.join(name)).expect("a file");
            file.set_modified(SystemTime::now() - age).expect("a time");
        }
        // The clock was set back since.
        let future = fs::File::create(folder.join("f.jpg")).expect("a file");
        future.set_modified(SystemTime::now() + 24 * AGE).expect("a time");
        let kept = KeptPictures::open(folder.clone()).expect("the folder");
        assert_eq!(names(&folder), 2);
        assert!(kept.lock().iter().all(|one| one.until <= Instant::now() + AGE), "none is kept for longer");
        kept.delete("f").expect("it is there");
        assert!(kept.path("a").is_err() && kept.path("c").is_err() && kept.path("b").is_ok());
        let ids: Vec<String> = (0..MOST + 4).map(|_| kept.keep(b"x", 0).expect("room")).collect();
        assert_eq!(names(&folder), MOST);
        assert!(kept.path("b").is_err() && kept.path(&ids[3]).is_err() && kept.path(&ids[4]).is_ok());
        assert_eq!(kept.keep(b"x", u64::MAX).map_err(|error| error.kind), Err(crate::error::Kind::DiskFull));
        kept.delete(&ids[4]).expect("it is there");
        assert!(kept.delete(&ids[4]).is_err() && kept.delete("../b").is_err());
        fs::remove_dir_all(folder).expect("the folder");
    }
}
