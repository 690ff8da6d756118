//! Names of classes in the files that trainers keep them in.

use std::path::Path;

use super::python::Literal;

/// Larger files are no labels.
const MOST_BYTES: u64 = 1 << 20;

/// COCO's 80 classes in the order of nearly all detectors that were trained on COCO.
pub fn coco80() -> Vec<String> {
    include_str!("../../../models/labels/coco80.txt").lines().map(str::to_owned).collect()
}

/// Reads names: one a line (`.txt`, `.names`), a list or dictionary of JSON or Python (`.json`), the file that a Darknet
/// `.data` names, or `names:` of an Ultralytics data set (`.yaml`). Where there is no file `coco80`, that means [`coco80`].
///
/// # Errors
/// The file cannot be read or holds no names; in words.
pub fn read(file: &Path) -> Result<Vec<String>, String> {
    if file == Path::new("coco80") && !file.exists() {
        return Ok(coco80());
    }
    let text = text(file)?;
    let shown = file.display();
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
    let names = match ending.as_str() {
        "data" => {
            let own = text.lines().filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == "names");
            let own = own.ok_or_else(|| format!("`{shown}` has no line `names = FILE`"))?.1.trim();
            // Darknet reads it from the folder that it is started in, which is mostly the one above.
            let folder = file.parent().unwrap_or(Path::new(""));
            let places = [folder.join(own), folder.join("..").join(own), Path::new(own).to_owned()];
            let found = places.iter().find(|place| place.is_file());
            lines(&self::text(found.ok_or_else(|| format!("`{shown}` names `{own}`, which is not there"))?)?)
        }
        "yaml" | "yml" => yaml(&text).map_err(|words| format!("`{shown}`: {words}"))?,
        _ if text.trim_start().starts_with(['[', '{']) => {
            let names = Literal::read(text.trim()).and_then(Literal::names);
            names.map_err(|words| format!("`{shown}` is no list of names: {words}"))?
        }
        _ => lines(&text),
    };
    match names.iter().position(|name| name.trim().is_empty()) {
        Some(at) => Err(format!("`{shown}` has no name for class {at}")),
        None if names.is_empty() => Err(format!("`{shown}` holds no names: write one a line")),
        None => Ok(names),
    }
}

fn text(file: &Path) -> Result<String, String> {
    let shown = file.display();
    let length = std::fs::metadata(file).map_err(|error| format!("`{shown}` cannot be read: {error}"))?.len();
    if length > MOST_BYTES {
        return Err(format!("`{shown}` has {length} bytes: that is no file of names"));
    }
    let bytes = std::fs::read(file).map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("`{shown}` is no text in UTF-8"))?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

fn lines(text: &str) -> Vec<String> {
    text.trim_end().lines().map(|line| line.trim().to_owned()).collect()
}

/// `names:` with a list or a dictionary in brackets, or with one item a line.
fn yaml(text: &str) -> Result<Vec<String>, String> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("names:"));
    let first = lines.next().ok_or("there is no `names:` at the beginning of a line")?;
    let inline = first["names:".len()..].trim();
    if inline.starts_with(['[', '{']) {
        // Brackets may go on over several lines.
        let close = if inline.starts_with('[') { ']' } else { '}' };
        let mut all = inline.to_owned();
        while let Some(line) = (!all.contains(close)).then(|| lines.next()).flatten() {
            all.push(' ');
            all.push_str(line.trim());
        }
        return Literal::read_bare(all.split(" #").next().unwrap_or(&all)).and_then(Literal::names);
    }
    let mut names = Vec::new();
    for line in lines {
        let item = line.trim();
        if item.is_empty() || item.starts_with('#') {
            continue;
        }
        let name = match item.strip_prefix("- ") {
            Some(name) => name,
            None if line.starts_with([' ', '\t']) => match item.split_once(':') {
                Some((key, name)) if key.trim().parse() == Ok(names.len()) => name,
                _ => return Err(format!("`{item}` is not the name of class {}", names.len())),
            },
            None => break,
        };
        names.push(plain(name));
    }
    Ok(names)
}

/// A name without its quotes or the remark behind it.
fn plain(name: &str) -> String {
    let name = name.trim();
    if name.starts_with(['\'', '"']) {
        let end = name[1..].find(&name[..1]).map_or(name.len(), |end| end + 1);
        return name[1..end].to_owned();
    }
    name.split(" #").next().unwrap_or(name).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(name: &str, text: &str) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("coco.names"), "a\nb\n").expect("a file");
        std::fs::write(folder.path().join(name), text).expect("a file");
        read(&folder.path().join(name))
    }

    #[test]
    fn every_kind_of_file_is_read() {
        for (name, text) in [
            ("x.txt", "a\nb\n\n"),
            ("x.names", "\u{feff}a\r\nb\r\n"),
            ("x", "a\nb"),
            ("x.json", "[\"a\", \"b\"]"),
            ("x.json", "{\"0\": \"a\", \"1\": \"b\"}"),
            ("x.data", "classes= 2\nnames = coco.names\nbackup = x\n"),
            ("x.yaml", "path: ../x\nnames:\n  0: a # first\n  1: 'b'\n\ndownload: x\n"),
            ("x.yaml", "nc: 2\nnames:\n- a\n- \"b\"\n"),
            ("x.yml", "names: [a, b]\nnc: 2\n"),
            ("x.yaml", "names: ['a',\n  'b']  # all\n"),
            ("x.yaml", "names: {0: a, 1: b}\n"),
        ] {
            assert_eq!(read_as(name, text).expect(text), ["a", "b"], "{name}: {text}");
        }
        assert_eq!(read_as("x.yaml", "names: ['a, b', \"c's\"]").expect("quotes"), ["a, b", "c's"]);
        assert_eq!(read_as("x.yaml", "names: [driver's cab, b]").expect("an apostrophe").len(), 2);
    }

    #[test]
    fn what_holds_no_names_is_told() {
        for (name, text, words) in [
            ("x.txt", "", "no names"),
            ("x.txt", "a\n\nb\n", "class 1"),
            ("x.json", "[\"a\"", "missing"),
            ("x.data", "names = gone.names", "gone.names"),
            ("x.data", "classes = 2", "names = FILE"),
            ("x.yaml", "nc: 2", "`names:`"),
            ("x.yaml", "names:\n  1: a\n", "class 0"),
        ] {
            let error = read_as(name, text).expect_err(text);
            assert!(error.contains(words), "{name}: {error}");
        }
    }

    #[test]
    fn coco_has_eighty() {
        let names = coco80();
        assert_eq!((names.len(), names[0].as_str(), names[79].as_str()), (80, "person", "toothbrush"));
    }
}
