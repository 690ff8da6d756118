//! Refusals: too much, too large, not from there, not now, not like that; each in words.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::json;
use ureq::SendBody;

use super::{
    harness::{Server, bytes, fixture, temp, wait_for},
    problem::{problem, secured},
    viewer::frames,
};

#[test]
fn eight_videos_at_once_are_worked_on_fairly() {
    let data = temp();
    let server = Server::with(data.path(), &["--max-running", "8"]);
    let file = bytes(fixture("numbered.mp4"));
    let ids: Vec<String> = std::thread::scope(|scope| {
        let uploads: Vec<_> = (0..8).map(|_| scope.spawn(|| server.send_video(&file, "").must(201).json())).collect();
        uploads.into_iter().map(|upload| upload.join().unwrap()["id"].as_str().unwrap().to_owned()).collect()
    });
    let first = wait_for("the first to be done", || {
        let videos = server.get("/api/videos").must(200).json()["items"].as_array().unwrap().clone();
        videos.iter().any(|video| video["state"] == "done").then_some(videos)
    });
    let progress: Vec<u64> = first.iter().map(|video| video["frames_done"].as_u64().unwrap()).collect();
    println!("frames done when the first video was: {progress:?}");
    assert!(progress.iter().all(|&done| done > 20), "one starves: {progress:?}");
    let expected = {
        server.done(&ids[0]);
        server.detections(&ids[0])
    };
    for id in &ids {
        assert_eq!(server.done(id)["frames_done"], 90);
        assert_eq!(server.detections(id), expected, "in company the same is found as alone");
    }
}

#[test]
fn what_is_over_a_limit_is_refused() {
    let data = temp();
    let server = Server::with(data.path(), &["--max-running", "1", "--max-queue", "1", "--max-upload", "40000"]);
    let file = bytes(fixture("numbered.mp4"));
    let running = server.send_video(&file, "").must(201).json()["id"].as_str().unwrap().to_owned();
    let waiting = server.send_video(&file, "").must(201).json()["id"].as_str().unwrap().to_owned();
    let answer = server.send_video(&file, "");
    // The first may have ended meanwhile on a quick machine; then there is room for one more, and not for two.
    let answer = if answer.status == 201 { server.send_video(&file, "") } else { answer };
    let again: u64 = answer.header("retry-after").parse().expect("Retry-After in seconds");
    assert!(again > 0);
    assert!(problem(answer, 429).contains("wait"));
    [running, waiting].iter().for_each(|id| drop(server.done(id)));

    // With its length told, and without.
    let large = vec![0; 50_000];
    assert!(problem(server.send_video(&large, ""), 413).contains("larger"));
    let kind = ("content-type", "video/mp4");
    let mut reader = large.as_slice();
    problem(server.send("POST", "/api/videos", &[kind], SendBody::from_reader(&mut reader)), 413);
    let form =
        [b"--cut\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\n".as_slice(), &large, b"\r\n--cut--\r\n"];
    let form_kind = ("content-type", "multipart/form-data; boundary=cut");
    problem(server.send("POST", "/api/videos", &[form_kind], form.concat().as_slice()), 413);
    // More than what lies in buffers on the way: the answer is there when everything was sent.
    problem(server.send_video(&vec![0; 32 << 20], ""), 413);
    let mut reader = std::io::Read::take(std::io::repeat(1), 32 << 20);
    problem(server.send("POST", "/api/videos", &[kind], SendBody::from_reader(&mut reader)), 413);
    // A length that nobody would wait for is refused before a byte of it is read.
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head =
        "POST /api/videos HTTP/1.1\r\nhost: x\r\ncontent-type: video/mp4\r\ncontent-length: 999999999999\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert_eq!(std::fs::read_dir(data.path().join("uploads")).unwrap().count(), 0, "nothing of it is left");
    let path =
        format!("/api/videos/{}/recordings", server.get("/api/videos").json()["items"][0]["id"].as_str().unwrap());
    problem(server.post_json(&path, &json!({"format": "x".repeat(100_000)})), 413);
}

#[test]
fn a_full_disk_is_told() {
    let data = temp();
    let server = Server::with(data.path(), &["--keep-free", "1000TiB"]);
    let file = bytes(fixture("numbered.mp4"));
    assert!(problem(server.send_video(&file, ""), 507).contains("disk is full"));
    let mut reader = file.as_slice();
    let kind = ("content-type", "video/mp4");
    problem(server.send("POST", "/api/videos", &[kind], SendBody::from_reader(&mut reader)), 507);
    assert_eq!(server.get("/api/videos").json()["items"], json!([]));
}

#[test]
fn a_video_beyond_the_limits_of_media_is_refused() {
    let data = temp();
    let server = Server::with(data.path(), &["--max-duration", "2s", "--max-pixels", "80000"]);
    let detail = problem(server.send_video(&bytes(fixture("numbered.mp4")), ""), 422);
    assert!(detail.contains("long") || detail.contains(" s"), "{detail}");
    assert!(problem(server.send_video(&bytes(fixture("numbered-rotated.mp4")), ""), 422).contains("80000"));
    let id = server.upload(fixture("numbered-odd.mp4"));
    server.done(&id);
}

#[test]
fn strangers_may_not_use_a_visitors_browser() {
    let data = temp();
    let server = Server::with(data.path(), &["--allow-origin", "https://friend.example"]);
    let id = server.upload(fixture("numbered-odd.mp4"));
    let own = format!("http://{}", server.address);
    for path in [format!("/api/videos/{id}/events"), format!("/api/videos/{id}/pictures")] {
        assert_eq!(server.socket(&path, Some("https://evil.example")).err(), Some(403));
        assert_eq!(server.socket(&path, Some("null")).err(), Some(403));
        for origin in [None, Some(own.as_str()), Some("https://friend.example")] {
            assert!(server.socket(&path, origin).is_ok(), "{origin:?}");
        }
        assert_eq!(server.socket(&path.replace(&id, "unknown"), None).err(), Some(404));
    }
    let evil = [("origin", "https://evil.example")];
    problem(server.send("DELETE", &format!("/api/videos/{id}"), &evil, SendBody::none()), 403);
    problem(server.send("POST", "/api/videos", &evil, bytes(fixture("numbered-odd.mp4"))), 403);
    server.done(&id);
}

#[test]
fn a_server_full_of_viewers_says_so() {
    let data = temp();
    let server = Server::with(data.path(), &["--max-viewers", "1"]);
    let id = server.upload(fixture("numbered.mp4"));
    let first = server.viewer(&id, 0);
    assert_eq!(server.socket(&format!("/api/videos/{id}/events"), None).err(), Some(429));
    assert_eq!(frames(&first.all()).len(), 90);
    let path = format!("/api/videos/{id}/events");
    wait_for("a place for the next", || server.socket(&path, None).ok());
}

#[test]
fn wrong_calls_are_answered_in_words() {
    let data = temp();
    let server = Server::start(data.path());
    let file = bytes(fixture("numbered.mp4"));
    let id = server.upload(fixture("numbered.mp4"));
    server.done(&id);
    let recording = server.record(&id, &json!({}))["id"].as_str().unwrap().to_owned();
    for path in ["", "/source", "/detections"] {
        problem(server.get(&format!("/api/videos/unknown{path}")), 404);
    }
    for path in ["/cancel", "/retry", "/recordings"] {
        problem(server.ask("POST", &format!("/api/videos/unknown{path}")), 404);
        if path != "/recordings" {
            problem(server.ask("POST", &format!("/api/videos/{id}{path}")), 409);
        }
    }
    problem(server.ask("DELETE", "/api/videos/unknown"), 404);
    problem(server.get("/api/recordings/unknown"), 404);
    problem(server.get("/api/recordings/unknown/file"), 404);
    for path in ["/api/nothing", "/api", "/api/videos/a/b/c", "/nothing.html", "/../Cargo.toml", "/%2e%2e/Cargo.toml"] {
        problem(server.get(path), 404);
    }
    for (method, path) in [
        ("PUT", "/api/videos".to_owned()),
        ("PATCH", format!("/api/videos/{id}")),
        ("GET", format!("/api/videos/{id}/cancel")),
        ("POST", format!("/api/videos/{id}/source")),
        ("DELETE", "/api/models".into()),
        ("POST", "/healthz".into()),
        ("PATCH", format!("/api/recordings/{recording}")),
    ] {
        problem(server.send(method, &path, &[], SendBody::none()), 405);
    }
    // An events address without a WebSocket.
    problem(server.get(&format!("/api/videos/{id}/events")), 426);
    for query in ["threshold=7", "threshold=0", "threshold=x", "threshold=NaN"] {
        problem(server.send_video(&file, &format!("?{query}")), 400);
    }
    problem(server.send_video(&file, "?model=unknown"), 404);
    for query in ["detections?from=x", "detections?from=-1", "detections?limit=y", "detections?format=unknown"] {
        problem(server.get(&format!("/api/videos/{id}/{query}")), 400);
    }
    problem(server.get("/api/videos?limit=x"), 400);
    problem(server.get("/api/videos?cursor=%3Cscript%3E"), 400);
    for body in
        [json!({"format": "gif"}), json!({"colour": 1}), json!([1]), json!({"threshold": 3}), json!({"classes": [-1]})]
    {
        problem(server.post_json(&format!("/api/videos/{id}/recordings"), &body), 400);
    }
    let broken = server.send("POST", &format!("/api/videos/{id}/recordings"), &[], "{\"format\":");
    problem(broken, 400);
}

#[test]
fn ranges_and_tags_are_honoured() {
    let data = temp();
    let server = Server::start(data.path());
    let file = bytes(fixture("numbered.mp4"));
    let id = server.upload(fixture("numbered.mp4"));
    server.done(&id);
    let location = format!("/api/recordings/{}/file", server.record(&id, &json!({}))["id"].as_str().unwrap());
    let recorded = server.get(&location).must(200);
    assert!(recorded.header("content-disposition").starts_with("attachment"));
    assert_eq!(recorded.header("content-type"), "video/x-msvideo");
    for (path, whole) in [(format!("/api/videos/{id}/source"), file), (location, recorded.body)] {
        let length = whole.len();
        let answer = server.get(&path).must(200);
        assert_eq!((answer.body == whole, answer.header("accept-ranges")), (true, "bytes"));
        secured(&answer);
        let tag = answer.header("etag").to_owned();
        assert!(tag.starts_with('"'));
        let ranged = |range: &str| server.send("GET", &path, &[("range", range)], SendBody::none());
        for (range, from, to) in [
            ("bytes=10-29", 10, 30),
            ("bytes=0-0", 0, 1),
            ("bytes=-20", length - 20, length),
            ("bytes=100-", 100, length),
            ("bytes=50-99999999", 50, length),
        ] {
            let part = ranged(range).must(206);
            assert!(part.body == whole[from..to], "{range}");
            assert_eq!(part.header("content-range"), format!("bytes {from}-{}/{length}", to - 1));
            secured(&part);
        }
        for range in ["bytes=99999999-", &format!("bytes={length}-"), "bytes=-0"] {
            let answer = ranged(range);
            assert_eq!(answer.header("content-range"), format!("bytes */{length}"), "{range}");
            problem(answer, 416);
        }
        let known = server.send("GET", &path, &[("if-none-match", &tag)], SendBody::none()).must(304);
        assert_eq!((known.body.len(), known.header("etag")), (0, tag.as_str()));
        secured(&known);
        let other = [("if-range", "\"other\""), ("range", "bytes=0-3")];
        assert_eq!(server.send("GET", &path, &other, SendBody::none()).must(200).body.len(), length);
        let same = [("if-range", tag.as_str()), ("range", "bytes=0-3")];
        assert_eq!(server.send("GET", &path, &same, SendBody::none()).must(206).body.len(), 4);
        let head = server.ask("HEAD", &path).must(200);
        assert_eq!((head.body.len(), head.header("content-length")), (0, length.to_string().as_str()));
    }
}
