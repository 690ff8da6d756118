//! Classification from outside, with a classifier so small that what it says can be reckoned: it takes the mean of red,
//! green and blue for logits.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;
use sightglass::vision::picture;

use super::{
    harness::{SHAPES, Server, bytes, fixture, temp},
    images::send,
    problem::problem,
};
use crate::{media_pushed::levels, vision_still::png};

/// A field of a protobuf message that has a length.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    assert!(value.len() < 1 << 14);
    let length = [value.len() as u8 & 0x7f | 0x80, (value.len() >> 7) as u8];
    [&[number << 3 | 2], &length[..], value].concat()
}

/// A field that is a small number.
fn number(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

/// `ValueInfoProto` of float32.
fn tensor(name: &str, shape: &[u8]) -> Vec<u8> {
    let shape: Vec<u8> = shape.iter().flat_map(|length| field(1, &number(1, *length))).collect();
    let kind = field(1, &[number(1, 1), field(2, &shape)].concat());
    [field(1, name.as_bytes()), field(2, &kind)].concat()
}

/// `NodeProto` of one input and one output.
fn node(operation: &str, from: &str, to: &str) -> Vec<u8> {
    field(1, &[field(1, from.as_bytes()), field(2, to.as_bytes()), field(4, operation.as_bytes())].concat())
}

/// `ModelProto` of ONNX: [1, 3, 8, 8] to [1, 3].
fn onnx() -> Vec<u8> {
    let graph = [
        node("GlobalAveragePool", "picture", "mean"),
        node("Flatten", "mean", "logits"),
        field(2, b"colours"),
        field(11, &tensor("picture", &[1, 3, 8, 8])),
        field(12, &tensor("logits", &[1, 3])),
    ];
    [number(1, 8), field(7, &graph.concat()), field(8, &number(2, 13))].concat()
}

/// The model folder `colours`.
pub fn colours(folder: &Path) -> PathBuf {
    let model = folder.join("colours");
    fs::create_dir_all(model.join("1")).unwrap();
    fs::write(model.join("1/model.onnx"), onnx()).unwrap();
    let manifest = "family = \"classifier\"\ntask = \"classify\"\nlabels = [\"red\", \"green\", \"blue\"]\n\
        [input]\nname = \"picture\"\nwidth = 8\nheight = 8\nscale = 0.0196078431372549\nresize = \"stretch\"\n\
        [classes]\noutput = \"logits\"\n";
    fs::write(model.join("model.toml"), manifest).unwrap();
    model
}

/// What the classifier must say of one colour: levels of 255 count for 5.
fn softmax(rgb: [u8; 3]) -> [f64; 3] {
    let powers = rgb.map(|level| (f64::from(level) / 51.0).exp());
    powers.map(|power| power / powers.iter().sum::<f64>())
}

#[test]
fn a_picture_is_classified_and_the_best_class_is_written_on_it() {
    let data = temp();
    let model = colours(data.path());
    let server = Server::with(&data.path().join("data"), &["--model", SHAPES, "--model", model.to_str().unwrap()]);
    let models = server.get("/api/models").must(200).json();
    assert_eq!(
        (&models[1]["name"], &models[1]["task"], &models[1]["default"]),
        (&"colours".into(), &"classify".into(), &true.into())
    );
    for (rgb, order) in [([200, 100, 50], ["red", "green", "blue"]), ([0, 10, 250], ["blue", "green", "red"])] {
        let picture = png(1, 8, 2, &[], &rgb);
        let answer = send(&server, "?task=classify", &picture).must(200).json();
        assert_eq!((&answer["width"], &answer["model"]), (&json!(1), &json!("colours")));
        assert!(answer["detections"].is_null(), "{answer}");
        let classes = answer["classes"].as_array().unwrap();
        let labels: Vec<_> = classes.iter().map(|class| class["label"].as_str().unwrap()).collect();
        assert_eq!(labels, order);
        let truth = softmax(rgb);
        for class in classes {
            let want = truth[class["class_id"].as_u64().unwrap() as usize];
            assert!((class["score"].as_f64().unwrap() - want).abs() < 2e-4, "{class}: {want}");
        }
        let best = send(&server, "?task=classify&model=colours&top_k=1", &picture).must(200).json();
        assert_eq!(best["classes"], json!([classes[0]]));
        assert_eq!(send(&server, "?task=classify&top_k=1000000000000", &picture).must(200).json(), answer);
    }
    let file = bytes(fixture("scene.jpg"));
    let drawn = send(&server, "?task=classify&output=image", &file).must(200).body;
    let off = |bytes: &[u8]| {
        let read = |bytes| levels(&picture::read(bytes, u64::MAX).unwrap());
        let (plain, drawn) = (read(&file), read(bytes));
        let changed = plain.iter().zip(&drawn).enumerate().filter(|(_, (a, b))| (*a - *b).abs() > 40.0);
        let (mut inside, mut outside) = (0, 0);
        changed.for_each(|(at, _)| if at / 3 / 480 < 30 && at / 3 % 480 < 150 { inside += 1 } else { outside += 1 });
        (inside, outside)
    };
    let (inside, outside) = off(&drawn);
    assert!(inside > 500 && outside == 0, "written in the corner: {inside}, {outside}");
    let bare = send(&server, "?task=classify&output=image&labels=false&scores=false", &file).must(200).body;
    assert_eq!(off(&bare), (0, 0));
    let kept = send(&server, "?task=classify&output=url", &file).must(200).json();
    assert_eq!(server.get(kept["url"].as_str().unwrap()).must(200).body, drawn);

    // Each model does its own task, and films are for detectors.
    assert!(problem(send(&server, "?model=colours", &file), 400).contains("classify"));
    assert!(problem(send(&server, "?task=classify&model=shapes", &file), 400).contains("detect"));
    let film = bytes(fixture("numbered-odd.mp4"));
    assert!(problem(server.send_video(&film, "?model=colours"), 400).contains("classify"));
    assert_eq!(server.socket("/api/camera?model=colours", None).err(), Some(400));
    let camera = json!({"url": "rtsp://8.8.8.8/x", "model": "colours"});
    assert!(problem(server.post_json("/api/streams", &camera), 400).contains("classify"));
    let whip = [("content-type", "application/sdp")];
    problem(server.send("POST", "/api/streams/whip?model=colours", &whip, "v=0"), 400);
}

#[test]
fn a_server_of_one_task_says_how_to_get_the_other() {
    let data = temp();
    let model = colours(data.path());
    let server = Server::with(&data.path().join("data"), &["--model", model.to_str().unwrap()]);
    let file = bytes(fixture("scene.jpg"));
    assert!(problem(send(&server, "", &file), 404).contains("--model"));
    assert!(problem(server.send_video(&bytes(fixture("numbered-odd.mp4")), ""), 404).contains("--model"));
    assert_eq!(server.socket("/api/camera", None).err(), Some(404));
    assert_eq!(send(&server, "?task=classify", &file).must(200).json()["classes"].as_array().unwrap().len(), 3);
    server.stop();
}
