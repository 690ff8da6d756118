//! A store that cannot be written for a while, or at all.

use super::fakes::{Desk, Gate, Step};
use crate::{
    cancel::{CancelToken, Reason},
    error::Kind,
    jobs::{RecordingState, Transition, VideoState, retry::until_stored},
};

#[test]
fn a_full_disk_is_waited_for_and_no_frame_is_lost() {
    let desk = Desk::new();
    let gate = Gate::default();
    let id = desk.add(&[Step::Hang(gate.clone()), Step::Frames(2000)]);
    gate.reached();
    let pages = |limit: i64| {
        let store = desk.jobs.store.write();
        store.query_row(&format!("PRAGMA max_page_count = {limit}"), [], |row| row.get::<_, i64>(0)).expect("pages")
    };
    // No page more than there are.
    pages(1);
    gate.open();
    let waits = |warning: Option<&str>| warning.is_some_and(|words| words.contains("disk is full"));
    desk.told(&id, |snapshot| waits(snapshot.video.as_ref().and_then(|video| video.warning.as_deref())));
    assert_eq!(desk.stored(&id).state, VideoState::Running);
    pages(1 << 30);
    let video = desk.ended(&id);
    assert_eq!((video.state, video.warning), (VideoState::Done, None));
    desk.has_frames(&id, 2000);
}

#[test]
fn a_database_that_another_process_holds_is_waited_for() {
    let desk = Desk::new();
    let gate = Gate::default();
    let id = desk.add(&[Step::Hang(gate.clone())]);
    gate.reached();
    let (store, video) = (&desk.jobs.store, desk.stored(&id));
    store.write().busy_timeout(std::time::Duration::ZERO).expect("set");
    let other = rusqlite::Connection::open(desk.jobs.files.database()).expect("a connection");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let mut attempts = 0;
    let mut attempt = || {
        attempts += 1;
        Some(store.update_video(&video))
    };
    let release = |error: &crate::error::Error| {
        assert_eq!(error.kind, Kind::Unavailable, "{}", error.full());
        other.execute_batch("COMMIT").expect("released");
    };
    let stored = until_stored("store the test's video", &id, &CancelToken::default(), &mut attempt, release);
    assert_eq!(stored.expect("it is only waited for"), Some(Transition::Stored));
    // Nobody waits for the store of work that is cancelled.
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let cancel = CancelToken::default();
    let stored = until_stored("store the test's video", &id, &cancel, &mut attempt, |_| {
        cancel.cancel(Reason::Shutdown);
    });
    assert_eq!(stored.expect("it is only waited for"), None);
    other.execute_batch("COMMIT").expect("released");
    assert_eq!(attempts, 3);
    gate.open();
    assert_eq!(desk.ended(&id).state, VideoState::Done);
}

#[test]
fn a_video_whose_frames_cannot_be_stored_fails() {
    let desk = Desk::new();
    desk.refuse("INSERT ON frames");
    let id = desk.add(&[Step::Frames(5)]);
    let video = desk.ended(&id);
    assert_eq!(video.state, VideoState::Failed);
    assert!(video.error.expect("words").contains("database failed"));
    desk.idle();
    desk.accept();
    assert_eq!(desk.stored(&id).state, VideoState::Failed);
    desk.jobs.retry(&id).expect("it failed");
    assert_eq!(desk.ended(&id).state, VideoState::Done);
    desk.has_frames(&id, 5);
}

#[test]
fn an_end_that_cannot_be_stored_is_not_announced() {
    let desk = Desk::new();
    let gate = Gate::default();
    let id = desk.add(&[Step::Hang(gate.clone()), Step::Frames(5)]);
    gate.reached();
    let following = desk.jobs.follow(&id).expect("it is there");
    desk.refuse("UPDATE ON videos WHEN NEW.state IN ('done', 'failed')");
    gate.open();
    desk.idle();
    assert_eq!(following.borrow().video.as_ref().expect("it is there").state, VideoState::Running);
    assert_eq!(desk.stored(&id).state, VideoState::Running);
    desk.accept();
    drop(following);
    let desk = desk.restart();
    assert_eq!(desk.ended(&id).state, VideoState::Done);
    desk.has_frames(&id, 5);
}

#[test]
fn the_store_takes_no_change_of_what_is_ended() {
    let desk = Desk::new();
    let id = desk.done(2);
    let recording = desk.recorded(&desk.record(&id));
    let (store, ended) = (&desk.jobs.store, desk.stored(&id));
    let rows = store.frames(ended.seq, 0, 1).expect("readable");
    for state in [VideoState::Done, VideoState::Failed, VideoState::Cancelled] {
        store.write().execute("UPDATE videos SET state=?1", [state.as_str()]).expect("stored");
        for late in
            [VideoState::Queued, VideoState::Running, VideoState::Done, VideoState::Failed, VideoState::Cancelled]
        {
            let mut video = ended.clone();
            (video.state, video.frames_done) = (late, 1);
            assert_eq!(store.update_video(&video).expect("answered"), Transition::Rejected);
        }
        assert_eq!(store.append_frames(ended.seq, &rows).expect("answered"), Transition::Rejected);
        assert_eq!((desk.stored(&id).state, desk.stored(&id).frames_done), (state, 2));
    }
    let mut late = recording.clone();
    late.state = RecordingState::Encoding;
    assert_eq!(store.update_recording(&late).expect("answered"), Transition::Rejected);
    // Out of failed and cancelled there is one way, and none out of the others.
    let mut again = ended.clone();
    again.state = VideoState::Queued;
    for (state, taken) in
        [("done", false), ("failed", true), ("queued", false), ("cancelled", true), ("running", false)]
    {
        store.write().execute("UPDATE videos SET state=?1", [state]).expect("stored");
        let expected = if taken { Transition::Stored } else { Transition::Rejected };
        assert_eq!(store.requeue_video(&again).expect("answered"), expected, "{state}");
    }
    store.delete_video(&id).expect("deleted");
    assert_eq!(store.append_frames(ended.seq, &rows).expect("answered"), Transition::Rejected);
    assert_eq!(store.update_video(&ended).expect("answered"), Transition::Rejected);
}
