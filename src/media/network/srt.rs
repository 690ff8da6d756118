//! SRT: this server calls; GStreamer gets an address that was checked, and each option as a property.

use gstreamer::prelude::*;
use url::Url;

use super::{
    super::{Template, Value},
    address::StreamAddress,
    playing::Playing,
};
use crate::{
    error::{Error, Result},
    fault,
};

/// What an SRT address may ask for in its query.
pub struct Options {
    streamid: Option<String>,
    passphrase: Option<String>,
    /// Milliseconds within which a lost packet may be sent again.
    latency: Option<i32>,
    /// Bytes of the key.
    pbkeylen: Option<String>,
}

impl Options {
    /// # Errors
    /// [`BadRequest`](crate::error::Kind::BadRequest) for other options, values out of range, and modes in which others
    /// would call this server.
    pub fn read(url: &Url) -> Result<Self> {
        let mut options = Self { streamid: None, passphrase: None, latency: None, pbkeylen: None };
        for (key, value) in url.query_pairs() {
            let value = value.into_owned();
            match key.as_ref() {
                "mode" if value == "caller" => {}
                "mode" => {
                    return Err(fault!(
                        BadRequest,
                        "Of SRT's modes only caller is possible here: the camera listens and this server calls it."
                    ));
                }
                "streamid" if value.len() <= 512 && !value.chars().any(char::is_control) => {
                    options.streamid = Some(value);
                }
                "passphrase" if (10..=79).contains(&value.len()) => options.passphrase = Some(value),
                "passphrase" => return Err(fault!(BadRequest, "An SRT passphrase has 10 to 79 characters.")),
                "latency" => {
                    let latency = value.parse().ok().filter(|latency| (0..=10_000).contains(latency));
                    options.latency =
                        Some(latency.ok_or_else(|| fault!(BadRequest, "SRT's latency is 0 to 10000 milliseconds."))?);
                }
                "pbkeylen" if ["16", "24", "32"].contains(&value.as_str()) => options.pbkeylen = Some(value),
                other => {
                    let shown: String = other.chars().filter(|c| c.is_ascii_alphanumeric()).take(20).collect();
                    return Err(fault!(
                        BadRequest,
                        "The SRT address has an option that cannot be used ({shown}): streamid, passphrase, latency and \
                         pbkeylen (16, 24, 32) are possible."
                    ));
                }
            }
        }
        Ok(options)
    }
}

/// Starts the pipeline, which then runs by itself.
///
/// # Errors
/// In words, when the address is not allowed.
pub fn start(playing: &Playing, address: &StreamAddress) -> Result<()> {
    let options = Options::read(address.url())?;
    let to = playing.lines.resolve(&address.host, address.port)?;
    let to = to.first().ok_or_else(|| Error::internal("The camera has no address.", "resolve gave none"))?;
    let pipeline = Template::get("srt")?.build(&[("uri", Value::Str(&format!("srt://{to}")))])?;
    if let Some(source) = pipeline.by_name("source") {
        if let Some(streamid) = &options.streamid {
            source.set_property("streamid", streamid);
        }
        if let Some(passphrase) = &options.passphrase {
            source.set_property("passphrase", passphrase);
        }
        if let Some(latency) = options.latency {
            source.set_property("latency", latency);
        }
        if let Some(length) = &options.pbkeylen {
            source.set_property_from_str("pbkeylen", length);
        }
    }
    playing.start(pipeline, None)
}

/// What SRT says of a connection that it did not get; srtsrc tells it in its debug text only.
pub fn refusal(debug: &str) -> Option<Error> {
    if debug.contains("Failed to authenticate") {
        return Some(fault!(
            Unavailable,
            "The camera refuses the passphrase, or the stream id: one of them is wrong or missing."
        ));
    }
    let lost = debug.contains("Connection timeout") || debug.contains("Connection setup failure");
    lost.then(|| {
        fault!(
            Unavailable,
            "The camera cannot be reached by SRT: check its address and port, and that it listens (mode listener)."
        )
    })
}
