//! Models that cannot run, and what is missing on the machine: the start fails in words.

use std::{fs, path::Path, process::Command};

use super::harness::{SHAPES, bytes, program, temp};

/// A copy of a model's folder, for harm to be done to it.
fn copy(folder: &Path) {
    let own = Path::new(SHAPES);
    fs::create_dir_all(folder.join("1")).unwrap();
    fs::copy(own.join("model.toml"), folder.join("model.toml")).unwrap();
    fs::copy(own.join("1/model.onnx"), folder.join("1/model.onnx")).unwrap();
}

/// What is wrong, the harm that makes it so, and words that must be told.
type Case = (&'static str, Box<dyn Fn(&Path)>, &'static [&'static str]);

/// The words with which a start fails.
#[track_caller]
fn fails(command: &mut Command) -> String {
    let data = temp();
    let output = command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data.path().join("data")).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(!words.contains("panicked") && output.stdout.is_empty(), "{words}");
    let error = words.lines().find_map(|line| line.strip_prefix("error: "));
    println!("{}", error.unwrap_or_default());
    assert!(error.is_some_and(|error| error.contains(' ') && error.len() > 20), "{words}");
    words
}

fn serve(flags: &[&str]) -> Command {
    let mut command = program();
    command.args(["serve", "--precision", "f32", "--sessions", "1", "--threads", "1"]).args(flags);
    command
}

#[test]
fn a_broken_model_is_told_by_its_fault() {
    let toml = |from: &'static str, to: &'static str| {
        move |folder: &Path| {
            let path = folder.join("model.toml");
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(from));
            fs::write(path, text.replacen(from, to, 1)).unwrap();
        }
    };
    let onnx = |bytes: Vec<u8>| move |folder: &Path| fs::write(folder.join("1/model.onnx"), &bytes).unwrap();
    let whole = bytes(Path::new(SHAPES).join("1/model.onnx"));
    let page = b"<!DOCTYPE html><html><body>404: not found</body></html>".to_vec();
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3962119\n".to_vec();
    let cases: Vec<Case> = vec![
        ("a web page", Box::new(onnx(page)), &["model.onnx", "web page"]),
        ("a pointer of Git LFS", Box::new(onnx(pointer)), &["model.onnx", "LFS"]),
        ("an empty file", Box::new(onnx(Vec::new())), &["model.onnx", "empty"]),
        ("half of it", Box::new(onnx(whole[..whole.len() / 2].to_vec())), &["model.onnx"]),
        ("labels missing", Box::new(toml(", \"heart\", \"arrow\"]", "]")), &["labels", "6"]),
        ("an unknown output", Box::new(toml("output = \"yolo0\"", "output = \"yolo9\"")), &["yolo9", "yolo0"]),
        ("an unknown key", Box::new(toml("pad = 114", "padding = 114")), &["padding"]),
        ("an unknown family", Box::new(toml("family = \"yolov3\"", "family = \"yolov33\"")), &["yolov33"]),
        ("an unknown input", Box::new(toml("name = \"images\"", "name = \"pictures\"")), &["pictures"]),
        ("another size", Box::new(toml("width = 320", "width = 416")), &["416"]),
        ("another stride", Box::new(toml("stride = 16", "stride = 8")), &["yolo1"]),
        ("an anchor missing", Box::new(toml("[18, 18], ", "")), &["yolo1"]),
        ("no TOML", Box::new(toml("family = ", "family ")), &["model.toml"]),
        ("no network", Box::new(|folder: &Path| fs::remove_dir_all(folder.join("1")).unwrap()), &["1/model.onnx"]),
        ("no manifest", Box::new(|folder: &Path| fs::remove_file(folder.join("model.toml")).unwrap()), &["model.toml"]),
    ];
    let mut complaints = Vec::new();
    for (what, harm, expected) in cases {
        let folder = temp();
        let model = folder.path().join("broken");
        copy(&model);
        harm(&model);
        let words = fails(serve(&["--provider", "cpu", "--model"]).arg(&model));
        for word in expected {
            if !words.contains(word) {
                complaints.push(format!("{what}: `{word}` is not in: {words}"));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(fails(&mut serve(&["--provider", "cpu", "--model", "unknown"])).contains("unknown"));
}

#[test]
fn what_is_missing_on_the_machine_is_told() {
    let empty = temp();
    let words = fails(serve(&["--provider", "cpu", "--onnxruntime"]).arg(empty.path()));
    assert!(words.contains("ONNX Runtime") && words.contains("make setup"), "{words}");
    fs::write(empty.path().join("libonnxruntime.so"), "no library").unwrap();
    let words = fails(serve(&["--provider", "cpu", "--onnxruntime"]).arg(empty.path()));
    assert!(words.contains("ONNX Runtime"), "{words}");
    // A machine with such a card runs it; there this says nothing.
    if !Path::new("/dev/nvidiactl").exists() {
        for provider in ["cuda", "tensorrt"] {
            let words = fails(&mut serve(&["--provider", provider])).to_lowercase();
            assert!(words.contains(provider), "{words}");
        }
    }
}
