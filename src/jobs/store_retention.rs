//! The store's part for retention: what may go, oldest first, a page at a time.

use rusqlite::{Row, params};

use super::store::Store;
use crate::error::Result;

/// A finished video, or a finished recording of a live stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub id: String,
    pub live: bool,
    /// Of all its files.
    pub bytes: u64,
}

/// What may go: no work is done on it. `since` is when it was finished.
const KEPT: &str = "
SELECT id, 0 AS live, created_at, coalesce(finished_at, created_at) AS since,
  bytes + (SELECT coalesce(sum(bytes), 0) FROM recordings WHERE video=videos.id) AS bytes
FROM videos WHERE state IN ('done', 'failed', 'cancelled')
  AND NOT EXISTS (SELECT 1 FROM recordings WHERE video=videos.id AND state IN ('queued', 'encoding'))
UNION ALL
SELECT id, 1, created_at, created_at, coalesce(bytes, 0)
FROM recordings WHERE stream IS NOT NULL AND state IN ('done', 'failed')";

impl Store {
    /// Up to `limit` that were finished before an instant (RFC 3339 in UTC, which sorts as text), oldest first.
    pub(super) fn kept_since_before(&self, instant: &str, limit: usize) -> Result<Vec<Kept>> {
        let sql = format!("SELECT * FROM ({KEPT}) WHERE since < ?1 ORDER BY created_at LIMIT ?2");
        self.read(|connection| {
            connection.prepare(&sql)?.query_map(params![instant, limit as i64], kept_of_row)?.collect()
        })
    }

    /// Up to `limit`, oldest first.
    pub(super) fn kept_longest(&self, limit: usize) -> Result<Vec<Kept>> {
        let sql = format!("SELECT * FROM ({KEPT}) ORDER BY created_at LIMIT ?1");
        self.read(|connection| connection.prepare(&sql)?.query_map([limit as i64], kept_of_row)?.collect())
    }

    /// Bytes of all sources and finished recordings.
    pub(super) fn bytes_kept(&self) -> Result<u64> {
        let sql = "SELECT (SELECT coalesce(sum(bytes), 0) FROM videos WHERE state<>'deleted')
                   + (SELECT coalesce(sum(bytes), 0) FROM recordings)";
        self.read(|connection| connection.query_row(sql, [], |row| row.get::<_, i64>(0))).map(|bytes| bytes as u64)
    }
}

fn kept_of_row(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept { id: row.get("id")?, live: row.get("live")?, bytes: row.get::<_, i64>("bytes")? as u64 })
}
