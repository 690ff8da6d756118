//! `/healthz`, `/readyz`, `/metrics` and `/openapi.json`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderValue, header},
    reply::Response,
};

use super::{
    Web, blocking, openapi,
    problem::{Problem, answer},
    with,
};
use crate::{error::Result, fault, media};

/// A decoder is tried again after this time at the earliest, however often somebody asks.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Whether a decoder works: what the last try found.
#[derive(Default)]
pub struct DecoderCheck(Mutex<Option<(Instant, Option<String>)>>);

impl DecoderCheck {
    /// Why no decoder works; `None`: one does. Those who ask at the same time wait for one try.
    async fn reason(&self) -> Option<String> {
        let mut last = self.0.lock().await;
        if let Some((_, reason)) = last.as_ref().filter(|(when, _)| when.elapsed() < TRY_AGAIN) {
            return reason.clone();
        }
        let reason = blocking(crate::media::probe_decoder).await.err().map(|error| error.detail);
        *last = Some((Instant::now(), reason.clone()));
        reason
    }
}

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    let get = || warp::get().or(warp::head()).unify();
    let alive = warp::path!("healthz").and(get()).and_then(|| answer(healthz()));
    let ready = warp::path!("readyz").and(get()).and(with(web)).and_then(|web| answer(readyz(web)));
    let counted = warp::path!("metrics").and(get()).and(with(web)).and_then(|web| answer(metrics(web)));
    let described = warp::path!("openapi.json").and(get()).and(with(web)).and_then(|web| answer(document(web)));
    alive.or(ready).unify().or(counted).unify().or(described).unify().boxed()
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()), responses((status = 200, body = String, content_type = "text/plain", description = "alive")))]
pub async fn healthz() -> Result<Response> {
    Ok("alive\n".to_string().into_response())
}

/// A model is loaded and all of its sessions run, a decoder works, the disk has room, and the server is not stopping.
#[utoipa::path(get, path = "/readyz", tag = "operation", responses((status = 200, body = String, content_type = "text/plain", description = "ready"), (status = 503, body = Problem)))]
pub async fn readyz(web: Arc<Web>) -> Result<Response> {
    if web.shutdown.is_cancelled() {
        return Err(fault!(Unavailable, "The server is stopping."));
    }
    let mut reasons = Vec::new();
    if web.jobs.models().is_empty() {
        reasons.push("no model is loaded".to_owned());
    }
    for model in web.jobs.models() {
        if let Err(error) = model.check() {
            let (name, why) = (&model.info().name, error.detail.trim_end_matches('.'));
            reasons.push(format!("the model `{name}`: {why}"));
        }
    }
    reasons.extend(web.decoder.reason().await);
    let jobs = web.jobs.clone();
    reasons.extend(blocking(move || Ok(jobs.disk_complaint())).await?);
    if reasons.is_empty() {
        return Ok("ready\n".to_string().into_response());
    }
    Err(fault!(Unavailable, "Not ready: {}.", reasons.join("; ")))
}

/// Counters in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses((status = 200, body = String, content_type = "application/openmetrics-text", description = "OpenMetrics text format")))]
pub async fn metrics(web: Arc<Web>) -> Result<Response> {
    web.meter.stuck_pipelines.set(i64::try_from(media::stuck_pipelines()).unwrap_or(i64::MAX));
    let mut response = web.meter.text().into_response();
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses((status = 200, body = Object, content_type = "application/json", description = "OpenAPI 3.1")))]
pub async fn document(web: Arc<Web>) -> Result<Response> {
    Ok(warp::reply::json(&openapi::document(web.access.asks_for_token())).into_response())
}
