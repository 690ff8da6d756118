//! `/api/streams`: cameras and other live sources, and what a page must know before it starts one.

use std::{collections::HashMap, sync::Arc};

use bytes::Buf;
use futures_util::Stream;
use serde::Serialize;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

use super::{
    Web, blocking, body,
    problem::{Problem, answer},
    query::{Query, is_id},
    recordings, with,
};
use crate::{
    config::IceServer,
    error::Result,
    fault,
    jobs::{NewNetworkStream, Recording, StreamInfo, StreamKind},
};

/// Bytes of a network camera's description.
const MOST: usize = 16 * 1024;

/// A page of a list, newest first.
#[derive(Serialize, utoipa::ToSchema)]
pub struct StreamPage {
    pub items: Vec<StreamInfo>,
    /// For `?cursor=` of the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// A page of a list, newest first.
#[derive(Serialize, utoipa::ToSchema)]
pub struct RecordingPage {
    pub items: Vec<Recording>,
    /// For `?cursor=` of the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// What a page must know of the server.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Settings<'a> {
    /// As `RTCPeerConnection` takes them.
    #[schema(value_type = Vec<Object>)]
    pub ice_servers: &'a [IceServer],
    /// Streams at the same time.
    pub streams_max: usize,
    /// Schemes that network cameras may have.
    pub stream_schemes: &'a [String],
}

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    let known = warp::path!("api" / "settings")
        .and(warp::get())
        .and(with(web))
        .and_then(|web: Arc<Web>| answer(async move { settings(&web) }));
    let listed = warp::path!("api" / "streams")
        .and(warp::get())
        .and(with(web))
        .and(warp::query::<HashMap<String, String>>())
        .and_then(|web, query| answer(list(web, Query(query))));
    let added = warp::path!("api" / "streams")
        .and(warp::post())
        .and(warp::body::stream())
        .and(with(web))
        .and_then(|body, web| answer(create(body, web)));
    let one = warp::path!("api" / "streams" / String)
        .and(warp::get())
        .and(with(web))
        .and_then(|id, web| answer(get(id, web)));
    let gone = warp::path!("api" / "streams" / String)
        .and(warp::delete())
        .and(with(web))
        .and_then(|id, web| answer(delete(id, web)));
    let paused = warp::path!("api" / "streams" / String / "pause")
        .and(warp::post())
        .and(with(web))
        .and_then(|id, web| answer(pause(id, web)));
    let resumed = warp::path!("api" / "streams" / String / "resume")
        .and(warp::post())
        .and(with(web))
        .and_then(|id, web| answer(resume(id, web)));
    let recorded = warp::path!("api" / "streams" / String / "recordings")
        .and(warp::post())
        .and(warp::body::stream())
        .and(with(web))
        .and_then(|id, body, web| answer(record(id, body, web)));
    let earlier = warp::path!("api" / "streams" / String / "recordings")
        .and(warp::get())
        .and(with(web))
        .and(warp::query::<HashMap<String, String>>())
        .and_then(|id, web, query| answer(recorded_so_far(id, web, Query(query))));
    listed
        .or(added)
        .unify()
        .or(one)
        .unify()
        .or(gone)
        .unify()
        .or(paused)
        .unify()
        .or(resumed)
        .unify()
        .or(recorded)
        .unify()
        .or(earlier)
        .unify()
        .or(known)
        .unify()
        .boxed()
}

fn json<T: Serialize>(body: &T) -> Response {
    warp::reply::json(body).into_response()
}

/// Tells what a page must know of the server.
#[utoipa::path(get, path = "/api/settings", tag = "streams", responses((status = 200, body = Settings)))]
pub fn settings(web: &Web) -> Result<Response> {
    Ok(json(&Settings {
        ice_servers: &web.live.ice_server,
        streams_max: web.live.max_streams,
        stream_schemes: &web.live.stream_schemes,
    }))
}

/// Lists live streams, newest first.
#[utoipa::path(get, path = "/api/streams", tag = "streams",
    params(("limit" = Option<usize>, Query, description = "1 to 200, 50 if not given"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = StreamPage), (status = 400, body = Problem)))]
pub async fn list(web: Arc<Web>, query: Query) -> Result<Response> {
    let limit = query.limit()?;
    let all = blocking(move || Ok(web.streams.list())).await?;
    // Streams come and go, so a page begins behind the one that the page before ended with.
    let from = match query.cursor_id()? {
        None => 0,
        Some(cursor) => all.iter().position(|stream| stream.id == cursor).map_or(all.len(), |at| at + 1),
    };
    let items: Vec<StreamInfo> = all.iter().skip(from).take(limit).cloned().collect();
    let next_cursor = items.last().filter(|_| from + limit < all.len()).map(|stream| stream.id.clone());
    Ok(json(&StreamPage { items, next_cursor }))
}

/// Takes on a network camera.
#[utoipa::path(post, path = "/api/streams", tag = "streams", request_body(content = NewNetworkStream),
    responses((status = 201, body = StreamInfo, headers(("Location" = String))), (status = 400, body = Problem),
        (status = 403, body = Problem, description = "A scheme or network that the operator has not allowed"),
        (status = 404, body = Problem, description = "No such model"), (status = 429, body = Problem)))]
pub async fn create<S, B>(body: S, web: Arc<Web>) -> Result<Response>
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let body = body::small(body, MOST).await?;
    // The words of serde may hold a piece of the body, and that may be a password.
    let new: NewNetworkStream = serde_json::from_slice(&body).map_err(|error| {
        fault!(
            BadRequest,
            "The body must be JSON such as {{\"url\":\"rtsp://…\"}}, with name, model and threshold if wanted \
             (line {}, column {}).",
            error.line(),
            error.column()
        )
    })?;
    let info = blocking(move || Ok(web.streams.add_network(new)?.info())).await?;
    let mut response = json(&info);
    *response.status_mut() = StatusCode::CREATED;
    locate(&mut response, &format!("/api/streams/{}", info.id));
    Ok(response)
}

/// Says where what was made is found.
pub(super) fn locate(response: &mut Response, at: &str) {
    if let Ok(location) = HeaderValue::from_str(at) {
        response.headers_mut().insert(header::LOCATION, location);
    }
}

/// Tells how a stream goes.
#[utoipa::path(get, path = "/api/streams/{id}", tag = "streams", params(("id" = String, Path)),
    responses((status = 200, body = StreamInfo), (status = 404, body = Problem)))]
pub async fn get(id: String, web: Arc<Web>) -> Result<Response> {
    Ok(json(&blocking(move || Ok(web.streams.get(&id)?.info())).await?))
}

/// Ends a stream; its recordings stay.
#[utoipa::path(delete, path = "/api/streams/{id}", tag = "streams", params(("id" = String, Path)),
    responses((status = 200, description = "Ended, of a WHIP session"), (status = 204, description = "Ended"),
        (status = 404, body = Problem)))]
pub async fn delete(id: String, web: Arc<Web>) -> Result<Response> {
    let kind = blocking(move || {
        let kind = web.streams.get(&id)?.info().kind;
        web.streams.delete(&id)?;
        Ok(kind)
    })
    .await?;
    // RFC 9725, 4.2 asks for 200.
    let status = if kind == StreamKind::Webrtc { StatusCode::OK } else { StatusCode::NO_CONTENT };
    Ok(status.into_response())
}

/// Stops detection on a stream until it is resumed.
#[utoipa::path(post, path = "/api/streams/{id}/pause", tag = "streams", params(("id" = String, Path)),
    responses((status = 200, body = StreamInfo), (status = 404, body = Problem)))]
pub async fn pause(id: String, web: Arc<Web>) -> Result<Response> {
    set_paused(id, web, true).await
}

/// Goes on with a paused stream, from now.
#[utoipa::path(post, path = "/api/streams/{id}/resume", tag = "streams", params(("id" = String, Path)),
    responses((status = 200, body = StreamInfo), (status = 404, body = Problem)))]
pub async fn resume(id: String, web: Arc<Web>) -> Result<Response> {
    set_paused(id, web, false).await
}

async fn set_paused(id: String, web: Arc<Web>, paused: bool) -> Result<Response> {
    let stream = web.streams.get(&id)?;
    let info = blocking(move || {
        if stream.pause(paused) {
            web.jobs.keep_stream(&stream);
        }
        Ok(stream.info())
    })
    .await?;
    Ok(json(&info))
}

/// Starts to record a stream into an annotated file.
#[utoipa::path(post, path = "/api/streams/{id}/recordings", tag = "streams", params(("id" = String, Path)),
    request_body(content = crate::jobs::RecordingOptions, description = "What to write and draw; an empty body is an AVI with everything"),
    responses((status = 202, body = Recording, headers(("Location" = String))), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem, description = "It is being recorded, or no picture has come"),
        (status = 507, body = Problem)))]
pub async fn record<S, B>(id: String, body: S, web: Arc<Web>) -> Result<Response>
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let options = recordings::options(body).await?;
    let recording = blocking(move || web.streams.record(&id, options)).await?;
    let mut response = json(&recording);
    *response.status_mut() = StatusCode::ACCEPTED;
    locate(&mut response, &format!("/api/recordings/{}", recording.id));
    Ok(response)
}

/// Lists the recordings of a stream, newest first; also of one that has ended.
#[utoipa::path(get, path = "/api/streams/{id}/recordings", tag = "streams",
    params(("id" = String, Path), ("limit" = Option<usize>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = RecordingPage), (status = 400, body = Problem)))]
pub async fn recorded_so_far(id: String, web: Arc<Web>, query: Query) -> Result<Response> {
    let limit = query.limit()?;
    let cursor = query.cursor()?;
    // A stream that has ended is known by its recordings alone; this is none.
    if !is_id(&id) {
        return Err(fault!(NotFound, "There is no such stream."));
    }
    let mut items = blocking(move || web.jobs.store.recordings_of_stream(&id, cursor, limit + 1)).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|recording| recording.seq.to_string());
    Ok(json(&RecordingPage { items, next_cursor }))
}
