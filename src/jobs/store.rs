//! The store: videos, their detections and recordings in SQLite (WAL).
//!
//! One connection writes, a few read; in WAL mode they do not wait for each other. Every commit survives `kill -9` of the
//! process. A commit of [`Store::write_durably`] survives a power cut, too: the log is synced before it returns, and with
//! it all commits before. The others (frames, progress) may be lost when the power fails; they are made up for.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{Video, VideoState, files::free_bytes, store_readers::Readers, store_schema::migrate};
use crate::error::{Error, Kind, Result};

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
/// A disk with fewer free bytes has no room for the files that SQLite keeps beside the database: the index of the log
/// takes 32 KiB, and the log itself a few pages.
const LEAST_FREE: u64 = 256 << 10;

/// The state of a video that was deleted, while its frames are being removed. Nobody is shown such a row.
pub(super) const DELETED: &str = "deleted";

/// The database.
pub struct Store {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Readers,
    /// All go through the one connection: see [`Store::open`].
    confined: AtomicBool,
}

impl Store {
    /// Opens the file, or makes it.
    ///
    /// On a full disk SQLite cannot make the shared index of its log. The file is then opened by one connection that keeps
    /// the index in memory (`locking_mode=EXCLUSIVE`): all can be read, and [`Store::is_confined`] is true until
    /// [`Store::leave_confinement`] finds room.
    ///
    /// # Errors
    /// The file cannot be used, or a newer version of the program wrote it.
    pub fn open(path: &Path) -> Result<Self> {
        let full = || path.parent().is_some_and(|folder| free_bytes(folder).is_ok_and(|free| free < LEAST_FREE));
        let (writer, confined) = match open_shared(path) {
            Ok(writer) => (writer, false),
            Err(error) if path.exists() && (error.kind == Kind::DiskFull || full()) => {
                tracing::warn!(error = %error.full(), "the disk is full: the store is opened for reading and deleting");
                (open_confined(path)?, true)
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            path: path.to_path_buf(),
            writer: Mutex::new(writer),
            readers: Readers::default(),
            confined: confined.into(),
        })
    }

    /// The disk was full when the store was opened, and has been since.
    pub fn is_confined(&self) -> bool {
        self.confined.load(Ordering::Relaxed)
    }

    /// Opens the file again as usual, if there is room; says whether all is as usual now.
    pub fn leave_confinement(&self) -> bool {
        if !self.is_confined() {
            return true;
        }
        let mut writer = self.write();
        // Two connections to a file that one of them holds exclusively wait for each other: the old one goes first.
        let Ok(nothing) = Connection::open_in_memory() else { return false };
        drop(std::mem::replace(&mut *writer, nothing));
        match open_shared(&self.path) {
            Ok(shared) => {
                *writer = shared;
                self.confined.store(false, Ordering::Relaxed);
                tracing::info!("there is room on the disk again: the store is opened as usual");
                true
            }
            Err(error) => {
                tracing::debug!(error = %error.full(), "the store stays confined");
                match open_confined(&self.path) {
                    Ok(confined) => *writer = confined,
                    Err(error) => tracing::error!(error = %error.full(), "the store cannot be opened again"),
                }
                false
            }
        }
    }

    pub(super) fn write(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes rows in one transaction that survives a power cut: it is on disk when this returns, and all earlier ones
    /// are. Files that the rows speak of must be synced before (`files::publish`).
    ///
    /// # Errors
    /// Those of the store; [`Kind::DiskFull`] among them. Nothing is changed then.
    pub(super) fn write_durably<T>(&self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let mut connection = self.write();
        connection.pragma_update(None, "synchronous", "FULL").map_err(explain)?;
        let changed = transact(&mut connection, change);
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(explain)?;
        changed
    }

    pub(super) fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        if self.is_confined() {
            return query(&self.write()).map_err(explain);
        }
        let reader = self.readers.get(|| connect(&self.path))?;
        match reader.connection() {
            Some(connection) => query(connection).map_err(explain),
            None => Err(Error::internal("The server's database failed; its log says more.", "no connection")),
        }
    }

    /// Adds a video; its `seq` is given by the store. On disk before this returns.
    pub fn insert_video(&self, video: &Video) -> Result<Video> {
        let seq = self.write_durably(|transaction| {
            transaction.execute(
                "INSERT INTO videos (id, name, state, model, threshold, width, height, frame_rate, duration, frames_total,
                 bytes, content_type, codec, created_at) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)",
                params![
                    video.id, video.name, video.state.as_str(), video.model, video.threshold, video.width, video.height,
                    video.frame_rate, video.duration, video.frames_total.map(|n| n as i64), video.bytes as i64,
                    video.content_type, video.codec, video.created_at,
                ],
            )?;
            Ok(transaction.last_insert_rowid())
        })?;
        Ok(Video { seq, ..video.clone() })
    }

    /// Stores everything of a video that changes while it is worked on. Rejected once the video is done, failed, cancelled or
    /// deleted: whatever comes later, from a thread that has not heard of it, changes nothing. A final state is on disk
    /// before this returns, and with it all frames.
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
             error=?8, warning=?9, finished_at=?10, duration=?11 WHERE seq=?1 AND state IN ({from})"
        );
        let update = |connection: &Connection| {
            connection.execute(
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
                    video.duration,
                ],
            )
        };
        let changed = if video.state.is_final() {
            self.write_durably(|transaction| update(transaction))?
        } else {
            update(&self.write()).map_err(explain)?
        };
        Ok(Transition::of(changed))
    }

    /// Stores frames and the video's new count of them in one transaction. Rejected, all of it, once the video is done,
    /// failed, cancelled or deleted.
    pub fn append_frames(&self, video: i64, rows: &[FrameRow]) -> Result<Transition> {
        let Some(last) = rows.last() else { return Ok(Transition::Stored) };
        transact(&mut self.write(), |transaction| {
            // First: the frames of a deleted video would be refused for want of their video.
            let sql = "UPDATE videos SET frames_done=?2 WHERE seq=?1 AND state IN ('queued', 'running')";
            let changed = transaction.prepare_cached(sql)?.execute(params![video, last.frame as i64 + 1])?;
            if Transition::of(changed) == Transition::Rejected {
                return Ok(Transition::Rejected);
            }
            let mut insert =
                transaction.prepare_cached("INSERT OR REPLACE INTO frames VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            for row in rows {
                insert.execute(params![video, row.frame as i64, row.time, row.width, row.height, row.detections])?;
            }
            Ok(Transition::Stored)
        })
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
        let sql = "SELECT * FROM videos WHERE id=?1 AND state<>?2";
        self.read(|connection| connection.query_row(sql, [id, DELETED], video_of_row).optional())
    }

    /// Videos before `cursor` (a `seq`; None: from the newest), newest first.
    pub fn videos(&self, cursor: Option<i64>, limit: usize) -> Result<Vec<Video>> {
        self.read(|connection| {
            let sql = "SELECT * FROM videos WHERE seq<?1 AND state<>?3 ORDER BY seq DESC LIMIT ?2";
            let mut query = connection.prepare(sql)?;
            query.query_map(params![cursor.unwrap_or(i64::MAX), limit as i64, DELETED], video_of_row)?.collect()
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
}

/// Changes rows in one transaction.
pub(super) fn transact<T>(
    connection: &mut Connection,
    change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> Result<T> {
    let transaction = connection.transaction().map_err(explain)?;
    let changed = change(&transaction).map_err(explain)?;
    transaction.commit().map_err(explain)?;
    Ok(changed)
}

fn connect(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path).map_err(explain)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(explain)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(explain)?;
    Ok(connection)
}

fn open_shared(path: &Path) -> Result<Connection> {
    let mut connection = connect(path)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(explain)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(explain)?;
    migrate(&mut connection)?;
    // Opens the log and its index now, so that a disk without room for them is noticed here.
    connection.query_row("SELECT count(*) FROM streams", [], |_| Ok(())).map_err(explain)?;
    Ok(connection)
}

/// See <https://www.sqlite.org/wal.html>, "Use of WAL without shared memory".
fn open_confined(path: &Path) -> Result<Connection> {
    let mut connection = Connection::open(path).map_err(explain)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(explain)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(explain)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(explain)?;
    migrate(&mut connection)?;
    connection.query_row("SELECT count(*) FROM streams", [], |_| Ok(())).map_err(explain)?;
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
    })
}

/// SQLite's errors in words for a person.
pub(super) fn explain(error: rusqlite::Error) -> Error {
    // No room for the index of the log.
    let no_room = error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
    match error.sqlite_error_code() {
        _ if no_room => std::io::Error::from(std::io::ErrorKind::StorageFull).into(),
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
