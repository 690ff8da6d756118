//! The store's part for what is in work, and for what was in work when the server crashed.

use std::collections::HashMap;

use rusqlite::params;

use super::{
    store::{Store, explain},
    suspects::Suspect,
};
use crate::error::Result;

impl Store {
    /// Items in work; after a crash, those that were.
    pub(super) fn running(&self) -> Result<Vec<String>> {
        self.read(|connection| {
            connection.prepare("SELECT item FROM running ORDER BY item")?.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// Marks an item as in work. The mark survives a crash of the process.
    pub(super) fn insert_running(&self, item: &str) -> Result<()> {
        self.write().execute("INSERT OR REPLACE INTO running (item) VALUES (?1)", [item]).map_err(explain)?;
        Ok(())
    }

    pub(super) fn delete_running(&self, item: &str) -> Result<()> {
        self.write().execute("DELETE FROM running WHERE item=?1", [item]).map_err(explain)?;
        Ok(())
    }

    pub(super) fn suspects(&self) -> Result<HashMap<String, Suspect>> {
        self.read(|connection| {
            let mut query = connection.prepare("SELECT item, crashes, alone, position, at FROM suspects")?;
            let rows = query.query_map([], |row| {
                let position = row.get::<_, i64>(3)? as u64;
                Ok((row.get(0)?, Suspect { crashes: row.get(1)?, alone: row.get(2)?, position, at: row.get(4)? }))
            })?;
            rows.collect()
        })
    }

    /// Keeps all suspects, and that nothing is in work.
    pub(super) fn replace_suspects(&self, suspects: &HashMap<String, Suspect>) -> Result<()> {
        self.write_durably(|transaction| {
            transaction.execute("DELETE FROM running", [])?;
            transaction.execute("DELETE FROM suspects", [])?;
            let mut insert = transaction
                .prepare("INSERT INTO suspects (item, crashes, alone, position, at) VALUES (?1,?2,?3,?4,?5)")?;
            for (item, suspect) in suspects {
                let Suspect { crashes, alone, position, at } = suspect;
                insert.execute(params![item, crashes, alone, *position as i64, at])?;
            }
            Ok(())
        })
    }

    pub(super) fn insert_suspect(&self, item: &str, suspect: &Suspect) -> Result<()> {
        let Suspect { crashes, alone, position, at } = suspect;
        let sql = "INSERT OR REPLACE INTO suspects (item, crashes, alone, position, at) VALUES (?1,?2,?3,?4,?5)";
        self.write().execute(sql, params![item, crashes, alone, *position as i64, at]).map_err(explain)?;
        Ok(())
    }

    pub(super) fn delete_suspect(&self, item: &str) -> Result<()> {
        self.write().execute("DELETE FROM suspects WHERE item=?1", [item]).map_err(explain)?;
        Ok(())
    }

    /// An explicit retry: the crashes so far count no more.
    pub(super) fn forgive_suspect(&self, item: &str) -> Result<()> {
        self.write().execute("UPDATE suspects SET crashes=0, alone=0 WHERE item=?1", [item]).map_err(explain)?;
        Ok(())
    }
}
