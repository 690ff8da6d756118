//! Cameras pushed by WebRTC through the whole service: WHIP over HTTP, events on the data channel and on sockets.

use serde_json::{Value, json};

use super::{
    harness::{Server, temp, wait_for},
    media::{ReadBack, repeated},
    problem::problem,
    viewer::Word,
};
use crate::webrtc::Pusher;

/// Sends an offer; the answer's SDP and the session's address.
fn push(server: &Server, query: &str, offer: &str) -> (String, String) {
    let answer =
        server.send("POST", &format!("/api/streams/whip{query}"), &[("content-type", "application/sdp")], offer);
    let answer = answer.must(201);
    assert_eq!(answer.header("content-type"), "application/sdp");
    (answer.text(), answer.header("location").to_owned())
}

fn start() {
    sightglass::media::init().unwrap();
}

/// The frame events among what came on a data channel.
fn frames(pusher: &Pusher) -> Vec<Value> {
    let all = pusher.messages();
    let events = all.iter().map(|text| serde_json::from_str::<Value>(text).unwrap());
    events.filter(|event| event["type"] == "frame").collect()
}

#[test]
fn a_pushed_camera_is_detected_watched_paused_and_recorded() {
    start();
    let data = temp();
    let server = Server::start(data.path());
    let long = data.path().join("long.mp4");
    repeated(20, &long);
    let clip = format!("filesrc location=\"{}\" ! decodebin ! identity sync=true ! videoconvert", long.display());
    let (pusher, offer) = Pusher::of(&clip, "VP8");
    let (answer, address) = push(&server, "?name=Phone&threshold=0.3", &offer);
    pusher.accept(&answer);
    let mut viewer = server.socket(&format!("{address}/events"), None).unwrap();
    let first = viewer.event();
    assert_eq!(
        (first["type"].as_str(), first["name"].as_str(), first["kind"].as_str()),
        (Some("status"), Some("Phone"), Some("webrtc"))
    );
    let event = viewer.until_frame(10);
    assert!(event["latency_ms"].as_f64().unwrap() > 0.0 && event.get("mark").is_none(), "{event}");
    let here = wait_for("the same on the data channel", || {
        frames(&pusher).into_iter().find(|one| one["frame"] == event["frame"])
    });
    assert_eq!(here, event);
    let begun = server.post_json(&format!("{address}/recordings"), &json!({"format": "mp4"})).must(202);
    viewer.until_frame(40);
    pusher.send(r#"{"type":"pause"}"#);
    while viewer.event()["state"] != "paused" {}
    let at_rest = server.get(&address).must(200).json();
    assert_eq!(at_rest["state"], "paused");
    pusher.send(r#"{"type":"resume"}"#);
    let later = server.get(&address).must(200).json()["frames_done"].as_u64().unwrap();
    assert!(later <= at_rest["frames_done"].as_u64().unwrap() + 1, "no inference is spent on a pause");
    pusher.stop();
    // The sender hung up: the stream ends, and its recording is whole.
    let (_, last) = viewer.last_words();
    assert!(matches!(last, Word::Close(1000, _)), "{last:?}");
    problem(server.get(&address), 404);
    let done = server.recorded(begun.header("location"));
    let file = data.path().join("back.mp4");
    std::fs::write(&file, server.get(&format!("{}/file", begun.header("location"))).must(200).body).unwrap();
    let back = ReadBack::open(&file);
    let told: Vec<(u64, f64)> =
        frames(&pusher).iter().map(|f| (f["frame"].as_u64().unwrap(), f["time"].as_f64().unwrap())).collect();
    assert_eq!(done["frames_done"].as_u64(), Some(back.len() as u64), "{told:?}, {:?}", back.times);
    let steps = back.times.windows(2).all(|pair| pair[1] > pair[0]);
    assert!(
        steps && back.numbers().windows(2).all(|pair| (pair[1] + 90 - pair[0]) % 90 < 45),
        "{:?} at {:?}",
        back.numbers(),
        back.times
    );
}

#[test]
fn every_codec_reaches_the_detector() {
    start();
    let data = temp();
    let server = Server::start(data.path());
    for codec in ["H264", "VP8", "VP9"] {
        let (pusher, offer) = Pusher::new(codec);
        let (answer, address) = push(&server, "", &offer);
        pusher.accept(&answer);
        wait_for("ten frames", || (frames(&pusher).len() >= 10).then_some(()));
        let info = server.get(&address).must(200).json();
        assert_eq!(info["codec"].as_str().unwrap().replace('.', ""), codec, "{info}");
        server.ask("DELETE", &address).must(200);
        problem(server.get(&address), 404);
    }
}

#[test]
fn offers_that_are_none_are_refused_in_words() {
    start();
    let data = temp();
    let server = Server::with(data.path(), &["--max-streams", "1", "--ice-server", "turn:ann:hush@192.0.2.7:3478"]);
    let send = |kind: &str, body: &str| server.send("POST", "/api/streams/whip", &[("content-type", kind)], body);
    problem(send("application/json", "{}"), 415);
    problem(send("application/sdp", "hello"), 415);
    problem(send("application/sdp", &"v=0\r\n".repeat(60_000)), 413);
    let sound = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
                 c=IN IP4 0.0.0.0\r\na=rtpmap:111 opus/48000/2\r\na=sendonly\r\n";
    problem(send("application/sdp", sound), 422);
    let (pusher, offer) = Pusher::new("VP8");
    let query = |query: &str| {
        server.send(
            "POST",
            &format!("/api/streams/whip{query}"),
            &[("content-type", "application/sdp")],
            offer.as_str(),
        )
    };
    problem(query("?mark=hello"), 400);
    problem(query("?threshold=2"), 400);
    problem(query("?model=nope"), 404);
    let answer = query("").must(201);
    assert!(answer.header("link").contains("rel=\"ice-server\"") && answer.header("link").contains("username=\"ann\""));
    pusher.accept(&answer.text());
    assert_eq!(query("").must(429).header("retry-after"), "30");
    problem(server.ask("PATCH", answer.header("location")), 405);
    let settings = server.get("/api/settings").must(200).json();
    assert_eq!(
        settings["ice_servers"],
        json!([{"urls": "turn:192.0.2.7:3478", "username": "ann", "credential": "hush"}])
    );
    server.ask("DELETE", answer.header("location")).must(200);
    server.stop();
}

#[test]
fn sessions_that_are_torn_away_leave_nothing() {
    start();
    let data = temp();
    let server = Server::with(data.path(), &["--silence", "3s"]);
    let settled = || {
        wait_for("all streams to be gone", || {
            let metrics = server.get("/metrics").must(200).text();
            let read = |name: &str| {
                let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap();
                line.trim().parse::<f64>().unwrap() as i64
            };
            (read("sightglass_streams ") == 0)
                .then(|| (read("sightglass_threads "), read("sightglass_open_descriptors ")))
        })
    };
    let round = |count: usize| {
        for n in 0..count {
            let (pusher, offer) = Pusher::new("VP8");
            let (answer, _) = push(&server, "", &offer);
            if n % 3 > 0 {
                pusher.accept(&answer);
                wait_for("a frame", || (!frames(&pusher).is_empty()).then_some(()));
            }
            if n % 3 == 1 {
                // No goodbye: a telephone that fell asleep.
                pusher.freeze();
            }
        }
        settled()
    };
    round(6);
    let before = (round(6), server.memory());
    let after = (round(30), server.memory());
    println!("threads, descriptors and bytes: {before:?} before, {after:?} after 30 sessions");
    assert!(after.0.0 <= before.0.0 + 2, "threads: {before:?}, {after:?}");
    assert!(after.0.1 <= before.0.1 + 4, "descriptors: {before:?}, {after:?}");
    assert!(after.1 < before.1 + (30 << 20), "memory: {before:?}, {after:?}");
}
