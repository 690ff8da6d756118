//! JPEG: ITU-T T.81, annex B.

use super::{Flaw, Outside, big16, exif, size};

/// A picture may be refined so many times before it is taken for an attack: each scan costs a pass over all of its
/// pixels and only some bytes. Encoders write about ten.
pub(super) const MOST_SCANS: usize = 64;

pub fn outside(bytes: &[u8]) -> Result<Outside, Flaw> {
    let (mut at, mut orientation, mut unusual, mut header) = (2, 1, None, None);
    loop {
        // As libjpeg does: what is no marker is passed over (stray bytes, 0xff as filling, a stuffed 0xff 0x00).
        at += bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0xff)).ok_or(Flaw::CutOff)?;
        let marker = *bytes.get(at + 1).ok_or(Flaw::CutOff)?;
        match marker {
            0xff => {
                at += 1;
                continue;
            }
            // Without a length.
            0x00 | 0x01 | 0xd0..=0xd7 => {
                at += 2;
                continue;
            }
            0xc0..=0xfe => {}
            // Reserved: nothing says how long such a segment is.
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
                unusual = sampling(segment.get(6..).unwrap_or_default());
                let size = size(big16(segment, 3).map(u32::from), big16(segment, 1).map(u32::from))?;
                header = Some((size, *segment.get(5).ok_or(Flaw::Damaged)?, matches!(marker, 0xc2 | 0xca)));
            }
            0xe1 if segment.starts_with(b"Exif\0\0") => orientation = exif::orientation(segment).unwrap_or(orientation),
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
                return Ok(Outside { size, orientation, alpha: false, animated: false, unusual, end: at + end + 2 });
            }
            _ => {}
        }
        at = next.max(at + 4);
    }
}

/// Is it another sampling than those that GStreamer 1.22's jpegdec gets right? It refuses some, and spoils the chroma of
/// others without a word. `components` are three bytes each, the second holding the horizontal and the vertical factor.
fn sampling(components: &[u8]) -> Option<&'static str> {
    let factors: Vec<u8> = components.chunks_exact(3).map(|component| component[1]).collect();
    match factors[..] {
        [0x11 | 0x21] | [0x11 | 0x12 | 0x21 | 0x22, 0x11, 0x11] => None,
        [_, _, _, _] => Some("A CMYK JPEG"),
        _ => Some("A JPEG of this chroma subsampling"),
    }
}
