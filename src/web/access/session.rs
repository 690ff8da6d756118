//! `/api/session`: signing in with the token, which a cookie then stands for, and out again.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Buf;
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    reply::Response,
};

use super::{Access, Rule, Visitor, seal::Seal};
use crate::{
    error::Result,
    fault,
    web::{
        Web, body,
        problem::{Problem, answer},
        with,
    },
};

/// Bytes of what signs in.
const MOST: usize = 4096;
/// The cookie's name.
pub const COOKIE: &str = "sightglass";
/// How long a browser stays signed in.
const LASTS: Duration = Duration::from_secs(30 * 24 * 3600);

/// How this server lets people in, and whether it has.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Session {
    /// `open`: no token is asked for. `token`: one is.
    pub access: &'static str,
    pub signed_in: bool,
}

/// What signs in.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    pub token: String,
}

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    let path = || warp::path!("api" / "session").and(with(web)).and(warp::header::headers_cloned());
    let get = path().and(warp::get()).and_then(|web: Arc<Web>, headers| answer(get(web, headers)));
    let post = path()
        .and(warp::post())
        .and(warp::ext::get::<Visitor>())
        .and(warp::body::stream())
        .and_then(|web, headers, visitor, body| answer(sign_in(web, headers, visitor, body)));
    let delete = path()
        .and(warp::delete())
        .and(warp::ext::get::<Visitor>())
        .and_then(|_: Arc<Web>, headers, visitor| answer(sign_out(headers, visitor)));
    get.or(post).unify().or(delete).unify().boxed()
}

/// Whether a token is asked for, and whether this browser has signed in.
#[utoipa::path(get, path = "/api/session", tag = "access", security(()), responses((status = 200, body = Session)))]
pub async fn get(web: Arc<Web>, headers: HeaderMap) -> Result<Response> {
    let session = match &web.access.rule {
        Rule::Open { .. } => Session { access: "open", signed_in: true },
        Rule::Token { seal, .. } => Session { access: "token", signed_in: cookie(&headers, seal).is_some() },
    };
    let mut response = warp::reply::json(&session).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Signs this browser in for 30 days.
#[utoipa::path(
    post, path = "/api/session", tag = "access", security(()), request_body = SignIn,
    responses(
        (status = 204, description = "signed in; sets a cookie where a token is asked for"),
        (status = 400, body = Problem),
        (status = 401, body = Problem, description = "not the token"),
        (status = 429, body = Problem, description = "too many wrong ones of late; with Retry-After"),
    )
)]
pub async fn sign_in<S, B>(web: Arc<Web>, headers: HeaderMap, visitor: Visitor, body: S) -> Result<Response>
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let asked: SignIn = serde_json::from_slice(&body::small(body, MOST).await?)
        .map_err(|error| fault!(BadRequest, "Send {{\"token\":\"…\"}}: {}.", place(&error)))?;
    let access: &Access = &web.access;
    let Rule::Token { seal, .. } = &access.rule else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    if let Some(refusal) = access.refuse_token(visitor, &headers, asked.token.trim()) {
        return Ok(refusal);
    }
    Ok(with_cookie(&seal.close(now() + LASTS.as_secs()), LASTS, is_https(&headers, visitor)))
}

/// Signs this browser out.
#[utoipa::path(delete, path = "/api/session", tag = "access", security(()), responses((status = 204, description = "signed out")))]
pub async fn sign_out(headers: HeaderMap, visitor: Visitor) -> Result<Response> {
    Ok(with_cookie("", Duration::ZERO, is_https(&headers, visitor)))
}

/// Until when the request's cookie is good, if it has a good one.
pub fn cookie(headers: &HeaderMap, seal: &Seal) -> Option<u64> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut values = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    values.find_map(|(name, value)| if name == COOKIE { seal.open(value, now()) } else { None })
}

/// Lax: a link to a video works for who is signed in, and no page of another site can change anything.
fn with_cookie(value: &str, lasts: Duration, https: bool) -> Response {
    let secure = if https { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}", lasts.as_secs());
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Also where a proxy ends TLS. Who lies about it gets a cookie that the own browser does not send.
fn is_https(headers: &HeaderMap, visitor: Visitor) -> bool {
    visitor.https || headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes() == b"https")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Where JSON is off, without what was sent: it may hold the token.
fn place(error: &serde_json::Error) -> String {
    format!("line {}, column {} is not understood", error.line(), error.column())
}
