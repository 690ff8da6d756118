//! `sightglass models import` of Darknet's files: what comes out detects as OpenCV does, and what is wrong leaves nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::Value;

use super::{
    harness::{EXACT, bytes, program, root, temp},
    oracle::compare,
};
use crate::{darknet::random::weights, shared::shared};

const CFG: &str = "[net]\nwidth=64\nheight=32\nchannels=3\n[convolutional]\nfilters=14\nsize=3\nstride=2\npad=1\n\
    activation=linear\n[yolo]\nmask=0,1\nanchors=4,5, 6.5,9\nclasses=2\nnum=2\nscale_x_y=1.05\n";

/// A folder with the three files of a small network.
fn files(folder: &Path) -> [PathBuf; 3] {
    let [cfg, network, labels] = ["small.cfg", "small.weights", "small.names"].map(|name| folder.join(name));
    fs::write(&cfg, CFG).unwrap();
    fs::write(&network, weights(CFG, 1)).unwrap();
    fs::write(&labels, "cat\ndog\n\n").unwrap();
    [cfg, network, labels]
}

fn import(name: &str, models: &Path, [cfg, weights, labels]: &[PathBuf; 3], flags: &[&str]) -> Output {
    let mut command = program();
    command.args(["models", "import", name, "--models"]).arg(models);
    command.arg("--cfg").arg(cfg).arg("--weights").arg(weights).arg("--labels").arg(labels).args(flags);
    command.output().unwrap()
}

/// What the command says when it has done its work.
#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn refused(output: &Output) -> String {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && !words.contains("panicked"), "{words}");
    words
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn trained_networks_detect_what_opencv_does() {
    let Some(shared) = shared() else { return };
    let folder = temp();
    let oracle: Value = serde_json::from_slice(&bytes(shared.join("eval/oracle/opencv_darknet.json"))).unwrap();
    let expected = oracle["models"].as_object().unwrap();
    assert_eq!(expected.len(), 3);
    for (name, expected) in expected {
        let of = |ending: &str| shared.join(format!("models/darknet/{name}.{ending}"));
        let files = [of("cfg"), of("weights"), shared.join("models/coco.names")];
        let said = done(&import(name, folder.path(), &files, &[]));
        assert!(said.contains("yolo0 255 x 10 x 10, yolo1 255 x 20 x 20") && said.contains("80"), "{said}");
        let (far, off) = compare(&shared, &folder.path().join(name), expected);
        println!("{name}: at most {far:.2} pixels and {off:.4} of score from OpenCV's");
        assert!(far < 1.0 && off < 0.005, "{name}: {far} pixels, {off} of score");
    }
}

#[test]
fn a_model_folder_is_made_whole() {
    let folder = temp();
    let (files, models) = (files(folder.path()), folder.path().join("models"));
    let said = done(&import("small", &models, &files, &[]));
    for told in
        ["images, 64 x 32 pixels", "yolo0 14 x 16 x 32", "labels   2", "sightglass detect --models", "--model small"]
    {
        assert!(said.contains(told), "{said}");
    }
    assert_eq!(names(&models), ["small"]);
    assert_eq!(names(&models.join("small")), ["1", "labels.txt", "model.toml"]);
    let manifest = fs::read_to_string(models.join("small/model.toml")).unwrap();
    for line in ["resize = \"stretch\"", "anchors = [[4, 5], [6.5, 9]]", "scale_x_y = 1.05", "stride = 2"] {
        assert!(manifest.contains(line), "{manifest}");
    }
    // What it proposes to try, with one more setting.
    let mut detect = program();
    detect.args(["detect", "--model", "small", "--threshold", "0.99", "--models"]).arg(&models).args(EXACT);
    done(&detect.arg(root().join("fixtures/scene.jpg")).output().unwrap());

    assert!(refused(&import("small", &models, &files, &[])).contains("--force"));
    fs::write(&files[0], CFG.replace("channels", "letter_box=1\nchannels")).unwrap();
    done(&import("small", &models, &files, &["--force"]));
    let manifest = fs::read_to_string(models.join("small/model.toml")).unwrap();
    assert!(manifest.contains("resize = \"letterbox\"") && manifest.contains("pad = 128"), "{manifest}");
    done(&import("other", &models, &files, &["--resize", "stretch"]));
    assert!(fs::read_to_string(models.join("other/model.toml")).unwrap().contains("resize = \"stretch\""));
    assert_eq!(names(&models), ["other", "small"]);
}

#[test]
fn what_is_wrong_leaves_nothing_behind() {
    let folder = temp();
    let (good, models) = (files(folder.path()), folder.path().join("models"));
    let with = |at: usize, name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        let mut files = good.clone();
        files[at] = file;
        files
    };
    let whole = weights(CFG, 1);
    let absent = [folder.path().join("absent.cfg"), good[1].clone(), good[2].clone()];
    let cases = [
        ("small", with(1, "short", &whole[..whole.len() - 4]), "Layer 0 [convolutional] in line 5 of the cfg"),
        ("small", with(1, "long", &[whole.as_slice(), &[0; 4]].concat()), "4 bytes are left"),
        ("small", with(1, "page", b"<html>"), "web page"),
        ("small", with(0, "bad.cfg", b"[net]\nwidth=64\n"), "`height` is missing"),
        ("small", with(0, "large.cfg", &vec![b'#'; 2 << 20]), "2097152 bytes"),
        ("small", with(2, "three", b"cat\ndog\nbird\n"), "2 classes, but there are 3 labels"),
        ("small", with(2, "none", b""), "0 labels"),
        ("small", with(2, "binary", &[0xff; 9]), "labels"),
        ("small", absent, "absent.cfg"),
        ("../small", good.clone(), "no name for a model"),
    ];
    for (name, files, told) in cases {
        let words = refused(&import(name, &models, &files, &[]));
        assert!(words.contains(told), "{told}: {words}");
        assert!(!models.exists() && names(folder.path()).iter().all(|name| !name.starts_with('.')), "{told}");
    }
    // One that is read, but whose numbers nothing can run: ONNX Runtime is not there.
    let nowhere = folder.path().to_str().unwrap();
    assert!(refused(&import("small", &models, &good, &["--onnxruntime", nowhere])).contains("ONNX Runtime"));
    assert!(names(&models).is_empty());
    if let Some(shared) = shared() {
        let of = |name: &str| shared.join("models").join(name);
        let files = [of("darknet/yolov3-tiny.cfg"), of("bad/truncated_yolov4-tiny.weights"), of("coco.names")];
        let words = refused(&import("tiny", &models, &files, &[]));
        assert!(words.contains("took it for text"), "{words}");
    }
    // Wrong usage: a cfg alone.
    let output = program().args(["models", "import", "small", "--cfg"]).arg(&good[0]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
