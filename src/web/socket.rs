//! What every WebSocket of the server does: a limit on their number, patience with slow viewers that ends, a heartbeat,
//! and a goodbye with a reason.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt, stream::SplitStream};
use tokio::sync::OwnedSemaphorePermit;
use warp::{
    Reply,
    reply::Response,
    ws::{Message, WebSocket, Ws},
};

use super::Web;
use crate::{
    error::{Error, Result},
    fault,
};

/// A viewer that takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(60);
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

/// The sending half of a socket.
pub struct Sender {
    sink: futures_util::stream::SplitSink<WebSocket, Message>,
}

impl Sender {
    /// Sends one message, waiting for a slow viewer. False when the viewer is gone.
    pub async fn send(&mut self, message: Message) -> bool {
        matches!(tokio::time::timeout(PATIENCE, self.sink.send(message)).await, Ok(Ok(())))
    }

    /// Queues a message without waiting until it is on its way; [`Sender::flush`] follows.
    pub async fn feed(&mut self, message: Message) -> bool {
        matches!(tokio::time::timeout(PATIENCE, self.sink.feed(message)).await, Ok(Ok(())))
    }

    pub async fn flush(&mut self) -> bool {
        matches!(tokio::time::timeout(PATIENCE, self.sink.flush()).await, Ok(Ok(())))
    }

    /// Says why, waits until the viewer has read that far, and closes.
    pub async fn close(&mut self, why: Goodbye, incoming: &mut SplitStream<WebSocket>) {
        let (code, reason) = match why {
            Goodbye::Done => (1000u16, "that was all"),
            Goodbye::Stopping => (1001, "the server is stopping; come back in a minute"),
            Goodbye::Gone => (1011, "this cannot be followed any more"),
        };
        if !self.send(Message::close_with(code, reason)).await {
            return;
        }
        // A socket that is closed while something lies in it unread, such as the answer to a ping, is reset, and a slow
        // viewer loses what it has not read. So its own goodbye is waited for (RFC 6455, 7.1.1).
        let answered =
            async { while incoming.next().await.is_some_and(|message| message.is_ok_and(|m| !m.is_close())) {} };
        let _ = tokio::time::timeout(PATIENCE, answered).await;
        let _ = tokio::time::timeout(Duration::from_secs(2), self.sink.close()).await;
    }
}

/// Accepts a socket of small messages and runs `serve` on it.
pub fn accept<F, Fut>(web: Arc<Web>, ws: Ws, serve: F) -> Result<Response>
where
    F: FnOnce(Arc<Web>, Sender, SplitStream<WebSocket>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    accept_large(web, ws, MAX_MESSAGE, serve)
}

/// As [`accept`], for messages of up to `most` bytes.
pub fn accept_large<F, Fut>(web: Arc<Web>, ws: Ws, most: usize, serve: F) -> Result<Response>
where
    F: FnOnce(Arc<Web>, Sender, SplitStream<WebSocket>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let permit: OwnedSemaphorePermit = web
        .viewers
        .clone()
        .try_acquire_owned()
        .map_err(|_| fault!(Busy, "As many viewers as this server takes are connected: try again in a minute."))?;
    let tracked = web.sockets.token();
    let upgrade = ws.max_message_size(most).max_frame_size(most).on_upgrade(move |socket| async move {
        let _held = (permit, tracked);
        web.meter.viewers.inc();
        let meter = web.meter.clone();
        let (sink, incoming) = socket.split();
        serve(web, Sender { sink }, incoming).await;
        meter.viewers.dec();
    });
    Ok(upgrade.into_response())
}

/// An error as the channel says it.
pub fn error_message(error: &Error) -> Message {
    Message::text(serde_json::json!({"type": "error", "detail": error.detail}).to_string())
}
