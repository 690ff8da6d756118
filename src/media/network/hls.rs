//! HLS playlists (RFC 8216), as far as a camera's picture needs them.

use std::sync::Arc;

use url::Url;

use super::http::Part;
use crate::{
    error::{Error, Result},
    fault,
    frame::Size,
};

/// Most bytes of a playlist. One of a live stream has some hundred bytes; one of 10,000 segments has less than this.
pub const MOST_BYTES: usize = 1024 * 1024;
/// Most segments of a playlist.
const MOST_SEGMENTS: usize = 10_000;
/// Most bytes of one address in a playlist.
const LONGEST_URI: usize = 2048;
/// More pixels than that are not asked for where a smaller variant is there.
const ENOUGH: u64 = 1920 * 1080;

/// What a playlist says.
#[derive(Debug, PartialEq)]
pub enum Playlist {
    /// Variants of the same stream, of which the best is here.
    Master(Url),
    Media(Media),
}

/// A list of segments, which grows while the stream is live.
#[derive(Debug, PartialEq)]
pub struct Media {
    /// The number of the first segment.
    pub first: u64,
    pub segments: Vec<Segment>,
    /// Seconds that no segment is longer than.
    pub target: f64,
    pub ended: bool,
}

#[derive(Debug, PartialEq)]
pub struct Segment {
    pub place: Place,
    /// What a decoder must have read before; shared by all segments that name the same.
    pub map: Option<Arc<Place>>,
}

/// A resource, or a part of one, as the playlist names it: a list of many segments costs no more memory than its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Absolute, or relative to the playlist's own address.
    pub uri: Box<str>,
    pub part: Option<Part>,
}

impl Place {
    /// The whole address, for a playlist that came from `base`.
    ///
    /// # Errors
    /// [`Unprocessable`](crate::error::Kind::Unprocessable) when the playlist names an address that is none.
    pub fn url(&self, base: &Url) -> Result<Url> {
        base.join(&self.uri).map_err(|error| damaged().with_cause(error))
    }
}

fn damaged() -> Error {
    fault!(Unprocessable, "The address gives a damaged HLS playlist.")
}

/// Why a playlist is not read to its end.
pub fn too_long() -> Error {
    fault!(
        Unprocessable,
        "The HLS playlist is too long: it may have {} KB, {MOST_SEGMENTS} segments and addresses of {LONGEST_URI} bytes.",
        MOST_BYTES / 1024
    )
}

/// An address of a playlist, if it is not too long.
fn address(uri: &str) -> Result<&str> {
    if uri.len() > LONGEST_URI { Err(too_long()) } else { Ok(uri) }
}

impl Playlist {
    /// Reads a playlist that came from `base`.
    ///
    /// # Errors
    /// [`Unprocessable`](crate::error::Kind::Unprocessable) for what is none, for one that is longer than the limits
    /// above, and for encrypted streams.
    pub fn parse(text: &str, base: &Url) -> Result<Self> {
        if text.len() > MOST_BYTES {
            return Err(too_long());
        }
        let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).filter(|line| !line.is_empty());
        if !lines.next().is_some_and(|line| line.starts_with("#EXTM3U")) {
            return Err(damaged());
        }
        let mut media = Media { first: 0, segments: Vec::new(), target: 6.0, ended: false };
        let mut best = None;
        let (mut map, mut range, mut variant) = (None, None, None);
        for line in lines {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-STREAM-INF" => variant = Some(weight(value)),
                "#EXT-X-MEDIA-SEQUENCE" => media.first = value.trim().parse().map_err(|_| damaged())?,
                "#EXT-X-TARGETDURATION" => media.target = value.trim().parse().map_err(|_| damaged())?,
                "#EXT-X-ENDLIST" => media.ended = true,
                "#EXT-X-BYTERANGE" => range = Some(value),
                "#EXT-X-KEY" if attribute(value, "METHOD") != Some("NONE") => {
                    return Err(fault!(
                        Unprocessable,
                        "The HLS stream is encrypted: the server cannot see its pictures."
                    ));
                }
                "#EXT-X-MAP" => {
                    let uri = address(attribute(value, "URI").ok_or_else(damaged)?)?;
                    let part = attribute(value, "BYTERANGE").and_then(|range| part(range, 0));
                    map = Some(Arc::new(Place { uri: uri.into(), part }));
                }
                _ if line.starts_with('#') => {}
                _ => {
                    let uri = address(line)?;
                    if let Some(weight) = variant.take() {
                        if best.as_ref().is_none_or(|(before, _)| weight >= *before) {
                            best = Some((weight, uri));
                        }
                        continue;
                    }
                    if media.segments.len() == MOST_SEGMENTS {
                        return Err(too_long());
                    }
                    let before = media.segments.last().map(|segment: &Segment| &segment.place);
                    let from = before.filter(|before| &*before.uri == uri).and_then(|before| before.part);
                    let from = from.map_or(0, |before| before.from.saturating_add(before.length));
                    let part = range.take().and_then(|range| part(range, from));
                    media.segments.push(Segment { place: Place { uri: uri.into(), part }, map: map.clone() });
                }
            }
        }
        match best {
            Some((_, uri)) => Ok(Self::Master(base.join(uri).map_err(|error| damaged().with_cause(error))?)),
            None => Ok(Self::Media(media)),
        }
    }
}

/// How good a variant is: not larger than needed, then large, then of many bits.
fn weight(attributes: &str) -> (bool, i64, u64) {
    let size = attribute(attributes, "RESOLUTION").and_then(|size| size.split_once('x'));
    let size = size.and_then(|(width, height)| Some(Size::new(width.parse().ok()?, height.parse().ok()?)));
    let pixels = size.map_or(0, Size::pixels);
    let bits = attribute(attributes, "BANDWIDTH").and_then(|bits| bits.parse().ok()).unwrap_or(0);
    let fits = pixels <= ENOUGH;
    let pixels = i64::try_from(pixels).unwrap_or(i64::MAX);
    (fits, if fits { pixels } else { -pixels }, bits)
}

/// `URI` of `METHOD=NONE,URI="a,b"`.
fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = list;
    while let Some((key, value)) = rest.split_once('=') {
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_once(',').unwrap_or((value, "")),
        };
        if key.trim() == name {
            return Some(value.trim());
        }
        rest = after.trim_start_matches(',');
    }
    None
}

/// `length@from`; without `@` it goes on where the one before ended.
fn part(range: &str, from: u64) -> Option<Part> {
    let (length, from) = match range.split_once('@') {
        Some((length, from)) => (length, from.trim().parse().ok()?),
        None => (range, from),
    };
    Some(Part { from, length: length.trim().parse().ok().filter(|length| *length > 0)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("http://cam.example/a/b.m3u8?t=1").expect("a URL")
    }

    fn parse(text: &str) -> Result<Playlist> {
        Playlist::parse(text, &base())
    }

    #[test]
    fn the_best_variant_that_is_not_too_large_is_taken() {
        let master = "#EXTM3U\r\n#EXT-X-STREAM-INF:BANDWIDTH=900000,CODECS=\"avc1,mp4a\",RESOLUTION=640x360\r\nlow.m3u8\r\n\
            #EXT-X-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=3840x2160\nuhd.m3u8\n\
            #EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=1920x1080\n/hd.m3u8\n";
        let Ok(Playlist::Master(url)) = parse(master) else { panic!("no master") };
        assert_eq!(url.as_str(), "http://cam.example/hd.m3u8");
    }

    #[test]
    fn segments_are_read_with_their_parts() {
        let text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:17\n#EXT-X-KEY:METHOD=NONE\n\
            #EXT-X-MAP:URI=\"init,1.mp4\",BYTERANGE=\"100@0\"\n#EXTINF:4.0,\n#EXT-X-BYTERANGE:50@100\nall.mp4\n\
            #EXTINF:4,\n#EXT-X-BYTERANGE:60\nall.mp4\n#EXTINF:2,\nhttp://127.0.0.1/x.ts\n#EXT-X-ENDLIST";
        let Ok(Playlist::Media(media)) = parse(text) else { panic!("no list") };
        assert_eq!((media.first, media.target, media.ended), (17, 4.0, true));
        let parts: Vec<_> = media.segments.iter().map(|segment| segment.place.part).collect();
        assert_eq!(parts, [Some(Part { from: 100, length: 50 }), Some(Part { from: 150, length: 60 }), None]);
        let url = |place: &Place| place.url(&base()).expect("a URL").to_string();
        assert_eq!(media.segments[0].map.as_deref().map(url).as_deref(), Some("http://cam.example/a/init,1.mp4"));
        assert_eq!(url(&media.segments[2].place), "http://127.0.0.1/x.ts");
    }

    #[test]
    fn what_is_no_playlist_is_refused_in_words() {
        for text in ["", "<html>", "#EXTM3U\n#EXT-X-TARGETDURATION:x\n", "#EXTM3U\n#EXT-X-MAP:X=1\n"] {
            assert!(parse(text).is_err(), "{text}");
        }
        let text = "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"file:///etc/passwd\"\n#EXTINF:1,\na.ts\n";
        assert!(parse(text).expect_err("encrypted").detail.contains("encrypted"));
    }

    #[test]
    fn long_playlists_are_refused() {
        let head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n";
        let segments = |count: usize| format!("{head}{}", "a\n".repeat(count));
        let Ok(Playlist::Media(media)) = parse(&segments(MOST_SEGMENTS)) else { panic!("no list") };
        assert_eq!(media.segments.len(), MOST_SEGMENTS);
        let addresses = |length: usize| {
            let long = "p".repeat(length);
            [
                format!("{head}{long}\n"),
                format!("{head}#EXT-X-MAP:URI=\"{long}\"\na\n"),
                format!("{head}#EXT-X-STREAM-INF:BANDWIDTH=1\n{long}\n"),
            ]
        };
        assert!(addresses(LONGEST_URI).iter().all(|text| parse(text).is_ok()));
        let mut refused = addresses(LONGEST_URI + 1).to_vec();
        refused.extend([segments(MOST_SEGMENTS + 1), format!("{head}{}", "#\n".repeat(MOST_BYTES / 2))]);
        for text in refused {
            assert!(parse(&text).expect_err("too long").detail.contains("too long"), "{} bytes", text.len());
        }
    }

    #[test]
    fn the_largest_numbers_are_taken() {
        let most = u64::MAX;
        let text = format!(
            "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:{most}\n#EXT-X-BYTERANGE:{most}@{most}\na\n#EXT-X-BYTERANGE:{most}\na\n"
        );
        let Ok(Playlist::Media(media)) = parse(&text) else { panic!("no list") };
        assert_eq!(media.segments[1].place.part, Some(Part { from: most, length: most }));
        assert!(parse("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:18446744073709551616\n").is_err());
    }
}
