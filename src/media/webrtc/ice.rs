//! How the session's ICE agent finds ways through the network, and which of them are told.

use std::{
    net::{IpAddr, UdpSocket},
    sync::{Mutex, PoisonError},
};

use gstreamer::{self as gst, prelude::*};

use super::WebRtcOptions;
use crate::{
    config::IceServer,
    error::{Error, Result},
};

/// Sets servers, ports and addresses before the first description.
pub fn configure(webrtc: &gst::Element, options: &WebRtcOptions) -> Result<()> {
    let agent = webrtc.property::<gst::Object>("ice-agent");
    // Candidates over TCP would be refused by many networks too, and cost a listening port each.
    agent.set_property("ice-tcp", false);
    // Asking routers for a port by UPnP would hold each answer up for 200 ms, and open doors nobody asked for.
    agent.property::<gst::glib::Object>("agent").set_property("upnp", false);
    if let Some(ports) = &options.udp_ports {
        agent.set_property("min-rtp-port", u32::from(*ports.start()));
        agent.set_property("max-rtp-port", u32::from(*ports.end()));
    }
    if let Some(ip) = options.public_ip {
        // On a machine that has the address itself nothing else is opened; behind a NAT all its own addresses are.
        if is_own(ip) {
            agent.emit_by_name::<bool>("add-local-ip-address", &[&ip.to_string()]);
        }
        return Ok(());
    }
    for server in &options.ice_servers {
        let (scheme, place) = server.urls.split_once(':').unwrap_or(("", ""));
        match (scheme, credentials(server)) {
            ("stun", _) => webrtc.set_property("stun-server", format!("stun://{}", with_port(place, scheme))),
            ("turn" | "turns", Some(who)) => {
                let url = format!("{scheme}://{who}@{}", with_port(place, scheme));
                if !webrtc.emit_by_name::<bool>("add-turn-server", &[&url]) {
                    return Err(Error::internal("The server's TURN server has an address that is none.", place));
                }
            }
            _ => tracing::warn!(server = %server.urls, "an ICE server of a kind that is not used here"),
        }
    }
    Ok(())
}

/// User and password as a URL holds them.
fn credentials(server: &IceServer) -> Option<String> {
    let escaped = |text: &str| -> String {
        let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        text.bytes()
            .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    Some(format!("{}:{}", escaped(server.username.as_deref()?), escaped(server.credential.as_deref()?)))
}

/// `host`, `host:port` and `[v6]:port`, each with `?transport=` behind it, with the port of RFC 7064 and 7065.
fn with_port(place: &str, scheme: &str) -> String {
    let (host, query) = place.split_once('?').map_or((place, None), |(host, query)| (host, Some(query)));
    let bare = host.rsplit_once(':').is_none_or(|(_, port)| port.ends_with(']'));
    let port = match (bare, scheme) {
        (false, _) => "",
        (true, "turns") => ":5349",
        (true, _) => ":3478",
    };
    query.map_or_else(|| format!("{host}{port}"), |query| format!("{host}{port}?{query}"))
}

/// Does this machine have the address?
fn is_own(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

/// The candidates that the agent found so far.
#[derive(Default)]
pub struct Candidates(Mutex<Vec<String>>);

impl Candidates {
    /// One of `webrtcbin`'s `on-ice-candidate`; an empty one says that these were all.
    pub fn add(&self, candidate: &str) {
        if !candidate.is_empty() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(candidate.to_owned());
        }
    }

    /// For the answer: with a public address, that one in place of the machine's own.
    pub fn told(&self, public_ip: Option<IpAddr>) -> Vec<String> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match public_ip {
            None => found.clone(),
            Some(ip) => found.iter().filter_map(|candidate| replaced(candidate, ip)).collect(),
        }
    }
}

/// A host candidate over UDP with another address; only one of the same family can be meant.
fn replaced(candidate: &str, ip: IpAddr) -> Option<String> {
    let mut words: Vec<&str> = candidate.split_whitespace().collect();
    let [_, _, transport, _, address, _, _, kind] = *words.first_chunk()?;
    let own: IpAddr = address.parse().ok()?;
    let fits = transport.eq_ignore_ascii_case("udp") && kind == "host" && own.is_ipv4() == ip.is_ipv4();
    let told = ip.to_string();
    words[4] = &told;
    fits.then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_written_as_webrtcbin_reads_them() {
        for (place, wanted) in [
            ("a.example", "a.example:3478"),
            ("a.example:19302", "a.example:19302"),
            ("a.example?transport=tcp", "a.example:3478?transport=tcp"),
            ("[2001:db8::1]", "[2001:db8::1]:3478"),
            ("[2001:db8::1]:5349?transport=tcp", "[2001:db8::1]:5349?transport=tcp"),
        ] {
            assert_eq!(with_port(place, "turn"), wanted);
        }
        assert_eq!(with_port("a.example", "turns"), "a.example:5349");
        let server: IceServer = "turn:ann:p@ss:w/rd@turn.example".parse().expect("a server");
        assert_eq!(credentials(&server).as_deref(), Some("ann:p%40ss%3Aw%2Frd"));
    }

    #[test]
    fn a_public_address_replaces_the_machines_own_of_its_family() {
        let ip = "203.0.113.7".parse().expect("an address");
        let told = replaced("candidate:1 1 UDP 2015363327 10.0.0.2 43735 typ host", ip);
        assert_eq!(told.as_deref(), Some("candidate:1 1 UDP 2015363327 203.0.113.7 43735 typ host"));
        assert_eq!(replaced("candidate:2 1 UDP 2015363583 fd00::2 50239 typ host", ip), None);
        assert_eq!(replaced("candidate:3 1 UDP 1 10.0.0.2 9 typ srflx raddr 10.0.0.2 rport 9", ip), None);
        assert_eq!(replaced("candidate", ip), None);
    }
}
