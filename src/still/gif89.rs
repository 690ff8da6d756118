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
            0x21 => at = after_blocks(bytes, at + 2).ok_or(Flaw::CutOff)?,
            // The first picture, which must lie within the screen.
            0x2c => {
                let inside = number(at + 1)? + number(at + 5)? <= width && number(at + 3)? + number(at + 7)? <= height;
                if !inside {
                    return Err(Flaw::Damaged);
                }
                let animated = another(bytes, at) == Some(true);
                return Ok(Outside { size, orientation: 1, alpha: true, animated, unusual: None, end: bytes.len() });
            }
            0x3b => return Err(Flaw::Unsupported("A GIF without a picture")),
            _ => return Err(Flaw::Damaged),
        }
    }
}

/// Where blocks end that say their own length, the last of which has none.
fn after_blocks(bytes: &[u8], mut at: usize) -> Option<usize> {
    while *bytes.get(at)? > 0 {
        at += 1 + usize::from(bytes[at]);
    }
    Some(at + 1)
}

/// Is there a further picture behind the one at `at`? None: the file ends before that shows.
fn another(bytes: &[u8], at: usize) -> Option<bool> {
    // A colour table and the size of the first code stand before the samples.
    let mut at = after_blocks(bytes, at + 10 + table(*bytes.get(at + 9)?) + 1)?;
    while *bytes.get(at)? == 0x21 {
        at = after_blocks(bytes, at + 2)?;
    }
    Some(bytes[at] == 0x2c)
}

/// Bytes of the colour table that these flags tell of.
fn table(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}
