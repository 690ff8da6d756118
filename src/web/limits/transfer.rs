//! Bodies of requests and answers, with an end to those of clients that do not send or do not read.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{Activity, Exchange, Share, Shares, activity::Turn};
use crate::{error::Error, fault};

/// A body is waited for so long in all,
const ALLOWANCE: Duration = Duration::from_secs(10);
/// and for one second more for so many bytes that have arrived. Only time counts in which the server waits for bytes.
const SLOWEST: u64 = 2 << 10;
/// But never so long at a stretch.
const STALL: Duration = Duration::from_secs(120);
/// A body of which more has arrived is not given up for a newcomer while it moves.
const LARGE: u64 = 64 << 10;

/// What all bodies of the server share.
#[derive(Clone)]
pub struct BodyLimits {
    /// Bodies that are still arriving, by the visitor's address.
    pub arriving: Arc<Shares>,
    pub stop: CancellationToken,
}

/// A request's body. Reading it fails when it arrives too slowly, or gives way to another one of the same visitor;
/// [`Exchange::fault`] says why then.
pub struct RequestBody {
    body: Incoming,
    visitor: IpAddr,
    exchange: Arc<Exchange>,
    limits: BodyLimits,
    received: u64,
    /// In all, without the wait that goes on.
    waited: Duration,
    wait: Option<Wait>,
    arriving: Option<Arriving>,
    failed: bool,
}

/// A wait for bytes.
struct Wait {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

/// A body that did not arrive at once.
struct Arriving {
    exchange: Arc<Exchange>,
    displaced: Pin<Box<WaitForCancellationFutureOwned>>,
    _share: Share,
}

impl RequestBody {
    pub fn new(body: Incoming, visitor: IpAddr, exchange: Arc<Exchange>, limits: BodyLimits) -> Self {
        Self {
            body,
            visitor,
            exchange,
            limits,
            received: 0,
            waited: Duration::ZERO,
            wait: None,
            arriving: None,
            failed: false,
        }
    }

    fn turn(&self, turn: Turn) {
        self.exchange.turn(turn);
        if let Some(arriving) = &self.arriving {
            arriving.exchange.turn(turn);
        }
    }

    /// Looks at the limits while no bytes are there.
    fn waiting(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if self.arriving.is_none() {
            let activity = Activity::new(self.limits.stop.child_token());
            let exchange = activity.begin();
            let Some(share) = self.limits.arriving.enter(self.visitor, false, &activity) else {
                return Poll::Ready(too_many());
            };
            let displaced = Box::pin(activity.displaced.clone().cancelled_owned());
            self.arriving = Some(Arriving { exchange, displaced, _share: share });
        }
        if self.wait.is_none() {
            let allowed = ALLOWANCE + Duration::from_secs(self.received / SLOWEST);
            let left = allowed.saturating_sub(self.waited).min(STALL);
            self.wait = Some(Wait { since: Instant::now(), end: Box::pin(tokio::time::sleep(left)) });
            self.turn(if self.received < LARGE { Turn::SmallBody } else { Turn::LargeBody });
        }
        if let Some(arriving) = &mut self.arriving
            && arriving.displaced.as_mut().poll(cx).is_ready()
        {
            let stopping = self.limits.stop.is_cancelled();
            return Poll::Ready(if stopping { fault!(Unavailable, "The server is stopping.") } else { too_many() });
        }
        if let Some(wait) = &mut self.wait
            && wait.end.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(fault!(Timeout, "The body of the request arrived too slowly: try again."));
        }
        Poll::Pending
    }
}

fn too_many() -> Error {
    fault!(Busy, "Too many requests from your address are still being sent: try again in a moment.")
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            let fault = ready!(self.waiting(cx));
            self.exchange.fail(fault);
            self.failed = true;
            self.turn(Turn::Server);
            self.arriving = None;
            return Poll::Ready(Some(Err("the server does not wait for the rest of the body".into())));
        };
        if let Some(wait) = self.wait.take() {
            self.waited += wait.since.elapsed();
            self.turn(Turn::Server);
        }
        match frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Buf::remaining);
                self.received += bytes as u64;
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.arriving = None;
                Poll::Ready(Some(Err(error.into())))
            }
            None => {
                self.arriving = None;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.failed || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body: between two parts of it the client is to read.
pub struct ResponseBody<B> {
    body: B,
    exchange: Arc<Exchange>,
}

impl<B> ResponseBody<B> {
    pub fn new(body: B, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange }
    }
}

impl<B: Body + Unpin> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.exchange.turn(Turn::Server);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.exchange.turn(Turn::Reader);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
