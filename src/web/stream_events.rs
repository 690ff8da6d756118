//! `GET /api/streams/{id}/events`: what is found on a live stream, from now on.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use warp::{Filter, filters::BoxedFilter, reply::Response, ws::Message};

use super::{
    Web, blocking,
    problem::answer,
    socket::{self, Asked, Goodbye},
    with,
};
use crate::{error::Result, jobs::Stream};

const PING_EVERY: Duration = Duration::from_secs(20);

/// What a viewer or a sender may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Order {
    Pause,
    Resume,
    /// Asks how the stream stands.
    Status,
    /// Says only that the sender is still there.
    Ping,
}

impl Order {
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// Does what a message asks for; what is not understood is passed over.
pub fn obey(stream: &Stream, text: &str) {
    match Order::read(text) {
        Some(Order::Pause) => drop(stream.pause(true)),
        Some(Order::Resume) => drop(stream.pause(false)),
        Some(Order::Status | Order::Ping) | None => {}
    }
}

/// How a stream stands, as an event. Not on an async thread: the recorder's lock is held while a recording starts.
pub(super) async fn status(stream: &Arc<Stream>) -> Result<Arc<str>> {
    let stream = stream.clone();
    blocking(move || Ok(stream.status())).await
}

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    warp::path!("api" / "streams" / String / "events")
        .and(warp::get())
        .and(with(web))
        .and(socket::asked())
        .and_then(|id, web, ws| answer(open(id, web, ws)))
        .boxed()
}

/// Follows a live stream's events.
#[utoipa::path(get, path = "/api/streams/{id}/events", tag = "streams", params(("id" = String, Path)),
    responses((status = 101, description = "WebSocket; text messages as described in docs/ref/api.md"),
        (status = 404, body = super::problem::Problem), (status = 429, body = super::problem::Problem)))]
pub async fn open(id: String, web: Arc<Web>, ws: Asked) -> Result<Response> {
    let stream = web.streams.get(&id)?;
    socket::accept(web, ws, move |web, mut sender, mut incoming| async move {
        let mut events = stream.follow();
        // After following and before the first event: nothing lies between.
        let mut ended = stream.ended();
        let Ok(status) = status(&stream).await else { return };
        if !sender.send(Message::text(status.as_ref())).await {
            return;
        }
        if *ended.borrow_and_update() {
            sender.send(Message::text(r#"{"type":"end"}"#)).await;
            return sender.close(Goodbye::Done, &mut incoming).await;
        }
        let mut ping = tokio::time::interval(PING_EVERY);
        let goodbye = loop {
            tokio::select! {
                event = events.recv() => {
                    let text = match event {
                        Ok(event) => event,
                        Err(RecvError::Lagged(count)) => format!(r#"{{"type":"dropped","count":{count}}}"#).into(),
                        Err(RecvError::Closed) => break Goodbye::Done,
                    };
                    if !sender.send(Message::text(text.as_ref())).await {
                        return;
                    }
                }
                // All events are sent before this is set; the last ones may still lie in the channel.
                _ = ended.changed() => {
                    while let Ok(event) = events.try_recv() {
                        if !sender.send(Message::text(event.as_ref())).await {
                            return;
                        }
                    }
                    break Goodbye::Done;
                }
                message = incoming.next() => match message {
                    Some(message) => {
                        if let Ok(text) = message.to_str() {
                            let (web, stream, text) = (web.clone(), stream.clone(), text.to_owned());
                            let _ = blocking(move || {
                                obey(&stream, &text);
                                web.jobs.keep_stream(&stream);
                                Ok(())
                            })
                            .await;
                        }
                    }
                    _ => return,
                },
                _ = ping.tick() => if !sender.send(Message::ping(Vec::new())).await { return },
                () = web.shutdown.cancelled() => break Goodbye::Stopping,
            }
        };
        sender.close(goodbye, &mut incoming).await;
    })
}
