//! A connection to a camera, with TLS or without, read and written by two threads.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use crate::{
    error::{Error, Kind, Result},
    fault,
};

/// Where systems keep the certificates of the authorities that they trust (Debian, Fedora, Alpine).
const AUTHORITIES: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Both directions of a connection; clones share it.
#[derive(Clone)]
pub enum Wire {
    Plain(Arc<TcpStream>),
    Tls(Arc<TcpStream>, Arc<Mutex<Session>>),
}

/// TLS, and what has arrived of it but was not yet decrypted.
pub struct Session {
    tls: ClientConnection,
    arrived: Vec<u8>,
}

impl Wire {
    /// Speaks TLS over a connection. `verify`: the certificate must be that of `host`, by an authority that this system
    /// trusts.
    ///
    /// # Errors
    /// [`Unavailable`](Kind::Unavailable) when the certificate is refused or the other side speaks no TLS.
    pub fn secure(stream: Arc<TcpStream>, host: &str, verify: bool) -> Result<Self> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| fault!(BadRequest, "{host} cannot stand in a certificate.").with_cause(error))?;
        let broken = |error: rustls::Error| Error::internal("The server could not set up TLS.", error);
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone());
        let config = config.with_safe_default_protocol_versions().map_err(broken)?;
        let config = match verify {
            true => config.with_root_certificates(authorities()),
            false => config.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider))),
        };
        let mut tls = ClientConnection::new(Arc::new(config.with_no_client_auth()), name).map_err(broken)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut &*stream).map_err(|error| refused(&error))?;
        }
        Ok(Self::Tls(stream, Arc::new(Mutex::new(Session { tls, arrived: Vec::new() }))))
    }

    /// Hangs up, which ends the waits of both directions.
    pub fn close(&self) {
        let (Self::Plain(stream) | Self::Tls(stream, _)) = self;
        // Fails where the other side was quicker.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (stream, shared) = match self {
            Self::Plain(stream) => return (&**stream).read(buffer),
            Self::Tls(stream, shared) => (stream, shared),
        };
        loop {
            let mut session = lock(shared);
            let Session { tls, arrived } = &mut *session;
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
            if arrived.is_empty() {
                // Waits without the lock, so that the other direction goes on.
                drop(session);
                let mut bytes = [0; 16 * 1024];
                let count = (&**stream).read(&mut bytes)?;
                session = lock(shared);
                session.arrived.extend_from_slice(&bytes[..count]);
            }
            let Session { tls, arrived } = &mut *session;
            // With nothing arrived this tells rustls of the end.
            let count = tls.read_tls(&mut arrived.as_slice())?;
            arrived.drain(..count);
            tls.process_new_packets().map_err(io::Error::other)?;
            while tls.wants_write() {
                tls.write_tls(&mut &**stream)?;
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => (&**stream).write(bytes),
            Self::Tls(stream, shared) => {
                let tls = &mut lock(shared).tls;
                let count = tls.writer().write(bytes)?;
                while tls.wants_write() {
                    tls.write_tls(&mut &**stream)?;
                }
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock(session: &Mutex<Session>) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The authorities that this system trusts; `SSL_CERT_FILE` names another list, as for other programs.
fn authorities() -> Arc<RootCertStore> {
    static STORE: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    STORE
        .get_or_init(|| {
            let named = std::env::var_os("SSL_CERT_FILE").map(std::path::PathBuf::from);
            let usual = || AUTHORITIES.iter().map(Path::new).find(|path| path.exists()).map(Path::to_path_buf);
            let mut store = RootCertStore::empty();
            if let Some(list) = named.or_else(usual).and_then(|path| CertificateDer::pem_file_iter(path).ok()) {
                store.add_parsable_certificates(list.flatten());
            }
            if store.is_empty() {
                tracing::warn!("no certificates of authorities were found: install ca-certificates");
            }
            Arc::new(store)
        })
        .clone()
}

/// What went wrong in the handshake, for a person.
fn refused(error: &io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let words = match inner {
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "The camera's certificate has expired: renew it, and check the clocks of camera and server.",
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "The camera's certificate is for another name: use the name that the certificate has.",
        Some(rustls::Error::InvalidCertificate(_)) => {
            "The camera's certificate is not signed by an authority that this server knows (self-signed?): give the \
             camera a certificate, or reach it in a network that the operator has allowed, where none is asked for."
        }
        _ => "The camera does not speak TLS at this port, or only an old one: check the scheme and the port.",
    };
    Error::new(Kind::Unavailable, words).with_cause(error)
}

/// Takes any certificate: for cameras in networks that the operator has allowed, which sign their own.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, process::Command, thread};

    use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};

    use super::*;

    /// A server with a certificate of its own making, which sends back what it gets.
    fn server() -> TcpListener {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| folder.path().join(name);
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout"])
            .args([file("key").as_os_str(), "-out".as_ref(), file("certificate").as_os_str()])
            .output()
            .expect("openssl");
        assert!(made.status.success());
        let certificate = CertificateDer::from_pem_file(file("certificate")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(file("key")).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a configuration");
        let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").expect("a port"));
        let accepting = listener.try_clone().expect("the listener");
        thread::spawn(move || {
            for stream in accepting.incoming().flatten() {
                let config = config.clone();
                thread::spawn(move || {
                    let tls = ServerConnection::new(config).expect("a connection");
                    let (mut stream, mut bytes) = (StreamOwned::new(tls, stream), [0; 10_000]);
                    while let Ok(count @ 1..) = stream.read(&mut bytes) {
                        stream.write_all(&bytes[..count]).expect("the other side listens");
                    }
                });
            }
        });
        listener
    }

    #[test]
    fn a_self_signed_certificate_is_refused_unless_none_is_asked_for() {
        let server = server();
        let at = server.local_addr().expect("the port");
        let call = |verify| Wire::secure(Arc::new(TcpStream::connect(at).expect("a server")), "localhost", verify);
        let error = call(true).err().expect("a self-signed certificate was taken");
        assert!(error.detail.contains("self-signed"), "{}", error.full());

        // Both directions at once, more than any buffer holds.
        let mut wire = call(false).expect("no certificate is asked for");
        let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let (mut writer, text) = (wire.clone(), sent.clone());
        let writing = thread::spawn(move || writer.write_all(&text));
        let mut got = vec![0; sent.len()];
        wire.read_exact(&mut got).expect("all comes back");
        writing.join().expect("the thread").expect("all was sent");
        assert!(got == sent, "what came back differs");
        wire.close();
    }
}
