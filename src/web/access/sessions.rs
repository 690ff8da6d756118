//! Which browsers are signed in: a list that the server keeps, so that signing out ends a session wherever its cookie is.
//!
//! A cookie holds a random id. The list holds a keyed hash of it and when the session ends; the key comes from a secret of
//! the data folder and the token. So sessions survive a restart, all end when the token changes, and who reads the list can
//! sign in with nothing of it.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use hmac::{Hmac, KeyInit, Mac, digest::Key};
use sha2::{Digest, Sha256};

use crate::{error::Result, jobs::new_id, web::private_file};

/// Sessions at the same time; one more ends the one that would end first.
const MOST: usize = 4096;

type Hash = [u8; 32];

/// The sessions of a server.
pub struct Sessions {
    key: Hmac<Sha256>,
    file: PathBuf,
    /// The end of each session, in seconds since 1970, by the hash of its id.
    ends: Mutex<HashMap<Hash, u64>>,
    /// Held while the file is written, so that a later state is never overwritten by an earlier one.
    writing: Mutex<()>,
}

impl Sessions {
    /// The sessions that are kept in `file`; none where it is not there or cannot be read.
    pub fn open(secret: &str, token: &str, file: PathBuf) -> Self {
        let key = keyed(secret.as_bytes()).chain_update(token).finalize().into_bytes();
        let lines = fs::read_to_string(&file).unwrap_or_default();
        let ends = lines.lines().filter_map(read_line).collect();
        Self { key: keyed(&key), file, ends: Mutex::new(ends), writing: Mutex::new(()) }
    }

    /// Starts a session that ends at `until`; what its cookie holds. Blocks.
    ///
    /// # Errors
    /// The list cannot be written.
    pub fn start(&self, now: u64, until: u64) -> Result<String> {
        let id = new_id();
        self.change(now, |ends| {
            if ends.len() >= MOST {
                let first = ends.iter().min_by_key(|(_, until)| **until).map(|(hash, _)| *hash);
                first.and_then(|hash| ends.remove(&hash));
            }
            ends.insert(self.hash(&id), until);
        })?;
        Ok(id)
    }

    /// Whether a cookie's value is that of a session which has not ended.
    pub fn holds(&self, id: &str, now: u64) -> bool {
        self.lock().get(&self.hash(id)).is_some_and(|until| *until > now)
    }

    /// Ends the session of a cookie, if it is one. Blocks.
    ///
    /// # Errors
    /// The list cannot be written; the session has ended until the next start of the server all the same.
    pub fn end(&self, id: &str, now: u64) -> Result<()> {
        self.change(now, |ends| {
            ends.remove(&self.hash(id));
        })
    }

    fn change(&self, now: u64, change: impl FnOnce(&mut HashMap<Hash, u64>)) -> Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: String = {
            let mut ends = self.lock();
            ends.retain(|_, until| *until > now);
            change(&mut ends);
            ends.iter().map(|(hash, until)| format!("{} {until}\n", hex(hash))).collect()
        };
        private_file::write(&self.file, &lines)
    }

    fn hash(&self, id: &str) -> Hash {
        self.key.clone().chain_update(b"session ").chain_update(id).finalize().into_bytes().into()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Hash, u64>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_line(line: &str) -> Option<(Hash, u64)> {
    let (digits, until) = line.split_once(' ')?;
    let digits = (digits.len() == 64 && digits.is_ascii()).then_some(digits)?;
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
    }
    Some((hash, until.trim().parse().ok()?))
}

/// HMAC with a key of any length, which is hashed first as long ones always are (RFC 2104, 3).
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = Key::<Hmac<Sha256>>::default();
    block[..32].copy_from_slice(&Sha256::digest(key));
    Hmac::new(&block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_holds_for_its_time_its_server_and_its_token() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("access/sessions");
        let open = |secret: &str, token: &str| Sessions::open(secret, token, file.clone());
        let sessions = open("secret", "token");
        let id = sessions.start(1, 1000).expect("a session");
        let other = sessions.start(1, 1000).expect("a session");
        assert!(sessions.holds(&id, 999) && !sessions.holds(&id, 1000), "its time is over");
        assert!(!sessions.holds("", 1) && !sessions.holds(&id[1..], 1));
        assert!(open("secret", "token").holds(&id, 999), "kept over a restart");
        assert!(!open("secret", "other").holds(&id, 1) && !open("other", "token").holds(&id, 1));
        let text = fs::read_to_string(&file).expect("the list");
        assert!(!text.contains(&id) && !text.contains("token"), "{text}");
        sessions.end(&id, 2).expect("written");
        assert!(!sessions.holds(&id, 2) && sessions.holds(&other, 2));
        assert!(!open("secret", "token").holds(&id, 2) && open("secret", "token").holds(&other, 2));
        fs::write(&file, "x\nzz 1\n\n").expect("written");
        assert!(open("secret", "token").lock().is_empty(), "what cannot be read signs nobody in");
    }

    #[test]
    fn the_list_is_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let sessions = Sessions::open("secret", "token", folder.path().join("sessions"));
        let full: HashMap<Hash, u64> = (0..MOST as u64).map(|n| (sessions.hash(&n.to_string()), 1000 + n)).collect();
        *sessions.lock() = full;
        let id = sessions.start(1, 9000).expect("a session");
        assert_eq!(sessions.lock().len(), MOST);
        assert!(sessions.holds(&id, 1) && !sessions.holds("0", 1) && sessions.holds("1", 1));
        sessions.end("1", 8000).expect("written");
        assert_eq!(sessions.lock().len(), 1, "ended ones are let go");
    }
}
