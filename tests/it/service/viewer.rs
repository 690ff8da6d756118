//! A viewer: a WebSocket that is read to its end.

use std::io::{Read, Write};

use serde_json::Value;
use tokio_tungstenite::tungstenite::{
    HandshakeError, Message, WebSocket, client::client, error::Error, handshake::client::Request,
};

use super::harness::PATIENCE;

/// What comes over the socket.
#[derive(Debug)]
pub enum Word {
    Event(Value),
    Picture(Vec<u8>),
    /// Code and reason of the close frame.
    Close(u16, String),
    /// The connection broke without a goodbye.
    Broken(String),
}

/// A connection, encrypted or not, on which waiting for bytes has an end ([`PATIENCE`]).
pub trait Line: Read + Write + Send {}

impl<T: Read + Write + Send> Line for T {}

pub struct Viewer {
    socket: WebSocket<Box<dyn Line>>,
}

impl Viewer {
    /// Opens a socket on a connection; the status of the refusal if it is refused.
    pub fn open(line: impl Line + 'static, request: Request) -> Result<Self, u16> {
        match client(request, Box::new(line) as Box<dyn Line>) {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub fn next(&mut self) -> Word {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return Word::Event(serde_json::from_str(&text).unwrap()),
                Ok(Message::Binary(bytes)) => return Word::Picture(bytes.to_vec()),
                Ok(Message::Close(Some(frame))) => return Word::Close(frame.code.into(), frame.reason.to_string()),
                Ok(Message::Close(None)) => return Word::Close(1005, String::new()),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("a viewer heard nothing for {PATIENCE:?}")
                }
                Err(error) => return Word::Broken(error.to_string()),
            }
        }
    }

    pub fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    /// Sends a picture.
    pub fn send(&mut self, picture: &[u8]) {
        self.socket.send(Message::binary(picture.to_vec())).unwrap();
    }

    /// The next event; the socket must not have ended.
    #[track_caller]
    pub fn event(&mut self) -> Value {
        match self.next() {
            Word::Event(event) => event,
            other => panic!("an event was due, but there came {other:?}"),
        }
    }

    /// Reads until a frame of this number or a higher one came.
    pub fn until_frame(&mut self, number: u64) -> Value {
        loop {
            let event = self.event();
            assert_ne!(event["type"], "end", "the end came before frame {number}");
            if event["type"] == "frame" && event["frame"].as_u64() >= Some(number) {
                return event;
            }
        }
    }

    /// Everything up to the close frame, which must say that this was all.
    pub fn all(mut self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            match self.next() {
                Word::Event(event) => events.push(event),
                Word::Close(1000, _) => return events,
                Word::Broken(why) => panic!("after {} events the connection broke: {why}", events.len()),
                other => panic!("after {} events, instead of an end: {other:?}", events.len()),
            }
        }
    }

    /// The last words: events up to the close frame, and that frame.
    pub fn last_words(mut self) -> (Vec<Value>, Word) {
        let mut events = Vec::new();
        loop {
            match self.next() {
                Word::Event(event) => events.push(event),
                last => return (events, last),
            }
        }
    }
}

/// The frame events among events.
pub fn frames(events: &[Value]) -> Vec<Value> {
    events.iter().filter(|event| event["type"] == "frame").cloned().collect()
}

/// Asserts that frames come once each and in order, from `from` on.
#[track_caller]
pub fn in_order(frames: &[Value], from: u64, count: usize) {
    let numbers: Vec<u64> = frames.iter().map(|frame| frame["frame"].as_u64().unwrap()).collect();
    let expected: Vec<u64> = (from..from + count as u64).collect();
    assert_eq!(numbers, expected);
}
