//! Formats of pictures that are not read, by their first bytes: named in the refusal, so that nobody looks for a fault in
//! the file.

/// As people call it.
pub fn name(bytes: &[u8]) -> Option<&'static str> {
    const STARTS: &[(&[u8], &str)] = &[
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x4f\xff\x51", "JPEG 2000"),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\xff\x0a", "JPEG XL"),
        (b"\x00\x00\x01\x00", "ICO"),
        (b"\x00\x00\x02\x00", "CUR"),
        (b"8BPS", "Photoshop"),
        (b"II+\x00", "BigTIFF"),
        (b"MM\x00+", "BigTIFF"),
        (b"\x01\xda", "SGI"),
        (b"\x76\x2f\x31\x01", "OpenEXR"),
        (b"#?RADIANCE", "Radiance"),
        (b"DDS ", "DDS"),
        (b"qoif", "QOI"),
        (b"farbfeld", "farbfeld"),
    ];
    if let Some((_, name)) = STARTS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Some(name);
    }
    match bytes {
        [b'P', kind, space, ..] if space.is_ascii_whitespace() => match kind {
            b'1' | b'4' => Some("PBM"),
            b'2' | b'5' => Some("PGM"),
            b'3' | b'6' => Some("PPM"),
            b'7' => Some("PAM"),
            _ => None,
        },
        _ => {
            let head = bytes.get(..bytes.len().min(1024)).unwrap_or(bytes);
            let svg = |text: &str| {
                text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']).starts_with('<') && text.contains("<svg")
            };
            svg(&String::from_utf8_lossy(head)).then_some("SVG")
        }
    }
}
