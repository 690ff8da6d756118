//! Which schemes and which addresses the operator lets network cameras have.
//!
//! An address that a visitor writes makes this server open a connection from inside its own network. So only addresses
//! that everyone can reach anyway are taken, and those that the operator names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{error::Result, fault};

/// What the operator allows: `--stream-schemes` and `--stream-networks`.
#[derive(Clone, Debug)]
pub struct NetworkRules {
    schemes: Vec<String>,
    networks: Vec<IpNet>,
    /// Public addresses are refused too, unless a network of `networks` holds them.
    only: bool,
}

/// All schemes that there are; the operator may take some away.
const SCHEMES: &[&str] = &["rtsp", "rtsps", "http", "https", "srt"];

/// What the word `private` stands for: private, loopback and link-local ranges.
const PRIVATE: &[&str] = &[
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// IPv4 ranges that are not of the public internet (IANA's special-purpose registry, RFC 6890), and what to call them.
const SPECIAL: &[(&str, &str)] = &[
    ("0.0.0.0/8", "means this machine itself"),
    ("10.0.0.0/8", "is in a private network"),
    ("100.64.0.0/10", "is in a provider's inner network"),
    ("127.0.0.0/8", "is this machine itself"),
    ("169.254.0.0/16", "is link-local"),
    ("172.16.0.0/12", "is in a private network"),
    ("192.0.0.0/24", "is reserved"),
    ("192.0.2.0/24", "is reserved for documentation"),
    ("192.88.99.0/24", "is reserved"),
    ("192.168.0.0/16", "is in a private network"),
    ("198.18.0.0/15", "is reserved for measurements"),
    ("198.51.100.0/24", "is reserved for documentation"),
    ("203.0.113.0/24", "is reserved for documentation"),
    ("224.0.0.0/4", "is a multicast address"),
    ("240.0.0.0/4", "is reserved"),
];

/// The same inside 2000::/3; what lies outside of that is not public anyway.
const SPECIAL_6: &[(&str, &str)] = &[
    ("2001::/23", "is reserved"),
    ("2001:db8::/32", "is reserved for documentation"),
    ("3fff::/20", "is reserved for documentation"),
];

impl NetworkRules {
    /// `schemes` as in `rtsp`, `https`; `networks` as in `192.168.1.0/24`, `10.0.0.7`, `private`, `only`.
    ///
    /// # Errors
    /// [`BadRequest`](crate::error::Kind::BadRequest) for a scheme that there is not and for what is no network.
    pub fn new(schemes: &[String], networks: &[String]) -> Result<Self> {
        let mut rules = Self { schemes: Vec::new(), networks: Vec::new(), only: false };
        for scheme in
            schemes.iter().map(|scheme| scheme.trim().to_ascii_lowercase()).filter(|scheme| !scheme.is_empty())
        {
            if !SCHEMES.contains(&scheme.as_str()) {
                let all = SCHEMES.join(", ");
                return Err(fault!(BadRequest, "--stream-schemes: {scheme} is none of {all}."));
            }
            rules.schemes.push(scheme);
        }
        for network in networks.iter().map(|network| network.trim()).filter(|network| !network.is_empty()) {
            match network {
                "only" => rules.only = true,
                "private" => rules.networks.extend(PRIVATE.iter().filter_map(|range| range.parse::<IpNet>().ok())),
                other => rules.networks.push(network_of(other).ok_or_else(|| {
                    fault!(
                        BadRequest,
                        "--stream-networks: {other} is no network: write it as 192.168.1.0/24, or `private`, or `only`."
                    )
                })?),
            }
        }
        Ok(rules)
    }

    /// # Errors
    /// [`Forbidden`](crate::error::Kind::Forbidden) when the operator has not allowed the scheme.
    pub(super) fn check_scheme(&self, scheme: &str) -> Result<()> {
        if self.schemes.iter().any(|allowed| allowed == scheme) {
            return Ok(());
        }
        let allowed: Vec<_> = self.schemes.iter().map(|scheme| format!("{scheme}://")).collect();
        Err(match allowed.is_empty() {
            true => {
                fault!(Forbidden, "The operator of this server has not allowed network cameras (--stream-schemes).")
            }
            false => fault!(
                Forbidden,
                "Addresses with {scheme}:// are not allowed here: use one with {}.",
                allowed.join(", ")
            ),
        })
    }

    /// # Errors
    /// [`Forbidden`](crate::error::Kind::Forbidden) for an address that is neither public nor allowed. The words name
    /// no address: what a name of the inner network stands for is nobody's business.
    pub(super) fn check(&self, address: IpAddr) -> Result<()> {
        let Some(why) = carried(address).into_iter().find_map(|address| self.objection(address)) else {
            return Ok(());
        };
        Err(fault!(
            Forbidden,
            "The camera's address {why}, which the operator has not allowed: start the server with \
             --stream-networks and the camera's network to allow it."
        )
        .with_cause(address))
    }

    /// Is the address in a network that the operator named and that is not public?
    pub(super) fn is_inner(&self, address: IpAddr) -> bool {
        carried(address).into_iter().any(|address| special(address).is_some())
    }

    /// May a WebRTC session send packets to this address, which its peer has named? To public ones and to those that the
    /// operator allows, as for cameras; and to the peer's own address and its neighbours: in the same special-purpose
    /// range, or the same IPv6 network of 64 bits. `peer`: where the offer came from.
    pub(in crate::media) fn allows_candidate(&self, address: IpAddr, peer: Option<IpAddr>) -> bool {
        let neighbours = |peer: IpAddr| {
            let [mine, other] = [address, peer].map(|address| carried(address).pop().unwrap_or(address));
            mine == other || same_range(mine, other)
        };
        self.check(address).is_ok() || peer.is_some_and(neighbours)
    }

    fn objection(&self, address: IpAddr) -> Option<&'static str> {
        if self.networks.iter().any(|network| network.contains(&address)) {
            return None;
        }
        special(address).or(self.only.then_some("is not in a network of this server's list"))
    }
}

/// A network in CIDR, or one address.
fn network_of(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Why an address is not of the public internet.
fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => SPECIAL
            .iter()
            .find(|(range, _)| range.parse::<Ipv4Net>().is_ok_and(|range| range.contains(&address)))
            .map(|(_, why)| *why),
        IpAddr::V6(address) if address.is_loopback() => Some("is this machine itself"),
        IpAddr::V6(address) if address.is_unspecified() => Some("means this machine itself"),
        IpAddr::V6(address) if address.is_multicast() => Some("is a multicast address"),
        IpAddr::V6(address) if address.is_unicast_link_local() => Some("is link-local"),
        IpAddr::V6(address) if address.is_unique_local() => Some("is in a private network"),
        IpAddr::V6(address) if address.segments()[0] >> 13 != 1 => Some("is not public"),
        IpAddr::V6(address) => SPECIAL_6
            .iter()
            .find(|(range, _)| range.parse::<Ipv6Net>().is_ok_and(|range| range.contains(&address)))
            .map(|(_, why)| *why),
    }
}

/// Do two addresses that are not public lie in the same range?
fn same_range(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => SPECIAL
            .iter()
            .filter_map(|(range, _)| range.parse::<Ipv4Net>().ok())
            .any(|range| range.contains(&one) && range.contains(&other)),
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            special(one.into()).is_some() && one.segments()[..4] == other.segments()[..4]
        }
        _ => false,
    }
}

/// The addresses that one stands for, which must all be allowed: routers turn some IPv6 addresses into the IPv4 address
/// that they carry (mapped ::ffff:0:0/96, NAT64 64:ff9b::/96, 6to4 2002::/16).
fn carried(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(six) = address else {
        return vec![address];
    };
    let v4 = |high: u16, low: u16| IpAddr::from(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match six.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => vec![v4(high, low)],
        [0x2002, high, low, ..] => vec![address, v4(high, low)],
        // ISATAP, RFC 5214.
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => vec![address, v4(high, low)],
        _ => vec![IpAddr::from(Ipv6Addr::from(six.octets()))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(networks: &[&str]) -> NetworkRules {
        let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
        NetworkRules::new(&["rtsp".into()], &networks).expect("rules")
    }

    fn allows(rules: &NetworkRules, address: &str) -> bool {
        rules.check(address.parse().expect("an address")).is_ok()
    }

    const REFUSED: &[&str] = &[
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.9",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",
        "2002:a00:1::1",
        "2002:7f00:1::",
        "2001::1",
        "2001:db8::1",
        "2606:4700::5efe:10.0.0.1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "100::1",
        "4000::1",
    ];

    #[test]
    fn only_public_addresses_are_allowed_unless_named() {
        for address in REFUSED {
            assert!(!allows(&rules(&[]), address), "{address}");
        }
        for address in ["8.8.8.8", "100.63.255.255", "172.32.0.1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2606:4700::1"]
        {
            assert!(allows(&rules(&[]), address), "{address}");
        }
    }

    #[test]
    fn named_networks_are_allowed_and_nothing_beside_them() {
        let lan = rules(&["192.168.1.0/24", "10.0.0.7", "fd00:1::/64"]);
        for address in ["192.168.1.9", "::ffff:192.168.1.9", "10.0.0.7", "fd00:1::5", "1.1.1.1"] {
            assert!(allows(&lan, address), "{address}");
        }
        for address in ["192.168.2.9", "10.0.0.8", "fd00:2::5", "2002:c0a8:109::1:1:1", "127.0.0.1"] {
            assert_eq!(allows(&lan, address), address.starts_with("2002"), "{address}");
        }
        let private = rules(&["private"]);
        for address in ["10.1.1.1", "172.20.0.1", "192.168.9.9", "127.0.0.1", "::1", "fe80::1", "fd00::1"] {
            assert!(allows(&private, address), "{address}");
        }
        for address in ["100.64.0.1", "224.0.0.1", "0.0.0.0", "::"] {
            assert!(!allows(&private, address), "{address}");
        }
        let only = rules(&["10.0.0.0/8", "only"]);
        assert!(allows(&only, "10.0.0.1") && !allows(&only, "8.8.8.8") && !allows(&only, "192.168.0.1"));
    }

    #[test]
    fn candidates_are_public_or_near_their_peer() {
        let allows = |networks: &[&str], address: &str, peer: Option<&str>| {
            let parse = |text: &str| text.parse::<IpAddr>().expect("an address");
            rules(networks).allows_candidate(parse(address), peer.map(parse))
        };
        for (address, peer) in [
            ("8.8.8.8", None),
            ("2606:4700::1", Some("10.0.0.1")),
            ("192.168.7.9", Some("192.168.1.20")),
            ("192.168.7.9", Some("::ffff:192.168.1.20")),
            ("10.9.8.7", Some("10.0.0.1")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("::1", Some("::1")),
            ("fe80::9", Some("fe80::1")),
            ("fd00:0:0:1::9", Some("fd00:0:0:1::1")),
        ] {
            assert!(allows(&[], address, peer), "{address} of {peer:?}");
        }
        for (address, peer) in [
            ("192.168.7.9", None),
            ("192.168.7.9", Some("8.8.8.8")),
            ("127.0.0.1", Some("8.8.8.8")),
            ("169.254.169.254", Some("10.0.0.1")),
            ("10.0.0.1", Some("192.168.1.20")),
            ("127.0.0.1", Some("192.168.1.20")),
            ("192.168.1.20", Some("127.0.0.1")),
            ("::ffff:127.0.0.1", Some("8.8.8.8")),
            ("64:ff9b::7f00:1", Some("8.8.8.8")),
            ("fd00:0:0:2::9", Some("fd00:0:0:1::1")),
            ("fe80::9", Some("2606:4700::1")),
        ] {
            assert!(!allows(&[], address, peer), "{address} of {peer:?}");
        }
        assert!(allows(&["private"], "192.168.7.9", Some("8.8.8.8")));
        assert!(!allows(&["only"], "8.8.8.8", Some("10.0.0.1")) && allows(&["only"], "10.0.0.2", Some("10.0.0.1")));
    }

    #[test]
    fn wrong_rules_are_told_at_the_start() {
        for network in ["192.168.1.0/33", "lan", "192.168.1", "10.0.0.0-10.0.0.9"] {
            let error = NetworkRules::new(&["rtsp".into()], &[network.into()]).expect_err(network);
            assert!(error.detail.contains(network) && error.detail.contains("--stream-networks"), "{error}");
        }
        assert!(NetworkRules::new(&["file".into()], &[]).expect_err("file").detail.contains("file"));
        assert!(rules(&[]).check_scheme("http").expect_err("http").detail.contains("rtsp://"));
        assert!(rules(&[]).check_scheme("rtsp").is_ok());
    }
}
