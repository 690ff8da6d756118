//! `kill -9` and SIGTERM in the middle of things: what was found stays, the rest is made up for, nothing is left lying.

use std::{
    collections::BTreeSet,
    io::Write,
    net::TcpStream,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    harness::{Server, bytes, fixture, temp, wait_for},
    media::{self, ReadBack},
    viewer::{Word, frames, in_order},
};

/// What an undisturbed run finds on `numbered.mp4` three times in a row, and that file.
fn undisturbed(folder: &Path) -> (PathBuf, Vec<Value>) {
    let (file, data) = (folder.join("long.mp4"), folder.join("undisturbed"));
    media::repeated(3, &file);
    let server = Server::start(&data);
    let id = server.upload(&file);
    server.done(&id);
    let found = server.detections(&id);
    in_order(&found, 0, 270);
    (file, found)
}

/// All files of a data folder, as paths within it.
fn files(data: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![data.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(data).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// Asserts that there is nothing in a data folder but the store and these.
#[track_caller]
fn only(data: &Path, expected: &[String]) {
    let known = ["lock", "reserve", "sightglass.db", "sightglass.db-wal", "sightglass.db-shm", "unclean"];
    let mut found = files(data);
    found.retain(|file| !known.contains(&file.as_str()));
    assert_eq!(found, expected.iter().cloned().collect());
}

#[test]
fn a_killed_server_goes_on_from_the_last_stored_frame() {
    let folder = temp();
    let (file, expected) = undisturbed(folder.path());
    let data = folder.path().join("killed");
    let server = Server::start(&data);
    let id = server.upload(&file);
    server.viewer(&id, 0).until_frame(0);
    server.kill();
    let mut stored = 0;
    // Killed again and again, each time after some more frames.
    for moment in [30, 90, 200] {
        let server = Server::start(&data);
        let video = server.video(&id);
        assert!(video["frames_done"].as_u64().unwrap() >= stored, "what was announced is stored: {video}");
        assert!(["queued", "running"].contains(&video["state"].as_str().unwrap()), "it goes on by itself: {video}");
        stored = server.viewer(&id, 0).until_frame(moment)["frame"].as_u64().unwrap() + 1;
        server.kill();
    }
    let server = Server::start(&data);
    let events = server.viewer(&id, 0).all();
    assert_eq!(frames(&events), expected, "the same as without a kill");
    assert_eq!(server.detections(&id), expected);
    let video = server.done(&id);
    assert_eq!((video["frames_done"].as_u64(), video["frames_total"].as_u64()), (Some(270), Some(270)));
    let metrics = server.get("/metrics").text();
    let worked = metrics.lines().find_map(|line| line.strip_prefix("sightglass_frames_detected_total ")).unwrap();
    assert!(
        worked.parse::<u64>().unwrap() <= 270 - stored,
        "{worked} frames were worked on after {stored} were stored"
    );
    only(&data, &[format!("videos/{id}/source")]);
}

#[test]
fn a_stop_in_order_keeps_the_work_and_tells_the_viewers() {
    let folder = temp();
    let (file, expected) = undisturbed(folder.path());
    let data = folder.path().join("stopped");
    let mut id = String::new();
    // More often than a file may bring the server down: a stop in order is not held against it.
    for stop in 0..5 {
        let server = Server::start(&data);
        if id.is_empty() {
            id = server.upload(&file);
        }
        let mut viewer = server.viewer(&id, 0);
        match stop {
            0 => drop(viewer.until_frame(20)),
            _ => assert_eq!(viewer.event()["type"], "status"),
        }
        server.ask_to_stop();
        let (events, last) = viewer.last_words();
        assert!(matches!(&last, Word::Close(1001, reason) if reason.contains("stopping")), "{last:?}");
        assert!(events.iter().all(|event| event["type"] != "end"));
        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("stopped") && !log.contains("ERROR"), "{log}");
    }
    let server = Server::start(&data);
    assert_eq!(frames(&server.viewer(&id, 0).all()), expected);
    server.stop();
    only(&data, &[format!("videos/{id}/source")]);
}

#[test]
fn half_uploads_are_removed() {
    let folder = temp();
    let data = folder.path();
    let file = bytes(fixture("numbered.mp4"));
    let server = Server::start(data);
    let uploads = || std::fs::read_dir(data.join("uploads")).unwrap().count();
    let begin = |server: &Server| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let head = format!(
            "POST /api/videos HTTP/1.1\r\nhost: {}\r\ncontent-type: video/mp4\r\ncontent-length: {}\r\n\r\n",
            server.address,
            file.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&file[..file.len() / 2]).unwrap();
        wait_for("the half upload", || (uploads() == 1).then_some(()));
        stream
    };
    // The uploader leaves.
    drop(begin(&server));
    wait_for("the end of what was left", || (uploads() == 0).then_some(()));
    // The server is killed; another one that is started too early leaves its files alone.
    let stream = begin(&server);
    let mut second = super::harness::program();
    let second = second.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("used by another sightglass"));
    assert_eq!(uploads(), 1, "the second server removed an upload of the first");
    server.kill();
    drop(stream);
    assert_eq!(uploads(), 1);
    // What a crash between two steps may leave: a folder without a row.
    std::fs::create_dir_all(data.join("videos/0123")).unwrap();
    std::fs::write(data.join("videos/0123/source"), "nobody's").unwrap();
    let server = Server::start(data);
    assert_eq!(server.get("/api/videos").json()["items"], json!([]));
    only(data, &[]);
    // A stop in order in the middle of an upload.
    let stream = begin(&server);
    server.stop();
    drop(stream);
    only(data, &[]);
}

#[test]
fn a_recording_starts_again_after_a_kill() {
    for format in ["avi", "mp4"] {
        let folder = temp();
        let data = folder.path().join("data");
        let file = folder.path().join("long.mp4");
        media::repeated(2, &file);
        let server = Server::start(&data);
        let id = server.upload(&file);
        server.done(&id);
        let answer = server.post_json(&format!("/api/videos/{id}/recordings"), &json!({"format": format})).must(202);
        let location = answer.header("location").to_owned();
        let recording = location.rsplit('/').next().unwrap().to_owned();
        let part = data.join(format!("videos/{id}/recording-{recording}.part"));
        wait_for("the start of the recording", || part.exists().then_some(()));
        server.kill();
        assert!(part.exists(), "killed too late: the recording was finished");

        let server = Server::start(&data);
        let told = server.recorded(&location);
        assert_eq!((told["frames_done"].as_u64(), told["frames_total"].as_u64()), (Some(180), Some(180)));
        let copy = folder.path().join(format!("copy.{format}"));
        std::fs::write(&copy, server.get(&format!("{location}/file")).must(200).body).unwrap();
        let expected: Vec<usize> = (0..180).map(|n| n % 90).collect();
        assert_eq!(ReadBack::open(&copy).numbers(), expected);
        only(&data, &[format!("videos/{id}/source"), format!("videos/{id}/recording-{recording}.{format}")]);
    }
}
