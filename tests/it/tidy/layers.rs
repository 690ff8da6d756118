//! Who may use what: foreign crates, and the parts of this one.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{files, read, settle};

/// Every crate of Cargo.toml and the folders or files of `src/` that may use it; none named: all may.
/// A crate that one place knows can be replaced in one place.
const CRATES: &[(&str, &[&str])] = &[
    ("base64", &["web"]),
    ("bytes", &[]),
    ("clap", &["cli", "config"]),
    ("cosmic-text", &["vision"]),
    ("futures-util", &["web"]),
    ("gif", &["vision"]),
    ("glob", &["cli"]),
    ("gstreamer", &["media"]),
    ("gstreamer-app", &["media"]),
    ("gstreamer-sdp", &["media"]),
    ("gstreamer-video", &["media"]),
    ("gstreamer-webrtc", &["media"]),
    ("half", &["engine"]),
    ("headers", &["web"]),
    ("hmac", &["web"]),
    ("hyper", &["web"]),
    ("hyper-util", &["web"]),
    ("if-addrs", &["web"]),
    ("indicatif", &["cli"]),
    ("ipnet", &["config", "media"]),
    ("libloading", &["vision"]),
    ("mime_guess", &["web"]),
    ("opencv", &["vision"]),
    ("ort", &["engine"]),
    ("prometheus-client", &["meter"]),
    ("prost", &["models"]),
    ("rand", &["jobs"]),
    ("rcgen", &["web"]),
    ("rusqlite", &["jobs"]),
    ("rust-embed", &["web"]),
    ("rustls", &["media", "web"]),
    ("rustix", &["jobs", "media", "meter", "web"]),
    ("serde", &[]),
    ("serde_json", &[]),
    ("sha2", &["engine", "jobs", "models", "web"]),
    ("signal-hook", &["app"]),
    ("subtle", &["web"]),
    // `engine` alone; elsewhere in unit tests.
    ("tempfile", &[]),
    ("thiserror", &["error"]),
    ("time", &["jobs", "web"]),
    // Threads and async meet at few doors: what decodes, infers and draws knows no async.
    ("tokio", &["app", "cli", "jobs", "web"]),
    ("tokio-rustls", &["web"]),
    ("tokio-tungstenite", &["web"]),
    ("tokio-util", &["app", "web"]),
    ("toml", &["cli", "media", "models"]),
    ("tracing", &[]),
    ("tracing-subscriber", &["cli"]),
    ("ureq", &["cli"]),
    ("url", &["cli", "media"]),
    ("utoipa", &["detector", "event", "jobs", "web"]),
    ("warp", &["web"]),
];

/// What each folder or file of `src/` may use of the crate, from the top down; `docs/ARCHITECTURE.md` has the picture.
const MAY_USE: &[(&str, &str)] = &[
    ("cli", "app config detector engine error eval event frame heap jobs media meter models vision"),
    ("app", "cancel config detector error event jobs media meter models web"),
    ("web", "config detector error event frame jobs media meter still vision"),
    ("jobs", "cancel config detector error event frame heap media meter vision"),
    ("detector", "cancel config engine error event frame meter models vision"),
    // None of these three knows another: what one has for the other goes through `detector` or `jobs`.
    ("media", "cancel config error frame meter still"),
    ("models", "config error event frame vision"),
    ("engine", "cancel config error frame meter"),
    ("eval", "error event frame vision"),
    ("vision", "error event frame still"),
    ("still", "error frame"),
    ("meter", "error"),
    ("config", "error"),
    ("event", "error"),
    ("frame", "error"),
    ("heap", ""),
    ("cancel", "error"),
    ("error", ""),
];

/// `src/jobs/store.rs` is of `jobs`, `src/frame.rs` of `frame`; main.rs and lib.rs are of nothing.
fn part_of(path: &Path) -> String {
    let inner = path.strip_prefix("src").unwrap_or(path);
    let first = inner.iter().next().unwrap_or_default().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Rust without comments, strings and characters, cut into words, `::` and single signs.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut rest) = (Vec::new(), text);
    while let Some(c) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(mark) = ["r\"", "r#\"", "r##\""].iter().find(|mark| rest.starts_with(**mark)) {
            let close: String = mark.chars().skip(1).collect::<Vec<_>>().iter().rev().collect();
            rest[mark.len()..].find(&close).map_or(rest.len(), |end| mark.len() + end + close.len())
        } else if c == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let closes = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                closes
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if c == '\'' && (rest.starts_with("'\\") || rest.chars().nth(2) == Some('\'')) {
            rest[2..].find('\'').map_or(rest.len(), |end| end + 3)
        } else if c.is_alphanumeric() || c == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            end
        } else if rest.starts_with("::") {
            words.push("::".into());
            2
        } else {
            if !c.is_whitespace() {
                words.push(c.to_string());
            }
            c.len_utf8()
        };
        rest = &rest[skip..];
    }
    words
}

/// The first words of all paths in a Rust file: crates, and `crate::part` for parts of this one.
fn used(text: &str) -> BTreeSet<String> {
    let words = words(text);
    let is = |at: usize, word: &str| words.get(at).is_some_and(|found| found == word);
    let mut used = BTreeSet::new();
    let mut at = 0;
    while at < words.len() {
        if is(at, "use") && !is(at + 1, "<") {
            let end = at + words[at..].iter().position(|word| word == ";").unwrap_or(words.len() - at);
            imported(&words[at + 1..end], &mut used);
            at = end;
        } else if is(at + 1, "::") && (at == 0 || !is(at - 1, "::")) {
            let part = words.get(at + 2).map_or("", String::as_str);
            used.insert(if is(at, "crate") { format!("crate::{part}") } else { words[at].clone() });
        }
        at += 1;
    }
    used
}

/// The same for what stands between `use` and `;`.
fn imported(words: &[String], used: &mut BTreeSet<String>) {
    if words.first().is_some_and(|word| word != "crate") {
        used.insert(words[0].clone());
        return;
    }
    let mut depth = 0;
    for (before, word) in words.iter().zip(words.iter().skip(1)).skip(1) {
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            // The first word of the path, or of each path of the group.
            word if (depth == 0 && before == "::") || (depth == 1 && (before == "{" || before == ",")) => {
                used.insert(format!("crate::{word}"));
                if depth == 0 {
                    return;
                }
            }
            _ => {}
        }
    }
}

/// What each Rust file of `src/` uses.
fn sources() -> Vec<(PathBuf, BTreeSet<String>)> {
    files("src", &["rs"]).into_iter().map(|path| (path.clone(), used(&read(&path)))).collect()
}

#[test]
fn paths_are_read_from_rust() {
    let text = r##"
        //! [`crate::comment`]
        use std::{time::Duration, sync::Mutex};
        use crate::{error::Result, frame::{Frame, tokio::not}, fault};
        use super::warp::x; use gstreamer as gst;
        fn f<'a>(c: char) -> impl Fn() + use<'a> { ort::init('"', '\'', "crate::text", r#"opencv::"x""#); a.b::<c>() }
        fn g() { crate::jobs::run(std::rand::x) } // half::f16
    "##;
    let expected = "crate::error crate::fault crate::frame crate::jobs gstreamer ort std super";
    let found: Vec<String> = used(text).into_iter().filter(|word| word != "b").collect();
    assert_eq!(found.join(" "), expected);
}

#[test]
fn one_foreign_crate_lives_in_one_place() {
    let manifest = read("Cargo.toml");
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or("").split("\n[").next().unwrap_or("");
    let declared: BTreeSet<&str> = section
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()))
        .filter_map(|line| line.split([' ', '=', '.']).next())
        .collect();
    let mut complaints = Vec::new();
    for name in &declared {
        if !CRATES.iter().any(|(known, _)| known == name) {
            complaints
                .push(format!("`{name}` is new in Cargo.toml: give it a row in CRATES of tests/it/tidy/layers.rs"));
        }
    }
    let sources = sources();
    for (name, places) in CRATES {
        if !declared.contains(name) {
            complaints
                .push(format!("`{name}` is not in Cargo.toml: take its row out of CRATES of tests/it/tidy/layers.rs"));
            continue;
        }
        let word = name.replace('-', "_");
        let users: Vec<_> = sources.iter().filter(|(_, used)| used.contains(&word)).collect();
        if users.is_empty() {
            complaints.push(format!("nothing in src/ uses `{name}`: take it out of Cargo.toml and of CRATES"));
        }
        for (path, _) in users {
            if !places.is_empty() && !places.contains(&part_of(path).as_str()) {
                let (path, places) = (path.display(), places.join(", "));
                complaints
                    .push(format!("{path} uses `{name}`, which lives in {places}: call a function there instead"));
            }
        }
    }
    settle(complaints);
}

#[test]
fn dependencies_between_the_parts_point_one_way() {
    let mut complaints = Vec::new();
    for (path, used) in sources() {
        let part = part_of(&path);
        if part == "lib" || part == "main" {
            continue;
        }
        let Some((_, may)) = MAY_USE.iter().find(|(known, _)| *known == part) else {
            complaints.push(format!("{}: give `{part}` a row in MAY_USE of tests/it/tidy/layers.rs", path.display()));
            continue;
        };
        for other in used.iter().filter_map(|word| word.strip_prefix("crate::")) {
            let other = if other == "fault" { "error" } else { other };
            if other != part && !may.split(' ').any(|allowed| allowed == other) {
                let path = path.display();
                complaints.push(format!(
                    "{path} uses crate::{other}, but `{part}` may only use: {may}. Move what both need further down, \
                     or hand it in from above (docs/ARCHITECTURE.md)"
                ));
            }
        }
    }
    // The table itself runs one way: whoever is used stands below.
    for (at, (part, may)) in MAY_USE.iter().enumerate() {
        for other in may.split_whitespace() {
            if !MAY_USE[at + 1..].iter().any(|(below, _)| *below == other) {
                complaints.push(format!("MAY_USE of tests/it/tidy/layers.rs: `{other}` must stand below `{part}`"));
            }
        }
    }
    settle(complaints);
}
