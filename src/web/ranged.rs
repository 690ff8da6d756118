//! A file as an answer: ETag, conditional requests and byte ranges (RFC 9110, 13 and 14).

use std::path::Path;

use headers::{
    AcceptRanges, ContentLength, ContentRange, ETag, HeaderMap, HeaderMapExt, IfNoneMatch, IfRange, LastModified, Range,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use warp::{
    Reply,
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

use crate::{error::Result, fault};

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;

/// Answers with the file, the part of it that was asked for, or "not modified". `tag` names this very content.
pub async fn file(path: &Path, tag: &str, content_type: &str, request: &HeaderMap) -> Result<Response> {
    let mut file = match tokio::fs::File::open(path).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(fault!(NotFound, "The file is not there any more; it may have been deleted."));
        }
        opened => opened?,
    };
    let metadata = file.metadata().await?;
    let length = metadata.len();
    let modified = LastModified::from(metadata.modified()?);
    let etag: ETag =
        format!("\"{tag}-{length}\"").parse().map_err(|error| crate::error::Error::internal("ETag", error))?;
    if request.typed_get::<IfNoneMatch>().is_some_and(|condition| !condition.precondition_passes(&etag)) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        response.headers_mut().typed_insert(etag);
        return Ok(response);
    }
    let wanted = request.typed_get::<Range>().filter(|_| {
        let condition = request.typed_get::<IfRange>();
        condition.is_none_or(|condition| !condition.is_modified(Some(&etag), Some(&modified)))
    });
    let part = wanted.map(|range| {
        let outside = || fault!(RangeNotSatisfiable, "The range lies outside the file, which has {length} bytes.");
        first_range(&range, length).ok_or_else(outside)
    });
    let (status, (start, end)) = match part {
        None => (StatusCode::OK, (0, length)),
        Some(Ok(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Err(error)) => {
            let mut response = super::problem::response(&error);
            response.headers_mut().typed_insert(ContentRange::unsatisfied_bytes(length));
            return Ok(response);
        }
    };
    file.seek(std::io::SeekFrom::Start(start)).await?;
    let mut response = warp::reply::stream(ReaderStream::with_capacity(file.take(end - start), CHUNK)).into_response();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.typed_insert(etag);
    headers.typed_insert(modified);
    headers.typed_insert(AcceptRanges::bytes());
    headers.typed_insert(ContentLength(end - start));
    let content_type =
        HeaderValue::from_str(content_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(range) = ContentRange::bytes(start..end, length)
    {
        headers.typed_insert(range);
    }
    Ok(response)
}

/// The first range that fits a file of `length` bytes, as start and end (exclusive).
fn first_range(range: &Range, length: u64) -> Option<(u64, u64)> {
    use std::ops::Bound;
    range.satisfiable_ranges(length).find_map(|(start, end)| {
        let (start, end) = match (start, end) {
            (Bound::Included(start), Bound::Included(end)) => (start, end.saturating_add(1).min(length)),
            (Bound::Included(start), _) => (start, length),
            (_, Bound::Included(last)) => (length.saturating_sub(last), length),
            _ => return None,
        };
        (start < end).then_some((start, end))
    })
}

/// `Content-Disposition: attachment` with a name that any browser reads (RFC 6266, RFC 8187).
pub fn attachment(name: &str) -> HeaderValue {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || " ._-()".contains(c) { c } else { '_' }).collect();
    let encoded: String = name
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"._-".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    HeaderValue::from_str(&format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"))
        .unwrap_or(HeaderValue::from_static("attachment"))
}
