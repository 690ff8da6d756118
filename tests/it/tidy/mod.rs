//! What keeps the house in order, told with what to do when it is not.
//!
//! Only the standard library is used, so that a change of these rules is tried in a second:
//! `CARGO_MANIFEST_DIR=$PWD rustc --edition 2024 --test tests/it/tidy/mod.rs -o /tmp/tidy && /tmp/tidy`

mod layers;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const MOST_LINES: usize = 400;

/// Words that name nothing.
const EMPTY_WORDS: &[&str] =
    &["blob", "common", "data", "handler2", "helper", "helpers", "manager", "misc", "util", "utils"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a folder of the repository whose names have one of these endings, as paths from its root.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // What was installed or downloaded is not ours: node_modules, .venv.
            if path.is_dir() && name != "node_modules" && !name.starts_with('.') {
                folders.push(path);
            } else if endings.iter().any(|ending| path.extension().is_some_and(|own| own == *ending)) {
                found.push(path.strip_prefix(root()).unwrap_or(&path).to_path_buf());
            }
        }
    }
    found.sort();
    found
}

/// The file names without folder and ending.
fn stems(folder: &str, ending: &str) -> BTreeSet<String> {
    files(folder, &[ending]).iter().map(|path| path.file_stem().unwrap_or_default().to_string_lossy().into()).collect()
}

/// Fails with all complaints at once.
fn settle(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n\n  {}\n", complaints.join("\n  "));
}

#[test]
fn no_source_file_is_too_long() {
    let places: &[(&str, &[&str])] = &[
        ("src", &["rs"]),
        ("www", &["js", "css", "html"]),
        ("tests", &["rs", "js", "mjs", "py"]),
        ("scripts", &["sh"]),
        ("models", &["py"]),
        ("benches", &["rs", "py"]),
        ("fixtures", &["py"]),
    ];
    let long = places.iter().flat_map(|(folder, endings)| files(folder, endings)).filter_map(|path| {
        let lines = read(&path).lines().count();
        let words = format!("{}: {lines} lines, {MOST_LINES} at most: move a part into a file", path.display());
        (lines > MOST_LINES).then_some(words + " of its own")
    });
    settle(long.collect());
}

#[test]
fn modules_have_names_that_say_something() {
    let bad = files("src", &["rs"]).into_iter().chain(files("www", &["js"])).filter(|path| {
        path.iter().any(|part| EMPTY_WORDS.contains(&part.to_string_lossy().split('.').next().unwrap_or("")))
    });
    settle(bad.map(|path| format!("{}: name it after what it does", path.display())).collect());
}

#[test]
fn every_pipeline_and_family_is_in_its_table() {
    let table = read("src/media/template.rs");
    let mut complaints: Vec<String> = stems("pipelines", "toml")
        .into_iter()
        .filter(|name| !table.contains(&format!("(\"{name}\", include_str!(\"../../pipelines/{name}.toml\"))")))
        .map(|name| format!("pipelines/{name}.toml: give it a row in TEMPLATES of src/media/template.rs"))
        .collect();
    // A family is a file, or a folder of them.
    let table = read("src/models/family/mod.rs");
    let first = |path: &PathBuf| Some(path.strip_prefix("src/models/family").ok()?.iter().next()?.to_owned());
    let names: BTreeSet<_> = files("src/models/family", &["rs"]).iter().filter_map(first).collect();
    let names = names.iter().map(|name| name.to_string_lossy().trim_end_matches(".rs").to_owned());
    for name in names.filter(|name| name != "mod") {
        if !table.contains(&format!("mod {name};")) || !table.contains(&format!("\"{name}\"")) {
            complaints.push(format!("src/models/family/{name}: give `{name}` a row in the table of mod.rs beside it"));
        }
    }
    settle(complaints);
}

/// What stands between `open` and the next quote, each time.
fn quoted<'a>(text: &'a str, open: &str) -> impl Iterator<Item = &'a str> {
    let quote = open.chars().last().unwrap_or('"');
    text.split(open).skip(1).filter_map(move |rest| rest.split(quote).next())
}

#[test]
fn the_page_speaks_every_language_in_full() {
    let keys = |file: &str| -> BTreeSet<String> {
        let text = read(file);
        text.lines().filter_map(|line| Some(line.trim().strip_prefix('\'')?.split_once("':")?.0.to_owned())).collect()
    };
    let english = keys("www/words-en.js");
    let mut complaints = Vec::new();
    for file in files("www", &["js"]).iter().filter_map(|path| path.to_str()).filter(|path| path.contains("/words-")) {
        let these = keys(file);
        complaints.extend(english.difference(&these).map(|key| format!("{file}: `{key}` is missing")));
        complaints
            .extend(these.difference(&english).map(|key| format!("www/words-en.js: `{key}` of {file} is missing")));
    }
    for path in files("www", &["html", "js"]) {
        let text = read(&path);
        let marks = ["data-t=\"", "data-t-label=\"", "data-t-title=\"", " t('", "(t('"];
        for key in marks.iter().flat_map(|mark| quoted(&text, mark)) {
            if !english.contains(key) {
                complaints.push(format!("{}: www/words-*.js have no `{key}`", path.display()));
            }
        }
    }
    settle(complaints);
}

#[test]
fn every_event_has_an_example_and_a_name_in_the_page() {
    let text = read("src/event.rs");
    let body = text.split("pub enum Event").nth(1).unwrap_or("").split("\n}").next().unwrap_or("");
    let variants = body.lines().skip(1).map(str::trim).filter(|line| line.starts_with(|c: char| c.is_uppercase()));
    let names = variants.map(|line| line.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("").to_lowercase());
    let (page, examples) = (read("www/protocol.js"), stems("fixtures/events", "json"));
    let mut complaints = Vec::new();
    for name in names {
        if !examples.contains(&name) {
            complaints
                .push(format!("fixtures/events/{name}.json is missing: an example of that event of src/event.rs"));
        }
        if !page.contains(&format!("{name}: '{name}'")) {
            complaints.push(format!("www/protocol.js: EVENT lacks `{name}` of src/event.rs"));
        }
    }
    settle(complaints);
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut documents: Vec<PathBuf> = files("docs", &["md"]);
    documents.extend(["README.md", "README.zh-CN.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(PathBuf::from));
    documents.extend(["fixtures/README.md"].map(PathBuf::from));
    let mut complaints = Vec::new();
    for document in documents {
        let text = read(&document);
        let folder = root().join(document.parent().unwrap_or(Path::new("")));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split(['#', ' ']).next().unwrap_or("");
            if !target.is_empty() && !target.contains(':') && !folder.join(target).exists() {
                complaints.push(format!("{}: there is no {target}", document.display()));
            }
        }
    }
    settle(complaints);
}
