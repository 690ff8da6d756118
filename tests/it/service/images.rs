//! `/api/images` from outside: every kind of body and of answer, and every refusal in words.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use base64::{Engine, engine::general_purpose};
use serde_json::{Value, json};
use sightglass::vision::picture;
use ureq::SendBody;

use super::{
    harness::{Answer, SHAPES, Server, bytes, fixture, temp, wait_for},
    problem::{problem, secured},
};
use crate::vision_still::{gif, turned_jpeg};

const JPEG: (&str, &str) = ("content-type", "image/jpeg");
const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=cut");

pub fn send(server: &Server, query: &str, picture: &[u8]) -> Answer {
    server.send("POST", &format!("/api/images{query}"), &[JPEG], picture)
}

/// A form of named parts.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in parts {
        let file = if *name == "file" { "; filename=\"x.jpg\"" } else { "" };
        body.extend(format!("--cut\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n").bytes());
        body.extend(*value);
        body.extend(b"\r\n");
    }
    body.extend(b"--cut--\r\n");
    body
}

fn data_url(text: &str) -> Vec<u8> {
    let code = text.strip_prefix("data:image/jpeg;base64,").expect("a data: URL");
    general_purpose::STANDARD.decode(code).unwrap()
}

#[test]
fn every_kind_of_body_finds_the_same() {
    let data = temp();
    let server = Server::start(data.path());
    let file = bytes(fixture("scene.jpg"));
    let first = send(&server, "", &file).must(200);
    secured(&first);
    let first = first.json();
    let truth: Value = serde_json::from_slice(&bytes(fixture("scene.json"))).unwrap();
    assert_eq!((&first["width"], &first["height"], &first["model"]), (&json!(480), &json!(360), &json!("shapes")));
    let found = first["detections"].as_array().unwrap();
    assert!(found.len() >= 6, "{first}");
    for object in truth["objects"].as_array().unwrap() {
        let one =
            found.iter().find(|one| one["label"] == object["label"]).unwrap_or_else(|| panic!("{object}: {first}"));
        for (side, length) in [(0, 2), (1, 3)] {
            let corner = |n: usize| object["box"][n].as_f64().unwrap();
            let (from, to) = (one["box"][side].as_f64().unwrap(), one["box"][length].as_f64().unwrap());
            assert!((from - corner(side)).abs() < 12.0 && (from + to - corner(length)).abs() < 12.0, "{object}: {one}");
        }
    }
    let same = |what: &str, answer: Answer| assert_eq!(answer.must(200).json(), first, "{what}");
    let post = |headers: &[(&str, &str)], body: &[u8]| server.send("POST", "/api/images", headers, body);
    same("no type", post(&[], &file));
    same("bytes", post(&[("content-type", "application/octet-stream")], &file));
    same("another type of picture", post(&[("content-type", "Image/PNG; q=1")], &file));
    let mut reader = file.as_slice();
    same("without a length", server.send("POST", "/api/images", &[JPEG], SendBody::from_reader(&mut reader)));
    same("a form", post(&[FORM], &form(&[("note", b"x"), ("file", &file)])));
    same(
        "a form with its own wishes",
        post(&[FORM], &form(&[("file", &file), ("task", b"detect"), ("model", b"shapes")])),
    );
    let standard = general_purpose::STANDARD.encode(&file);
    let lines: String =
        standard.as_bytes().chunks(76).map(|line| format!("{}\r\n", str::from_utf8(line).unwrap())).collect();
    for image in [
        &standard,
        &format!("data:image/jpeg;base64,{standard}"),
        &general_purpose::URL_SAFE_NO_PAD.encode(&file),
        &general_purpose::URL_SAFE.encode(&file),
        &lines,
    ] {
        same("base64", server.post_json("/api/images", &json!({"image": image, "name": {"unknown": [1]}})));
    }
    // As some programs write JSON.
    let escaped = format!("{{\"image\":\"{}\"}}", standard.replace('/', "\\/"));
    same("escaped", post(&[("content-type", "application/json; charset=utf-8")], escaped.as_bytes()));
    let few =
        server.post_json("/api/images", &json!({"image": standard, "threshold": 0.99, "output": "json"})).must(200);
    let by_query = send(&server, "?threshold=0.99", &file).must(200).json();
    assert!(few.json() == by_query && by_query["detections"].as_array().unwrap().len() < found.len(), "{by_query}");
    let in_form = post(&[FORM], &form(&[("threshold", b"0.99"), ("file", &file)]));
    assert_eq!(in_form.must(200).json(), by_query);

    // All formats; upright.
    let png = send(&server, "", &bytes(fixture("scene.png"))).must(200).json();
    assert!(png["detections"].as_array().unwrap().len() >= 6);
    let turned = send(&server, "", &bytes(fixture("scene-exif6.jpg"))).must(200).json();
    assert!(turned["width"] == 480 && turned["detections"].as_array().unwrap().len() >= 6, "{turned}");
    let lying = send(&server, "", &turned_jpeg(&file, 8)).must(200).json();
    assert_eq!((&lying["width"], &lying["height"]), (&json!(360), &json!(480)));
    assert_eq!(send(&server, "", &gif([40, 30], [1, 1, 2, 2])).must(200).json()["height"], 30);
}

#[test]
fn every_kind_of_answer_shows_the_same() {
    let data = temp();
    let server = Server::start(data.path());
    let file = bytes(fixture("scene.jpg"));
    let found = send(&server, "", &file).must(200).json();
    let count = found["detections"].as_array().unwrap().len();
    let image = send(&server, "?output=image", &file).must(200);
    assert_eq!(image.header("content-type"), "image/jpeg");
    secured(&image);
    let mut base64 = send(&server, "?output=base64", &file).must(200).json();
    let inside = base64.as_object_mut().unwrap().remove("image").unwrap();
    assert_eq!((base64, data_url(inside.as_str().unwrap())), (found.clone(), image.body.clone()));
    let mut url = send(&server, "?output=url", &file).must(200).json();
    let address = url.as_object_mut().unwrap().remove("url").unwrap().as_str().unwrap().to_owned();
    assert_eq!(url, found);
    let kept = server.get(&address).must(200);
    assert_eq!((kept.header("content-type"), &kept.body), ("image/jpeg", &image.body));
    secured(&kept);
    assert_eq!(server.send("GET", &address, &[("range", "bytes=0-1")], SendBody::none()).must(206).body, b"\xff\xd8");

    // What is drawn, and where.
    let read = |bytes: &[u8]| crate::media_pushed::levels(&picture::read(bytes, u64::MAX).unwrap());
    let (plain, drawn) = (read(&file), read(&image.body));
    let off = |drawn: &[f32], x: f64, y: f64| {
        let from = (y as usize * 480 + x as usize) * 3;
        (from..from + 3).map(|at| (plain[at] - drawn[at]).abs()).fold(0.0, f32::max)
    };
    let edges = |drawn: &[f32]| {
        let boxes = found["detections"].as_array().unwrap().iter();
        let edges = boxes.map(|one| {
            let [x, y, w, h] = [0, 1, 2, 3].map(|n| one["box"][n].as_f64().unwrap());
            off(drawn, x + w / 2.0, y + h - 1.0) > 40.0 || off(drawn, x + w / 2.0, y + h - 2.0) > 40.0
        });
        edges.filter(|drawn| *drawn).count()
    };
    assert_eq!(edges(&drawn), count, "each box has its lower edge");
    assert!(off(&drawn, 5.0, 350.0) < 20.0, "and the rest is as it was");
    // Above the first box stands its label; without label and score nothing does.
    let (x, y) =
        (found["detections"][0]["box"][0].as_f64().unwrap(), found["detections"][0]["box"][1].as_f64().unwrap());
    assert!(off(&drawn, x + 4.0, y - 6.0) > 40.0);
    let bare = read(&send(&server, "?output=image&labels=false&scores=0", &file).must(200).body);
    assert!(off(&bare, x + 4.0, y - 6.0) < 25.0 && edges(&bare) == count);
    let coarse = send(&server, "?output=image&quality=20", &file).must(200);
    assert!(coarse.body.len() * 2 < image.body.len());
    let none = read(&send(&server, "?output=image&threshold=0.9999", &file).must(200).body);
    assert_eq!(edges(&none), 0);

    // Kept over a restart, and deleted when that is asked for.
    server.stop();
    std::fs::write(data.path().join("images/half.part"), "x").unwrap();
    let server = Server::start(data.path());
    assert_eq!(server.get(&address).must(200).body, image.body);
    assert_eq!(std::fs::read_dir(data.path().join("images")).unwrap().count(), 1);
    let one = address.trim_end_matches("/file");
    server.ask("DELETE", one).must(204);
    problem(server.get(&address), 404);
    problem(server.ask("DELETE", one), 404);
    problem(server.get("/api/images/..%2Fsightglass/file"), 404);
    assert_eq!(std::fs::read_dir(data.path().join("images")).unwrap().count(), 0);
}

#[test]
fn wrong_images_are_refused_in_words() {
    let data = temp();
    let server = Server::with(data.path(), &["--max-pixels", "500000", "--model", SHAPES]);
    let file = bytes(fixture("scene.jpg"));
    for (query, word) in [
        ("threshold=7", "between 0 and 1"),
        ("threshold=0", "between"),
        ("threshold=x", "number"),
        ("task=segment", "detect or classify"),
        ("output=gif", "base64"),
        ("top_k=0", "top_k"),
        ("top_k=-1", "top_k"),
        ("quality=101", "quality"),
        ("labels=maybe", "true or false"),
    ] {
        let detail = problem(send(&server, &format!("?{query}"), &file), 400);
        assert!(detail.contains(word), "{query}: {detail}");
    }
    assert!(problem(send(&server, "?model=nope", &file), 404).contains("shapes"));
    assert!(problem(send(&server, "?task=classify", &file), 404).contains("classify"));
    assert!(problem(send(&server, "?task=classify&model=shapes", &file), 400).contains("detect"));

    for body in [b"".as_slice(), b"not an image", b"<html>", &bytes(fixture("numbered.mp4"))] {
        problem(send(&server, "", body), 415);
    }
    assert!(problem(send(&server, "", &file[..file.len() / 2]), 422).contains("cut off"));
    let mut huge = bytes(fixture("scene.png"));
    huge[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    assert!(problem(send(&server, "", &huge), 422).contains("60000x60000"));
    assert!(problem(send(&server, "", &gif([65535, 65535], [0, 0, 2, 2])), 422).contains("65535x65535"));
    let post = |kind: &str, body: &[u8]| server.send("POST", "/api/images", &[("content-type", kind)], body);
    for kind in ["video/mp4", "text/plain", "application/x-www-form-urlencoded", "application/xml"] {
        assert!(problem(post(kind, &file), 415).contains("image/jpeg"), "{kind}");
    }
    for body in [
        "",
        "{",
        "[]",
        "{}",
        "{\"image\":7}",
        "{\"picture\":\"eA==\"}",
        "{\"image\":\"***\"}",
        "{\"image\":\"data:,x\"}",
    ] {
        problem(post("application/json", body.as_bytes()), 400);
    }
    problem(server.post_json("/api/images", &json!({"image": "eA==", "threshold": "much"})), 400);
    problem(server.post_json("/api/images", &json!({"image": ""})), 415);
    assert!(problem(post("multipart/form-data", &file), 400).contains("boundary"));
    assert!(problem(post(FORM.1, &form(&[("picture", &file)])), 400).contains("`file`"));
    assert!(problem(post(FORM.1, &form(&[("file", &file), ("file", &file)])), 400).contains("several"));
    problem(post(FORM.1, &form(&[("file", b"")])), 415);
    problem(post(FORM.1, &form(&[("file", &file)])[..2000]), 400);
    problem(server.get("/api/images"), 405);
    problem(server.ask("PUT", "/api/images/x/file"), 405);
    problem(server.get("/api/images/unknown/file"), 404);
    problem(server.send("POST", "/api/images", &[JPEG, ("origin", "https://evil.example")], file.as_slice()), 403);
    let text = server.get("/metrics").must(200).text();
    let count = |outcome: &str| {
        let line = format!("sightglass_images_total{{outcome=\"{outcome}\"}} ");
        text.lines().find_map(|found| found.strip_prefix(&line)?.parse::<u32>().ok()).unwrap_or(0)
    };
    assert_eq!((count("refused") > 30, count("done"), count("failed")), (true, 0, 0), "{text}");
    assert_eq!(send(&server, "", &file).must(200).json()["width"], 480);
}

#[test]
fn too_much_is_refused_in_words() {
    let data = temp();
    let server = Server::with(data.path(), &["--keep-free", "1000TiB"]);
    let file = bytes(fixture("scene.jpg"));
    assert!(problem(send(&server, "?output=url", &file), 507).contains("disk is full"));
    send(&server, "?output=base64", &file).must(200);

    let large = vec![0xff; (32 << 20) + 1];
    assert!(problem(send(&server, "", &large), 413).contains("32 MiB"));
    let mut reader = large.as_slice();
    problem(server.send("POST", "/api/images", &[JPEG], SendBody::from_reader(&mut reader)), 413);
    problem(server.send("POST", "/api/images", &[FORM], form(&[("file", &large)]).as_slice()), 413);
    let code = general_purpose::STANDARD.encode(&large);
    problem(server.post_json("/api/images", &json!({"image": code})), 413);
    let mut line = TcpStream::connect(server.address).unwrap();
    line.write_all(b"POST /api/images HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999999\r\n\r\n").unwrap();
    let mut status = [0; 12];
    line.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");

    // How much of unfinished pictures is in memory is bounded; what hostile.rs sends holds no place.
    let head = "POST /api/images HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\ncontent-length: 30000000\r\n\r\n";
    let most = vec![0; 29_999_999];
    let dawdle = || {
        let mut line = TcpStream::connect(server.address).unwrap();
        line.write_all(head.as_bytes()).unwrap();
        // Where there is no room for it, the connection ends.
        let _ = line.write_all(&most);
        line
    };
    let mut slow: Vec<TcpStream> = Vec::new();
    let refused = wait_for("all memory to be taken", || {
        slow.push(dawdle());
        Some(send(&server, "", &most[..28_000_000])).filter(|answer| answer.status == 429)
    });
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    problem(refused, 429);
    drop(slow);
    wait_for("room again", || (send(&server, "", &file).status == 200).then_some(()));
}

#[test]
fn twenty_at_once_are_answered_alike_and_memory_is_bounded() {
    let data = temp();
    let server = Server::with(data.path(), &["--max-pixels", "13000000"]);
    // 12 million pixels each, as a telephone takes them.
    let picture = crate::media_pushed::bgr(sightglass::frame::Size::new(4000, 3000));
    let large = crate::media_pushed::encoded(".jpg", &picture, &[]);
    let first = send(&server, "?output=base64", &large).must(200).json();
    let round = || {
        std::thread::scope(|scope| {
            let ask = |_| scope.spawn(|| send(&server, "?output=base64", &large).must(200).json());
            for answer in (0..20).map(ask).collect::<Vec<_>>() {
                assert_eq!(answer.join().unwrap(), first);
            }
        });
        server.memory()
    };
    let before = round();
    let after = (0..3).fold(before, |_, _| round());
    let peak = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let peak =
        peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB").to_owned();
    let peak: u64 = peak.parse::<u64>().unwrap() << 10;
    println!("{} MB after 20 pictures, {} MB after 80, {} MB at most", before >> 20, after >> 20, peak >> 20);
    // Twenty decoded and drawn at once would be 20 x 4000 x 3000 x 6 bytes: 1,370 MiB.
    assert!(peak < 900 << 20 && after < before + (200 << 20), "{before}, {after}, {peak}");
}
