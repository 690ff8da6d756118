//! Store operations of workers: repeated while the store cannot take them, so that no result is lost and none is
//! announced that is not stored.

use std::time::Duration;

use crate::{
    cancel::CancelToken,
    error::{Error, Kind, Result},
};

/// The pause after the first failed attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Attempts of an operation whose error time is not known to cure.
const ATTEMPTS: u32 = 5;

/// Repeats `attempt` until it succeeds or is cancelled (None). A full disk and a database that is locked or cannot be
/// read for the moment are waited out, however long; `waiting` is called after each such attempt. `what`: for the log.
///
/// # Errors
/// Any other error, after some attempts; each is in the log.
pub(super) fn until_stored<T>(
    what: &str,
    id: &str,
    cancel: &CancelToken,
    mut attempt: impl FnMut() -> Option<Result<T>>,
    waiting: impl Fn(&Error),
) -> Result<Option<T>> {
    let mut pause = FIRST_PAUSE;
    for attempts in 1_u32.. {
        let error = match attempt() {
            None => return Ok(None),
            Some(Ok(done)) => return Ok(Some(done)),
            Some(Err(error)) => error,
        };
        let passes = matches!(error.kind, Kind::DiskFull | Kind::Unavailable);
        if !passes && attempts >= ATTEMPTS {
            tracing::error!(id, error = %error.full(), attempts, "cannot {what}");
            return Err(error);
        }
        // The first, and ever fewer of a disk that stays full for hours.
        if attempts.is_power_of_two() {
            tracing::warn!(id, error = %error.full(), attempts, "cannot {what} now: trying again");
        }
        if passes {
            waiting(&error);
        }
        if cancel.wait(pause) {
            return Ok(None);
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(None)
}

/// As [`until_stored`], for an operation that only reads.
///
/// # Errors
/// As there.
pub(super) fn until_read<T>(
    what: &str,
    id: &str,
    cancel: &CancelToken,
    mut attempt: impl FnMut() -> Result<T>,
) -> Result<Option<T>> {
    let attempt = || (!cancel.is_cancelled()).then(&mut attempt);
    until_stored(what, id, cancel, attempt, |_| ())
}
