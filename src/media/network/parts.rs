//! Motion JPEG over HTTP: pictures one after the other in `multipart/x-mixed-replace`.
//!
//! Cameras write its boundaries in ways of their own, so a picture is found by its length, where the part tells it, and
//! else by JPEG's own markers: then it is complete when its last byte is there, and not only with the next boundary.

use std::io::{self, BufRead, Read};

use super::head::Head;
use crate::frame::Size;

/// Most bytes of one picture.
const LARGEST: u64 = 32 * 1024 * 1024;

/// The next picture of a multipart stream; None at its end.
///
/// # Errors
/// When the connection breaks or what comes is no JPEG.
pub fn next(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let head = match Head::read(reader) {
        Ok(Some(head)) => head,
        // `--boundary--` is no head.
        Ok(None) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData && reader.fill_buf()?.is_empty() => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut picture = Vec::new();
    match head.length() {
        Some(length) if length > LARGEST => return Err(io::ErrorKind::InvalidData.into()),
        Some(length) if length > 0 => {
            if reader.take(length).read_to_end(&mut picture)? as u64 != length {
                return Ok(None);
            }
        }
        _ => walk(reader, &mut picture)?,
    }
    Ok(Some(picture))
}

/// Reads one JPEG up to its last marker.
fn walk(reader: &mut impl BufRead, picture: &mut Vec<u8>) -> io::Result<()> {
    let mut reader = reader.take(LARGEST);
    bytes(&mut reader, picture, 2)?;
    if picture[..] != [0xff, 0xd8] {
        return Err(io::ErrorKind::InvalidData.into());
    }
    loop {
        // What lies before a marker: nothing, or a scan's samples.
        if reader.read_until(0xff, picture)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while picture.last() == Some(&0xff) {
            bytes(&mut reader, picture, 1)?;
        }
        match picture.last() {
            // An escaped 0xff, restarts.
            Some(0x00 | 0x01 | 0xd0..=0xd7) => {}
            Some(0xd9) => return Ok(()),
            _ => {
                bytes(&mut reader, picture, 2)?;
                let length = u16::from_be_bytes([picture[picture.len() - 2], picture[picture.len() - 1]]);
                bytes(&mut reader, picture, u64::from(length.saturating_sub(2)))?;
            }
        }
    }
}

fn bytes(reader: &mut impl Read, picture: &mut Vec<u8>, count: u64) -> io::Result<()> {
    match reader.take(count).read_to_end(picture)? as u64 == count {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The size that a JPEG's frame header tells (ITU-T T.81, B.2.2).
pub fn size(picture: &[u8]) -> Option<Size> {
    let mut rest = picture.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let [0xff, marker, more @ ..] = rest else {
            return None;
        };
        if *marker == 0xff {
            rest = &rest[1..];
            continue;
        }
        let [high, low, ..] = more else {
            return None;
        };
        if let (0xc0..=0xcf, [_, _, _, y1, y0, x1, x0, ..]) = (*marker, more)
            && ![0xc4, 0xc8, 0xcc].contains(marker)
        {
            return Some(Size::new(u16::from_be_bytes([*x1, *x0]).into(), u16::from_be_bytes([*y1, *y0]).into()));
        }
        rest = more.get(usize::from(u16::from_be_bytes([*high, *low])).max(2)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest thing with JPEG's structure: 16x8, with an escaped byte, a restart and `\r\n--` in its samples.
    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x06ab\xff\xd9\xff\xff\xc0\0\x0b\x08\0\x08\0\x10\x01\x01\x11\0\
        \xff\xda\0\x08\x01\x01\0\0\x3f\0x\xff\0y\xff\xd0\r\n--b\r\n\xff\xd9";

    fn pictures(stream: &[u8]) -> Vec<Vec<u8>> {
        let mut reader = stream;
        std::iter::from_fn(|| next(&mut reader).expect("pictures")).collect()
    }

    #[test]
    fn pictures_are_found_whatever_the_boundaries_are() {
        let head = format!("--b\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", JPEG.len());
        let with = [head.as_bytes(), JPEG].concat();
        let without = [b"--b\nContent-type: image/jpeg\n\n", JPEG].concat();
        let odd = [b"preamble\r\n\r\n--=_strange; b\r\nX: y\r\n\r\n", JPEG].concat();
        for (name, part) in [("length", &with), ("none", &without)] {
            for gap in [&b"\r\n"[..], b"", b"\n\n"] {
                let stream = [part, gap, part, gap, b"--b--\r\n"].concat();
                assert_eq!(pictures(&stream), [JPEG, JPEG], "{name} {gap:?}");
            }
        }
        assert!(next(&mut &odd[..]).is_err(), "a text is no picture");
        assert!(pictures(&with[..80]).is_empty(), "half a picture is none");
        let huge = b"--b\r\nContent-Length: 99999999999\r\n\r\n";
        assert!(next(&mut &huge[..]).is_err());
    }

    #[test]
    fn a_jpeg_tells_its_size() {
        assert_eq!(size(JPEG), Some(Size::new(16, 8)));
        for end in 0..20 {
            assert_eq!(size(&JPEG[..end]), None);
        }
        assert_eq!(size(b"\xff\xd8\xff\xe0\0\0\0\0\0\0"), None);
    }
}
