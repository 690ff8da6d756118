//! The store's part for network cameras.

use rusqlite::params;

use super::{
    StreamInfo,
    store::{Store, explain},
};
use crate::error::Result;

impl Store {
    /// Adds a network camera; its `seq` is given by the store. `url`: with user and password, which nothing but the
    /// store keeps. On disk before this returns.
    pub fn insert_stream(&self, stream: &StreamInfo, url: &str) -> Result<StreamInfo> {
        let info = serde_json::to_string(stream).unwrap_or_default();
        let sql = "INSERT INTO streams (id, url, info) VALUES (?1,?2,?3)";
        let seq = self.write_durably(|transaction| {
            transaction.execute(sql, params![stream.id, url, info])?;
            Ok(transaction.last_insert_rowid())
        })?;
        Ok(StreamInfo { seq, ..stream.clone() })
    }

    /// Keeps how a network camera stands.
    pub fn update_stream(&self, stream: &StreamInfo) -> Result<()> {
        let info = serde_json::to_string(stream).unwrap_or_default();
        self.write().execute("UPDATE streams SET info=?2 WHERE id=?1", params![stream.id, info]).map_err(explain)?;
        Ok(())
    }

    /// All network cameras with their whole addresses, oldest first.
    pub fn streams(&self) -> Result<Vec<(StreamInfo, String)>> {
        let rows: Vec<(i64, String, String)> = self.read(|connection| {
            let mut query = connection.prepare("SELECT seq, info, url FROM streams ORDER BY seq")?;
            query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })?;
        let read = |(seq, info, url): (i64, String, String)| match serde_json::from_str::<StreamInfo>(&info) {
            Ok(info) => Some((StreamInfo { seq, ..info }, url)),
            Err(error) => {
                tracing::error!(%error, "a stored network camera cannot be read");
                None
            }
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Forgets a network camera. On disk before this returns.
    pub fn delete_stream(&self, id: &str) -> Result<bool> {
        self.write_durably(|transaction| Ok(transaction.execute("DELETE FROM streams WHERE id=?1", [id])? > 0))
    }
}
