//! A visitor's camera, picture by picture over a WebSocket: what programs use, and pages where WebRTC has no way.

use std::{fs, time::Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    harness::{Server, fixture, temp, wait_for},
    media::{ReadBack, pictures},
    picture_viewers::read,
    problem::problem,
    viewer::{Viewer, Word},
};

/// A server, and a camera that shows it the numbered video.
struct Desk {
    data: TempDir,
    server: Server,
    pictures: Vec<Vec<u8>>,
}

fn desk(flags: &[&str]) -> Desk {
    let data = temp();
    let server = Server::with(data.path(), flags);
    Desk { data, server, pictures: pictures(&fixture("numbered.mp4")) }
}

impl Desk {
    fn camera(&self) -> Camera<'_> {
        let mut socket = self.server.socket("/api/camera?name=Hall", None).unwrap();
        socket.say(r#"{"type":"status"}"#);
        let status = socket.event();
        assert_eq!((status["type"].as_str(), status["kind"].as_str()), (Some("status"), Some("jpeg")));
        Camera { desk: self, socket, id: status["id"].as_str().unwrap().to_owned(), sent: 0 }
    }
}

struct Camera<'a> {
    desk: &'a Desk,
    socket: Viewer,
    id: String,
    sent: usize,
}

impl Camera<'_> {
    fn send(&mut self) {
        let pictures = &self.desk.pictures;
        self.socket.send(&pictures[self.sent % pictures.len()]);
        self.sent += 1;
    }

    /// Sends one picture and waits for its frame event.
    fn show(&mut self) -> Value {
        self.send();
        let event = self.socket.event();
        assert_eq!((event["type"].as_str(), event["frame"].as_u64()), (Some("frame"), Some(self.sent as u64 - 1)));
        event
    }

    fn address(&self) -> String {
        format!("/api/streams/{}", self.id)
    }

    fn info(&self) -> Value {
        self.desk.server.get(&self.address()).must(200).json()
    }
}

#[test]
fn each_picture_is_answered_in_order() {
    let desk = desk(&[]);
    let mut camera = desk.camera();
    // Around the shapes of the very number in the picture, which move by two pixels a frame.
    let mut off = 0.0;
    for n in 0..90_u32 {
        let event = camera.show();
        assert_eq!((event["width"].as_u64(), event["height"].as_u64()), (Some(320), Some(240)));
        let circle = event["detections"].as_array().unwrap().iter().find(|found| found["class_id"] == 0);
        let place = circle.unwrap_or_else(|| panic!("no circle in {event}"))["box"].clone();
        let middle = place[0].as_f64().unwrap() + place[2].as_f64().unwrap() / 2.0;
        off += (middle - f64::from(40 + 2 * n)) / 90.0;
        assert!(event["latency_ms"].as_f64().unwrap() > 0.0);
    }
    assert!(off.abs() < 1.0, "boxes are {off} pixels off on average");
    for (bad, word) in [(&b"\xff\xd8 broken"[..], "JPEG"), (b"", ""), (b"hello", "picture")] {
        camera.socket.send(bad);
        let answer = camera.socket.event();
        assert_eq!((answer["type"].as_str(), answer["frame"].as_u64()), (Some("error"), Some(camera.sent as u64)));
        assert!(answer["detail"].as_str().unwrap().contains(word), "{answer}");
        camera.sent += 1;
        camera.show();
    }
    assert_eq!(camera.info()["frames_done"], 93);
}

#[test]
fn a_flood_is_answered_and_nothing_waits() {
    let desk = desk(&[]);
    let mut camera = desk.camera();
    for _ in 0..300 {
        camera.send();
    }
    let answers: Vec<Value> = (0..300).map(|_| camera.socket.event()).collect();
    let numbers: Vec<u64> = answers.iter().map(|answer| answer["frame"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>(), "each once, in order");
    let dropped = answers.iter().filter(|answer| answer["type"] == "dropped").count();
    assert!(dropped > 0 && dropped < 300, "{dropped} of 300 gave way");
    assert_eq!(answers[299]["type"], "frame", "the newest is worked on");
    let info = camera.info();
    assert_eq!(
        (info["frames_dropped"].as_u64(), info["frames_done"].as_u64()),
        (Some(dropped as u64), Some(300 - dropped as u64))
    );
}

#[test]
fn a_paused_camera_costs_no_inference_and_goes_on() {
    let desk = desk(&[]);
    let mut camera = desk.camera();
    camera.show();
    let mut viewer = desk.server.socket(&format!("{}/events", camera.address()), None).unwrap();
    viewer.say(r#"{"type":"pause"}"#);
    while viewer.event()["state"] != "paused" {}
    for _ in 0..5 {
        camera.send();
        assert_eq!(camera.socket.event()["type"], "dropped");
    }
    assert_eq!((camera.info()["state"].as_str(), camera.info()["frames_done"].as_u64()), (Some("paused"), Some(1)));
    desk.server.ask("POST", &format!("{}/resume", camera.address())).must(200);
    camera.show();
    assert_eq!(viewer.until_frame(1)["frame"], 6, "another viewer sees it go on");
}

#[test]
fn viewers_see_pictures_with_the_boxes_of_exactly_them() {
    let desk = desk(&[]);
    let mut camera = desk.camera();
    camera.show();
    for (query, width) in [("?width=480", 320), ("", 320), ("?width=100", 320)] {
        let mut viewer = desk.server.socket(&format!("{}/pictures{query}", camera.address()), None).unwrap();
        viewer.say(r#"{"type":"more","count":60}"#);
        let mut seen = 0;
        while seen < 20 {
            let event = camera.show();
            // Each picture is encoded as it comes; some may give way to newer ones, and that is told.
            let mut shown = viewer.event();
            if shown["type"] == "dropped" {
                shown = viewer.event();
            }
            let Word::Picture(jpeg) = viewer.next() else { panic!("a picture was due") };
            let (number, wide, _) = read(&jpeg);
            assert_eq!((number, wide), (shown["frame"].as_u64().unwrap() % 90, width));
            assert!(shown["frame"].as_u64() <= event["frame"].as_u64());
            seen += 1;
        }
    }
    assert_eq!(desk.server.socket("/api/streams/nope/pictures", None).err(), Some(404));
}

#[test]
fn a_live_recording_keeps_real_time() {
    let desk = desk(&[]);
    for (format, codec) in [("avi", "mpeg4"), ("mp4", "h264")] {
        let mut camera = desk.camera();
        let early = desk.server.post_json(&format!("{}/recordings", camera.address()), &json!({"format": format}));
        assert!(problem(early, 409).contains("No picture"));
        camera.show();
        let body = json!({"format": format, "scores": false});
        let begun = desk.server.post_json(&format!("{}/recordings", camera.address()), &body).must(202);
        let location = begun.header("location").to_owned();
        assert!(
            problem(desk.server.post_json(&format!("{}/recordings", camera.address()), &body), 409).contains("already")
        );
        assert!(problem(desk.server.get(&format!("{location}/file")), 409).contains("ready"));
        assert!(problem(desk.server.ask("DELETE", &location), 409).contains("written"));
        let (first, clock) = (camera.show(), Instant::now());
        // Pictures come unevenly, as from a camera in bad light; the file must have the times in which they came.
        let mut last = first.clone();
        let mut shown = 1;
        while clock.elapsed().as_secs_f64() < 2.0 {
            last = camera.show();
            shown += 1;
        }
        let span = last["time"].as_f64().unwrap() - first["time"].as_f64().unwrap();
        assert_eq!(camera.info()["recording"], begun.json()["id"]);
        desk.server.ask("POST", &format!("{location}/stop")).must(200);
        let done = desk.server.recorded(&location);
        assert_eq!((done["stream"].as_str(), done["video"].is_null()), (Some(camera.id.as_str()), true));
        assert!(done["frames_done"].as_u64().unwrap() <= shown + 1 && done["frames_done"].as_u64() > Some(5), "{done}");
        let answer = desk.server.get(&format!("{location}/file")).must(200);
        assert!(answer.header("content-disposition").contains("Hall "), "{}", answer.header("content-disposition"));
        let file = desk.data.path().join(format!("back.{format}"));
        fs::write(&file, &answer.body).unwrap();
        let back = ReadBack::open(&file);
        assert_eq!((back.codec.as_str(), back.width, back.height), (codec, 320, 240));
        // The last picture was there until the recording was stopped.
        assert!(back.seconds > span - 0.1 && back.seconds < span + 2.0, "{} s of {span} s", back.seconds);
        let steps = back.numbers().windows(2).all(|pair| (pair[1] + 90 - pair[0]) % 90 < 45);
        assert!(steps, "time goes forward: {:?}", back.numbers());
        // The file outlives the stream, and is found by it.
        desk.server.ask("DELETE", &camera.address()).must(204);
        assert!(matches!(camera.socket.next(), Word::Close(1000, _)), "the camera is told");
        assert!(problem(desk.server.get(&camera.address()), 404).contains("stream"));
        let kept = desk.server.get(&format!("{}/recordings", camera.address())).must(200).json();
        assert_eq!(kept["items"][0], done);
        desk.server.ask("DELETE", &location).must(204);
        assert!(problem(desk.server.get(&location), 404).contains("recording"));
    }
}

#[test]
fn a_recording_that_was_cut_off_is_mended() {
    let Desk { data, server, pictures } = desk(&[]);
    let locations = {
        let desk = Desk { data: temp(), server, pictures };
        let mut camera = desk.camera();
        let mut other = desk.camera();
        camera.show();
        other.show();
        let begin = |camera: &Camera, format: &str| {
            let begun = desk.server.post_json(&format!("{}/recordings", camera.address()), &json!({"format": format}));
            begun.must(202).header("location").to_owned()
        };
        let locations = [begin(&camera, "avi"), begin(&other, "mp4")];
        wait_for("half a second of it", || {
            camera.show();
            other.show();
            let done = desk.server.get(&locations[0]).must(200).json()["frames_done"].as_u64().unwrap();
            let written: u64 = fs::read_dir(data.path().join("recordings"))
                .unwrap()
                .flatten()
                .map(|e| e.metadata().unwrap().len())
                .sum();
            (done > 40 && written > 20_000).then_some(())
        });
        drop(camera);
        drop(other);
        desk.server.kill();
        locations
    };
    let server = Server::start(data.path());
    let [avi, mp4] = locations.map(|location| server.get(&location).must(200).json());
    assert_eq!(avi["state"], "done", "{avi}");
    assert!(avi["error"].as_str().unwrap().contains("may be missing"), "{avi}");
    assert_eq!(mp4["state"], "failed", "{mp4}");
    let file = data.path().join("back.avi");
    fs::write(&file, server.get(&format!("/api/recordings/{}/file", avi["id"].as_str().unwrap())).must(200).body)
        .unwrap();
    assert!(ReadBack::open(&file).len() > 10, "its pictures are there");
    let left = fs::read_dir(data.path().join("recordings")).unwrap().count();
    assert_eq!(left, 1, "nothing is left of the other");
}

#[test]
fn retention_takes_live_recordings_too() {
    let desk = desk(&[]);
    let mut camera = desk.camera();
    camera.show();
    let begun = desk.server.post_json(&format!("{}/recordings", camera.address()), &json!({})).must(202);
    let location = begun.header("location").to_owned();
    wait_for("some frames", || {
        camera.show();
        (desk.server.get(&location).must(200).json()["frames_done"].as_u64() > Some(5)).then_some(())
    });
    desk.server.ask("POST", &format!("{location}/stop")).must(200);
    desk.server.recorded(&location);
    drop(camera);
    desk.server.stop();
    let server = Server::with(desk.data.path(), &["--keep-bytes", "1"]);
    wait_for("it to be deleted", || (server.get(&location).status == 404).then_some(()));
    assert_eq!(fs::read_dir(desk.data.path().join("recordings")).unwrap().count(), 0);
}

#[test]
fn as_many_streams_as_may_and_no_more() {
    let desk = desk(&["--max-streams", "2"]);
    let (one, two) = (desk.camera(), desk.camera());
    assert_eq!(desk.server.socket("/api/camera", None).err(), Some(429));
    let list = desk.server.get("/api/streams?limit=1").must(200).json();
    assert_eq!(list["items"][0]["id"], two.id.as_str(), "newest first");
    let rest =
        desk.server.get(&format!("/api/streams?cursor={}", list["next_cursor"].as_str().unwrap())).must(200).json();
    assert_eq!((rest["items"][0]["id"].as_str(), rest["next_cursor"].is_null()), (Some(one.id.as_str()), true));
    drop(one);
    wait_for("room for another", || desk.server.socket("/api/camera", None).ok());
    assert_eq!(desk.server.socket("/api/camera?model=nope", None).err(), Some(404));
    assert_eq!(desk.server.socket("/api/camera?threshold=7", None).err(), Some(400));
}

#[test]
fn sessions_that_are_torn_away_leave_nothing() {
    let desk = desk(&[]);
    let settled = || {
        wait_for("all streams to be gone", || {
            let metrics = desk.server.get("/metrics").must(200).text();
            let read = |name: &str| {
                let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap();
                line.trim().parse::<f64>().unwrap() as i64
            };
            let (streams, viewers) = (read("sightglass_streams "), read("sightglass_viewers "));
            (streams == 0 && viewers == 0).then(|| (read("sightglass_threads "), read("sightglass_open_descriptors ")))
        })
    };
    let round = |count: usize| {
        for n in 0..count {
            let mut camera = desk.camera();
            camera.send();
            if n % 2 == 0 {
                camera.socket.event();
            }
            // Dropped without a goodbye, half of them with an answer on its way.
        }
        settled()
    };
    round(20);
    let before = (round(20), desk.server.memory());
    let after = (round(200), desk.server.memory());
    println!("threads, descriptors and bytes: {before:?} before, {after:?} after 200 sessions");
    assert!(after.0.0 <= before.0.0 + 2, "threads: {before:?}, {after:?}");
    assert!(after.0.1 <= before.0.1 + 4, "descriptors: {before:?}, {after:?}");
    assert!(after.1 < before.1 + (24 << 20), "memory: {before:?}, {after:?}");
}
