//! What viewers are told: every frame once, in order, whenever they come and however slow they are.

use serde_json::Value;
use ureq::SendBody;

use super::{
    harness::{Server, bytes, fixture, temp},
    media,
    viewer::{frames, in_order},
};

/// Asserts how a viewer's events end: `status` of that state after the last frame, then `end`.
#[track_caller]
fn ends_with(events: &[Value], state: &str) {
    assert_eq!(events.last().unwrap()["type"], "end");
    let last_frame = events.iter().rposition(|event| event["type"] == "frame").unwrap();
    let told = events.iter().rposition(|event| event["type"] == "status" && event["state"] == state);
    assert!(told.is_some_and(|told| told > last_frame), "the status `{state}` comes after the last frame");
}

#[test]
fn live_late_and_returning_viewers_get_the_very_same() {
    let data = temp();
    let server = Server::start(data.path());
    let answer = server.send_video(&bytes(fixture("numbered.mp4")), "?name=numbered.mp4").must(201);
    let video = answer.json();
    let id = video["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/api/videos/{id}"));
    assert_eq!((&video["name"], &video["width"], &video["height"]), (&"numbered.mp4".into(), &320.into(), &240.into()));

    let first = server.viewer(id, 0);
    let second = server.viewer(id, 0);
    let second = std::thread::spawn(|| second.all());
    let mut leaving = server.viewer(id, 0);
    let last = leaving.until_frame(20);
    drop(leaving);
    let back = server.viewer(id, last["frame"].as_u64().unwrap() + 1);
    let returning = std::thread::spawn(|| back.all());

    let live = first.all();
    in_order(&frames(&live), 0, 90);
    ends_with(&live, "done");
    assert_eq!(live[0]["type"], "status", "a viewer knows first what it looks at");
    for (event, n) in frames(&live).iter().zip(0..) {
        assert!((event["time"].as_f64().unwrap() - f64::from(n) / 30.0).abs() < 1e-5, "{event}");
        assert_eq!((event["width"].as_u64(), event["height"].as_u64()), (Some(320), Some(240)));
    }
    assert_eq!(frames(&second.join().unwrap()), frames(&live), "two viewers at once");
    let from = last["frame"].as_u64().unwrap() as usize + 1;
    assert_eq!(frames(&returning.join().unwrap()), frames(&live)[from..], "one that left and came back");

    let late = server.viewer(id, 0).all();
    assert_eq!(frames(&late), frames(&live), "a late viewer");
    ends_with(&late, "done");
    let middle = server.viewer(id, 45).all();
    assert_eq!(frames(&middle), frames(&live)[45..], "from the middle");
    let beyond = server.viewer(id, 1000).all();
    assert_eq!(frames(&beyond).len(), 0);
    assert_eq!(beyond.last().unwrap()["type"], "end");
    assert_eq!(server.detections(id), frames(&live), "NDJSON is the same");
    let page = server.get(&format!("/api/videos/{id}/detections?from=30&limit=7")).text();
    let page: Vec<Value> = page.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(page, frames(&live)[30..37]);
    let video = server.video(id);
    assert_eq!((video["frames_done"].as_u64(), video["frames_total"].as_u64()), (Some(90), Some(90)));
    assert!(
        video["detect_fps"].as_f64().unwrap() > 0.0 && video["finished_at"].is_string() && video["error"].is_null()
    );
}

#[test]
fn boxes_belong_to_their_frame() {
    let data = temp();
    let server = Server::start(data.path());
    let id = server.upload(fixture("numbered.mp4"));
    server.done(&id);
    let found = |events: &[Value], label: &str, middle: fn(f64) -> (f64, f64)| {
        let right = events.iter().filter(|event| {
            let (x, y) = middle(event["frame"].as_f64().unwrap());
            event["detections"].as_array().unwrap().iter().any(|detection| {
                let [left, top, width, height] = [0, 1, 2, 3].map(|i| detection["box"][i].as_f64().unwrap());
                // Half of what an object moves in eight frames: a box of a frame before or after would pass, a box that
                // lags by more than that not. Sizes are the detector's own matter.
                let off = (left + width / 2.0 - x).abs().max((top + height / 2.0 - y).abs());
                detection["label"] == label && off < 8.0 && (48.0..84.0).contains(&width)
            })
        });
        right.count()
    };
    let events = server.detections(&id);
    for (label, middle) in
        [("circle", (|n| (40.0 + 2.0 * n, 90.0)) as fn(f64) -> (f64, f64)), ("triangle", |n| (246.0 - 2.0 * n, 180.0))]
    {
        let right = found(&events, label, middle);
        assert!(right >= 88, "the {label} is found in its place on {right} of 90 frames");
    }
    // The mean over all frames shows a lag of a single frame, which is 2 pixels.
    let centres = events.iter().filter_map(|event| {
        let circle = event["detections"].as_array().unwrap().iter().find(|d| d["label"] == "circle")?;
        let centre = circle["box"][0].as_f64().unwrap() + circle["box"][2].as_f64().unwrap() / 2.0;
        Some(centre - (40.0 + 2.0 * event["frame"].as_f64().unwrap()))
    });
    let centres: Vec<f64> = centres.collect();
    let mean = centres.iter().sum::<f64>() / centres.len() as f64;
    println!("the circle's boxes are off by {mean:.2} pixels in the mean");
    assert!(mean.abs() < 1.0, "{mean}");
}

#[test]
fn an_upload_may_come_as_a_form_or_in_chunks() {
    let data = temp();
    let server = Server::start(data.path());
    let file = bytes(fixture("numbered-odd.mp4"));
    let head = "--cut\r\ncontent-disposition: form-data; name=\"threshold\"\r\n\r\n0.3\r\n--cut\r\n\
        content-disposition: form-data; name=\"file\"; filename=\"../../x/odd one.mp4\"\r\ncontent-type: video/mp4\r\n\r\n";
    let form = [head.as_bytes(), &file, b"\r\n--cut--\r\n"].concat();
    let kind = ("content-type", "multipart/form-data; boundary=cut");
    let answer = server.send("POST", "/api/videos", &[kind], form.as_slice()).must(201);
    let formed = answer.json();
    assert_eq!((formed["name"].as_str(), formed["bytes"].as_u64()), (Some("odd one.mp4"), Some(file.len() as u64)));
    assert_eq!(answer.header("location"), format!("/api/videos/{}", formed["id"].as_str().unwrap()));
    assert!((formed["threshold"].as_f64().unwrap() - 0.3).abs() < 1e-6);

    let mut reader = file.as_slice();
    let kind = ("content-type", "application/octet-stream");
    let path = "/api/videos?name=%3Cb%3E.mp4&threshold=0.3";
    let chunked = server.send("POST", path, &[kind], SendBody::from_reader(&mut reader)).must(201).json();
    assert_eq!((chunked["name"].as_str(), chunked["bytes"].as_u64()), (Some("<b>.mp4"), Some(file.len() as u64)));

    let ids = [&formed, &chunked].map(|video| video["id"].as_str().unwrap());
    ids.iter().for_each(|id| drop(server.done(id)));
    assert_eq!(server.detections(ids[0]), server.detections(ids[1]));
    assert_eq!(server.get(&format!("/api/videos/{}/source", ids[1])).body, file);

    let empty = b"--cut\r\ncontent-disposition: form-data; name=\"other\"\r\n\r\nx\r\n--cut--\r\n";
    let kind = ("content-type", "multipart/form-data; boundary=cut");
    super::problem::problem(server.send("POST", "/api/videos", &[kind], empty.as_slice()), 400);
}

#[test]
fn a_slow_viewer_costs_nothing_and_loses_nothing() {
    let data = temp();
    let server = Server::start(data.path());
    let long = data.path().join("long.mp4");
    media::repeated(2, &long);
    // A low threshold makes long events, so that no socket's buffers take them all.
    let video = server.send_video(&bytes(&long), "?threshold=0.000000001").must(201).json();
    let id = video["id"].as_str().unwrap();
    let slow: Vec<_> = (0..6).map(|_| server.narrow_viewer(id)).collect();
    server.viewer(id, 0).until_frame(40);
    let early = server.memory();
    let quick = frames(&server.viewer(id, 0).all());
    in_order(&quick, 0, 180);
    let grown = server.memory().saturating_sub(early);
    let bytes: usize = quick.iter().map(|event| event.to_string().len()).sum();
    println!("{bytes} bytes of events, memory grew by {grown} bytes while six viewers did not read");
    assert!(bytes > 6 << 20 && grown < 14 << 20, "memory grew by {grown} bytes, for {bytes} bytes of events");
    assert_eq!(server.done(id)["frames_done"], 180, "the work did not wait for them");
    let slow: Vec<_> = slow.into_iter().map(|viewer| std::thread::spawn(|| viewer.all())).collect();
    for viewer in slow {
        assert!(frames(&viewer.join().unwrap()) == quick, "a slow viewer got something else");
    }
}
