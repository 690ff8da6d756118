//! Whether the wall clock can be believed when something is to be deleted for its age.

use std::time::{Duration, SystemTime};

/// A clock that is corrected by more than this has jumped.
const JUMP: Duration = Duration::from_secs(3600);
/// A process that was away for longer than this may have come back with a wrong clock.
const ABSENCE: Duration = Duration::from_secs(24 * 3600);
/// So long nothing is deleted for its age after a jump: an operator has the time to set a wrong clock right.
const GRACE: Duration = Duration::from_secs(24 * 3600);

/// Compares the wall clock with one that only runs on.
pub(super) struct ClockGuard {
    /// Both clocks when they were read last.
    last: Option<(SystemTime, Duration)>,
    /// When an earlier process read the wall clock last.
    before: Option<SystemTime>,
    /// Until then, by the clock that only runs on, the wall clock is not believed.
    doubted_until: Option<Duration>,
}

impl ClockGuard {
    pub fn new(before: Option<SystemTime>) -> Self {
        Self { last: None, before, doubted_until: None }
    }

    /// May something be deleted for its age? `wall`: the wall clock, `steady`: time since the machine started.
    pub fn is_trusted(&mut self, wall: SystemTime, steady: Duration) -> bool {
        let jumped = match (self.last, self.before) {
            (Some((last_wall, last_steady)), _) => {
                let expected = last_wall + steady.saturating_sub(last_steady);
                difference(wall, expected) > JUMP
            }
            (None, Some(before)) => difference(wall, before) > ABSENCE,
            (None, None) => false,
        };
        self.last = Some((wall, steady));
        if jumped {
            tracing::warn!(
                hours = GRACE.as_secs() / 3600,
                "the clock jumped, or the server was away for long: for a while nothing is deleted for its age"
            );
            self.doubted_until = Some(steady + GRACE);
        }
        if self.doubted_until.is_some_and(|until| steady < until) {
            return false;
        }
        self.doubted_until = None;
        true
    }
}

fn difference(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|error| error.duration())
}

/// Time since the machine started, sleep included.
pub(super) fn steady() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_clock_that_jumped_is_not_believed_for_a_day() {
        let (start, year) = (SystemTime::UNIX_EPOCH + 500_000 * HOUR, 8766 * HOUR);
        let mut guard = ClockGuard::new(Some(start));
        assert!(guard.is_trusted(start + HOUR, HOUR), "away for an hour");
        assert!(guard.is_trusted(start + 31 * HOUR, 31 * HOUR), "asleep for a day, and so was the machine's own clock");
        assert!(!guard.is_trusted(start + 32 * HOUR + year, 32 * HOUR), "set ahead by a year");
        assert!(!guard.is_trusted(start + 55 * HOUR + year, 55 * HOUR), "23 hours later");
        assert!(!guard.is_trusted(start + 56 * HOUR, 56 * HOUR), "set right again: that is a jump, too");
        assert!(guard.is_trusted(start + 80 * HOUR, 80 * HOUR), "right for a day");
    }

    #[test]
    fn a_process_that_was_away_for_long_waits_a_day() {
        let start = SystemTime::UNIX_EPOCH + 500_000 * HOUR;
        let mut guard = ClockGuard::new(Some(start));
        assert!(!guard.is_trusted(start + 100 * HOUR, HOUR));
        assert!(guard.is_trusted(start + 124 * HOUR, 25 * HOUR));
        assert!(ClockGuard::new(None).is_trusted(start, HOUR), "a new folder");
        assert!(!ClockGuard::new(Some(start)).is_trusted(start - 100 * HOUR, HOUR), "a clock that lost its battery");
    }
}
