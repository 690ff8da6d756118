//! How work on a video ends: by itself, cancelled, deleted, by a shutdown, by an error, by a panic.

use std::time::Duration;

use super::fakes::{Desk, Gate, PATIENCE, Step};
use crate::{error::Kind, jobs::VideoState};

#[test]
fn a_video_is_worked_on_to_its_end() {
    let desk = Desk::new();
    let id = desk.add(&[Step::Frames(200)]);
    let video = desk.ended(&id);
    assert_eq!((video.state, video.frames_done, video.frames_total), (VideoState::Done, 200, Some(200)));
    desk.has_frames(&id, 200);
    desk.idle();
    let stored = desk.stored(&id);
    assert_eq!(desk.jobs.video(&id).expect("it is there"), stored, "what was announced is what is stored");
    assert!(stored.finished_at.is_some());
}

#[test]
fn a_cancelled_video_stays_cancelled_after_a_shutdown() {
    for round in 0..30 {
        let desk = Desk::new();
        let gate = Gate::default();
        let steps = [Step::Frames(5), Step::Stall(gate.clone()), Step::Frames(5)];
        let id = desk.add(&steps);
        gate.reached();
        // One after the other, and at once.
        let cancelled = std::thread::scope(|scope| {
            let cancel = scope.spawn(|| desk.jobs.cancel(&id).map(|video| video.state));
            if round % 2 == 0 {
                let cancelled = cancel.join().expect("no panic");
                assert!(desk.jobs.shut_down(PATIENCE));
                return cancelled;
            }
            assert!(desk.jobs.shut_down(PATIENCE));
            cancel.join().expect("no panic")
        });
        assert_eq!(cancelled.expect("it was worked on"), VideoState::Cancelled);
        let stored = desk.stored(&id);
        assert_eq!(stored.state, VideoState::Cancelled);
        let opened = desk.scripts.opened();
        let desk = desk.restart();
        desk.idle();
        assert_eq!((desk.stored(&id), desk.scripts.opened()), (stored, opened), "it was taken up again");
    }
}

#[test]
fn a_worker_that_hangs_changes_nothing_after_the_cancellation() {
    let desk = Desk::new();
    let gate = Gate::default();
    let id = desk.add(&[Step::Frames(50), Step::Hang(gate.clone()), Step::Frames(50)]);
    gate.reached();
    let cancelled = desk.jobs.cancel(&id).expect("it is worked on");
    assert_eq!(cancelled.state, VideoState::Cancelled);
    let mut following = desk.jobs.follow(&id).expect("it is there");
    following.mark_unchanged();
    gate.open();
    desk.idle();
    assert!(!following.has_changed().expect("open"), "something was announced");
    assert_eq!(desk.stored(&id), cancelled);
    desk.has_frames(&id, cancelled.frames_done);
}

#[test]
fn a_cancelled_video_goes_on_when_it_is_retried() {
    let desk = Desk::new();
    let gate = Gate::default();
    let id = desk.add(&[Step::Frames(20), Step::Hang(gate.clone())]);
    gate.reached();
    desk.jobs.cancel(&id).expect("it is worked on");
    // The thread of the first attempt has not ended yet: the second waits for it.
    desk.scripts.set(&id, &[Step::Frames(40)]);
    assert_eq!(desk.jobs.retry(&id).expect("it was cancelled").state, VideoState::Queued);
    assert_eq!(desk.scripts.opened(), 1);
    gate.open();
    assert_eq!(desk.ended(&id).state, VideoState::Done);
    desk.has_frames(&id, 40);
    let refused = desk.jobs.retry(&id).expect_err("it is done");
    assert_eq!(refused.kind, Kind::Conflict);
    assert_eq!(desk.jobs.cancel(&id).expect_err("it is done").kind, Kind::Conflict);
}

#[test]
fn a_video_that_waits_is_cancelled_without_being_opened() {
    let desk = Desk::new();
    let gate = Gate::default();
    let first = desk.add(&[Step::Hang(gate.clone())]);
    gate.reached();
    let second = desk.add(&[Step::Frames(1)]);
    assert_eq!(desk.jobs.cancel(&second).expect("it waits").state, VideoState::Cancelled);
    gate.open();
    assert_eq!(desk.ended(&first).state, VideoState::Done);
    desk.idle();
    assert_eq!((desk.stored(&second).state, desk.scripts.opened()), (VideoState::Cancelled, 1));
}

#[test]
fn a_video_is_deleted_while_it_is_worked_on() {
    for step in [Step::Stall, Step::Hang] {
        let desk = Desk::new();
        let gate = Gate::default();
        let id = desk.add(&[Step::Frames(30), step(gate.clone()), Step::Frames(30)]);
        gate.reached();
        let following = desk.jobs.follow(&id).expect("it is there");
        desk.jobs.delete(&id).expect("it is there");
        assert!(following.borrow().video.is_none(), "followers are told");
        assert!(!desk.jobs.files.video(&id).exists());
        gate.open();
        desk.idle();
        assert_eq!(desk.jobs.video(&id).expect_err("deleted").kind, Kind::NotFound);
        assert_eq!(desk.jobs.delete(&id).expect_err("deleted").kind, Kind::NotFound);
        assert!(!desk.jobs.files.video(&id).exists());
        assert_eq!(desk.ended(&desk.add(&[Step::Frames(1)])).state, VideoState::Done, "others are worked on");
    }
}

#[test]
fn a_shutdown_ends_a_source_that_stalls_and_the_work_goes_on_later() {
    let desk = Desk::new();
    let gate = Gate::default();
    let id = desk.add(&[Step::Frames(100), Step::Stall(gate.clone())]);
    let waiting = desk.add(&[Step::Frames(3)]);
    gate.reached();
    assert!(desk.jobs.shut_down(PATIENCE), "it does not end");
    let stored = desk.stored(&id);
    assert_eq!((stored.state, stored.finished_at), (VideoState::Running, None));
    let refused = desk.jobs.add_video(desk.upload(&[])).expect_err("the server is stopping");
    assert_eq!(refused.kind, Kind::Unavailable);
    desk.scripts.set(&id, &[Step::Frames(150)]);
    let desk = desk.restart();
    assert_eq!(desk.ended(&id).state, VideoState::Done);
    desk.has_frames(&id, 150);
    assert_eq!(desk.ended(&waiting).state, VideoState::Done);
}

#[test]
fn a_shutdown_does_not_wait_for_ever() {
    let desk = Desk::new();
    let gate = Gate::default();
    desk.add(&[Step::Hang(gate.clone())]);
    gate.reached();
    assert!(!desk.jobs.shut_down(Duration::from_millis(1)));
    gate.open();
    desk.idle();
}

#[test]
fn a_file_that_breaks_fails_and_can_be_tried_again() {
    let desk = Desk::new();
    let id = desk.add(&[Step::Frames(10), Step::Fail]);
    let video = desk.ended(&id);
    assert_eq!((video.state, video.error.as_deref()), (VideoState::Failed, Some("The file is broken.")));
    desk.idle();
    assert_eq!(desk.stored(&id), video);
    desk.scripts.set(&id, &[Step::Frames(30)]);
    desk.jobs.retry(&id).expect("it failed");
    let video = desk.ended(&id);
    assert_eq!((video.state, video.error), (VideoState::Done, None));
    desk.has_frames(&id, 30);
}

#[test]
fn a_panic_ends_one_video_alone() {
    let desk = Desk::new();
    let id = desk.add(&[Step::Frames(10), Step::Panic]);
    let other = desk.add(&[Step::Frames(10)]);
    let video = desk.ended(&id);
    assert_eq!(video.state, VideoState::Failed);
    assert!(video.error.expect("words").contains("its log says more"));
    assert_eq!(desk.ended(&other).state, VideoState::Done);
    desk.idle();
    assert_eq!(desk.stored(&id).state, VideoState::Failed);
}
