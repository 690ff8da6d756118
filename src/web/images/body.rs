//! The picture's bytes out of any kind of body.

use std::{borrow::Cow, time::Duration};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Buf;
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Deserializer, de::Error as _};
use warp::{
    filters::multipart::FormData,
    http::{HeaderMap, header},
};

use super::room::{Held, Place};
use crate::{
    error::{Error, Result},
    fault,
    web::{Web, query::Query, upload::small_text, visitor::Visitor},
};

/// Bytes of a picture.
const MOST: usize = 32 << 20;
/// Bytes of JSON around such a picture: base64 makes four of three, and may be cut into lines.
const MOST_JSON: usize = MOST / 3 * 4 + (2 << 20);
/// What JSON of so many bytes takes in memory: the body, its text without escapes, the letters without white space, and the
/// picture.
const JSON_TIMES: usize = 4;
/// A sender that sends nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// Who writes base64 agrees neither on `=` at the end nor on what the last bits are.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// What may stand in a form or in JSON as well as in the query; there it comes first.
const WISHES: [&str; 8] = ["task", "model", "threshold", "top_k", "output", "labels", "scores", "quality"];

/// A picture as it came, its place and memory, and what is asked for.
pub struct Sent {
    pub place: (Held, Place),
    pub picture: Vec<u8>,
    pub query: Query,
}

/// A JSON body.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct Picture<'a> {
    /// Base64, or a `data:` URL of it.
    #[serde(borrow)]
    #[schema(value_type = String)]
    image: Cow<'a, str>,
    task: Option<String>,
    model: Option<String>,
    threshold: Option<f64>,
    #[serde(default, deserialize_with = "whole_number")]
    #[schema(value_type = Option<u32>)]
    top_k: Option<u64>,
    output: Option<String>,
    labels: Option<bool>,
    scores: Option<bool>,
    #[serde(default, deserialize_with = "whole_number")]
    #[schema(value_type = Option<u8>)]
    quality: Option<u64>,
}

/// A whole number, which may be written with a fraction of zero.
fn whole_number<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
    let number = Option::<f64>::deserialize(input)?;
    let whole = |number: f64| match number {
        number if number >= 0.0 && number.fract() == 0.0 => Ok(number as u64),
        _ => Err(D::Error::custom("a whole number from 0 on is expected")),
    };
    number.map(whole).transpose()
}

impl Picture<'_> {
    fn wishes(&self) -> [Option<String>; WISHES.len()] {
        [
            self.task.clone(),
            self.model.clone(),
            self.threshold.map(|number| number.to_string()),
            self.top_k.map(|number| number.to_string()),
            self.output.clone(),
            self.labels.map(|flag| flag.to_string()),
            self.scores.map(|flag| flag.to_string()),
            self.quality.map(|number| number.to_string()),
        ]
    }
}

/// Reads a body that is the picture, or JSON with the picture inside.
pub async fn whole<B: Buf>(
    web: &Web,
    mut query: Query,
    (headers, visitor): (&HeaderMap, Visitor),
    body: impl Stream<Item = Result<B, warp::Error>> + Unpin,
) -> Result<Sent> {
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default().to_ascii_lowercase());
    let kind = kind.as_deref().map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let json = match kind {
        Some("application/json") => true,
        None | Some("" | "application/octet-stream") => false,
        Some(kind) if kind.starts_with("image/") => false,
        Some("multipart/form-data") => {
            return Err(fault!(
                BadRequest,
                "The form's Content-Type names no boundary: let the HTTP library write that header itself."
            ));
        }
        Some(kind) => {
            let kind: String = kind.chars().take(80).collect();
            return Err(fault!(
                NotMedia,
                "A body of type `{kind}` is not read here: send the picture's bytes as image/jpeg (curl: -H \
                 'Content-Type: image/jpeg'), multipart/form-data with a part `file`, or application/json."
            ));
        }
    };
    check_length(headers)?;
    let mut held = web.images.body(visitor.address);
    let (most, times) = if json { (MOST_JSON, JSON_TIMES) } else { (MOST, 1) };
    let bytes = receive(web, &mut held, body, most, times).await?;
    let place = (held, web.images.enter()?);
    if !json {
        return Ok(Sent { place, picture: bytes, query });
    }
    let body: Picture<'_> = serde_json::from_slice(&bytes).map_err(|error| {
        let words: String = error.to_string().chars().take(200).collect();
        fault!(BadRequest, "The body must be JSON such as {{\"image\":\"<base64 or data: URL>\"}}: {words}.")
    })?;
    for (name, value) in WISHES.iter().zip(body.wishes()) {
        if let Some(value) = value {
            query.0.entry((*name).to_owned()).or_insert(value);
        }
    }
    let picture = decoded(&body.image)?;
    if picture.len() > MOST {
        return Err(too_large());
    }
    Ok(Sent { place, picture, query })
}

/// Reads a form with the picture as its part `file`.
pub async fn form(
    web: &Web,
    mut query: Query,
    (headers, visitor): (&HeaderMap, Visitor),
    form: &mut FormData,
) -> Result<Sent> {
    check_length(headers)?;
    let mut held = web.images.body(visitor.address);
    let mut picture = None;
    while let Some(part) = form.next().await {
        let part = part.map_err(|error| fault!(BadRequest, "The form cannot be read: {error}."))?;
        let name = part.name().to_owned();
        if name == "file" {
            if picture.is_some() {
                return Err(fault!(BadRequest, "The form has several parts named `file`: send one picture a call."));
            }
            picture = Some(receive(web, &mut held, Box::pin(part.stream()), MOST, 1).await?);
        } else if WISHES.contains(&name.as_str()) {
            let value = small_text(part).await?;
            // A page's form sends fields that nobody filled in.
            if !value.is_empty() {
                query.0.entry(name).or_insert(value);
            }
        }
    }
    let picture =
        picture.ok_or_else(|| fault!(BadRequest, "The form has no part named `file` that holds the picture."))?;
    Ok(Sent { place: (held, web.images.enter()?), picture, query })
}

/// Refuses a body that says itself that it is too large.
fn check_length(headers: &HeaderMap) -> Result<()> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MOST_JSON as u64) {
        return Err(too_large());
    }
    Ok(())
}

fn too_large() -> Error {
    let megabytes = MOST >> 20;
    fault!(TooLarge, "The picture is larger than the {megabytes} MiB that this call takes: send a smaller one.")
}

/// Reads a body, or a part of one, into memory, of which it will take `times` as much.
async fn receive<B: Buf>(
    web: &Web,
    held: &mut Held,
    mut body: impl Stream<Item = Result<B, warp::Error>> + Unpin,
    most: usize,
    times: usize,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let chunk = tokio::select! {
            chunk = tokio::time::timeout(PATIENCE, body.next()) => chunk,
            () = web.shutdown.cancelled() => return Err(fault!(Unavailable, "The server is stopping: try again in a minute.")),
        };
        let chunk = chunk.map_err(|_| fault!(BadRequest, "The picture stopped coming in: try again."))?;
        let Some(chunk) = chunk else { return Ok(bytes) };
        let mut chunk =
            chunk.map_err(|error| fault!(BadRequest, "The request broke off: try again.").with_cause(error))?;
        if bytes.len() + chunk.remaining() > most {
            return Err(too_large());
        }
        held.hold(chunk.remaining() * times)?;
        while chunk.has_remaining() {
            let piece = chunk.chunk();
            let length = piece.len();
            bytes.extend_from_slice(piece);
            chunk.advance(length);
        }
    }
}

/// The bytes of base64 (RFC 4648, either alphabet, with white space or without) or of a `data:` URL (RFC 2397) of it.
fn decoded(text: &str) -> Result<Vec<u8>> {
    let text = text.trim();
    let code = match text.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:")) {
        Some(_) => match text.split_once(',') {
            Some((head, code)) if head.to_ascii_lowercase().ends_with(";base64") => code,
            _ => {
                return Err(fault!(
                    BadRequest,
                    "`image` is a data: URL, but none of base64: write data:image/jpeg;base64,…."
                ));
            }
        },
        None => text,
    };
    let letters = code.bytes().filter(|letter| !letter.is_ascii_whitespace()).map(|letter| match letter {
        b'-' => b'+',
        b'_' => b'/',
        letter => letter,
    });
    let letters: Vec<u8> = letters.collect();
    BASE64.decode(letters).map_err(|error| fault!(BadRequest, "`image` is no base64: {error}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_people_write_it() {
        let bytes = [0xfb, 0xef, 0xbe, 0xff];
        for text in [
            "++++/w==",
            "----_w",
            "++++/w",
            " ++\r\n++/w = =\n",
            "data:image/png;base64,++++/w==",
            "DATA:;BASE64,----_w",
        ] {
            assert_eq!(decoded(text).expect(text), bytes);
        }
        for text in ["data:image/png,abcd", "data:", "a", "ab*d", "ab=d", "图片"] {
            assert_eq!(decoded(text).expect_err(text).kind, crate::error::Kind::BadRequest);
        }
        assert_eq!(decoded("").expect("nothing"), b"");
    }
}
