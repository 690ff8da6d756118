//! The bytes of an HTTP/1.1 connection: notes that they move, and words the refusals that hyper sends by itself.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use warp::http::StatusCode;

use super::{limits::Activity, problem};

/// Lines of a request's head that hyper reads: the request line and 100 headers.
const MOST_LINES: usize = 101;
/// Bytes of a head that hyper reads at least.
const MOST_HEAD: usize = 64 << 10;

/// A connection, or its TLS stream.
pub struct Line<S> {
    stream: S,
    activity: Arc<Activity>,
    /// Lines and bytes that came while no request was in progress: the head of one that hyper may refuse.
    head: (usize, usize),
    /// What stands in place of a refusal of hyper's: the bytes, and how many of them are sent.
    refusal: Option<(Vec<u8>, usize)>,
}

impl<S> Line<S> {
    pub fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity, head: (0, 0), refusal: None }
    }

    /// Looks at what is about to be sent; the refusal that is sent in its place.
    fn refusal(&mut self, bytes: &[u8]) -> Option<&mut (Vec<u8>, usize)> {
        if self.refusal.is_none() && self.activity.is_idle() {
            self.refusal = refusal(bytes, self.head).map(|refusal| (refusal, 0));
        }
        self.head = (0, 0);
        self.refusal.as_mut()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if self.activity.is_idle() {
            let read = &buf.filled()[before..];
            self.head.0 += read.iter().filter(|byte| **byte == b'\n').count();
            self.head.1 += read.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.as_mut().poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let line = &mut *self;
        let first = parts.first().map_or(&[][..], |part| part);
        if line.refusal(first).is_none() {
            let count = ready!(Pin::new(&mut line.stream).poll_write_vectored(cx, parts))?;
            line.activity.moved();
            return Poll::Ready(Ok(count));
        }
        while let Some((refusal, sent)) = line.refusal.as_mut().filter(|(refusal, sent)| *sent < refusal.len()) {
            *sent += match ready!(Pin::new(&mut line.stream).poll_write(cx, &refusal[*sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => count,
            };
        }
        Poll::Ready(Ok(first.len()))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A problem document in place of a refusal without a body. hyper sends one where a request's head cannot be read; no
/// handler has seen that request, so nothing else begins like this while no request is in progress. `head`: lines and bytes
/// of that head.
fn refusal(bytes: &[u8], head: (usize, usize)) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let status: u16 = text.strip_prefix("HTTP/1.1 4")?.get(..2)?.parse().ok()?;
    if !text.ends_with("\r\n\r\n") || !text.to_ascii_lowercase().contains("content-length: 0\r\n") {
        return None;
    }
    let (status, detail) = match StatusCode::from_u16(400 + status).ok()? {
        StatusCode::URI_TOO_LONG => (StatusCode::URI_TOO_LONG, "The address of the request is too long."),
        // hyper says the same of a Content-Length that no number of it holds.
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE if head.0 <= MOST_LINES && head.1 <= MOST_HEAD => {
            (StatusCode::PAYLOAD_TOO_LARGE, "The Content-Length of the request is larger than any body may be.")
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The request has too many headers, or too large ones.")
        }
        status => (status, "This is no HTTP request that can be read."),
    };
    let body = problem::document(status, detail);
    let head = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
         x-content-type-options: nosniff\r\nconnection: close\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
        body.len()
    );
    Some([head.into_bytes(), body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_without_a_body_get_one() {
        let own = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        for (head, status) in [((5, 200), "413"), ((500, 20_000), "431"), ((3, 500_000), "431")] {
            let worded = String::from_utf8(refusal(own, head).expect("a refusal")).expect("text");
            assert!(worded.starts_with(&format!("HTTP/1.1 {status} ")) && worded.contains("problem+json"), "{worded}");
            let length = worded.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let body = worded.split("\r\n\r\n").nth(1).expect("a body");
            assert_eq!(length, Some(body.len().to_string().as_str()));
        }
        for other in
            ["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\n"]
        {
            assert_eq!(refusal(other.as_bytes(), (5, 200)), None, "{other}");
        }
    }
}
