//! How work on a recording ends.

use std::sync::atomic::Ordering;

use super::fakes::{Desk, Gate, Step};
use crate::{
    error::Kind,
    jobs::{RecordingOptions, RecordingState},
};

#[test]
fn a_recording_is_written_to_its_end() {
    let desk = Desk::new();
    let id = desk.done(30);
    let recording = desk.record(&id);
    assert_eq!(recording.state, RecordingState::Queued);
    let recording = desk.recorded(&recording);
    assert_eq!((recording.state, recording.frames_done), (RecordingState::Done, 30));
    let file = std::fs::read(desk.jobs.files.recording(&id, &recording.id, recording.format)).expect("there is a file");
    assert_eq!((file.len() as u64, file.as_slice()), (recording.bytes.expect("its size"), b"30 pictures".as_slice()));
}

#[test]
fn a_recording_that_cannot_be_stored_is_not_announced() {
    let desk = Desk::new();
    let id = desk.done(5);
    let following = desk.jobs.follow(&id).expect("it is there");
    desk.refuse("UPDATE ON recordings WHEN NEW.state='done'");
    let recording = desk.record(&id);
    desk.idle();
    assert_eq!(desk.state_of(&recording), RecordingState::Encoding);
    assert_eq!(following.borrow().recordings[0].state, RecordingState::Encoding, "it was announced as done");
    assert_eq!(desk.files(&id), ["source"], "a file that nobody knows is left");
    desk.accept();
    drop(following);
    let desk = desk.restart();
    assert_eq!(desk.recorded(&recording).state, RecordingState::Done);
}

#[test]
fn a_recording_is_deleted_while_it_is_written() {
    for step in [Step::Stall, Step::Hang] {
        let desk = Desk::new();
        let id = desk.done(6);
        let gate = Gate::default();
        desk.scripts.set(&id, &[Step::Frames(3), step(gate.clone()), Step::Frames(3)]);
        let recording = desk.record(&id);
        gate.reached();
        let following = desk.jobs.follow(&id).expect("it is there");
        desk.jobs.delete_recording(&recording.id).expect("it is there");
        let told = following.borrow().recordings.clone();
        assert_eq!(
            (told[0].state, told[0].error.as_deref()),
            (RecordingState::Failed, Some("The recording was cancelled."))
        );
        assert_eq!(desk.files(&id), ["source"]);
        gate.open();
        desk.idle();
        assert_eq!(following.borrow().recordings, told, "it was announced again");
        assert_eq!(desk.files(&id), ["source"], "its thread left a file");
        assert_eq!(desk.jobs.recording(&recording.id).expect_err("deleted").kind, Kind::NotFound);
        assert_eq!(desk.jobs.delete_recording(&recording.id).expect_err("deleted").kind, Kind::NotFound);
    }
}

#[test]
fn a_recording_that_cannot_be_deleted_goes_on() {
    let desk = Desk::new();
    let id = desk.done(6);
    let gate = Gate::default();
    desk.scripts.set(&id, &[Step::Hang(gate.clone()), Step::Frames(6)]);
    let recording = desk.record(&id);
    gate.reached();
    desk.refuse("DELETE ON recordings");
    assert_eq!(desk.jobs.delete_recording(&recording.id).expect_err("refused").kind, Kind::Internal);
    desk.accept();
    gate.open();
    assert_eq!(desk.recorded(&recording).state, RecordingState::Done);
}

#[test]
fn a_recording_goes_with_its_video() {
    let desk = Desk::new();
    let id = desk.done(6);
    let gate = Gate::default();
    desk.scripts.set(&id, &[Step::Frames(3), Step::Hang(gate.clone()), Step::Frames(3)]);
    let running = desk.record(&id);
    gate.reached();
    desk.jobs.delete(&id).expect("it is there");
    gate.open();
    desk.idle();
    assert!(!desk.jobs.files.video(&id).exists());
    assert!(desk.jobs.store.recording(&running.id).expect("readable").is_none());
}

#[test]
fn a_shutdown_ends_a_recording_that_stalls_and_it_starts_again() {
    let desk = Desk::new();
    let id = desk.done(6);
    let gate = Gate::default();
    desk.scripts.set(&id, &[Step::Frames(3), Step::Stall(gate.clone())]);
    let recording = desk.record(&id);
    gate.reached();
    assert!(desk.jobs.shut_down(super::fakes::PATIENCE));
    assert_eq!((desk.state_of(&recording), desk.files(&id)), (RecordingState::Encoding, vec!["source".to_owned()]));
    let refused = desk.jobs.add_recording(&id, RecordingOptions::default()).expect_err("the server is stopping");
    assert_eq!(refused.kind, Kind::Unavailable);
    desk.scripts.set(&id, &[Step::Frames(6)]);
    let desk = desk.restart();
    assert_eq!(desk.recorded(&recording).state, RecordingState::Done);
}

#[test]
fn a_recording_that_fails_says_why_and_leaves_nothing() {
    let desk = Desk::new();
    let id = desk.done(6);
    for (steps, words) in [
        (vec![Step::Frames(3), Step::Fail], "The file is broken."),
        (vec![Step::Frames(3), Step::Panic], "its log says more"),
        (vec![Step::Frames(3)], "Only 3 of 6 frames"),
        (vec![], "no frames"),
    ] {
        desk.scripts.set(&id, &steps);
        let recording = desk.recorded(&desk.record(&id));
        assert_eq!(recording.state, RecordingState::Failed);
        assert!(recording.error.as_deref().is_some_and(|error| error.contains(words)), "{recording:?}");
        assert_eq!(desk.files(&id), ["source"]);
    }
    desk.scripts.set(&id, &[Step::Frames(6)]);
    desk.scripts.full.store(true, Ordering::SeqCst);
    let recording = desk.recorded(&desk.record(&id));
    assert!(recording.error.expect("words").contains("disk is full"));
    assert_eq!(desk.files(&id), ["source"]);
}
