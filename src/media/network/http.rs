//! A client of HTTP/1.1 that goes nowhere but to addresses that were checked, redirects included.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    sync::Arc,
};

use url::Url;

use super::{
    address::{Protocol, StreamAddress},
    auth::authorization,
    head::Head,
    lines::Lines,
    newest::refusal,
    tls::Wire,
};
use crate::{
    error::{Error, Kind, Result},
    fault,
};

/// Most redirects in a row.
const HOPS: usize = 5;
/// Most bytes of the line that tells a chunk's length.
const LONGEST_LINE: u64 = 4096;

/// Gets what stands at an address, and at those that it names.
pub struct Client {
    lines: Arc<Lines>,
    /// What the visitor wrote: only that server sees user and password.
    home: StreamAddress,
}

/// A response of 2xx.
pub struct Answer {
    pub head: Head,
    pub body: Body,
    /// Where it came from, after all redirects.
    pub url: Url,
}

/// Some bytes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub from: u64,
    pub length: u64,
}

impl Client {
    pub fn new(lines: &Arc<Lines>, home: &StreamAddress) -> Self {
        Self { lines: lines.clone(), home: home.clone() }
    }

    /// Gets a resource, or a part of it.
    ///
    /// # Errors
    /// In words: not allowed, not reachable, refused, or no HTTP.
    pub fn get(&self, url: &Url, part: Option<Part>) -> Result<Answer> {
        let mut url = url.clone();
        for _ in 0..=HOPS {
            let address = StreamAddress::parse(url.as_str(), &self.lines.rules)?;
            if address.protocol != Protocol::Http {
                return Err(fault!(Forbidden, "What the address leads to is not spoken to by HTTP."));
            }
            let (head, body) = self.ask(&address, part)?;
            match head.status().unwrap_or(0) {
                200..=299 => return Ok(Answer { head, body, url }),
                301 | 302 | 303 | 307 | 308 => {
                    let place = head.value("location").and_then(|place| url.join(place).ok());
                    url =
                        place.ok_or_else(|| fault!(Unavailable, "The camera sends on to an address that is none."))?;
                }
                status => return Err(refusal(status)),
            }
        }
        Err(fault!(Unavailable, "The camera sends on from one address to the next without end."))
    }

    /// Asks, and once more with user and password where these are asked for.
    fn ask(&self, address: &StreamAddress, part: Option<Part>) -> Result<(Head, Body)> {
        let (head, body) = self.send(address, part, None)?;
        let at_home = (address.tls, &address.host, address.port) == (self.home.tls, &self.home.host, self.home.port);
        let Some(who) = self.home.credentials.as_ref().filter(|_| at_home && head.status() == Some(401)) else {
            return Ok((head, body));
        };
        let asked = head.values("www-authenticate").collect::<Vec<_>>().into_iter();
        match authorization(asked, who, "GET", &address.target()) {
            Some(field) => self.send(address, part, Some(&field)),
            None => Ok((head, body)),
        }
    }

    fn send(&self, address: &StreamAddress, part: Option<Part>, who: Option<&str>) -> Result<(Head, Body)> {
        let (stream, to) = self.lines.connect(&address.host, address.port)?;
        let mut wire = match address.tls {
            true => Wire::secure(stream, &address.host, !self.lines.rules.is_inner(to.ip()))?,
            false => Wire::Plain(stream),
        };
        let mut request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Sightglass/{}\r\nAccept: */*\r\nConnection: close\r\n",
            address.target(),
            address.authority(),
            env!("CARGO_PKG_VERSION"),
        );
        if let Some(who) = who {
            request.push_str(&format!("Authorization: {who}\r\n"));
        }
        if let Some(part) = part {
            let last = part.from.saturating_add(part.length.saturating_sub(1));
            request.push_str(&format!("Range: bytes={}-{last}\r\n", part.from));
        }
        request.push_str("\r\n");
        let broke = |error: io::Error| {
            Error::new(Kind::Unavailable, "The camera broke the connection before it answered.").with_cause(error)
        };
        wire.write_all(request.as_bytes()).map_err(broke)?;
        let mut reader = BufReader::with_capacity(64 * 1024, wire);
        let head = Head::read(&mut reader).map_err(broke)?.ok_or_else(|| broke(io::ErrorKind::UnexpectedEof.into()))?;
        if head.status().is_none() {
            return Err(fault!(Unavailable, "What answers at this address does not speak HTTP: check the port."));
        }
        let chunked = head.value("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        let left = match (chunked, head.length()) {
            (true, _) => Left::Chunk(0),
            (false, Some(length)) => Left::Bytes(length),
            (false, None) => Left::All,
        };
        Ok((head, Body { reader, left }))
    }
}

/// A response's body as it arrives. A body that ends before its length, or before its last chunk, is an error
/// ([`UnexpectedEof`](io::ErrorKind::UnexpectedEof)) and not an end.
pub struct Body<R = BufReader<Wire>> {
    reader: R,
    left: Left,
}

/// What is still to come.
enum Left {
    /// All up to the end of the connection.
    All,
    Bytes(u64),
    /// So many bytes of a chunk, then other chunks.
    Chunk(u64),
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Left::Chunk(0) = self.left {
            self.left = match chunk(&mut self.reader)? {
                0 => Left::Bytes(0),
                length => Left::Chunk(length),
            };
        }
        let most = match self.left {
            Left::All => buffer.len(),
            Left::Bytes(left) | Left::Chunk(left) => buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX)),
        };
        if most == 0 {
            return Ok(0);
        }
        let count = self.reader.read(&mut buffer[..most])?;
        match &mut self.left {
            Left::All => {}
            Left::Bytes(_) | Left::Chunk(_) if count == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Left::Bytes(left) => *left -= count as u64,
            Left::Chunk(left) => {
                *left -= count as u64;
                // The line's end behind each chunk.
                if *left == 0 && !line(&mut self.reader)?.is_empty() {
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
        }
        Ok(count)
    }
}

/// The length of the next chunk.
fn chunk(reader: &mut impl BufRead) -> io::Result<u64> {
    let line = line(reader)?;
    let digits = line.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// A line without its end.
fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    let count = reader.take(LONGEST_LINE).read_line(&mut line)?;
    if !line.ends_with('\n') {
        let cut = (count as u64) < LONGEST_LINE;
        return Err(if cut { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData }.into());
    }
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(left: Left, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut whole = Vec::new();
        Body { reader: bytes, left }.read_to_end(&mut whole).map(|_| whole)
    }

    #[test]
    fn a_body_that_is_cut_off_is_an_error() {
        let chunks = b"4\r\nabcd\r\n3;name=value\r\nefg\r\n0\r\n\r\n";
        assert_eq!(read(Left::Chunk(0), chunks).expect("whole"), b"abcdefg");
        for length in 0..chunks.len() - 2 {
            let error = read(Left::Chunk(0), &chunks[..length]).expect_err("cut");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{length} bytes");
        }
        assert_eq!(read(Left::Bytes(7), b"abcdefghi").expect("whole"), b"abcdefg");
        assert_eq!(read(Left::Bytes(0), b"abc").expect("whole"), b"");
        for length in 0..7 {
            let error = read(Left::Bytes(7), &b"abcdefg"[..length]).expect_err("cut");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{length} bytes");
        }
        // Without a length the end of the connection is the end.
        assert_eq!(read(Left::All, b"abc").expect("whole"), b"abc");
    }

    #[test]
    fn damaged_chunks_are_an_error() {
        for bytes in
            [&b"x\r\n"[..], b"\r\n", b"-1\r\nab", b"2\r\nabc\r\n0\r\n\r\n", b"fffffffffffffffff\r\n", &[b'1'; 5000]]
        {
            let error = read(Left::Chunk(0), bytes).expect_err("damaged");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{}", bytes.escape_ascii());
        }
    }
}
