//! What live sources may do: how many, from where, and by which ways through the network.

use std::{net::IpAddr, ops::RangeInclusive, time::Duration};

use super::parse_duration;

/// Settings of cameras and network streams.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Live streams")]
pub struct LiveSettings {
    /// Live streams (cameras of visitors and network cameras) at the same time.
    #[arg(long, env = "SIGHTGLASS_MAX_STREAMS", value_name = "N", default_value_t = 64)]
    pub max_streams: usize,
    /// STUN or TURN server for WebRTC, e.g. stun:stun.example.org:3478 or
    /// turn:user:password@turn.example.org:3478?transport=tcp (turns: for TLS). May be given several times.
    #[arg(long, env = "SIGHTGLASS_ICE_SERVER", value_name = "URL", value_delimiter = ',')]
    pub ice_server: Vec<IceServer>,
    /// UDP ports that WebRTC may use, e.g. 50000-50100 [default: any].
    #[arg(long, env = "SIGHTGLASS_UDP_PORTS", value_name = "FROM-TO", value_parser = parse_ports)]
    pub udp_ports: Option<RangeInclusive<u16>>,
    /// The one address by which browsers reach this server (behind a 1:1 NAT or in a container): WebRTC then offers it
    /// alone, as an ICE lite server.
    #[arg(long, env = "SIGHTGLASS_PUBLIC_IP", value_name = "IP")]
    pub public_ip: Option<IpAddr>,
    /// Schemes that network cameras may have.
    #[arg(
        long,
        env = "SIGHTGLASS_STREAM_SCHEMES",
        value_name = "SCHEMES",
        value_delimiter = ',',
        default_value = "rtsp,rtsps,http,https,srt"
    )]
    pub stream_schemes: Vec<String>,
    /// Private networks in which network cameras may be, e.g. 192.168.1.0/24; `private` allows all of them. Public
    /// addresses are always allowed, unless this holds `only` [default: none].
    #[arg(long, env = "SIGHTGLASS_STREAM_NETWORKS", value_name = "CIDR", value_delimiter = ',')]
    pub stream_networks: Vec<String>,
    /// A live source that gives nothing for so long is taken for gone.
    #[arg(long, env = "SIGHTGLASS_SILENCE", value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub silence: Duration,
}

/// A STUN or TURN server, as a browser wants it: `urls`, and for TURN who asks.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct IceServer {
    /// Without credentials: `stun:host:port`, `turn:host:port?transport=udp`.
    pub urls: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl std::str::FromStr for IceServer {
    type Err = String;

    /// `stun:HOST[:PORT]`, `turn[s]:USER:PASSWORD@HOST[:PORT][?transport=udp|tcp]` (RFC 7064, RFC 7065, with the
    /// credentials in front of the host as many programs write them).
    fn from_str(text: &str) -> Result<Self, String> {
        let form = "write stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT?transport=udp";
        let (scheme, rest) = text.split_once(':').ok_or(form)?;
        let rest = rest.trim_start_matches("//");
        let (who, place) = match rest.rsplit_once('@') {
            Some((who, place)) => (Some(who), place),
            None => (None, rest),
        };
        let sound = !place.is_empty() && !place.starts_with(':') && place.bytes().all(|byte| byte.is_ascii_graphic());
        let urls = format!("{scheme}:{place}");
        match (scheme, who.map(|who| who.split_once(':'))) {
            ("stun" | "stuns", None) if sound => Ok(Self { urls, username: None, credential: None }),
            ("turn" | "turns", Some(Some((user, password)))) if sound && !user.is_empty() => {
                Ok(Self { urls, username: Some(user.into()), credential: Some(password.into()) })
            }
            ("turn" | "turns", _) => Err(format!("a TURN server needs a user and a password: {form}")),
            _ => Err(form.into()),
        }
    }
}

fn parse_ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let ends = text.split_once('-').and_then(|(from, to)| Some((from.trim().parse().ok()?, to.trim().parse().ok()?)));
    match ends {
        Some((from, to)) if from >= 1024 && from <= to => Ok(from..=to),
        _ => Err("write two port numbers of 1024 or more, such as 50000-50100".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ice_servers_are_read_with_their_credentials_apart() {
        let turn: IceServer = "turn:ann:s3cret:x@turn.example.org:3478?transport=tcp".parse().expect("a server");
        assert_eq!(turn.urls, "turn:turn.example.org:3478?transport=tcp");
        assert_eq!((turn.username.as_deref(), turn.credential.as_deref()), (Some("ann"), Some("s3cret:x")));
        assert_eq!("stun:stun.example.org".parse::<IceServer>().expect("a server").urls, "stun:stun.example.org");
        for wrong in ["stun.example.org", "turn:turn.example.org", "http://x", "stun:", "turn:ann@x"] {
            assert!(wrong.parse::<IceServer>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn port_ranges_are_read() {
        assert_eq!(parse_ports("50000-50100"), Ok(50000..=50100));
        assert!(parse_ports("50100-50000").is_err() && parse_ports("80-90").is_err() && parse_ports("x").is_err());
    }
}
