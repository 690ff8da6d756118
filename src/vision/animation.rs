//! The first picture of an animated WebP (RFC 9649, 2.7.1), which OpenCV 4.6 does not read.

use crate::frame::Size;

/// The first picture of an animation and its place.
pub(super) struct First {
    /// A WebP of its own.
    pub bytes: Vec<u8>,
    pub left: usize,
    pub top: usize,
    pub size: Size,
}

/// None: there is none.
pub(super) fn first(webp: &[u8]) -> Option<First> {
    let number = |bytes: &[u8], at: usize, count: usize| {
        Some(bytes.get(at..at + count)?.iter().rev().fold(0usize, |number, byte| number << 8 | usize::from(*byte)))
    };
    let mut at = 12;
    while webp.get(at..at + 4)? != b"ANMF" {
        at += 8 + number(webp, at + 4, 4)?.next_multiple_of(2);
    }
    let data = webp.get(at + 8..)?.get(..number(webp, at + 4, 4)?)?;
    let (sides, chunks) = (data.get(6..12)?, data.get(16..)?);
    let size = Size::new(number(sides, 0, 3)? as u32 + 1, number(sides, 3, 3)? as u32 + 1);
    let mut body = b"WEBP".to_vec();
    // Transparency that stands beside the picture must be announced.
    if chunks.starts_with(b"ALPH") {
        body.extend(b"VP8X\x0a\0\0\0\x10\0\0\0");
        body.extend(sides);
    }
    body.extend(chunks);
    let bytes = [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat();
    Some(First { bytes, left: number(data, 0, 3)? * 2, top: number(data, 3, 3)? * 2, size })
}
