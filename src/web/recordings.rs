//! `/api/recordings`: annotated copies of videos.

use std::sync::Arc;

use bytes::Buf;
use futures_util::{Stream, StreamExt};
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    reply::Response,
};

use super::{
    Web, blocking,
    problem::{Problem, answer},
    ranged, with,
};
use crate::{
    error::Result,
    fault,
    jobs::{Recording, RecordingOptions, RecordingState},
};

/// Bytes of a recording's options.
const MOST_OPTIONS: usize = 16 * 1024;

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    let create_route = warp::path!("api" / "videos" / String / "recordings")
        .and(warp::post())
        .and(warp::body::stream())
        .and(with(web))
        .and_then(|id, body, web| answer(create(id, body, web)));
    let one = warp::path!("api" / "recordings" / String)
        .and(warp::get())
        .and(with(web))
        .and_then(|id, web| answer(get(id, web)));
    let whole = warp::path!("api" / "recordings" / String / "file")
        .and(warp::get().or(warp::head()).unify())
        .and(with(web))
        .and(warp::header::headers_cloned())
        .and_then(|id, web, headers| answer(file(id, web, headers)));
    create_route.or(one).unify().or(whole).unify().boxed()
}

/// Starts an annotated copy of a video.
#[utoipa::path(post, path = "/api/videos/{id}/recordings", tag = "recordings", params(("id" = String, Path)),
    request_body(content = RecordingOptions, description = "What to write and draw; an empty body is an AVI with everything"),
    responses((status = 202, body = Recording, headers(("Location" = String))), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem, description = "The video is not done"), (status = 429, body = Problem)))]
pub async fn create<S, B>(id: String, body: S, web: Arc<Web>) -> Result<Response>
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let body = small_body(body).await?;
    let options: RecordingOptions = if body.is_empty() {
        RecordingOptions::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            fault!(
                BadRequest,
                "The body must be JSON such as {{\"format\":\"avi\"}} or {{\"format\":\"mp4\"}}: {error}."
            )
        })?
    };
    if options.threshold.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
        return Err(fault!(BadRequest, "`threshold` must lie between 0 and 1, for example 0.25."));
    }
    let recording = blocking(move || web.jobs.add_recording(&id, options)).await?;
    let mut response = warp::reply::json(&recording).into_response();
    *response.status_mut() = StatusCode::ACCEPTED;
    if let Ok(location) = HeaderValue::from_str(&format!("/api/recordings/{}", recording.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// A body that has no reason to be long, whether or not it says how long it is.
pub async fn small_body<B: Buf>(body: impl Stream<Item = Result<B, warp::Error>>) -> Result<Vec<u8>> {
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        let mut chunk =
            chunk.map_err(|error| fault!(BadRequest, "The request broke off: try again.").with_cause(error))?;
        if bytes.len() + chunk.remaining() > MOST_OPTIONS {
            return Err(fault!(TooLarge, "The body is larger than the {MOST_OPTIONS} bytes that this call takes."));
        }
        bytes.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining()));
    }
    Ok(bytes)
}

/// Tells how a recording stands.
#[utoipa::path(get, path = "/api/recordings/{id}", tag = "recordings", params(("id" = String, Path)),
    responses((status = 200, body = Recording), (status = 404, body = Problem)))]
pub async fn get(id: String, web: Arc<Web>) -> Result<Response> {
    let recording = blocking(move || web.jobs.recording(&id)).await?;
    Ok(warp::reply::json(&recording).into_response())
}

/// The annotated file.
#[utoipa::path(get, path = "/api/recordings/{id}/file", tag = "recordings", params(("id" = String, Path)),
    responses((status = 200, description = "The file", content_type = "video/*"), (status = 206, description = "The range that was asked for"),
        (status = 404, body = Problem), (status = 409, body = Problem, description = "It is not done"), (status = 416, body = Problem)))]
pub async fn file(id: String, web: Arc<Web>, headers: HeaderMap) -> Result<Response> {
    let jobs = web.jobs.clone();
    let (recording, video) = blocking(move || {
        let recording = jobs.recording(&id)?;
        let video = jobs.video(&recording.video)?;
        Ok((recording, video))
    })
    .await?;
    if recording.state != RecordingState::Done {
        let (done, total) = (recording.frames_done, recording.frames_total);
        return Err(match recording.error {
            Some(error) => fault!(Conflict, "The recording failed: {error}"),
            None => fault!(Conflict, "The recording is not ready: {done} of {total} frames are written."),
        });
    }
    let path = web.jobs.files.recording(&video.id, &recording.id, recording.format);
    let mut response = ranged::file(&path, &recording.id, recording.format.mime(), &headers).await?;
    let stem = video.name.rsplit_once('.').map_or(video.name.as_str(), |(stem, _)| stem);
    let name = format!("{stem}-detections.{}", recording.format.as_str());
    response.headers_mut().insert(header::CONTENT_DISPOSITION, ranged::attachment(&name));
    Ok(response)
}
