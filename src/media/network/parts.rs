//! Motion JPEG over HTTP: pictures one after the other in `multipart/x-mixed-replace`.
//!
//! Cameras write its boundaries in ways of their own, so a picture is found by its length, where the part tells it, and
//! else by JPEG's own markers: then it is complete when its last byte is there, and not only with the next boundary.

use std::io::{self, BufRead, Read};

use super::head::Head;
use crate::frame::Size;

/// Most bytes of one picture.
const LARGEST: u64 = 32 * 1024 * 1024;

/// Most bytes that are passed over in search of one part: a preamble, an epilogue.
const MOST_TEXT: usize = 64 * 1024;

/// The pictures of a multipart stream (RFC 2046, 5.1), read one by one.
pub struct Pictures<R> {
    reader: R,
    /// The line before the first part, without white space at its end.
    delimiter: Option<Vec<u8>>,
    /// Pictures so far.
    count: u64,
}

/// What stands before a part's body, up to the empty line.
struct PartHead {
    fields: Head,
    /// The last line that begins with `--`.
    delimiter: Option<Vec<u8>>,
}

impl<R: BufRead> Pictures<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, delimiter: None, count: 0 }
    }

    /// The next picture; None at the end of the stream, or at the closing delimiter, behind which only an epilogue comes.
    /// Text before the first delimiter is passed over.
    ///
    /// # Errors
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) when the connection breaks within a picture,
    /// [`InvalidData`](io::ErrorKind::InvalidData) when what comes is no JPEG.
    pub fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut text = 0;
        loop {
            let head = match Head::read(&mut self.reader) {
                Ok(Some(head)) => PartHead::of(head),
                Ok(None) => return self.end(text),
                // Cut within a line or a head: a closing delimiter, or an epilogue, without a line's end.
                Err(error) if error.kind() == io::ErrorKind::InvalidData && self.reader.fill_buf()?.is_empty() => {
                    return self.end(text);
                }
                Err(error) => return Err(error),
            };
            if let (Some(opening), Some(last)) = (&self.delimiter, &head.delimiter)
                && last.strip_suffix(b"--") == Some(opening)
            {
                return Ok(None);
            }
            // Some cameras leave out the delimiter and write fields only. Text that no picture follows is a preamble.
            if head.delimiter.is_none() && self.reader.fill_buf()?.first() != Some(&0xff) {
                text += head.fields.raw.len();
                if text > MOST_TEXT {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                continue;
            }
            let mut picture = Vec::new();
            match head.fields.length() {
                Some(length) if length > LARGEST => return Err(io::ErrorKind::InvalidData.into()),
                Some(length) if length > 0 => bytes(&mut self.reader, &mut picture, length)?,
                _ => walk(&mut self.reader, &mut picture)?,
            }
            if self.delimiter.is_none() {
                self.delimiter = head.delimiter;
            }
            self.count += 1;
            return Ok(Some(picture));
        }
    }

    /// The end of the stream after so many bytes of text. Text alone is not a stream of pictures.
    fn end(&self, text: usize) -> io::Result<Option<Vec<u8>>> {
        match self.count {
            0 if text > 0 => Err(io::ErrorKind::InvalidData.into()),
            _ => Ok(None),
        }
    }
}

impl PartHead {
    /// Takes apart what was read up to an empty line. Fields stand behind the last delimiter, text before it.
    fn of(head: Head) -> Self {
        let mut fields = 0;
        let mut delimiter = None;
        let mut at = 0;
        for line in head.raw.split_inclusive(|byte| *byte == b'\n') {
            at += line.len();
            if line.starts_with(b"--") {
                (fields, delimiter) = (at, Some(line.trim_ascii_end().to_vec()));
            }
        }
        Self { fields: Head { raw: head.raw[fields..].to_vec() }, delimiter }
    }
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
        let mut pictures = Pictures::new(stream);
        std::iter::from_fn(|| pictures.next().expect("pictures")).collect()
    }

    fn refusal(stream: &[u8]) -> io::ErrorKind {
        let mut pictures = Pictures::new(stream);
        loop {
            match pictures.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended in order"),
                Err(error) => return error.kind(),
            }
        }
    }

    #[test]
    fn pictures_are_found_whatever_the_boundaries_are() {
        let head = format!("--b\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", JPEG.len());
        let with = [head.as_bytes(), JPEG].concat();
        let without = [b"--b\nContent-type: image/jpeg\n\n", JPEG].concat();
        for (name, part) in [("length", &with), ("none", &without)] {
            for gap in [&b"\r\n"[..], b"", b"\n\n"] {
                let stream = [part, gap, part, gap, b"--b--\r\n"].concat();
                assert_eq!(pictures(&stream), [JPEG, JPEG], "{name} {gap:?}");
            }
        }
        let huge = b"--b\r\nContent-Length: 99999999999\r\n\r\n";
        assert_eq!(refusal(huge), io::ErrorKind::InvalidData);
    }

    #[test]
    fn text_around_the_parts_is_passed_over() {
        let part = [b"--b\r\nContent-Type: image/jpeg\r\n\r\n", JPEG].concat();
        let length = format!("--b\r\nContent-Length: {}\r\n\r\n", JPEG.len());
        let with = [length.as_bytes(), JPEG].concat();
        for part in [&part, &with] {
            for before in [
                "",
                "\r\n",
                "\n\n\n",
                "\r\n\r\n\r\n",
                "This is a message in many parts.\r\n",
                "A message.\r\n\r\nContent-Length: 3\r\n\r\nMore.\r\n\r\n",
                "One.\n\nTwo.\n\n\nThree.\n\n",
            ] {
                for after in ["", "--b--", "--b--\r\n", "--b--\r\nGood-bye.\r\n\r\nContent-Length: 9\r\n\r\nx"] {
                    let stream = [before.as_bytes(), part, b"\r\n", part, b"\r\n", after.as_bytes()].concat();
                    assert_eq!(pictures(&stream), [JPEG, JPEG], "{before:?} {after:?}");
                }
            }
        }
        let fields = [b"Content-Type: image/jpeg\r\n\r\n", JPEG].concat();
        assert_eq!(pictures(&[&fields[..], b"\r\n", &fields].concat()), [JPEG, JPEG], "no delimiters at all");
    }

    #[test]
    fn a_stream_that_is_cut_or_holds_no_pictures_is_an_error() {
        let length = format!("--b\r\nContent-Length: {}\r\n\r\n", JPEG.len());
        for head in [length.as_bytes(), b"--b\r\n\r\n"] {
            let stream = [head, JPEG, b"\r\n", head, JPEG].concat();
            for cut in 1..JPEG.len() {
                assert_eq!(refusal(&stream[..stream.len() - cut]), io::ErrorKind::UnexpectedEof, "{cut} bytes");
            }
        }
        for text in
            [&b"hello\r\n\r\nworld\r\n\r\n"[..], b"--b\r\n\r\nhello\r\n", b"--b\r\nX: y\r\n\r\n\x89PNG\r\n\x1a\n"]
        {
            assert_eq!(refusal(text), io::ErrorKind::InvalidData, "{}", text.escape_ascii());
        }
        // A preamble has an end.
        assert_eq!(refusal(&b"text\n\n".repeat(20_000)), io::ErrorKind::InvalidData);
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
