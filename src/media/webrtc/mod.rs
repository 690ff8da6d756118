//! A camera that is pushed by WebRTC: one offer in, one answer out, then pictures and a data channel.
//!
//! GStreamer's `webrtcbin` does ICE, DTLS, SRTP and SCTP. It never sees what a stranger wrote: the offer is read and
//! written anew (`offer.rs`) with the one video and the one data channel that are used, and what `webrtcbin` says to that
//! is completed to an answer for the whole offer (`answer.rs`).

mod answer;
mod arrivals;
mod channel;
mod codecs;
mod ice;
mod negotiate;
mod offer;
mod section;
mod session;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, ops::RangeInclusive, time::Duration};

pub use channel::{Channel, OnMessage};
pub use session::WebRtcSource;

use super::network::NetworkRules;
use crate::config::IceServer;

/// What a session may use of the network, and its limits.
#[derive(Clone, Debug)]
pub struct WebRtcOptions {
    pub ice_servers: Vec<IceServer>,
    /// All sessions share these ports; each takes one for each of the machine's addresses.
    pub udp_ports: Option<RangeInclusive<u16>>,
    /// The one address by which browsers reach this server.
    pub public_ip: Option<IpAddr>,
    pub max_pixels: u64,
    /// To which addresses of the sender packets may be sent.
    pub rules: NetworkRules,
    /// Where the offer came from: its own candidates are near it.
    pub peer: Option<IpAddr>,
    /// Without a picture or a message for so long, the sender is taken for gone.
    pub silence: Duration,
}
