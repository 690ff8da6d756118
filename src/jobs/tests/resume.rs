//! What each state becomes at the next start.

use std::collections::HashMap;

use super::fakes::{Desk, Step};
use crate::jobs::{
    Recording, RecordingOptions, RecordingState, Transition, Video, VideoState, new_id, now,
    suspects::{self, Suspect},
};

/// Stores a video as an earlier process left it, with its file.
fn left(desk: &Desk, state: VideoState) -> Video {
    let mut video = desk.upload(&[Step::Frames(20)]);
    desk.jobs.files.keep_upload(&video.id).expect("kept");
    video = desk.jobs.store.insert_video(&video).expect("stored");
    video.state = state;
    assert_eq!(desk.jobs.store.update_video(&video).expect("stored"), Transition::Stored);
    video
}

fn left_recording(desk: &Desk, video: &str, state: RecordingState) -> Recording {
    let options = RecordingOptions::default();
    let recording = Recording {
        id: new_id(),
        video: Some(video.to_owned()),
        stream: None,
        name: None,
        format: options.format,
        state: RecordingState::Queued,
        frames_done: 0,
        frames_total: 20,
        frames_dropped: 0,
        bytes: None,
        error: None,
        created_at: now(),
        options,
        seq: 0,
    };
    let mut recording = desk.jobs.store.insert_recording(&recording).expect("stored");
    (recording.state, recording.frames_done) = (state, 7);
    assert_eq!(desk.jobs.store.update_recording(&recording).expect("stored"), Transition::Stored);
    recording
}

#[test]
fn work_in_progress_goes_on_and_what_is_ended_stays() {
    let desk = Desk::new();
    let queued = left(&desk, VideoState::Queued);
    let running = left(&desk, VideoState::Running);
    let ended = [VideoState::Done, VideoState::Failed, VideoState::Cancelled].map(|state| left(&desk, state));
    let crashed = left(&desk, VideoState::Running);
    let suspect = Suspect { crashes: 3, alone: 3, position: 0, at: now() };
    let suspects = HashMap::from([(suspects::video(&crashed.id), suspect)]);
    desk.jobs.store.replace_suspects(&suspects).expect("stored");
    let desk = desk.restart();
    for video in [&queued, &running] {
        assert_eq!(desk.ended(&video.id).state, VideoState::Done);
        desk.has_frames(&video.id, 20);
    }
    desk.idle();
    for video in &ended {
        assert_eq!(&desk.stored(&video.id), video);
    }
    let given_up = desk.stored(&crashed.id);
    assert_eq!(given_up.state, VideoState::Failed);
    assert!(given_up.error.expect("words").contains("given up"));
    assert_eq!(desk.scripts.opened(), 2);
}

#[test]
fn recordings_start_again_and_stray_files_go() {
    let desk = Desk::new();
    let id = desk.done(20);
    let done = desk.record(&id);
    assert_eq!(desk.recorded(&done).state, RecordingState::Done);
    let queued = left_recording(&desk, &id, RecordingState::Queued);
    let encoding = left_recording(&desk, &id, RecordingState::Encoding);
    let failed = left_recording(&desk, &id, RecordingState::Failed);
    let file = |recording: &Recording| desk.jobs.files.recording(&id, &recording.id, recording.format);
    // Half of one, a whole one that was not stored as done, and those of recordings that were deleted.
    for path in [
        desk.jobs.files.recording_part(&id, &encoding.id),
        file(&queued),
        file(&failed),
        desk.jobs.files.recording_part(&id, "gone"),
        desk.jobs.files.video(&id).join("recording-gone.part.faststart"),
    ] {
        std::fs::write(path, b"stray").expect("written");
    }
    let desk = desk.restart();
    for recording in [&queued, &encoding] {
        let recorded = desk.recorded(recording);
        assert_eq!((recorded.state, recorded.frames_done, recorded.error), (RecordingState::Done, 20, None));
    }
    assert_eq!(desk.state_of(&failed), RecordingState::Failed);
    let mut expected: Vec<_> =
        [&done, &queued, &encoding].map(|one| format!("recording-{}.{}", one.id, one.format.as_str())).into();
    expected.push("source".into());
    expected.sort();
    assert_eq!(desk.files(&id), expected);
}
