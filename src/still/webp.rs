//! WebP: RFC 9649.

use super::{Flaw, Outside, exif, little, size};

pub fn outside(bytes: &[u8]) -> Result<Outside, Flaw> {
    let end = (little(bytes, 4, 4).ok_or(Flaw::CutOff)? as usize).saturating_add(8);
    let bytes = bytes.get(..end).ok_or(Flaw::CutOff)?;
    let (mut at, mut orientation, mut alpha, mut canvas) = (12, 1, false, None);
    let mut animated = false;
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
                alpha |= sides >> 28 & 1 == 1;
                canvas.get_or_insert(size(Some((sides & 0x3fff) + 1), Some((sides >> 14 & 0x3fff) + 1))?);
            }
            b"VP8X" => {
                let flags = *data.first().ok_or(Flaw::Damaged)?;
                animated = flags & 0x02 != 0;
                alpha |= flags & 0x10 != 0;
                let side = |at| little(data, at, 3).map(|side| side + 1);
                canvas.get_or_insert(size(side(4), side(7))?);
            }
            b"EXIF" => orientation = exif::orientation(data).unwrap_or(orientation),
            _ => {}
        }
    }
    let size = canvas.ok_or(Flaw::Damaged)?;
    Ok(Outside { size, orientation, alpha, animated, unusual: animated.then_some("An animated WebP"), end })
}
