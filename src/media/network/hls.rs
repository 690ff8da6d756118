//! HLS playlists (RFC 8216), as far as a camera's picture needs them.

use url::Url;

use super::http::Part;
use crate::{error::Result, fault, frame::Size};

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

#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub place: Place,
    /// What a decoder must have read before.
    pub map: Option<Place>,
}

/// A resource, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub url: Url,
    pub part: Option<Part>,
}

impl Playlist {
    /// Reads a playlist that came from `base`.
    ///
    /// # Errors
    /// [`Unprocessable`](crate::error::Kind::Unprocessable) for what is none and for encrypted streams.
    pub fn parse(text: &str, base: &Url) -> Result<Self> {
        let none = || fault!(Unprocessable, "The address gives a damaged HLS playlist.");
        let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).filter(|line| !line.is_empty());
        if !lines.next().is_some_and(|line| line.starts_with("#EXTM3U")) {
            return Err(none());
        }
        let mut media = Media { first: 0, segments: Vec::new(), target: 6.0, ended: false };
        let mut variants = Vec::new();
        let (mut map, mut range, mut variant) = (None, None, None);
        for line in lines {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-STREAM-INF" => variant = Some(weight(value)),
                "#EXT-X-MEDIA-SEQUENCE" => media.first = value.trim().parse().map_err(|_| none())?,
                "#EXT-X-TARGETDURATION" => media.target = value.trim().parse().map_err(|_| none())?,
                "#EXT-X-ENDLIST" => media.ended = true,
                "#EXT-X-BYTERANGE" => range = Some(value),
                "#EXT-X-KEY" if attribute(value, "METHOD") != Some("NONE") => {
                    return Err(fault!(
                        Unprocessable,
                        "The HLS stream is encrypted: the server cannot see its pictures."
                    ));
                }
                "#EXT-X-MAP" => {
                    let url = attribute(value, "URI").and_then(|uri| base.join(uri).ok()).ok_or_else(none)?;
                    let part = attribute(value, "BYTERANGE").and_then(|range| part(range, 0));
                    map = Some(Place { url, part });
                }
                _ if line.starts_with('#') => {}
                _ => {
                    let url = base.join(line).map_err(|_| none())?;
                    if let Some(weight) = variant.take() {
                        variants.push((weight, url));
                        continue;
                    }
                    let before = media.segments.last().map(|segment: &Segment| &segment.place);
                    let from = before.filter(|before| before.url == url).and_then(|before| before.part);
                    let from = from.map_or(0, |before| before.from.saturating_add(before.length));
                    let part = range.take().and_then(|range| part(range, from));
                    media.segments.push(Segment { place: Place { url, part }, map: map.clone() });
                }
            }
        }
        match variants.into_iter().max_by_key(|(weight, _)| *weight) {
            Some((_, url)) => Ok(Self::Master(url)),
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

    fn parse(text: &str) -> Result<Playlist> {
        Playlist::parse(text, &Url::parse("http://cam.example/a/b.m3u8?t=1").expect("a URL"))
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
        assert_eq!(media.segments[0].map.as_ref().map(|map| map.url.as_str()), Some("http://cam.example/a/init,1.mp4"));
        assert_eq!(media.segments[2].place.url.as_str(), "http://127.0.0.1/x.ts");
    }

    #[test]
    fn what_is_no_playlist_is_refused_in_words() {
        for text in ["", "<html>", "#EXTM3U\n#EXT-X-TARGETDURATION:x\n", "#EXTM3U\n#EXT-X-MAP:X=1\n"] {
            assert!(parse(text).is_err(), "{text}");
        }
        let text = "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"file:///etc/passwd\"\n#EXTINF:1,\na.ts\n";
        assert!(parse(text).expect_err("encrypted").detail.contains("encrypted"));
    }
}
