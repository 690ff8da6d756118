//! `/api/recordings`: annotated copies of videos.

use std::{collections::HashMap, sync::Arc};

use bytes::Buf;
use futures_util::Stream;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, StatusCode, header},
    reply::Response,
};

use super::{
    Web, blocking, body,
    problem::{Problem, answer},
    query::Query,
    ranged,
    streams::{RecordingPage, locate},
    with,
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
    let listed = warp::path!("api" / "videos" / String / "recordings")
        .and(warp::get())
        .and(with(web))
        .and(warp::query::<HashMap<String, String>>())
        .and_then(|id, web, query| answer(list(id, web, Query(query))));
    let one = warp::path!("api" / "recordings" / String)
        .and(warp::get())
        .and(with(web))
        .and_then(|id, web| answer(get(id, web)));
    let whole = warp::path!("api" / "recordings" / String / "file")
        .and(warp::get().or(warp::head()).unify())
        .and(with(web))
        .and(warp::header::headers_cloned())
        .and_then(|id, web, headers| answer(file(id, web, headers)));
    let ended = warp::path!("api" / "recordings" / String / "stop")
        .and(warp::post())
        .and(with(web))
        .and_then(|id, web| answer(stop(id, web)));
    let gone = warp::path!("api" / "recordings" / String)
        .and(warp::delete())
        .and(with(web))
        .and_then(|id, web| answer(delete(id, web)));
    create_route.or(listed).unify().or(one).unify().or(whole).unify().or(ended).unify().or(gone).unify().boxed()
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
    let options = options(body).await?;
    let recording = blocking(move || web.jobs.add_recording(&id, options)).await?;
    let mut response = warp::reply::json(&recording).into_response();
    *response.status_mut() = StatusCode::ACCEPTED;
    locate(&mut response, &format!("/api/recordings/{}", recording.id));
    Ok(response)
}

/// What a request wants written and drawn.
pub(super) async fn options<B: Buf>(body: impl Stream<Item = Result<B, warp::Error>>) -> Result<RecordingOptions> {
    let sent = body::small(body, MOST_OPTIONS).await?;
    let options: RecordingOptions = if sent.is_empty() {
        RecordingOptions::default()
    } else {
        body::json(&sent).map_err(|error| {
            fault!(
                BadRequest,
                "The body must be JSON such as {{\"format\":\"avi\"}} or {{\"format\":\"mp4\"}}: {error}."
            )
        })?
    };
    if options.threshold.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
        return Err(fault!(BadRequest, "`threshold` must lie between 0 and 1, for example 0.25."));
    }
    Ok(options)
}

/// Lists the recordings of a video, newest first.
#[utoipa::path(get, path = "/api/videos/{id}/recordings", tag = "recordings",
    params(("id" = String, Path), ("limit" = Option<usize>, Query, description = "1 to 200, 50 if not given"),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, body = RecordingPage), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub async fn list(id: String, web: Arc<Web>, query: Query) -> Result<Response> {
    let limit = query.limit()?;
    let cursor = query.cursor()?;
    let mut items = blocking(move || web.jobs.recordings_of_video(&id, cursor, limit + 1)).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|recording| recording.seq.to_string());
    Ok(warp::reply::json(&RecordingPage { items, next_cursor }).into_response())
}

/// Tells how a recording stands.
#[utoipa::path(get, path = "/api/recordings/{id}", tag = "recordings", params(("id" = String, Path)),
    responses((status = 200, body = Recording), (status = 404, body = Problem)))]
pub async fn get(id: String, web: Arc<Web>) -> Result<Response> {
    let recording = blocking(move || web.jobs.recording(&id)).await?;
    Ok(warp::reply::json(&recording).into_response())
}

/// Ends the recording of a live stream.
#[utoipa::path(post, path = "/api/recordings/{id}/stop", tag = "recordings", params(("id" = String, Path)),
    responses((status = 200, body = Recording), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "It is of a video")))]
pub async fn stop(id: String, web: Arc<Web>) -> Result<Response> {
    let recording = blocking(move || web.streams.stop_recording(&id)).await?;
    Ok(warp::reply::json(&recording).into_response())
}

/// Deletes a recording and its file; one of a video that is queued or encoding is cancelled first.
#[utoipa::path(delete, path = "/api/recordings/{id}", tag = "recordings", params(("id" = String, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "It is of a live stream and being written")))]
pub async fn delete(id: String, web: Arc<Web>) -> Result<Response> {
    blocking(move || web.jobs.delete_recording(&id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The annotated file.
#[utoipa::path(get, path = "/api/recordings/{id}/file", tag = "recordings", params(("id" = String, Path)),
    responses((status = 200, description = "The file", content_type = "video/*"), (status = 206, description = "The range that was asked for"),
        (status = 404, body = Problem), (status = 409, body = Problem, description = "It is not done"), (status = 416, body = Problem)))]
pub async fn file(id: String, web: Arc<Web>, headers: HeaderMap) -> Result<Response> {
    let jobs = web.jobs.clone();
    let (recording, stem, path) = blocking(move || {
        let recording = jobs.recording(&id)?;
        let (stem, path) = match &recording.video {
            Some(video) => {
                let name = jobs.video(video)?.name;
                let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem).to_owned();
                (stem, jobs.files.recording(video, &recording.id, recording.format))
            }
            None => {
                // 2026-11-21T05:21:35.123Z: files of one camera lie in their order.
                let when = recording.created_at.get(..19).unwrap_or_default().replace(':', "-").replace('T', " ");
                let name = recording.name.as_deref().unwrap_or("Camera");
                (format!("{name} {when}"), jobs.files.live_recording(&recording.id, recording.format))
            }
        };
        Ok((recording, stem, path))
    })
    .await?;
    if recording.state != RecordingState::Done {
        let (done, total) = (recording.frames_done, recording.frames_total);
        return Err(match recording.error {
            Some(error) => fault!(Conflict, "The recording failed: {error}"),
            None => fault!(Conflict, "The recording is not ready: {done} of {total} frames are written."),
        });
    }
    let mut response = ranged::file(&path, &recording.id, recording.format.mime(), &headers).await?;
    let name = format!("{stem}-detections.{}", recording.format.as_str());
    response.headers_mut().insert(header::CONTENT_DISPOSITION, ranged::attachment(&name));
    Ok(response)
}
