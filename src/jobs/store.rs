//! The store: videos, their detections and recordings in SQLite (WAL).
//!
//! One connection writes, a few read; in WAL mode they do not wait for each other. A commit survives `kill -9`
//! of the process at any moment; `synchronous=NORMAL` may lose the last commits, never the file, when the power fails.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Video, VideoState};
use crate::error::{Error, Kind, Result};

/// Raised with every change of the tables below; a newer file is refused, an older one converted.
const SCHEMA_VERSION: i64 = 2;

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

/// How long a statement waits for another process that holds the database, a backup for example; workers try again then.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// One frame's detections as they are stored.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameRow {
    pub frame: u64,
    /// Stream time in seconds.
    pub time: f64,
    pub width: u32,
    pub height: u32,
    /// JSON array of [`crate::event::Detection`], exactly as it is sent.
    pub detections: String,
}

/// Whether a change of a video's or recording's state was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    Stored,
    /// It is gone, or in a state from which this change is not allowed; nothing was changed.
    Rejected,
}

impl Transition {
    /// By how many rows an `UPDATE` changed.
    pub(super) fn of(changed: usize) -> Self {
        if changed > 0 { Self::Stored } else { Self::Rejected }
    }
}

/// The database.
pub struct Store {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl Store {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// The file cannot be used, or a newer version of the program wrote it.
    pub fn open(path: &Path) -> Result<Self> {
        let mut writer = connect(path)?;
        writer.pragma_update(None, "journal_mode", "WAL").map_err(explain)?;
        writer.pragma_update(None, "synchronous", "NORMAL").map_err(explain)?;
        let version: i64 = writer.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(explain)?;
        let steps: &[&str] = match version {
            0 => &[SCHEMA, SCHEMA_LIVE],
            1 => &[TO_LIVE[0], SCHEMA_LIVE, TO_LIVE[1]],
            SCHEMA_VERSION => &[],
            _ => {
                return Err(Error::new(
                    Kind::Internal,
                    "The data folder was written by a newer sightglass: use that version, or another --data folder.",
                ));
            }
        };
        let transaction = writer.transaction().map_err(explain)?;
        for step in steps {
            transaction.execute_batch(step).map_err(explain)?;
        }
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(explain)?;
        transaction.commit().map_err(explain)?;
        Ok(Self { path: path.to_path_buf(), writer: Mutex::new(writer), readers: Mutex::default() })
    }

    pub(super) fn write(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path)?,
        };
        let answer = query(&connection).map_err(explain);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < 4 {
            readers.push(connection);
        }
        answer
    }

    /// Adds a video; its `seq` is given by the store.
    pub fn insert_video(&self, video: &Video) -> Result<Video> {
        let connection = self.write();
        connection
            .execute(
                "INSERT INTO videos (id, name, state, model, threshold, width, height, frame_rate, duration, frames_total,
                 bytes, content_type, codec, created_at) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)",
                params![
                    video.id, video.name, video.state.as_str(), video.model, video.threshold, video.width, video.height,
                    video.frame_rate, video.duration, video.frames_total.map(|n| n as i64), video.bytes as i64,
                    video.content_type, video.codec, video.created_at,
                ],
            )
            .map_err(explain)?;
        Ok(Video { seq: connection.last_insert_rowid(), ..video.clone() })
    }

    /// Stores everything of a video that changes while it is worked on. Rejected once the video is done, failed or
    /// cancelled: whatever comes later, from a thread that has not heard of it, changes nothing.
    pub fn update_video(&self, video: &Video) -> Result<Transition> {
        self.write_video(video, "'queued', 'running'")
    }

    /// Makes a failed or cancelled video one that waits; the only way out of these states. Rejected in any other state.
    pub fn requeue_video(&self, video: &Video) -> Result<Transition> {
        self.write_video(video, "'failed', 'cancelled'")
    }

    /// `from`: the states in which a video is changed, as a list of SQL.
    fn write_video(&self, video: &Video, from: &str) -> Result<Transition> {
        let sql = format!(
            "UPDATE videos SET state=?2, width=?3, height=?4, frames_total=?5, frames_done=?6, detect_fps=?7,
             error=?8, warning=?9, finished_at=?10, attempts=?11, duration=?12 WHERE seq=?1 AND state IN ({from})"
        );
        let changed = self
            .write()
            .execute(
                &sql,
                params![
                    video.seq,
                    video.state.as_str(),
                    video.width,
                    video.height,
                    video.frames_total.map(|n| n as i64),
                    video.frames_done as i64,
                    video.detect_fps,
                    video.error,
                    video.warning,
                    video.finished_at,
                    video.attempts,
                    video.duration,
                ],
            )
            .map_err(explain)?;
        Ok(Transition::of(changed))
    }

    /// Stores frames and the video's new count of them in one transaction. Rejected, all of it, once the video is done,
    /// failed, cancelled or deleted.
    pub fn append_frames(&self, video: i64, rows: &[FrameRow]) -> Result<Transition> {
        let Some(last) = rows.last() else { return Ok(Transition::Stored) };
        let mut connection = self.write();
        let transaction = connection.transaction().map_err(explain)?;
        {
            // First: the frames of a deleted video would be refused for want of their video.
            let sql = "UPDATE videos SET frames_done=?2, attempts=0 WHERE seq=?1 AND state IN ('queued', 'running')";
            let changed = transaction
                .prepare_cached(sql)
                .and_then(|mut s| s.execute(params![video, last.frame as i64 + 1]))
                .map_err(explain)?;
            if Transition::of(changed) == Transition::Rejected {
                return Ok(Transition::Rejected);
            }
            let mut insert = transaction
                .prepare_cached("INSERT OR REPLACE INTO frames VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
                .map_err(explain)?;
            for row in rows {
                insert
                    .execute(params![video, row.frame as i64, row.time, row.width, row.height, row.detections])
                    .map_err(explain)?;
            }
        }
        transaction.commit().map_err(explain)?;
        Ok(Transition::Stored)
    }

    /// Up to `limit` frames of a video from number `from` on, in order.
    pub fn frames(&self, video: i64, from: u64, limit: usize) -> Result<Vec<FrameRow>> {
        self.read(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT frame, time, width, height, detections FROM frames WHERE video=?1 AND frame>=?2 ORDER BY frame LIMIT ?3",
            )?;
            let from = i64::try_from(from).unwrap_or(i64::MAX);
            let rows = query.query_map(params![video, from, limit as i64], |row| {
                Ok(FrameRow {
                    frame: row.get::<_, i64>(0)? as u64,
                    time: row.get(1)?,
                    width: row.get(2)?,
                    height: row.get(3)?,
                    detections: row.get(4)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Stream times of all frames of a video, in order.
    pub fn times(&self, video: i64) -> Result<Vec<f64>> {
        self.read(|connection| {
            let mut query = connection.prepare("SELECT time FROM frames WHERE video=?1 ORDER BY frame")?;
            query.query_map([video], |row| row.get(0))?.collect()
        })
    }

    pub fn video(&self, id: &str) -> Result<Option<Video>> {
        self.read(|connection| connection.query_row("SELECT * FROM videos WHERE id=?1", [id], video_of_row).optional())
    }

    /// Videos before `cursor` (a `seq`; None: from the newest), newest first.
    pub fn videos(&self, cursor: Option<i64>, limit: usize) -> Result<Vec<Video>> {
        self.read(|connection| {
            let mut query = connection.prepare("SELECT * FROM videos WHERE seq<?1 ORDER BY seq DESC LIMIT ?2")?;
            query.query_map(params![cursor.unwrap_or(i64::MAX), limit as i64], video_of_row)?.collect()
        })
    }

    /// All videos in one of these states, oldest first.
    pub fn videos_in(&self, states: &[VideoState]) -> Result<Vec<Video>> {
        self.read(|connection| {
            let mut query = connection.prepare("SELECT * FROM videos WHERE state=?1 ORDER BY seq")?;
            let mut videos = Vec::new();
            for state in states {
                for video in query.query_map([state.as_str()], video_of_row)? {
                    videos.push(video?);
                }
            }
            videos.sort_by_key(|video| video.seq);
            Ok(videos)
        })
    }

    /// Forgets a video, its frames and recordings; false if there is none.
    pub fn delete_video(&self, id: &str) -> Result<bool> {
        Ok(self.write().execute("DELETE FROM videos WHERE id=?1", [id]).map_err(explain)? > 0)
    }
}

fn connect(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path).map_err(explain)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(explain)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(explain)?;
    Ok(connection)
}

fn video_of_row(row: &Row<'_>) -> rusqlite::Result<Video> {
    let state = VideoState::parse(&row.get::<_, String>("state")?);
    let duration: Option<f64> = row.get("duration")?;
    Ok(Video {
        id: row.get("id")?,
        seq: row.get("seq")?,
        name: row.get("name")?,
        state,
        model: row.get("model")?,
        threshold: row.get("threshold")?,
        width: row.get("width")?,
        height: row.get("height")?,
        frame_rate: row.get("frame_rate")?,
        duration,
        duration_estimated: duration.is_some() && state != VideoState::Done,
        frames_total: row.get::<_, Option<i64>>("frames_total")?.map(|n| n as u64),
        frames_done: row.get::<_, i64>("frames_done")? as u64,
        detect_fps: row.get("detect_fps")?,
        bytes: row.get::<_, i64>("bytes")? as u64,
        content_type: row.get("content_type")?,
        codec: row.get("codec")?,
        error: row.get("error")?,
        warning: row.get("warning")?,
        created_at: row.get("created_at")?,
        finished_at: row.get("finished_at")?,
        attempts: row.get("attempts")?,
    })
}

/// SQLite's errors in words for a person.
pub(super) fn explain(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => std::io::Error::from(std::io::ErrorKind::StorageFull).into(),
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => Error::internal(
            "The server's database is damaged: restore the data folder from a copy, or start with an empty one.",
            error,
        ),
        // Another process holds it, or the disk does not answer: it may be over the next moment.
        Some(
            rusqlite::ErrorCode::DatabaseBusy
            | rusqlite::ErrorCode::DatabaseLocked
            | rusqlite::ErrorCode::SystemIoFailure
            | rusqlite::ErrorCode::CannotOpen,
        ) => {
            Error::new(Kind::Unavailable, "The server's database cannot be used for the moment: try again in a minute.")
                .with_cause(error)
        }
        _ => Error::internal("The server's database failed; its log says more.", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
