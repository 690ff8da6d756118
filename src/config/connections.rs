//! Limits on connections, and the reverse proxies whose headers are believed.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;

/// Limits that keep one client from taking the server from all others.
#[derive(Clone, Debug, clap::Args)]
pub struct ConnectionSettings {
    /// Connections at the same time, WebSockets not counted. At the limit the connection that has waited longest for its
    /// client is closed, of the address that holds most.
    #[arg(long, env = "SIGHTGLASS_MAX_CONNECTIONS", value_name = "N", default_value_t = 2048)]
    pub max_connections: usize,
    /// Of these, connections from one address (IPv6: from one /64 network). Trusted proxies are exempt.
    #[arg(long, env = "SIGHTGLASS_MAX_CONNECTIONS_PER_PEER", value_name = "N", default_value_t = 256)]
    pub max_connections_per_peer: usize,
    /// Address or network of a reverse proxy, e.g. 127.0.0.1 or 172.30.0.0/16. Only from there X-Forwarded-For,
    /// X-Forwarded-Proto, X-Forwarded-Host and Forwarded are believed. May be given several times.
    #[arg(long, env = "SIGHTGLASS_TRUSTED_PROXY", value_name = "IP|NETWORK", value_delimiter = ',')]
    pub trusted_proxy: Vec<Network>,
}

/// One IP address or a network of them in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Whether the address lies in the network. An IPv4 address mapped into IPv6 counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = |text: &str| text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        let network = text.parse::<IpNet>().or_else(|_| address(text));
        network.map(Self).map_err(|_| "write an IP address or a network such as 172.30.0.0/16".into())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_contain_their_addresses() {
        let contains = |network: &str, address: &str| {
            network.parse::<Network>().expect(network).contains(address.parse().expect(address))
        };
        assert!(contains("127.0.0.1", "127.0.0.1") && contains("127.0.0.1", "::ffff:127.0.0.1"));
        assert!(!contains("127.0.0.1", "127.0.0.2") && !contains("127.0.0.1", "::1"));
        assert!(contains("172.30.0.0/16", "172.30.80.2") && !contains("172.30.0.0/16", "172.31.0.1"));
        assert!(contains("fd00::/8", "fd12::1") && contains("::ffff:10.0.0.1", "10.0.0.1"));
        for wrong in ["", "proxy", "10.0.0.0/33", "10.0.0.1:80", "*"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
