//! The store's part for recordings.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    Recording, RecordingOptions, RecordingState,
    store::{Store, Transition, explain},
};
use crate::error::{Error, Result};

impl Store {
    /// Adds a recording; its `seq` is given by the store. On disk before this returns.
    pub fn insert_recording(&self, recording: &Recording) -> Result<Recording> {
        let options = serde_json::to_string(&recording.options)
            .map_err(|error| Error::internal("The recording's options could not be written.", error))?;
        let seq = self.write_durably(|transaction| {
            transaction.execute(
                "INSERT INTO recordings (id, video, stream, name, format, options, state, frames_total, created_at)
                 VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)",
                params![
                    recording.id,
                    recording.video,
                    recording.stream,
                    recording.name,
                    recording.format.as_str(),
                    options,
                    recording.state.as_str(),
                    recording.frames_total as i64,
                    recording.created_at
                ],
            )?;
            Ok(transaction.last_insert_rowid())
        })?;
        Ok(Recording { seq, ..recording.clone() })
    }

    /// Stores everything of a recording that changes while it is worked on. Rejected once it is done, failed or deleted. A
    /// final state is on disk before this returns.
    pub fn update_recording(&self, recording: &Recording) -> Result<Transition> {
        let update = |connection: &Connection| {
            connection.execute(
                "UPDATE recordings SET state=?2, frames_done=?3, frames_total=?4, bytes=?5, error=?6,
                 frames_dropped=?7
                 WHERE id=?1 AND state IN ('queued', 'encoding')",
                params![
                    recording.id,
                    recording.state.as_str(),
                    recording.frames_done as i64,
                    recording.frames_total as i64,
                    recording.bytes.map(|n| n as i64),
                    recording.error,
                    recording.frames_dropped as i64
                ],
            )
        };
        let changed = if recording.state.is_final() {
            self.write_durably(|transaction| update(transaction))?
        } else {
            update(&self.write()).map_err(explain)?
        };
        Ok(Transition::of(changed))
    }

    pub fn recording(&self, id: &str) -> Result<Option<Recording>> {
        self.read(|connection| {
            connection.query_row("SELECT * FROM recordings WHERE id=?1", [id], recording_of_row).optional()
        })
    }

    /// All recordings of videos in one of these states, oldest first.
    pub fn recordings_in(&self, states: &[RecordingState]) -> Result<Vec<Recording>> {
        self.read(|connection| {
            let sql = "SELECT * FROM recordings WHERE state=?1 AND video IS NOT NULL ORDER BY seq";
            let mut query = connection.prepare(sql)?;
            let mut recordings = Vec::new();
            for state in states {
                for recording in query.query_map([state.as_str()], recording_of_row)? {
                    recordings.push(recording?);
                }
            }
            recordings.sort_by_key(|recording| recording.seq);
            Ok(recordings)
        })
    }

    /// All recordings of a video, oldest first.
    pub fn recordings_of(&self, video: &str) -> Result<Vec<Recording>> {
        self.read(|connection| {
            let mut query = connection.prepare("SELECT * FROM recordings WHERE video=?1 ORDER BY seq")?;
            query.query_map([video], recording_of_row)?.collect()
        })
    }

    /// Recordings of a video before `cursor` (a `seq`; None: from the newest), newest first.
    pub fn recordings_page(&self, video: &str, cursor: Option<i64>, limit: usize) -> Result<Vec<Recording>> {
        self.read(|connection| {
            let sql = "SELECT * FROM recordings WHERE video=?1 AND seq<?2 ORDER BY seq DESC LIMIT ?3";
            let mut query = connection.prepare(sql)?;
            query.query_map(params![video, cursor.unwrap_or(i64::MAX), limit as i64], recording_of_row)?.collect()
        })
    }

    /// All recordings of live streams that are not ended, oldest first.
    pub fn live_recordings_in_work(&self) -> Result<Vec<Recording>> {
        self.read(|connection| {
            let sql =
                "SELECT * FROM recordings WHERE stream IS NOT NULL AND state NOT IN ('done', 'failed') ORDER BY seq";
            connection.prepare(sql)?.query_map([], recording_of_row)?.collect()
        })
    }

    /// Recordings of a live stream before `cursor` (a `seq`; None: from the newest), newest first.
    pub fn recordings_of_stream(&self, stream: &str, cursor: Option<i64>, limit: usize) -> Result<Vec<Recording>> {
        self.read(|connection| {
            let sql = "SELECT * FROM recordings WHERE stream=?1 AND seq<?2 ORDER BY seq DESC LIMIT ?3";
            let mut query = connection.prepare(sql)?;
            query.query_map(params![stream, cursor.unwrap_or(i64::MAX), limit as i64], recording_of_row)?.collect()
        })
    }

    /// Forgets one recording. On disk before this returns.
    pub fn delete_recording(&self, id: &str) -> Result<bool> {
        self.write_durably(|transaction| Ok(transaction.execute("DELETE FROM recordings WHERE id=?1", [id])? > 0))
    }
}

fn recording_of_row(row: &Row<'_>) -> rusqlite::Result<Recording> {
    let text: String = row.get("options")?;
    let options: RecordingOptions = serde_json::from_str(&text).unwrap_or_else(|error| {
        tracing::error!(%error, "the stored options of a recording cannot be read: the usual ones are taken");
        RecordingOptions::default()
    });
    Ok(Recording {
        id: row.get("id")?,
        video: row.get("video")?,
        stream: row.get("stream")?,
        name: row.get("name")?,
        format: options.format,
        state: RecordingState::parse(&row.get::<_, String>("state")?),
        frames_done: row.get::<_, i64>("frames_done")? as u64,
        frames_total: row.get::<_, i64>("frames_total")? as u64,
        frames_dropped: row.get::<_, i64>("frames_dropped")? as u64,
        bytes: row.get::<_, Option<i64>>("bytes")?.map(|n| n as u64),
        error: row.get("error")?,
        created_at: row.get("created_at")?,
        options,
        seq: row.get("seq")?,
    })
}
