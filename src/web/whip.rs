//! `POST /api/streams/whip`: a camera by WebRTC (WHIP, RFC 9725).

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, Weak},
};

use bytes::Buf;
use futures_util::Stream as Chunks;
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    reply::Response,
};

use super::{
    Web, blocking, body,
    problem::{Problem, answer},
    query::Query,
    stream_events::obey,
    streams::locate,
    visitor::Visitor,
    with,
};
use crate::{
    config::IceServer,
    error::Result,
    fault,
    jobs::{Manner, Stream, StreamKind, Wishes},
    media::{WebRtcOptions, WebRtcSource},
};

/// Bytes of an offer; browsers send about ten thousand.
const MOST: usize = 128 * 1024;

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    let offered = warp::path!("api" / "streams" / "whip")
        .and(warp::post())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Visitor>())
        .and(warp::query::<HashMap<String, String>>())
        .and(warp::body::stream())
        .and(with(web))
        .and_then(|headers, visitor, query, body, web| answer(create(headers, visitor, Query(query), body, web)));
    let asked = warp::path!("api" / "streams" / "whip")
        .and(warp::options())
        .and(with(web))
        .and_then(|web: Arc<Web>| answer(async move { Ok(options(&web)) }));
    offered.or(asked).unify().boxed()
}

/// Starts a stream from an offer.
#[utoipa::path(post, path = "/api/streams/whip", tag = "streams",
    params(("model" = Option<String>, Query), ("threshold" = Option<f32>, Query), ("name" = Option<String>, Query),
        ("mark" = Option<String>, Query, description = "S/H: the lowest S of H rows hold a frame mark")),
    request_body(content = String, content_type = "application/sdp"),
    responses((status = 201, body = String, content_type = "application/sdp", headers(("Location" = String), ("Link" = String))),
        (status = 400, body = Problem), (status = 404, body = Problem, description = "No such model"),
        (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub async fn create<S, B>(
    headers: HeaderMap,
    visitor: Visitor,
    query: Query,
    body: S,
    web: Arc<Web>,
) -> Result<Response>
where
    S: Chunks<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/sdp") {
        return Err(fault!(NotMedia, "The body must be an SDP offer: send it with `Content-Type: application/sdp`."));
    }
    let mark = query.text("mark").map(str::parse).transpose()?;
    let wishes = Wishes {
        name: query.text("name").map(str::to_owned),
        model: query.text("model").map(str::to_owned),
        threshold: query.threshold()?,
    };
    web.streams.check_room()?;
    let offer = body::small(body, MOST).await?;
    let offer = String::from_utf8(offer).map_err(|_| fault!(NotMedia, "The SDP offer is not text in UTF-8."))?;
    let options = WebRtcOptions { peer: Some(visitor.address), ..web.webrtc.clone() };
    let state = web.clone();
    let (id, answer) = blocking(move || {
        let info = web.streams.describe(StreamKind::Webrtc, wishes)?;
        let id = info.id.clone();
        // Messages may come before the stream is there to obey them; those are of no use to anybody.
        let stream: Arc<OnceLock<Weak<Stream>>> = Arc::default();
        let obeys = stream.clone();
        let heard = Box::new(move |text: &str| {
            if let Some(stream) = obeys.get().and_then(Weak::upgrade) {
                obey(&stream, text);
            }
        });
        let (source, answer) = WebRtcSource::answer(&id, &offer, &options, heard)?;
        let channel = source.channel();
        let direct = Box::new(move |text: &str| channel.send(text));
        let manner = Manner { mark, direct: Some(direct), answers: false };
        let started = web.streams.start(info, Box::new(source), manner)?;
        let _ = stream.set(Arc::downgrade(&started));
        Ok((id, answer))
    })
    .await?;
    let mut response = Response::new(bytes::Bytes::from(answer).into());
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/sdp"));
    locate(&mut response, &format!("/api/streams/{id}"));
    link(&mut response, &state.live.ice_server);
    Ok(response)
}

/// What a client may ask before it makes its offer (RFC 9725, 4.6).
fn options(web: &Web) -> Response {
    let mut response = Response::new(bytes::Bytes::new().into());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert("accept-post", HeaderValue::from_static("application/sdp"));
    link(&mut response, &web.live.ice_server);
    response
}

/// ICE servers as `Link` headers (RFC 9725, 4.6).
fn link(response: &mut Response, servers: &[IceServer]) {
    for IceServer { urls, username, credential } in servers {
        let quoted = |text: &str| text.replace(['\\', '"'], "");
        let mut link = format!("<{urls}>; rel=\"ice-server\"");
        if let (Some(username), Some(credential)) = (username, credential) {
            let (username, credential) = (quoted(username), quoted(credential));
            link += &format!("; username=\"{username}\"; credential=\"{credential}\"; credential-type=\"password\"");
        }
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().append(header::LINK, link);
        }
    }
}
