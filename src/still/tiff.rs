//! TIFF 6.0 (Adobe, 1992): the first image file directory.

use super::{Flaw, Outside, size};

/// Tags of baseline TIFF.
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const ORIENTATION: u16 = 274;
const SAMPLES: u16 = 277;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;

/// More entries than any writer makes; each has 12 bytes.
const MOST_ENTRIES: usize = 4096;

/// Both byte orders; BigTIFF (43 instead of 42) is no baseline.
pub fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*")
}

/// The first directory.
struct Directory<'a> {
    bytes: &'a [u8],
    little_endian: bool,
    /// Where its entries begin, and how many there are.
    first: usize,
    entries: usize,
}

impl<'a> Directory<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Flaw> {
        let mut directory = Self { bytes, little_endian: bytes.starts_with(b"II"), first: 0, entries: 0 };
        let at = directory.long(4)? as usize;
        directory.entries = directory.short(at)? as usize;
        directory.first = at.saturating_add(2);
        match directory.entries {
            1..=MOST_ENTRIES => Ok(directory),
            _ => Err(Flaw::Damaged),
        }
    }

    fn short(&self, at: usize) -> Result<u32, Flaw> {
        let two = at.checked_add(2).and_then(|end| self.bytes.get(at..end)?.try_into().ok()).ok_or(Flaw::CutOff)?;
        Ok(u32::from(if self.little_endian { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) }))
    }

    fn long(&self, at: usize) -> Result<u32, Flaw> {
        let four = at.checked_add(4).and_then(|end| self.bytes.get(at..end)?.try_into().ok()).ok_or(Flaw::CutOff)?;
        Ok(if self.little_endian { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    }

    /// Where the first value of a tag stands, and whether it is a LONG (4) or a SHORT (3): in the entry itself where the
    /// values fit.
    fn place(&self, tag: u16) -> Result<Option<(usize, bool)>, Flaw> {
        for at in (0..self.entries).map(|n| self.first + 12 * n) {
            if self.short(at)? == u32::from(tag) {
                let (kind, count) = (self.short(at + 2)?, self.long(at + 4)?);
                if !matches!(kind, 3 | 4) {
                    return Err(Flaw::Damaged);
                }
                let inside = u64::from(count) * if kind == 3 { 2 } else { 4 } <= 4;
                let place = if inside { at + 8 } else { self.long(at + 8)? as usize };
                return Ok(Some((place, kind == 4)));
            }
        }
        Ok(None)
    }

    fn value(&self, tag: u16) -> Result<Option<u32>, Flaw> {
        match self.place(tag)? {
            Some((place, true)) => self.long(place).map(Some),
            Some((place, false)) => self.short(place).map(Some),
            None => Ok(None),
        }
    }
}

pub fn outside(bytes: &[u8]) -> Result<Outside, Flaw> {
    let directory = Directory::read(bytes)?;
    let value = |tag| directory.value(tag);
    let size = size(value(WIDTH)?, value(HEIGHT)?)?;
    // What libtiff and OpenCV turn into 8 bits a colour: bilevel, grey, RGB, palette, CMYK and YCbCr.
    let (colours, samples) = (value(PHOTOMETRIC)?.unwrap_or(1), value(SAMPLES)?.unwrap_or(1));
    if !matches!(value(BITS)?.unwrap_or(1), 1 | 2 | 4 | 8 | 16) || !(1..=4).contains(&samples) {
        return Err(Flaw::Unsupported("A TIFF of these samples"));
    }
    if !matches!(colours, 0..=3 | 5 | 6) {
        return Err(Flaw::Unsupported("A TIFF of this colour space"));
    }
    // JPEG as TIFF 6.0 had it, whose tables each writer kept elsewhere.
    if value(COMPRESSION)? == Some(6) {
        return Err(Flaw::Unsupported("A TIFF of this compression"));
    }
    // A tile is decoded as a whole: one that is far larger than the picture takes memory that nobody counted.
    if let (Some(width), Some(height)) = (value(TILE_WIDTH)?, value(TILE_HEIGHT)?)
        && u64::from(width) * u64::from(height) > size.pixels().saturating_mul(4).max(1 << 22)
    {
        return Err(Flaw::Damaged);
    }
    let orientation = value(ORIENTATION)?.and_then(|number| u16::try_from(number).ok()).unwrap_or(1);
    // Behind the entries stands where the next directory is, 0 for none.
    let animated = directory.long(directory.first + 12 * directory.entries).is_ok_and(|next| next != 0);
    let alpha = colours == 2 && samples == 4;
    Ok(Outside { size, orientation, alpha, animated, unusual: None, end: bytes.len() })
}

/// The same file as if it were stored upright, for a decoder that turns it by itself where we do.
pub fn as_stored(bytes: &[u8]) -> Vec<u8> {
    let mut stored = bytes.to_vec();
    let place = Directory::read(bytes).and_then(|directory| {
        let place = directory.place(ORIENTATION)?;
        Ok(place.map(|(place, long)| (place, long, directory.little_endian)))
    });
    if let Ok(Some((place, long, little_endian))) = place {
        let length = if long { 4 } else { 2 };
        let mut one = vec![0; length];
        one[if little_endian { 0 } else { length - 1 }] = 1;
        if let Some(old) = place.checked_add(length).and_then(|end| stored.get_mut(place..end)) {
            old.copy_from_slice(&one);
        }
    }
    stored
}
