//! Connections: HTTP/1.1 as it is, or TLS with HTTP/2 and HTTP/1.1, with an end to everything that only waits.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{
    Request,
    body::{Body, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::{sleep, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use warp::{
    Reply,
    http::{HeaderValue, StatusCode, header, uri::Authority},
    reply::Response,
};

use super::{
    limits::{Activity, Exchange, IDLE, ResponseBody, Shares},
    line::Line,
    pages, problem,
    visitor::Proxies,
};
use crate::{config::ConnectionSettings, fault};

/// For the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// An HTTP/2 connection is asked so often whether it still lives, and given up without an answer for so long.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(20);
/// Requests at once on an HTTP/2 connection.
const MOST_STREAMS: u32 = 100;
/// An HTTP/2 connection that is closed may end its requests for so long.
const CLOSING: Duration = Duration::from_secs(5);
/// A connection on which the server works is looked at again so often.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// The log tells so often at most that connections are refused.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// Descriptors besides those of connections: files, the database, media pipelines, WebSockets.
const OTHER_DESCRIPTORS: u64 = 4096;
/// The first byte of a TLS connection (RFC 8446, 5.1): a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// How connections are taken.
pub struct Gate {
    pub places: Arc<Shares>,
    pub proxies: Arc<Proxies>,
    pub tls: Option<TlsAcceptor>,
    pub stop: CancellationToken,
}

impl Gate {
    pub fn new(
        settings: &ConnectionSettings,
        proxies: Arc<Proxies>,
        tls: Option<TlsAcceptor>,
        stop: CancellationToken,
    ) -> Self {
        let most = settings.max_connections;
        raise_descriptor_limit(most as u64 + OTHER_DESCRIPTORS);
        Self { places: Shares::new(most, settings.max_connections_per_peer), proxies, tls, stop }
    }
}

/// The peer of a connection.
#[derive(Clone, Copy)]
pub struct Peer {
    pub address: IpAddr,
    pub tls: bool,
}

/// The usual soft limit of 1024 descriptors is less than the connections that are taken.
fn raise_descriptor_limit(wanted: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if limit.current.is_some_and(|current| current < raised) {
        let limit = Rlimit { current: Some(raised), ..limit };
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "the limit of open files could not be raised");
        }
    }
}

/// Takes connections until the gate's `stop` is cancelled, then waits until the requests in flight are answered.
pub async fn serve<A, F>(listener: TcpListener, gate: Gate, answer: A)
where
    A: Fn(Peer, Request<Incoming>, Arc<Exchange>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let connections = TaskTracker::new();
    let mut warned: Option<Instant> = None;
    while let Some(accepted) = gate.stop.run_until_cancelled(listener.accept()).await {
        let (stream, peer) = match accepted {
            Ok(connection) => connection,
            Err(error) => {
                // Mostly: no descriptor is free.
                tracing::warn!(%error, "a connection could not be taken");
                gate.places.shed();
                gate.stop.run_until_cancelled(sleep(Duration::from_millis(50))).await;
                continue;
            }
        };
        let activity = Activity::new(CancellationToken::new());
        let exempt = gate.proxies.trusts(peer.ip());
        let Some(place) = gate.places.enter(peer.ip(), exempt, &activity) else {
            if warned.is_none_or(|warned| warned.elapsed() > WARN_EVERY) {
                warned = Some(Instant::now());
                tracing::warn!(peer = %peer.ip(), "a connection is refused: this peer has as many as it may have");
            }
            continue;
        };
        let (tls, stop, answer) = (gate.tls.clone(), gate.stop.clone(), answer.clone());
        connections.spawn(async move {
            let displaced = activity.displaced.clone();
            displaced.run_until_cancelled(connection(stream, peer, activity, tls, stop, answer)).await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection<A, F>(
    stream: TcpStream,
    peer: SocketAddr,
    activity: Arc<Activity>,
    tls: Option<TlsAcceptor>,
    stop: CancellationToken,
    answer: A,
) where
    A: Fn(Peer, Request<Incoming>, Arc<Exchange>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    // Small events must not wait for company.
    let _ = stream.set_nodelay(true);
    let from = Peer { address: peer.ip(), tls: tls.is_some() };
    let answer = move |request, exchange| answer(from, request, exchange);
    let Some(tls) = tls else {
        return converse(stream, false, activity, stop, answer).await;
    };
    let mut first = [0];
    match timeout(HANDSHAKE, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first[0] == TLS_HANDSHAKE => {}
        Ok(Ok(1)) => {
            let redirect = |request, _| async move { to_https(&request) };
            return converse(stream, false, activity, stop, redirect).await;
        }
        _ => return,
    }
    match timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            converse(stream, h2, activity, stop, answer).await;
        }
        // Also who does not trust the certificate ends the handshake; that is no matter for a log that people read.
        Ok(Err(error)) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}

/// Answers the requests of one connection.
async fn converse<S, A, F>(stream: S, h2: bool, activity: Arc<Activity>, stop: CancellationToken, answer: A)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Incoming>, Arc<Exchange>) -> F + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let begun = activity.clone();
    let service = service_fn(move |request| {
        let exchange = begun.begin();
        let answer = answer(request, exchange.clone());
        async move { Ok::<_, Infallible>(answer.await.map(|body| ResponseBody::new(body, exchange))) }
    });
    if h2 {
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .max_concurrent_streams(MOST_STREAMS)
            // Uploads over a long way: more than the 64 KiB on their way that HTTP/2 begins with.
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(2 << 20);
        let connection = http.serve_connection(TokioIo::new(stream), service);
        drive(connection, |connection| connection.graceful_shutdown(), activity, stop).await;
    } else {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            // hyper counts the wait for a next request to the reading of its head.
            .header_read_timeout(IDLE);
        let line = Line::new(stream, activity.clone());
        let connection = http.serve_connection(TokioIo::new(line), service).with_upgrades();
        drive(connection, |connection| connection.graceful_shutdown(), activity, stop).await;
    }
}

/// Runs a connection until it ends, or until nothing has moved on it for too long.
async fn drive<C, E>(connection: C, shut_down: impl Fn(Pin<&mut C>), activity: Arc<Activity>, stop: CancellationToken)
where
    C: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    tokio::pin!(connection);
    let mut stopping = false;
    let mut closing: Option<Instant> = None;
    loop {
        let again = Instant::now() + LOOK_AGAIN;
        let look = closing.or(activity.deadline()).map_or(again, |deadline| deadline.min(again));
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            () = sleep_until(look.into()) => {
                let now = Instant::now();
                if closing.is_some_and(|end| now >= end) {
                    return;
                }
                if closing.is_none() && activity.deadline().is_some_and(|deadline| now >= deadline) {
                    tracing::debug!("a connection is closed on which nothing moved");
                    shut_down(connection.as_mut());
                    closing = Some(now + CLOSING);
                }
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                shut_down(connection.as_mut());
            }
        }
    }
}

/// The answer to plain HTTP where HTTPS is spoken.
fn to_https<B: Body>(request: &Request<B>) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let place = host.as_ref().and_then(|host| HeaderValue::from_str(&format!("https://{host}{path}")).ok());
    let mut response = match place {
        Some(place) => {
            let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
            response.headers_mut().insert(header::LOCATION, place);
            response
        }
        None => problem::response(&fault!(BadRequest, "This port speaks HTTPS: begin the address with https://.")),
    };
    pages::secure(response.headers_mut(), host.as_ref());
    // Nobody reads the body that may follow.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
