//! HTTPS and who may use the server.

use std::{fmt, path::PathBuf, str::FromStr};

use clap::builder::BoolishValueParser;

use crate::{error::Result, fault};

/// Shorter tokens are guessed.
const SHORTEST_TOKEN: usize = 8;

/// Settings of transport security and access.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "HTTPS and access")]
pub struct SecureSettings {
    /// Certificate chain in PEM: the server then speaks HTTPS. Read again when the file changes.
    #[arg(long, env = "SIGHTGLASS_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert in PEM.
    #[arg(long, env = "SIGHTGLASS_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Speak HTTPS with a certificate of the server's own making, which is kept in the data folder. Browsers warn once.
    #[arg(long, env = "SIGHTGLASS_TLS_SELF_SIGNED", value_parser = BoolishValueParser::new())]
    pub tls_self_signed: bool,
    /// What visitors and programs must show, at least 8 characters; better in the environment than among the arguments,
    /// which every user of the machine sees [default: made at the first start that listens beyond this machine].
    #[arg(long, env = "SIGHTGLASS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<Token>,
    /// Let everyone in who can reach the server.
    #[arg(long, env = "SIGHTGLASS_NO_AUTH", value_parser = BoolishValueParser::new())]
    pub no_auth: bool,
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSource {
    /// Plain HTTP.
    None,
    SelfSigned,
    Files {
        cert: PathBuf,
        key: PathBuf,
    },
}

impl SecureSettings {
    /// Where the certificate comes from.
    ///
    /// # Errors
    /// The settings contradict each other. Looked at here and not by clap, which does not see what comes from the file.
    pub fn tls(&self) -> Result<TlsSource> {
        match (&self.tls_cert, &self.tls_key, self.tls_self_signed) {
            (None, None, false) => Ok(TlsSource::None),
            (None, None, true) => Ok(TlsSource::SelfSigned),
            (Some(cert), Some(key), false) => Ok(TlsSource::Files { cert: cert.clone(), key: key.clone() }),
            (Some(_), None, _) | (None, Some(_), _) => {
                Err(fault!(BadRequest, "A certificate needs its private key: give --tls-cert and --tls-key together."))
            }
            (Some(_), Some(_), true) => {
                Err(fault!(BadRequest, "Give --tls-cert with --tls-key, or --tls-self-signed, not both."))
            }
        }
    }

    /// The token that was set; `None` when none was, or none is wanted.
    ///
    /// # Errors
    /// A token is set and --no-auth too.
    pub fn chosen_token(&self) -> Result<Option<&Token>> {
        if self.no_auth && self.token.is_some() {
            return Err(fault!(BadRequest, "--token and --no-auth contradict each other: set one of them."));
        }
        Ok(self.token.as_ref())
    }
}

/// What opens the server. Never shown by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl FromStr for Token {
    type Err = String;

    /// What a header carries as a token (RFC 6750, 2.1), and a fragment of an address too.
    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
        if plain && text.len() >= SHORTEST_TOKEN {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("a token has at least {SHORTEST_TOKEN} letters, digits or -._~+/="))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        secure: SecureSettings,
    }

    fn settings(line: &str) -> SecureSettings {
        Line::parse_from(std::iter::once("x").chain(line.split_whitespace())).secure
    }

    #[test]
    fn settings_that_contradict_each_other_are_told() {
        assert_eq!(settings("").tls().expect("none"), TlsSource::None);
        assert_eq!(settings("--tls-self-signed").tls().expect("one"), TlsSource::SelfSigned);
        let files = TlsSource::Files { cert: "c".into(), key: "k".into() };
        assert_eq!(settings("--tls-cert c --tls-key k").tls().expect("files"), files);
        for wrong in ["--tls-cert c", "--tls-key k", "--tls-cert c --tls-key k --tls-self-signed"] {
            assert!(settings(wrong).tls().is_err(), "{wrong}");
        }
        assert!(settings("--token 12345678 --no-auth").chosen_token().is_err());
        assert!(settings("--token 12345678").chosen_token().expect("one").is_some());
    }

    #[test]
    fn a_token_is_plain_and_never_printed() {
        let token: Token = "abc-DEF_1.~+/=".parse().expect("a token");
        assert!(!format!("{token:?}").contains("abc"));
        for wrong in ["short", "with space", "a?b#c&d%e", "schlüssel-lang"] {
            assert!(wrong.parse::<Token>().is_err(), "{wrong}");
        }
    }
}
