//! HTTPS and who may use the server.

use std::path::PathBuf;

/// Settings of transport security and access.
#[derive(Clone, Debug, clap::Args)]
pub struct SecureSettings {
    /// Certificate chain in PEM: the server then speaks HTTPS. Read again when the file changes.
    #[arg(long, env = "SIGHTGLASS_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert in PEM.
    #[arg(long, env = "SIGHTGLASS_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Speak HTTPS with a certificate of the server's own making, which is kept in the data folder. Browsers warn once.
    #[arg(long, env = "SIGHTGLASS_TLS_SELF_SIGNED", conflicts_with = "tls_cert")]
    pub tls_self_signed: bool,
    /// What visitors and programs must show [default: made at the first start that listens beyond this machine].
    #[arg(long, env = "SIGHTGLASS_TOKEN", value_name = "TOKEN")]
    pub token: Option<String>,
    /// Let everyone in who can reach the server.
    #[arg(long, env = "SIGHTGLASS_NO_AUTH", conflicts_with = "token")]
    pub no_auth: bool,
}
