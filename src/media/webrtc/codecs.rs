//! The codecs that are taken, and which formats of an offer they are.

/// A video codec that senders may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    H264,
    Vp8,
    Vp9,
}

impl Codec {
    /// By its encoding name of RTP (RFC 6184, RFC 7741, RFC 9628); upper and lower case are the same.
    pub fn named(name: &str) -> Option<Self> {
        [Self::H264, Self::Vp8, Self::Vp9].into_iter().find(|codec| codec.rtp_name().eq_ignore_ascii_case(name))
    }

    pub fn rtp_name(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
        }
    }

    /// The element of pipelines/webrtc.toml that takes its RTP.
    pub fn entry(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
        }
    }

    /// The format parameters that matter to a receiver, or None when it is a profile that is not taken: only pictures
    /// of 8 bits and 4:2:0 are.
    pub fn parameters(self, offered: &str) -> Option<String> {
        let value = |key: &str| {
            let mut pairs = offered.split(';').filter_map(|pair| pair.trim().split_once('='));
            pairs.find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.trim())
        };
        match self {
            Self::Vp8 => Some(String::new()),
            Self::Vp9 => match value("profile-id") {
                None => Some(String::new()),
                Some("0") => Some("profile-id=0".into()),
                Some(_) => None,
            },
            Self::H264 => {
                let profile = value("profile-level-id").unwrap_or("42e01f");
                let hex = profile.len() == 6 && profile.bytes().all(|byte| byte.is_ascii_hexdigit());
                let mode = value("packetization-mode").unwrap_or("0");
                // Baseline, main, extended, high; without 10 bits, 4:2:2 and 4:4:4.
                let taken = ["42", "4d", "58", "64"].contains(&profile.get(..2)?.to_ascii_lowercase().as_str());
                if !hex || !taken || !["0", "1"].contains(&mode) {
                    return None;
                }
                let asymmetry = if value("level-asymmetry-allowed") == Some("1") { "1" } else { "0" };
                Some(format!(
                    "level-asymmetry-allowed={asymmetry};packetization-mode={mode};profile-level-id={profile}"
                ))
            }
        }
    }
}
