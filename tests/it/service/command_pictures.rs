//! Pictures on the command line: folders, patterns, typed paths, viewers, and a service that does the work.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use super::{
    command_line::{ends, lines, words},
    harness::{EXACT, SHAPES, Server, detect, fixture, program, temp},
    media::ReadBack,
};
use crate::shared::shared;

#[test]
fn folders_patterns_and_typed_paths_are_taken() {
    let folder = temp();
    for name in ["scene.jpg", "scene.png"] {
        fs::copy(fixture(name), folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
    let sources = |output| -> Vec<String> {
        let name = |line: &serde_json::Value| line["source"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        lines(&output).iter().map(name).collect()
    };
    assert_eq!(sources(ends(detect().arg(folder.path()), 0)), ["scene.jpg", "scene.png"]);
    assert_eq!(sources(ends(detect().arg(folder.path().join("*.p?g")), 0)), ["scene.png"]);
    assert!(words(&ends(detect().arg(folder.path().join("*.gif")), 1)).contains("Nothing fits"));
    assert!(words(&ends(&mut detect(), 1)).contains("Nothing to work on"));
    let empty = temp();
    assert!(words(&ends(detect().arg(empty.path()), 1)).contains("no pictures"));

    // Names with dots of their own stay apart.
    fs::copy(fixture("scene.jpg"), folder.path().join("a.1.jpg")).unwrap();
    let (dotted, out) = (folder.path().join("a.1.jpg"), folder.path().join("out"));
    ends(detect().arg("-q").arg(&dotted).arg(fixture("scene.png")).arg("-o").arg(&out), 0);
    assert!(out.join("a.1.jpg").is_file() && out.join("scene.png").is_file());
    fs::remove_file(&dotted).unwrap();
    fs::remove_dir_all(&out).unwrap();

    // A copy never takes a source's place.
    let names = || fs::read_dir(folder.path()).unwrap().count();
    fs::write(folder.path().join("scene.gif"), b"GIF89a").unwrap();
    let output = ends(detect().arg(folder.path().join("scene.p*")).arg("-o").arg(folder.path()), 1);
    assert!(words(&output).contains("would overwrite") && names() == 4, "{}", words(&output));

    // One path a line; a wrong one is told, and the rest goes on.
    let mut typing = detect().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let typed = format!("{}\n\n/nowhere.jpg\n\"{}\"\n", fixture("scene.jpg").display(), fixture("scene.png").display());
    typing.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = typing.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("/nowhere.jpg") && words(&output).contains("1 of 3"), "{}", words(&output));
    assert_eq!(sources(output), ["scene.jpg", "scene.png"]);
}

#[test]
fn the_viewer_of_the_desktop_gets_the_drawn_picture() {
    let folder = temp();
    let seen = folder.path().join("seen.jpg");
    let viewer = folder.path().join("xdg-open");
    // Renamed into place, so that it is whole when it is there.
    let script = format!("#!/bin/sh\ncp \"$1\" '{0}.part' && mv '{0}.part' '{0}'\n", seen.display());
    fs::write(&viewer, script).unwrap();
    fs::set_permissions(&viewer, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut command = detect();
    command.env("PATH", path).env("DISPLAY", ":7").env("TMPDIR", folder.path());
    ends(command.arg(fixture("scene.png")).arg("--show"), 0);
    super::harness::wait_for("the viewer", || seen.is_file().then_some(()));
    let picture = ReadBack::open(&seen);
    assert_eq!((picture.width, picture.height), (480, 360));
    assert_ne!(fs::read(&seen).unwrap(), fs::read(fixture("scene.jpg")).unwrap());

    let mut command = detect();
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env("TMPDIR", folder.path());
    let output = ends(command.arg(fixture("scene.png")).arg("--show"), 0);
    assert!(words(&output).contains("There is no viewer here"), "{}", words(&output));
}

#[test]
fn a_service_does_the_work_with_the_same_output() {
    let folder = temp();
    let server = Server::with(&folder.path().join("data"), &["--model", SHAPES]);
    let base = server.base.clone();
    // No model can be loaded here, and none is needed.
    let there = || {
        let mut command = program();
        command.args(["detect", "--server", &base, "--models", "/nowhere"]);
        command
    };
    for name in ["scene.jpg", "scene-exif6.jpg", "numbered-vfr.mp4"] {
        let here = ends(detect().arg(fixture(name)), 0);
        let sent = ends(there().arg(fixture(name)), 0);
        assert_eq!(lines(&here), lines(&sent), "{name}");
    }
    let out = folder.path().join("out");
    ends(there().args([fixture("scene.jpg"), fixture("numbered.mp4")]).arg("-o").arg(&out).arg("-q"), 0);
    assert_eq!(ReadBack::open(&out.join("scene.jpg")).width, 480);
    assert_eq!(ReadBack::open(&out.join("numbered.avi")).numbers(), (0..90).collect::<Vec<_>>());
    // What was sent to be looked at is not kept.
    assert_eq!(server.get("/api/videos").json()["items"].as_array().unwrap().len(), 0);

    let failed = |command: &mut Command, part: &str| {
        let output = ends(command, 1);
        assert!(output.stdout.is_empty() && words(&output).contains(part), "{}", words(&output));
    };
    failed(there().arg(fixture("scene.jpg")).args(["--model", "nope"]), "There is no model `nope`");
    failed(there().arg(fixture("text.mp4")), "video");
    failed(program().args(["detect", "--server", "nowhere"]).arg(fixture("scene.jpg")), "--server is an address");
    failed(program().args(["classify", "--server", &base]).arg(fixture("scene.jpg")), "No model here can classify");
    server.stop();
    failed(there().arg(fixture("scene.jpg")), "cannot be reached");
}

#[test]
fn the_classifier_that_ships_knows_its_classes() {
    let Some(shared) = shared() else { return };
    let folder = temp();
    let pictures = |class: &str| (0..20).map(move |number| format!("test/{class}/{number:04}.jpg")).collect::<Vec<_>>();
    let classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    let mut untar = Command::new("tar");
    untar.arg("-xzf").arg(shared.join("train/cifar10/cifar10_test.tar.gz")).arg("-C").arg(folder.path());
    ends(untar.args(classes.iter().flat_map(|class| pictures(class))), 0);
    let server = Server::start(&folder.path().join("data"));
    let right = |class: &str| {
        let here = folder.path().join("test").join(class);
        let there = ends(program().args(["classify", "--top-k", "10", "--server", &server.base]).arg(&here), 0);
        let found = lines(&ends(program().args(["classify", "--top-k", "10"]).args(EXACT).arg(&here), 0));
        assert_eq!(found, lines(&there), "the service says what the command line says");
        for line in &found {
            let scores: Vec<f64> =
                line["classes"].as_array().unwrap().iter().map(|class| class["score"].as_f64().unwrap()).collect();
            assert!(scores.is_sorted_by(|a, b| a >= b) && (scores.iter().sum::<f64>() - 1.0).abs() < 0.001, "{line}");
        }
        found.iter().filter(|line| line["classes"][0]["label"] == class).count()
    };
    // 0.89 over all ten thousand pictures; on two hundred it may be less.
    let right: usize = classes.into_iter().map(right).sum();
    assert!(right >= 160, "{right} of 200");

    // A copy with the likeliest class on it.
    let copy = folder.path().join("copy.jpg");
    ends(program().arg("classify").args(EXACT).arg(fixture("scene.jpg")).arg("-o").arg(&copy), 0);
    assert_eq!((ReadBack::open(&copy).width, ReadBack::open(&copy).height), (480, 360));
}

#[test]
fn a_service_that_asks_for_a_token_gets_it() {
    let folder = temp();
    let server = Server::with(&folder.path().join("data"), &["--token", "a-token-of-the-tests"]);
    let there = |token: &str| {
        let mut command = program();
        command.args(["detect", "--server", &server.base]).arg(fixture("scene.jpg")).env("SIGHTGLASS_TOKEN", token);
        command
    };
    assert_eq!(lines(&ends(&mut there("a-token-of-the-tests"), 0)).len(), 1);
    assert!(words(&ends(&mut there("another-one-that-is-wrong"), 1)).contains("token"));
}

#[test]
fn another_kind_of_server_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 16];
        stream.read_exact(&mut head).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>").unwrap();
        // The rest of the picture, so that the connection is not torn away.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let output = ends(program().args(["detect", "--server", &base]).arg(fixture("scene.jpg")), 1);
    assert!(words(&output).contains("cannot be understood"), "{}", words(&output));
    other.join().unwrap();
}
