//! What an encoded picture says of itself, read before any decoder sees it: its format, its size, which way is up,
//! and whether its end is there.
//!
//! JPEG: ITU-T T.81, annex B. PNG: ISO/IEC 15948. WebP: RFC 9649. EXIF: CIPA DC-008 (TIFF 6.0).

use bytes::Bytes;

use crate::frame::Size;

/// A picture may be refined so many times before it is taken for an attack: each scan costs a pass over all of its
/// pixels and only some bytes. Encoders write about ten.
const MOST_SCANS: usize = 64;

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StillFormat {
    Jpeg,
    Png,
    Webp,
}

impl StillFormat {
    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
        }
    }
}

/// An encoded picture whose outside is sound.
#[derive(Clone, Debug)]
pub struct Still {
    pub format: StillFormat,
    /// How to turn the picture upright, as videoflip names it.
    pub turn: &'static str,
    /// Without what follows the picture.
    pub bytes: Bytes,
}

impl Still {
    /// Looks at a picture of at most `max_pixels`; what is wrong with it is told in words for who sent it.
    pub fn look(bytes: &Bytes, max_pixels: u64) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err("The message is empty: send a JPEG, PNG or WebP picture.".into());
        }
        let (format, outside) = if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            (StillFormat::Jpeg, jpeg(bytes))
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            (StillFormat::Png, png(bytes))
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            (StillFormat::Webp, webp(bytes))
        } else {
            return Err("This is no picture that can be read: send a JPEG, PNG or WebP picture.".into());
        };
        let name = format.name();
        let Outside { size, orientation, end } = outside.map_err(|flaw| match flaw {
            Flaw::CutOff => format!("The {name} picture is cut off: its end is missing."),
            Flaw::Damaged => format!("The {name} picture is damaged: its header cannot be read."),
            Flaw::Unsupported(what) => format!("{what} cannot be read: send a plain {name} picture."),
        })?;
        if size.pixels() > max_pixels {
            return Err(format!(
                "The picture has {size} pixels, more than the {max_pixels} allowed (--max-pixels): send a smaller one."
            ));
        }
        Ok(Self { format, turn: turn(orientation), bytes: bytes.slice(..end) })
    }
}

/// What the three formats have in common.
struct Outside {
    size: Size,
    /// EXIF's number; 1 is upright.
    orientation: u16,
    /// Where the picture ends, in bytes.
    end: usize,
}

enum Flaw {
    CutOff,
    Damaged,
    Unsupported(&'static str),
}

fn jpeg(bytes: &[u8]) -> Result<Outside, Flaw> {
    let (mut at, mut orientation, mut header) = (2, 1, None);
    loop {
        let marker = *bytes.get(at + 1).ok_or(Flaw::CutOff)?;
        match (bytes[at], marker) {
            (0xff, 0xff) => {
                at += 1;
                continue;
            }
            // Without a length.
            (0xff, 0x01 | 0xd0..=0xd7) => {
                at += 2;
                continue;
            }
            (0xff, 0xc0..=0xfe) => {}
            _ => return Err(Flaw::Damaged),
        }
        let length = usize::from(big16(bytes, at + 2).ok_or(Flaw::CutOff)?);
        let next = at + 2 + length;
        let segment = bytes.get(at + 4..next.max(at + 4)).ok_or(Flaw::CutOff)?;
        match marker {
            0xc3 | 0xc5..=0xc7 | 0xcb | 0xcd..=0xcf => {
                return Err(Flaw::Unsupported("A lossless or hierarchical JPEG"));
            }
            0xc0..=0xc2 | 0xc9 | 0xca => {
                if segment.first() != Some(&8) {
                    return Err(Flaw::Unsupported("A JPEG of more than 8 bits a sample"));
                }
                sampling(segment.get(6..).unwrap_or_default())?;
                let size = size(big16(segment, 3).map(u32::from), big16(segment, 1).map(u32::from))?;
                header = Some((size, *segment.get(5).ok_or(Flaw::Damaged)?, matches!(marker, 0xc2 | 0xca)));
            }
            0xe1 if segment.starts_with(b"Exif\0\0") => orientation = exif(segment).unwrap_or(orientation),
            0xda => {
                let (size, components, progressive) = header.ok_or(Flaw::Damaged)?;
                let first = *segment.first().ok_or(Flaw::Damaged)?;
                let body = &bytes[at..];
                // Within coded samples 0xff is followed by 0, so that this is the end, or that of a later picture.
                let end = body.windows(2).rposition(|two| two == [0xff, 0xd9]).ok_or(Flaw::CutOff)?;
                let several = progressive || first < components;
                if several && body.windows(2).filter(|two| *two == [0xff, 0xda]).count() > MOST_SCANS {
                    return Err(Flaw::Unsupported("A JPEG of so many scans"));
                }
                return Ok(Outside { size, orientation, end: at + end + 2 });
            }
            _ => {}
        }
        at = next.max(at + 4);
    }
}

/// Is it a sampling that GStreamer 1.22's jpegdec gets right? It refuses some, and spoils the chroma of others without a
/// word. `components` are three bytes each, the second holding the horizontal and the vertical factor.
fn sampling(components: &[u8]) -> Result<(), Flaw> {
    let factors: Vec<u8> = components.chunks_exact(3).map(|component| component[1]).collect();
    match factors[..] {
        [0x11 | 0x21] | [0x11 | 0x12 | 0x21 | 0x22, 0x11, 0x11] => Ok(()),
        [_, _, _, _] => Err(Flaw::Unsupported("A CMYK JPEG")),
        _ => Err(Flaw::Unsupported("A JPEG of this chroma subsampling")),
    }
}

fn png(bytes: &[u8]) -> Result<Outside, Flaw> {
    let (mut at, mut orientation, mut header) = (8, 1, None);
    loop {
        let length = big32(bytes, at).ok_or(Flaw::CutOff)? as usize;
        let name = bytes.get(at + 4..at + 8).ok_or(Flaw::CutOff)?;
        let data = bytes.get(at + 8..).and_then(|rest| rest.get(..length)).ok_or(Flaw::CutOff)?;
        at += 12 + length;
        match (name, header) {
            // GStreamer 1.22's pngdec spoils these.
            (b"IHDR", None) if data.get(8) == Some(&16) && matches!(data.get(9), Some(2 | 6)) => {
                return Err(Flaw::Unsupported("A PNG of 16 bits a colour"));
            }
            (b"IHDR", None) => header = Some(size(big32(data, 0), big32(data, 4))?),
            (_, None) => return Err(Flaw::Damaged),
            (b"eXIf", _) => orientation = exif(data).unwrap_or(orientation),
            (b"IEND", Some(size)) if at <= bytes.len() => return Ok(Outside { size, orientation, end: at }),
            _ => {}
        }
    }
}

fn webp(bytes: &[u8]) -> Result<Outside, Flaw> {
    let end = (little(bytes, 4, 4).ok_or(Flaw::CutOff)? as usize).saturating_add(8);
    let bytes = bytes.get(..end).ok_or(Flaw::CutOff)?;
    let (mut at, mut orientation, mut canvas) = (12, 1, None);
    while let Some(length) = little(bytes, at + 4, 4) {
        let name = &bytes[at..at + 4];
        let data = bytes.get(at + 8..).and_then(|rest| rest.get(..length as usize)).ok_or(Flaw::Damaged)?;
        at += 8 + length.next_multiple_of(2) as usize;
        match name {
            b"VP8 " if data.get(3..6) == Some(&[0x9d, 0x01, 0x2a]) => {
                let side = |at| little(data, at, 2).map(|side| side & 0x3fff);
                canvas.get_or_insert(size(side(6), side(8))?);
            }
            b"VP8L" if data.first() == Some(&0x2f) => {
                let sides = little(data, 1, 4).ok_or(Flaw::Damaged)?;
                canvas.get_or_insert(size(Some((sides & 0x3fff) + 1), Some((sides >> 14 & 0x3fff) + 1))?);
            }
            b"VP8X" => {
                if data.first().is_some_and(|flags| flags & 2 != 0) {
                    return Err(Flaw::Unsupported("An animated WebP"));
                }
                let side = |at| little(data, at, 3).map(|side| side + 1);
                canvas.get_or_insert(size(side(4), side(7))?);
            }
            b"EXIF" => orientation = exif(data).unwrap_or(orientation),
            _ => {}
        }
    }
    Ok(Outside { size: canvas.ok_or(Flaw::Damaged)?, orientation, end })
}

fn size(width: Option<u32>, height: Option<u32>) -> Result<Size, Flaw> {
    match (width, height) {
        (Some(width @ 1..=0x7fff_ffff), Some(height @ 1..=0x7fff_ffff)) => Ok(Size::new(width, height)),
        _ => Err(Flaw::Damaged),
    }
}

/// The orientation, tag 0x0112 of the first image file directory.
fn exif(data: &[u8]) -> Option<u16> {
    let tiff = data.strip_prefix(b"Exif\0\0").unwrap_or(data);
    let little_endian = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let two: [u8; 2] = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little_endian { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    };
    let [high, low] = if little_endian { [6, 4] } else { [4, 6] };
    let first = usize::from(short(high)?) << 16 | usize::from(short(low)?);
    let entries = (0..usize::from(short(first)?)).map(|n| first + 2 + 12 * n);
    entries.take_while(|at| *at < tiff.len()).find(|at| short(*at) == Some(0x0112)).and_then(|at| short(at + 8))
}

/// EXIF's orientation as a `video-direction` of videoflip.
const fn turn(orientation: u16) -> &'static str {
    match orientation {
        2 => "horiz",
        3 => "180",
        4 => "vert",
        5 => "ul-lr",
        6 => "90r",
        7 => "ur-ll",
        8 => "90l",
        _ => "identity",
    }
}

fn big16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn big32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The little-endian number of `count` bytes, four at most.
fn little(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    Some(bytes.get(at..at + count)?.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}
