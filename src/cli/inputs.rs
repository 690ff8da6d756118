//! What a person names: files, folders, globs, or paths typed one after the other.

use std::{
    io::{BufRead, IsTerminal, Read, Write},
    path::{Path, PathBuf},
};

use super::log;
use crate::{
    error::{Error, Result},
    fault,
    vision::picture,
};

/// Endings of the video files that are looked for in a folder.
const VIDEO_ENDINGS: &[&str] = &[
    "3g2", "3gp", "264", "265", "asf", "avi", "dv", "f4v", "flv", "h264", "h265", "hevc", "ivf", "m2ts", "m4v", "mkv",
    "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "ogv", "ts", "vob", "webm", "wmv", "y4m",
];
/// So many names are listed in one message.
const MOST_NAMES: usize = 5;

/// What a subcommand works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Pictures,
    PicturesAndVideos,
}

/// Why an input was not worked on.
#[derive(Debug)]
pub enum Failure {
    /// This input alone is at fault.
    Input(Error),
    /// No input can be worked on.
    All(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Input(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Input(error.into())
    }
}

/// Does `work` for every input that was named, or typed when none was. A failure is reported and the rest goes on.
///
/// # Errors
/// Nothing fits what was named, how many of the inputs failed, or what keeps all of them from being worked on.
pub fn each(
    named: &[PathBuf],
    wanted: Wanted,
    mut work: impl FnMut(&Path) -> std::result::Result<(), Failure>,
) -> Result<()> {
    let (mut count, mut failed) = (0, 0);
    let mut one = |input: &Path| {
        count += 1;
        match work(input) {
            Ok(()) => Ok(()),
            Err(Failure::Input(error)) => {
                eprintln!("{}: {}", input.display(), log::text(&error));
                failed += 1;
                Ok(())
            }
            Err(Failure::All(error)) => Err(error),
        }
    };
    if named.is_empty() {
        typed(&mut one)?;
    } else {
        expand(named, wanted)?.iter().try_for_each(|input| one(input))?;
    }
    match failed {
        0 if count == 0 && !std::io::stdin().is_terminal() => Err(fault!(
            BadRequest,
            "Nothing to work on: name a file, a folder or a pattern, or write paths to standard input."
        )),
        0 => Ok(()),
        n => Err(fault!(Unprocessable, "{n} of {count} inputs failed.")),
    }
}

/// Is there anything but one file to work on?
pub fn several(named: &[PathBuf]) -> bool {
    !matches!(named, [one] if !one.is_dir() && !is_pattern(one))
}

/// Is it a picture? By its first bytes; a file that cannot be read, or that begins like nothing known, by its ending.
pub fn is_picture(input: &Path) -> bool {
    let mut head = [0; 64];
    let read = std::fs::File::open(input).and_then(|mut file| file.read(&mut head));
    read.is_ok_and(|length| picture::is_one(&head[..length])) || has_ending(input, picture::ENDINGS)
}

fn has_ending(input: &Path, endings: &[&str]) -> bool {
    let ending = input.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
    endings.contains(&ending.as_str())
}

/// Why a path that names no file cannot be worked on, with what to do instead.
pub fn no_file(input: &Path) -> Error {
    let text = input.to_string_lossy();
    let address = text.split_once(":/").is_some_and(|(scheme, _)| {
        ["rtsp", "rtsps", "rtmp", "http", "https", "srt", "udp", "tcp"].contains(&scheme.to_ascii_lowercase().as_str())
    });
    let device = text.starts_with("/dev/video") || !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (address, device) {
        (true, _) => fault!(
            NotFound,
            "Addresses are not read here, only files: for a camera start `sightglass serve` and add the address on its page Cameras; download a file first."
        ),
        (_, true) => fault!(
            NotFound,
            "Cameras are not read here, only files: start `sightglass serve` and open its page Cameras in a browser."
        ),
        _ if input.is_dir() => fault!(NotFound, "This is a folder, not a file."),
        _ => fault!(NotFound, "There is no such file."),
    }
}

/// An error with the input that it is about.
pub fn named(input: &Path, error: Error) -> Error {
    Error { detail: format!("{}: {}", input.display(), error.detail), ..error }
}

/// A file's bytes.
///
/// # Errors
/// It is not there, or cannot be read.
pub fn read(input: &Path) -> Result<Vec<u8>> {
    if !input.exists() {
        return Err(no_file(input));
    }
    std::fs::read(input).map_err(|error| fault!(NotFound, "It cannot be read: {error}."))
}

/// A name that only stands for others: no such file is there, and it has a wildcard.
fn is_pattern(input: &Path) -> bool {
    !input.exists() && input.to_string_lossy().contains(['*', '?', '['])
}

/// Folders become the pictures and videos in them, globs the files that they fit, both in the order of their names.
fn expand(named: &[PathBuf], wanted: Wanted) -> Result<Vec<PathBuf>> {
    let mut inputs = Vec::new();
    for name in named {
        if name.is_dir() {
            inputs.extend(inside(name, wanted)?);
        } else if is_pattern(name) {
            // The shell does this where it may; not in quotes, and not everywhere.
            let files = glob::glob(&name.to_string_lossy())
                .map_err(|error| fault!(BadRequest, "`{}` is no pattern: {error}.", name.display()))?;
            let before = inputs.len();
            inputs.extend(files.flatten().filter(|file| file.is_file()));
            if inputs.len() == before {
                return Err(fault!(NotFound, "Nothing fits `{}`.", name.display()));
            }
        } else {
            inputs.push(name.clone());
        }
    }
    Ok(inputs)
}

/// The files of a folder that are worked on; what is passed over is reported.
fn inside(folder: &Path, wanted: Wanted) -> Result<Vec<PathBuf>> {
    let unreadable = |error| fault!(NotFound, "The folder `{}` cannot be read: {error}.", folder.display());
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        // Hidden files are those of file managers and the like.
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            entries.push(path);
        }
    }
    entries.sort();
    let (folders, files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|path| path.is_dir());
    let (taken, others): (Vec<_>, Vec<_>) = files
        .into_iter()
        .partition(|file| is_picture(file) || wanted == Wanted::PicturesAndVideos && has_ending(file, VIDEO_ENDINGS));
    let what = match wanted {
        Wanted::Pictures => "pictures",
        Wanted::PicturesAndVideos => "pictures or videos",
    };
    if taken.is_empty() {
        return Err(fault!(NotFound, "There are no {what} in the folder `{}`.", folder.display()));
    }
    for (passed, why) in [(others, format!("no {what}")), (folders, "subfolders, which are not looked into".into())] {
        if !passed.is_empty() {
            eprintln!("{}: passed over, {why}: {}", folder.display(), names(&passed));
        }
    }
    Ok(taken)
}

/// The names of some files, or of the first of many.
fn names(paths: &[PathBuf]) -> String {
    let names = paths.iter().take(MOST_NAMES).map(|path| path.file_name().unwrap_or_default().to_string_lossy());
    let names = names.collect::<Vec<_>>().join(", ");
    match paths.len().saturating_sub(MOST_NAMES) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

/// Asks for paths until the input ends or, on a terminal, an empty line.
fn typed(one: &mut impl FnMut(&Path) -> Result<()>) -> Result<()> {
    let asks = std::io::stdin().is_terminal();
    let ask = || {
        if asks {
            eprint!("File (an empty line ends): ");
            let _ = std::io::stderr().flush();
        }
    };
    ask();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        // As a file manager drops it on a terminal: in quotes.
        let path = line.trim().trim_matches(['"', '\'']);
        match path.is_empty() {
            true if asks => break,
            true => {}
            false => one(Path::new(path))?,
        }
        ask();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_globs_become_files() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.jpg", "a.PNG", "c.mp4", "d.MOV", "notes.txt", ".hidden.jpg"] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        std::fs::write(folder.path().join("e"), b"\xff\xd8\xff\xe0").expect("a file");
        std::fs::create_dir(folder.path().join("f.mp4")).expect("a folder");
        let names = |named: &[PathBuf], wanted: Wanted| {
            let files = expand(named, wanted).expect("files");
            files.iter().map(|file| file.file_name().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        let all = [folder.path().to_owned()];
        assert_eq!(names(&all, Wanted::PicturesAndVideos), ["a.PNG", "b.jpg", "c.mp4", "d.MOV", "e"]);
        assert_eq!(names(&all, Wanted::Pictures), ["a.PNG", "b.jpg", "e"]);
        let some = [folder.path().join("*.jpg"), folder.path().join("missing.jpg")];
        assert_eq!(names(&some, Wanted::Pictures), [".hidden.jpg", "b.jpg", "missing.jpg"]);
        assert!(expand(&[folder.path().join("*.gif")], Wanted::Pictures).is_err());
        assert!(several(&[folder.path().join("*.jpg")]) && several(&[]) && !several(&[folder.path().join("b.jpg")]));
    }

    #[test]
    fn cameras_and_addresses_are_told_from_missing_files() {
        for (text, part) in [
            ("rtsp://10.0.0.1/live", "serve"),
            ("https://example.org/x.mp4", "download"),
            ("0", "serve"),
            ("/dev/video7", "serve"),
            ("nope.mp4", "no such file"),
            ("c:/nope.mp4", "no such file"),
            ("", "no such file"),
        ] {
            let words = no_file(Path::new(text)).detail;
            assert!(words.contains(part), "{text}: {words}");
        }
    }
}
