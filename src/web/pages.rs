//! The pages: files of `www/`, from inside the program or, with `--www`, live from a folder.

use std::{path::PathBuf, sync::Arc};

use rust_embed::{EmbeddedFile, RustEmbed};
use warp::{
    Filter,
    filters::{BoxedFilter, path::FullPath},
    http::{HeaderMap, HeaderValue, header, uri::Authority},
    reply::Response,
};

use super::{Web, problem::answer, ranged, with};
use crate::{error::Result, fault};

/// Phones know a certificate by this ending.
const CERTIFICATE: &str = "certificate.crt";

#[derive(RustEmbed)]
#[folder = "www/"]
struct Www;

/// Everything from here alone; pictures and videos also from the page's own memory.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; \
    object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; connect-src 'self'";

/// Headers that every answer carries. `host`: by which name the visitor calls this server.
pub fn secure(headers: &mut HeaderMap, host: Option<&Authority>) {
    // Safari before 15.5 does not take the sockets of the same host for 'self', so they are named.
    let sockets = host.map(|host| format!("{POLICY} ws://{host} wss://{host}"));
    let policy = sockets.and_then(|policy| HeaderValue::from_str(&policy).ok());
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy.unwrap_or(HeaderValue::from_static(POLICY)));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(self), geolocation=(), microphone=(), payment=(), usb=()"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    warp::get()
        .or(warp::head())
        .unify()
        .and(warp::path::full())
        .and(warp::header::headers_cloned())
        .and(with(web))
        .and_then(|path: FullPath, headers: HeaderMap, web| async move {
            // Unknown calls under /api are no pages; warp then knows whether the path or the method was wrong.
            if path.as_str().starts_with("/api/") || path.as_str() == "/api" {
                return Err(warp::reject::not_found());
            }
            match answer(page(path, headers, web)).await {
                Ok(response) => Ok(response),
                Err(never) => match never {},
            }
        })
        .boxed()
}

/// Whether there is a page or a file of pages at this address.
pub fn exists(path: &str) -> bool {
    let name = file_name(path);
    name == CERTIFICATE || Www::get(name).is_some()
}

fn file_name(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => "index.html",
        "signin" => "signin.html",
        "camera" => "camera.html",
        "image" => "image.html",
        name => name,
    }
}

async fn page(path: FullPath, request: HeaderMap, web: Arc<Web>) -> Result<Response> {
    let name = file_name(path.as_str());
    if name == CERTIFICATE {
        return certificate(&web);
    }
    if let Some(folder) = &web.www {
        return from_folder(folder, name, &request).await;
    }
    let file = Www::get(name).ok_or_else(no_page)?;
    Ok(embedded(file, &request))
}

/// The server's own certificate, for a phone that is to trust it.
fn certificate(web: &Web) -> Result<Response> {
    let tls = web.tls.as_ref().filter(|tls| tls.is_self_signed()).ok_or_else(no_page)?;
    let mut response = Response::new(bytes::Bytes::from(tls.certificate()).into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-x509-ca-cert"));
    Ok(response)
}

fn no_page() -> crate::error::Error {
    fault!(NotFound, "There is no such page; the videos are at /, the cameras at /camera and the images at /image.")
}

/// A file of a folder in which the page is worked on.
async fn from_folder(folder: &std::path::Path, name: &str, request: &HeaderMap) -> Result<Response> {
    let safe = name.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '%']));
    let path: PathBuf = folder.join(name);
    if !safe || !path.is_file() {
        return Err(no_page());
    }
    let changed = path.metadata().and_then(|meta| meta.modified()).ok();
    let changed = changed.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
    ranged::file(&path, &changed.as_nanos().to_string(), &mime(name), request).await
}

/// A file of the program, "not modified" where the browser has it.
fn embedded(file: EmbeddedFile, request: &HeaderMap) -> Response {
    let hash: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("\"{hash}\"");
    let known = request.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let body = match file.data {
        _ if known => bytes::Bytes::new(),
        std::borrow::Cow::Borrowed(data) => bytes::Bytes::from_static(data),
        std::borrow::Cow::Owned(data) => bytes::Bytes::from(data),
    };
    let mut response = Response::new(body.into());
    if known {
        *response.status_mut() = warp::http::StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(file.metadata.mimetype()) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn mime(name: &str) -> String {
    mime_guess::from_path(name).first_or_octet_stream().to_string()
}
