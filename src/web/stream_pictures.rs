//! `GET /api/streams/{id}/pictures`: a live stream's upright frames as JPEG, each with its event.
//!
//! The viewer asks for so many with `{"type":"more","count":n}` and then gets the newest; so a slow one sees fewer frames,
//! never old ones.

use std::{collections::HashMap, sync::Arc, time::Duration};

use warp::{Filter, filters::BoxedFilter, reply::Response, ws::Message};

use super::{
    Web,
    pictures::{MAX_CREDIT, more},
    problem::answer,
    query::Query,
    socket::{self, Asked, Goodbye},
    with,
};
use crate::error::Result;

const PING_EVERY: Duration = Duration::from_secs(20);

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    warp::path!("api" / "streams" / String / "pictures")
        .and(warp::get())
        .and(with(web))
        .and(warp::query::<HashMap<String, String>>())
        .and(socket::asked())
        .and_then(|id, web, query, ws| answer(open(id, web, Query(query), ws)))
        .boxed()
}

/// Follows a live stream as pictures.
#[utoipa::path(get, path = "/api/streams/{id}/pictures", tag = "streams",
    params(("id" = String, Path), ("width" = Option<u32>, Query, description = "of the pictures at most: 480 or 1280")),
    responses((status = 101, description = "WebSocket; for each frame a `FrameEvent` as text, then its JPEG as binary"),
        (status = 400, body = super::problem::Problem), (status = 404, body = super::problem::Problem),
        (status = 429, body = super::problem::Problem)))]
pub async fn open(id: String, web: Arc<Web>, query: Query, ws: Asked) -> Result<Response> {
    let stream = web.streams.get(&id)?;
    let width = query.count("width", 1)?.map_or(u32::MAX, |width| u32::try_from(width).unwrap_or(u32::MAX));
    let mut follower = stream.pictures.follow(width)?;
    socket::accept(web, ws, move |web, mut sender, mut incoming| async move {
        let mut ended = stream.ended();
        // What earlier viewers saw last may be old; the newest frame is encoded for who comes.
        follower.shown.borrow_and_update();
        let mut credit = 0u32;
        let mut last: Option<u64> = None;
        let mut ping = tokio::time::interval(PING_EVERY);
        let goodbye = loop {
            tokio::select! {
                changed = follower.shown.changed(), if credit > 0 => {
                    if changed.is_err() {
                        break Goodbye::Done;
                    }
                    let Some(shown) = follower.shown.borrow_and_update().clone() else { continue };
                    let missed = last.map_or(0, |last| shown.number.saturating_sub(last + 1));
                    if last.replace(shown.number) == Some(shown.number) {
                        continue;
                    }
                    credit -= 1;
                    let told = missed == 0
                        || sender.feed(Message::text(format!(r#"{{"type":"dropped","count":{missed}}}"#))).await;
                    if !(told
                        && sender.feed(Message::text(shown.event.as_ref())).await
                        && sender.send(Message::binary(shown.jpeg.clone())).await)
                    {
                        return;
                    }
                }
                message = incoming.next() => match message {
                    Some(message) => credit = (credit + more(&message)).min(MAX_CREDIT),
                    _ => return,
                },
                () = async { drop(ended.wait_for(|ended| *ended).await) } => {
                    sender.send(Message::text(r#"{"type":"end"}"#)).await;
                    break Goodbye::Done;
                }
                _ = ping.tick() => if !sender.send(Message::ping(Vec::new())).await { return },
                () = web.shutdown.cancelled() => break Goodbye::Stopping,
            }
        };
        sender.close(goodbye, &mut incoming).await;
    })
}
