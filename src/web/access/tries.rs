//! Wrong tokens are slowed, per visitor, in bounded memory.
//!
//! After a few wrong tries of an address each further one doubles a pause in which nothing that comes from there is looked
//! at. The pause is short enough that who shares the address with a guesser still gets in, and it is the address's alone.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::web::visitor::peer_network;

/// Wrong tries before the first pause: fingers slip.
const FREE: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// An address that was quiet for so long starts anew.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);
/// Addresses that are remembered.
const MOST: usize = 4096;

/// How a try came out.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Right,
    Wrong,
    /// Not looked at: come back after this time.
    TooSoon(Duration),
}

struct Record {
    wrong: u32,
    last: Instant,
    pause: Duration,
}

/// The wrong tries of late.
#[derive(Default)]
pub struct Tries {
    records: Mutex<HashMap<IpAddr, Record>>,
}

impl Tries {
    /// Lets one try of `visitor` be looked at, unless it comes too soon.
    pub fn attempt(&self, visitor: IpAddr, now: Instant, is_right: impl FnOnce() -> bool) -> Outcome {
        let who = peer_network(visitor);
        // Held over the comparison, so that many tries at once are tries one after the other.
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let known = records.get(&who).filter(|record| now.saturating_duration_since(record.last) < FORGOTTEN);
        if let Some(record) = known {
            let left = record.pause.saturating_sub(now.saturating_duration_since(record.last));
            if !left.is_zero() {
                return Outcome::TooSoon(left);
            }
        }
        let wrong = known.map_or(0, |record| record.wrong) + 1;
        if is_right() {
            records.remove(&who);
            return Outcome::Right;
        }
        if records.len() >= MOST && !records.contains_key(&who) {
            let oldest = records.iter().min_by_key(|(_, record)| record.last).map(|(who, _)| *who);
            oldest.and_then(|oldest| records.remove(&oldest));
        }
        let pause = match wrong.checked_sub(FREE) {
            None => Duration::ZERO,
            Some(over) => (FIRST_PAUSE * 2u32.saturating_pow(over.min(10))).min(LONGEST_PAUSE),
        };
        records.insert(who, Record { wrong, last: now, pause });
        Outcome::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn pauses_grow_and_hold_for_their_address_alone() {
        let (tries, mut now) = (Tries::default(), Instant::now());
        let guesser = ip("192.0.2.1");
        for _ in 0..FREE {
            assert_eq!(tries.attempt(guesser, now, || false), Outcome::Wrong);
        }
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let Outcome::TooSoon(pause) = tries.attempt(guesser, now, || panic!("looked at too soon")) else {
                panic!("no pause after {pauses:?}")
            };
            pauses.push(pause.as_secs());
            now += pause;
            assert_eq!(tries.attempt(guesser, now, || false), Outcome::Wrong);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(tries.attempt(ip("192.0.2.2"), now, || true), Outcome::Right, "others are not held up");
        assert_eq!(tries.attempt(guesser, now + LONGEST_PAUSE, || true), Outcome::Right, "the right one is let in");
        assert_eq!(tries.attempt(guesser, now + LONGEST_PAUSE, || false), Outcome::Wrong, "and starts anew");
    }

    #[test]
    fn an_ipv6_network_is_one_visitor_and_memory_is_bounded() {
        let (tries, now) = (Tries::default(), Instant::now());
        for n in 0..FREE {
            assert_eq!(tries.attempt(ip(&format!("2001:db8:0:1::{n:x}")), now, || false), Outcome::Wrong);
        }
        assert!(matches!(tries.attempt(ip("2001:db8:0:1::ffff"), now, || true), Outcome::TooSoon(_)));
        assert_eq!(tries.attempt(ip("2001:db8:0:2::1"), now, || true), Outcome::Right);
        for n in 0..2 * MOST as u32 {
            tries.attempt(IpAddr::V4(n.into()), now + Duration::from_millis(n.into()), || false);
        }
        assert!(tries.records.lock().expect("no panic").len() <= MOST);
        // Forgotten after a quarter of an hour.
        assert_eq!(tries.attempt(ip("2001:db8:0:1::1"), now + FORGOTTEN, || false), Outcome::Wrong);
    }
}
