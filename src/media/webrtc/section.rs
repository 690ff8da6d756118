//! One section of an offer, read into words and numbers.

use std::net::IpAddr;

use super::codecs::Codec;

/// The server sends a few packets to each candidate.
const MOST_CANDIDATES: usize = 24;
const MOST_FORMATS: usize = 24;
const MOST_SOURCES: usize = 6;
/// The header extensions that are taken: one tells apart what comes over one port, the other lets the sender measure its
/// bandwidth. Without 3GPP's video orientation senders turn their pictures upright themselves.
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// The `a=` lines of a section or of the session.
#[derive(Debug, Default)]
pub struct Attributes(Vec<(String, String)>);

impl Attributes {
    /// Takes what stands behind `a=`.
    pub fn add(&mut self, text: &str) {
        let (key, value) = text.split_once(':').unwrap_or((text, ""));
        self.0.push((key.trim().to_owned(), value.trim().to_owned()));
    }

    pub fn first(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    pub fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The values of `a=KEY:PAYLOAD …`.
    fn of_payload(&self, key: &str, payload: &str) -> impl Iterator<Item = &str> {
        let pairs = self.all(key).filter_map(|value| value.split_once(' '));
        pairs.filter(move |(of, _)| *of == payload).map(|(_, value)| value.trim())
    }

    fn direction(&self) -> Option<&str> {
        let directions = ["sendrecv", "sendonly", "recvonly", "inactive"];
        self.0.iter().map(|(key, _)| key.as_str()).find(|key| directions.contains(key))
    }
}

/// One `m=` section.
#[derive(Debug)]
pub struct Section {
    pub media: String,
    pub protocol: String,
    /// The first of its formats.
    pub format: String,
    /// It goes over the video's port.
    pub bundled: bool,
    pub attributes: Attributes,
    formats: Vec<String>,
    port: u16,
}

/// One payload type of the video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    pub payload: u8,
    pub codec: Codec,
    pub parameters: String,
    /// The payload type of what is sent again (RFC 4588).
    pub rtx: Option<u8>,
}

impl Section {
    /// From the value of an `m=` line.
    pub fn read(value: &str) -> Option<Self> {
        let mut words = value.split_whitespace().map(str::to_owned);
        let (media, port, protocol) = (words.next()?, words.next()?, words.next()?);
        let formats: Vec<String> = words.collect();
        let format = formats.first()?.clone();
        let port = port.split('/').next()?.parse().ok()?;
        let sound = [&media, &protocol, &format].iter().all(|word| is_word(word, 64));
        sound.then(|| Self {
            media,
            protocol,
            format,
            bundled: false,
            attributes: Attributes::default(),
            formats,
            port,
        })
    }

    pub fn mid(&self) -> Option<&str> {
        self.attributes.first("mid").filter(|mid| is_word(mid, 64))
    }

    /// Port 0 is "rejected", unless the section only lives in its group (RFC 9143).
    pub fn is_there(&self) -> bool {
        self.port != 0 || self.attributes.first("bundle-only").is_some()
    }

    /// Does the other side send media here?
    pub fn sends(&self, session: &Attributes) -> bool {
        let direction = self.attributes.direction().or_else(|| session.direction());
        self.is_there() && self.is_media() && !matches!(direction, Some("recvonly" | "inactive"))
    }

    /// RTP under SRTP with feedback.
    pub fn is_media(&self) -> bool {
        self.protocol.ends_with("/SAVPF")
    }

    /// Data channels (RFC 8841).
    pub fn is_channel(&self) -> bool {
        self.is_there()
            && self.media == "application"
            && self.protocol.ends_with("/DTLS/SCTP")
            && self.format == "webrtc-datachannel"
    }

    /// What an inactive section repeats of its first format.
    pub fn first_rtpmap(&self) -> Option<String> {
        let map = self.attributes.of_payload("rtpmap", &self.format).next();
        map.filter(|map| is_word(map, 64)).map(|map| format!("a=rtpmap:{} {map}", self.format))
    }

    /// The formats that are taken, in the sender's order.
    pub fn formats(&self) -> Vec<Format> {
        let mut found: Vec<Format> = Vec::new();
        let listed = self.formats.iter().take(4 * MOST_FORMATS);
        let listed: Vec<(&String, u8)> = listed.filter_map(|word| Some((word, payload(word)?))).collect();
        for (word, payload) in &listed {
            let map = self.attributes.of_payload("rtpmap", word).next().and_then(|map| map.split_once('/'));
            let codec = map.filter(|(_, rate)| *rate == "90000").and_then(|(name, _)| Codec::named(name));
            let fmtp = self.attributes.of_payload("fmtp", word).next().unwrap_or("");
            if let Some(codec) = codec
                && let Some(parameters) = codec.parameters(fmtp)
                && found.len() < MOST_FORMATS
                && found.iter().all(|format| format.payload != *payload)
            {
                found.push(Format { payload: *payload, codec, parameters, rtx: None });
            }
        }
        for (word, own) in &listed {
            let map = self.attributes.of_payload("rtpmap", word).next().unwrap_or("");
            let fmtp = self.attributes.of_payload("fmtp", word).next().and_then(|fmtp| fmtp.strip_prefix("apt="));
            let of = fmtp.and_then(payload);
            let taken = found.iter().any(|format| format.payload == *own || format.rtx == Some(*own));
            let again = map.eq_ignore_ascii_case("rtx/90000") && !taken;
            if let Some(format) = found.iter_mut().find(|format| again && Some(format.payload) == of) {
                format.rtx.get_or_insert(*own);
            }
        }
        found
    }

    /// The header extensions that are taken, and whether transport-wide congestion control is among them.
    pub fn extensions(&self) -> (Vec<String>, bool) {
        let mut found: Vec<(u8, &str)> = Vec::new();
        for value in self.attributes.all("extmap") {
            let mut words = value.split_whitespace();
            let id = words.next().and_then(|id| id.split('/').next()).and_then(|id| id.parse().ok());
            let uri = words.next().and_then(|uri| [MID, TRANSPORT_CC].into_iter().find(|known| *known == uri));
            // Of one-byte headers (RFC 8285).
            if let (Some(id @ 1..=14), Some(uri)) = (id, uri)
                && found.iter().all(|(other_id, other)| *other_id != id && *other != uri)
            {
                found.push((id, uri));
            }
        }
        let lines = found.iter().map(|(id, uri)| format!("a=extmap:{id} {uri}")).collect();
        (lines, found.iter().any(|(_, uri)| *uri == TRANSPORT_CC))
    }

    /// Which synchronisation sources the sender will use, where it says so (RFC 5576).
    pub fn sources(&self) -> Vec<String> {
        let numbers =
            |value: &str| -> Vec<u32> { value.split_whitespace().filter_map(|word| word.parse().ok()).collect() };
        let pair = self.attributes.all("ssrc-group").filter_map(|group| group.strip_prefix("FID ")).map(numbers).next();
        let mut sources: Vec<u32> = Vec::new();
        for source in self.attributes.all("ssrc").filter_map(|value| value.split(' ').next()?.parse().ok()) {
            if sources.len() < MOST_SOURCES && !sources.contains(&source) {
                sources.push(source);
            }
        }
        let group = pair.filter(|pair| pair.len() == 2).map(|pair| format!("a=ssrc-group:FID {} {}", pair[0], pair[1]));
        group.into_iter().chain(sources.iter().map(|source| format!("a=ssrc:{source} cname:sender"))).collect()
    }

    /// The sender's candidates, each written anew. Names (`….local`, mDNS) are left out: nobody could look them up here,
    /// and ICE learns the sender's address from its first packet. So it does for those that must not be reached.
    pub fn candidates(&self, may_reach: impl Fn(IpAddr) -> bool) -> Vec<String> {
        let all = self.attributes.all("candidate").filter_map(candidate);
        all.filter(|(address, _)| may_reach(*address)).map(|(_, line)| line).take(MOST_CANDIDATES).collect()
    }

    /// What the section says about its transport, or the session for all of them.
    pub fn transport(&self, session: &Attributes) -> Option<Vec<String>> {
        let find = |key: &str| self.attributes.first(key).or_else(|| session.first(key));
        // Some senders use more signs than the letters, digits, + and / of RFC 8839.
        let sound = |text: &&str| text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic());
        let name = find("ice-ufrag").filter(sound).filter(|name| name.len() >= 4)?;
        let password = find("ice-pwd").filter(sound).filter(|password| password.len() >= 22)?;
        let (hash, print) = find("fingerprint")?.split_once(' ')?;
        let hex = print.len() <= 256 && print.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
        let setup = find("setup").filter(|setup| ["active", "passive"].contains(setup)).unwrap_or("actpass");
        (hex && is_word(hash, 16)).then(|| {
            vec![
                format!("a=ice-ufrag:{name}"),
                format!("a=ice-pwd:{password}"),
                format!("a=fingerprint:{hash} {print}"),
                format!("a=setup:{setup}"),
            ]
        })
    }
}

impl Format {
    /// What is said of it in a section.
    pub fn lines(&self, section: &Section, transport_cc: bool) -> Vec<String> {
        let payload = self.payload;
        let word = payload.to_string();
        let mut lines = vec![format!("a=rtpmap:{payload} {}/90000", self.codec.rtp_name())];
        if !self.parameters.is_empty() {
            lines.push(format!("a=fmtp:{payload} {}", self.parameters));
        }
        for feedback in ["nack", "nack pli", "ccm fir", "transport-cc"] {
            let offered = ["*", &word]
                .iter()
                .any(|of| section.attributes.of_payload("rtcp-fb", of).any(|offered| offered == feedback));
            if offered && (feedback != "transport-cc" || transport_cc) {
                lines.push(format!("a=rtcp-fb:{payload} {feedback}"));
            }
        }
        if let Some(rtx) = self.rtx {
            lines.push(format!("a=rtpmap:{rtx} rtx/90000"));
            lines.push(format!("a=fmtp:{rtx} apt={payload}"));
        }
        lines
    }
}

/// A candidate over UDP with an address, of component 1 (RFC 8839, 5.1).
fn candidate(value: &str) -> Option<(IpAddr, String)> {
    let words: Vec<&str> = value.split_whitespace().take(8).collect();
    let [foundation, "1", transport, priority, address, port, "typ", kind] = words[..] else {
        return None;
    };
    let address: IpAddr = address.parse().ok()?;
    let (priority, port): (u32, u16) = (priority.parse().ok()?, port.parse().ok()?);
    let sound = transport.eq_ignore_ascii_case("udp")
        && port != 0
        && !address.is_unspecified()
        && !address.is_multicast()
        && is_word(foundation, 32)
        && ["host", "srflx", "prflx", "relay"].contains(&kind);
    let related = if kind == "host" { "" } else { " raddr 0.0.0.0 rport 9" };
    let line = format!("a=candidate:{foundation} 1 UDP {priority} {address} {port} typ {kind}{related}");
    sound.then_some((address, line))
}

/// A payload type of RTP.
fn payload(word: &str) -> Option<u8> {
    word.parse().ok().filter(|payload| *payload < 128)
}

/// Letters, digits and the signs of a token (RFC 8866, 9), and the `/` of protocols and clock rates.
fn is_word(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-./^_`{|}~".contains(&byte))
}
