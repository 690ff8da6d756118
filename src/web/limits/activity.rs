//! What a connection or a body does at this moment, and since when.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// From the connection to its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(15);
/// Between two requests: longer than proxies keep a connection that they may use again (nginx 60 s, Caddy 120 s), so that
/// they are the ones to close it.
pub const IDLE: Duration = Duration::from_secs(130);
/// A client may leave an answer unread for so long. A paused `<video>` does so on purpose; browsers ask for the rest again
/// when they find the connection closed.
const UNREAD: Duration = Duration::from_secs(10 * 60);

/// Who has to act next on an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Server,
    /// The client is to send more of a body of which little has arrived.
    SmallBody,
    /// The client is to send more of a body of which much has arrived.
    LargeBody,
    /// The client is to read more of the answer.
    Reader,
}

impl Turn {
    /// How long a client may take before its exchange gives way to a newcomer; `None`: it never does.
    const fn grace(self) -> Option<Duration> {
        match self {
            Turn::Server => None,
            Turn::SmallBody => Some(Duration::ZERO),
            Turn::LargeBody => Some(Duration::from_secs(10)),
            Turn::Reader => Some(Duration::from_secs(30)),
        }
    }
}

/// The exchanges of one connection, or the one exchange that a body belongs to.
pub struct Activity {
    state: Mutex<State>,
    /// Cancelled when this has to give way.
    pub displaced: CancellationToken,
}

struct State {
    /// When something last moved.
    progress: Instant,
    /// There was a request.
    used: bool,
    /// Exchanges by whose turn it is.
    turns: [u32; 4],
}

/// How readily something gives way: the smaller, the sooner. Idle connections come first, then what has waited longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weakness {
    waiting: bool,
    progress: Instant,
}

impl Activity {
    pub fn new(displaced: CancellationToken) -> Arc<Self> {
        let state = State { progress: Instant::now(), used: false, turns: [0; 4] };
        Arc::new(Self { state: Mutex::new(state), displaced })
    }

    /// A request has arrived.
    pub fn begin(self: &Arc<Self>) -> Arc<Exchange> {
        self.change(|state| {
            state.used = true;
            state.turns[Turn::Server as usize] += 1;
        });
        Arc::new(Exchange { activity: self.clone(), turn: Mutex::new(Turn::Server), fault: Mutex::new(None) })
    }

    /// Bytes went out that belong to no exchange any more, such as the end of an answer.
    pub fn moved(&self) {
        self.change(|_| ());
    }

    /// No request is in progress.
    pub fn is_idle(&self) -> bool {
        self.lock().turns == [0; 4]
    }

    /// When the connection is to be closed if nothing moves until then; `None` while the server works.
    pub fn deadline(&self) -> Option<Instant> {
        let state = self.lock();
        let patience = match state.turns {
            [0, 0, 0, 0] if state.used => IDLE,
            [0, 0, 0, 0] => FIRST_REQUEST,
            // Bodies have limits of their own.
            [0, 0, 0, _] => UNREAD,
            _ => return None,
        };
        Some(state.progress + patience)
    }

    /// Whether this may be closed for a newcomer, and before what else.
    pub fn weakness(&self, now: Instant) -> Option<Weakness> {
        let state = self.lock();
        let waited = now.saturating_duration_since(state.progress);
        let turns = [Turn::Server, Turn::SmallBody, Turn::LargeBody, Turn::Reader];
        let mut present = turns.into_iter().zip(state.turns).filter(|(_, count)| *count > 0);
        let gives_way = present.all(|(turn, _)| turn.grace().is_some_and(|grace| waited >= grace));
        gives_way.then_some(Weakness { waiting: state.turns != [0; 4], progress: state.progress })
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        state.progress = Instant::now();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request and its answer. It ends when both bodies are dropped.
pub struct Exchange {
    activity: Arc<Activity>,
    turn: Mutex<Turn>,
    fault: Mutex<Option<Error>>,
}

impl Exchange {
    /// Says whose turn it is now. Progress was made, unless it is the same one's turn still.
    pub fn turn(&self, next: Turn) {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if *turn != next {
            self.activity.change(|state| {
                state.turns[*turn as usize] -= 1;
                state.turns[next as usize] += 1;
            });
            *turn = next;
        }
    }

    /// Notes why the request's body was broken off by this server.
    pub fn fail(&self, fault: Error) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    /// Why the request's body was broken off by this server, if it was.
    pub fn fault(&self) -> Option<Error> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let turn = *self.turn.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.activity.change(|state| state.turns[turn as usize] -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_waits_for_its_client_gives_way() {
        let activity = Activity::new(CancellationToken::new());
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert!(activity.is_idle() && activity.weakness(later(0)).is_some(), "no request yet");
        assert!(activity.deadline().expect("a deadline") < later(20), "a first request is waited for shortly");
        let exchange = activity.begin();
        assert!(!activity.is_idle() && activity.weakness(later(3600)).is_none(), "the server works on it");
        assert_eq!(activity.deadline(), None);
        exchange.turn(Turn::SmallBody);
        assert!(activity.weakness(later(0)).is_some());
        exchange.turn(Turn::LargeBody);
        assert!(activity.weakness(later(5)).is_none() && activity.weakness(later(11)).is_some());
        exchange.turn(Turn::Reader);
        assert!(activity.weakness(later(11)).is_none() && activity.weakness(later(31)).is_some());
        let second = activity.begin();
        assert!(activity.weakness(later(3600)).is_none(), "one of two exchanges is worked on");
        drop(second);
        drop(exchange);
        assert!(activity.is_idle());
        assert!(activity.deadline().expect("a deadline") > later(100), "the next request may take its time");
    }

    #[test]
    fn idle_connections_give_way_before_waiting_ones() {
        let [waiting, idle] = [(); 2].map(|()| Activity::new(CancellationToken::new()));
        let exchange = waiting.begin();
        exchange.turn(Turn::SmallBody);
        idle.moved();
        let now = Instant::now();
        assert!(idle.weakness(now) < waiting.weakness(now), "although the other one moved earlier");
    }
}
