//! Files that are no videos, or broken ones: the uploader reads why, and the server lives on.

use super::{
    harness::{Server, bytes, fixture, temp},
    problem::{for_a_person, problem},
    viewer::frames,
};

#[test]
fn a_file_that_gives_no_picture_is_refused_in_words() {
    let data = temp();
    let server = Server::start(data.path());
    for (name, status, word) in [
        ("junk.mp4", 415, "not a video"),
        ("html.mp4", 415, "not a video"),
        ("text.mp4", 415, "not a video"),
        ("empty.mp4", 415, "empty"),
        ("no-moov.mp4", 422, "index"),
        ("audio-only.mp4", 422, "sound"),
        ("encrypted.mp4", 422, "encrypted"),
        ("scene.jpg", 422, "picture"),
        ("scene.png", 422, "picture"),
        ("README.md", 415, "not a video"),
    ] {
        let detail = problem(server.send_video(&bytes(fixture(name)), ""), status);
        println!("{name}: {detail}");
        assert!(detail.contains(word), "{name}: {detail}");
    }
    let model = std::path::Path::new(super::harness::SHAPES).join("1/model.onnx");
    problem(server.send_video(&bytes(model), ""), 415);
    assert_eq!(server.get("/api/videos").json()["items"].as_array().unwrap().len(), 0);
    for folder in ["uploads", "videos"] {
        assert_eq!(std::fs::read_dir(data.path().join(folder)).unwrap().count(), 0, "{folder}: something is left");
    }
    let id = server.upload(fixture("numbered-odd.mp4"));
    assert_eq!(server.done(&id)["frames_done"], 60, "the server lives on");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn a_broken_video_gives_what_it_has_and_a_warning() {
    let data = temp();
    let server = Server::start(data.path());
    for (name, least, most, word) in [("truncated.mp4", 30, 50, "cut off"), ("damaged.mp4", 60, 90, "damaged")] {
        let id = server.upload(fixture(name));
        let events = server.viewer(&id, 0).all();
        let count = frames(&events).len();
        assert!((least..=most).contains(&count), "{name}: {count} frames");
        let video = server.done(&id);
        let warning = video["warning"].as_str().unwrap_or_else(|| panic!("{name} has no warning: {video}"));
        println!("{name}: {count} frames, {warning}");
        assert!(warning.contains(word), "{name}: {warning}");
        for_a_person(warning);
        let counts = (video["frames_done"].as_u64(), video["frames_total"].as_u64());
        assert_eq!(counts, (Some(count as u64), Some(count as u64)), "the count is exact at the end");
        assert!(video["error"].is_null());
        let recording = server.record(&id, &serde_json::json!({}));
        assert_eq!(recording["frames_done"].as_u64(), Some(count as u64), "{name} can be saved");
    }
    let id = server.upload(fixture("numbered.mp4"));
    assert!(server.done(&id)["warning"].is_null(), "a good file has no warning");
}

#[test]
fn every_good_video_is_worked_on_to_its_end() {
    let data = temp();
    let server = Server::start(data.path());
    for (name, count, width, height) in [
        ("numbered-hevc.mp4", 90, 320, 240),
        ("numbered.avi", 90, 320, 240),
        ("numbered-editlist.mp4", 60, 320, 240),
        ("numbered-gap.mp4", 60, 320, 240),
        ("numbered-par.mp4", 60, 427, 240),
        ("numbered-10bit.mp4", 60, 320, 240),
        ("numbered-fullrange.mp4", 60, 320, 240),
        ("numbered-resize.ts", 90, 320, 240),
        ("numbered-fragmented.mp4", 90, 320, 240),
        ("numbered-rotated.mp4", 60, 288, 384),
    ] {
        let id = server.upload(fixture(name));
        let video = server.done(&id);
        assert_eq!(
            (video["frames_done"].as_u64(), &video["warning"]),
            (Some(count), &serde_json::Value::Null),
            "{name}"
        );
        assert_eq!((video["width"].as_u64(), video["height"].as_u64()), (Some(width), Some(height)), "{name}");
        let events = server.detections(&id);
        super::viewer::in_order(&events, 0, count as usize);
        let times: Vec<f64> = events.iter().map(|event| event["time"].as_f64().unwrap()).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{name}: {times:?}");
        if name == "numbered-gap.mp4" {
            assert!((times[0] - 0.5).abs() < 0.002, "{name} starts at {}", times[0]);
        }
        for event in &events {
            let (width, height) = (event["width"].as_f64().unwrap(), event["height"].as_f64().unwrap());
            for detection in event["detections"].as_array().unwrap() {
                let [x, y, w, h] = [0, 1, 2, 3].map(|i| detection["box"][i].as_f64().unwrap());
                let inside =
                    x >= 0.0 && y >= 0.0 && w > 0.0 && h > 0.0 && x + w <= width + 0.01 && y + h <= height + 0.01;
                assert!(inside, "{name}: {event}");
            }
        }
        let seen = events.iter().filter(|event| !event["detections"].as_array().unwrap().is_empty()).count();
        assert!(seen * 10 >= events.len() * 9, "{name}: something was found on {seen} frames only");
    }
}
