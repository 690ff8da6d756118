//! Connections: HTTP/1.1 as it is, or TLS with HTTP/2 and HTTP/1.1, with an end to everything that only waits.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, sleep, sleep_until, timeout_at},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use warp::{
    Reply,
    http::{HeaderValue, StatusCode, header, uri::Authority},
    reply::Response,
};

use super::{access::Visitor, pages, problem};
use crate::fault;

/// From the connection to its first request: whoever needs longer wants none.
const FIRST_REQUEST: Duration = Duration::from_secs(15);
/// For the TLS handshake, of that.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For the head of a request, and between two of them: longer than proxies keep a connection that they may use again
/// (nginx a minute, Caddy two), so that it is they who end it.
const HEAD: Duration = Duration::from_secs(130);
/// An HTTP/2 connection is asked so often whether it still lives.
const PING: Duration = Duration::from_secs(30);
/// Connections at once; further ones wait in the system's queue. WebSockets leave it when they are opened.
const MOST_CONNECTIONS: usize = 2048;
/// The first byte of a TLS connection (RFC 8446, 5.1): a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// Takes connections until `stop` is cancelled, then waits until the requests in flight are answered.
pub async fn serve<A, F>(listener: TcpListener, tls: Option<TlsAcceptor>, stop: CancellationToken, answer: A)
where
    A: Fn(Visitor, Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    while let Some(Ok(place)) = stop.run_until_cancelled(places.clone().acquire_owned()).await {
        let (stream, peer) = match stop.run_until_cancelled(listener.accept()).await {
            Some(Ok(connection)) => connection,
            Some(Err(error)) => {
                // Mostly: no descriptor is free. The next connection that ends frees one.
                tracing::warn!(%error, "a connection could not be taken");
                stop.run_until_cancelled(sleep(Duration::from_millis(200))).await;
                continue;
            }
            None => break,
        };
        let (tls, stop, answer) = (tls.clone(), stop.clone(), answer.clone());
        connections.spawn(async move {
            connection(stream, peer, tls, stop, answer).await;
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
    tls: Option<TlsAcceptor>,
    stop: CancellationToken,
    answer: A,
) where
    A: Fn(Visitor, Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let start = Instant::now();
    // Small events must not wait for company.
    let _ = stream.set_nodelay(true);
    let visitor = Visitor { address: peer.ip(), https: tls.is_some() };
    let answer = move |request| answer(visitor, request);
    let Some(tls) = tls else {
        return converse(stream, false, start, stop, answer).await;
    };
    let mut first = [0];
    match timeout_at(start + HANDSHAKE, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first[0] == TLS_HANDSHAKE => {}
        Ok(Ok(1)) => return converse(stream, false, start, stop, |request| async move { to_https(&request) }).await,
        _ => return,
    }
    match timeout_at(start + HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            converse(stream, h2, start, stop, answer).await;
        }
        // Also who does not trust the certificate ends the handshake; that is no matter for a log that people read.
        Ok(Err(error)) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}

/// Answers the requests of one connection.
async fn converse<S, A, F>(stream: S, h2: bool, start: Instant, stop: CancellationToken, answer: A)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        // Uploads over a long way: more than the 64 KiB on their way that HTTP/2 begins with.
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(2 << 20);
    let http = if h2 { http.http2_only() } else { http.http1_only() };
    let asked = CancellationToken::new();
    let first = asked.clone();
    let service = service_fn(move |request| {
        first.cancel();
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let (mut waiting, mut stopping) = (true, false);
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            () = asked.cancelled(), if waiting => waiting = false,
            () = sleep_until(start + FIRST_REQUEST), if waiting => return,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// The answer to plain HTTP where HTTPS is spoken.
fn to_https(request: &Request<Incoming>) -> Response {
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
