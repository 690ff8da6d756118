//! GIF: CompuServe's GIF89a specification.

use super::{Flaw, Outside, little, size};

pub fn outside(bytes: &[u8]) -> Result<Outside, Flaw> {
    let number = |at| little(bytes, at, 2).ok_or(Flaw::CutOff);
    let byte = |at: usize| bytes.get(at).copied().ok_or(Flaw::CutOff);
    let (width, height) = (number(6)?, number(8)?);
    let size = size(Some(width), Some(height))?;
    let mut at = 13 + table(byte(10)?);
    loop {
        match byte(at)? {
            // An extension: a label, then blocks that say their own length, the last of which has none.
            0x21 => {
                at += 2;
                while byte(at)? > 0 {
                    at += 1 + usize::from(byte(at)?);
                }
                at += 1;
            }
            // The first picture, which must lie within the screen.
            0x2c => {
                let inside = number(at + 1)? + number(at + 5)? <= width && number(at + 3)? + number(at + 7)? <= height;
                return match inside {
                    true => Ok(Outside { size, orientation: 1, alpha: true, unusual: None, end: bytes.len() }),
                    false => Err(Flaw::Damaged),
                };
            }
            0x3b => return Err(Flaw::Unsupported("A GIF without a picture")),
            _ => return Err(Flaw::Damaged),
        }
    }
}

/// Bytes of the colour table that these flags tell of.
fn table(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}
