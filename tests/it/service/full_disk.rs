//! A disk that is really full, on a small file system of its own; only root can make one.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use super::{
    harness::{Server, bytes, temp, wait_for},
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
