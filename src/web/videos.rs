//! `/api/videos`: the list, one video, cancel, retry, delete, and its source.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, StatusCode},
    reply::Response,
};

use super::{
    Web, blocking,
    problem::{Problem, answer},
    query::Query,
    ranged, with,
};
use crate::{error::Result, jobs::Video};

/// A page of a list, newest first.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Page {
    pub items: Vec<Video>,
    /// For `?cursor=` of the next page; null on the last.
    pub next_cursor: Option<String>,
}

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    let list_route = warp::path!("api" / "videos")
        .and(warp::get())
        .and(with(web))
        .and(warp::query::<HashMap<String, String>>())
        .and_then(|web, query| answer(list(web, Query(query))));
    let one =
        warp::path!("api" / "videos" / String).and(warp::get()).and(with(web)).and_then(|id, web| answer(get(id, web)));
    let gone = warp::path!("api" / "videos" / String)
        .and(warp::delete())
        .and(with(web))
        .and_then(|id, web| answer(delete(id, web)));
    let cancelled = warp::path!("api" / "videos" / String / "cancel")
        .and(warp::post())
        .and(with(web))
        .and_then(|id, web| answer(cancel(id, web)));
    let retried = warp::path!("api" / "videos" / String / "retry")
        .and(warp::post())
        .and(with(web))
        .and_then(|id, web| answer(retry(id, web)));
    let sourced = warp::path!("api" / "videos" / String / "source")
        .and(warp::get().or(warp::head()).unify())
        .and(with(web))
        .and(warp::header::headers_cloned())
        .and_then(|id, web, headers| answer(source(id, web, headers)));
    list_route.or(one).unify().or(gone).unify().or(cancelled).unify().or(retried).unify().or(sourced).unify().boxed()
}

fn json<T: Serialize>(body: &T) -> Response {
    warp::reply::json(body).into_response()
}

/// Lists videos, newest first.
#[utoipa::path(get, path = "/api/videos", tag = "videos",
    params(("limit" = Option<usize>, Query, description = "1 to 200, 50 if not given"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page), (status = 400, body = Problem)))]
pub async fn list(web: Arc<Web>, query: Query) -> Result<Response> {
    let limit = query.limit()?;
    let cursor = query.cursor()?;
    let mut items = blocking(move || {
        let stored = web.jobs.store.videos(cursor, limit + 1)?;
        // What runs is further in memory than in the store.
        Ok(stored
            .into_iter()
            .map(|video| web.jobs.hub.latest(&video.id).map_or(video, |live| (*live).clone()))
            .collect::<Vec<_>>())
    })
    .await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|video| video.seq.to_string());
    Ok(json(&Page { items, next_cursor }))
}

/// Tells how a video stands.
#[utoipa::path(get, path = "/api/videos/{id}", tag = "videos", params(("id" = String, Path)),
    responses((status = 200, body = Video), (status = 404, body = Problem)))]
pub async fn get(id: String, web: Arc<Web>) -> Result<Response> {
    Ok(json(&blocking(move || web.jobs.video(&id)).await?))
}

/// Cancels a video's work and deletes its files.
#[utoipa::path(delete, path = "/api/videos/{id}", tag = "videos", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn delete(id: String, web: Arc<Web>) -> Result<Response> {
    blocking(move || web.jobs.delete(&id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Stops a video's work; what was found stays.
#[utoipa::path(post, path = "/api/videos/{id}/cancel", tag = "videos", params(("id" = String, Path)),
    responses((status = 200, body = Video), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn cancel(id: String, web: Arc<Web>) -> Result<Response> {
    Ok(json(&blocking(move || web.jobs.cancel(&id)).await?))
}

/// Goes on with a failed or cancelled video.
#[utoipa::path(post, path = "/api/videos/{id}/retry", tag = "videos", params(("id" = String, Path)),
    responses((status = 200, body = Video), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn retry(id: String, web: Arc<Web>) -> Result<Response> {
    Ok(json(&blocking(move || web.jobs.retry(&id)).await?))
}

/// The original bytes.
#[utoipa::path(get, path = "/api/videos/{id}/source", tag = "videos", params(("id" = String, Path)),
    responses((status = 200, description = "The file", content_type = "video/*"), (status = 206, description = "The range that was asked for"),
        (status = 304), (status = 404, body = Problem), (status = 416, body = Problem)))]
pub async fn source(id: String, web: Arc<Web>, headers: HeaderMap) -> Result<Response> {
    let jobs = web.jobs.clone();
    let video = blocking(move || jobs.video(&id)).await?;
    ranged::file(&web.jobs.files.source(&video.id), &video.id, &video.content_type, &headers).await
}
