//! Who sent a request: the other end of the connection or, behind a trusted proxy, the client that the proxy names.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
};

use warp::http::{HeaderMap, header};

use crate::config::Network;

/// The sender of a request; an extension of each request.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    pub address: IpAddr,
    /// The visitor's own connection is encrypted: this server's TLS, or that of a trusted proxy.
    pub https: bool,
    /// The request came through a trusted proxy.
    pub proxied: bool,
}

/// Reverse proxies whose headers are believed.
#[derive(Default)]
pub struct Proxies {
    trusted: Vec<Network>,
    warned: AtomicBool,
}

impl Proxies {
    pub fn new(trusted: Vec<Network>) -> Self {
        Self { trusted, warned: AtomicBool::new(false) }
    }

    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// The sender of a request that came from `peer`, over this server's TLS where `tls`.
    pub fn visitor(&self, peer: IpAddr, tls: bool, headers: &HeaderMap) -> Visitor {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            if peer.is_loopback()
                && headers.contains_key("x-forwarded-for")
                && !self.warned.swap(true, Ordering::Relaxed)
            {
                tracing::warn!(
                    "X-Forwarded-For from {peer} is not believed: behind a reverse proxy on this machine, give \
                     --trusted-proxy {peer}"
                );
            }
            return Visitor { address: peer, https: tls, proxied: false };
        }
        // Most proxies set these and pass on `Forwarded` as the visitor wrote it, so that counts only without them.
        let named = listed(headers, "x-forwarded-for");
        let (named, scheme) = match named.is_empty() {
            true => forwarded(headers),
            false => (named, listed(headers, "x-forwarded-proto").pop()),
        };
        // Each proxy appends the address it sees. What stands before the first address that is no trusted proxy was
        // written by that visitor, and so was everything that is no address.
        let addresses = named.iter().rev().map_while(|name| address(name));
        let mut visitor = peer;
        for address in addresses {
            visitor = address;
            // Any user of a proxy's own machine comes from its loopback, so the list is believed no further than that.
            if address.is_loopback() || !self.trusts(address) {
                break;
            }
        }
        let https = scheme.map_or(tls, |scheme| scheme.eq_ignore_ascii_case("https"));
        Visitor { address: visitor, https, proxied: true }
    }
}

/// The values of a header that is a list, in order.
fn listed(headers: &HeaderMap, name: &str) -> Vec<String> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|value| value.trim().to_owned()).collect()
}

/// `for` of each element of `Forwarded`, and `proto` of the last (RFC 7239, 4).
fn forwarded(headers: &HeaderMap) -> (Vec<String>, Option<String>) {
    let (mut named, mut scheme) = (Vec::new(), None);
    for element in listed(headers, header::FORWARDED.as_str()) {
        scheme = None;
        for pair in element.split(';') {
            let Some((name, value)) = pair.split_once('=') else { continue };
            let value = value.trim().trim_matches('"').to_owned();
            match name.trim().to_ascii_lowercase().as_str() {
                "for" => named.push(value),
                "proto" => scheme = Some(value),
                _ => {}
            }
        }
    }
    (named, scheme)
}

/// An address as proxies write it: alone, with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let alone = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    alone.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip())).map(|address| address.to_canonical())
}

/// What counts as one peer: an IPv4 address, or the /64 network of an IPv6 address, in which one machine may choose freely.
pub fn peer_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(trusted: &[&str], peer: &str, headers: &[(&'static str, &str)]) -> (String, bool) {
        let trusted = trusted.iter().map(|text| text.parse().expect("a network")).collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a header value"));
        }
        let visitor = Proxies::new(trusted).visitor(peer.parse().expect("an address"), false, &map);
        (visitor.address.to_string(), visitor.https)
    }

    #[test]
    fn headers_are_believed_from_trusted_proxies_only() {
        let told = [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", "https"), ("forwarded", "for=192.0.2.9")];
        for peer in ["127.0.0.1", "::1", "198.51.100.1"] {
            assert_eq!(visitor(&[], peer, &told), (peer.to_owned(), false));
        }
        assert_eq!(visitor(&["127.0.0.1"], "127.0.0.1", &told[..2]), ("203.0.113.7".into(), true));
        assert_eq!(
            visitor(&["127.0.0.1"], "127.0.0.1", &told),
            ("203.0.113.7".into(), true),
            "not what a visitor adds"
        );
        assert_eq!(visitor(&["127.0.0.1"], "::ffff:127.0.0.1", &told[..2]), ("203.0.113.7".into(), true));
        assert_eq!(visitor(&["127.0.0.1"], "127.0.0.1", &[]), ("127.0.0.1".into(), false));
    }

    #[test]
    fn the_visitor_is_the_last_address_that_is_no_proxy() {
        let seen = |list: &str| visitor(&["127.0.0.0/8", "10.0.0.0/8"], "127.0.0.1", &[("x-forwarded-for", list)]).0;
        assert_eq!(seen("1.2.3.4, 203.0.113.7"), "203.0.113.7", "what stands before was written by the visitor");
        assert_eq!(seen("203.0.113.7, 10.0.0.3"), "203.0.113.7", "through two proxies");
        assert_eq!(seen("1.2.3.4, 127.0.0.1"), "127.0.0.1", "from the proxy's own machine");
        assert_eq!(seen("10.0.0.9"), "10.0.0.9", "from inside the proxies' network");
        assert_eq!(seen("203.0.113.7:4711"), "203.0.113.7");
        assert_eq!(seen("[2001:db8::7]:4711"), "2001:db8::7");
        assert_eq!(seen("203.0.113.7, unknown"), "127.0.0.1");
        let standard = [("forwarded", "for=\"[2001:db8::7]:4711\";proto=https, for=10.1.1.1;proto=http")];
        assert_eq!(visitor(&["127.0.0.1", "10.0.0.0/8"], "127.0.0.1", &standard), ("2001:db8::7".into(), false));
    }
}
