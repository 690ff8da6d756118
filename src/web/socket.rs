//! What every WebSocket of the server does: a limit on their number, patience with slow viewers that ends, a heartbeat,
//! and a goodbye with a reason.

use std::{
    error::Error as _,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{sync::Mutex, time::timeout};
use tokio_tungstenite::tungstenite;
use tokio_util::sync::CancellationToken;
use warp::{
    Filter, Rejection, Reply,
    reply::Response,
    ws::{Message, WebSocket, Ws},
};

use super::{Web, limits::Activity, visitor::Visitor};
use crate::{
    error::{Error, Result},
    fault,
};

/// A viewer that takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// For the last bytes of a socket that is being closed.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// The largest message that a viewer may send.
const MAX_MESSAGE: usize = 64 * 1024;

/// Why a socket is closed (RFC 6455, 7.4.1).
#[derive(Clone, Copy)]
pub enum Goodbye {
    /// Everything was sent.
    Done,
    /// The server stops.
    Stopping,
    /// The video was deleted, or cannot be read.
    Gone,
}

/// Both halves of a socket, shared by those that read, write and end it.
struct Line {
    sink: Mutex<SplitSink<WebSocket, Message>>,
    stream: Mutex<SplitStream<WebSocket>>,
    /// The code that names what the viewer did against the protocol.
    violation: OnceLock<u16>,
}

impl Line {
    async fn send(&self, message: Message) -> bool {
        matches!(timeout(PATIENCE, async { self.sink.lock().await.send(message).await }).await, Ok(Ok(())))
    }

    /// Ends the connection: tells a viewer that broke the protocol so, and sends what is still queued.
    async fn end(&self) {
        let farewell = async {
            if let Some(code) = self.violation.get() {
                self.send(Message::close_with(*code, "")).await;
            }
            let _ = self.sink.lock().await.close().await;
        };
        let _ = timeout(CLOSE_PATIENCE, farewell).await;
    }
}

/// The sending half of a socket.
pub struct Sender(Arc<Line>);

impl Sender {
    /// Sends one message, waiting for a slow viewer. False when the viewer is gone.
    pub async fn send(&mut self, message: Message) -> bool {
        self.0.send(message).await
    }

    /// Queues a message without waiting until it is on its way; [`Sender::flush`] follows.
    pub async fn feed(&mut self, message: Message) -> bool {
        matches!(timeout(PATIENCE, async { self.0.sink.lock().await.feed(message).await }).await, Ok(Ok(())))
    }

    pub async fn flush(&mut self) -> bool {
        matches!(timeout(PATIENCE, async { self.0.sink.lock().await.flush().await }).await, Ok(Ok(())))
    }

    /// Says why, waits until the viewer has read that far, and closes.
    pub async fn close(&mut self, why: Goodbye, incoming: &mut Incoming) {
        let (code, reason) = match why {
            Goodbye::Done => (1000u16, "that was all"),
            Goodbye::Stopping => (1001, "the server is stopping; come back in a minute"),
            Goodbye::Gone => (1011, "this cannot be followed any more"),
        };
        if incoming.ended || !self.send(Message::close_with(code, reason)).await {
            return;
        }
        // A socket that is closed while something lies in it unread, such as the answer to a ping, is reset, and a slow
        // viewer loses what it has not read. So its own goodbye is waited for (RFC 6455, 7.1.1).
        let answered = async { while incoming.next().await.is_some() {} };
        let _ = timeout(PATIENCE, answered).await;
    }
}

/// The receiving half of a socket.
pub struct Incoming {
    line: Arc<Line>,
    /// The viewer's close frame has come.
    closing: bool,
    ended: bool,
}

impl Incoming {
    /// The next message that is no close frame; `None` when the viewer has closed, broken the protocol or gone. A close frame
    /// is answered with the same code (RFC 6455, 5.5.1). May be dropped and called again.
    pub async fn next(&mut self) -> Option<Message> {
        let mut stream = self.line.stream.lock().await;
        while !self.ended && !self.closing {
            match stream.next().await {
                Some(Ok(message)) if message.is_close() => self.closing = true,
                Some(Ok(message)) => return Some(message),
                Some(Err(error)) => {
                    if let Some(code) = violation(&error) {
                        let _ = self.line.violation.set(code);
                    }
                    self.ended = true;
                }
                None => self.ended = true,
            }
        }
        if self.closing && !self.ended {
            // The answer is sent while the stream is read on.
            let answered = async { while stream.next().await.is_some_and(|message| message.is_ok()) {} };
            let _ = timeout(CLOSE_PATIENCE, answered).await;
            self.ended = true;
        }
        None
    }
}

/// The close code that names an error of the viewer's (RFC 6455, 7.4.1); `None`: the connection broke.
fn violation(error: &warp::Error) -> Option<u16> {
    match error.source()?.downcast_ref::<tungstenite::Error>()? {
        tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => None,
        tungstenite::Error::Protocol(_) | tungstenite::Error::AttackAttempt => Some(1002),
        tungstenite::Error::Utf8(_) => Some(1007),
        tungstenite::Error::Capacity(_) => Some(1009),
        _ => None,
    }
}

/// A request to open a socket.
pub struct Asked {
    ws: Ws,
    visitor: Visitor,
}

/// Passes requests to open a socket.
pub fn asked() -> impl Filter<Extract = (Asked,), Error = Rejection> + Copy {
    warp::ws().and(warp::ext::get::<Visitor>()).map(|ws, visitor| Asked { ws, visitor })
}

/// Accepts a socket of small messages and runs `serve` on it.
pub fn accept<F, Fut>(web: Arc<Web>, asked: Asked, serve: F) -> Result<Response>
where
    F: FnOnce(Arc<Web>, Sender, Incoming) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    accept_large(web, asked, MAX_MESSAGE, serve)
}

/// As [`accept`], for messages of up to `most` bytes.
pub fn accept_large<F, Fut>(web: Arc<Web>, asked: Asked, most: usize, serve: F) -> Result<Response>
where
    F: FnOnce(Arc<Web>, Sender, Incoming) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let activity = Activity::new(CancellationToken::new());
    // A viewer never gives way to another one.
    let watching = activity.begin();
    let place = web
        .viewers
        .enter(asked.visitor.address, false, &activity)
        .ok_or_else(|| fault!(Busy, "As many viewers as this server takes are connected: try again in a minute."))?;
    let tracked = web.sockets.token();
    let upgrade = asked.ws.max_message_size(most).max_frame_size(most).on_upgrade(move |socket| async move {
        let _held = (place, watching, tracked);
        web.meter.viewers.inc();
        let meter = web.meter.clone();
        let (sink, stream) = socket.split();
        let line = Arc::new(Line { sink: Mutex::new(sink), stream: Mutex::new(stream), violation: OnceLock::new() });
        serve(web, Sender(line.clone()), Incoming { line: line.clone(), closing: false, ended: false }).await;
        line.end().await;
        meter.viewers.dec();
    });
    Ok(upgrade.into_response())
}

/// An error as the channel says it.
pub fn error_message(error: &Error) -> Message {
    Message::text(serde_json::json!({"type": "error", "detail": error.detail}).to_string())
}
