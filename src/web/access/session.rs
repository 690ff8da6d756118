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

use super::{Access, Rule, sessions::Sessions};
use crate::{
    error::Result,
    fault,
    web::{
        Web, blocking, body,
        problem::{self, Problem, answer},
        visitor::Visitor,
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
        .and_then(|web, _: HeaderMap, visitor, body| answer(sign_in(web, visitor, body)));
    let delete = path()
        .and(warp::delete())
        .and(warp::ext::get::<Visitor>())
        .and_then(|web, headers, visitor| answer(sign_out(web, headers, visitor)));
    get.or(post).unify().or(delete).unify().boxed()
}

/// Whether a token is asked for, and whether this browser has signed in.
#[utoipa::path(get, path = "/api/session", tag = "access", security(()), responses((status = 200, body = Session)))]
pub async fn get(web: Arc<Web>, headers: HeaderMap) -> Result<Response> {
    let session = match &web.access.rule {
        Rule::Open { .. } => Session { access: "open", signed_in: true },
        Rule::Token { sessions, .. } => Session { access: "token", signed_in: cookie(&headers, sessions).is_some() },
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
pub async fn sign_in<S, B>(web: Arc<Web>, visitor: Visitor, body: S) -> Result<Response>
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let asked: SignIn = serde_json::from_slice(&body::small(body, MOST).await?)
        .map_err(|error| fault!(BadRequest, "Send {{\"token\":\"…\"}}: {}.", place(&error)))?;
    let access: &Access = &web.access;
    let Rule::Token { sessions, .. } = &access.rule else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    if let Some(refusal) = access.refuse_token(visitor, asked.token.trim()) {
        return Ok(refusal);
    }
    let sessions = sessions.clone();
    let id = blocking(move || sessions.start(now(), now() + LASTS.as_secs())).await?;
    Ok(with_cookie(StatusCode::NO_CONTENT.into_response(), &id, LASTS, visitor.https))
}

/// Signs this browser out: its session ends, wherever the cookie is.
#[utoipa::path(delete, path = "/api/session", tag = "access", security(()),
    responses((status = 204, description = "signed out"), (status = 507, body = Problem)))]
pub async fn sign_out(web: Arc<Web>, headers: HeaderMap, visitor: Visitor) -> Result<Response> {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Rule::Token { sessions, .. } = &web.access.rule
        && let Some(id) = cookie(&headers, sessions)
    {
        let (sessions, id) = (sessions.clone(), id.to_owned());
        if let Err(error) = blocking(move || sessions.end(&id, now())).await {
            response = problem::response(&error);
        }
    }
    Ok(with_cookie(response, "", Duration::ZERO, visitor.https))
}

/// The value of the request's cookie, if it is that of a session.
pub fn cookie<'a>(headers: &'a HeaderMap, sessions: &Sessions) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut values = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    values.find_map(|(name, value)| (name == COOKIE && sessions.holds(value, now())).then_some(value))
}

/// Lax: a link to a video works for who is signed in, and no page of another site can change anything.
fn with_cookie(mut response: Response, value: &str, lasts: Duration, https: bool) -> Response {
    let secure = if https { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}", lasts.as_secs());
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Where JSON is off, without what was sent: it may hold the token.
fn place(error: &serde_json::Error) -> String {
    format!("line {}, column {} is not understood", error.line(), error.column())
}
