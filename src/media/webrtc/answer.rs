//! The answer to the whole offer, out of what `webrtcbin` says to the clean one.

use super::{offer::Offer, section::Section};
use crate::error::{Error, Result};

/// Words for an answer of `webrtcbin` that lacks something; never the sender's fault.
fn broken(why: &str) -> Error {
    Error::internal("The server could not answer the offer; its log says more.", why)
}

/// What `webrtcbin` chose for itself.
struct Transport<'a> {
    lines: Vec<&'a str>,
}

impl<'a> Transport<'a> {
    /// From the first section of its answer; the other uses the same.
    fn read(own: &'a str) -> Option<Self> {
        let section = own.split("\r\nm=").nth(1)?;
        let find = |key: &str| section.lines().find(|line| line.starts_with(key));
        let keys = ["a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=setup:"];
        let lines = keys.iter().map(|key| find(key)).collect::<Option<_>>()?;
        Some(Self { lines })
    }
}

/// What `webrtcbin` is to take as its own description: all formats, each with its retransmissions, where it would
/// answer those of the first alone.
///
/// # Errors
/// [`crate::error::Kind::Internal`] when its answer lacks the video or a transport.
pub fn local(offer: &Offer, own: &str) -> Result<String> {
    let transport = Transport::read(own).ok_or_else(|| broken("no transport in the answer"))?;
    let mut lines = offer.preamble();
    video(offer, Some("video"), &transport, &[], &mut lines);
    if offer.channel.is_some() {
        channel(Some("channel"), &transport, &[], &mut lines);
    }
    Ok(finish(lines))
}

/// The answer for the sender: each section of the offer in its place. `candidates` are `webrtcbin`'s, without `a=`.
///
/// # Errors
/// As [`local`].
pub fn full(offer: &Offer, own: &str, candidates: &[String], lite: bool) -> Result<String> {
    let transport = Transport::read(own).ok_or_else(|| broken("no transport in the answer"))?;
    let mut lines: Vec<String> = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"].map(str::to_owned).into();
    if offer.bundled {
        // The first that is named carries all of them.
        let others = (0..offer.sections.len()).filter(|at| *at != offer.carrier && offer.accepts(*at));
        let accepted = std::iter::once(offer.carrier).chain(others);
        let mids: Vec<_> = accepted.filter_map(|at| offer.sections[at].mid()).collect();
        lines.push(format!("a=group:BUNDLE {}", mids.join(" ")));
    }
    if lite {
        lines.push("a=ice-lite".into());
    }
    lines.push("a=ice-options:ice2".into());
    for (at, section) in offer.sections.iter().enumerate() {
        let mid = section.mid();
        if at == offer.video {
            video(offer, mid, &transport, candidates, &mut lines);
        } else if Some(at) == offer.channel {
            channel(mid, &transport, candidates, &mut lines);
        } else if offer.accepts(at) {
            inactive(section, mid, &transport, candidates, &mut lines);
        } else {
            refused(section, &mut lines);
        }
    }
    Ok(finish(lines))
}

fn video(offer: &Offer, mid: Option<&str>, transport: &Transport<'_>, candidates: &[String], lines: &mut Vec<String>) {
    lines.push(offer.media_line());
    head(mid, transport, candidates, lines);
    lines.extend(["a=rtcp-mux", "a=rtcp-rsize", "a=recvonly"].map(str::to_owned));
    lines.extend(offer.format_lines());
}

fn channel(mid: Option<&str>, transport: &Transport<'_>, candidates: &[String], lines: &mut Vec<String>) {
    lines.push("m=application 9 UDP/DTLS/SCTP webrtc-datachannel".into());
    head(mid, transport, candidates, lines);
    lines.extend(["a=sctp-port:5000", "a=max-message-size:65536"].map(str::to_owned));
}

fn inactive(
    section: &Section,
    mid: Option<&str>,
    transport: &Transport<'_>,
    candidates: &[String],
    lines: &mut Vec<String>,
) {
    lines.push(format!("m={} 9 UDP/TLS/RTP/SAVPF {}", section.media, section.format));
    head(mid, transport, candidates, lines);
    lines.extend(["a=rtcp-mux", "a=inactive"].map(str::to_owned));
    lines.extend(section.first_rtpmap());
}

fn refused(section: &Section, lines: &mut Vec<String>) {
    lines.push(format!("m={} 0 {} {}", section.media, section.protocol, section.format));
    lines.push("c=IN IP4 0.0.0.0".into());
    lines.extend(section.mid().map(|mid| format!("a=mid:{mid}")));
}

fn head(mid: Option<&str>, transport: &Transport<'_>, candidates: &[String], lines: &mut Vec<String>) {
    lines.push("c=IN IP4 0.0.0.0".into());
    lines.extend(mid.map(|mid| format!("a=mid:{mid}")));
    lines.extend(transport.lines.iter().map(|line| (*line).to_owned()));
    lines.extend(candidates.iter().map(|candidate| format!("a={candidate}")));
    if !candidates.is_empty() {
        lines.push("a=end-of-candidates".into());
    }
}

fn finish(mut lines: Vec<String>) -> String {
    lines.push(String::new());
    lines.join("\r\n")
}
