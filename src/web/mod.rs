//! HTTP and WebSocket: one file per resource, `docs/ref/api.md` in the same order.
//!
//! Handlers return [`crate::error::Result`]; [`problem::answer`] makes every error the same `problem+json`. What would
//! block (the store, probing a file) runs on tokio's blocking threads.

mod access;
mod body;
mod camera;
mod detections;
mod error_page;
mod events;
mod health;
mod images;
mod listener;
mod models;
mod openapi;
mod origin;
mod pages;
mod pictures;
mod private_file;
mod problem;
mod query;
mod ranged;
mod reach;
mod recordings;
mod socket;
mod stream_events;
mod stream_pictures;
mod streams;
mod tls;
mod upload;
mod videos;
mod whip;

use std::{future::poll_fn, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use hyper::{
    Request,
    body::{Body, Incoming},
    service::Service,
};
use hyper_util::service::TowerToHyperService;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{header, uri::Authority},
    reply::Response,
};

use crate::{
    config::LiveSettings,
    error::{Error, Result},
    jobs::{Jobs, Streams},
    media::{Limits, WebRtcOptions},
    meter::{Meter, StatusLabel},
};

pub use access::Access;
pub use images::Room;
pub use openapi::document as openapi_document;
pub use reach::welcome;
pub use tls::Tls;

use access::Visitor;

/// How long the rest of a request that was not let in is read.
const LINGER: Duration = Duration::from_secs(60);

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
    /// Who is let in.
    pub access: Access,
    /// The certificate; `None`: plain HTTP.
    pub tls: Option<Arc<Tls>>,
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
    /// Room for pictures that are sent to `/api/images`.
    pub images: Room,
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

/// Everything the server answers to those that may ask.
fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
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
            .or(images::routes(web))
            .unify()
            .or(models::routes(web))
            .unify()
            .or(access::session::routes(web))
            .unify()
            .boxed(),
    );
    health::routes(web).or(api).unify().or(pages::routes(web)).unify().recover(problem::recover).unify().boxed()
}

/// Serves until `web.shutdown` is cancelled and the requests in flight are answered.
///
/// # Errors
/// TLS cannot be set up.
pub async fn run(listener: TcpListener, web: Arc<Web>) -> Result<()> {
    let stop = web.shutdown.clone();
    let acceptor = web.tls.as_ref().map(|tls| tls.acceptor()).transpose()?;
    let follow = web.tls.clone().map(|tls| tokio::spawn(tls.follow(stop.clone())));
    let routes = TowerToHyperService::new(warp::service(routes(&web)));
    let answer = move |visitor: Visitor, mut request: Request<Incoming>| {
        let (web, routes) = (web.clone(), routes.clone());
        async move {
            let host = host(&request);
            let is_page_wanted = error_page::is_wanted(&request);
            request.extensions_mut().insert(visitor);
            let mut response = match web.access.refuse(visitor, host.as_ref(), &request) {
                Some(refusal) => {
                    read_on(request.into_body(), web.shutdown.clone());
                    refusal
                }
                None => match routes.call(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                },
            };
            if is_page_wanted {
                response = error_page::instead(response);
            }
            pages::secure(response.headers_mut(), host.as_ref());
            web.meter.http_requests.get_or_create(&StatusLabel { status: response.status().as_u16() }).inc();
            response
        }
    };
    listener::serve(listener, acceptor, stop, answer).await;
    if let Some(follow) = follow {
        let _ = follow.await;
    }
    Ok(())
}

/// Reads and forgets the body of a request that was refused, for a while: a browser that still sends hears the refusal only
/// when it has sent everything, and a broken connection otherwise.
fn read_on(mut body: Incoming, stop: CancellationToken) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        let rest = async { while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {} };
        stop.run_until_cancelled(tokio::time::timeout(LINGER, rest)).await;
    });
}

/// By which name the visitor calls this server: HTTP/2 says it in the address, HTTP/1.1 in `Host`.
fn host<B>(request: &Request<B>) -> Option<Authority> {
    let said = || request.headers().get(header::HOST)?.to_str().ok()?.parse().ok();
    request.uri().authority().cloned().or_else(said)
}
