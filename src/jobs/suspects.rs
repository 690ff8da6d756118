//! Which files may have crashed the server.
//!
//! While a file is worked on, its item stands in the store's table `running`. A process that finds items there at its
//! start, and was not preceded by a stop in order, knows what was in work at the crash. If it was one item, the crash is
//! counted against it; if there were several, all are suspects and none is blamed. Each suspect is then tried alone
//! (`trials.rs`), and one that crashes the server again and again is given up
//! ([design note](../../docs/design/0015-disk-and-crashes.md)).
//!
//! Live streams and still pictures are not tracked: a stream of a camera never ends, so nothing would ever run alone.

use std::collections::HashMap;

use super::{Store, now};
use crate::error::Result;

/// Crashes alone, without progress between them, after which a video or a recording is given up.
const MAX_CRASHES: u32 = 3;
/// Suspects are forgotten after so many days: the decoders may have been repaired since.
const DAYS: i64 = 7;
/// How far a recording must come beyond the frame that was stored last. It is stored five times a second, and an encoder
/// writes some hundred frames in that time.
const RECORDING_MARGIN: u64 = 200;

/// The item of detection in a video.
pub(super) fn video(id: &str) -> String {
    format!("video:{id}")
}

/// The item of a recording of a video.
pub(super) fn recording(id: &str) -> String {
    format!("recording:{id}")
}

/// The item of an upload that is being probed: it has no id that lasts, but its bytes have a hash.
pub(super) fn upload(sha256: &str) -> String {
    format!("upload:{sha256}")
}

/// What is held against an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Suspect {
    /// Crashes while it was in work.
    pub crashes: u32,
    /// Those of them while nothing else was in work, since it last made progress.
    pub alone: u32,
    /// Frames done at the last crash.
    pub position: u64,
    /// When the last crash was noticed, RFC 3339.
    pub at: String,
}

impl Suspect {
    /// Is no more work spent on it? An upload costs its sender little to send again, and nothing to convert: the second
    /// crash is enough where one of them was alone. One crash alone may have been anything, such as `kill -9`.
    pub fn is_given_up(&self, item: &str) -> bool {
        match item.starts_with("upload:") {
            true => self.alone >= 1 && self.crashes >= 2,
            false => self.alone >= MAX_CRASHES,
        }
    }
}

/// Counts a crash. `running`: what was in work, each with its frames done.
fn count_crash(suspects: &mut HashMap<String, Suspect>, running: &[(String, u64)], at: &str) {
    for (item, position) in running {
        let suspect = suspects.entry(item.clone()).or_default();
        if *position > suspect.position {
            (suspect.alone, suspect.position) = (0, *position);
        }
        suspect.crashes += 1;
        suspect.alone += u32::from(running.len() == 1);
        suspect.at = at.to_owned();
    }
}

/// Reads the suspects, with those of the crash before, if there was one.
pub(super) fn load(store: &Store, crashed: bool) -> Result<HashMap<String, Suspect>> {
    let (running, mut suspects) = (store.running()?, store.suspects()?);
    let before = (running.len(), suspects.len());
    let oldest = (time::OffsetDateTime::now_utc() - time::Duration::days(DAYS))
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap_or_default();
    // RFC 3339 in UTC sorts as text.
    suspects.retain(|_, suspect| suspect.at > oldest);
    if crashed && !running.is_empty() {
        let mut at_crash = Vec::new();
        for item in running {
            let position = match item.split_once(':') {
                Some(("video", id)) => store.video(id)?.map_or(0, |video| video.frames_done),
                Some(("recording", id)) => store.recording(id)?.map_or(0, |one| one.frames_done + RECORDING_MARGIN),
                _ => 0,
            };
            at_crash.push((item, position));
        }
        count_crash(&mut suspects, &at_crash, &now());
        let items: Vec<&str> = at_crash.iter().map(|(item, _)| item.as_str()).collect();
        tracing::warn!(?items, "the server did not stop in order; what was in work is tried again, one at a time");
    }
    if before != (0, suspects.len()) {
        log_failure(store.replace_suspects(&suspects));
    }
    Ok(suspects)
}

pub(super) fn log_failure(stored: Result<()>) {
    if let Err(error) = stored {
        tracing::warn!(error = %error.full(), "cannot store what is in work");
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{super::trials::Trials, *};

    /// A store, and the suspects of a process that begins on it.
    pub struct Desk {
        folder: tempfile::TempDir,
        pub store: Store,
    }

    impl Desk {
        pub fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let store = Store::open(&folder.path().join("db")).expect("a store");
            Self { folder, store }
        }

        fn start(&self, crashed: bool) -> Trials {
            Trials::open(&self.store, crashed)
        }

        /// A process that crashes while these are in work.
        pub fn crash(&self, items: &[&str]) -> Trials {
            for item in items {
                self.store.insert_running(item).expect("stored");
            }
            self.start(true)
        }
    }

    pub const NEVER: &dyn Fn() -> bool = &|| false;

    #[test]
    fn only_a_file_that_was_alone_is_blamed() {
        let desk = Desk::new();
        for _ in 0..10 {
            let suspects = desk.crash(&["video:bad", "video:good"]);
            assert!(suspects.given_up("video:bad").is_none() && suspects.given_up("video:good").is_none());
        }
        assert!(desk.crash(&["video:bad"]).given_up("video:bad").is_none());
        assert!(desk.crash(&["video:bad"]).given_up("video:bad").is_none());
        let suspects = desk.crash(&["video:bad"]);
        assert_eq!(suspects.given_up("video:bad"), Some(MAX_CRASHES));
        assert_eq!(suspects.given_up("video:good"), None);
        suspects.forgive(&desk.store, "video:bad");
        assert_eq!(desk.start(true).given_up("video:bad"), None, "an explicit retry counts from the beginning");
        assert!(desk.store.suspects().expect("readable").contains_key("video:bad"), "but it is tried alone");
        drop(desk.folder);
    }

    #[test]
    fn a_stop_in_order_is_no_crash() {
        let desk = Desk::new();
        for _ in 0..2 * MAX_CRASHES {
            desk.store.insert_running("video:slow").expect("stored");
            desk.start(false);
        }
        assert!(desk.store.suspects().expect("readable").is_empty());
        assert!(desk.store.running().expect("readable").is_empty(), "what did not end in time is not counted later");
    }

    #[test]
    fn progress_ends_the_suspicion() {
        let mut suspects = HashMap::new();
        let at = |frames| vec![("video:slow".to_owned(), frames)];
        for frames in [10, 10, 20, 20, 30, 30] {
            count_crash(&mut suspects, &at(frames), "");
            assert!(!suspects["video:slow"].is_given_up("video:slow"), "it gets on: {suspects:?}");
        }
        count_crash(&mut suspects, &at(30), "");
        assert!(suspects["video:slow"].is_given_up("video:slow"));

        let desk = Desk::new();
        let suspects = desk.crash(&["video:slow"]);
        let activity = suspects.enter(&desk.store, "video:slow".into(), NEVER).expect("its turn");
        activity.progress(0);
        assert_eq!(desk.store.suspects().expect("readable").len(), 1);
        activity.progress(1);
        assert!(desk.store.suspects().expect("readable").is_empty());
        // It is no trial any more: others run beside it.
        let other = suspects.enter(&desk.store, "video:other".into(), NEVER).expect("its turn");
        assert_eq!(desk.store.running().expect("readable"), ["video:other", "video:slow"]);
        drop((activity, other));
        assert!(desk.store.running().expect("readable").is_empty());
    }

    #[test]
    fn an_upload_is_refused_after_a_second_crash_when_it_was_alone() {
        let desk = Desk::new();
        let all = ["upload:bad", "upload:a", "upload:b", "upload:c"];
        for _ in 0..3 {
            let suspects = desk.crash(&all);
            assert!(all.iter().all(|item| suspects.given_up(item).is_none()));
        }
        let suspects = desk.crash(&["upload:bad"]);
        assert_eq!(suspects.given_up("upload:bad"), Some(4));
        assert!(suspects.given_up("upload:a").is_none());
        assert!(desk.crash(&["upload:once"]).given_up("upload:once").is_none(), "it may have been anything");
        let probe = suspects.enter(&desk.store, "upload:a".into(), NEVER).expect("its turn");
        probe.finish();
        assert!(!desk.store.suspects().expect("readable").contains_key("upload:a"), "it was examined without a crash");
    }
}
