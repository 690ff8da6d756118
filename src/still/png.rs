//! PNG: ISO/IEC 15948.

use super::{Flaw, Outside, big32, exif, size};

pub fn outside(bytes: &[u8]) -> Result<Outside, Flaw> {
    let (mut at, mut orientation, mut alpha, mut unusual, mut header) = (8, 1, false, None, None);
    let mut animated = false;
    loop {
        let length = big32(bytes, at).ok_or(Flaw::CutOff)? as usize;
        let name = bytes.get(at + 4..at + 8).ok_or(Flaw::CutOff)?;
        let data = bytes.get(at + 8..).and_then(|rest| rest.get(..length)).ok_or(Flaw::CutOff)?;
        at += 12 + length;
        match (name, header) {
            (b"IHDR", None) => {
                let colour = data.get(9);
                alpha = matches!(colour, Some(4 | 6));
                // GStreamer 1.22's pngdec spoils these.
                unusual =
                    (data.get(8) == Some(&16) && matches!(colour, Some(2 | 6))).then_some("A PNG of 16 bits a colour");
                header = Some(size(big32(data, 0), big32(data, 4))?);
            }
            (_, None) => return Err(Flaw::Damaged),
            // More than one frame (PNG, third edition, 11.3.6.1).
            (b"acTL", _) => animated = big32(data, 0).is_some_and(|frames| frames > 1),
            (b"tRNS", _) => alpha = true,
            (b"eXIf", _) => orientation = exif::orientation(data).unwrap_or(orientation),
            (b"IEND", Some(size)) if at <= bytes.len() => {
                return Ok(Outside { size, orientation, alpha, animated, unusual, end: at });
            }
            _ => {}
        }
    }
}
