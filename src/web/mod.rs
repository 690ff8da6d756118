//! HTTP and WebSocket: one file per resource, `docs/ref/api.md` in the same order.
//!
//! Handlers return [`crate::error::Result`]; [`problem::answer`] makes every error the same `problem+json`. What would
//! block (the store, probing a file) runs on tokio's blocking threads.

mod body;
mod camera;
mod detections;
mod events;
mod health;
mod models;
mod openapi;
mod origin;
mod pages;
mod pictures;
mod problem;
mod query;
mod ranged;
mod recordings;
mod socket;
mod stream_events;
mod stream_pictures;
mod streams;
mod upload;
mod videos;
mod whip;

use std::{path::PathBuf, sync::Arc};

use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use warp::{Filter, Reply, filters::BoxedFilter, reply::Response};

use crate::{
    config::LiveSettings,
    error::{Error, Result},
    jobs::{Jobs, Streams},
    media::{Limits, WebRtcOptions},
    meter::{Meter, StatusLabel},
};

pub use openapi::document as openapi_document;

/// What all handlers share.
pub struct Web {
    pub jobs: Arc<Jobs>,
    pub streams: Arc<Streams>,
    pub live: LiveSettings,
    pub webrtc: WebRtcOptions,
    pub meter: Arc<Meter>,
    pub limits: Limits,
    pub max_upload: u64,
    pub keep_free: u64,
    /// Origins besides the server's own.
    pub allow_origin: Vec<String>,
    /// The page's folder, instead of the one in the program.
    pub www: Option<PathBuf>,
    /// Cancelled when the server stops: sockets say goodbye.
    pub shutdown: CancellationToken,
    /// Open sockets, so that stopping can wait for their goodbyes.
    pub sockets: TaskTracker,
    pub viewers: Arc<Semaphore>,
    /// Files being looked into, and viewers that are sent pictures: each costs a decoder.
    pub probes: Arc<Semaphore>,
    pub pictures: Arc<Semaphore>,
}

/// Filter that hands the shared state to a handler.
fn with(web: &Arc<Web>) -> impl Filter<Extract = (Arc<Web>,), Error = std::convert::Infallible> + Clone + use<> {
    let web = web.clone();
    warp::any().map(move || web.clone())
}

/// Runs what would block a tokio thread.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Error::internal("Something unexpected happened inside the server; its log says more.", error))
    })
}

/// Everything the server answers.
pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    let meter = web.meter.clone();
    let api = origin::check(web).and(
        upload::routes(web)
            .or(videos::routes(web))
            .unify()
            .or(detections::routes(web))
            .unify()
            .or(events::routes(web))
            .unify()
            .or(pictures::routes(web))
            .unify()
            .or(recordings::routes(web))
            .unify()
            .or(whip::routes(web))
            .unify()
            .or(stream_events::routes(web))
            .unify()
            .or(stream_pictures::routes(web))
            .unify()
            .or(streams::routes(web))
            .unify()
            .or(camera::routes(web))
            .unify()
            .or(models::routes(web))
            .unify()
            .boxed(),
    );
    health::routes(web)
        .or(api)
        .unify()
        .or(pages::routes(web))
        .unify()
        .recover(problem::recover)
        .map(move |reply| finish(reply, &meter))
        .boxed()
}

/// Puts the headers on that every answer carries, and counts it.
fn finish(reply: impl Reply, meter: &Meter) -> Response {
    let mut response = reply.into_response();
    pages::secure(response.headers_mut());
    meter.http_requests.get_or_create(&StatusLabel { status: response.status().as_u16() }).inc();
    response
}

/// Serves until `web.shutdown` is cancelled and the requests in flight are answered.
pub async fn run(listener: TcpListener, web: Arc<Web>) {
    let shutdown = web.shutdown.clone();
    warp::serve(routes(&web)).incoming(listener).graceful(async move { shutdown.cancelled().await }).run().await;
}
