//! Bodies that have no reason to be long, whether or not they say how long they are.

use std::time::Duration;

use bytes::Buf;
use futures_util::{Stream, StreamExt};

use crate::{error::Result, fault};

/// So much of a body that is too long is read and thrown away: a client that is still sending when the connection is
/// closed never reads the refusal.
const PASSED_OVER: usize = 4 << 20;

/// Such a body arrives within this time, or it is not waited for.
const WHOLE: Duration = Duration::from_secs(10);

/// Reads a body of at most `most` bytes.
///
/// # Errors
/// It is longer, broke off, or did not arrive in time.
pub async fn small<B: Buf>(body: impl Stream<Item = Result<B, warp::Error>>, most: usize) -> Result<Vec<u8>> {
    match tokio::time::timeout(WHOLE, read(body, most)).await {
        Ok(read) => read,
        Err(_) => Err(fault!(Timeout, "The body of the request arrived too slowly: try again.")),
    }
}

async fn read<B: Buf>(body: impl Stream<Item = Result<B, warp::Error>>, most: usize) -> Result<Vec<u8>> {
    let mut body = std::pin::pin!(body);
    let (mut bytes, mut length) = (Vec::new(), 0);
    while let Some(chunk) = body.next().await {
        let mut chunk =
            chunk.map_err(|error| fault!(BadRequest, "The request broke off: try again.").with_cause(error))?;
        length += chunk.remaining();
        if length <= most {
            bytes.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining()));
        } else if length > most + PASSED_OVER {
            break;
        }
    }
    if length > most {
        return Err(fault!(TooLarge, "The body is larger than the {most} bytes that this call takes."));
    }
    Ok(bytes)
}
