//! The connections of one source: each goes to an address that was checked, and all can be cut from another thread.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use super::{names, rules::NetworkRules};
use crate::{
    error::{Error, Kind, Result},
    fault,
};

/// How long a name may take to be resolved, and an address to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// One try to connect: a source that is stopped meanwhile waits no longer than that.
const TRY: Duration = Duration::from_millis(1500);
/// How often a wait for the resolver looks whether it was stopped.
const LOOK: Duration = Duration::from_millis(100);

/// All connections of a source.
pub struct Lines {
    pub rules: NetworkRules,
    cut: AtomicBool,
    open: Mutex<Vec<Weak<TcpStream>>>,
    /// Wakes who pauses.
    was_cut: Condvar,
    /// The port of this machine where a thread of the source waits for a caller, 0 for none.
    door: AtomicU16,
}

impl Lines {
    pub fn new(rules: NetworkRules) -> Arc<Self> {
        Arc::new(Self {
            rules,
            cut: AtomicBool::new(false),
            open: Mutex::default(),
            was_cut: Condvar::new(),
            door: AtomicU16::new(0),
        })
    }

    /// Resolves a name, checks what it stands for, and connects to what was checked.
    ///
    /// # Errors
    /// [`Forbidden`](Kind::Forbidden) when no address of the name is allowed, [`Unavailable`](Kind::Unavailable) when
    /// the name is unknown or nobody answers.
    pub fn connect(&self, host: &str, port: u16) -> Result<(Arc<TcpStream>, SocketAddr)> {
        let addresses = self.resolve(host, port)?;
        let mut last = None;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            for address in &addresses {
                self.check_cut()?;
                match TcpStream::connect_timeout(address, TRY) {
                    Ok(stream) => return Ok((self.keep(stream)?, *address)),
                    Err(error) => last = Some(error),
                }
            }
            // Who refuses will refuse again; who is silent may have lost a packet.
            if last.as_ref().is_none_or(|error| error.kind() != io::ErrorKind::TimedOut) {
                break;
            }
        }
        Err(unreachable(last))
    }

    /// Connects again to an address that was checked before.
    ///
    /// # Errors
    /// As [`Lines::connect`].
    pub fn connect_again(&self, address: SocketAddr) -> Result<Arc<TcpStream>> {
        self.check_cut()?;
        self.keep(TcpStream::connect_timeout(&address, TRY).map_err(|error| unreachable(Some(error)))?)
    }

    /// The allowed addresses of a name.
    ///
    /// # Errors
    /// As [`Lines::connect`].
    pub fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.ask(host, port)?,
        };
        let mut refusal = None;
        let allowed: Vec<_> = found
            .into_iter()
            .filter(|address| self.rules.check(address.ip()).map_err(|error| refusal = Some(error)).is_ok())
            .collect();
        match (allowed.is_empty(), refusal) {
            (true, Some(refusal)) => Err(refusal),
            (true, None) => Err(unknown(host)),
            (false, _) => Ok(allowed),
        }
    }

    /// Asks the system's resolver.
    fn ask(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        let lookup = names::look_up(host)?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            self.check_cut()?;
            match lookup.wait(LOOK) {
                Some(Ok(found)) => return Ok(found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()),
                Some(Err(why)) => return Err(unknown(host).with_cause(why)),
                None => {}
            }
        }
        Err(unknown(host).with_cause("no answer of the resolver"))
    }

    /// Cuts all connections, those that are being made too.
    pub fn cut(&self) {
        let mut open = self.lock();
        self.cut.store(true, Ordering::SeqCst);
        self.was_cut.notify_all();
        for stream in open.drain(..).filter_map(|stream| stream.upgrade()) {
            // Fails where the other side was quicker.
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(open);
        let door = self.door.swap(0, Ordering::SeqCst);
        if door > 0 {
            // Nobody is there when that thread has ended.
            let _ = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, door).into(), TRY);
        }
    }

    /// A thread of the source waits at this port for a caller: [`Lines::cut`] knocks, so that it goes on.
    pub fn knock_at(&self, port: u16) {
        self.door.store(port, Ordering::SeqCst);
    }

    /// Makes a connection one of those that [`Lines::cut`] cuts.
    ///
    /// # Errors
    /// When the source was stopped.
    pub fn keep(&self, stream: TcpStream) -> Result<Arc<TcpStream>> {
        // Small requests wait for nobody; a connection without it works too.
        let _ = stream.set_nodelay(true);
        let stream = Arc::new(stream);
        let mut open = self.lock();
        open.retain(|stream| stream.strong_count() > 0);
        open.push(Arc::downgrade(&stream));
        drop(open);
        self.check_cut()?;
        Ok(stream)
    }

    /// Waits.
    ///
    /// # Errors
    /// At once when the source is stopped.
    pub fn pause(&self, time: Duration) -> Result<()> {
        let on = |_: &mut Vec<_>| !self.cut.load(Ordering::SeqCst);
        drop(self.was_cut.wait_timeout_while(self.lock(), time, on).unwrap_or_else(PoisonError::into_inner));
        self.check_cut()
    }

    /// # Errors
    /// When the source was stopped.
    pub fn check_cut(&self) -> Result<()> {
        match self.cut.load(Ordering::SeqCst) {
            true => Err(stopped()),
            false => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<TcpStream>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub fn stopped() -> Error {
    Error::new(Kind::Unavailable, "The stream was stopped.")
}

fn unknown(host: &str) -> Error {
    fault!(Unavailable, "There is no host named {host}: check the camera's address and this server's DNS.")
}

fn unreachable(error: Option<io::Error>) -> Error {
    let words = match error.as_ref().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => {
            "The camera refuses the connection: check the port, and whether the camera's service is switched on."
        }
        _ => "The camera cannot be reached: check its address, its power and the network.",
    };
    let error = error.map_or_else(|| "no address answered".to_owned(), |error| error.to_string());
    Error::new(Kind::Unavailable, words).with_cause(error)
}
