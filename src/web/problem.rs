//! Every error as `application/problem+json` (RFC 9457).

use std::convert::Infallible;

use serde::Serialize;
use warp::{
    Rejection,
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

use super::error_page::Detail;
use crate::{
    error::{Error, Kind, Result},
    fault,
};

/// The body of an error.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub title: &'static str,
    pub status: u16,
    /// What is wrong and what to do, for a person.
    pub detail: String,
}

fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::BadRequest => StatusCode::BAD_REQUEST,
        Kind::Unauthorized => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::Timeout => StatusCode::REQUEST_TIMEOUT,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::NotMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        Kind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
        Kind::Busy => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The body of an error, as JSON.
pub fn document(status: StatusCode, detail: &str) -> Vec<u8> {
    let title = status.canonical_reason().unwrap_or("Error");
    let problem = Problem { kind: "about:blank", title, status: status.as_u16(), detail: detail.to_owned() };
    serde_json::to_vec(&problem).unwrap_or_default()
}

/// The answer to a request that failed.
pub fn response(error: &Error) -> Response {
    let status = status(error.kind);
    if status.is_server_error() {
        tracing::error!(status = status.as_u16(), error = %error.full(), "request failed");
    }
    let mut response = Response::new(bytes::Bytes::from(document(status, &error.detail)).into());
    *response.status_mut() = status;
    response.extensions_mut().insert(Detail(error.detail.clone()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if error.kind == Kind::Unauthorized {
        // RFC 9110, 11.6.1: a 401 says how to ask. Browsers open no window for this scheme.
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if matches!(error.kind, Kind::Busy | Kind::Unavailable) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
    }
    response
}

/// Ends a handler: its answer, or its error as a problem.
pub async fn answer(handler: impl Future<Output = Result<Response>>) -> Result<Response, Infallible> {
    Ok(handler.await.unwrap_or_else(|error| response(&error)))
}

/// What no handler took: unknown paths, wrong methods, requests that are no WebSocket.
pub async fn recover(rejection: Rejection) -> Result<Response, Infallible> {
    let error = if let Some(error) = rejection.find::<Rejected>() {
        fault!(Forbidden, "{}", error.0)
    } else if rejection.is_not_found() {
        return Ok(not_found());
    } else if upgrade_missing(&rejection) {
        return Ok(upgrade_required());
    } else if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        fault!(
            MethodNotAllowed,
            "This address does not take that method; the calls are described by GET /openapi.json."
        )
    } else if rejection.find::<warp::reject::PayloadTooLarge>().is_some() {
        fault!(TooLarge, "The body is larger than this call takes.")
    } else if rejection.find::<warp::reject::MissingHeader>().is_some()
        || rejection.find::<warp::reject::InvalidHeader>().is_some()
    {
        fault!(BadRequest, "A header is missing or not understood.")
    } else {
        fault!(BadRequest, "The request is not understood: {}.", plain(&rejection))
    };
    Ok(response(&error))
}

/// The answer to a request for an address that is not there.
pub fn not_found() -> Response {
    response(&fault!(NotFound, "There is nothing at this address; the calls are described by GET /openapi.json."))
}

/// A plain request for an address of WebSockets.
fn upgrade_missing(rejection: &Rejection) -> bool {
    let named = |name: &str| ["connection", "upgrade", "sec-websocket-version"].contains(&name);
    rejection.find::<warp::ws::MissingConnectionUpgrade>().is_some()
        || rejection.find::<warp::reject::MissingHeader>().is_some_and(|header| named(header.name()))
        || rejection.find::<warp::reject::InvalidHeader>().is_some_and(|header| named(header.name()))
}

/// Says by which protocol the address is to be asked (RFC 9110, 15.5.22; RFC 6455, 4.2.2).
fn upgrade_required() -> Response {
    let mut response = response(&fault!(UpgradeRequired, "This address is for WebSockets (RFC 6455, version 13)."));
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}

/// A rejection with words for a 403.
#[derive(Debug)]
pub struct Rejected(pub String);

impl warp::reject::Reject for Rejected {}

/// warp's words on a rejection, without Rust's decorations.
fn plain(rejection: &Rejection) -> String {
    let text = format!("{rejection:?}");
    text.trim_start_matches("Rejection(").trim_end_matches(')').chars().filter(|c| *c != '"').take(200).collect()
}
