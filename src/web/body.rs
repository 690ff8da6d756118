//! Bodies that have no reason to be long, whether or not they say how long they are.

use bytes::Buf;
use futures_util::{Stream, StreamExt};

use crate::{error::Result, fault};

/// Reads a body of at most `most` bytes.
///
/// # Errors
/// It is longer, or broke off.
pub async fn small<B: Buf>(body: impl Stream<Item = Result<B, warp::Error>>, most: usize) -> Result<Vec<u8>> {
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        let mut chunk =
            chunk.map_err(|error| fault!(BadRequest, "The request broke off: try again.").with_cause(error))?;
        if bytes.len() + chunk.remaining() > most {
            return Err(fault!(TooLarge, "The body is larger than the {most} bytes that this call takes."));
        }
        bytes.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining()));
    }
    Ok(bytes)
}
