//! The address to listen on, in the ways that people write one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The port where none is written.
const PORT: u16 = 8080;

/// Reads `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, `8080` (this machine only), `:8080` and `*:8080` (all
/// networks, as other servers read it), and an IP address alone (port 8080).
///
/// # Errors
/// It is none of these; the words say what to write.
pub fn parse(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (loopback, all) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::new(loopback, port));
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
        return Ok(SocketAddr::new(ip, PORT));
    }
    let (host, port) = text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let ip = match host {
        "" | "*" if port.is_some() => Some(all),
        _ if host.eq_ignore_ascii_case("localhost") => Some(loopback),
        _ => None,
    };
    let port = port.map_or(Ok(PORT), str::parse);
    match (ip, port) {
        (Some(ip), Ok(port)) => Ok(SocketAddr::new(ip, port)),
        (_, Err(_)) => Err("the port is a number from 0 to 65535, for example 127.0.0.1:8080".into()),
        _ => Err(
            "write an IP address of this machine and a port: 127.0.0.1:8080 for this machine only, 0.0.0.0:8080 for \
                  all networks, [::1]:8080 for IPv6"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, address) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("8080", "127.0.0.1:8080"),
            (":8081", "0.0.0.0:8081"),
            ("*:8081", "0.0.0.0:8081"),
            ("localhost:9000", "127.0.0.1:9000"),
            ("LocalHost", "127.0.0.1:8080"),
            ("0.0.0.0", "0.0.0.0:8080"),
            ("[::1]:80", "[::1]:80"),
            ("::1", "[::1]:8080"),
            (" 192.168.1.5:80 ", "192.168.1.5:80"),
        ] {
            assert_eq!(parse(text).map(|address| address.to_string()), Ok(address.to_owned()), "{text}");
        }
    }

    #[test]
    fn anything_else_is_explained_with_an_example() {
        for text in ["nowhere", "", "*", "example.org:80", "70000", "127.0.0.1:70000", ":http", "http://127.0.0.1:80"] {
            assert!(parse(text).is_err_and(|words| words.contains("127.0.0.1:8080")), "{text}");
        }
    }
}
