//! What a sign-in cookie holds: until when, and a seal that only this server can make.
//!
//! The seal's key comes from a secret of the data folder and the token: a session survives a restart and ends when the
//! token changes, and who reads a cookie learns nothing by which to guess the token.

use hmac::{Hmac, KeyInit, Mac, digest::Key};
use sha2::{Digest, Sha256};

/// Makes and reads sealed times.
pub struct Seal {
    key: Hmac<Sha256>,
}

impl Seal {
    pub fn new(secret: &str, token: &str) -> Self {
        let key = keyed(secret.as_bytes()).chain_update(token).finalize().into_bytes();
        Self { key: keyed(&key) }
    }

    /// A value for a cookie that holds until `until`, in seconds since 1970.
    pub fn close(&self, until: u64) -> String {
        let mark = self.mac(until).finalize().into_bytes();
        let mark: String = mark.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{until}.{mark}")
    }

    /// Until when the value holds; `None` where this server did not make it, or with another token, or its time is over.
    pub fn open(&self, value: &str, now: u64) -> Option<u64> {
        let (until, mark) = value.split_once('.')?;
        let until: u64 = until.parse().ok()?;
        let digits = (mark.len() == 64 && mark.is_ascii()).then_some(mark)?;
        let mark: Option<Vec<u8>> =
            (0..64).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect();
        self.mac(until).verify_slice(&mark?).ok()?;
        (until > now).then_some(until)
    }

    fn mac(&self, until: u64) -> Hmac<Sha256> {
        self.key.clone().chain_update(b"session until ").chain_update(until.to_be_bytes())
    }
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
    fn a_seal_holds_for_its_time_its_server_and_its_token() {
        let seal = Seal::new("secret", "token");
        let value = seal.close(1000);
        assert!(!value.contains("token") && !value.contains("secret"));
        assert_eq!(seal.open(&value, 999), Some(1000));
        assert_eq!(seal.open(&value, 1000), None, "its time is over");
        assert_eq!(Seal::new("secret", "other").open(&value, 1), None);
        assert_eq!(Seal::new("other", "token").open(&value, 1), None);
        assert_eq!(seal.open(&value.replace("1000.", "9000."), 1), None, "the time is sealed too");
        for wrong in ["", ".", "1000", "1000.", "x.y", &value[..value.len() - 2], &format!("{value}00"), "1000.é"] {
            assert_eq!(seal.open(wrong, 1), None, "{wrong}");
        }
    }
}
