//! Cameras over HTTP: motion JPEG, HLS, and media that comes as one long body.

use std::{
    io::{self, BufReader, Read},
    time::Duration,
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;
use url::Url;

use super::{
    super::Template,
    address::StreamAddress,
    hls::{self, Media, Place, Playlist},
    http::{Answer, Client},
    parts,
    playing::Playing,
};
use crate::{
    error::{Error, Kind, Result},
    fault,
};

/// Bytes that are handed to the decoder at once.
const PIECE: usize = 64 * 1024;
/// A live stream is joined so many segments before its end (RFC 8216, 6.3.3).
const BEHIND: usize = 3;
/// The shortest wait for a playlist to grow.
const SHORTEST: Duration = Duration::from_millis(500);

/// Serves an HTTP camera until it ends.
///
/// # Errors
/// In words, when it cannot be opened, breaks, or is none.
pub fn serve(playing: &Playing, address: &StreamAddress) -> Result<()> {
    let client = Client::new(&playing.lines, address);
    let answer = client.get(address.url(), None)?;
    let kind = answer.head.value("content-type").unwrap_or_default().to_ascii_lowercase();
    if kind.starts_with("multipart/") {
        return pictures(playing, answer);
    }
    if kind.starts_with("image/") {
        return Err(fault!(
            Unprocessable,
            "The address gives a still picture, not a stream: use the address of the camera's video."
        ));
    }
    if kind.starts_with("text/html") {
        return Err(fault!(
            Unprocessable,
            "The address gives a web page, not a stream: use the address of the camera's video, which its manual names."
        ));
    }
    if kind.contains("mpegurl") || answer.url.path().ends_with(".m3u8") {
        return segments(playing, &client, answer);
    }
    let feed = start(playing, "http", None)?;
    if pour(&feed, answer.body)? {
        finish(&feed);
    }
    Ok(())
}

/// Motion JPEG.
fn pictures(playing: &Playing, answer: Answer) -> Result<()> {
    let mut source = parts::Pictures::new(BufReader::with_capacity(PIECE, answer.body));
    let mut feed = None;
    loop {
        let picture = match source.next() {
            Ok(Some(picture)) => picture,
            // As a camera that hangs up in order.
            Ok(None) => break,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(
                    fault!(Unprocessable, "What comes from the address are no JPEG pictures.").with_cause(error)
                );
            }
            Err(error) => return Err(broke(&error)),
        };
        playing.check_size(parts::size(&picture))?;
        let feed = match &feed {
            Some(feed) => feed,
            None => feed.insert(start(playing, "http-pictures", Some("image/jpeg"))?),
        };
        if feed.push_buffer(gst::Buffer::from_mut_slice(picture)).is_err() {
            return Ok(());
        }
    }
    match feed {
        Some(feed) => finish(&feed),
        None => playing.newest.end(Ok(())),
    }
    Ok(())
}

/// HLS: segment after segment, and the playlist again while it grows.
fn segments(playing: &Playing, client: &Client, answer: Answer) -> Result<()> {
    let (mut place, mut media) = playlist(client, answer)?;
    let live = !media.ended;
    let start_at = if live { media.segments.len().saturating_sub(BEHIND) } else { 0 };
    let mut next = media.first.saturating_add(start_at as u64);
    let feed = start(playing, "http", None)?;
    let mut map = None;
    loop {
        let skipped = usize::try_from(next.saturating_sub(media.first)).unwrap_or(usize::MAX);
        // Segments that are gone already are passed over.
        next = next.max(media.first);
        let fresh = media.segments.drain(skipped.min(media.segments.len())..);
        let grown = fresh.len() > 0;
        for segment in fresh {
            next = next.saturating_add(1);
            if segment.map.is_some() && segment.map != map {
                map = segment.map;
                if let Some(map) = &map
                    && !fetch(client, &feed, &place, map)?
                {
                    return Ok(());
                }
            }
            if !fetch(client, &feed, &place, &segment.place)? {
                return Ok(());
            }
        }
        if media.ended {
            finish(&feed);
            return Ok(());
        }
        let target = Duration::try_from_secs_f64(media.target.clamp(0.0, 60.0)).unwrap_or(SHORTEST);
        playing.lines.pause(if grown { target / 2 } else { target / 4 }.max(SHORTEST))?;
        (place, media) = playlist(client, client.get(&place, None)?)?;
    }
}

/// A list of segments and where it stands, by way of a list of variants if that is what comes.
fn playlist(client: &Client, answer: Answer) -> Result<(Url, Media)> {
    match read(answer)? {
        (url, Playlist::Media(media)) => Ok((url, media)),
        (_, Playlist::Master(variant)) => match read(client.get(&variant, None)?)? {
            (url, Playlist::Media(media)) => Ok((url, media)),
            (_, Playlist::Master(_)) => Err(fault!(Unprocessable, "The HLS playlist names only other lists.")),
        },
    }
}

fn read(answer: Answer) -> Result<(Url, Playlist)> {
    let mut text = Vec::new();
    // One byte more than may be, so that a longer one is seen.
    answer.body.take(hls::MOST_BYTES as u64 + 1).read_to_end(&mut text).map_err(|error| broke(&error))?;
    let text = String::from_utf8_lossy(&text);
    Ok((answer.url.clone(), Playlist::parse(&text, &answer.url)?))
}

/// Gives a segment of the playlist at `base` to the decoder; false when it takes no more. One that is missing is passed
/// over.
fn fetch(client: &Client, feed: &gst_app::AppSrc, base: &Url, place: &Place) -> Result<bool> {
    match client.get(&place.url(base)?, place.part) {
        Ok(Answer { head, mut body, .. }) => match place.part {
            // A server that knows no ranges gives all of it.
            Some(part) if head.status() == Some(200) => {
                let skipped = io::copy(&mut body.by_ref().take(part.from), &mut io::sink());
                skipped.map_err(|error| broke(&error))?;
                pour(feed, body.take(part.length))
            }
            _ => pour(feed, body),
        },
        Err(error) if error.kind == Kind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Starts a pipeline that is fed from here.
fn start(playing: &Playing, template: &str, door: Option<&'static str>) -> Result<gst_app::AppSrc> {
    let pipeline = Template::get(template)?.build(&[])?;
    let feed = pipeline.by_name("source").and_then(|source| source.downcast().ok());
    let feed = feed.ok_or_else(|| Error::internal("A media pipeline of the server is broken.", "no appsrc"))?;
    playing.start(pipeline, door)?;
    Ok(feed)
}

/// Gives all bytes to the decoder, as fast as it takes them; false when it takes no more.
fn pour(feed: &gst_app::AppSrc, mut body: impl Read) -> Result<bool> {
    loop {
        let mut piece = vec![0; PIECE];
        let count = body.read(&mut piece).map_err(|error| broke(&error))?;
        if count == 0 {
            return Ok(true);
        }
        piece.truncate(count);
        if feed.push_buffer(gst::Buffer::from_mut_slice(piece)).is_err() {
            return Ok(false);
        }
    }
}

/// Nothing will follow; what was given is still played.
fn finish(feed: &gst_app::AppSrc) {
    if let Err(error) = feed.end_of_stream() {
        tracing::debug!(%error, "a camera's pipeline takes no end");
    }
}

fn broke(error: &io::Error) -> Error {
    Error::new(Kind::Unavailable, "The connection to the camera broke.").with_cause(error)
}
