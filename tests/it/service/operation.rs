//! What operators and programs hold on to: health, metrics, the description of the interface, the page.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use ureq::SendBody;

use super::{
    harness::{Answer, Server, bytes, fixture, root, temp},
    media::pictures,
    problem::{for_a_person, secured},
};

/// Method and path of every route, with `{}` for what varies, as `warp::path!` spells them in `src/web`.
fn routes() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut entries: Vec<_> = std::fs::read_dir(root().join("src/web")).unwrap().map(|entry| entry.unwrap()).collect();
    while let Some(entry) = entries.pop() {
        if entry.path().is_dir() {
            entries.extend(std::fs::read_dir(entry.path()).unwrap().map(|entry| entry.unwrap()));
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).unwrap();
        for rest in text.split("warp::path!(").skip(1) {
            let parts = rest.split(')').next().unwrap().split('/').map(str::trim);
            let path = parts.map(|part| if part == "String" { "{}" } else { part.trim_matches('"') });
            found.insert(format!("/{}", path.collect::<Vec<_>>().join("/")));
        }
    }
    found
}

/// The same from the description: its paths with `{}` for what varies.
fn described(document: &Value) -> BTreeMap<String, Vec<String>> {
    let paths = document["paths"].as_object().unwrap().iter().map(|(path, methods)| {
        let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
        (parts.collect::<Vec<_>>().join("/"), methods.as_object().unwrap().keys().cloned().collect())
    });
    paths.collect()
}

#[test]
fn the_description_and_the_server_agree() {
    let data = temp();
    let server = Server::start(data.path());
    let answer = server.get("/openapi.json").must(200);
    secured(&answer);
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let described = described(&document);
    assert_eq!(
        described.keys().cloned().collect::<BTreeSet<_>>(),
        routes(),
        "src/web/openapi.rs lists what src/web serves"
    );

    let id = server.upload(fixture("numbered-odd.mp4"));
    server.done(&id);
    let recording = server.record(&id, &serde_json::json!({}))["id"].as_str().unwrap().to_owned();
    let mut camera = server.socket("/api/camera", None).unwrap();
    camera.send(&pictures(&fixture("numbered-odd.mp4"))[0]);
    camera.event();
    camera.say(r#"{"type":"status"}"#);
    let stream = camera.event()["id"].as_str().unwrap().to_owned();
    let drawn = server.send("POST", "/api/images?output=url", &[], bytes(fixture("scene.jpg")).as_slice()).must(200);
    let drawn = drawn.json()["url"].as_str().unwrap().split('/').nth(3).unwrap().to_owned();
    for (path, methods) in &described {
        let own = match path {
            path if path.starts_with("/api/recordings") => &recording,
            path if path.starts_with("/api/streams") => &stream,
            path if path.starts_with("/api/images") => &drawn,
            _ => &id,
        };
        for method in methods {
            let path = path.replace("{}", own);
            if ["/events", "/pictures", "/camera"].iter().any(|end| path.ends_with(end)) {
                assert!(server.socket(&path, None).is_ok(), "{path} is a WebSocket");
                continue;
            }
            // Last of all calls on it.
            if method == "delete" {
                continue;
            }
            let body =
                if path == "/api/videos" && method == "post" { bytes(fixture("numbered-odd.mp4")) } else { Vec::new() };
            let answer = match method.as_str() {
                "post" => server.send("POST", &path, &[], body.as_slice()),
                method => server.send(&method.to_uppercase(), &path, &[], SendBody::none()),
            };
            println!("{method} {path}: {}", answer.status);
            let known = &document["paths"][path.replace(own.as_str(), "{id}")][method]["responses"];
            assert!(
                known[answer.status.to_string()].is_object(),
                "{method} {path}: {} is not described",
                answer.status
            );
            assert!(answer.status != 404 && answer.status != 405, "{method} {path}: {}", answer.status);
            secured(&answer);
        }
    }
    server.ask("DELETE", &format!("/api/videos/{id}")).must(204);
}

#[test]
fn what_events_hold_is_described() {
    let document = sightglass::web::openapi_document();
    let data = temp();
    let server = Server::start(data.path());
    let id = server.upload(fixture("numbered-odd.mp4"));
    let video = server.done(&id);
    let recording = server.record(&id, &serde_json::json!({}));
    let frame = server.detections(&id).remove(10);
    let models = server.get("/api/models").must(200).json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    fn properties(schemas: &Value, name: &str) -> BTreeSet<String> {
        fn gather(schemas: &Value, schema: &Value, found: &mut BTreeSet<String>) {
            found.extend(schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key.clone()));
            for part in schema["allOf"].as_array().into_iter().flatten() {
                match part["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
                    Some(name) => gather(schemas, &schemas[name], found),
                    None => gather(schemas, part, found),
                }
            }
        }
        let mut found = BTreeSet::new();
        gather(schemas, &schemas[name], &mut found);
        found
    }
    let schemas = &document["components"]["schemas"];
    assert_eq!(keys(&video), properties(schemas, "Video"));
    assert_eq!(keys(&recording), properties(schemas, "Recording"));
    assert_eq!(keys(&models[0]), properties(schemas, "Model"));
    let mut expected = properties(schemas, "FrameEvent");
    expected.insert("type".into());
    // Only frames of live sources have these.
    assert!(expected.remove("mark") && expected.remove("latency_ms"));
    assert_eq!(keys(&frame), expected);
    assert_eq!(keys(&frame["detections"][0]), properties(schemas, "Detection"));
    let model = &models[0];
    assert_eq!(
        (&model["provider"], &model["precision"], &model["default"]),
        (&"CPU".into(), &"f32".into(), &true.into())
    );
    assert_eq!((&model["sessions"], &model["threads"], &model["labels"]), (&2.into(), &1.into(), &8.into()));
}

#[test]
fn metrics_keep_their_names_and_count() {
    let data = temp();
    let server = Server::start(data.path());
    let id = server.upload(fixture("numbered-odd.mp4"));
    server.done(&id);
    server.record(&id, &serde_json::json!({}));
    server.get("/api/videos/unknown").must(404);
    server.send("POST", "/api/images", &[], bytes(fixture("scene.jpg")).as_slice()).must(200);
    let answer = server.get("/metrics").must(200);
    secured(&answer);
    let text = answer.text();
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    // Dashboards and alerts hold on to these: a name may be added, none may change.
    assert_eq!(
        names,
        [
            "sightglass_http_requests counter",
            "sightglass_upload_bytes counter",
            "sightglass_frames_detected counter",
            "sightglass_frames_encoded counter",
            "sightglass_detections counter",
            "sightglass_videos_ended counter",
            "sightglass_recordings_ended counter",
            "sightglass_videos_running gauge",
            "sightglass_videos_queued gauge",
            "sightglass_viewers gauge",
            "sightglass_streams gauge",
            "sightglass_frames_live counter",
            "sightglass_frames_dropped counter",
            "sightglass_recording_frames_dropped counter",
            "sightglass_frame_seconds histogram",
            "sightglass_live_latency_seconds histogram",
            "sightglass_images counter",
            "sightglass_image_seconds histogram",
            "sightglass_stuck_pipelines gauge",
            "sightglass_resident_memory_bytes gauge",
            "sightglass_open_descriptors gauge",
            "sightglass_threads gauge",
            "sightglass_cpu_seconds gauge",
            "sightglass_model_info gauge",
        ]
    );
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse::<f64>().unwrap()
    };
    assert_eq!(value("sightglass_frames_detected_total"), 60.0);
    assert_eq!(value("sightglass_frames_encoded_total"), 60.0);
    assert_eq!(value("sightglass_frame_seconds_count"), 60.0);
    assert_eq!(value("sightglass_images_total{outcome=\"done\"}"), 1.0);
    assert_eq!(value("sightglass_image_seconds_count"), 1.0);
    assert_eq!(value("sightglass_videos_ended_total{state=\"done\"}"), 1.0);
    assert_eq!(value("sightglass_recordings_ended_total{state=\"done\"}"), 1.0);
    assert_eq!(value("sightglass_http_requests_total{status=\"404\"}"), 1.0);
    assert_eq!(value("sightglass_upload_bytes_total"), bytes(fixture("numbered-odd.mp4")).len() as f64);
    let memory = value("sightglass_resident_memory_bytes");
    assert!((memory / server.memory() as f64 - 1.0).abs() < 0.3, "{memory}");
    assert!(text.contains("provider=\"CPU\"") && text.contains("precision=\"f32\""), "what really runs is shown");
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn health_and_pages_are_served_safely() {
    let data = temp();
    let server = Server::start(data.path());
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json", "/", "/api/videos", "/api/models"] {
        let answer = server.get(path).must(200);
        secured(&answer);
        assert!(!answer.body.is_empty());
    }
    let page = server.get("/").must(200);
    assert!(page.header("content-type").starts_with("text/html"));
    let tag = page.header("etag").to_owned();
    let known = server.send("GET", "/", &[("if-none-match", &tag)], SendBody::none()).must(304);
    assert!(known.body.is_empty());
    secured(&known);
    assert_eq!(server.ask("HEAD", "/").must(200).body.len(), 0);
    // Everything that the page names is there.
    for link in page.text().split(['"', '\'']).filter(|text| text.ends_with(".js") || text.ends_with(".css")) {
        secured(&server.get(&format!("/{}", link.trim_start_matches(['.', '/']))).must(200));
    }
    // What is no HTTP gets no answer that tells of the inside, and the server lives on.
    let odd: Answer = server.send("GET", "/api/videos/%00%ff", &[], SendBody::none());
    assert_eq!(odd.status, 404);
    for_a_person(odd.json()["detail"].as_str().unwrap());
    server.get("/healthz").must(200);
}

#[test]
fn a_folder_can_stand_in_for_the_page() {
    let data = temp();
    let www = data.path().join("www");
    std::fs::create_dir_all(www.join(".hidden")).unwrap();
    std::fs::write(www.join("index.html"), "<p>live").unwrap();
    std::fs::write(www.join(".hidden/secret"), "secret").unwrap();
    std::fs::write(data.path().join("outside"), "secret").unwrap();
    let server = Server::with(&data.path().join("data"), &["--www", www.to_str().unwrap()]);
    assert_eq!(server.get("/").must(200).text(), "<p>live");
    std::fs::write(www.join("index.html"), "<p>changed").unwrap();
    assert_eq!(server.get("/").must(200).text(), "<p>changed");
    for path in ["/.hidden/secret", "/../outside", "/%2e%2e/outside", "/..%2foutside", "/x"] {
        server.get(path).must(404);
    }
}
