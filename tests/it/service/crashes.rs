//! Files that crash the server, next to good ones: only those that do it are given up.

use std::{path::Path, process::Command};

use serde_json::Value;

use super::{
    durability::traced,
    harness::{Server, bytes, fixture, temp, wait_for},
    media,
    viewer::in_order,
};

/// Files that crash the server; each does so three times alone before it is given up.
const BAD: usize = 10;

/// Is strace there, and may it trace?
fn may_trace() -> bool {
    let allowed =
        Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success());
    if !allowed {
        println!("skipped: tracing is not allowed here, or strace is not installed");
    }
    allowed
}

fn is_final(video: &Value) -> bool {
    ["done", "failed", "cancelled"].contains(&video["state"].as_str().unwrap())
}

#[test]
fn no_good_video_is_given_up_for_what_others_do() {
    if !may_trace() {
        return;
    }
    let folder = temp();
    let data = folder.path().join("data");
    let (long, clip) = (folder.path().join("long.mp4"), bytes(fixture("numbered.mp4")));
    // The first one keeps the server busy until all are there.
    media::repeated(400, &long);
    let server = Server::with(&data, &["--max-running", "1"]);
    let first = server.upload(&long);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let send = || server.send_video(&clip, "").must(201).json()["id"].as_str().unwrap().to_owned();
    for n in 0..BAD {
        bad.push(send());
        if n % 3 == 0 {
            good.push(send());
        }
    }
    assert_eq!(server.video(bad.first().unwrap())["state"], "queued", "the first one is too short");
    server.kill();
    let store = rusqlite::Connection::open(data.join("sightglass.db")).unwrap();
    store.pragma_update(None, "foreign_keys", true).unwrap();
    store.execute("DELETE FROM videos WHERE id=?1", [&first]).unwrap();
    drop(store);

    // From now on whoever looks into one of these files is killed on the spot: that is where detection begins. Without
    // --seccomp-bpf, under which strace delivers not every signal.
    let sources: Vec<String> =
        bad.iter().map(|id| data.join("videos").join(id).join("source").to_str().unwrap().to_owned()).collect();
    let mut arguments = vec!["-e", "trace=pread64", "-e", "inject=pread64:signal=SIGKILL"];
    sources.iter().for_each(|source| arguments.extend(["-P", source]));
    let (mut crashes, mut server) = (1, None);
    while server.is_none() {
        assert!(crashes < 10 * BAD, "the crashes do not end");
        let start = || traced(&arguments, Path::new("/dev/null"), &data, &["--max-running", "3"]);
        let Ok(mut running) = Server::spawn(start()) else {
            crashes += 1;
            continue;
        };
        let survived = wait_for("a crash, or the end of all work", || {
            if running.is_gone() {
                return Some(false);
            }
            all_final(&running).then_some(true)
        });
        match survived {
            true => server = Some(running),
            false => crashes += 1,
        }
    }
    let server = server.unwrap();
    println!("{crashes} crashes");
    assert!(crashes >= 3 * BAD, "{crashes} crashes: each file has three trials");
    for id in &bad {
        let video = server.video(id);
        assert_eq!(video["state"], "failed", "{video}");
        let words = video["error"].as_str().unwrap();
        assert!(words.contains("crashed 3 times while it processed this file alone"), "{words}");
    }
    for id in &good {
        let video = server.video(id);
        assert_eq!(video["state"], "done", "{video}");
        in_order(&server.detections(id), 0, 90);
    }
    // Whoever sends such a file again does not crash the server three more times.
    let refused = server.send_video(&clip, "").must(422);
    assert!(refused.text().contains("crashed 3 times while it processed this file"), "{}", refused.text());
}

/// Is no more work done? False, too, when the server crashes meanwhile.
fn all_final(server: &Server) -> bool {
    let Some(videos) = server.try_get("/api/videos?limit=100") else { return false };
    videos["items"].as_array().unwrap().iter().all(is_final)
}

/// Makes it so as if the server had crashed while it worked on this.
fn crash_at(server: Server, data: &Path, items: &[&str]) {
    server.kill();
    let store = rusqlite::Connection::open(data.join("sightglass.db")).unwrap();
    for item in items {
        store.execute("INSERT INTO running (item) VALUES (?1)", [item]).unwrap();
    }
}

#[test]
fn an_upload_that_crashes_the_server_is_refused_and_no_other() {
    use sha2::{Digest, Sha256};
    let data = temp();
    let item = |file: &[u8]| {
        let hash: String = Sha256::digest(file).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("upload:{hash}")
    };
    let (bad, good) = (bytes(fixture("numbered.mp4")), bytes(fixture("numbered-odd.mp4")));
    crash_at(Server::start(data.path()), data.path(), &[&item(&bad), &item(&good)]);
    // Both were being examined: both are examined again, each alone.
    let server = Server::start(data.path());
    let id = server.send_video(&good, "").must(201).json()["id"].as_str().unwrap().to_owned();
    server.done(&id);
    crash_at(server, data.path(), &[&item(&bad)]);
    let server = Server::start(data.path());
    let refused = server.send_video(&bad, "").must(422);
    assert!(refused.text().contains("crashed 2 times while it processed this file"), "{}", refused.text());
    server.send_video(&good, "").must(201);
    assert_eq!(std::fs::read_dir(data.path().join("uploads")).unwrap().count(), 0);
    server.stop();
}

#[test]
fn a_recording_that_crashes_the_server_is_given_up() {
    let data = temp();
    let server = Server::start(data.path());
    let id = server.upload(fixture("numbered.mp4"));
    server.done(&id);
    let recording = server.record(&id, &serde_json::json!({}))["id"].as_str().unwrap().to_owned();
    let item = format!("recording:{recording}");
    crash_at(server, data.path(), &[]);
    for crash in 0..4 {
        // As it was when the process died: it had not come far.
        let store = rusqlite::Connection::open(data.path().join("sightglass.db")).unwrap();
        let sql = "UPDATE recordings SET state='encoding', frames_done=0, bytes=NULL WHERE id=?1";
        store.execute(sql, [&recording]).unwrap();
        store.execute("INSERT OR REPLACE INTO running (item) VALUES (?1)", [&item]).unwrap();
        // What is stored of earlier crashes stays, although the recording ends well here.
        let crashes =
            format!("INSERT OR REPLACE INTO suspects VALUES (?1, {crash}, {crash}, 200, '2999-01-01T00:00:00Z')");
        store.execute(&crashes, [&item]).unwrap();
        drop(store);
        let server = Server::start(data.path());
        let ended = server.recording_ended(&format!("/api/recordings/{recording}"));
        if crash < 2 {
            assert_eq!(ended["state"], "done", "{ended}");
        } else {
            assert_eq!(ended["state"], "failed", "{ended}");
            assert!(ended["error"].as_str().unwrap().contains("while it wrote this recording alone"), "{ended}");
        }
        server.kill();
    }
}
