//! BMP: Microsoft's BITMAPFILEHEADER and what may follow it (BITMAPCOREHEADER, BITMAPINFOHEADER and its longer kin).

use super::{Flaw, Outside, little, size};

/// Bytes of the headers that there are after the first 14.
const HEADERS: &[u32] = &[12, 40, 52, 56, 64, 108, 124];

/// `BM` alone begins many a text.
pub fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(b"BM") && little(bytes, 14, 4).is_some_and(|length| HEADERS.contains(&length))
}

pub fn outside(bytes: &[u8]) -> Result<Outside, Flaw> {
    let start = little(bytes, 10, 4).ok_or(Flaw::CutOff)? as usize;
    let core = little(bytes, 14, 4) == Some(12);
    let number = |at, count| little(bytes, at, count).ok_or(Flaw::CutOff);
    let (width, height, bits, packing) = match core {
        true => (number(18, 2)?, number(20, 2)?, number(24, 2)?, 0),
        // A negative height says that the rows come from the top down.
        false => (number(18, 4)?, (number(22, 4)? as i32).unsigned_abs(), number(28, 2)?, number(30, 4)?),
    };
    let size = size(Some(width), Some(height))?;
    // Rows are filled up to four bytes; run lengths (1 and 2) have no fixed length.
    let samples = match packing {
        0 | 3 | 6 => (u64::from(width) * u64::from(bits)).div_ceil(32) * 4 * u64::from(height),
        1 | 2 => 0,
        _ => return Err(Flaw::Unsupported("A BMP of this compression")),
    };
    if (start as u64).saturating_add(samples) > bytes.len() as u64 {
        return Err(Flaw::CutOff);
    }
    Ok(Outside { size, orientation: 1, alpha: false, animated: false, unusual: None, end: bytes.len() })
}
