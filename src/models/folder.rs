//! Writes model folders: made beside, tried, and put into place whole or not at all.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use crate::{error::Result, fault};

/// What a model folder is made of.
pub struct Contents<'a> {
    /// Text of `model.toml`.
    pub manifest: &'a str,
    /// Lines of `labels.txt`; none are written if the manifest holds them itself.
    pub labels: Option<&'a [String]>,
    pub network: NetworkFile<'a>,
}

/// `1/model.onnx`
pub enum NetworkFile<'a> {
    Bytes(&'a [u8]),
    CopyOf(&'a Path),
}

/// A model folder that is not in its place yet; it is gone when this is dropped.
pub struct Draft {
    models: PathBuf,
    name: String,
}

/// The folder that a new model of this name gets, as nothing that is long is done for a name that cannot be had.
///
/// # Errors
/// The name is none for a folder, or is taken and `force` is not set; in words.
pub fn place(models: &Path, name: &str, force: bool) -> Result<PathBuf> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | ' ');
    if name.is_empty() || name.starts_with('.') || name.len() > 100 || name.trim() != name || !name.chars().all(plain) {
        return Err(fault!(
            BadRequest,
            "`{name}` is no name for a model: it becomes the name of a folder, made of letters, digits, `-`, `_`, `+` and `.`, which is not the first."
        ));
    }
    let folder = models.join(name);
    match folder.symlink_metadata() {
        Ok(_) if !force => Err(fault!(
            Conflict,
            "There is `{}` already: choose another name, or replace it with --force.",
            folder.display()
        )),
        Ok(found) if !folder.join("model.toml").is_file() || !found.is_dir() => Err(fault!(
            Conflict,
            "`{}` is no model folder, so it is not replaced: choose another name.",
            folder.display()
        )),
        _ => Ok(folder),
    }
}

impl Draft {
    /// Writes the files into a hidden folder in `models`, which is made if it is not there.
    ///
    /// # Errors
    /// Something cannot be written, in words.
    pub fn write(models: &Path, name: &str, contents: &Contents<'_>) -> Result<Self> {
        let draft = Self { models: models.to_owned(), name: name.to_owned() };
        // Left over from an import that was killed.
        draft.remove();
        draft.fill(contents).map_err(|error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => error.into(),
            _ => fault!(BadRequest, "The model folder cannot be written to `{}`: {error}.", models.display()),
        })?;
        Ok(draft)
    }

    fn hidden(&self) -> PathBuf {
        self.models.join(format!(".import-{}", self.name))
    }

    /// Where the model folder is until it is kept; it has its name already.
    pub fn folder(&self) -> PathBuf {
        self.hidden().join(&self.name)
    }

    fn fill(&self, contents: &Contents<'_>) -> std::io::Result<()> {
        let folder = self.folder();
        fs::create_dir_all(folder.join("1"))?;
        let write = |name: &str, bytes: &[u8]| {
            let mut file = fs::File::create_new(folder.join(name))?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write("model.toml", contents.manifest.as_bytes())?;
        if let Some(labels) = contents.labels {
            let lines: String = labels.iter().flat_map(|label| [label.as_str(), "\n"]).collect();
            write("labels.txt", lines.as_bytes())?;
        }
        match contents.network {
            NetworkFile::Bytes(bytes) => write("1/model.onnx", bytes),
            NetworkFile::CopyOf(file) => {
                let target = folder.join("1/model.onnx");
                fs::copy(file, &target)?;
                fs::File::open(target)?.sync_all()
            }
        }
    }

    /// Puts the folder into its place; with `force` for the one that is there.
    ///
    /// # Errors
    /// As [`place`], or it cannot be renamed; in words.
    pub fn keep(self, force: bool) -> Result<PathBuf> {
        let target = place(&self.models, &self.name, force)?;
        let moved =
            |error: std::io::Error| fault!(BadRequest, "`{}` cannot be put into its place: {error}.", target.display());
        let old = self.hidden().join("replaced");
        let replaced = target.is_dir();
        if replaced {
            fs::rename(&target, &old).map_err(moved)?;
        }
        if let Err(error) = fs::rename(self.folder(), &target) {
            if replaced {
                let _ = fs::rename(&old, &target);
            }
            return Err(moved(error));
        }
        Ok(target)
    }

    fn remove(&self) {
        let _ = fs::remove_dir_all(self.hidden());
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    const LABELS: &[&str] = &["cat", "dog"];

    fn draft(models: &Path, manifest: &str) -> Result<Draft> {
        let labels: Vec<String> = LABELS.iter().map(|&label| label.to_owned()).collect();
        let contents = Contents { manifest, labels: Some(&labels), network: NetworkFile::Bytes(b"onnx") };
        Draft::write(models, "cats", &contents)
    }

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let place_of_all = tempfile::tempdir().expect("a folder");
        let models = place_of_all.path().join("models");
        drop(draft(&models, "family = 1").expect("a draft"));
        assert!(names(&models).is_empty(), "a draft that is not kept is gone");
        let folder = draft(&models, "a = 1").expect("a draft").keep(false).expect("its place");
        assert_eq!(
            (names(&models), names(&folder)),
            (vec!["cats".into()], ["1", "labels.txt", "model.toml"].map(String::from).to_vec())
        );
        assert_eq!(fs::read_to_string(folder.join("labels.txt")).expect("labels"), "cat\ndog\n");
        let second = draft(&models, "a = 2").expect("a draft");
        let error = second.keep(false).expect_err("the name is taken");
        assert!(error.detail.contains("--force"), "{error}");
        assert_eq!(fs::read_to_string(folder.join("model.toml")).expect("the first"), "a = 1");
        draft(&models, "a = 2").expect("a draft").keep(true).expect("its place");
        assert_eq!(fs::read_to_string(folder.join("model.toml")).expect("the second"), "a = 2");
        assert_eq!(names(&models), ["cats"]);
    }

    #[test]
    fn a_name_is_that_of_a_plain_folder() {
        let models = tempfile::tempdir().expect("a folder");
        for name in ["", ".", "..", ".hidden", "a/b", "../a", "/a", "a\\b", "a\n", " a", "a\0"] {
            let error = place(models.path(), name, true).expect_err(name);
            assert!(error.detail.contains("no name for a model"), "{name:?}: {error}");
        }
        for name in ["yolov3", "yolo-fastest-1.1", "Grün_2"] {
            assert!(place(models.path(), name, false).is_ok(), "{name}");
        }
        fs::create_dir(models.path().join("photos")).expect("a folder");
        let error = place(models.path(), "photos", true).expect_err("no model folder");
        assert!(error.detail.contains("no model folder"), "{error}");
    }
}
