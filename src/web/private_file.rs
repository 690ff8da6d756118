//! Files of the data folder that nobody but the server's own user may read: keys and tokens.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use crate::error::{Error, Result};

/// Writes a file that only its owner can read, whole or not at all. Its folder is made if it is not there.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let words = || format!("Cannot keep {}: is the data folder writable?", path.display());
    let write = || {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let part = path.with_extension("part");
        // One that is left from before may have other rights.
        let _ = fs::remove_file(&part);
        let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(|error: std::io::Error| Error::internal(words(), error))
}

/// The text of a file; `make` gives it where it is not there.
pub fn read_or_make(path: &Path, make: impl FnOnce() -> String) -> Result<String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = make();
            write(path, &text)?;
            Ok(text)
        }
        Err(error) => Err(Error::internal(format!("Cannot read {}.", path.display()), error)),
    }
}
