//! Published models that can be fetched: `models/fetch.toml`, and whether a file is the one that is meant.

use std::{fs::File, io::Read, path::Path};

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    pub model: Vec<Published>,
}

/// A model and the files that it is made of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    pub name: String,
    /// One sentence for people.
    pub description: String,
    pub licence: String,
    /// `coco80`, or a file of labels.
    pub labels: String,
    pub files: Vec<Source>,
}

/// A file of a published model.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub role: Role,
    /// Its name on a mirror and while it is fetched.
    pub name: String,
    pub bytes: u64,
    /// In hexadecimal; none where nobody has published it.
    pub sha256: Option<String>,
    /// Where it can be had, the first choice first.
    pub urls: Vec<String>,
}

/// What a file is to `models import`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Cfg,
    Weights,
    Onnx,
}

impl List {
    /// The list of the repository.
    ///
    /// # Errors
    /// As [`List::parse`].
    pub fn own() -> Result<Self, String> {
        Self::parse(include_str!("../../models/fetch.toml"))
    }

    /// Reads and checks a list.
    ///
    /// # Errors
    /// What is wrong with it, in words for who wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let list: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for model in &list.model {
            for file in &model.files {
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                if file.name.is_empty() || file.name.starts_with('.') || !file.name.chars().all(plain) {
                    return Err(format!("`{}` of {} is no plain name of a file", file.name, model.name));
                }
                let hex = |text: &String| {
                    text.len() == 64 && text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
                };
                if !file.sha256.as_ref().is_none_or(hex) || file.bytes == 0 {
                    return Err(format!(
                        "{}: bytes must be above 0, and sha256 be 64 small hexadecimal digits",
                        file.name
                    ));
                }
            }
            let roles: Vec<Role> = model.files.iter().map(|file| file.role).collect();
            if !matches!(roles[..], [Role::Onnx] | [Role::Cfg, Role::Weights]) {
                return Err(format!("{} must have one file `onnx`, or `cfg` and `weights`", model.name));
            }
        }
        Ok(list)
    }
}

impl Source {
    /// Is this the file? Its sha256, for who wants to tell it.
    ///
    /// # Errors
    /// It is another one, or cannot be read; as the end of a sentence.
    pub fn check(&self, file: &Path) -> Result<String, String> {
        let failed = |error: std::io::Error| format!("it cannot be read: {error}");
        let mut file = File::open(file).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length != self.bytes {
            return Err(format!("it has {length} bytes and not {}: it is another file", self.bytes));
        }
        let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => break,
                count => digest.update(&buffer[..count]),
            }
        }
        let found: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        match &self.sha256 {
            Some(wanted) if *wanted != found => {
                Err(format!("its sha256 is {found} and not {wanted}: it is another file"))
            }
            _ => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_list_is_sound() {
        let list = List::own().expect("a sound list");
        assert!(list.model.iter().any(|model| model.name == "yolov3" && model.files.len() == 2));
        let urls = list.model.iter().flat_map(|model| &model.files).flat_map(|file| &file.urls);
        assert!(urls.clone().count() > 8 && urls.clone().all(|url| url.starts_with("https://")));
        assert!(list.model.iter().flat_map(|model| &model.files).all(|file| !file.urls.is_empty()));
    }

    #[test]
    fn a_list_that_lies_is_told() {
        let list = |role: &str, name: &str, bytes: u64| {
            List::parse(&format!(
                "[[model]]\nname = \"m\"\ndescription = \"\"\nlicence = \"\"\nlabels = \"coco80\"\n[[model.files]]\n\
                role = \"{role}\"\nname = \"{name}\"\nbytes = {bytes}\nurls = []\n"
            ))
        };
        assert!(list("onnx", "m.onnx", 1).is_ok());
        assert!(list("onnx", "../m.onnx", 1).is_err_and(|words| words.contains("plain")));
        assert!(list("onnx", "m.onnx", 0).is_err_and(|words| words.contains("above 0")));
        assert!(list("cfg", "m.cfg", 1).is_err_and(|words| words.contains("weights")));
        assert!(list("zip", "m.zip", 1).is_err());
    }

    #[test]
    fn a_file_is_told_from_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("abc");
        std::fs::write(&file, "abc").expect("a file");
        // The example of FIPS 180.
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut source =
            Source { role: Role::Onnx, name: "abc".into(), bytes: 3, sha256: Some(sha256.into()), urls: vec![] };
        assert_eq!(source.check(&file).as_deref(), Ok(sha256));
        source.sha256 = Some(sha256.replace('b', "c"));
        assert!(source.check(&file).is_err_and(|words| words.contains("sha256")));
        source.bytes = 4;
        assert!(source.check(&file).is_err_and(|words| words.contains("3 bytes")));
    }
}
