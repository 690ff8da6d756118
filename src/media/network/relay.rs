//! Between rtspsrc and the camera: rtspsrc knows only this relay, and the relay only the address that was checked.
//!
//! On its own rtspsrc follows a redirect to any host, and sends to any that a camera's answer names. So what the camera
//! says is read here on its way. TLS is spoken here too, so that it can be read.

use std::{
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use super::{address::StreamAddress, caller, head::Head, lines::Lines, newest::Newest, tls::Wire};
use crate::{
    error::{Error, Result},
    fault,
};

/// Most bytes of a body, which is a description of the stream.
const LONGEST: u64 = 1024 * 1024;

/// A door on this machine's loopback that leads to one camera.
pub struct Relay {
    door: TcpListener,
    port: u16,
    to: SocketAddr,
    address: StreamAddress,
    lines: Arc<Lines>,
    newest: Arc<Newest>,
}

impl Relay {
    /// # Errors
    /// [`Internal`](crate::error::Kind::Internal) when the system has no port left.
    pub fn open(address: &StreamAddress, to: SocketAddr, lines: &Arc<Lines>, newest: &Arc<Newest>) -> Result<Self> {
        let broken = |error| Error::internal("The server could not open a port for the camera.", error);
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(broken)?;
        let port = door.local_addr().map_err(broken)?.port();
        lines.knock_at(port);
        Ok(Self { port, door, to, address: address.clone(), lines: lines.clone(), newest: newest.clone() })
    }

    /// Where rtspsrc finds the camera: the relay, with the camera's path.
    pub fn location(&self) -> String {
        format!("rtsp://{}:{}{}", Ipv4Addr::LOCALHOST, self.port, self.address.target())
    }

    /// A connection to the camera, with TLS where the address asks for it.
    ///
    /// # Errors
    /// As [`Lines::connect`] and [`Wire::secure`].
    pub fn wire(address: &StreamAddress, stream: Arc<TcpStream>, to: SocketAddr, lines: &Lines) -> Result<Wire> {
        match address.tls {
            true => Wire::secure(stream, &address.host, !lines.rules.is_inner(to.ip())),
            false => Ok(Wire::Plain(stream)),
        }
    }

    /// Serves rtspsrc over `wire`, and over new ones when a camera hangs up after each refusal, until the source is
    /// stopped.
    ///
    /// # Errors
    /// In words, when the camera is lost or says what is not allowed.
    pub fn serve(&self, wire: Wire) -> Result<()> {
        let mut wire = Some(wire);
        loop {
            let (near, _) =
                self.door.accept().map_err(|error| Error::internal("The server lost the camera's port.", error))?;
            let near = self.lines.keep(near)?;
            // The camera's pictures, opened with its password, are for rtspsrc alone.
            let own = caller::is_own(&near).map_err(|error| {
                Error::internal("The server cannot see who connects to it on behalf of the camera.", error)
            })?;
            if !own {
                tracing::warn!("another program has connected to the port of a camera's relay; it was turned away");
                let _ = near.shutdown(Shutdown::Both);
                continue;
            }
            let far = match wire.take() {
                Some(wire) => wire,
                None => Self::wire(&self.address, self.lines.connect_again(self.to)?, self.to, &self.lines)?,
            };
            let (from, mut to) = (near.clone(), far.clone());
            let up = thread::Builder::new()
                .name("camera-up".into())
                .spawn(move || {
                    // Either end may hang up; the other direction sees it.
                    let _ = io::copy(&mut &*from, &mut to);
                    to.close();
                })
                .map_err(|error| Error::internal("The server could not start a thread for the camera.", error))?;
            if let Err(error) = self.down(far, &near) {
                // Before rtspsrc finds that its connection is gone, which says less.
                self.newest.end(Err(error));
            }
            // Already closed where rtspsrc was quicker.
            let _ = near.shutdown(Shutdown::Both);
            let _ = up.join();
        }
    }

    /// What the camera says, until one of both hangs up.
    fn down(&self, far: Wire, near: &TcpStream) -> Result<()> {
        let mut camera = BufReader::with_capacity(64 * 1024, far.clone());
        let mut near = BufWriter::with_capacity(64 * 1024, near);
        let hung_up = loop {
            match self.pass(&mut camera, &mut near) {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(Broken::Connection(error)) => {
                    tracing::debug!(%error, "a camera's connection broke");
                    break Ok(());
                }
                Err(Broken::Rule(error)) => break Err(error),
            }
        };
        far.close();
        hung_up
    }

    /// Passes one message on; false at the end.
    fn pass(&self, camera: &mut BufReader<Wire>, near: &mut impl Write) -> Result<bool, Broken> {
        if camera.buffer().is_empty() {
            // What follows may take its time; what came before must not wait for it.
            near.flush()?;
        }
        let Some(first) = camera.fill_buf()?.first().copied() else {
            return Ok(false);
        };
        if first == b'$' {
            let mut packet = [0; 4];
            camera.read_exact(&mut packet)?;
            near.write_all(&packet)?;
            let length = u64::from(u16::from_be_bytes([packet[2], packet[3]]));
            return Ok(io::copy(&mut camera.take(length), near)? == length);
        }
        let Some(head) = Head::read(camera)? else {
            return Ok(false);
        };
        self.check(&head)?;
        let length = head.length().unwrap_or(0);
        if length > LONGEST {
            return Err(Broken::Rule(fault!(
                Unavailable,
                "The camera describes its stream in {length} bytes, too many."
            )));
        }
        near.write_all(&head.raw)?;
        Ok(io::copy(&mut camera.take(length), near)? == length)
    }

    /// Refuses what would make rtspsrc speak with somebody else than the camera.
    fn check(&self, head: &Head) -> Result<(), Broken> {
        let Some(status) = head.status() else {
            return match head.start().starts_with("REDIRECT ") {
                true => Err(Broken::Rule(self.elsewhere(head))),
                false => Ok(()),
            };
        };
        if (300..400).contains(&status) {
            return Err(Broken::Rule(self.elsewhere(head)));
        }
        if status >= 400 {
            self.newest.refused(status);
        }
        if head.values("transport").any(|transport| !transport.to_ascii_uppercase().contains("/TCP")) {
            return Err(Broken::Rule(super::newest::refusal(461)));
        }
        Ok(())
    }

    fn elsewhere(&self, head: &Head) -> Error {
        let place = head.value("location").and_then(|to| StreamAddress::parse(to, &self.lines.rules).ok());
        match place {
            Some(place) => fault!(Unavailable, "The camera sends on to {place}: use that address."),
            None => fault!(Forbidden, "The camera sends on to an address that is not allowed."),
        }
    }
}

/// Why nothing more is passed on.
enum Broken {
    Connection(io::Error),
    Rule(Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}
