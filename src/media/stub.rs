use super::*;
use crate::config::IceServer;
#[derive(Clone, Debug)]
pub struct NetworkRules;
impl NetworkRules {
    pub fn new(_: &[String], _: &[String]) -> Result<Self> {
        Ok(Self)
    }
}
pub struct StreamAddress;
impl StreamAddress {
    pub fn parse(_: &str, _: &NetworkRules) -> Result<Self> {
        todo!()
    }
    pub fn shown(&self) -> String {
        todo!()
    }
    pub fn secret(&self) -> &str {
        todo!()
    }
}
pub struct NetworkSource;
impl NetworkSource {
    pub fn open(_: &str, _: &StreamAddress, _: &NetworkRules, _: &Limits, _: Duration) -> Result<Self> {
        todo!()
    }
}
impl LiveSource for NetworkSource {
    fn next(&mut self, _: Duration) -> Result<Option<Arrival>> {
        todo!()
    }
    fn codec(&self) -> Option<String> {
        None
    }
}
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
