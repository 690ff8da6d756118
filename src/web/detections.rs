//! `GET /api/videos/{id}/detections`: what was found so far, a line of JSON a frame.

use std::{collections::HashMap, sync::Arc};

use futures_util::stream;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderValue, header},
    reply::Response,
};

use super::{
    Web, blocking,
    events::frame_event,
    problem::{Problem, answer},
    query::Query,
    with,
};
use crate::{error::Result, fault};

/// Frames read from the store at a time.
const PAGE: usize = 256;

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    warp::path!("api" / "videos" / String / "detections")
        .and(warp::get())
        .and(with(web))
        .and(warp::query::<HashMap<String, String>>())
        .and_then(|id, web, query| answer(lines(id, web, Query(query))))
        .boxed()
}

/// Frame events so far, as NDJSON.
#[utoipa::path(get, path = "/api/videos/{id}/detections", tag = "videos",
    params(("id" = String, Path), ("from" = Option<u64>, Query, description = "first frame"), ("limit" = Option<u64>, Query, description = "most frames")),
    responses((status = 200, content_type = "application/x-ndjson", body = crate::event::FrameEvent, description = "A FrameEvent a line"),
        (status = 400, body = Problem), (status = 404, body = Problem)))]
pub async fn lines(id: String, web: Arc<Web>, query: Query) -> Result<Response> {
    let from = query.count("from", 0)?.unwrap_or(0);
    let limit = query.count("limit", 1)?.unwrap_or(u64::MAX);
    if let Some(format) = query.text("format").filter(|format| !["ndjson", "json"].contains(format)) {
        return Err(fault!(BadRequest, "The format `{format}` is not there; leave it out for NDJSON."));
    }
    let video = blocking({
        let web = web.clone();
        move || web.jobs.video(&id)
    })
    .await?;
    let start = (web, video.seq, from, limit);
    let pages = stream::unfold(start, |(web, seq, from, left)| async move {
        if left == 0 {
            return None;
        }
        let jobs = web.jobs.clone();
        let page = usize::try_from(left).unwrap_or(PAGE).min(PAGE);
        match blocking(move || jobs.store.frames(seq, from, page)).await {
            Ok(rows) => {
                let next = rows.last()?.frame + 1;
                let left = left - rows.len() as u64;
                let text: String = rows.iter().map(|row| frame_event(row) + "\n").collect();
                Some((Ok(text), (web, seq, next, left)))
            }
            // The status line is out already: breaking the stream off is what tells the client.
            Err(error) => Some((Err(std::io::Error::other(error.detail)), (web, seq, from, 0))),
        }
    });
    let mut response = warp::reply::stream(pages).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}
