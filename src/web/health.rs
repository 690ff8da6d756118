//! `/healthz`, `/readyz`, `/metrics` and `/openapi.json`.

use std::sync::Arc;

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
use crate::{error::Result, fault};

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    let get = || warp::get().or(warp::head()).unify();
    let alive = warp::path!("healthz").and(get()).and_then(|| answer(healthz()));
    let ready = warp::path!("readyz").and(get()).and(with(web)).and_then(|web| answer(readyz(web)));
    let counted = warp::path!("metrics").and(get()).and(with(web)).and_then(|web| answer(metrics(web)));
    let described = warp::path!("openapi.json").and(get()).and_then(|| answer(document()));
    alive.or(ready).unify().or(counted).unify().or(described).unify().boxed()
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()), responses((status = 200, description = "alive")))]
pub async fn healthz() -> Result<Response> {
    Ok("alive\n".to_string().into_response())
}

/// A model is loaded, a decoder works, and the server is not stopping.
#[utoipa::path(get, path = "/readyz", tag = "operation", responses((status = 200, description = "ready"), (status = 503, body = Problem)))]
pub async fn readyz(web: Arc<Web>) -> Result<Response> {
    if web.shutdown.is_cancelled() {
        return Err(fault!(Unavailable, "The server is stopping."));
    }
    let mut reasons = Vec::new();
    if web.jobs.models().is_empty() {
        reasons.push("no model is loaded".to_owned());
    }
    if let Err(error) = blocking(crate::media::probe_decoder).await {
        reasons.push(error.detail);
    }
    if reasons.is_empty() {
        return Ok("ready\n".to_string().into_response());
    }
    Err(fault!(Unavailable, "Not ready: {}.", reasons.join("; ")))
}

/// Counters in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses((status = 200, content_type = "text/plain", description = "Prometheus text format")))]
pub async fn metrics(web: Arc<Web>) -> Result<Response> {
    let mut response = web.meter.text().into_response();
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses((status = 200, content_type = "application/json", description = "OpenAPI 3.1")))]
pub async fn document() -> Result<Response> {
    Ok(warp::reply::json(&openapi::document()).into_response())
}
