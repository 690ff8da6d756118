//! Reads an offer (SDP, RFC 8866; JSEP, RFC 9429) from a stranger and writes a clean one for `webrtcbin`.
//!
//! Nothing of the offer's text goes on as it is: only numbers, addresses and words that were checked one by one.

use std::net::IpAddr;

use super::section::{Attributes, Format, Section};
use crate::{
    error::{Error, Kind, Result},
    fault,
};

/// Browsers' offers have some 10 KB.
const MOST_BYTES: usize = 256 << 10;
const MOST_SECTIONS: usize = 32;

/// An offer that has a video that can be taken.
#[derive(Debug)]
pub struct Offer {
    pub sections: Vec<Section>,
    /// Which section is the video.
    pub video: usize,
    /// Which section is the data channels'.
    pub channel: Option<usize>,
    /// The video's formats that are taken, in the sender's order.
    pub formats: Vec<Format>,
    /// The section whose transport carries the video: the first that is taken of the sections that share a port
    /// (RFC 9143), or the video itself.
    pub carrier: usize,
    /// The video shares its port with other sections.
    pub bundled: bool,
    clean: String,
}

impl Offer {
    /// `may_reach`: to which of the sender's candidates packets may be sent; the others are left out.
    ///
    /// # Errors
    /// [`Kind::NotMedia`] when it is no SDP; [`Kind::TooLarge`]; [`Kind::Unprocessable`] when it offers no video that is
    /// sent to this server in H.264, VP8 or VP9.
    pub fn read(text: &str, may_reach: impl Fn(IpAddr) -> bool) -> Result<Self> {
        if text.len() > MOST_BYTES {
            return Err(fault!(TooLarge, "The offer is longer than {} KB: offer one video.", MOST_BYTES >> 10));
        }
        let no_sdp = || Error::new(Kind::NotMedia, "The body is not an SDP offer: send one as application/sdp.");
        let mut session = Attributes::default();
        let mut sections: Vec<Section> = Vec::new();
        let mut lines = text.lines().filter(|line| !line.is_empty());
        if lines.next() != Some("v=0") {
            return Err(no_sdp());
        }
        for line in lines {
            let (kind, value) = line.split_once('=').ok_or_else(no_sdp)?;
            if kind.len() != 1 || value.bytes().any(|byte| byte.is_ascii_control()) {
                return Err(no_sdp());
            }
            match kind {
                "m" if sections.len() == MOST_SECTIONS => {
                    return Err(fault!(Unprocessable, "The offer has too many parts: offer one video."));
                }
                "m" => sections.push(Section::read(value).ok_or_else(no_sdp)?),
                "a" => sections.last_mut().map_or(&mut session, |section| &mut section.attributes).add(value),
                _ => {}
            }
        }
        if sections.is_empty() {
            return Err(no_sdp());
        }
        Self::choose(&session, sections, may_reach)
    }

    fn choose(session: &Attributes, mut sections: Vec<Section>, may_reach: impl Fn(IpAddr) -> bool) -> Result<Self> {
        let sent = |section: &Section| section.media == "video" && section.sends(session);
        let video = sections.iter().position(sent).ok_or_else(|| {
            fault!(Unprocessable, "The offer has no video that is sent to this server: offer one as sendonly.")
        })?;
        let formats = sections[video].formats();
        if formats.is_empty() {
            return Err(fault!(
                Unprocessable,
                "The offer's video has no format that this server takes: offer H.264 (8 bits, 4:2:0), VP8 or VP9."
            ));
        }
        let groups = session.all("group").filter_map(|group| group.strip_prefix("BUNDLE "));
        let mut groups = groups.map(|group| group.split_whitespace().collect::<Vec<_>>());
        let mid = sections[video].mid().map(str::to_owned);
        let group = groups.find(|group| mid.as_deref().is_some_and(|mid| group.contains(&mid)));
        for section in &mut sections {
            section.bundled = group.as_ref().zip(section.mid()).is_some_and(|(group, mid)| group.contains(&mid));
        }
        let channel = sections.iter().position(|section| section.bundled && section.is_channel());
        let group: Option<Vec<String>> = group.map(|group| group.into_iter().map(str::to_owned).collect());
        let mut offer =
            Self { sections, video, channel, formats, carrier: video, bundled: group.is_some(), clean: String::new() };
        let mut taken = group.iter().flatten().filter_map(|mid| {
            offer.sections.iter().position(|section| section.mid() == Some(mid)).filter(|at| offer.accepts(*at))
        });
        offer.carrier = taken.next().unwrap_or(video);
        offer.clean = offer.write(session, may_reach).ok_or_else(|| {
            fault!(Unprocessable, "The offer is none of WebRTC: its video lacks ice-ufrag, fingerprint or rtcp-mux.")
        })?;
        Ok(offer)
    }

    /// What `webrtcbin` gets: the video, and the data channels if there are some.
    pub fn clean(&self) -> &str {
        &self.clean
    }

    /// Sound and further videos that share the video's port are accepted as inactive and not refused: in a group whose
    /// first section names the port for all, that one must not be refused (RFC 9143, 7.3.1).
    pub fn accepts(&self, at: usize) -> bool {
        let section = &self.sections[at];
        let inactive = section.bundled && section.is_there() && section.is_media() && section.first_rtpmap().is_some();
        at == self.video || Some(at) == self.channel || inactive
    }

    /// The first lines of a description for or from `webrtcbin`.
    pub fn preamble(&self) -> Vec<String> {
        let group = if self.channel.is_some() { "a=group:BUNDLE video channel" } else { "a=group:BUNDLE video" };
        ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", group].map(str::to_owned).into()
    }

    /// The video's `m=` line.
    pub fn media_line(&self) -> String {
        let payloads = self.formats.iter().flat_map(|format| [Some(format.payload), format.rtx]).flatten();
        let payloads: Vec<_> = payloads.map(|payload| payload.to_string()).collect();
        format!("m=video 9 UDP/TLS/RTP/SAVPF {}", payloads.join(" "))
    }

    /// The video's formats, header extensions and feedback, the same in the offer and in the answer.
    pub fn format_lines(&self) -> Vec<String> {
        let video = &self.sections[self.video];
        let (mut lines, transport_cc) = video.extensions();
        lines.extend(self.formats.iter().flat_map(|format| format.lines(video, transport_cc)));
        lines
    }

    fn write(&self, session: &Attributes, may_reach: impl Fn(IpAddr) -> bool) -> Option<String> {
        let video = &self.sections[self.video];
        let carrier = &self.sections[self.carrier];
        let transport = carrier.transport(session)?;
        video.attributes.first("rtcp-mux")?;
        let mut lines = self.preamble();
        lines.push(self.media_line());
        lines
            .extend(["c=IN IP4 0.0.0.0", "a=mid:video", "a=rtcp-mux", "a=rtcp-rsize", "a=sendonly"].map(str::to_owned));
        lines.extend(transport.clone());
        lines.extend(carrier.candidates(may_reach));
        lines.extend(self.format_lines());
        lines.extend(video.sources());
        if let Some(channel) = self.channel {
            let number = |key: &str| self.sections[channel].attributes.first(key)?.parse::<u64>().ok();
            let port = number("sctp-port").filter(|port| (1..=65535).contains(port)).unwrap_or(5000);
            // 64 KB unless said otherwise (RFC 8841, 6.1); 0 stands for any size.
            let most = number("max-message-size").filter(|most| *most > 0).unwrap_or(65536).min(262_144);
            lines.push("m=application 9 UDP/DTLS/SCTP webrtc-datachannel".into());
            lines.extend(["c=IN IP4 0.0.0.0", "a=mid:channel"].map(str::to_owned));
            lines.extend(transport);
            lines.push(format!("a=sctp-port:{port}"));
            lines.push(format!("a=max-message-size:{most}"));
        }
        lines.push(String::new());
        Some(lines.join("\r\n"))
    }
}
