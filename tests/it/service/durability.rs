//! What is acknowledged survives a power cut: data first, then the name, then the row, then the answer. Seen from outside by
//! the order of the system calls.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use super::harness::{EXACT, SHAPES, Server, fixture, program, temp};

/// `strace -D` of the server: it traces as a grandchild, so that the child is the server itself.
pub fn traced(arguments: &[&str], log: &Path, data: &Path, flags: &[&str]) -> Command {
    let program = program();
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-o"]).arg(log).args(arguments).arg(program.get_program());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(program.get_current_dir().unwrap());
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(EXACT);
    command.args(["--model", SHAPES]).args(flags);
    command
}

/// A system call with the lines of the log in which it began and ended.
struct Call {
    text: String,
    began: usize,
    ended: usize,
}

/// The calls of all threads, in the order in which they began.
fn calls(log: &Path) -> Vec<Call> {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned();
    let (mut calls, mut unfinished) = (Vec::<Call>::new(), HashMap::new());
    for (at, line) in text.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread.to_owned(), calls.len());
            calls.push(Call { text: begun.to_owned(), began: at, ended: usize::MAX });
        } else if rest.starts_with("<... ") {
            let Some(index) = unfinished.remove(thread) else { continue };
            calls[index].ended = at;
        } else {
            calls.push(Call { text: rest.to_owned(), began: at, ended: at });
        }
    }
    calls
}

/// What a step is called, and which calls it may be.
type Step<'a> = (&'a str, &'a dyn Fn(&str) -> bool);

/// Asserts that there is a chain of such calls, each begun after the one before it ended.
#[track_caller]
fn in_this_order(calls: &[Call], chain: &[Step<'_>]) {
    let mut after = None;
    for (what, is) in chain {
        let next = calls.iter().find(|call| after.is_none_or(|after| call.began > after) && is(&call.text));
        let Some(next) = next else {
            let known: Vec<&str> = calls.iter().map(|call| call.text.as_str()).filter(|text| is(text)).collect();
            panic!("{what} does not come after line {after:?} of the log; it comes here: {known:#?}");
        };
        after = Some(next.ended);
    }
}

fn is_sync(text: &str) -> bool {
    text.starts_with("fsync(") || text.starts_with("fdatasync(")
}

#[test]
fn files_and_rows_are_on_disk_before_they_are_acknowledged() {
    let folder = temp();
    let (data, log) = (folder.path().join("data"), folder.path().join("strace"));
    let wanted = "trace=fsync,fdatasync,rename,renameat,renameat2,write,writev,sendto,sendmsg";
    let arguments = ["--seccomp-bpf", "-y", "-s", "4096", "-e", wanted];
    if !Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success()) {
        println!("skipped: tracing is not allowed here, or strace is not installed");
        return;
    }
    let server = Server::spawn(traced(&arguments, &log, &data, &[])).unwrap();
    let video = server.upload(fixture("numbered.mp4"));
    server.viewer(&video, 0).all();
    let recording = server.record(&video, &json!({}));
    let recording = recording["id"].as_str().unwrap().to_owned();
    server.ask("DELETE", &format!("/api/videos/{video}")).must(204);
    server.stop();

    let calls = calls(&log);
    let data = data.canonicalize().unwrap();
    let place = |path: PathBuf| format!("<{}>", path.display());
    let videos = data.join("videos");
    let synced = |path: PathBuf| {
        let place = place(path);
        move |text: &str| is_sync(text) && text.contains(&place)
    };
    let renamed = |to: PathBuf| {
        let to = format!("\"{}\"", to.display());
        move |text: &str| text.starts_with("rename") && text.contains(&to)
    };
    let said =
        |words: &'static str| move |text: &str| text.contains(words) && !is_sync(text) && !text.starts_with("rename");
    let (folder, row) = (videos.join(&video), || synced(data.join("sightglass.db-wal")));
    let upload = data.join(format!("uploads/{video}.part"));
    in_this_order(
        &calls,
        &[
            ("the upload is synced", &synced(upload)),
            ("the upload is renamed", &renamed(folder.join("source"))),
            ("its folder is synced", &synced(folder.clone())),
            ("the folder of all videos is synced", &synced(videos.clone())),
            ("the row is synced", &row()),
            ("the upload is acknowledged", &said("HTTP/1.1 201")),
            ("the last frames and the final state are synced", &row()),
            ("the viewers are told", &said("\\\"state\\\":\\\"done\\\"")),
        ],
    );
    in_this_order(
        &calls,
        &[
            ("the recording is synced", &synced(folder.join(format!("recording-{recording}.part")))),
            ("the recording is renamed", &renamed(folder.join(format!("recording-{recording}.avi")))),
            ("its folder is synced", &synced(folder.clone())),
            ("the row is synced", &row()),
            ("the recording is said to be done", &said("\\\"state\\\":\\\"done\\\"")),
            ("the deletion is synced", &row()),
            ("the deletion is acknowledged", &said("HTTP/1.1 204")),
        ],
    );
}
