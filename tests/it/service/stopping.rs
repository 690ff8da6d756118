//! Signals: what was cancelled stays cancelled, and a second signal waits for nothing.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
};

use super::{
    harness::{SHAPES, Server, bytes, temp, wait_for},
    media,
};

/// Rounds of the race below; `SIGHTGLASS_TEST_ROUNDS` asks for more.
fn rounds() -> usize {
    std::env::var("SIGHTGLASS_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(8)
}

#[test]
fn a_video_that_is_cancelled_just_before_a_stop_does_not_come_back() {
    let folder = temp();
    let (data, file) = (folder.path().join("data"), folder.path().join("long.mp4"));
    media::repeated(3, &file);
    let file = bytes(&file);
    let start = || Server::with(&data, &["--model", SHAPES]);
    let mut cancelled = Vec::new();
    for round in 0..rounds() {
        let server = start();
        let id = server.send_video(&file, "").must(201).json()["id"].as_str().unwrap().to_owned();
        // In its first frames, and further on.
        server.viewer(&id, 0).until_frame(round as u64 % 4 * 10);
        let video = server.ask("POST", &format!("/api/videos/{id}/cancel")).must(200).json();
        server.ask_to_stop();
        assert_eq!(video["state"], "cancelled");
        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        cancelled.push(video);
    }
    // Work is taken up before the server says that it is ready.
    let server = start();
    let resumed: Vec<_> =
        cancelled.iter().filter(|video| server.video(video["id"].as_str().unwrap()) != **video).collect();
    println!("{} of {} videos came back", resumed.len(), cancelled.len());
    assert!(resumed.is_empty(), "{resumed:?}");
    server.stop();
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let folder = temp();
    let long = folder.path().join("long.mp4");
    // More than the sockets of both sides hold.
    media::repeated(2000, &long);
    for (first, second, status) in [("TERM", "TERM", 143), ("INT", "INT", 130), ("TERM", "INT", 130)] {
        let data = temp();
        let server = Server::with(data.path(), &["--model", SHAPES]);
        // A download that its client does not read holds up the first stop for a while.
        let id = server.upload(&long);
        let mut stream = TcpStream::connect(server.address).unwrap();
        let head = format!("GET /api/videos/{id}/source HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
        stream.write_all(head.as_bytes()).unwrap();
        stream.read_exact(&mut [0; 1000]).unwrap();
        let signal = |name: &str| {
            let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", server.pid())]).status().unwrap();
            assert!(sent.success());
        };
        signal(first);
        wait_for("the start of stopping", || server.log().contains("a second signal").then_some(()));
        signal(second);
        let (ended, log) = server.wait();
        assert_eq!(ended.code(), Some(status), "{log}");
        assert!(!log.contains("stopped"), "it waited for its end: {log}");
    }
}
