//! What people order: cancel, retry, delete; the list of videos; what is forgotten by itself.

use serde_json::{Value, json};

use super::{
    harness::{Server, bytes, fixture, temp, wait_for},
    media,
    problem::problem,
    viewer::{Word, frames, in_order},
};

fn ids(server: &Server) -> Vec<String> {
    let items = server.get("/api/videos").must(200).json()["items"].clone();
    items.as_array().unwrap().iter().map(|video| video["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_cancelled_video_keeps_what_it_has_and_goes_on_when_asked() {
    let data = temp();
    let file = data.path().join("long.mp4");
    media::repeated(3, &file);
    let server = Server::start(&data.path().join("data"));
    let id = server.upload(&file);
    let mut viewer = server.viewer(&id, 0);
    viewer.until_frame(30);
    let cancelled = server.ask("POST", &format!("/api/videos/{id}/cancel")).must(200).json();
    assert_eq!(cancelled["state"], "cancelled");
    let done = cancelled["frames_done"].as_u64().unwrap();
    assert!((31..270).contains(&done), "{cancelled}");
    let events = viewer.all();
    assert!(events.iter().any(|event| event["type"] == "status" && event["state"] == "cancelled"));
    in_order(&server.detections(&id), 0, done as usize);
    problem(server.ask("POST", &format!("/api/videos/{id}/cancel")), 409);
    problem(server.post_json(&format!("/api/videos/{id}/recordings"), &json!({})), 409);
    assert_eq!(server.video(&id), cancelled, "nothing is announced after it was cancelled");

    let retried = server.ask("POST", &format!("/api/videos/{id}/retry")).must(200).json();
    assert!(["queued", "running"].contains(&retried["state"].as_str().unwrap()), "{retried}");
    in_order(&frames(&server.viewer(&id, done).all()), done, 270 - done as usize);
    let video = server.done(&id);
    assert_eq!((video["frames_done"].as_u64(), video["frames_total"].as_u64()), (Some(270), Some(270)));
    problem(server.ask("POST", &format!("/api/videos/{id}/retry")), 409);

    // It is found what an undisturbed run finds.
    let again = server.upload(&file);
    server.done(&again);
    assert_eq!(server.detections(&id), server.detections(&again));
}

#[test]
fn a_waiting_video_can_be_cancelled_and_deleted() {
    let data = temp();
    let server = Server::with(data.path(), &["--max-running", "1"]);
    let file = bytes(fixture("numbered.mp4"));
    let sent: Vec<String> =
        (0..3).map(|_| server.send_video(&file, "").must(201).json()["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(server.ask("POST", &format!("/api/videos/{}/cancel", sent[2])).must(200).json()["state"], "cancelled");
    server.ask("DELETE", &format!("/api/videos/{}", sent[1])).must(204);
    server.done(&sent[0]);
    assert_eq!(server.video(&sent[2])["frames_done"], 0);
    assert_eq!(ids(&server), [sent[2].clone(), sent[0].clone()]);
    server.ask("POST", &format!("/api/videos/{}/retry", sent[2])).must(200);
    assert_eq!(server.done(&sent[2])["frames_done"], 90);
}

#[test]
fn a_deleted_video_is_gone_and_its_viewers_are_told() {
    let data = temp();
    let server = Server::start(data.path());
    let id = server.upload(fixture("numbered.mp4"));
    let mut viewer = server.viewer(&id, 0);
    viewer.until_frame(5);
    server.ask("DELETE", &format!("/api/videos/{id}")).must(204);
    let (events, last) = viewer.last_words();
    assert_eq!(events.last().unwrap()["type"], "error", "{events:?}");
    assert!(events.last().unwrap()["detail"].as_str().unwrap().contains("deleted"));
    assert!(matches!(last, Word::Close(1011, _)), "{last:?}");
    for path in ["", "/source", "/detections"] {
        problem(server.get(&format!("/api/videos/{id}{path}")), 404);
    }
    problem(server.ask("DELETE", &format!("/api/videos/{id}")), 404);
    assert_eq!(ids(&server).len(), 0);
    assert_eq!(std::fs::read_dir(data.path().join("videos")).unwrap().count(), 0);

    // In the middle of a recording, and after one.
    let id = server.upload(fixture("numbered.mp4"));
    server.done(&id);
    let finished = server.record(&id, &json!({}));
    let answer = server.post_json(&format!("/api/videos/{id}/recordings"), &json!({"format": "mp4"})).must(202);
    wait_for("its start", || (server.get(answer.header("location")).json()["state"] != "queued").then_some(()));
    server.ask("DELETE", &format!("/api/videos/{id}")).must(204);
    problem(server.get(answer.header("location")), 404);
    problem(server.get(&format!("/api/recordings/{}/file", finished["id"].as_str().unwrap())), 404);
    server.stop();
    assert_eq!(std::fs::read_dir(data.path().join("videos")).unwrap().count(), 0);
    // Rows too: a new start finds nothing to take up.
    let server = Server::start(data.path());
    assert_eq!(ids(&server).len(), 0);
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[test]
fn the_list_is_paged_newest_first_and_survives_a_restart() {
    let data = temp();
    let server = Server::start(data.path());
    let file = bytes(fixture("numbered-odd.mp4"));
    let mut sent: Vec<String> = (0..5)
        .map(|n| {
            let answer = server.send_video(&file, &format!("?name=number%20{n}.mp4")).must(201);
            answer.json()["id"].as_str().unwrap().to_owned()
        })
        .collect();
    sent.iter().for_each(|id| drop(server.done(id)));
    sent.reverse();
    let list = server.get("/api/videos").must(200).json();
    server.kill();
    let server = Server::start(data.path());
    assert_eq!(server.get("/api/videos").must(200).json(), list);
    assert_eq!(ids(&server), sent);
    let mut cursor = String::new();
    let mut paged = Vec::new();
    for expected in [2, 2, 1] {
        let page = server.get(&format!("/api/videos?limit=2{cursor}")).must(200).json();
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), expected);
        paged.extend(items.iter().map(|video| video["id"].as_str().unwrap().to_owned()));
        assert_eq!(page["next_cursor"].is_null(), expected == 1, "{page}");
        cursor = format!("&cursor={}", page["next_cursor"].as_str().unwrap_or(""));
    }
    assert_eq!(paged, sent);
    assert_eq!(server.viewer(&sent[0], 0).all().len(), 63, "the frames, the status before and after them, the end");
}

#[test]
fn the_oldest_finished_videos_are_forgotten() {
    let data = temp();
    let server = Server::start(data.path());
    let file = bytes(fixture("numbered-odd.mp4"));
    let sent: Vec<String> = (0..4).map(|_| server.upload(fixture("numbered-odd.mp4"))).collect();
    sent.iter().for_each(|id| drop(server.done(id)));
    server.stop();

    // Room for two and a half.
    let server = Server::with(data.path(), &["--keep-bytes", &(file.len() * 5 / 2).to_string()]);
    wait_for("room", || (ids(&server).len() <= 2).then_some(()));
    assert_eq!(ids(&server), [sent[3].clone(), sent[2].clone()]);
    let folders = std::fs::read_dir(data.path().join("videos")).unwrap().count();
    assert_eq!(folders, 2, "their files are gone too");
    server.stop();

    // By age: all that are finished are too old, the one that is not finished stays.
    let long = data.path().join("long.mp4");
    media::repeated(3, &long);
    let server = Server::start(data.path());
    let working = server.upload(&long);
    server.viewer(&working, 0).until_frame(0);
    server.kill();
    let server = Server::with(data.path(), &["--keep-days", "0.000001"]);
    wait_for("age", || (ids(&server).len() <= 1).then_some(()));
    let video: Value = server.video(&working);
    assert_ne!(video["frames_done"], 270, "looked at too late to prove anything");
    assert_eq!(server.done(&working)["frames_done"], 270);
}
