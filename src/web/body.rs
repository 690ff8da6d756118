//! Bodies that have no reason to be long, whether or not they say how long they are.

use std::time::Duration;

use bytes::Buf;
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

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

/// Reads JSON. A whole number may be written with a fraction of zero: to JSON Schema `3.0` is an integer.
///
/// # Errors
/// It is no JSON, or not of this kind.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    // The first try tells a line and a column.
    serde_json::from_slice(bytes).or_else(|error| {
        let mut value: Value = serde_json::from_slice(bytes)?;
        if whole_numbers(&mut value) { serde_json::from_value(value) } else { Err(error) }
    })
}

/// Writes numbers such as `3.0` as integers; whether there were any.
fn whole_numbers(value: &mut Value) -> bool {
    match value {
        // All of them are looked at, not only those up to the first.
        Value::Array(items) => items.iter_mut().filter_map(|item| whole_numbers(item).then_some(())).count() > 0,
        Value::Object(fields) => fields.values_mut().filter_map(|field| whole_numbers(field).then_some(())).count() > 0,
        Value::Number(number) => match number.as_f64() {
            // Beyond 2^53 not every whole number is a float.
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => {
                *value = Value::from(float as i64);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_may_have_a_fraction_of_zero() {
        assert_eq!(json::<Vec<u32>>(b"[1, 2.0, 3e0]").expect("numbers"), [1, 2, 3]);
        assert_eq!(json::<Vec<f32>>(b"[1, 2.5]").expect("numbers"), [1.0, 2.5]);
        for wrong in ["[1.5]", "[-1.0]", "[1e300]", "[\"1\"]", "[1"] {
            assert!(json::<Vec<u32>>(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
