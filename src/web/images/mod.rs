//! `/api/images`: a picture in, what is on it out, as JSON or drawn.

mod answer;
mod body;
mod room;
mod wish;

use std::{collections::HashMap, sync::Arc, time::Instant};

use bytes::Buf;
use futures_util::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use warp::{
    Filter, Reply,
    filters::{BoxedFilter, multipart::FormData},
    http::{HeaderMap, StatusCode},
    reply::Response,
};

use super::{
    Web, blocking,
    problem::{Problem, answer as end},
    query::Query,
    ranged,
    upload::{is_form, read_on},
    visitor::Visitor,
    with,
};
use crate::{
    error::{Kind, Result},
    meter::OutcomeLabel,
    vision::picture,
};
use answer::ImageAnswer;
use body::Sent;
use wish::Wish;

pub use room::Room;

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    let base = |web: &Arc<Web>| {
        warp::path!("api" / "images")
            .and(warp::post())
            .and(with(web))
            .and(warp::query::<HashMap<String, String>>())
            .and(warp::header::headers_cloned())
            .and(warp::ext::get::<Visitor>())
    };
    let form = base(web)
        .and(is_form(true))
        // The limit is kept while the parts are read.
        .and(warp::multipart::form().max_length(None))
        .and_then(|web, query, headers, visitor, form| {
            end(create_from_form(web, Query(query), (headers, visitor), form))
        });
    let whole = base(web)
        .and(is_form(false))
        .and(warp::body::stream())
        .and_then(|web, query, headers, visitor, body| end(create(web, Query(query), (headers, visitor), body)));
    let kept = warp::path!("api" / "images" / String / "file")
        .and(warp::get().or(warp::head()).unify())
        .and(with(web))
        .and(warp::header::headers_cloned())
        .and_then(|id, web, headers| end(file(id, web, headers)));
    let gone = warp::path!("api" / "images" / String)
        .and(warp::delete())
        .and(with(web))
        .and_then(|id, web| end(delete(id, web)));
    form.or(whole).unify().or(kept).unify().or(gone).unify().boxed()
}

/// Detects on a picture, or classifies it: the picture's bytes as the body, a form with a part `file`, or JSON.
#[utoipa::path(post, path = "/api/images", tag = "images",
    params(("task" = Option<String>, Query, description = "detect (default) or classify"), ("model" = Option<String>, Query),
        ("threshold" = Option<f32>, Query, description = "keep detections from this score on"),
        ("top_k" = Option<u32>, Query, description = "so many classes, 5 unless asked"),
        ("output" = Option<String>, Query, description = "json (default), image, base64 or url"),
        ("labels" = Option<bool>, Query, description = "draw labels"), ("scores" = Option<bool>, Query, description = "draw scores"),
        ("quality" = Option<u8>, Query, description = "of the drawn JPEG, 1 to 100")),
    request_body(content((Vec<u8> = "image/*"), (body::Picture = "application/json"), (Vec<u8> = "multipart/form-data")),
        description = "image/*, application/octet-stream, multipart/form-data with a part `file`, or JSON"),
    responses((status = 200, content((ImageAnswer = "application/json"), (Vec<u8> = "image/jpeg"))),
        (status = 400, body = Problem), (status = 404, body = Problem, description = "No such model"), (status = 413, body = Problem),
        (status = 415, body = Problem, description = "No picture"), (status = 422, body = Problem, description = "A picture, but broken, unsupported or beyond a limit"),
        (status = 429, body = Problem), (status = 507, body = Problem)))]
pub async fn create<S, B>(web: Arc<Web>, query: Query, from: (HeaderMap, Visitor), body: S) -> Result<Response>
where
    S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
    B: Buf + Send,
{
    let mut body = Box::pin(body);
    let sent = body::whole(&web, query, (&from.0, from.1), &mut body).await;
    if sent.is_err() {
        read_on(web.clone(), async move { while body.next().await.is_some_and(|chunk| chunk.is_ok()) {} });
    }
    counted(&web, sent).await
}

async fn create_from_form(
    web: Arc<Web>,
    query: Query,
    from: (HeaderMap, Visitor),
    mut form: FormData,
) -> Result<Response> {
    let sent = body::form(&web, query, (&from.0, from.1), &mut form).await;
    if sent.is_err() {
        read_on(web.clone(), async move { while form.next().await.is_some_and(|part| part.is_ok()) {} });
    }
    counted(&web, sent).await
}

/// Answers, and counts what came of it.
async fn counted(web: &Arc<Web>, sent: Result<Sent>) -> Result<Response> {
    let begun = Instant::now();
    let answer = match sent {
        Ok(sent) => work(web, sent).await,
        Err(error) => Err(error),
    };
    let outcome = match answer.as_ref().map_err(|error| error.kind) {
        Ok(_) => "done",
        Err(Kind::Busy) => "busy",
        Err(Kind::Internal | Kind::Unavailable | Kind::DiskFull) => "failed",
        Err(_) => "refused",
    };
    web.meter.images.get_or_create(&OutcomeLabel { outcome }).inc();
    if answer.is_ok() {
        web.meter.image_seconds.observe(begun.elapsed().as_secs_f64());
    }
    answer
}

/// Looks at the picture, waits for room for its pixels, and does what was asked.
async fn work(web: &Arc<Web>, Sent { place, picture, query }: Sent) -> Result<Response> {
    let wish = Wish::read(web, &query)?;
    let max_pixels = web.limits.max_pixels;
    let (picture, still) = blocking(move || picture::look(&picture, max_pixels).map(|still| (picture, still))).await?;
    let pixels = web.images.pixels(still.size.pixels()).await?;
    // Dropped together with this future when the client is gone.
    let gone = CancellationToken::new();
    let _guard = gone.clone().drop_guard();
    let kept = web.clone();
    blocking(move || {
        let _room = (place, pixels);
        answer::make(&kept, &wish, &picture, &still, &gone)
    })
    .await
}

/// An annotated picture that is kept.
#[utoipa::path(get, path = "/api/images/{id}/file", tag = "images", params(("id" = String, Path)),
    responses((status = 200, description = "The picture", content_type = "image/jpeg"), (status = 206, description = "The range that was asked for"),
        (status = 404, body = Problem), (status = 416, body = Problem)))]
pub async fn file(id: String, web: Arc<Web>, headers: HeaderMap) -> Result<Response> {
    let tag = id.clone();
    let path = blocking(move || web.jobs.files.kept.path(&id)).await?;
    ranged::file(&path, &tag, "image/jpeg", &headers).await
}

/// Deletes an annotated picture.
#[utoipa::path(delete, path = "/api/images/{id}", tag = "images", params(("id" = String, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, body = Problem)))]
pub async fn delete(id: String, web: Arc<Web>) -> Result<Response> {
    blocking(move || web.jobs.files.kept.delete(&id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
