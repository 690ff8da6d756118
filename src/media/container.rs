//! What the first bytes and the outermost boxes of a file tell: its type, and whether its end is missing.
//!
//! GStreamer decodes; this only answers what GStreamer does not say: "the index is missing" and "the file is
//! shorter than it says".

use std::{fs::File, os::unix::fs::FileExt, path::Path};

use super::{boxes, ebml, foreign, moov::Track, transport};
use crate::{error::Result, fault};

/// How a container's time stamps become the seconds that a player shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// GStreamer's stream time: edit lists are in it.
    Stream,
    /// The time stamps as they are: matroskademux's stream time starts at 0 even where the first frame does
    /// not.
    Stamps,
    /// From the first frame on: a broadcast's clock starts anywhere.
    Relative,
    /// There are none: frames are counted at a fixed rate.
    Counted,
}

/// A file's outer shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Container {
    /// MIME type by content.
    pub mime: &'static str,
    /// A person's name for the format; None when it is not known.
    pub name: Option<&'static str>,
    /// Does the file have all the bytes that it announces? None where the format does not say.
    pub complete: Option<bool>,
    /// An MP4 without `moov`: nothing says where its pictures are.
    pub lacks_index: bool,
    /// An MP4 with keys or encrypted samples: where no picture comes out of it, that is why.
    pub protected: bool,
    /// The container may state a duration; where false, what GStreamer says of one is a guess from what it read so far.
    pub states_duration: bool,
    /// An MPEG-TS whose clock references are to be left out of account (see `transport`).
    pub sparse_clock: bool,
    /// How its frames' times count.
    pub times: Times,
    /// What an MP4's index says of its video track.
    pub track: Track,
}

impl Container {
    /// Looks at a file.
    ///
    /// # Errors
    /// [`crate::error::Kind::NotMedia`] for an empty file, [`crate::error::Kind::Unprocessable`] for a format that is not
    /// read here, a still picture or an encrypted video, otherwise what reading it gave.
    pub fn look(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        if length == 0 {
            return Err(fault!(NotMedia, "The file is empty: choose a video file and send it again."));
        }
        let mut head = [0; 4096];
        let got = file.read_at(&mut head, 0)?;
        let head = &head[..got];
        if let Some(name) = foreign::name(head) {
            return Err(foreign::refusal(name));
        }
        let plain = Self::plain;
        Ok(match head {
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => {
                boxes::look(&file, head, length, head.get(8..12) == Some(b"qt  "))?
            }
            [_, _, _, _, kind @ ..]
                if [b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"].iter().any(|k| kind.starts_with(*k)) =>
            {
                boxes::look(&file, head, length, true)?
            }
            [0x1a, 0x45, 0xdf, 0xa3, ..] => ebml::look(&file, head, length),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', ..] => riff(&file, length),
            [b'F', b'L', b'V', ..] => plain("video/x-flv", Some("FLV"), Times::Stream),
            [b'O', b'g', b'g', b'S', ..] => plain("video/ogg", Some("Ogg"), Times::Stream),
            [0, 0, 1, 0xba, ..] => plain("video/mpeg", Some("MPEG-PS"), Times::Relative),
            _ => match (transport::layout(head), raw(head)) {
                (Some(layout), _) => Self {
                    sparse_clock: transport::has_sparse_clock(&file, length, layout),
                    ..plain("video/mp2t", Some("MPEG-TS"), Times::Relative)
                },
                (_, Some((mime, name))) => plain(mime, Some(name), Times::Counted),
                _ => plain("application/octet-stream", None, Times::Stream),
            },
        })
    }

    /// A format of which nothing more is known.
    fn plain(mime: &'static str, name: Option<&'static str>, times: Times) -> Self {
        Self {
            mime,
            name,
            complete: None,
            lacks_index: false,
            protected: false,
            states_duration: true,
            sparse_clock: false,
            track: Track::default(),
            times,
        }
    }
}

/// A raw stream by its first NAL unit (ITU-T H.264 and H.265, annex B): a delimiter, parameters or SEI.
fn raw(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let unit = head.strip_prefix(&[0, 0, 0, 1]).or(head.strip_prefix(&[0, 0, 1]))?;
    match *unit {
        // Table 7-1 of H.264; the first bit is 0.
        [first, ..] if first < 0x80 && matches!(first & 0x1f, 6 | 7 | 9) => Some(("video/h264", "H.264")),
        // Table 7-1 of H.265; the layer is 0 and the temporal id 1.
        [first, 1, ..] if matches!(first >> 1, 32..=35 | 39) => Some(("video/h265", "H.265")),
        _ => None,
    }
}

/// Walks the RIFF chunks of an AVI: one up to 1 GB, one more for each further (OpenDML).
fn riff(file: &File, length: u64) -> Container {
    let (mut at, mut complete) = (0_u64, None);
    while at + 8 <= length {
        let mut head = [0; 8];
        if file.read_exact_at(&mut head, at).is_err() || &head[..4] != b"RIFF" {
            break;
        }
        let size = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        // A recorder that lost power left 0 or all ones.
        if size == 0 || size == 0xffff_ffff {
            complete = Some(false);
            break;
        }
        at += 8 + size + size % 2;
        // Many writers are off by the padding byte.
        complete = Some(at <= length + 1);
    }
    Container { complete, ..Container::plain("video/x-msvideo", Some("AVI"), Times::Stream) }
}
