//! The store's tables, and how the file of an earlier version is converted.

use rusqlite::Connection;

use super::store::explain;
use crate::error::{Error, Kind, Result};

/// Raised with every change of the tables below; a newer file is refused, an older one converted.
const SCHEMA_VERSION: i64 = 3;

const SCHEMA: &str = "
CREATE TABLE videos (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, state TEXT NOT NULL,
  model TEXT NOT NULL, threshold REAL NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, frame_rate TEXT,
  duration REAL, frames_total INTEGER, frames_done INTEGER NOT NULL DEFAULT 0, detect_fps REAL, bytes INTEGER NOT NULL,
  content_type TEXT NOT NULL, codec TEXT, error TEXT, warning TEXT, created_at TEXT NOT NULL, finished_at TEXT,
  attempts INTEGER NOT NULL DEFAULT 0);
CREATE INDEX videos_by_state ON videos (state, seq);
CREATE TABLE frames (
  video INTEGER NOT NULL REFERENCES videos (seq) ON DELETE CASCADE, frame INTEGER NOT NULL, time REAL NOT NULL,
  width INTEGER NOT NULL, height INTEGER NOT NULL, detections TEXT NOT NULL,
  PRIMARY KEY (video, frame)) WITHOUT ROWID;
";

/// A recording is of a video or of a live stream, which need not be there any more. `info` is the stream object.
const SCHEMA_LIVE: &str = "
CREATE TABLE recordings (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
  video TEXT REFERENCES videos (id) ON DELETE CASCADE, stream TEXT, name TEXT, format TEXT NOT NULL,
  options TEXT NOT NULL, state TEXT NOT NULL, frames_done INTEGER NOT NULL DEFAULT 0, frames_total INTEGER NOT NULL,
  bytes INTEGER, error TEXT, created_at TEXT NOT NULL);
CREATE INDEX recordings_by_video ON recordings (video, seq);
CREATE INDEX recordings_by_stream ON recordings (stream, seq);
CREATE INDEX recordings_by_state ON recordings (state, seq);
CREATE TABLE streams (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, url TEXT NOT NULL, info TEXT NOT NULL);
";

/// From version 1, which knew no live streams.
const TO_LIVE: [&str; 2] = [
    "ALTER TABLE recordings RENAME TO recordings_1;
     DROP INDEX recordings_by_video;
     DROP INDEX recordings_by_state;",
    "INSERT INTO recordings (seq, id, video, format, options, state, frames_done, frames_total, bytes, error, created_at)
     SELECT seq, id, video, format, options, state, frames_done, frames_total, bytes, error, created_at FROM recordings_1;
     DROP TABLE recordings_1;",
];

/// From version 2, which counted starts for each video: `running` holds what is in work now, `suspects` what was in work
/// when the server crashed (`suspects.rs`). An item is `video:ID`, `recording:ID` or `upload:SHA256`.
const TO_SUSPECTS: &str = "
ALTER TABLE videos DROP COLUMN attempts;
CREATE TABLE running (item TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE suspects (
  item TEXT PRIMARY KEY, crashes INTEGER NOT NULL, alone INTEGER NOT NULL, position INTEGER NOT NULL,
  at TEXT NOT NULL) WITHOUT ROWID;
";

/// From version 2, which did not count the frames that a live recording lacks.
const TO_DROPPED: &str = "ALTER TABLE recordings ADD COLUMN frames_dropped INTEGER NOT NULL DEFAULT 0;";

/// Brings the tables up to date. A file that is up to date is not written to, so that it opens on a full disk.
///
/// # Errors
/// The file is damaged, a newer version of the program wrote it, or the disk is full.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(explain)?;
    let steps: &[&str] = match version {
        0 => &[SCHEMA, SCHEMA_LIVE, TO_SUSPECTS, TO_DROPPED],
        1 => &[TO_LIVE[0], SCHEMA_LIVE, TO_LIVE[1], TO_SUSPECTS, TO_DROPPED],
        2 => &[TO_SUSPECTS, TO_DROPPED],
        SCHEMA_VERSION => return Ok(()),
        _ => {
            return Err(Error::new(
                Kind::Internal,
                "The data folder was written by a newer sightglass: use that version, or another --data folder.",
            ));
        }
    };
    let transaction = connection.transaction().map_err(explain)?;
    for step in steps {
        transaction.execute_batch(step).map_err(explain)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(explain)?;
    transaction.commit().map_err(explain)
}

#[cfg(test)]
mod tests {
    use super::{super::Store, *};

    #[test]
    fn a_store_of_version_1_is_converted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("old.db");
        let old = Connection::open(&path).expect("a database");
        old.execute_batch(SCHEMA).expect("version 1");
        old.execute_batch(
            "CREATE TABLE recordings (
               seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
               video TEXT NOT NULL REFERENCES videos (id) ON DELETE CASCADE, format TEXT NOT NULL, options TEXT NOT NULL,
               state TEXT NOT NULL, frames_done INTEGER NOT NULL DEFAULT 0, frames_total INTEGER NOT NULL,
               bytes INTEGER, error TEXT, created_at TEXT NOT NULL);
             CREATE INDEX recordings_by_video ON recordings (video, seq);
             CREATE INDEX recordings_by_state ON recordings (state, seq);
             INSERT INTO videos (id, name, state, model, threshold, width, height, bytes, content_type, created_at)
               VALUES ('v', 'clip.mp4', 'done', 'shapes', 0.5, 320, 240, 9, 'video/mp4', '2026-11-01T00:00:00Z');
             INSERT INTO recordings (id, video, format, options, state, frames_total, created_at)
               VALUES ('r', 'v', 'avi', '{}', 'done', 7, '2026-11-01T00:00:01Z');
             PRAGMA user_version = 1;",
        )
        .expect("version 1");
        drop(old);
        for _ in 0..2 {
            let store = Store::open(&path).expect("converted");
            let recording = store.recording("r").expect("readable").expect("kept");
            assert_eq!((recording.video.as_deref(), recording.stream, recording.frames_total), (Some("v"), None, 7));
        }
        let store = Store::open(&path).expect("converted");
        assert!(store.delete_video("v").expect("deleted"));
        assert!(store.recording("r").expect("readable").is_none(), "it goes with its video");
        assert!(store.streams().expect("readable").is_empty());
        assert!(store.running().expect("readable").is_empty() && store.suspects().expect("readable").is_empty());
    }
}
