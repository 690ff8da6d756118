//! Where annotated copies go: looked at before the work, which may take long, and reported after it.

use std::{
    collections::HashSet,
    fs::OpenOptions,
    path::{Path, PathBuf},
};

use super::{inputs::is_picture, writer};
use crate::{error::Result, fault};

/// The file or folder that `-o` names.
pub struct Output {
    path: PathBuf,
    folder: bool,
    /// Copies of this run: none takes another's place.
    used: HashSet<PathBuf>,
    pictures: u64,
    videos: u64,
    last: Option<(PathBuf, Option<u64>)>,
}

impl Output {
    /// Looks whether `path` can be written. It is a folder when it is one already, or has no ending.
    ///
    /// # Errors
    /// It cannot, or its ending is of no format for `input`.
    pub fn prepare(path: &Path, input: Option<&Path>) -> Result<Self> {
        let folder = path.is_dir() || path.extension().is_none();
        match input {
            Some(input) if !folder && is_picture(input) => writer::picture_format(path).map(|_| ())?,
            Some(_) if !folder => writer::format_of(path).map(|_| ())?,
            _ => {}
        }
        if folder {
            can_make(path)?
        } else {
            can_write(path)?
        }
        Ok(Self { path: path.to_owned(), folder, used: HashSet::new(), pictures: 0, videos: 0, last: None })
    }

    /// The copy's path for an input: the file itself, or one with `ending` in the folder, which is made. Of inputs with the
    /// same name, the second keeps its own ending in front.
    ///
    /// # Errors
    /// The copy would overwrite its source, or the folder cannot be made.
    pub fn target(&mut self, input: &Path, ending: &str) -> Result<PathBuf> {
        let target = if self.folder {
            std::fs::create_dir_all(&self.path).map_err(|error| writer::unwritable(&self.path, &error))?;
            let stem = input.file_stem().unwrap_or_default().to_string_lossy();
            let name = input.file_name().unwrap_or_default().to_string_lossy();
            // Appended, because a name may have dots of its own.
            let further = (2..).map(|number| format!("{name}-{number}.{ending}"));
            let mut names = [format!("{stem}.{ending}"), format!("{name}.{ending}")].into_iter().chain(further);
            let free = names.find(|name| !self.used.contains(&self.path.join(name)));
            self.path.join(free.unwrap_or_default())
        } else {
            self.path.clone()
        };
        if let (Ok(there), Ok(source)) = (target.canonicalize(), input.canonicalize())
            && (there == source || self.folder && there.parent() == source.parent())
        {
            return Err(fault!(
                BadRequest,
                "The annotated copy would overwrite its source or a file beside it: choose another -o."
            ));
        }
        self.used.insert(target.clone());
        Ok(target)
    }

    /// Notes a copy that is complete; `frames` of a video.
    pub fn wrote(&mut self, target: PathBuf, frames: Option<u64>) {
        *(if frames.is_some() { &mut self.videos } else { &mut self.pictures }) += 1;
        self.last = Some((target, frames));
    }

    /// What was written, for a person; None when nothing was.
    pub fn summary(&self) -> Option<String> {
        let (last, frames) = self.last.as_ref()?;
        if self.pictures + self.videos == 1 {
            let frames = frames.map_or_else(String::new, |frames| format!(" ({})", counted(frames, "frame")));
            return Some(format!("wrote {}{frames}", last.display()));
        }
        let parts = [(self.pictures, "picture"), (self.videos, "video")];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| counted(count, what));
        Some(format!("wrote {} to {}", parts.collect::<Vec<_>>().join(" and "), self.path.display()))
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Can a file be written there? What is there stays as it is.
///
/// # Errors
/// It cannot, with the reason.
pub fn can_write(file: &Path) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.exists() {
        return Err(fault!(
            BadRequest,
            "Cannot write `{}`: the folder `{}` does not exist. Make it first, or choose another path.",
            file.display(),
            folder.display()
        ));
    }
    let there = file.exists();
    let opened = match there {
        true => OpenOptions::new().write(true).open(file),
        false => OpenOptions::new().write(true).create_new(true).open(file),
    };
    opened.map_err(|error| writer::unwritable(file, &error))?;
    if !there {
        let _ = std::fs::remove_file(file);
    }
    Ok(())
}

/// Can a folder be made there, and files in it?
fn can_make(folder: &Path) -> Result<()> {
    let absolute = std::path::absolute(folder).map_err(|error| writer::unwritable(folder, &error))?;
    let there = absolute.ancestors().find(|place| place.exists()).unwrap_or(Path::new("/"));
    if !there.is_dir() {
        return Err(fault!(
            BadRequest,
            "Cannot make the folder `{}`: `{}` is a file.",
            folder.display(),
            there.display()
        ));
    }
    let probe = there.join(format!(".sightglass-{}", std::process::id()));
    std::fs::File::create(&probe).map_err(|error| writer::unwritable(folder, &error))?;
    let _ = std::fs::remove_file(probe);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_copy_takes_the_place_of_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut output = Output::prepare(&folder.path().join("out"), None).expect("a folder that can be made");
        assert!(!folder.path().join("out").exists(), "made when it is needed");
        let mut name = |input: &str| {
            let target = output.target(Path::new(input), "avi").expect("a path");
            target.file_name().unwrap_or_default().to_string_lossy().into_owned()
        };
        assert_eq!(name("a/x.1.mp4"), "x.1.avi");
        assert_eq!(name("a/x.1.mov"), "x.1.mov.avi");
        assert_eq!(name("b/x.1.mov"), "x.1.mov-2.avi");
    }

    #[test]
    fn what_was_written_is_summed_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut output = Output::prepare(folder.path(), None).expect("a folder");
        assert_eq!(output.summary(), None);
        output.wrote("x.avi".into(), Some(300));
        assert_eq!(output.summary().as_deref(), Some("wrote x.avi (300 frames)"));
        output.wrote("y.jpg".into(), None);
        let place = folder.path().display();
        assert_eq!(output.summary(), Some(format!("wrote 1 picture and 1 video to {place}")));
    }
}
