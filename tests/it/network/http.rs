//! Cameras over HTTP.

use std::{
    io::Write,
    net::{Shutdown, TcpStream},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use super::{
    PATIENCE, all, breaking, open, picture, refusal, says,
    web_server::{Server, path, reply},
};
use crate::media::fixture;

fn ffmpeg(arguments: &[&str]) {
    let done = Command::new("ffmpeg").args(["-y", "-loglevel", "error"]).args(arguments).status().expect("ffmpeg");
    assert!(done.success());
}

/// Drawn JPEG pictures.
fn jpegs(folder: &Path, size: &str) -> Vec<Vec<u8>> {
    let names = folder.join("%d.jpg");
    ffmpeg(&["-f", "lavfi", "-i", &format!("testsrc=size={size}:rate=10"), "-frames:v", "4", names.to_str().unwrap()]);
    (1..=4).map(|number| std::fs::read(folder.join(format!("{number}.jpg"))).unwrap()).collect()
}

fn begin(stream: &mut TcpStream, boundary: &str) {
    let kind = format!("Content-Type: multipart/x-mixed-replace; boundary={boundary}\r\n");
    let _ = stream.write_all(format!("HTTP/1.0 200 OK\r\n{kind}\r\n").as_bytes());
}

#[test]
fn motion_jpeg_comes_whatever_the_boundaries_are() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = jpegs(folder.path(), "160x120");
    // Without a length each picture must be seen before the next one's boundary: the server waits in between.
    let server = Server::start("127.0.0.1", move |head, stream| {
        let (boundary, with_length) = match path(head) {
            "/length" => ("--b", true),
            "/plain" => ("b", false),
            "/strange" => ("\"= strange; b\"", false),
            other => panic!("{other}"),
        };
        begin(stream, boundary);
        for picture in &pictures {
            let length = if with_length { format!("Content-Length: {}\r\n", picture.len()) } else { String::new() };
            let part = format!("\r\n--{}\r\nContent-Type: image/jpeg\r\n{length}\r\n", boundary.trim_matches('"'));
            let _ = stream.write_all(&[part.as_bytes(), picture].concat());
            std::thread::sleep(Duration::from_millis(300));
        }
        let _ = stream.shutdown(Shutdown::Both);
    });
    for path in ["/length", "/plain", "/strange"] {
        let mut source = open(&server.url(path), PATIENCE);
        let frames = all(&mut source);
        let numbers: Vec<_> = frames.iter().map(|frame| frame.frame.tag.frame).collect();
        assert_eq!(numbers, [0, 1, 2, 3], "{path}");
        assert_eq!((frames[0].frame.size.width, frames[0].frame.size.height), (160, 120));
        let gaps = frames.windows(2).map(|pair| pair[1].frame.tag.time - pair[0].frame.tag.time);
        assert!(gaps.clone().all(|gap| (0.1..2.0).contains(&gap)), "{path}: {:?}", gaps.collect::<Vec<_>>());
        assert_eq!(sightglass::media::LiveSource::codec(&source).as_deref(), Some("JPEG"));
    }
}

#[test]
fn a_picture_beyond_the_limit_is_refused_before_it_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let mut picture = jpegs(folder.path(), "64x64").swap_remove(0);
    let frame = picture.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    picture[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    let server = Server::start("127.0.0.1", move |_, stream| {
        begin(stream, "b");
        let _ = stream.write_all(&[b"--b\r\n\r\n", &picture[..]].concat());
    });
    says(&refusal(&server.url("/")), "65535x65535");
}

#[test]
fn what_is_no_stream_is_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let still = jpegs(folder.path(), "64x64").swap_remove(0);
    let server = Server::start("127.0.0.1", move |head, stream| match path(head) {
        "/snapshot.jpg" => reply(stream, "200 OK", "Content-Type: image/jpeg\r\n", &still),
        "/unnamed" => reply(stream, "200 OK", "", &still),
        "/page" => reply(stream, "200 OK", "Content-Type: text/html; charset=utf-8\r\n", b"<html>"),
        "/text" => reply(stream, "200 OK", "Content-Type: text/plain\r\n", b"hello, world; this is no video at all"),
        "/empty" => reply(stream, "200 OK", "", b""),
        "/parts" => reply(stream, "200 OK", "Content-Type: multipart/mixed; boundary=b\r\n", b"--b\r\n\r\nhello\r\n"),
        "/closed" => drop(stream.shutdown(Shutdown::Both)),
        "/other" => drop(stream.write_all(b"SSH-2.0-x\r\n\r\n")),
        "/full" => reply(stream, "503 Service Unavailable", "", b""),
        "/odd" => reply(stream, "418 I'm a teapot", "", b""),
        _ => reply(stream, "404 Not Found", "", b""),
    });
    for (path, words) in [
        ("/snapshot.jpg", "still picture"),
        ("/unnamed", "still picture"),
        ("/page", "web page"),
        ("/text", "no video stream"),
        ("/empty", "no video"),
        ("/parts", "no JPEG"),
        ("/closed", "before it answered"),
        ("/other", "does not speak HTTP"),
        ("/full", "as many viewers"),
        ("/odd", "error 418"),
        ("/nothing", "no stream at this path"),
    ] {
        says(&refusal(&server.url(path)), words);
    }
    says(&refusal(&server.url("/").replace("http:", "https:")), "does not speak TLS");
}

#[test]
fn user_and_password_open_an_http_camera_and_go_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let one = jpegs(folder.path(), "64x64").swap_remove(0);
    let stranger = Server::start("127.0.0.1", |head, stream| {
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
        reply(stream, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", b"");
    });
    let elsewhere = stranger.url("/");
    let server = Server::start("127.0.0.1", move |head, stream| {
        // Of ann and `p@ss: wörd`.
        if path(head) == "/away" {
            return reply(stream, "302 Found", &format!("Location: {elsewhere}\r\n"), b"");
        }
        if !head.contains("Authorization: Basic YW5uOnBAc3M6IHfDtnJk\r\n") {
            return reply(stream, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"digest, really\"\r\n", b"");
        }
        begin(stream, "b");
        let _ = stream.write_all(&[b"--b\r\n\r\n", &one[..]].concat());
    });
    let with = |who: &str, path: &str| server.url(path).replace("//", &format!("//{who}@"));
    picture(&mut open(&with(super::rtsp_server::WHO, "/"), PATIENCE));
    for url in [with("ann:wrong", "/"), server.url("/"), with(super::rtsp_server::WHO, "/away")] {
        says(&refusal(&url), "user or the password");
    }
    assert_eq!(stranger.calls(), 1);
}

/// Serves a folder's files, parts of them too, except below `/whole/`.
fn files(folder: &Path) -> Server {
    let folder = folder.to_owned();
    Server::start("127.0.0.1", move |head, stream| {
        let name = path(head).trim_start_matches('/').split('?').next().unwrap().to_owned();
        let (name, whole) = (name.trim_start_matches("whole/").to_owned(), name.starts_with("whole/"));
        let Ok(bytes) = std::fs::read(folder.join(&name)) else { return reply(stream, "404 Not Found", "", b"") };
        let range = head.lines().find_map(|line| line.strip_prefix("Range: bytes=")?.split_once('-'));
        match range.filter(|_| !whole) {
            Some((from, to)) => {
                let part = &bytes[from.parse().unwrap()..=to.parse().unwrap()];
                reply(stream, "206 Partial Content", "", part);
            }
            None => reply(stream, "200 OK", "", &bytes),
        }
    })
}

#[test]
fn hls_and_files_play_at_their_own_pace() {
    let folder = tempfile::tempdir().unwrap();
    let (source, place) = (fixture("numbered.mp4"), |name: &str| folder.path().join(name).to_str().unwrap().to_owned());
    let source = source.to_str().unwrap();
    let encode = ["-i", source, "-c:v", "libx264", "-g", "15", "-bf", "2"];
    let hls = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "0"];
    ffmpeg(&[&encode[..], &hls[..], &[&place("ts.m3u8")]].concat());
    let fragmented = ["-hls_segment_type", "fmp4", "-hls_flags", "single_file"];
    ffmpeg(&[&encode[..], &hls[..], &fragmented[..], &[&place("mp4.m3u8")]].concat());
    ffmpeg(&[&encode[..], &[&place("whole.ts")]].concat());
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nts.m3u8?x=1\n";
    std::fs::write(place("master.m3u8"), master).unwrap();
    let server = files(folder.path());
    for name in ["/ts.m3u8", "/mp4.m3u8", "/whole/mp4.m3u8", "/whole.ts", "/master.m3u8"] {
        let mut source = open(&server.url(name), PATIENCE);
        let first = picture(&mut source);
        let begun = Instant::now();
        let rest = all(&mut source);
        let last = rest.last().unwrap();
        assert_eq!((first.frame.tag.time, last.frame.tag.frame), (0.0, 89), "{name}");
        assert!((last.frame.tag.time - 89.0 / 30.0).abs() < 0.01, "{name}: {}", last.frame.tag.time);
        // Not as fast as they are decoded: that would be a tenth of a second.
        assert!(begun.elapsed() > Duration::from_secs(2), "{name} was over after {:?}", begun.elapsed());
    }
}

#[test]
fn a_live_playlist_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let source = fixture("numbered.mp4");
    let list = folder.path().join("all.m3u8");
    let (source, name) = (source.to_str().unwrap(), list.to_str().unwrap().to_owned());
    ffmpeg(&[
        "-i",
        source,
        "-c:v",
        "libx264",
        "-g",
        "15",
        "-f",
        "hls",
        "-hls_time",
        "0.5",
        "-hls_list_size",
        "0",
        &name,
    ]);
    let text = std::fs::read_to_string(&list).unwrap();
    let head: Vec<_> = text.lines().take_while(|line| !line.starts_with("#EXTINF")).map(str::to_owned).collect();
    let segments: Vec<String> = text.lines().filter(|line| line.ends_with(".ts")).map(str::to_owned).collect();
    assert!(segments.len() >= 5, "{text}");
    let (served, asked) = (files(folder.path()), std::sync::atomic::AtomicUsize::new(0));
    let base = served.url("/");
    // Each time the list has one segment more and forgets the oldest.
    let server = Server::start("127.0.0.1", move |_, stream| {
        let end = (4 + asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst)).min(segments.len());
        let from = end.saturating_sub(4);
        let mut text = head.join("\n").replace("MEDIA-SEQUENCE:0", &format!("MEDIA-SEQUENCE:{from}")) + "\n";
        segments[from..end].iter().for_each(|segment| text.push_str(&format!("#EXTINF:0.5,\n{base}{segment}\n")));
        if end == segments.len() {
            text.push_str("#EXT-X-ENDLIST\n");
        }
        reply(stream, "200 OK", "Content-Type: application/x-mpegURL\r\n", text.as_bytes());
    });
    let last = all(&mut open(&server.url("/live"), PATIENCE)).pop().unwrap();
    // Joined three segments before the end of four: 15 pictures were over already.
    assert_eq!(last.frame.tag.frame, 89 - 15);
}

#[test]
fn motion_jpeg_may_have_text_around_its_parts() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = jpegs(folder.path(), "160x120");
    let server = Server::start("127.0.0.1", move |head, stream| {
        begin(stream, "b");
        let _ = stream.write_all(b"This is a message in many parts.\r\n\r\nContent-Length: 3\r\n\r\n");
        for picture in &pictures {
            let _ = stream.write_all(&[b"--b\r\nContent-Type: image/jpeg\r\n\r\n", &picture[..], b"\r\n"].concat());
        }
        let _ = match path(head) {
            // Within the last picture.
            "/cut" => stream.write_all(&[b"--b\r\n\r\n", &pictures[0][..200]].concat()),
            _ => stream.write_all(b"--b--\r\nGood-bye.\r\n\r\nContent-Length: 9\r\n\r\n"),
        };
        let _ = stream.shutdown(Shutdown::Both);
    });
    assert!(!all(&mut open(&server.url("/whole"), PATIENCE)).is_empty());
    says(&breaking(&mut open(&server.url("/cut"), PATIENCE)), "connection to the camera broke");
}

#[test]
fn a_segment_that_is_cut_off_is_not_taken_for_whole() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.ts").to_str().unwrap().to_owned();
    ffmpeg(&["-i", fixture("numbered.mp4").to_str().unwrap(), "-c:v", "libx264", "-g", "15", &whole]);
    let segment = std::fs::read(&whole).unwrap();
    let half = segment.len() / 2;
    let server = Server::start("127.0.0.1", move |head, stream| {
        let body = match path(head) {
            "/length.m3u8" => return reply(stream, "200 OK", "", b"#EXTM3U\n#EXTINF:3\nlength.ts\n#EXT-X-ENDLIST\n"),
            "/chunks.m3u8" => return reply(stream, "200 OK", "", b"#EXTM3U\n#EXTINF:3\nchunks.ts\n#EXT-X-ENDLIST\n"),
            "/length.ts" => format!("Content-Length: {}\r\n\r\n", segment.len()),
            _ => format!("Transfer-Encoding: chunked\r\n\r\n{half:x}\r\n"),
        };
        let _ = stream.write_all(&[b"HTTP/1.1 200 OK\r\n", body.as_bytes(), &segment[..half]].concat());
        let _ = stream.shutdown(Shutdown::Both);
    });
    for path in ["/length.m3u8", "/chunks.m3u8"] {
        says(&breaking(&mut open(&server.url(path), PATIENCE)), "connection to the camera broke");
    }
}

#[test]
fn a_playlist_that_is_too_long_is_refused() {
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n";
    let server = Server::start("127.0.0.1", move |asked, stream| {
        let text = match path(asked) {
            path if path.ends_with("/bytes.m3u8") => format!("{head}{}", "a\n".repeat(2 * 1024 * 1024)),
            "/segments.m3u8" => format!("{head}{}", "a\n".repeat(20_000)),
            "/address.m3u8" => format!("{head}{}\n", "a".repeat(3000)),
            _ => "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n/segments.m3u8\n".to_owned(),
        };
        reply(stream, "200 OK", "Content-Type: application/vnd.apple.mpegurl\r\n", text.as_bytes());
    });
    let long = format!("/{}/bytes.m3u8", "p".repeat(3900));
    for path in [&long, "/segments.m3u8", "/address.m3u8", "/master.m3u8"] {
        says(&refusal(&server.url(path)), "playlist is too long");
    }
}
