//! HTTPS: which certificate is shown, and its change while the server runs.
//!
//! warp has no TLS of its own, so connections are taken and decrypted here and by `listener.rs`
//! (docs/design/0009-https-inside.md).

mod certificate;
mod self_signed;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, crypto,
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};
use tokio_util::sync::CancellationToken;

use super::blocking;
use crate::{
    config::TlsSource,
    error::{Error, Result},
};

/// How often the files of a certificate are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often the own certificate is looked at: whether it ends soon, or the machine has other addresses.
const LOOK_AT_OWN_EVERY: Duration = Duration::from_secs(3600);

/// The server's certificate.
pub struct Tls {
    source: Source,
    shown: Arc<Shown>,
}

enum Source {
    Own { folder: PathBuf, names: Vec<String> },
    Files { cert: PathBuf, key: PathBuf },
}

/// The certificate that new connections are shown.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Tls {
    /// Reads or makes the certificate; `None` for plain HTTP. The own one is kept in `folder` and holds for this machine's
    /// names and addresses and for `names`.
    ///
    /// # Errors
    /// No usable certificate, in words.
    pub fn open(source: TlsSource, folder: &Path, names: Vec<String>) -> Result<Option<Arc<Self>>> {
        let source = match source {
            TlsSource::None => return Ok(None),
            TlsSource::SelfSigned => Source::Own { folder: folder.join("tls"), names },
            TlsSource::Files { cert, key } => Source::Files { cert, key },
        };
        let shown = Arc::new(Shown(RwLock::new(Arc::new(source.load()?))));
        Ok(Some(Arc::new(Self { source, shown })))
    }

    /// What makes TLS of a connection: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// Never with the algorithms that are compiled in.
    pub fn acceptor(&self) -> Result<TlsAcceptor> {
        let provider = Arc::new(crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal("TLS cannot be set up.", error))?
            .with_no_client_auth()
            .with_cert_resolver(self.shown.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    pub fn is_self_signed(&self) -> bool {
        matches!(self.source, Source::Own { .. })
    }

    /// The certificate itself (DER), as a phone takes it.
    pub fn certificate(&self) -> Vec<u8> {
        let shown = self.shown.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        shown.cert.first().map(|cert| cert.to_vec()).unwrap_or_default()
    }

    /// SHA-256 of the certificate, as browsers write it.
    pub fn fingerprint(&self) -> String {
        let pairs: Vec<String> = Sha256::digest(self.certificate()).iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }

    /// Shows a new certificate when there is one, until the server stops. A new one that is broken is told and not taken.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let every = if self.is_self_signed() { LOOK_AT_OWN_EVERY } else { LOOK_EVERY };
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut loaded = self.source.stamp();
        let mut before = loaded.clone();
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let tls = self.clone();
            let Ok(stamp) = blocking(move || Ok(tls.source.stamp())).await else { continue };
            // Certificate and key are written one after the other: they are read when they have stood still for a while.
            let still = std::mem::replace(&mut before, stamp.clone()) == stamp;
            if !self.is_self_signed() && (stamp == loaded || !still) {
                continue;
            }
            loaded = stamp;
            let tls = self.clone();
            if let Err(error) = blocking(move || tls.load_again()).await {
                tracing::error!(error = %error.full(), "the new certificate is not taken; the old one goes on");
            }
        }
    }

    fn load_again(&self) -> Result<()> {
        let new = self.source.load()?;
        let old = std::mem::replace(&mut *self.shown.0.write().unwrap_or_else(PoisonError::into_inner), Arc::new(new));
        if old.cert.first().map(|cert| cert.as_ref()) != Some(&self.certificate()) {
            tracing::info!(fingerprint = %self.fingerprint(), "a new certificate is shown from now on");
        }
        Ok(())
    }
}

/// By what a change of a file shows.
type Stamp = Vec<Option<(SystemTime, u64)>>;

impl Source {
    fn load(&self) -> Result<CertifiedKey> {
        match self {
            Source::Own { folder, names } => self_signed::ready(folder, names),
            Source::Files { cert, key } => certificate::read(cert, key),
        }
    }

    fn stamp(&self) -> Stamp {
        let Source::Files { cert, key } = self else { return Vec::new() };
        let stamp = |path: &PathBuf| path.metadata().and_then(|meta| Ok((meta.modified()?, meta.len()))).ok();
        [cert, key].map(stamp).into()
    }
}
