//! Trained models of others on photographs and films: what is found equals what OpenCV's own Darknet reader finds.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    harness::{EXACT, Server, bytes, program, temp},
    viewer::frames,
};
use crate::shared::shared;

const MODEL: &str = "yolo-fastest-1.1-xl";

const INPUT: &str = "family = \"yolov3\"\nlabels = \"coco.names\"\n[input]\nname = \"images\"\nwidth = 320\nheight = 320\n\
    scale = 0.00392156862745098\nresize = \"stretch\"\nchannels = \"rgb\"\n[thresholds]\nscore = 0.25\niou = 0.45\n";
const HEADS: &str = "[[heads]]\noutput = \"yolo0\"\nstride = 32\nanchors = [[115, 73], [119, 199], [242, 238]]\n\
    [[heads]]\noutput = \"yolo1\"\nstride = 16\nanchors = [[12, 18], [37, 49], [52, 132]]\n";
const DECODED: &str = "[decoded]\noutput = \"detections\"\n";

/// A model folder as a user would make it.
fn model(folder: &Path, shared: &Path, file: &str, outputs: &str) -> PathBuf {
    let model = folder.join(file);
    fs::create_dir_all(model.join("1")).unwrap();
    fs::write(model.join("model.toml"), format!("{INPUT}{outputs}")).unwrap();
    fs::copy(shared.join("models/coco.names"), model.join("coco.names")).unwrap();
    fs::copy(shared.join(format!("models/onnx/{file}.onnx")), model.join("1/model.onnx")).unwrap();
    model
}

/// `[left, top, right, bottom]`, cut to the picture as all boxes of the service are.
fn corners(found: &Value, width: f64, height: f64) -> [f64; 4] {
    let [x, y, w, h] = [0, 1, 2, 3].map(|i| found["box"][i].as_f64().unwrap());
    [x.clamp(0.0, width), y.clamp(0.0, height), (x + w).clamp(0.0, width), (y + h).clamp(0.0, height)]
}

/// How far boxes (pixels) and scores are at most from those of the oracle, which has as many for each picture.
pub fn compare(shared: &Path, model: &Path, expected: &Value) -> (f64, f64) {
    let expected = expected.as_object().unwrap();
    let pictures = expected.keys().map(|name| shared.join("media/images").join(name));
    let output = program().arg("detect").args(EXACT).arg("--model").arg(model).args(pictures).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut far, mut off, mut seen) = (0.0f64, 0.0f64, 0);
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let name = Path::new(event["source"].as_str().unwrap()).file_name().unwrap().to_str().unwrap();
        let (width, height) = (event["width"].as_f64().unwrap(), event["height"].as_f64().unwrap());
        let mut left: Vec<&Value> = event["detections"].as_array().unwrap().iter().collect();
        let wanted = expected[name].as_array().unwrap();
        assert_eq!(left.len(), wanted.len(), "{name}: as many as the oracle has: {event}");
        for one in wanted {
            let box_of_one = corners(one, width, height);
            let distance = |other: &Value| {
                let other = corners(other, width, height);
                box_of_one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
            };
            let same = left.iter().position(|other| {
                other["class_id"] == one["class_id"] && other["label"] == one["label"] && distance(other) < 2.0
            });
            let same = left.remove(same.unwrap_or_else(|| panic!("{name}: no {one} in {event}")));
            far = far.max(distance(same));
            off = off.max((same["score"].as_f64().unwrap() - one["score"].as_f64().unwrap()).abs());
            seen += 1;
        }
    }
    assert_eq!(seen, expected.values().map(|found| found.as_array().unwrap().len()).sum::<usize>());
    (far, off)
}

#[test]
fn photographs_give_what_opencv_finds() {
    let Some(shared) = shared() else { return };
    let folder = temp();
    let oracle: Value = serde_json::from_slice(&bytes(shared.join("eval/oracle/opencv_darknet.json"))).unwrap();
    for (file, outputs) in [(MODEL.to_owned(), HEADS), (format!("{MODEL}-decoded"), DECODED)] {
        let model = model(folder.path(), &shared, &file, outputs);
        let (far, off) = compare(&shared, &model, &oracle["models"][MODEL]);
        println!("{file}: at most {far:.2} pixels and {off:.4} of score from OpenCV's");
        assert!(off < 0.02, "{file}: a score is off by {off}");
    }
}

#[test]
fn people_are_found_in_films() {
    let Some(shared) = shared() else { return };
    let folder = temp();
    let model = model(folder.path(), &shared, MODEL, HEADS);
    let server = Server::with(&folder.path().join("data"), &["--model", model.to_str().unwrap()]);
    assert_eq!(server.get("/api/models").must(200).json()[0]["labels"], 80);
    // Two people play basketball; some stand in a shop, seen from above.
    for (film, least) in [("mmaction2_structuralize.mp4", 1.5), ("nvidia_retail02_short.mp4", 1.0)] {
        let id = server.upload(shared.join("media/videos").join(film));
        let mut viewer = server.viewer(&id, 0);
        let mut events = Vec::new();
        // The first seconds: the whole of it would only take longer.
        while events.len() < 60 {
            events.extend(frames(&[viewer.event()]));
        }
        server.ask("DELETE", &format!("/api/videos/{id}")).must(204);
        let people = |event: &Value| {
            event["detections"].as_array().unwrap().iter().filter(|found| found["label"] == "person").count()
        };
        let mean = events.iter().map(people).sum::<usize>() as f64 / events.len() as f64;
        let frames_with = events.iter().filter(|event| people(event) > 0).count();
        println!("{film}: {mean:.1} people a frame, on {frames_with} of 60 frames");
        assert!(mean >= least && frames_with >= 54, "{film}: {mean} people a frame, on {frames_with} frames");
    }
}
