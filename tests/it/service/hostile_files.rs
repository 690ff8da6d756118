//! Files that are made to harm the service: it refuses them, lives on, and serves everybody else.

use super::{
    harness::{Server, bytes, fixture, temp},
    problem::problem,
};
use crate::{
    media_hard::make,
    media_hostile::{hollow_mp4, scans_avi},
    shared::shared,
};

/// It ended the process, again and again, before there was a row that could have been blamed.
#[test]
fn the_mxf_that_crashed_is_refused_and_the_server_lives() {
    let data = temp();
    let server = Server::start(data.path());
    let mut files = vec![make("a.mxf", "-c:v mpeg2video -q:v 3", |path| bytes(path))];
    files.extend(shared().map(|shared| bytes(shared.join("media/hostile/crash.mxf"))));
    for file in files {
        for _ in 0..3 {
            let detail = problem(server.send_video(&file, ""), 422);
            assert!(detail.contains("MXF") && detail.contains("convert it"), "{detail}");
        }
    }
    let id = server.upload(fixture("numbered-odd.mp4"));
    assert_eq!(server.done(&id)["frames_done"], 60, "the server lives on");
}

/// Four of them held everything that looks into uploads.
#[test]
fn pictures_of_many_scans_do_not_hold_up_others() {
    let data = temp();
    let server = Server::start(data.path());
    let bomb = scans_avi(100);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let detail = problem(server.send_video(&bomb, ""), 422);
                assert!(detail.contains("so many scans"), "{detail}");
            });
        }
    });
    let id = server.upload(fixture("numbered-odd.mp4"));
    assert_eq!(server.done(&id)["frames_done"], 60);
    let metrics = server.get("/metrics").text();
    assert!(metrics.lines().any(|line| line == "sightglass_stuck_pipelines 0"), "{metrics}");
}

/// A pipeline's early error was missed now and then, mostly where several were opened at once.
#[test]
fn an_early_error_is_answered_in_its_own_words_each_time() {
    let data = temp();
    let server = Server::start(data.path());
    let hollow = hollow_mp4();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..15 {
                    let detail = problem(server.send_video(&hollow, ""), 422);
                    assert!(detail.contains("no video track could be found"), "{detail}");
                }
            });
        }
    });
}

/// A duration is marked as an estimate, or null, until the last frame is known, and then it is that frame's end.
#[test]
fn the_duration_is_the_end_of_the_last_frame_once_done() {
    let data = temp();
    let server = Server::start(data.path());
    let live = make("live.webm", "-c:v libvpx -b:v 1M -live 1", |path| bytes(path));
    let video = server.send_video(&live, "").must(201).json();
    assert!(video["duration"].is_null() && video["duration_estimated"] == false, "{video}");
    let done = server.done(video["id"].as_str().unwrap());
    let times: Vec<f64> =
        server.detections(done["id"].as_str().unwrap()).iter().map(|event| event["time"].as_f64().unwrap()).collect();
    let (last, duration) = (times[times.len() - 1], done["duration"].as_f64().unwrap());
    assert!(duration > last && duration - last < 0.05, "{duration} after {last}");
    assert_eq!(done["duration_estimated"], false);

    let video = server.send_video(&bytes(fixture("numbered.mp4")), "").must(201).json();
    assert_eq!((&video["duration_estimated"], video["duration"].as_f64()), (&true.into(), Some(3.0)));
    let id = video["id"].as_str().unwrap();
    let done = server.done(id);
    assert_eq!((&done["duration_estimated"], done["duration"].as_f64()), (&false.into(), Some(3.0)));
    // It is stored, too.
    drop(server);
    let server = Server::start(data.path());
    let again = server.video(id);
    assert_eq!((&again["duration_estimated"], again["duration"].as_f64()), (&false.into(), Some(3.0)));
}

#[test]
fn a_phones_still_picture_is_told_where_it_belongs() {
    let data = temp();
    let server = Server::start(data.path());
    let Some(shared) = shared() else { return };
    let detail = problem(server.send_video(&bytes(shared.join("media/reported/cheers_1440x960.heic")), ""), 422);
    assert!(detail.contains("still picture") && detail.contains("image page"), "{detail}");
}
