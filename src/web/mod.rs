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
mod limits;
mod line;
mod listener;
mod models;
mod openapi;
mod openapi_details;
mod origin;
mod pages;
mod pictures;
mod private_file;
mod problem;
mod query;
mod ranged;
mod reach;
mod recordings;
mod requests;
mod socket;
mod stream_events;
mod stream_pictures;
mod streams;
mod tls;
mod upload;
mod videos;
mod visitor;
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
    http::{Method, StatusCode},
    reply::Response,
};

use crate::{
    config::{ConnectionSettings, LiveSettings},
    error::{Error, Result},
    jobs::{Jobs, Streams},
    media::{Limits, WebRtcOptions},
    meter::{Meter, StatusLabel},
};

pub use access::Access;
pub use health::DecoderCheck;
pub use images::Room;
pub use limits::Shares;
pub use reach::welcome;
pub use tls::Tls;

use limits::{BodyLimits, Exchange, RequestBody};
use listener::{Gate, Peer};
use visitor::Proxies;

/// How long the rest of a request that was not let in is read.
const LINGER: Duration = Duration::from_secs(60);
/// Request bodies that are still arriving: in all, and of one visitor.
const MOST_ARRIVING: usize = 1024;
const MOST_ARRIVING_OF_ONE: usize = 64;

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
    pub connections: ConnectionSettings,
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
    /// Places for WebSockets.
    pub viewers: Arc<Shares>,
    /// Files being looked into, and viewers that are sent pictures: each costs a decoder.
    pub probes: Arc<Semaphore>,
    pub pictures: Arc<Semaphore>,
    /// For `/readyz`.
    pub decoder: DecoderCheck,
    /// Room for pictures that are sent to `/api/images`.
    pub images: Room,
}

/// The description of the interface (OpenAPI 3.1), as a server gives it that asks for its token.
pub fn openapi_document() -> serde_json::Value {
    openapi::document(true)
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
    let proxies = Arc::new(Proxies::new(web.connections.trusted_proxy.clone()));
    let gate = Gate::new(&web.connections, proxies.clone(), acceptor, stop.clone());
    let bodies = BodyLimits { arriving: Shares::new(MOST_ARRIVING, MOST_ARRIVING_OF_ONE), stop };
    let answer = move |peer: Peer, request: Request<Incoming>, exchange: Arc<Exchange>| {
        let (web, routes, proxies, bodies) = (web.clone(), routes.clone(), proxies.clone(), bodies.clone());
        async move {
            let visitor = proxies.visitor(peer.address, peer.tls, request.headers());
            let wrap = |body| RequestBody::new(body, visitor.address, exchange.clone(), bodies);
            let mut request = request.map(wrap);
            let path = request.uri().path().to_owned();
            // Every address that can be read answers HEAD, too: as GET, without the body.
            let head = request.method() == Method::HEAD;
            if head {
                *request.method_mut() = Method::GET;
            }
            let host = requests::host(&request);
            let is_page_wanted = error_page::is_wanted(&request);
            request.extensions_mut().insert(visitor);
            let refusal = requests::malformed(&request)
                .map(|error| problem::response(&error))
                .or_else(|| web.access.refuse(visitor, host.as_ref(), &request));
            let mut response = match refusal {
                Some(refusal) => {
                    read_on(request.into_body(), web.shutdown.clone());
                    refusal
                }
                None => match routes.call(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                },
            };
            // What a handler says of a body that this server broke off is that it broke off, not why.
            if let Some(fault) = exchange.fault().filter(|_| !response.status().is_success()) {
                response = problem::response(&fault);
            }
            if response.status() == StatusCode::METHOD_NOT_ALLOWED {
                response = requests::method_not_allowed(response, &path);
            }
            if is_page_wanted {
                response = error_page::instead(response);
            }
            if head {
                response = requests::without_body(response);
            }
            pages::secure(response.headers_mut(), host.as_ref());
            web.meter.http_requests.get_or_create(&StatusLabel { status: response.status().as_u16() }).inc();
            response
        }
    };
    listener::serve(listener, gate, answer).await;
    if let Some(follow) = follow {
        let _ = follow.await;
    }
    Ok(())
}

/// Reads and forgets the body of a request that was refused, for a while: a browser that still sends hears the refusal only
/// when it has sent everything, and a broken connection otherwise.
fn read_on(mut body: RequestBody, stop: CancellationToken) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        let rest = async { while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {} };
        stop.run_until_cancelled(tokio::time::timeout(LINGER, rest)).await;
    });
}
