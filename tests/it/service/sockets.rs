//! How WebSockets end: the viewer's close frame is answered, and what breaks the protocol is named (RFC 6455, 5.5.1 and 7.4.1).

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use super::harness::{PATIENCE, Server, fixture, temp};

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;

/// A WebSocket of which every byte is written by the test.
struct Raw(TcpStream);

impl Raw {
    fn open(server: &Server, path: &str) -> Self {
        let mut line = TcpStream::connect(server.address).unwrap();
        line.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            server.address
        );
        line.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            line.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        // RFC 6455, 1.3.
        assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
        Self(line)
    }

    /// Sends a frame with a mask of zeros, which leaves the payload as it is.
    fn send(&mut self, first: u8, payload: &[u8]) {
        let length = u8::try_from(payload.len()).unwrap();
        assert!(length < 126);
        self.0.write_all(&[&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()).unwrap();
    }

    /// The payload of the close frame; the connection must end after it.
    fn closed(mut self) -> Vec<u8> {
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head).expect("a close frame before the end of the connection");
            let length = match head[1] {
                126 => {
                    let mut length = [0; 2];
                    self.0.read_exact(&mut length).unwrap();
                    u64::from(u16::from_be_bytes(length))
                }
                127 => {
                    let mut length = [0; 8];
                    self.0.read_exact(&mut length).unwrap();
                    u64::from_be_bytes(length)
                }
                length => u64::from(length),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut payload).unwrap();
            if head[0] == CLOSE {
                assert_eq!(super::tls_line::rest(&mut self.0), b"", "nothing comes after a close frame");
                return payload;
            }
        }
    }
}

/// A server with a video that is done, and the paths of its sockets.
fn sockets(server: &Server) -> [String; 3] {
    let id = server.upload(fixture("numbered-odd.mp4"));
    server.done(&id);
    // From a frame that never comes: this one waits for its viewer.
    [format!("/api/videos/{id}/pictures"), "/api/camera".into(), format!("/api/videos/{id}/pictures?from=1")]
}

#[test]
fn a_close_frame_is_answered() {
    let data = temp();
    let server = Server::start(data.path());
    for path in sockets(&server) {
        for payload in [&b"\x03\xe8"[..], b"\x03\xe9going away", b"\x0f\xa0", b""] {
            let mut socket = Raw::open(&server, &path);
            socket.send(CLOSE, payload);
            assert_eq!(socket.closed(), payload, "{path}");
        }
    }
}

#[test]
fn the_events_of_a_live_stream_end_with_an_answer() {
    let data = temp();
    let server = Server::start(data.path());
    let mut camera = server.socket("/api/camera", None).unwrap();
    camera.send(&super::media::pictures(&fixture("numbered-odd.mp4"))[0]);
    camera.event();
    let id = server.get("/api/streams").must(200).json()["items"][0]["id"].as_str().unwrap().to_owned();
    for path in ["events", "pictures"] {
        let mut socket = Raw::open(&server, &format!("/api/streams/{id}/{path}"));
        socket.send(CLOSE, b"\x03\xe8");
        assert_eq!(socket.closed(), b"\x03\xe8", "{path}");
    }
}

#[test]
fn what_breaks_the_protocol_is_named() {
    let data = temp();
    let server = Server::start(data.path());
    let masked = |first: u8, payload: &[u8]| {
        [&[first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0], payload].concat()
    };
    for path in &sockets(&server)[..2] {
        for (what, bytes, code) in [
            ("no mask", vec![TEXT, 2, b'h', b'i'], 1002),
            ("a reserved bit", masked(0xc1, b"hi"), 1002),
            ("a reserved opcode", masked(0x83, b"hi"), 1002),
            ("a ping in pieces", masked(0x09, b""), 1002),
            ("a piece of nothing", masked(0x80, b"hi"), 1002),
            ("a close frame with half a code", masked(CLOSE, b"\x03"), 1002),
            ("a close code that no peer may send", masked(CLOSE, b"\x03\xed"), 1002),
            ("text that is none", masked(TEXT, b"\xff\xfe"), 1007),
            ("a message that is too large", vec![0x82, 0xff, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0], 1009),
        ] {
            let mut socket = Raw::open(&server, path);
            socket.0.write_all(&bytes).unwrap();
            let payload = socket.closed();
            let told = payload.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]]));
            assert_eq!(told, Some(code), "{path}: {what}");
        }
    }
}
