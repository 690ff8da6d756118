//! The service keeps to its own description: Schemathesis makes requests of it, and looks at the answers.

use std::process::Command;

use serde_json::json;

use super::{
    harness::{Server, bytes, fixture, root, temp},
    media::pictures,
};

const TOKEN: &str = "schema-and-service";

#[test]
fn the_service_keeps_to_its_own_description() {
    let packages = root().join("deps/schemathesis");
    assert!(packages.is_dir(), "deps/schemathesis is missing: make test-setup, or scripts/wheels.sh schemathesis");
    let data = temp();
    // With a token, so that the checks of authentication see one refused.
    let server = Server::with(data.path(), &["--token", TOKEN, "--max-queue", "1000"]);
    let header = format!("Bearer {TOKEN}");
    let token = ("authorization", header.as_str());
    let post = |path: &str, kind: &str, body: &[u8]| server.send("POST", path, &[token, ("content-type", kind)], body);
    let get = |path: &str| server.send("GET", path, &[token], ureq::SendBody::none());
    let done = |path: &str| {
        super::harness::wait_for("the end of the work", || (get(path).json()["state"] == "done").then_some(()));
    };

    // One of each kind of object.
    let video = post("/api/videos", "video/mp4", &bytes(fixture("numbered-odd.mp4"))).must(201);
    let video = video.json()["id"].as_str().unwrap().to_owned();
    done(&format!("/api/videos/{video}"));
    let recording = post(&format!("/api/videos/{video}/recordings"), "application/json", b"{}").must(202);
    done(recording.header("location"));
    let recording = recording.json()["id"].as_str().unwrap().to_owned();
    let image = post("/api/images?output=url", "image/jpeg", &bytes(fixture("scene.jpg"))).must(200);
    let image = image.json()["url"].as_str().unwrap().split('/').nth(3).unwrap().to_owned();
    let mut camera = server.socket_with("/api/camera", &[token]).unwrap();
    camera.send(&pictures(&fixture("numbered-odd.mp4"))[0]);
    camera.event();
    let stream = get("/api/streams").must(200).json()["items"][0]["id"].as_str().unwrap().to_owned();
    let objects = json!({"videos": video, "recordings": recording, "images": image, "streams": stream});

    let output = Command::new("/usr/bin/python3")
        .args(["-c", "from schemathesis.cli import schemathesis; schemathesis()"])
        .arg("--config-file")
        .arg(root().join("tests/openapi/schemathesis.toml"))
        .args(["run", "--checks", "all"])
        .args(["--header", &format!("Authorization: {header}"), &format!("{}/openapi.json", server.base)])
        // What it leaves lying is gone with the folder.
        .current_dir(data.path())
        .env("PYTHONPATH", format!("{}:{}", packages.display(), root().join("tests/openapi").display()))
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("SIGHTGLASS_OBJECTS", objects.to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("/usr/bin/python3");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert!(output.status.success(), "the service does not keep to its description");
    assert!(said.contains("generated"), "Schemathesis made no requests");
    drop(camera);
}
