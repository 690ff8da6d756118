//! The command line: results on stdout, words on stderr, an exit status that scripts can rely on.

use std::process::{Command, Output};

use serde_json::Value;

use super::{
    harness::{Server, detect, fixture, program, temp},
    media::ReadBack,
};

/// Runs a command that must end with this status; returns its output.
#[track_caller]
pub fn ends(command: &mut Command, status: i32) -> Output {
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{words}");
    assert!(!words.contains("panicked"), "{words}");
    output
}

pub fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn detect_prints_what_the_service_finds() {
    let folder = temp();
    let avi = folder.path().join("copy.avi");
    let found = lines(&ends(detect().arg(fixture("numbered.mp4")).arg("-o").arg(&avi), 0));
    let server = Server::start(&folder.path().join("data"));
    let id = server.upload(fixture("numbered.mp4"));
    server.done(&id);
    let served = server.detections(&id);
    assert_eq!(found.len(), 90);
    for (one, other) in found.iter().zip(&served) {
        assert_eq!(one["time"].as_f64(), other["time"].as_f64());
        for key in ["type", "frame", "width", "height", "detections"] {
            assert_eq!(one[key], other[key], "{key}");
        }
    }
    let copy = ReadBack::open(&avi);
    assert_eq!((copy.codec.as_str(), copy.rate.as_str()), ("mpeg4", "30/1"));
    assert_eq!(copy.numbers(), (0..90).collect::<Vec<_>>());
}

#[test]
fn detect_writes_what_the_ending_names() {
    let folder = temp();
    let mp4 = folder.path().join("copy.mp4");
    let output = ends(detect().args(["--quiet"]).arg(fixture("numbered-vfr.mp4")).arg("-o").arg(&mp4), 0);
    assert!(output.stdout.is_empty());
    let copy = ReadBack::open(&mp4);
    assert_eq!((copy.codec.as_str(), copy.numbers()), ("h264", (0..60).collect()));

    // Several inputs into a folder, each line with its source.
    let out = folder.path().join("out");
    let inputs = [fixture("scene.jpg"), fixture("numbered-odd.mp4")];
    let found = lines(&ends(detect().args(&inputs).arg("-o").arg(&out), 0));
    assert_eq!(found.iter().filter(|line| line["source"].as_str().unwrap().ends_with("scene.jpg")).count(), 1);
    assert_eq!(found.len(), 61);
    assert_eq!(ReadBack::open(&out.join("numbered-odd.avi")).len(), 60);
    let picture = ReadBack::open(&out.join("scene.jpg"));
    assert_eq!((picture.width, picture.height), (480, 360));
}

#[test]
fn pictures_are_looked_at_upright() {
    let truth: Value = serde_json::from_slice(&super::harness::bytes(fixture("scene.json"))).unwrap();
    for name in ["scene.jpg", "scene.png", "scene-exif6.jpg"] {
        let found = lines(&ends(detect().arg(fixture(name)), 0)).remove(0);
        assert_eq!((found["width"].as_u64(), found["height"].as_u64()), (Some(480), Some(360)), "{name}");
        let detections = found["detections"].as_array().unwrap();
        let objects = truth["objects"].as_array().unwrap();
        let found_of = objects.iter().filter(|object| {
            let [left, top, right, bottom] = [0, 1, 2, 3].map(|i| object["box"][i].as_f64().unwrap());
            let overlap = |detection: &&Value| {
                let [x, y, w, h] = [0, 1, 2, 3].map(|i| detection["box"][i].as_f64().unwrap());
                let common = ((x + w).min(right) - x.max(left)).max(0.0) * ((y + h).min(bottom) - y.max(top)).max(0.0);
                common / (w * h + (right - left) * (bottom - top) - common)
            };
            let fits = |d: &&Value| d["label"] == object["label"] && overlap(d) > 0.6;
            detections.iter().any(|detection| fits(&detection))
        });
        // One may be missed: how good the model is, is measured elsewhere.
        assert!(found_of.count() + 1 >= objects.len(), "{name}: {found}");
        assert!(detections.len() <= 8, "{name}: {found}");
    }
}

#[test]
fn the_exit_status_tells_wrong_usage_from_failure() {
    let folder = temp();
    for wrong in [
        vec!["detect", "x.mp4", "--unknown"],
        vec!["detect", "x.mp4", "--threshold", "7"],
        vec!["detect", "x.mp4", "--threshold", "nan"],
        vec!["detect", "x.mp4", "--format", "gif"],
        vec!["detect", "x.mp4", "y.mp4", "-o", "out.avi"],
        vec!["serve", "--provider", "abacus"],
        vec!["serve", "--listen", "nowhere"],
        vec!["serve", "--max-upload", "8 apples"],
        vec!["unknown"],
        vec![],
    ] {
        let output = ends(program().args(&wrong), 2);
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{wrong:?}");
    }
    ends(program().arg("--help"), 0);
    assert!(String::from_utf8_lossy(&ends(program().arg("--version"), 0).stdout).starts_with("sightglass "));

    let missing = folder.path().join("missing.mp4");
    assert!(words(&ends(detect().arg(&missing), 1)).contains("no such file"));
    for (name, word) in [("junk.mp4", "not a video"), ("no-moov.mp4", "index"), ("audio-only.mp4", "sound")] {
        let output = ends(detect().arg(fixture(name)), 1);
        assert!(words(&output).contains(word), "{}", words(&output));
        assert!(output.stdout.is_empty());
    }
    // One bad input does not keep the others from being worked on.
    let output = ends(detect().args([fixture("junk.mp4"), fixture("scene.jpg")]), 1);
    assert_eq!(lines(&output).len(), 1);
    assert!(words(&output).contains("1 of 2 inputs failed"), "{}", words(&output));
    // A truncated file is worked on as far as it goes, with a warning.
    let output = ends(detect().arg(fixture("truncated.mp4")), 0);
    assert!(words(&output).contains("cut off") && lines(&output).len() >= 30, "{}", words(&output));
    let odd = folder.path().join("copy.gif");
    ends(detect().arg(fixture("scene.jpg")).arg("-o").arg(&odd), 1);
    ends(detect().arg(fixture("numbered-odd.mp4")).arg("-o").arg(&odd), 1);
    assert!(!odd.exists());
    // Its own source is not written over.
    let own = folder.path().join("own.jpg");
    std::fs::copy(fixture("scene.jpg"), &own).unwrap();
    assert!(words(&ends(detect().arg(&own).arg("-o").arg(&own), 1)).contains("overwrite"));
    assert_eq!(std::fs::read(&own).unwrap(), super::harness::bytes(fixture("scene.jpg")));
    // A port that is taken, a data folder that cannot be one.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = ends(program().args(["serve", "--listen", &address, "--data"]).arg(folder.path().join("d")), 1);
    assert!(words(&output).contains("another server"), "{}", words(&output));
    let output = ends(program().args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&own), 1);
    assert!(words(&output).contains("data folder"), "{}", words(&output));
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let folder = temp();
    let file = folder.path().join("settings.toml");
    let threshold = |file_says: &str, set: &dyn Fn(&mut Command)| {
        std::fs::write(&file, file_says).unwrap();
        let mut command = detect();
        command.arg("--config").arg(&file).arg(fixture("scene.jpg"));
        set(&mut command);
        lines(&ends(&mut command, 0))[0]["detections"].as_array().unwrap().len()
    };
    let none = "threshold = 0.9999\n";
    assert!(threshold("", &|_| {}) > 3);
    assert_eq!(threshold(none, &|_| {}), 0, "the file counts");
    let environment = |command: &mut Command| {
        command.env("SIGHTGLASS_THRESHOLD", "0.3");
    };
    assert!(threshold(none, &environment) > 3, "the environment beats the file");
    let both = |command: &mut Command| {
        command.env("SIGHTGLASS_THRESHOLD", "0.3").args(["--threshold", "0.9999"]);
    };
    assert_eq!(threshold("threshold = 0.2\n", &both), 0, "the flag beats both");

    for (text, word) in [("treshold = 1", "treshold"), ("threshold = ", "threshold"), ("threshold = {a = 1}", "value")]
    {
        std::fs::write(&file, text).unwrap();
        let output = ends(detect().arg("--config").arg(&file).arg(fixture("scene.jpg")), 2);
        assert!(words(&output).contains(word), "{}", words(&output));
    }
    let output = ends(detect().arg("--config").arg(folder.path().join("none.toml")).arg(fixture("scene.jpg")), 2);
    assert!(words(&output).contains("cannot read"), "{}", words(&output));
    let output = ends(detect().env("SIGHTGLASS_CONFIG", folder.path().join("none.toml")).arg(fixture("scene.jpg")), 2);
    assert!(words(&output).contains("cannot read"), "{}", words(&output));
}
