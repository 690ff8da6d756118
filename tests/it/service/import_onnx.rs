//! `sightglass models import --onnx`, `list` and `inspect`: what is recognised, what is refused, nothing half-made.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::Value;
use sightglass::models::onnx::{
    DataType, GraphProto, Length, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TypeProto, ValueInfoProto,
};

use super::harness::{EXACT, fixture, program, root, temp};
use crate::shared::shared;

fn entry(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: key.into(), value: value.into() }
}

/// Lengths of axes; -1 is free.
fn axes(lengths: &[i64]) -> Vec<Length> {
    let axis = |(at, &length): (usize, &i64)| match length {
        -1 => Length::Param(format!("axis{at}")),
        length => Length::Value(length),
    };
    lengths.iter().enumerate().map(axis).collect()
}

/// A network that gives the same output whatever it gets: in the layout of a YOLOX of two classes for 64x32 pixels, the cell
/// (1, 1) of stride 16 has found something of the class 1 around (24, 20).
pub fn tiny(input: &[i64]) -> ModelProto {
    let mut values = vec![0.0; 42 * 7];
    values[37 * 7..38 * 7].copy_from_slice(&[0.5, 0.25, 0.0, 0.5, 0.9, 0.1, 0.9]);
    let graph = GraphProto {
        node: vec![NodeProto::new("Identity", &["w"], "out")],
        name: "tiny".into(),
        initializer: vec![TensorProto::of_floats("w", &[1, 42, 7], &values)],
        input: vec![ValueInfoProto::tensor("images", DataType::Float, &axes(input))],
        output: vec![ValueInfoProto::tensor("out", DataType::Float, &axes(&[1, 42, 7]))],
        ..Default::default()
    };
    ModelProto {
        ir_version: 7,
        producer_name: "test".into(),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
        graph: Some(graph),
        ..Default::default()
    }
}

fn named(mut model: ModelProto) -> ModelProto {
    model.metadata_props =
        vec![entry("names", r#"{0: 'caf\u00e9', 1: "driver's \"cab\""}"#), entry("imgsz", "[32, 64]")];
    model
}

fn write(folder: &Path, name: &str, model: &ModelProto) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, model.write().unwrap()).unwrap();
    file
}

fn import(file: &Path, models: &Path, flags: &[&str]) -> Output {
    let mut command = program();
    command.args(["models", "import", "tiny", "--onnx"]).arg(file).arg("--models").arg(models).args(flags);
    command.output().unwrap()
}

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

fn detect(models: &Path, model: &str, picture: &Path) -> Value {
    let mut command = program();
    command.args(["detect", "--models"]).arg(models).args(["--model", model]).args(EXACT).arg(picture);
    serde_json::from_slice(&command.output().unwrap().stdout).unwrap()
}

#[test]
fn a_network_is_recognised_and_detects() {
    let folder = temp();
    let models = folder.path().join("models");
    // Every axis but the colours is free: the metadata says the size.
    let file = write(folder.path(), "tiny.onnx", &named(tiny(&[-1, 3, -1, -1])));
    let said = done(&import(&file, &models, &[]));
    assert!(said.contains("family   yolox") && said.contains("64x32") && said.contains("metadata"), "{said}");
    assert_eq!(fs::read_to_string(models.join("tiny/labels.txt")).unwrap(), "café\ndriver's \"cab\"\n");
    let found = detect(&models, "tiny", &fixture("scene.jpg"));
    assert_eq!(found["detections"][0]["label"], "driver's \"cab\"", "{found}");
    assert_eq!(found["detections"].as_array().unwrap().len(), 1);

    // Bytes with the colours last, another size, and everything said otherwise.
    let mut bytes = tiny(&[1, -1, -1, 3]);
    bytes.graph.as_mut().unwrap().input[0] = ValueInfoProto::tensor("images", DataType::Uint8, &axes(&[1, -1, -1, 3]));
    let file = write(folder.path(), "bytes.onnx", &bytes);
    let labels = folder.path().join("data.yaml");
    fs::write(&labels, "nc: 2\nnames: [cat, dog]\n").unwrap();
    let flags = ["--force", "--size", "64x32", "--family", "yolox", "--labels", labels.to_str().unwrap()];
    let more = ["--channels", "rgb", "--scale", "0.5", "--mean", "1,2,3", "--std", "2", "--pad", "7"];
    let more = [&more[..], &["--resize", "stretch", "--score", "0.4", "--iou", "0.6", "--description", "x"]].concat();
    done(&import(&file, &models, &[&flags[..], &more].concat()));
    let manifest: toml::Table = fs::read_to_string(models.join("tiny/model.toml")).unwrap().parse().unwrap();
    let wanted: toml::Table = "name = \"images\"\nwidth = 64\nheight = 32\nlayout = \"nhwc\"\nchannels = \"rgb\"\n\
        scale = 0.5\nmean = [1.0, 2.0, 3.0]\nstd = [2.0, 2.0, 2.0]\nresize = \"stretch\"\npad = 7"
        .parse()
        .unwrap();
    assert_eq!(manifest["input"], wanted.into());
    assert_eq!((manifest["thresholds"]["score"].as_float(), manifest["description"].as_str()), (Some(0.4), Some("x")));
    assert_eq!(detect(&models, "tiny", &fixture("scene.jpg"))["detections"][0]["label"], "dog");
}

#[test]
fn weights_beside_the_file_come_along() {
    let folder = temp();
    let models = folder.path().join("models");
    let mut model = named(tiny(&[1, 3, 32, 64]));
    let tensor = &mut model.graph.as_mut().unwrap().initializer[0];
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("sub/w.bin"), &tensor.raw_data).unwrap();
    (tensor.raw_data, tensor.data_location) = (Default::default(), 1);
    tensor.external_data = vec![entry("location", "sub/w.bin")];
    let file = write(folder.path(), "outside.onnx", &model);
    done(&import(&file, &models, &[]));
    assert_eq!(detect(&models, "tiny", &fixture("scene.jpg"))["detections"].as_array().unwrap().len(), 1);
    model.graph.as_mut().unwrap().initializer[0].external_data[0].value = "../w.bin".into();
    let file = write(folder.path(), "outside.onnx", &model);
    assert!(refused(&import(&file, &models, &["--force"])).contains("its own folder"));
    assert!(models.join("tiny/1/sub/w.bin").is_file(), "the first is still there");
}

#[test]
fn what_cannot_be_imported_is_refused_in_words() {
    let folder = temp();
    let models = folder.path().join("models");
    let good = named(tiny(&[1, 3, 32, 64]));
    let whole = good.write().unwrap();
    let with = |change: &dyn Fn(&mut GraphProto)| {
        let mut model = good.clone();
        change(model.graph.as_mut().unwrap());
        model.write().unwrap()
    };
    let names = |names: &str| {
        let mut model = good.clone();
        model.metadata_props[0].value = names.into();
        model.write().unwrap()
    };
    let mut masks = good.clone();
    masks.metadata_props.push(entry("task", "segment"));
    // The field `graph`, said to have 2 GB.
    let claim = [&whole[..2], &[0x3a, 0xff, 0xff, 0xff, 0xff, 0x07], &whole[2..]].concat();
    let one = ValueInfoProto::tensor("images", DataType::Float, &axes(&[1, 1, 32, 64]));
    let two = ValueInfoProto::tensor("other", DataType::Float, &axes(&[1, 3, 32, 64]));
    let lines = "x".repeat(1 << 20);
    for (what, bytes, flags, wanted) in [
        ("text", b"layer,size\n".to_vec(), &[][..], "no ONNX"),
        ("empty", Vec::new(), &[], "empty"),
        ("page", b"<!DOCTYPE html><html>".to_vec(), &[], "web page"),
        ("cut", whole[..whole.len() / 2].to_vec(), &[], "no ONNX"),
        ("claim", claim, &[], "no ONNX"),
        ("values", with(&|graph| graph.initializer[0].dims = vec![1 << 20, 1 << 11]), &[], "no ONNX model that can be"),
        ("sequence", with(&|graph| graph.output[0].r#type = Some(TypeProto { tensor_type: None })), &[], "sequence"),
        ("one colour", with(&|graph| graph.input[0] = one.clone()), &[], "No input takes a picture"),
        ("two pictures", with(&|graph| graph.input.push(two.clone())), &[], "--input"),
        ("names", names("{0: 'a'"), &[], "`names` cannot be read"),
        ("number of names", names("['a', 'b', 'c', 'd', 'e']"), &[], "5 labels"),
        ("bomb", names(&lines), &[], "Nothing names"),
        ("masks", masks.write().unwrap(), &[], "for `segment`"),
        ("family", whole.clone(), &["--family", "yolo99"], "not known"),
        ("other family", whole.clone(), &["--family", "classifier"], "not what `classifier` has"),
        ("size", whole.clone(), &["--size", "64"], "fixes the size"),
        ("labels", whole.clone(), &["--labels", "/nowhere/x.txt"], "cannot be read"),
        ("score", whole.clone(), &["--score", "2"], "between 0 and 1"),
    ] {
        let file = folder.path().join("x.onnx");
        fs::write(&file, bytes).unwrap();
        let words = refused(&import(&file, &models, flags));
        assert!(words.contains(wanted), "{what}: {words}");
        let left: Vec<_> = fs::read_dir(&models).into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{what} left {left:?}");
    }
    let large = fs::File::create(folder.path().join("large.onnx")).unwrap();
    large.set_len(3 << 30).unwrap();
    assert!(refused(&import(&folder.path().join("large.onnx"), &models, &[])).contains("3221225472 bytes"));
    assert!(refused(&import(&folder.path().join("gone.onnx"), &models, &[])).contains("cannot be read"));
    let Some(shared) = shared() else { return };
    let bad: Vec<_> = fs::read_dir(shared.join("models/bad")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(bad.len() >= 3);
    for file in bad {
        refused(&import(&file, &models, &[]));
    }
    assert!(!models.exists() || fs::read_dir(&models).unwrap().next().is_none());
}

#[test]
fn a_trained_network_finds_the_dog() {
    let Some(shared) = shared() else { return };
    let folder = temp();
    let models = folder.path().join("models");
    let said = done(&import(&shared.join("models/onnx/yolox_nano.onnx"), &models, &[]));
    assert!(said.contains("COCO's"), "{said}");
    let found = detect(&models, "tiny", &shared.join("media/images/dog.jpg"));
    assert_eq!(found["detections"][0]["label"], "dog", "{found}");
}

#[test]
fn raw_heads_get_the_anchors_that_a_person_names() {
    let Some(shared) = shared() else { return };
    let folder = temp();
    let models = folder.path().join("models");
    let file = shared.join("models/onnx/yolo-fastest-1.1-xl.onnx");
    assert!(refused(&import(&file, &models, &[])).contains("--family yolov3"));
    // As its cfg lists them.
    let anchors = "12, 18,  37, 49,  52,132, 115, 73, 119,199, 242,238";
    let raw = ["--family", "yolov3", "--anchors"];
    assert!(refused(&import(&file, &models, &[&raw[..], &["12,18"]].concat())).contains("6 anchors"));
    done(&import(&file, &models, &[&raw[..], &[anchors]].concat()));
    let found = detect(&models, "tiny", &shared.join("media/images/dog.jpg"));
    let labels: Vec<&str> =
        found["detections"].as_array().unwrap().iter().map(|found| found["label"].as_str().unwrap()).collect();
    for label in ["dog", "bicycle", "truck"] {
        assert!(labels.contains(&label), "{labels:?}");
    }
    let nano = shared.join("models/onnx/yolox_nano.onnx");
    assert!(refused(&import(&nano, &models, &["--force", "--anchors", anchors])).contains("no"));
}

#[test]
fn models_are_listed_and_looked_into() {
    let folder = temp();
    let models = folder.path().join("models");
    let file = write(folder.path(), "tiny.onnx", &named(tiny(&[1, 3, 32, 64])));
    done(&import(&file, &models, &[]));
    for (name, manifest) in [
        ("broken", "family = 7"),
        ("strange", "family = \"yolo99\"\nlabels = [\"a\"]\n[input]\nname = \"x\"\nwidth = 8\nheight = 8\n"),
    ] {
        fs::create_dir_all(models.join(name).join("1")).unwrap();
        fs::write(models.join(name).join("model.toml"), manifest).unwrap();
        fs::copy(&file, models.join(name).join("1/model.onnx")).unwrap();
    }
    fs::create_dir(models.join("photos")).unwrap();
    let run =
        |args: &[&str]| done(&program().args(["models"]).args(args).arg("--models").arg(&models).output().unwrap());
    let rows: Value = serde_json::from_str(&run(&["list", "--json"])).unwrap();
    let names: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["broken", "strange", "tiny"]);
    assert!(rows[1]["error"].as_str().unwrap().contains("yolo99"));
    assert_eq!((&rows[2]["input"], &rows[2]["labels"]), (&serde_json::json!([64, 32]), &2.into()));
    let table = run(&["list"]);
    assert!(table.lines().any(|line| line.starts_with("broken") && line.contains("broken: ")), "{table}");

    let told: Value = serde_json::from_str(&run(&["inspect", "tiny", "--json"])).unwrap();
    assert_eq!((&told["family"], &told["inputs"][0]), (&"yolox".into(), &"images [1, 3, 32, 64] float32".into()));
    assert_eq!((&told["parameters"], &told["opset"], &told["labels"][0]), (&294.into(), &13.into(), &"café".into()));
    let told = run(&["inspect", file.to_str().unwrap()]);
    assert!(told.contains("families: yolox") && told.contains("producer: test"), "{told}");
    let gone = program().args(["models", "inspect", "gone", "--models"]).arg(&models).output().unwrap();
    assert!(refused(&gone).contains("Models here: broken, strange, tiny"));
    // The project's own are found without a word.
    let own = done(&program().args(["models", "list"]).current_dir(root()).output().unwrap());
    assert!(own.contains("sightglass-nano") && own.contains("cifar10"), "{own}");
}
