//! A `serve` that fails leaves no data folder that was not there before.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

/// What is not there yet of a data folder's path, outermost first; empty when the folder is there.
pub struct Fresh(Vec<PathBuf>);

impl Fresh {
    /// Looks before the folder is made.
    pub fn watch(data: &Path) -> Self {
        let missing = data.ancestors().take_while(|place| !place.as_os_str().is_empty() && !place.exists());
        let mut missing: Vec<PathBuf> = missing.map(Path::to_path_buf).collect();
        missing.reverse();
        Self(missing)
    }

    /// Removes what was made since, unless another process uses the folder by now.
    pub fn remove(self) {
        let Some((data, parents)) = self.0.split_last() else { return };
        let Ok(lock) = File::open(data.join("lock")) else { return };
        if lock.try_lock().is_err() {
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(data) {
            tracing::warn!(%error, "the new data folder could not be removed");
        }
        for parent in parents.iter().rev() {
            // Only while it is empty.
            let _ = std::fs::remove_dir(parent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_made_since_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("a/b/data");
        let make = || {
            std::fs::create_dir_all(data.join("videos")).expect("a folder");
            File::create(data.join("lock")).expect("a file")
        };
        let fresh = Fresh::watch(&data);
        drop(make());
        fresh.remove();
        assert!(!folder.path().join("a").exists() && folder.path().exists());

        drop(make());
        Fresh::watch(&data).remove();
        assert!(data.exists(), "it was there before");

        std::fs::remove_dir_all(&data).expect("removed");
        let fresh = Fresh::watch(&data);
        let lock = make();
        lock.try_lock().expect("a lock");
        fresh.remove();
        assert!(data.exists(), "another process uses it");
    }
}
