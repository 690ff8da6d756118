//! `GET /api/videos/{id}/pictures`: upright JPEG frames with their events, for browsers that cannot decode the file.
//!
//! Each frame is its event as text, then its picture as a binary message. The viewer asks for so many with
//! `{"type":"more","count":n}`; so it paces the server and a paused one costs nothing but an idle decoder.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use warp::{Filter, filters::BoxedFilter, reply::Response, ws::Message};

use super::{
    Web, blocking,
    events::frame_event,
    problem::answer,
    query::Query,
    socket::{self, Asked, Goodbye},
    with,
};
use crate::{
    error::Result,
    fault,
    jobs::{Following, FrameRow, Video, VideoState},
    media::{FilePictures, Picture},
};

/// Pictures are not wider than this: enough for a page, cheap enough to send.
const MAX_WIDTH: u32 = 1280;
/// A picture and an event belong together when their times differ by less than this (seconds).
const SAME_TIME: f64 = 0.0005;
/// Credits that a viewer may pile up.
pub(super) const MAX_CREDIT: u32 = 64;

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    warp::path!("api" / "videos" / String / "pictures")
        .and(warp::get())
        .and(with(web))
        .and(warp::query::<HashMap<String, String>>())
        .and(socket::asked())
        .and_then(|id, web, query, ws| answer(open(id, web, Query(query), ws)))
        .boxed()
}

/// Follows a video as pictures.
#[utoipa::path(get, path = "/api/videos/{id}/pictures", tag = "videos",
    params(("id" = String, Path), ("from" = Option<u64>, Query, description = "first frame to be sent")),
    responses((status = 101, description = "WebSocket; for each frame a `FrameEvent` as text, then its JPEG as binary"),
        (status = 404, body = super::problem::Problem), (status = 429, body = super::problem::Problem)))]
pub async fn open(id: String, web: Arc<Web>, query: Query, ws: Asked) -> Result<Response> {
    let from = query.count("from", 0)?.unwrap_or(0);
    let (video, changes) = blocking({
        let web = web.clone();
        move || Ok((web.jobs.video(&id)?, web.jobs.follow(&id)?))
    })
    .await?;
    let decoder = web.pictures.clone().try_acquire_owned().map_err(|_| {
        fault!(Busy, "As many viewers as this server decodes for are connected: try again in a minute.")
    })?;
    socket::accept(web, ws, move |web, mut sender, mut incoming| async move {
        let _decoder = decoder;
        // The decoding thread is asked for one picture at a time and ends when `wanted` is dropped.
        let (wanted, wants) = mpsc::channel::<()>(1);
        let (give, mut gets) = mpsc::channel::<Result<(FrameRow, Picture)>>(2);
        let worker = web.clone();
        let gone = CancellationToken::new();
        let _gone = gone.clone().drop_guard();
        let mut frames = frames(changes, web.shutdown.clone(), gone);
        let thread = std::thread::Builder::new().name("pictures".into());
        if thread.spawn(move || decode(&worker, &video, from, wants, &give, &mut frames)).is_err() {
            return;
        }
        let mut credit = 0u32;
        let mut asked = false;
        let goodbye = loop {
            if credit > 0 && !asked {
                asked = wanted.try_send(()).is_ok();
            }
            tokio::select! {
                picture = gets.recv(), if asked => {
                    asked = false;
                    credit -= 1;
                    match picture {
                        Some(Ok((row, picture))) => {
                            let sent = sender.feed(Message::text(frame_event(&row))).await
                                && sender.send(Message::binary(picture.jpeg)).await;
                            if !sent { return }
                        }
                        Some(Err(error)) => {
                            sender.send(socket::error_message(&error)).await;
                            break Goodbye::Gone;
                        }
                        // The thread hears of the stop as soon as this one does.
                        None if web.shutdown.is_cancelled() => break Goodbye::Stopping,
                        None => {
                            sender.send(Message::text(r#"{"type":"end"}"#)).await;
                            break Goodbye::Done;
                        }
                    }
                }
                message = incoming.next() => match message {
                    Some(message) => credit = (credit + more(&message)).min(MAX_CREDIT),
                    _ => return,
                },
                () = web.shutdown.cancelled() => break Goodbye::Stopping,
                () = tokio::time::sleep(Duration::from_secs(20)) => {
                    if !sender.send(Message::ping(Vec::new())).await { return }
                }
            }
        };
        sender.close(goodbye, &mut incoming).await;
    })
}

/// How many pictures a viewer's message asks for.
pub(super) fn more(message: &Message) -> u32 {
    #[derive(Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Ask {
        More { count: u32 },
    }
    match message.to_str().ok().and_then(|text| serde_json::from_str(text).ok()) {
        Some(Ask::More { count }) => count.min(MAX_CREDIT),
        None => 0,
    }
}

/// Decodes one picture for each message of `wants`, no further than frames are detected.
fn decode(
    web: &Web,
    video: &Video,
    from: u64,
    wants: mpsc::Receiver<()>,
    give: &mpsc::Sender<Result<(FrameRow, Picture)>>,
    frames: &mut Frames,
) {
    if let Err(error) = decode_or_say(web, video, from, wants, give, frames) {
        let _ = give.blocking_send(Err(error));
    }
}

fn decode_or_say(
    web: &Web,
    video: &Video,
    mut next: u64,
    mut wants: mpsc::Receiver<()>,
    give: &mpsc::Sender<Result<(FrameRow, Picture)>>,
    frames: &mut Frames,
) -> Result<()> {
    let mut pictures: Option<FilePictures> = None;
    while wants.blocking_recv().is_some() {
        let Some(row) = frames.wait_for(web, video, next)? else { return Ok(()) };
        let source = match &mut pictures {
            Some(source) => source,
            none => {
                none.insert(FilePictures::open(&web.jobs.files.source(&video.id), &web.limits, row.time, MAX_WIDTH)?)
            }
        };
        // The time is what makes a picture and an event the same frame; pictures before the first one are passed over.
        let picture = loop {
            match source.next_picture()? {
                Some(picture) if picture.time < row.time - SAME_TIME => {}
                other => break other,
            }
        };
        let Some(picture) = picture else { return Ok(()) };
        next = row.frame + 1;
        if picture.time > row.time + SAME_TIME {
            return Err(fault!(Internal, "The picture of frame {} could not be found in the file.", row.frame));
        }
        if give.blocking_send(Ok((row, picture))).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// How a decoding thread waits for frames that are not there yet.
struct Frames {
    snapshot: Following,
    /// A message after each change; closed when the viewer is gone or the server stops.
    changed: mpsc::Receiver<()>,
}

/// Tells a decoding thread of what the hub announces, until the viewer is gone.
fn frames(mut changes: Following, stop: CancellationToken, gone: CancellationToken) -> Frames {
    let (tell, changed) = mpsc::channel(1);
    let snapshot = changes.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                change = changes.changed() => if change.is_err() { return },
                () = stop.cancelled() => return,
                () = gone.cancelled() => return,
                () = tell.closed() => return,
            }
            // A message that waits stands for this change, too.
            let _ = tell.try_send(());
        }
    });
    Frames { snapshot, changed }
}

impl Frames {
    /// The stored frame `number`, as soon as it is there; None at the end of the video or when the viewer is gone.
    fn wait_for(&mut self, web: &Web, video: &Video, number: u64) -> Result<Option<FrameRow>> {
        loop {
            // Asked before the store is read: frames stored in between are not missed.
            let state = self.snapshot.borrow().video.as_ref().map(|video| video.state);
            if let Some(row) = web.jobs.store.frames(video.seq, number, 1)?.pop() {
                return Ok(Some(row));
            }
            if state.is_none_or(VideoState::is_final) || self.changed.blocking_recv().is_none() {
                return Ok(None);
            }
        }
    }
}
