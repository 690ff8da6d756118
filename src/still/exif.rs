//! Which way is up: EXIF (CIPA DC-008, on TIFF 6.0).

/// The orientation, tag 0x0112 of the first image file directory.
pub fn orientation(data: &[u8]) -> Option<u16> {
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
