//! Looking up host names. The system's resolver cannot be interrupted, so its threads are shared and counted: a DNS server
//! that does not answer must not cost a thread for each attempt of each camera.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, ToSocketAddrs},
    sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use crate::{
    error::{Error, Result},
    fault,
};

/// Look-ups at the same time, of different names.
const MOST: usize = 32;

/// The addresses of a name, or the resolver's words.
type Answer = Result<Vec<IpAddr>, String>;

/// One look-up, for as many as ask for the name while it runs.
#[derive(Default)]
pub struct Lookup {
    answer: Mutex<Option<Answer>>,
    answered: Condvar,
}

impl Lookup {
    /// The answer, if it comes within `span`.
    pub fn wait(&self, span: Duration) -> Option<Answer> {
        let waiting = |answer: &mut Option<Answer>| answer.is_none();
        let waited = self.answered.wait_timeout_while(lock(&self.answer), span, waiting);
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

struct Resolver {
    running: Mutex<HashMap<String, Arc<Lookup>>>,
    most: usize,
    resolve: fn(&str) -> io::Result<Vec<IpAddr>>,
}

/// Asks the system's resolver for a name, or joins who asks for it already.
///
/// # Errors
/// [`Unavailable`](crate::error::Kind::Unavailable) when too many look-ups hang.
pub fn look_up(name: &str) -> Result<Arc<Lookup>> {
    static SYSTEM: LazyLock<Arc<Resolver>> = LazyLock::new(|| {
        let resolve = |name: &str| Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect());
        Arc::new(Resolver { running: Mutex::default(), most: MOST, resolve })
    });
    SYSTEM.look_up(name)
}

impl Resolver {
    fn look_up(self: &Arc<Self>, name: &str) -> Result<Arc<Lookup>> {
        let mut running = lock(&self.running);
        if let Some(lookup) = running.get(name) {
            return Ok(lookup.clone());
        }
        if running.len() >= self.most {
            return Err(fault!(
                Unavailable,
                "{} look-ups of host names have no answer yet: check this server's DNS.",
                self.most
            ));
        }
        let lookup = Arc::<Lookup>::default();
        let (resolver, own, asked) = (self.clone(), lookup.clone(), name.to_owned());
        thread::Builder::new()
            .name("camera-name".into())
            .spawn(move || {
                let answer = (resolver.resolve)(&asked).map_err(|error| error.to_string());
                lock(&resolver.running).remove(&asked);
                *lock(&own.answer) = Some(answer);
                own.answered.notify_all();
            })
            .map_err(|error| Error::internal("The server could not start a thread for the camera.", error))?;
        running.insert(name.to_owned(), lookup.clone());
        Ok(lookup)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Longer than anything takes on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn look_ups_that_hang_are_shared_and_bounded() {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        /// Locked while the resolver hangs.
        static HANGS: Mutex<()> = Mutex::new(());
        let resolve = |name: &str| {
            CALLS.fetch_add(1, Ordering::SeqCst);
            drop(lock(&HANGS));
            match name {
                "unknown" => Err(io::Error::other("no such host")),
                _ => Ok(vec![IpAddr::from([192, 0, 2, 1])]),
            }
        };
        let resolver = Arc::new(Resolver { running: Mutex::default(), most: 2, resolve });
        let hangs = lock(&HANGS);
        let lookups: Vec<_> = (0..50).map(|_| resolver.look_up("camera").expect("shared")).collect();
        let unknown = resolver.look_up("unknown").expect("room for two");
        assert!(resolver.look_up("third").err().expect("too many").detail.contains("DNS"));
        assert!(resolver.look_up("camera").expect("shared").wait(Duration::ZERO).is_none());
        drop(hangs);
        for lookup in lookups {
            assert_eq!(lookup.wait(PATIENCE), Some(Ok(vec![IpAddr::from([192, 0, 2, 1])])));
        }
        assert_eq!(unknown.wait(PATIENCE), Some(Err("no such host".into())));
        assert_eq!(CALLS.load(Ordering::SeqCst), 2, "one thread for each name");
        // There is room again, and what was found is not kept.
        resolver.look_up("third").expect("room").wait(PATIENCE).expect("an answer").expect("found");
        resolver.look_up("camera").expect("room").wait(PATIENCE).expect("an answer").expect("found");
        assert_eq!(CALLS.load(Ordering::SeqCst), 4);
    }

    #[test]
    fn the_systems_resolver_knows_this_machine() {
        let found = look_up("localhost").expect("a look-up").wait(PATIENCE).expect("an answer").expect("found");
        assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{found:?}");
    }
}
