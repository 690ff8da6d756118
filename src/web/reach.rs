//! Under which names and addresses this machine is reached, and what a person is told at the start.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Web;

/// `localhost` and the machine's name, also as other machines of the network find it (RFC 6762).
pub fn own_names() -> Vec<String> {
    let mut names = vec!["localhost".to_owned()];
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_ascii_lowercase();
    let letters = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    if !host.is_empty() && host.chars().all(letters) {
        if !host.contains('.') {
            names.push(format!("{host}.local"));
        }
        names.push(host);
    }
    names
}

/// The addresses of this machine, without those that hold on one cable only (link-local).
pub fn own_addresses() -> Vec<IpAddr> {
    let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    for interface in if_addrs::get_if_addrs().unwrap_or_default() {
        let address = interface.ip();
        let far = match address {
            IpAddr::V4(address) => !address.is_link_local(),
            IpAddr::V6(address) => !address.is_unicast_link_local(),
        };
        if far && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// What the program prints when it is ready: where to open it and, where this server made token or certificate, these.
pub fn welcome(web: &Web, listen: SocketAddr) -> String {
    let scheme = if web.tls.is_some() { "https" } else { "http" };
    let url = |address: IpAddr| format!("{scheme}://{}/", SocketAddr::new(address, listen.port()));
    let everywhere = listen.ip().is_unspecified();
    let near = match listen.ip() {
        IpAddr::V4(_) if everywhere => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) if everywhere => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    let mut lines = vec![format!("Sightglass is ready: open {}", url(near))];
    let far = own_addresses().into_iter().filter(|address| everywhere && address.is_ipv4() && !address.is_loopback());
    let far: Vec<String> = far.map(url).collect();
    lines.extend(far.iter().map(|url| format!("  from other devices: {url}")));
    if let Some(token) = web.access.made_token() {
        let url = far.first().cloned().unwrap_or_else(|| url(near));
        lines.push(format!("  signs in at one click: {url}signin#token={token}"));
    }
    if everywhere && web.tls.is_none() {
        lines.push("  browsers give cameras to HTTPS only: --tls-self-signed, or a proxy (docs/guide/phone.md)".into());
    }
    if let Some(tls) = web.tls.as_ref().filter(|tls| tls.is_self_signed()) {
        lines.push(format!("  its own certificate, SHA-256: {}", tls.fingerprint()));
    }
    lines.join("\n")
}
