//! A certificate chain and its private key from PEM files (RFC 7468), with words for who got them wrong.

use std::path::Path;

use tokio_rustls::rustls::{
    self,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    sign::CertifiedKey,
};

use crate::{
    error::{Error, Result},
    fault,
};

/// Reads a chain, the server's own certificate first, and its key in PKCS#8, PKCS#1 or SEC 1.
///
/// # Errors
/// A file cannot be read, is not PEM, holds no certificate or no key, or the key is another certificate's.
pub fn read(cert: &Path, key: &Path) -> Result<CertifiedKey> {
    parse(&bytes(cert, "certificate")?, &bytes(key, "private key")?)
}

/// The same from text.
pub fn parse(cert: &[u8], key: &[u8]) -> Result<CertifiedKey> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(cert)
        .collect::<Result<_, _>>()
        .map_err(|error| fault!(BadRequest, "The certificate file is not PEM.").with_cause(error))?;
    if chain.is_empty() {
        return Err(fault!(
            BadRequest,
            "There is no certificate in the certificate file: it must hold the chain in PEM, the server's own first."
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
        pem::Error::NoItemsFound => fault!(
            BadRequest,
            "There is no private key in the key file: it must be PEM (PKCS#8, PKCS#1 or SEC 1) without a password."
        ),
        error => fault!(BadRequest, "The key file is not PEM.").with_cause(error),
    })?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            fault!(BadRequest, "The private key is not the certificate's: take the pair that was made together.")
        }
        rustls::Error::InvalidCertificate(_) => fault!(BadRequest, "The certificate cannot be read.").with_cause(error),
        _ => fault!(BadRequest, "The private key cannot be used: RSA, P-256, P-384 and Ed25519 can.").with_cause(error),
    })
}

fn bytes(path: &Path, what: &str) -> Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|error| Error::internal(format!("The {what} file {} cannot be read.", path.display()), error))
}
