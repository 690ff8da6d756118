//! Keeps other sites' pages from using a visitor's browser against this server.
//!
//! Browsers send `Origin` with WebSockets and with everything but plain reads. A page of another site is turned away;
//! programs, which send none, are not.

use std::sync::Arc;

use warp::{
    Filter, Rejection,
    http::{HeaderMap, Method, header},
};

use super::{Web, problem::Rejected, visitor::Visitor};

/// Passes requests from pages of this server, of allowed origins, and from programs.
pub fn check(web: &Arc<Web>) -> impl Filter<Extract = (), Error = Rejection> + Clone + use<> {
    let web = web.clone();
    warp::method()
        .and(warp::header::headers_cloned())
        .and(warp::host::optional())
        .and(warp::ext::get::<Visitor>())
        .and_then(move |method: Method, headers: HeaderMap, host: Option<warp::host::Authority>, visitor: Visitor| {
            // What the visitor typed, where the proxy asks this server by another name.
            let named = headers.get("x-forwarded-host").filter(|_| visitor.proxied);
            let named = named.and_then(|named| named.to_str().ok());
            let host = host.as_ref().map(|host| host.as_str());
            let allowed = [host, named]
                .into_iter()
                .any(|host| allowed(&method, &headers, host, visitor.https, &web.allow_origin));
            async move {
                if allowed {
                    return Ok(());
                }
                let words =
                    "Pages of other sites may not use this server; its operator can allow one with --allow-origin.";
                Err(warp::reject::custom(Rejected(words.into())))
            }
        })
        .untuple_one()
}

fn allowed(method: &Method, headers: &HeaderMap, host: Option<&str>, https: bool, allow: &[String]) -> bool {
    let upgrade = headers.contains_key(header::UPGRADE) || headers.contains_key("sec-websocket-key");
    if matches!(*method, Method::GET | Method::HEAD) && !upgrade {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let own = origin.split_once("://").is_some_and(|(scheme, authority)| {
        // Where this server itself speaks HTTPS, a page that came by plain HTTP is not its own. Where a proxy does, it is.
        Some(authority) == host && (scheme == "https" || scheme == "http" && !https)
    });
    own || allow.iter().any(|allowed| allowed.trim_end_matches('/') == origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask_by(https: bool, method: Method, origin: Option<&str>, upgrade: bool) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("a header value"));
        }
        if upgrade {
            headers.insert(header::UPGRADE, "websocket".parse().expect("a header value"));
        }
        allowed(&method, &headers, Some("box:8080"), https, &["https://good.example".into()])
    }

    fn ask(method: Method, origin: Option<&str>, upgrade: bool) -> bool {
        ask_by(false, method, origin, upgrade)
    }

    #[test]
    fn foreign_pages_may_read_nothing_by_socket_and_change_nothing() {
        assert!(ask(Method::GET, None, true) && ask(Method::POST, None, false), "programs may");
        assert!(
            ask(Method::GET, Some("http://box:8080"), true) && ask(Method::POST, Some("https://good.example"), false)
        );
        assert!(!ask(Method::GET, Some("http://evil.example"), true) && !ask(Method::DELETE, Some("null"), false));
        assert!(!ask(Method::POST, Some("http://box:8080.evil.example"), false));
        assert!(ask(Method::POST, Some("https://box:8080"), false), "a proxy speaks HTTPS for us");
        assert!(ask_by(true, Method::POST, Some("https://box:8080"), false));
        assert!(!ask_by(true, Method::POST, Some("http://box:8080"), false), "someone in between made that page");
    }
}
