//! What the first bytes and the outermost boxes of a file tell: its type, and whether its end is missing.
//!
//! GStreamer decodes; this only answers what GStreamer does not say: "the index is missing" and "the file is
//! shorter than it says".

use std::{fs::File, os::unix::fs::FileExt, path::Path};

use super::moov::{self, Track};
use crate::{error::Result, fault};

/// Outer boxes to walk at most: a fragmented day of video has some 90,000.
const MOST_BOXES: usize = 1_000_000;

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
    /// How its frames' times count.
    pub times: Times,
    /// What an MP4's index says of its video track.
    pub track: Track,
}

impl Container {
    /// Looks at a file.
    ///
    /// # Errors
    /// [`crate::error::Kind::NotMedia`] for an empty file, otherwise what reading it gave.
    pub fn look(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        if length == 0 {
            return Err(fault!(NotMedia, "The file is empty: choose a video file and send it again."));
        }
        let mut head = [0; 4096];
        let got = file.read_at(&mut head, 0)?;
        let head = &head[..got];
        let plain =
            |mime, name, times| Self { mime, name, complete: None, lacks_index: false, track: Track::default(), times };
        Ok(match head {
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => boxes(&file, length, head.get(8..12) == Some(b"qt  ")),
            [_, _, _, _, kind @ ..]
                if [b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"].iter().any(|k| kind.starts_with(*k)) =>
            {
                boxes(&file, length, true)
            }
            [0x1a, 0x45, 0xdf, 0xa3, ..] => ebml(head, length),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', ..] => riff(&file, length),
            [b'F', b'L', b'V', ..] => plain("video/x-flv", Some("FLV"), Times::Stream),
            [b'O', b'g', b'g', b'S', ..] => plain("video/ogg", Some("Ogg"), Times::Stream),
            [0, 0, 1, 0xba, ..] => plain("video/mpeg", Some("MPEG-PS"), Times::Relative),
            [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, ..] => plain("video/x-ms-asf", Some("ASF"), Times::Stream),
            _ if [(0, 188), (4, 192)]
                .iter()
                .any(|(at, step)| (0..3).all(|n| head.get(at + n * step) == Some(&0x47))) =>
            {
                plain("video/mp2t", Some("MPEG-TS"), Times::Relative)
            }
            _ => match raw(head) {
                Some((mime, name)) => plain(mime, Some(name), Times::Counted),
                None => plain("application/octet-stream", None, Times::Stream),
            },
        })
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

/// Walks the outer boxes of an ISO base media file (ISO/IEC 14496-12, 4.2).
fn boxes(file: &File, length: u64, quicktime: bool) -> Container {
    let (mut at, mut index, mut complete) = (0_u64, false, true);
    let mut track = Track::default();
    for _ in 0..MOST_BOXES {
        let mut head = [0; 16];
        let Ok(got) = file.read_at(&mut head, at) else {
            break;
        };
        if got < 8 {
            complete &= got == 0;
            break;
        }
        let kind = &head[4..8];
        index |= kind == b"moov" || kind == b"moof";
        let size = match u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]])) {
            0 => length - at,
            1 => u64::from_be_bytes([head[8], head[9], head[10], head[11], head[12], head[13], head[14], head[15]]),
            size => size,
        };
        // Junk after the last box (some cameras pad with zeros) is not a missing end.
        if size < 8 || !kind.iter().all(|c| (0x20..0x7f).contains(c) || *c == 0xa9) {
            break;
        }
        let start = at;
        at = match at.checked_add(size) {
            Some(next) if next <= length => next,
            _ => {
                complete = false;
                break;
            }
        };
        if kind == b"moov" {
            track = moov::read(file, start + 8, at);
        }
        if at == length {
            break;
        }
    }
    let (mime, name) = if quicktime { ("video/quicktime", "QuickTime") } else { ("video/mp4", "MP4") };
    Container { mime, name: Some(name), complete: Some(complete), lacks_index: !index, track, times: Times::Stream }
}

/// Compares the size that a Matroska segment announces with the file's (RFC 8794: an ID, then a length).
fn ebml(head: &[u8], length: u64) -> Container {
    let webm = head[..head.len().min(64)].windows(4).any(|w| w == b"webm");
    let (mime, name) = if webm { ("video/webm", "WebM") } else { ("video/x-matroska", "Matroska") };
    let announced = vint(&head[4..]).and_then(|(size, used)| {
        let segment = 4 + used + usize::try_from(size?).ok()?;
        let body = head.get(segment..)?.strip_prefix(&[0x18, 0x53, 0x80, 0x67])?;
        let (size, used) = vint(body)?;
        Some((segment + 4 + used) as u64 + size?)
    });
    Container {
        mime,
        name: Some(name),
        complete: announced.map(|end| end <= length),
        lacks_index: false,
        track: Track::default(),
        times: Times::Stamps,
    }
}

/// A variable-length integer and the bytes it takes; the value is None when all bits are ones, "unknown".
fn vint(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let first = *bytes.first()?;
    let used = first.leading_zeros() as usize + 1;
    let mut value = u64::from(first) & (0xff_u64 >> used);
    for byte in bytes.get(1..used)? {
        value = value << 8 | u64::from(*byte);
    }
    Some(((value != (1_u64 << (7 * used)) - 1).then_some(value), used))
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
    Container {
        mime: "video/x-msvideo",
        name: Some("AVI"),
        complete,
        lacks_index: false,
        track: Track::default(),
        times: Times::Stream,
    }
}
