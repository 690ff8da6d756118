//! Network cameras: they come, hang, go and come back, and hold up nobody else.

use std::time::Instant;

use serde_json::{Value, json};

use super::{
    harness::{Server, temp, wait_for},
    media::ReadBack,
    picture_viewers::read,
    problem::problem,
    viewer::Word,
};
use crate::network::rtsp_server::{RtspServer, WHO};

const LOOPBACK: [&str; 4] = ["--stream-networks", "127.0.0.0/8", "--silence", "2s"];

fn add(server: &Server, url: &str) -> String {
    let answer = server.post_json("/api/streams", &json!({"url": url, "name": "Yard"})).must(201);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), format!("/api/streams/{id}"));
    id
}

fn stream(server: &Server, id: &str) -> Value {
    server.get(&format!("/api/streams/{id}")).must(200).json()
}

/// Waits until the stream has worked on so many more frames.
fn grows(server: &Server, id: &str, by: u64) -> Value {
    let from = stream(server, id)["frames_done"].as_u64().unwrap();
    wait_for("more frames", || {
        let now = stream(server, id);
        (now["frames_done"].as_u64().unwrap() >= from + by && now["state"] == "live").then_some(now)
    })
}

fn until_state(server: &Server, id: &str, state: &str) -> Value {
    wait_for(state, || Some(stream(server, id)).filter(|now| now["state"] == state))
}

#[test]
fn a_camera_that_hangs_or_goes_comes_back_and_holds_up_no_other() {
    let data = temp();
    let server = Server::with(data.path(), &LOOPBACK);
    let (mut troubled, steady) = (RtspServer::start(25), RtspServer::start(25));
    let (one, other) = (add(&server, &troubled.url("/live")), add(&server, &steady.url("/live")));
    let mut viewer = server.socket(&format!("/api/streams/{one}/events"), None).unwrap();
    grows(&server, &one, 50);
    let calm = grows(&server, &other, 50)["detect_fps"].as_f64().unwrap();
    let mut worst = f64::MAX;
    let mut watch = |what: &str, state: &str| {
        wait_for(what, || {
            let fps = stream(&server, &other)["detect_fps"].as_f64().unwrap_or(0.0);
            worst = worst.min(fps);
            Some(stream(&server, &one)).filter(|now| now["state"] == state)
        })
    };
    troubled.freeze();
    let frozen = watch("the frozen one to be noticed", "reconnecting");
    assert!(frozen["error"].as_str().unwrap().ends_with('.') && frozen["retry_at"].is_string(), "{frozen}");
    troubled.thaw();
    let back = watch("the thawed one to be back", "live");
    assert!(back["error"].is_null() && back["retry_at"].is_null(), "{back}");
    troubled.stop();
    watch("the stopped one to be noticed", "reconnecting");
    troubled.restart();
    watch("the restarted one to be back", "live");
    println!("the other camera: {calm} fps in calm, {worst} at the worst");
    // .config/nextest.toml lets this test run alone; what is left is the noise of a shared machine.
    assert!(worst > calm * 0.7, "the other camera went from {calm} to {worst} fps");
    // Frames go on counting, in order, through all of it.
    let mut last = None;
    while last < stream(&server, &one)["frames_done"].as_u64() {
        let event = viewer.event();
        if event["type"] == "frame" {
            assert!(event["frame"].as_u64() > last, "{event} after {last:?}");
            last = event["frame"].as_u64();
        }
    }
    troubled.freeze();
    let asked = Instant::now();
    server.ask("DELETE", &format!("/api/streams/{one}")).must(204);
    assert!(asked.elapsed().as_secs_f64() <= 2.0, "deleting a frozen camera took {:?}", asked.elapsed());
    problem(server.get(&format!("/api/streams/{one}")), 404);
    let (_, end) = viewer.last_words();
    assert!(matches!(end, Word::Close(1000, _)), "{end:?}");
    server.stop();
}

#[test]
fn a_wall_of_cameras_is_watched_and_recorded() {
    let data = temp();
    let server = Server::with(data.path(), &LOOPBACK);
    let camera = RtspServer::start(25);
    let id = add(&server, &camera.url("/numbered"));
    grows(&server, &id, 10);
    let mut viewer = server.socket(&format!("/api/streams/{id}/pictures?width=480"), None).unwrap();
    let begun = server.post_json(&format!("/api/streams/{id}/recordings"), &json!({"format": "avi"})).must(202);
    let mut found = 0;
    for _ in 0..30 {
        viewer.say(r#"{"type":"more","count":1}"#);
        let mut event = viewer.event();
        if event["type"] == "dropped" {
            event = viewer.event();
        }
        let Word::Picture(jpeg) = viewer.next() else { panic!("a picture was due") };
        // The boxes are around the shapes of the very number that is drawn into this picture.
        let (number, ..) = read(&jpeg);
        for detection in event["detections"].as_array().unwrap() {
            let middle = detection["box"][0].as_f64().unwrap() + detection["box"][2].as_f64().unwrap() / 2.0;
            let truth = match detection["class_id"].as_u64() {
                Some(0) => 40.0 + 2.0 * number as f64,
                Some(2) => 246.0 - 2.0 * number as f64,
                _ => continue,
            };
            found += 1;
            assert!((middle - truth).abs() <= 8.0, "picture {number}, box of {event}");
        }
    }
    assert!(found >= 40, "{found} boxes on 30 pictures");
    server.ask("POST", &format!("{}/stop", begun.header("location"))).must(200);
    let done = server.recorded(begun.header("location"));
    let file = data.path().join("back.avi");
    std::fs::write(&file, server.get(&format!("{}/file", begun.header("location"))).must(200).body).unwrap();
    let back = ReadBack::open(&file);
    // 25 pictures a second that count up by one: the file's pace is the camera's. A step may repeat or be left out.
    let numbers = back.numbers();
    let counted: usize = numbers.windows(2).map(|pair| (pair[1] + 90 - pair[0]) % 90).sum();
    let expected = back.seconds * 25.0;
    assert!(
        (counted as f64 - expected).abs() < 0.2 * expected + 3.0,
        "{counted} numbers in {} s, {done}",
        back.seconds
    );
}

#[test]
fn cameras_and_their_state_survive_a_restart() {
    let data = temp();
    let camera = RtspServer::start(25);
    let secret = camera.url("/secret").replace("rtsp://", &format!("rtsp://{WHO}@"));
    let server = Server::with(data.path(), &LOOPBACK);
    let (open, paused) = (add(&server, &secret), add(&server, &camera.url("/live")));
    grows(&server, &paused, 5);
    server.ask("POST", &format!("/api/streams/{paused}/pause")).must(200);
    let at_rest = until_state(&server, &paused, "paused");
    let before = grows(&server, &open, 20);
    assert_eq!(before["url"], camera.url("/…"), "user and password are not shown, nor what looks like one");
    let log = server.log();
    assert!(!log.contains("p%40ss") && !log.contains("p@ss"), "{log}");
    server.stop();
    let server = Server::with(data.path(), &LOOPBACK);
    let after = grows(&server, &open, 20);
    assert!(after["frames_done"].as_u64() > before["frames_done"].as_u64(), "counts go on");
    let still = until_state(&server, &paused, "paused");
    assert_eq!((&still["frames_done"], &still["name"]), (&at_rest["frames_done"], &at_rest["name"]));
    let kept = stream(&server, &open);
    // `kill -9` too.
    server.kill();
    let server = Server::with(data.path(), &LOOPBACK);
    assert!(grows(&server, &open, 5)["frames_done"].as_u64() >= before["frames_done"].as_u64(), "{kept}");
    let all = server.get("/api/streams").must(200).json();
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    server.ask("DELETE", &format!("/api/streams/{paused}")).must(204);
    server.stop();
    // Where the operator takes the permission back, the camera is not connected any more, and says why.
    let server = Server::start(data.path());
    let refused = until_state(&server, &open, "reconnecting");
    assert!(refused["error"].as_str().unwrap().contains("--stream-networks"), "{refused}");
}

#[test]
fn addresses_that_are_not_allowed_are_refused_in_words() {
    let data = temp();
    let server = Server::start(data.path());
    let ask = |url: &str| server.post_json("/api/streams", &json!({"url": url}));
    for private in [
        "rtsp://127.0.0.1/live",
        "rtsp://ann:hushhush@192.168.1.20/live",
        "http://[::1]:80/",
        "http://169.254.169.254/latest/meta-data",
        "rtsp://10.0.0.1/x",
        "http://[::ffff:127.0.0.1]/",
        "srt://127.0.0.1:9000",
    ] {
        let words = problem(ask(private), 403);
        assert!(words.contains("--stream-networks") && !words.contains("hushhush"), "{words}");
    }
    for scheme in ["file:///etc/passwd", "ftp://example.org/x", "gopher://example.org", "rtmp://example.org/x"] {
        assert!([400, 403].contains(&ask(scheme).status), "{scheme}");
    }
    for none in ["", "hello", "rtsp://", "http://exa mple.org/"] {
        problem(ask(none), 400);
    }
    problem(server.send("POST", "/api/streams", &[], &br#"{"url": 7, "password": "hushhush"}"#[..]), 400);
    let words = problem(server.post_json("/api/streams", &json!({"url": "rtsp://8.8.8.8/x", "model": "nope"})), 404);
    assert!(words.contains("nope"), "{words}");
    assert_eq!(server.get("/api/streams").must(200).json()["items"], json!([]));
    assert!(!server.log().contains("hushhush"));
}

#[test]
fn cameras_for_which_there_is_no_place_are_listed_and_wait() {
    let data = temp();
    let camera = RtspServer::start(25);
    let server = Server::with(data.path(), &LOOPBACK);
    let ids = [0; 3].map(|_| add(&server, &camera.url("/live")));
    grows(&server, &ids[2], 5);
    server.ask("POST", &format!("/api/streams/{}/pause", ids[2])).must(200);
    server.stop();
    let server = Server::with(data.path(), &[&LOOPBACK[..], &["--max-streams", "1"]].concat());
    let all = server.get("/api/streams").must(200).json();
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
    grows(&server, &ids[0], 5);
    for id in &ids[1..] {
        let waits = stream(&server, id);
        assert_eq!(waits["state"], "waiting", "{waits}");
        assert!(waits["error"].as_str().unwrap().contains("1 live streams run already"), "{waits}");
    }
    problem(server.post_json("/api/streams", &json!({"url": camera.url("/live")})), 429);
    // It can be followed and deleted as any other.
    let mut viewer = server.socket(&format!("/api/streams/{}/events", ids[1]), None).unwrap();
    assert_eq!(viewer.event()["state"], "waiting");
    server.ask("DELETE", &format!("/api/streams/{}", ids[1])).must(204);
    let (_, end) = viewer.last_words();
    assert!(matches!(end, Word::Close(1000, _)), "{end:?}");
    problem(server.get(&format!("/api/streams/{}", ids[1])), 404);
    assert_eq!(stream(&server, &ids[2])["state"], "waiting", "the place is still taken");
    // When there is a place it is taken up, as it was left.
    server.ask("DELETE", &format!("/api/streams/{}", ids[0])).must(204);
    until_state(&server, &ids[2], "paused");
    server.ask("POST", &format!("/api/streams/{}/resume", ids[2])).must(200);
    grows(&server, &ids[2], 5);
    server.stop();
    let server = Server::with(data.path(), &LOOPBACK);
    assert_eq!(server.get("/api/streams").must(200).json()["items"].as_array().unwrap().len(), 1);
    server.stop();
}

#[test]
fn a_camera_with_an_endless_playlist_costs_little_and_ends_at_once() {
    let data = temp();
    let server = Server::with(data.path(), &LOOPBACK);
    // The longest list that is taken, under a long address, whose segments are empty; and one that is far too long.
    let camera = crate::network::web_server::Server::start("127.0.0.1", |head, stream| {
        let most = if head.contains("/far") { 1_000_000 } else { 10_000 };
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{}#EXT-X-ENDLIST\n", "a\n".repeat(most));
        let body = if head.contains(".m3u8") { text.as_bytes() } else { b"" };
        crate::network::web_server::reply(stream, "200 OK", "Content-Type: application/x-mpegURL\r\n", body);
    });
    let before = server.memory();
    let long = "p".repeat(3900);
    let far = add(&server, &camera.url(&format!("/far/{long}/l.m3u8")));
    let refused = until_state(&server, &far, "reconnecting");
    assert!(refused["error"].as_str().unwrap().contains("playlist is too long"), "{refused}");
    let near = add(&server, &camera.url(&format!("/{long}/l.m3u8")));
    let calls = camera.calls();
    wait_for("segments to be asked for", || (camera.calls() > calls + 200).then_some(()));
    let grown = server.memory().saturating_sub(before) >> 20;
    assert!(grown < 300, "{grown} MiB more");
    for id in [far, near] {
        server.ask("DELETE", &format!("/api/streams/{id}")).must(204);
    }
    // One that is on its way may still come.
    let calls = camera.calls();
    let steady = add(&server, &camera.url("/one.ts"));
    until_state(&server, &steady, "reconnecting");
    assert!(camera.calls() <= calls + 10, "{} calls after the streams were deleted", camera.calls() - calls);
    server.stop();
}
