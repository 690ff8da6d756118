use super::*;
use crate::config::IceServer;
pub struct WebRtcOptions {
    pub ice_servers: Vec<IceServer>,
    pub udp_ports: Option<std::ops::RangeInclusive<u16>>,
    pub public_ip: Option<std::net::IpAddr>,
    pub max_pixels: u64,
    pub silence: Duration,
}
pub type OnMessage = Box<dyn Fn(&str) + Send + Sync>;
pub struct WebRtcSource;
#[derive(Clone)]
pub struct Channel;
impl Channel {
    pub fn send(&self, _: &str) -> bool {
        true
    }
}
impl WebRtcSource {
    pub fn answer(_: &str, _: &str, _: &WebRtcOptions, _: OnMessage) -> Result<(Self, String)> {
        todo!()
    }
    pub fn channel(&self) -> Channel {
        Channel
    }
}
impl LiveSource for WebRtcSource {
    fn next(&mut self, _: Duration) -> Result<Option<Arrival>> {
        todo!()
    }
    fn codec(&self) -> Option<String> {
        None
    }
}
