//! The address of a network camera: read, checked, and shown without its secrets.

use std::net::IpAddr;

use url::{Host, ParseError, Url};

use super::{rules::NetworkRules, srt};
use crate::{
    error::{Error, Result},
    fault,
};

/// Most bytes of an address.
const LONGEST: usize = 4096;
/// Keys of a query whose values are shown: no camera keeps a secret there.
const OPEN_KEYS: &[&str] = &[
    "camera",
    "chan",
    "channel",
    "codec",
    "compression",
    "fps",
    "height",
    "latency",
    "mode",
    "pbkeylen",
    "profile",
    "resolution",
    "stream",
    "subtype",
    "transportmode",
    "unicast",
    "width",
];

/// How a camera is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Rtsp,
    Http,
    Srt,
}

/// A checked address. Neither Debug nor Display show the user, the password or secrets of path and query.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamAddress {
    url: Url,
    pub(super) protocol: Protocol,
    pub(super) tls: bool,
    /// A name, or an IP address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) credentials: Option<Credentials>,
}

/// Who asks, percent-decoded.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub user: String,
    pub password: String,
}

impl std::fmt::Debug for StreamAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StreamAddress({})", self.shown())
    }
}

impl std::fmt::Display for StreamAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl StreamAddress {
    /// Reads an address and checks what can be checked without asking the network.
    ///
    /// # Errors
    /// [`BadRequest`](crate::error::Kind::BadRequest) for what is no address of a camera,
    /// [`Forbidden`](crate::error::Kind::Forbidden) for a scheme or an IP address that the operator has not allowed.
    pub fn parse(url: &str, rules: &NetworkRules) -> Result<Self> {
        let form = "write it as rtsp://user:password@192.168.1.20:554/path";
        let text = url.trim();
        if text.len() > LONGEST {
            return Err(fault!(BadRequest, "The camera's address is longer than {LONGEST} bytes."));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(fault!(BadRequest, "The camera's address holds a space or a control character: {form}."));
        }
        if lacks_scheme(text) {
            return Err(fault!(
                BadRequest,
                "The camera's address does not say how the camera is spoken to: begin it with rtsp://, http:// or srt://, \
                 for example rtsp://192.168.1.20:554/path."
            ));
        }
        let mut url = Url::parse(text).map_err(|error| unreadable(error, form))?;
        url.set_fragment(None);
        rules.check_scheme(url.scheme())?;
        let (protocol, tls, usual) = match url.scheme() {
            "rtsp" => (Protocol::Rtsp, false, Some(554)),
            "rtsps" => (Protocol::Rtsp, true, Some(322)),
            "http" => (Protocol::Http, false, Some(80)),
            "https" => (Protocol::Http, true, Some(443)),
            "srt" => (Protocol::Srt, false, None),
            other => return Err(fault!(BadRequest, "No camera is spoken to by {other}://: {form}.")),
        };
        let host = host(&url).ok_or_else(|| fault!(BadRequest, "The camera's address names no host: {form}."))?;
        if let Ok(address) = host.parse::<IpAddr>() {
            rules.check(address)?;
        }
        let port = url.port().or(usual).filter(|port| *port > 0);
        let port = port.ok_or_else(|| fault!(BadRequest, "The camera's address needs a port: {form}."))?;
        let credentials = credentials(&url)?;
        if protocol == Protocol::Srt {
            srt::Options::read(&url)?;
        }
        Ok(Self { url, protocol, tls, host, port, credentials })
    }

    /// The address for people and logs: without user and password, and without what may be secret in path and query.
    pub fn shown(&self) -> String {
        let mut url = self.url.clone();
        // Fails for addresses that cannot have any.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        // Some cameras take user and password in the path: /user=admin&password=…&channel=1
        let path = url.path().to_ascii_lowercase();
        if ["user", "pass", "pwd", "token", "auth", "secret", "key="].iter().any(|word| path.contains(word)) {
            url.set_path("/…");
        }
        let query: Vec<String> = url.query().unwrap_or_default().split('&').filter_map(shown_part).collect();
        url.set_query(None);
        let mut text = url.to_string().replace("%E2%80%A6", "…");
        if !query.is_empty() {
            text.push('?');
            text.push_str(&query.join("&"));
        }
        text
    }

    /// The whole address with all secrets, for the store.
    pub fn secret(&self) -> &str {
        self.url.as_str()
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Path and query, as they go into a request.
    pub(super) fn target(&self) -> String {
        let target = &self.url[url::Position::BeforePath..];
        if target.starts_with('/') { target.to_owned() } else { format!("/{target}") }
    }

    /// Host and port as they go into a request; IPv6 in brackets.
    pub(super) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Is it a host or a path without `rtsp://` in front? `camera.lan:554/x` would be read as a URL of the scheme `camera.lan`.
fn lacks_scheme(text: &str) -> bool {
    let Some((before, after)) = text.split_once(':') else { return true };
    let port = after.bytes().take_while(u8::is_ascii_digit).count();
    let scheme = before.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(&byte));
    !after.starts_with("//") && (!scheme || after.contains('@') || after.starts_with('/') || port > 1)
}

/// What is wrong with an address that is no URL (WHATWG URL Standard).
fn unreadable(error: ParseError, form: &str) -> Error {
    match error {
        ParseError::EmptyHost => fault!(BadRequest, "The camera's address names no host: {form}."),
        ParseError::InvalidPort => {
            fault!(BadRequest, "The port in the camera's address is not a number from 1 to 65535: {form}.")
        }
        ParseError::InvalidIpv4Address | ParseError::InvalidIpv6Address => {
            fault!(BadRequest, "The IP address in the camera's address is not valid: {form}.")
        }
        ParseError::IdnaError | ParseError::InvalidDomainCharacter => {
            fault!(BadRequest, "The host name in the camera's address is not valid: {form}.")
        }
        _ => fault!(BadRequest, "The camera's address is not valid: {form}."),
    }
    .with_cause(error)
}

/// `key=value` of a query with its value, if that may be seen.
fn shown_part(part: &str) -> Option<String> {
    let (key, value) = part.split_once('=').unwrap_or((part, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if part.is_empty() {
        return None;
    }
    // A part without `=` may itself be a token.
    Some(
        match (plain(key) && part.contains('='), OPEN_KEYS.contains(&key.to_ascii_lowercase().as_str()) && plain(value))
        {
            (true, true) => format!("{key}={value}"),
            (true, false) => format!("{key}=…"),
            (false, _) => "…".to_owned(),
        },
    )
}

/// The host in its plain form: numbers such as 0x7f.1 as the IPv4 address that they are, names in lower case.
fn host(url: &Url) -> Option<String> {
    let host = match url.host()? {
        Host::Ipv6(address) => return Some(address.to_string()),
        Host::Ipv4(address) => return Some(address.to_string()),
        // In schemes that the URL standard does not know, a host is taken as it is written.
        Host::Domain(name) => Host::parse(name).ok()?,
    };
    match host {
        Host::Domain(name) => name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            .then_some(name)
            .filter(|name| !name.is_empty()),
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(address) => Some(address.to_string()),
    }
}

fn credentials(url: &Url) -> Result<Option<Credentials>> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decoded = |text: &str| {
        percent_decoded(text).filter(|text| !text.chars().any(char::is_control)).ok_or_else(|| {
            fault!(BadRequest, "User or password in the camera's address hold bytes that are no UTF-8 text.")
        })
    };
    let (user, password) = (decoded(url.username())?, decoded(url.password().unwrap_or(""))?);
    Ok(Some(Credentials { user, password }))
}

/// `%41` as `A`; None when the result is no UTF-8.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    let hex = |byte: &u8| char::from(*byte).to_digit(16);
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(high).zip(hex(low)),
            _ => None,
        };
        bytes.push(escaped.map_or(*first, |(high, low)| (high * 16 + low) as u8));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_addresses_are_explained_without_the_parsers_words() {
        let schemes: Vec<String> = ["rtsp", "http", "srt"].map(str::to_owned).into();
        let rules = NetworkRules::new(&schemes, &["private".into()]).expect("rules");
        for (address, words) in [
            ("192.168.1.20:554/stream1", "begin it with rtsp://"),
            ("ann:hush@192.168.1.20/stream1", "begin it with rtsp://"),
            ("camera.lan:8080/video", "begin it with rtsp://"),
            ("camera", "begin it with rtsp://"),
            ("rtsp:/192.168.1.20/x", "begin it with rtsp://"),
            ("", "begin it with rtsp://"),
            ("rtsp://", "names no host"),
            ("http://", "names no host"),
            ("rtsp://192.168.1.20:99999/x", "The port"),
            ("rtsp://192.168.1.20:port/x", "The port"),
            ("http://192.168.1.999/x", "The IP address"),
            ("rtsp://[fe80::x]/x", "The IP address"),
            ("http://a|b/x", "The host name"),
            ("rtsp://a|b/x", "not valid"),
        ] {
            let error = StreamAddress::parse(address, &rules).expect_err(address);
            assert!(error.detail.contains(words), "{address}: {}", error.detail);
            let lower = error.detail.to_lowercase();
            assert!(
                !["relative", "base", "empty host", "hush", "domain"].iter().any(|word| lower.contains(word)),
                "{lower}"
            );
        }
        assert!(StreamAddress::parse("rtsp://192.168.1.20/x", &rules).is_ok());
    }
}
