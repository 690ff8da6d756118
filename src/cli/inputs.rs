//! What a person names: files, folders, globs, or paths typed one after the other.

use std::{
    io::{BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
};

use crate::{error::Result, fault, vision::picture};

/// Does `work` for every input that was named, or typed when none was. A failure is told and the rest goes on.
///
/// # Errors
/// Nothing fits what was named, or how many of the inputs failed.
pub fn each(named: &[PathBuf], mut work: impl FnMut(&Path) -> Result<()>) -> Result<()> {
    let (mut count, mut failed) = (0, 0);
    let mut one = |input: &Path| {
        count += 1;
        if let Err(error) = work(input) {
            eprintln!("{}: {}", input.display(), super::log::text(&error));
            failed += 1;
        }
    };
    if named.is_empty() {
        typed(&mut one)?;
    } else {
        expand(named)?.iter().for_each(|input| one(input));
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

/// By the ending, as people tell them apart.
pub fn is_picture(input: &Path) -> bool {
    let ending = input.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
    picture::ENDINGS.contains(&ending.as_str())
}

/// A name that only stands for others: no such file is there, and it has a wildcard.
fn is_pattern(input: &Path) -> bool {
    !input.exists() && input.to_string_lossy().contains(['*', '?', '['])
}

/// Folders become the pictures in them, globs the files that they fit, both in the order of their names.
fn expand(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut inputs = Vec::new();
    for name in named {
        if name.is_dir() {
            let before = inputs.len();
            let files = std::fs::read_dir(name)?.flatten().map(|entry| entry.path());
            inputs.extend(files.filter(|file| file.is_file() && is_picture(file)));
            if inputs.len() == before {
                return Err(fault!(NotFound, "There are no pictures in the folder `{}`.", name.display()));
            }
            inputs[before..].sort();
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

/// Asks for paths until the input ends or, on a terminal, an empty line.
fn typed(one: &mut impl FnMut(&Path)) -> Result<()> {
    let asks = std::io::stdin().is_terminal();
    let ask = || {
        if asks {
            eprint!("Picture (an empty line ends): ");
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
            false => one(Path::new(path)),
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
        for name in ["b.jpg", "a.PNG", "notes.txt"] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        let names = |named: &[PathBuf]| {
            let files = expand(named).expect("files");
            files.iter().map(|file| file.file_name().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&[folder.path().to_owned()]), ["a.PNG", "b.jpg"]);
        assert_eq!(names(&[folder.path().join("*.jpg"), folder.path().join("missing.jpg")]), ["b.jpg", "missing.jpg"]);
        assert!(expand(&[folder.path().join("*.gif")]).is_err());
        assert!(several(&[folder.path().join("*.jpg")]) && several(&[]) && !several(&[folder.path().join("b.jpg")]));
    }
}
