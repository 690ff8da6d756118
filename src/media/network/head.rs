//! The head of a message of HTTP/1.1 or RTSP/1.0, which look alike: a line, fields, an empty line.

use std::io::{self, BufRead, Read};

/// Most bytes of a head.
const LONGEST: u64 = 64 * 1024;

/// A head as it was read.
pub struct Head {
    /// All bytes, with the empty line.
    pub raw: Vec<u8>,
}

impl Head {
    /// Reads up to the empty line; None at the end of the stream.
    ///
    /// # Errors
    /// When the connection breaks or the head is too long.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut raw = Vec::new();
        let mut limited = reader.take(LONGEST);
        loop {
            let before = raw.len();
            limited.read_until(b'\n', &mut raw)?;
            let line = &raw[before..];
            if line.last() != Some(&b'\n') {
                let cut = if raw.is_empty() { Ok(None) } else { Err(io::ErrorKind::InvalidData.into()) };
                return cut;
            }
            // Empty lines before the first are passed over.
            if (line == b"\r\n" || line == b"\n") && raw.len() > 2 {
                return Ok(Some(Self { raw }));
            }
        }
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        // Fields are ASCII; a line that is no text is none that is looked for.
        self.raw.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()).map(str::trim_end)
    }

    /// The first line.
    pub fn start(&self) -> &str {
        self.lines().find(|line| !line.is_empty()).unwrap_or_default()
    }

    /// The status of a response; None for a request.
    pub fn status(&self) -> Option<u16> {
        let (version, rest) = self.start().split_once(' ')?;
        let known = version.starts_with("HTTP/") || version.starts_with("RTSP/") || version == "ICY";
        rest.trim_start().get(..3)?.parse().ok().filter(|_| known)
    }

    /// All values of a field.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fields = self.lines().filter_map(|line| line.split_once(':'));
        fields.filter(move |(field, _)| field.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The first value of a field.
    pub fn value<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.values(name).next()
    }

    /// How long the body is said to be.
    pub fn length(&self) -> Option<u64> {
        self.value("content-length")?.parse().ok()
    }
}

/// A parameter of a field's value: `boundary` of `multipart/x-mixed-replace; boundary="x"`.
pub fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_servers_write_them() {
        let text = b"\r\nRTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nWWW-Authenticate: Basic realm=\"a\"\r\n\
            www-authenticate:Digest realm=\"b: c\"\r\nContent-Length : 12\r\n\r\nrest";
        let mut reader = &text[..];
        let head = Head::read(&mut reader).expect("read").expect("a head");
        assert_eq!((head.status(), head.length(), reader), (Some(401), Some(12), &b"rest"[..]));
        let asked: Vec<_> = head.values("WWW-Authenticate").collect();
        assert_eq!(asked, ["Basic realm=\"a\"", "Digest realm=\"b: c\""]);
        assert!(Head::read(&mut &b""[..]).expect("the end").is_none());
        assert!(Head::read(&mut &b"HTTP/1.1 200 OK\r\nx"[..]).is_err());
        assert!(Head::read(&mut &vec![b'x'; 100_000][..]).is_err());
        let request = Head::read(&mut &b"ANNOUNCE rtsp://x RTSP/1.0\n\n"[..]).expect("read").expect("a head");
        assert_eq!(request.status(), None);
        assert_eq!(parameter("multipart/x-mixed-replace; Boundary=\"--a b\" ", "boundary"), Some("--a b"));
    }
}
