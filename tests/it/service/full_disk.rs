//! A disk that is really full, on a small file system of its own; only root can make one.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use super::{
    harness::{Server, bytes, fixture, temp, wait_for},
    media,
    viewer::in_order,
};

/// A file system of some megabytes; unmounted when it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where mounting is not allowed.
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        let place = folder.join("disk");
        std::fs::create_dir(&place).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&place)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(place))
    }

    /// Fills all but `left` bytes.
    fn fill(&self, left: u64) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.filler()).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(left)).unwrap();
    }

    fn empty(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy"]).arg(&self.0).status();
    }
}

#[test]
fn work_waits_for_room_and_loses_nothing() {
    let folder = temp();
    let Some(disk) = SmallDisk::mount(folder.path(), "24m") else {
        println!("skipped: mounting a small file system is not allowed here");
        return;
    };
    let file = folder.path().join("long.mp4");
    media::repeated(6, &file);
    let data = disk.0.join("data");
    let server = Server::with(&data, &["--keep-free", "0"]);
    let id = server.upload(&file);
    wait_for("some frames", || server.video(&id)["frames_done"].as_u64().filter(|done| *done > 0));
    disk.fill(0);
    let told = wait_for("words about the disk", || {
        let video = server.video(&id);
        let warning = video["warning"].as_str().map(str::to_owned);
        assert_ne!(video["state"], "failed", "{video}");
        warning.or_else(|| (video["state"] == "done").then(|| "done".into()))
    });
    assert!(told.contains("disk is full"), "{told}");
    let refused = server.send_video(&bytes(&file), "").must(507);
    assert!(refused.text().contains("disk is full"), "{}", refused.text());
    server.get("/healthz").must(200);
    disk.empty();
    let video = server.done(&id);
    assert!(video["warning"].is_null(), "{video}");
    in_order(&server.detections(&id), 0, 540);

    // A recording that finds no room fails in words, leaves nothing, and works once there is room.
    disk.fill(200_000);
    let failed = server.post_json(&format!("/api/videos/{id}/recordings"), &json!({})).must(202);
    let failed = server.recording_ended(failed.header("location"));
    assert_eq!(failed["state"], "failed", "{failed}");
    assert!(failed["error"].as_str().unwrap().contains("disk is full"), "{failed}");
    disk.empty();
    let left = std::fs::read_dir(data.join("videos").join(&id)).unwrap().count();
    assert_eq!(left, 1, "only the source is left");
    server.record(&id, &json!({}));
    server.stop();
}

/// How much is free on a disk.
fn free(disk: &SmallDisk) -> u64 {
    let disk = rustix::fs::statvfs(&disk.0).unwrap();
    disk.f_bavail * disk.f_frsize
}

/// Waits until work on a video says that it waits for room.
fn waits_for_room(server: &Server, id: &str) {
    wait_for("words about the disk", || {
        let video = server.video(id);
        assert_eq!(video["state"], "running", "{video}");
        video["warning"].as_str().is_some_and(|warning| warning.contains("disk is full")).then_some(())
    });
}

#[test]
fn deleting_makes_room_on_a_full_disk() {
    let folder = temp();
    let Some(disk) = SmallDisk::mount(folder.path(), "24m") else {
        println!("skipped: mounting a small file system is not allowed here");
        return;
    };
    let file = folder.path().join("long.mp4");
    media::repeated(6, &file);
    let data = disk.0.join("data");
    let server = Server::with(&data, &["--keep-free", "0"]);
    let ended: Vec<String> = (0..3).map(|_| server.upload(fixture("numbered.mp4"))).collect();
    ended.iter().for_each(|id| drop(server.done(id)));
    let recording = server.record(&ended[0], &json!({}));
    let recording = recording["id"].as_str().unwrap();
    let reserve = data.join("reserve");
    wait_for("the reserve", || reserve.exists().then_some(()));
    // The store's log is full up to its end: not one row more can be written.
    let running = server.upload(&file);
    wait_for("some frames", || server.video(&running)["frames_done"].as_u64().filter(|done| *done > 0));
    disk.fill(0);
    waits_for_room(&server, &running);
    assert_eq!(free(&disk), 0);
    // With the reserve first, then without it, when only the files themselves can make room.
    server.ask("DELETE", &format!("/api/recordings/{recording}")).must(204);
    for id in &ended {
        disk.fill(0);
        server.ask("DELETE", &format!("/api/videos/{id}")).must(204);
        server.get(&format!("/api/videos/{id}")).must(404);
        assert!(!data.join("videos").join(id).exists());
    }
    assert!(!reserve.exists(), "the reserve was used");
    disk.empty();
    in_order_when_done(&server, &running);
    server.stop();
}

fn in_order_when_done(server: &Server, id: &str) {
    let frames = server.done(id)["frames_done"].as_u64().unwrap();
    in_order(&server.detections(id), 0, frames as usize);
}

#[test]
fn the_server_starts_on_a_full_disk() {
    let folder = temp();
    let Some(disk) = SmallDisk::mount(folder.path(), "40m") else {
        println!("skipped: mounting a small file system is not allowed here");
        return;
    };
    let data = disk.0.join("data");
    let flags = ["--keep-free", "6MB"];
    let ready_without_room = |kept: usize| {
        let server = Server::with(&data, &flags);
        let answer = server.get("/readyz").must(503);
        assert!(answer.text().contains("the disk is full"), "{}", answer.text());
        server.get("/healthz").must(200);
        let videos = server.get("/api/videos").must(200).json();
        assert_eq!(videos["items"].as_array().unwrap().len(), kept, "{videos}");
        server
    };
    let server = Server::with(&data, &flags);
    server.get("/readyz").must(200);
    let ids: Vec<String> = (0..5).map(|_| server.upload(fixture("numbered.mp4"))).collect();
    ids.iter().for_each(|id| drop(server.done(id)));
    wait_for("the reserve", || data.join("reserve").exists().then_some(()));

    // After `kill -9`, with the reserve: the log of the store is there, and full of rows.
    server.kill();
    disk.fill(0);
    let server = ready_without_room(5);
    server.send_video(&bytes(fixture("numbered.mp4")), "").must(507);
    server.post_json(&format!("/api/videos/{}/recordings", ids[0]), &json!({})).must(507);
    assert_eq!(server.detections(&ids[0]).len(), 90);
    disk.fill(0);
    server.ask("DELETE", &format!("/api/videos/{}", ids[0])).must(204);

    // After a stop in order, without the reserve: there is no log, and no room for one.
    server.stop();
    assert!(!data.join("reserve").exists());
    disk.fill(0);
    let server = ready_without_room(4);
    assert_eq!(server.detections(&ids[1]).len(), 90);
    server.send_video(&bytes(fixture("numbered.mp4")), "").must(507);
    disk.fill(0);
    server.ask("DELETE", &format!("/api/videos/{}", ids[1])).must(204);
    server.get(&format!("/api/videos/{}", ids[1])).must(404);
    // It becomes as usual by itself.
    disk.empty();
    server.get("/readyz").must(200);
    assert_eq!(server.get("/api/videos").json()["items"].as_array().unwrap().len(), 3);
    in_order_when_done(&server, &server.upload(fixture("numbered.mp4")));
    server.record(&ids[2], &json!({}));
    server.stop();

    // Retention works there, too.
    let _ = std::fs::remove_file(data.join("reserve"));
    disk.fill(0);
    let server = Server::with(&data, &[&flags[..], &["--keep-bytes", "1"]].concat());
    wait_for("an empty list", || (server.get("/api/videos").json()["items"] == json!([])).then_some(()));
    assert_eq!(std::fs::read_dir(data.join("videos")).unwrap().count(), 0);
    server.stop();
}

#[test]
fn rows_leave_as_much_free_as_uploads_do() {
    let folder = temp();
    let Some(disk) = SmallDisk::mount(folder.path(), "32m") else {
        println!("skipped: mounting a small file system is not allowed here");
        return;
    };
    let file = folder.path().join("long.mp4");
    media::repeated(6, &file);
    let server = Server::with(&disk.0.join("data"), &["--keep-free", "8MB"]);
    let id = server.upload(&file);
    wait_for("some frames", || server.video(&id)["frames_done"].as_u64().filter(|done| *done > 0));
    disk.fill(6 << 20);
    waits_for_room(&server, &id);
    let kept = free(&disk);
    assert!(kept >= 5 << 20, "there is room on the disk, {kept} bytes, and it is kept");
    disk.empty();
    in_order_when_done(&server, &id);
    server.stop();
}
