//! What every request must keep to, before any route looks at it.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::{Request, body::Body};
use warp::{
    http::{HeaderMap, HeaderName, HeaderValue, Version, header, uri::Authority},
    reply::Response,
};

use super::{openapi_details, pages, problem};
use crate::{
    error::{Error, Result},
    fault,
};

/// Bytes of a WebSocket's key (RFC 6455, 4.1).
const KEY_BYTES: usize = 16;

/// By which name the visitor calls this server: HTTP/2 says it in the address, HTTP/1.1 in `Host`.
pub fn host<B>(request: &Request<B>) -> Option<Authority> {
    let said = || request.headers().get(header::HOST)?.to_str().ok()?.parse().ok();
    request.uri().authority().cloned().or_else(said)
}

/// Completes a 405 with the methods that the address takes (RFC 9110, 15.5.6); where there is no such address, it is a 404.
pub fn method_not_allowed(mut response: Response, path: &str) -> Response {
    let methods = openapi_details::allowed(path).or_else(|| pages::exists(path).then(|| "GET, HEAD".to_owned()));
    match methods.and_then(|methods| HeaderValue::from_str(&methods).ok()) {
        Some(methods) => {
            response.headers_mut().insert(header::ALLOW, methods);
            response
        }
        None => problem::not_found(),
    }
}

/// The answer to a HEAD request: as to GET, with the length that the body would have (RFC 9110, 9.3.2).
pub fn without_body(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers.entry(header::CONTENT_LENGTH).or_insert(length.into());
    }
    Response::from_parts(head, Bytes::new().into())
}

/// What is wrong with a request's head, whatever it asks for.
pub fn malformed<B>(request: &Request<B>) -> Option<Error> {
    check(request).err()
}

fn check<B>(request: &Request<B>) -> Result<()> {
    let headers = request.headers();
    let host = only(headers, &header::HOST)?;
    if host.is_none() && request.version() == Version::HTTP_11 {
        // RFC 9112, 3.2.
        return Err(fault!(BadRequest, "An HTTP/1.1 request needs a Host header."));
    }
    if let Some(host) = host {
        let host: Authority =
            host.parse().map_err(|_| fault!(BadRequest, "The Host header is no host with an optional port."))?;
        let address = request.uri().authority();
        // RFC 9113, 8.3.1.
        if request.version() == Version::HTTP_2 && address.is_some_and(|address| *address != host) {
            return Err(fault!(BadRequest, "The Host header and the address of the request name different hosts."));
        }
    }
    only(headers, &header::ORIGIN)?;
    if let Some(key) = only(headers, &header::SEC_WEBSOCKET_KEY)?
        && STANDARD.decode(key).ok().is_none_or(|key| key.len() != KEY_BYTES)
    {
        return Err(fault!(BadRequest, "The Sec-WebSocket-Key header must hold 16 bytes in Base64."));
    }
    Ok(())
}

/// The text of a header that there may be once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(fault!(BadRequest, "The request has several headers `{name}`; one is allowed."));
    }
    // The name is one of ours, and so no surprise in an answer.
    let text = value.to_str().map_err(|_| fault!(BadRequest, "The header `{name}` is not plain text."))?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(version: Version, uri: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().version(version).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        malformed(&request.body(()).expect("a request")).is_some()
    }

    #[test]
    fn hosts_origins_and_keys_come_once_and_are_well_formed() {
        let http1 = |headers: &[(&str, &str)]| refused(Version::HTTP_11, "/", headers);
        assert!(!http1(&[("host", "box:8080")]) && !http1(&[("host", "[::1]:80")]));
        assert!(http1(&[]) && http1(&[("host", "a"), ("host", "a")]) && http1(&[("host", "a b")]));
        assert!(http1(&[("host", "a"), ("origin", "http://a"), ("origin", "http://b")]));
        assert!(
            !refused(Version::HTTP_10, "/", &[]) && refused(Version::HTTP_10, "/", &[("host", "a"), ("host", "b")])
        );
        assert!(
            !refused(Version::HTTP_2, "https://a/", &[]) && !refused(Version::HTTP_2, "https://a/", &[("host", "a")])
        );
        assert!(refused(Version::HTTP_2, "https://a/", &[("host", "b")]));
        assert!(!http1(&[("host", "a"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")]));
        for key in ["", "dGhlIHNhbXBsZQ==", "dGhlIHNhbXBsZSBub25jZQ", "not base64 at all 000000"] {
            assert!(http1(&[("host", "a"), ("sec-websocket-key", key)]), "{key}");
        }
    }
}
