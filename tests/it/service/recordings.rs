//! Annotated copies, read back frame by frame by ffmpeg.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    harness::{Server, fixture, temp, wait_for},
    media::{ReadBack, repeated},
    problem::problem,
};

/// Encoding and the samples shared by neighbours change a colour by less than this where nothing is drawn.
const UNTOUCHED: u8 = 60;

struct Desk {
    server: Server,
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = temp();
        Self { server: Server::start(&folder.path().join("data")), folder }
    }

    fn detected(&self, file: impl AsRef<Path>) -> String {
        let id = self.server.upload(file);
        self.server.done(&id);
        id
    }

    fn saved(&self, id: &str, options: &Value) -> PathBuf {
        let recording = self.server.record(id, options);
        let location = format!("/api/recordings/{}", recording["id"].as_str().unwrap());
        let file = self.server.get(&format!("{location}/file")).must(200);
        assert_eq!(recording["bytes"].as_u64(), Some(file.body.len() as u64));
        let format = recording["format"].as_str().unwrap();
        assert!(file.header("content-disposition").contains(&format!(".{format}\"")));
        let path = self.folder.path().join(format!("{}.{format}", recording["id"].as_str().unwrap()));
        std::fs::write(&path, file.body).unwrap();
        path
    }
}

/// How many of all boxes are drawn: the picture differs from the source along the box's sides, and not beside them.
fn drawn(source: &ReadBack, copy: &ReadBack, events: &[Value], lag: usize) -> (usize, usize) {
    let (mut seen, mut all) = (0, 0);
    for event in events {
        let frame = event["frame"].as_u64().unwrap() as usize;
        let Some(picture) = frame.checked_sub(lag) else { continue };
        for detection in event["detections"].as_array().unwrap() {
            let [x, y, w, h] = [0, 1, 2, 3].map(|i| detection["box"][i].as_f64().unwrap());
            // The bottom side's lower half: no label lies there, and the shapes move from side to side.
            let (left, right, middle) = (x.round() as usize, (x + w).round() as usize, (y + h * 0.75).round() as usize);
            if left < 2 || right + 2 >= source.width {
                continue;
            }
            all += 1;
            let changed = |at: usize| (at - 2..=at + 2).any(|x| source.differs(copy, picture, x, middle) > UNTOUCHED);
            let inside = (left + 8..right - 8).all(|x| source.differs(copy, picture, x, middle) < UNTOUCHED);
            seen += usize::from(changed(left) && changed(right) && inside);
        }
    }
    (seen, all)
}

#[test]
fn each_frame_of_the_copy_has_its_own_boxes() {
    let desk = Desk::new();
    let id = desk.server.upload(fixture("numbered.mp4"));
    desk.server.viewer(&id, 0).until_frame(1);
    problem(desk.server.post_json(&format!("/api/videos/{id}/recordings"), &json!({})), 409);
    desk.server.done(&id);
    let events = desk.server.detections(&id);
    let source = ReadBack::open(&fixture("numbered.mp4"));
    for (options, codec) in [(json!({}), "mpeg4"), (json!({"format": "mp4"}), "h264")] {
        let copy = ReadBack::open(&desk.saved(&id, &options));
        assert_eq!((copy.codec.as_str(), copy.width, copy.height, copy.rate.as_str()), (codec, 320, 240, "30/1"));
        assert_eq!(copy.numbers(), (0..90).collect::<Vec<_>>(), "{codec}: every frame once, in order");
        assert!((copy.seconds - 3.0).abs() < 0.05, "{codec}: {} s", copy.seconds);
        if codec == "h264" {
            let right = copy.times.iter().zip(&source.times).all(|(a, b)| (a - b).abs() < 0.001);
            assert!(right, "the source's own times: {:?}", copy.times);
        }
        let (seen, all) = drawn(&source, &copy, &events, 0);
        println!("{codec}: {seen} of {all} boxes are drawn in their place");
        assert!(all > 100 && seen * 100 >= all * 95, "{codec}: {seen} of {all}");
        // The measure can tell: boxes of four frames earlier are not taken for right.
        let (seen, all) = drawn(&source, &copy, &events, 4);
        assert!(seen * 100 <= all * 20, "{codec}: {seen} of {all} of boxes that lag are taken for right");
    }
}

#[test]
fn options_say_what_is_drawn() {
    let desk = Desk::new();
    let id = desk.detected(fixture("numbered-odd.mp4"));
    let source = ReadBack::open(&fixture("numbered-odd.mp4"));
    let (events, width) = (desk.server.detections(&id), source.width);
    // Pixels that differ from the source on a frame, and the classes whose boxes are drawn.
    let changed = |options: &Value| {
        let copy = ReadBack::open(&desk.saved(&id, options));
        assert_eq!((copy.width, copy.height, copy.len()), (319, 239, 60));
        let places =
            (0..239 * width).filter(|at| source.differs(&copy, 30, at % width, at / width) > UNTOUCHED).count();
        let only = |class: u64| {
            let mut events = events.clone();
            for event in &mut events {
                event["detections"].as_array_mut().unwrap().retain(|d| d["class_id"] == class);
            }
            let (seen, all) = drawn(&source, &copy, &events, 0);
            assert!(all > 30, "{all}");
            seen * 100 / all
        };
        (places, only(0), only(2))
    };
    let (full, circles, triangles) = changed(&json!({"labels": true, "scores": true}));
    assert!(circles > 90 && triangles > 90, "{circles} {triangles}");
    let (bare, ..) = changed(&json!({"labels": false, "scores": false}));
    let (labels, ..) = changed(&json!({"scores": false}));
    println!("changed pixels: {full} with labels and scores, {labels} with labels, {bare} with boxes only");
    assert!(bare > 200 && bare + 50 < labels && labels + 50 < full);
    let (_, circles, triangles) = changed(&json!({"classes": [0], "labels": false, "scores": false}));
    assert!(circles > 90 && triangles < 10, "{circles} {triangles}");
    let (none, ..) = changed(&json!({"threshold": 1.0}));
    assert!(none < 20, "above every score nothing is drawn: {none}");
}

#[test]
fn a_variable_rate_keeps_its_duration() {
    let desk = Desk::new();
    let id = desk.detected(fixture("numbered-vfr.mp4"));
    let source = ReadBack::open(&fixture("numbered-vfr.mp4"));
    let avi = ReadBack::open(&desk.saved(&id, &json!({"format": "avi"})));
    println!("source {:.3} s, avi {:.3} s of {} frames at {}", source.seconds, avi.seconds, avi.len(), avi.rate);
    assert!((avi.seconds - source.seconds).abs() < 0.08, "{} instead of {}", avi.seconds, source.seconds);
    let mut numbers = avi.numbers();
    assert!(numbers.windows(2).all(|pair| pair[0] <= pair[1]), "{numbers:?}");
    // Each frame stands where it stood: frame n begins at (32 n + 6 (2 n mod 5)) / 600 s.
    let rate = avi.len() as f64 / avi.seconds;
    for n in 0..60 {
        let at = numbers.iter().position(|number| *number == n).unwrap_or_else(|| panic!("frame {n} is missing"));
        let (shown, should) = (at as f64 / rate, (32 * n + 6 * (2 * n % 5)) as f64 / 600.0);
        assert!((shown - should).abs() < 1.0 / rate + 0.01, "frame {n} is shown at {shown} s instead of {should} s");
    }
    numbers.dedup();
    assert_eq!(numbers, (0..60).collect::<Vec<_>>());

    let mp4 = ReadBack::open(&desk.saved(&id, &json!({"format": "mp4"})));
    assert_eq!(mp4.numbers(), (0..60).collect::<Vec<_>>());
    for (n, time) in mp4.times.iter().enumerate() {
        let should = (32 * n + 6 * (2 * n % 5)) as f64 / 600.0;
        assert!((time - should).abs() < 0.002, "frame {n} at {time} s instead of {should} s");
    }
}

#[test]
fn a_turned_video_is_saved_upright() {
    let desk = Desk::new();
    let id = desk.detected(fixture("numbered-rotated.mp4"));
    for format in ["avi", "mp4"] {
        let copy = ReadBack::open(&desk.saved(&id, &json!({"format": format})));
        assert_eq!((copy.width, copy.height), (288, 384), "{format}");
        assert_eq!(copy.numbers(), (0..60).collect::<Vec<_>>(), "{format}: the code stands upright");
    }
}

#[test]
fn a_recording_is_told_to_those_who_follow_the_video() {
    let desk = Desk::new();
    let id = desk.detected(fixture("numbered.mp4"));
    let answer = desk.server.post_json(&format!("/api/videos/{id}/recordings"), &json!({})).must(202);
    let recording = answer.json();
    assert_eq!(answer.header("location"), format!("/api/recordings/{}", recording["id"].as_str().unwrap()));
    assert_eq!((&recording["video"], &recording["frames_total"]), (&json!(id), &json!(90)));
    let file = format!("{}/file", answer.header("location"));
    let early = desk.server.get(&file);
    assert!([200, 409].contains(&early.status), "{}", early.status);
    let events = desk.server.viewer(&id, 90).all();
    let told: Vec<&Value> = events.iter().filter(|event| event["type"] == "recording").collect();
    // A quick machine has written it before the viewer came.
    if let Some(last) = told.last() {
        assert_eq!((&last["id"], &last["state"]), (&recording["id"], &json!("done")), "{last}");
        let done: Vec<u64> = told.iter().map(|event| event["frames_done"].as_u64().unwrap()).collect();
        assert!(done.is_sorted(), "{done:?}");
    }
    desk.server.get(&file).must(200);
}

#[test]
fn the_recordings_of_a_video_are_listed_newest_first() {
    let desk = Desk::new();
    let id = desk.detected(fixture("numbered-odd.mp4"));
    let list = format!("/api/videos/{id}/recordings");
    assert_eq!(desk.server.get(&list).must(200).json(), json!({"items": [], "next_cursor": null}));
    let mut made: Vec<Value> =
        ["avi", "mp4", "avi"].map(|format| desk.server.record(&id, &json!({"format": format}))).into();
    made.reverse();
    // Of another video: not in the list.
    let other = desk.detected(fixture("numbered-odd.mp4"));
    desk.server.record(&other, &json!({}));
    let all = desk.server.get(&list).must(200).json();
    assert_eq!(all, json!({"items": made, "next_cursor": null}));
    let first = desk.server.get(&format!("{list}?limit=2")).must(200).json();
    assert_eq!(first["items"], json!(made[..2]));
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = desk.server.get(&format!("{list}?limit=2&cursor={cursor}")).must(200).json();
    assert_eq!(rest, json!({"items": made[2..], "next_cursor": null}));
    problem(desk.server.get(&format!("{list}?limit=many")), 400);
    problem(desk.server.get("/api/videos/none/recordings"), 404);

    let location = format!("/api/recordings/{}", made[1]["id"].as_str().unwrap());
    desk.server.ask("DELETE", &location).must(204);
    problem(desk.server.get(&location), 404);
    problem(desk.server.ask("DELETE", &location), 404);
    assert_eq!(desk.server.get(&list).must(200).json()["items"], json!([made[0], made[2]]));
    let folder = desk.folder.path().join("data/videos").join(&id);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 3, "the source and two recordings");
}

#[test]
fn a_recording_in_work_can_be_cancelled() {
    let desk = Desk::new();
    let file = desk.folder.path().join("long.mp4");
    repeated(10, &file);
    let id = desk.detected(&file);
    let list = format!("/api/videos/{id}/recordings");
    // Two are written at a time, so the third waits.
    let locations: Vec<String> = ["mp4", "avi", "avi"]
        .map(|format| desk.server.post_json(&list, &json!({"format": format})).must(202).header("location").to_owned())
        .into();
    let viewer = desk.server.viewer(&id, 900);
    desk.server.ask("DELETE", &locations[2]).must(204);
    wait_for("the encoder", || {
        let recording = desk.server.get(&locations[0]).must(200).json();
        (recording["frames_done"].as_u64() > Some(0)).then_some(())
    });
    desk.server.ask("DELETE", &locations[0]).must(204);
    for gone in [&locations[0], &locations[2]] {
        problem(desk.server.get(gone), 404);
        problem(desk.server.ask("DELETE", gone), 404);
    }
    // The other one is not disturbed, and viewers are not kept waiting for what was cancelled.
    let kept = desk.server.recorded(&locations[1]);
    assert_eq!(desk.server.get(&list).must(200).json()["items"], json!([kept]));
    let events = viewer.all();
    let cancelled = locations[0].rsplit('/').next().unwrap();
    let last = events.iter().rfind(|event| event["type"] == "recording" && event["id"] == cancelled).unwrap();
    assert_eq!((&last["state"], &last["error"]), (&json!("failed"), &json!("The recording was cancelled.")));
    let folder = desk.folder.path().join("data/videos").join(&id);
    wait_for("the end of the cancelled files", || (std::fs::read_dir(&folder).unwrap().count() == 2).then_some(()));
    // Nothing of them comes back.
    desk.server.stop();
    let server = Server::start(&desk.folder.path().join("data"));
    assert_eq!(server.get(&list).must(200).json()["items"], json!([kept]));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "the source and one recording");
}
