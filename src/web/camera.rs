//! `GET /api/camera`: a visitor's camera as pictures over a WebSocket, each answered in order.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::mpsc;
use warp::{Filter, filters::BoxedFilter, reply::Response, ws::Message};

use super::{
    Web, blocking,
    problem::answer,
    query::Query,
    socket::{self, Asked, Goodbye},
    stream_events::{Order, obey, status},
    with,
};
use crate::{
    error::Result,
    jobs::{Manner, StreamKind, Wishes},
    media::pushed,
};

/// Bytes of one picture.
const MAX_PICTURE: usize = 16 << 20;
/// Answers that wait for a slow reader; beyond them the work waits, and then pictures give way.
const WAITING: usize = 16;
const PING_EVERY: Duration = Duration::from_secs(20);

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    warp::path!("api" / "camera")
        .and(warp::get())
        .and(with(web))
        .and(warp::query::<HashMap<String, String>>())
        .and(socket::asked())
        .and_then(|web, query, ws| answer(open(web, Query(query), ws)))
        .boxed()
}

/// Detects on pictures as they come.
#[utoipa::path(get, path = "/api/camera", tag = "streams",
    params(("model" = Option<String>, Query), ("threshold" = Option<f32>, Query), ("name" = Option<String>, Query)),
    responses((status = 101, description = "WebSocket; each binary message is a JPEG, PNG or WebP picture and is answered with one text message"),
        (status = 400, body = super::problem::Problem), (status = 404, body = super::problem::Problem),
        (status = 429, body = super::problem::Problem)))]
pub async fn open(web: Arc<Web>, query: Query, ws: Asked) -> Result<Response> {
    let wishes = Wishes {
        name: query.text("name").map(str::to_owned),
        model: query.text("model").map(str::to_owned),
        threshold: query.threshold()?,
    };
    let info = web.streams.describe(StreamKind::Jpeg, wishes)?;
    web.streams.check_room()?;
    socket::accept_large(web, ws, MAX_PICTURE, move |web, mut sender, mut incoming| async move {
        let (pusher, source) = pushed(&info.id, &web.limits);
        let (answers, mut told) = mpsc::channel::<String>(WAITING);
        let direct = Box::new(move |text: &str| answers.blocking_send(text.to_owned()).is_ok());
        let manner = Manner { mark: None, direct: Some(direct), answers: true };
        let streams = web.streams.clone();
        let stream = match blocking(move || streams.start(info, Box::new(source), manner)).await {
            Ok(stream) => stream,
            Err(error) => {
                sender.send(socket::error_message(&error)).await;
                return sender.close(Goodbye::Gone, &mut incoming).await;
            }
        };
        // One for which too many were unanswered: until it is taken, no more are read.
        let mut held: Option<Bytes> = None;
        let mut ping = tokio::time::interval(PING_EVERY);
        let goodbye = loop {
            tokio::select! {
                answer = told.recv() => {
                    held = held.filter(|picture| !pusher.push(picture.clone()));
                    let Some(answer) = answer else { break Goodbye::Done };
                    if !sender.send(Message::text(answer)).await {
                        break Goodbye::Gone;
                    }
                }
                message = incoming.next(), if held.is_none() => match message {
                    Some(message) if message.is_binary() => {
                        held = Some(message.into_bytes()).filter(|picture| !pusher.push(picture.clone()));
                    }
                    Some(message) => {
                        let Ok(text) = message.to_str() else { continue };
                        let (obeys, order) = (stream.clone(), text.to_owned());
                        let _ = blocking(move || {
                            obey(&obeys, &order);
                            Ok(())
                        })
                        .await;
                        if Order::read(text) == Some(Order::Status) {
                            let Ok(status) = status(&stream).await else { break Goodbye::Gone };
                            if !sender.send(Message::text(status.as_ref())).await {
                                break Goodbye::Gone;
                            }
                        }
                    }
                    _ => break Goodbye::Gone,
                },
                _ = ping.tick() => if !sender.send(Message::ping(Vec::new())).await { break Goodbye::Gone },
                () = web.shutdown.cancelled() => break Goodbye::Stopping,
            }
        };
        // Nobody reads answers any more, so the stream's thread does not wait for room; and no picture comes.
        drop(told);
        pusher.close();
        sender.close(goodbye, &mut incoming).await;
    })
}
