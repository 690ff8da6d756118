//! What followers are told, and that nothing is left of those who have gone.

use super::fakes::{Desk, Gate, Step};
use crate::jobs::{RecordingState, VideoState};

#[test]
fn nothing_is_announced_before_it_is_stored() {
    let desk = Desk::new();
    let gate = Gate::default();
    let id = desk.add(&[Step::Hang(gate.clone()), Step::Frames(3000)]);
    gate.reached();
    let mut last = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            desk.told(&id, |snapshot| {
                let video = snapshot.video.as_ref().expect("it is there");
                let stored = desk.stored(&id);
                assert!(stored.frames_done >= video.frames_done, "frames were announced that are not stored");
                assert!(
                    !video.state.is_final() || stored.state == video.state,
                    "an end was announced that is not stored"
                );
                assert!(video.frames_done >= last, "the count fell");
                last = video.frames_done;
                // Opened by the first look: a follower is there before the first frame.
                gate.open();
                video.state.is_final()
            });
        });
    });
    assert_eq!(last, 3000);
}

#[test]
fn no_channel_is_left_of_a_video_that_is_done() {
    let desk = Desk::new();
    let id = desk.done(3);
    assert_eq!(desk.jobs.hub.channels(), 0, "nobody has followed it");
    let following: Vec<_> = (0..3).map(|_| desk.jobs.follow(&id).expect("it is there")).collect();
    assert_eq!(following[0].borrow().video.as_ref().expect("it is there").state, VideoState::Done);
    assert_eq!(desk.jobs.hub.channels(), 1);
    std::thread::scope(|scope| following.into_iter().for_each(|one| drop(scope.spawn(move || drop(one)))));
    assert_eq!(desk.jobs.hub.channels(), 0, "all have gone");
    assert!(desk.jobs.follow("none").is_err());
    assert_eq!(desk.jobs.hub.channels(), 0, "there is no such video");
    // One that is worked on keeps its channel without a follower.
    let gate = Gate::default();
    let id = desk.add(&[Step::Hang(gate.clone())]);
    gate.reached();
    drop(desk.jobs.follow(&id).expect("it is there"));
    assert_eq!(desk.jobs.hub.latest(&id).expect("it is worked on").state, VideoState::Running);
    gate.open();
    desk.idle();
    assert_eq!(desk.jobs.hub.channels(), 0);
}

#[test]
fn what_is_announced_while_a_follower_reads_the_store_is_newer() {
    let desk = Desk::new();
    let id = desk.done(3);
    let (recording, mut done) = (desk.record(&id), None);
    desk.idle();
    let video = desk.stored(&id);
    let following = desk.jobs.hub.follow(&id, || {
        let mut stale = recording.clone();
        stale.state = RecordingState::Encoding;
        let ended = desk.stored_recording(&recording.id);
        desk.jobs.hub.publish_recording(&ended);
        done = Some(ended);
        Ok((video.clone(), vec![stale]))
    });
    let following = following.expect("it is there");
    assert_eq!(following.borrow().recordings, [done.expect("it was read")]);
    assert_eq!(following.borrow().video.as_deref(), Some(&video));
}

#[test]
fn a_slow_follower_hears_of_every_recording_that_ended() {
    let desk = Desk::new();
    let id = desk.done(3);
    let following = desk.jobs.follow(&id).expect("it is there");
    let made: Vec<_> = (0..3).map(|_| desk.record(&id).id).collect();
    desk.idle();
    let snapshot = following.borrow().clone();
    let mut told: Vec<_> = snapshot.recordings.iter().map(|one| (one.id.clone(), one.state)).collect();
    told.sort_by_key(|(id, _)| made.iter().position(|made| made == id));
    assert_eq!(told, made.into_iter().map(|id| (id, RecordingState::Done)).collect::<Vec<_>>());
}
