//! The store's reading connections: a fixed number, shared by all who read.
//!
//! A connection that is closed while another holds the file keeps its descriptor (POSIX locks: closing one descriptor
//! would drop the locks of all, so SQLite waits; see `unixClose` in its `os_unix.c`). So none is ever closed.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::error::Result;

/// Connections that read at the same time; whoever comes next waits for one. Reads take milliseconds.
const MOST: usize = 8;

/// A pool of connections that are opened when they are needed first.
#[derive(Default)]
pub(super) struct Readers {
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    /// Those in use, and those about to be opened, too.
    open: usize,
}

impl Readers {
    /// Lends a connection; `connect` opens one where there are fewer than may be.
    ///
    /// # Errors
    /// That of `connect`.
    pub fn get(&self, connect: impl FnOnce() -> Result<Connection>) -> Result<Reader<'_>> {
        let full = |pool: &mut Pool| pool.idle.is_empty() && pool.open >= MOST;
        let mut pool = self.returned.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = pool.idle.pop() {
            return Ok(Reader { readers: self, connection: Some(connection) });
        }
        pool.open += 1;
        drop(pool);
        // Dropped without a connection where `connect` fails or panics.
        let mut reader = Reader { readers: self, connection: None };
        reader.connection = Some(connect()?);
        Ok(reader)
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that goes back to the pool when it is dropped.
pub(super) struct Reader<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Reader<'_> {
    /// None only before it was opened.
    pub fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.lock();
        match self.connection.take() {
            Some(connection) => pool.idle.push(connection),
            None => pool.open -= 1,
        }
        drop(pool);
        self.readers.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, atomic::AtomicUsize, atomic::Ordering::SeqCst};

    use super::*;
    use crate::fault;

    #[test]
    fn no_more_connections_are_opened_than_may_be() {
        let (readers, opened, start) = (Readers::default(), AtomicUsize::new(0), Barrier::new(64));
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..20 {
                        let connect = || {
                            opened.fetch_add(1, SeqCst);
                            Ok(Connection::open_in_memory().expect("a database"))
                        };
                        let reader = readers.get(connect).expect("a connection");
                        let one: i64 = reader
                            .connection()
                            .expect("open")
                            .query_row("SELECT 1", [], |row| row.get(0))
                            .expect("an answer");
                        assert_eq!(one, 1);
                    }
                });
            }
        });
        let opened = opened.into_inner();
        assert!((1..=MOST).contains(&opened), "{opened} connections were opened");
    }

    #[test]
    fn a_connection_that_cannot_be_opened_takes_no_place() {
        let readers = Readers::default();
        for _ in 0..2 * MOST {
            assert!(readers.get(|| Err(fault!(Internal, "no descriptor is left"))).is_err());
        }
        let all: Vec<_> = (0..MOST)
            .map(|_| readers.get(|| Ok(Connection::open_in_memory().expect("a database"))).expect("a place"))
            .collect();
        assert_eq!(all.len(), MOST);
    }
}
