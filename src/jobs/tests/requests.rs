//! Requests at once: limits hold, and none is held up by another video.

use std::sync::{Arc, Barrier};

use super::fakes::{Desk, Gate, Step};
use crate::{
    error::Kind,
    jobs::{RecordingOptions, VideoState, lanes},
};

/// Does the same on so many threads at once; how many succeed, and of which kinds the errors are.
fn at_once<T: Send>(threads: usize, act: impl Fn(usize) -> crate::error::Result<T> + Sync) -> (usize, Vec<Kind>) {
    let barrier = Barrier::new(threads);
    let results: Vec<_> = std::thread::scope(|scope| {
        let spawn = |n| {
            let (act, barrier) = (&act, &barrier);
            scope.spawn(move || {
                barrier.wait();
                act(n)
            })
        };
        let threads: Vec<_> = (0..threads).map(spawn).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let errors: Vec<Kind> = results.iter().filter_map(|result| result.as_ref().err()).map(|error| error.kind).collect();
    (results.len() - errors.len(), errors)
}

#[test]
fn no_more_videos_wait_than_may() {
    for _ in 0..10 {
        let desk = Desk::with_queue(2);
        let gate = Gate::default();
        // Cancelled ones that want to go on.
        let cancelled: Vec<String> = (0..4)
            .map(|_| {
                let (gate, steps) = (Gate::default(), [Step::Frames(2)]);
                let id = desk.add(&[Step::Stall(gate.clone())]);
                gate.reached();
                desk.jobs.cancel(&id).expect("it is worked on");
                desk.scripts.set(&id, &steps);
                desk.idle();
                id
            })
            .collect();
        let running = desk.add(&[Step::Hang(gate.clone())]);
        gate.reached();
        let uploads: Vec<_> = (0..4).map(|_| desk.upload(&[Step::Frames(1)])).collect();
        let (taken, errors) = at_once(8, |n| match n % 2 {
            0 => desk.jobs.retry(&cancelled[n / 2]),
            _ => desk.jobs.add_video(uploads[n / 2].clone()),
        });
        assert_eq!((taken, errors), (2, vec![Kind::Busy; 6]));
        assert_eq!(desk.jobs.check_capacity().expect_err("full").kind, Kind::Busy);
        gate.open();
        desk.idle();
        assert_eq!(desk.stored(&running).state, VideoState::Done);
        desk.jobs.check_capacity().expect("there is room again");
    }
}

#[test]
fn no_more_recordings_wait_than_may() {
    let desk = Desk::with_queue(2);
    let id = desk.done(3);
    let gates = [Gate::default(), Gate::default()];
    for gate in &gates {
        desk.scripts.set(&id, &[Step::Hang(gate.clone()), Step::Frames(3)]);
        desk.record(&id);
        gate.reached();
    }
    desk.scripts.set(&id, &[Step::Frames(3)]);
    let (taken, errors) = at_once(8, |_| desk.jobs.add_recording(&id, RecordingOptions::default()));
    assert_eq!((taken, errors), (2, vec![Kind::Busy; 6]));
    assert_eq!(desk.jobs.store.recordings_of(&id).expect("readable").len(), 4, "what is refused is not stored");
    gates.iter().for_each(Gate::open);
    desk.idle();
}

#[test]
fn a_video_that_is_deleted_meanwhile_is_not_found() {
    for _ in 0..30 {
        let desk = Desk::new();
        let id = desk.done(2);
        let (_, errors) = at_once(6, |n| match n {
            0 => desk.jobs.delete(&id),
            1..4 => desk.jobs.add_recording(&id, RecordingOptions::default()).map(drop),
            _ => desk.jobs.follow(&id).map(drop),
        });
        assert!(errors.iter().all(|kind| *kind == Kind::NotFound), "{errors:?}");
        desk.idle();
        assert_eq!(desk.jobs.delete(&id).expect_err("deleted").kind, Kind::NotFound);
        assert!(!desk.jobs.files.video(&id).exists());
    }
}

#[test]
fn a_video_is_deleted_once() {
    let desk = Desk::new();
    let id = desk.done(1);
    let (deleted, errors) = at_once(4, |_| desk.jobs.delete(&id));
    assert_eq!((deleted, errors), (1, vec![Kind::NotFound; 3]));
}

#[test]
fn one_slow_change_does_not_hold_up_other_videos() {
    let desk = Desk::new();
    let (slow, other) = (desk.done(2), desk.done(2));
    let _following = desk.jobs.follow(&other).expect("it is there");
    // As a delete that takes its time in SQLite.
    let store = desk.jobs.store.write();
    let jobs = desk.jobs.clone();
    let delete = std::thread::spawn({
        let slow = slow.clone();
        move || jobs.delete(&slow)
    });
    // It holds the video once nobody else can have it.
    while !desk.jobs.claims.is_claimed(&slow) {
        std::thread::yield_now();
    }
    // None of these may wait for the store's writer.
    desk.jobs.check_capacity().expect("there is room");
    assert_eq!(desk.jobs.video(&other).expect("it is there").state, VideoState::Done);
    drop(desk.jobs.follow(&other).expect("it is there"));
    drop(desk.jobs.reserve(lanes::Kind::Video).expect("there is room"));
    desk.jobs.dispatch();
    drop(store);
    delete.join().expect("no panic").expect("it was there");
}

#[test]
fn what_cannot_be_cancelled_goes_on() {
    let desk = Desk::new();
    let gates = [Gate::default(), Gate::default()];
    let running = desk.add(&[Step::Frames(9), Step::Hang(gates[0].clone()), Step::Frames(9)]);
    gates[0].reached();
    let waiting = desk.add(&[Step::Frames(5)]);
    desk.refuse("UPDATE ON videos WHEN NEW.state='cancelled'");
    for id in [&running, &waiting] {
        assert_eq!(desk.jobs.cancel(id).expect_err("it cannot be stored").kind, Kind::Internal);
    }
    desk.accept();
    gates[0].open();
    assert_eq!(desk.ended(&running).state, VideoState::Done);
    assert_eq!(desk.ended(&waiting).state, VideoState::Done);
    desk.has_frames(&running, 18);
}

#[test]
fn threads_that_end_let_the_jobs_go() {
    let desk = Desk::new();
    let weak = Arc::downgrade(&desk.jobs);
    desk.done(1);
    let desk = desk.restart();
    assert!(weak.upgrade().is_none());
    drop(desk);
}
