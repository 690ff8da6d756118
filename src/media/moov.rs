//! What an MP4's index (`moov`) says of its first video track and GStreamer 1.22 does not pass on: how many
//! frames it holds, and whether its samples are full range (ISO/IEC 14496-12, 8.4 to 8.7 and 12.1.5).

use std::{fs::File, os::unix::fs::FileExt};

use super::Rate;

/// Boxes of one level to look at, at most.
const MOST_BOXES: usize = 1000;
/// A sample description is some hundred bytes long.
const LONGEST_DESCRIPTION: u64 = 64 * 1024;
/// PIFF 1.1, 5.3: a protection system's header, and the encryption of samples.
const PIFF: [[u8; 16]; 2] = [
    [0xd0, 0x8a, 0x4f, 0x18, 0x10, 0xf3, 0x4a, 0x82, 0xb6, 0xc8, 0x32, 0xd8, 0xab, 0xa1, 0x83, 0xd3],
    [0xa2, 0x39, 0x4f, 0x52, 0x5a, 0x9b, 0x4f, 0x14, 0xa2, 0x44, 0x6c, 0x42, 0x7c, 0x64, 0x8d, 0xf4],
];
/// Bytes of a visual sample entry before its own boxes, after its box header.
const VISUAL_ENTRY: usize = 78;

/// The first video track.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Track {
    /// Samples in the index; a fragmented file's index has none.
    pub frames: Option<u64>,
    /// Seconds of all of them, before an edit list.
    pub seconds: Option<f64>,
    /// The colour box says that luma spans 0 to 255.
    pub full_range: bool,
    /// Its samples are encrypted (ISO/IEC 23001-7, and PIFF before it).
    pub encrypted: bool,
}

impl Track {
    /// Frames per second over the whole track.
    pub fn average_rate(self) -> Option<Rate> {
        let (frames, seconds) = (self.frames? as f64, self.seconds?);
        let rate = Rate { num: (frames / seconds * 1000.0).round().min(1e9) as u32, den: 1000 };
        (rate.num > 0).then_some(rate)
    }
}

/// Where a box's contents lie.
#[derive(Clone, Copy)]
struct Span {
    start: u64,
    end: u64,
}

/// Reads the index whose contents lie from `start` to `end`; what is missing or broken stays at its default.
pub fn read(file: &File, start: u64, end: u64) -> Track {
    let video = |track: Span| -> Option<Track> {
        let media = find(file, track, b"mdia")?;
        let handler = find(file, media, b"hdlr")?;
        if bytes::<4>(file, handler.start + 8)? != *b"vide" {
            return None;
        }
        let table = find(file, find(file, media, b"minf")?, b"stbl")?;
        let count = |span: Span| bytes::<4>(file, span.start + 8).map(|n| u64::from(u32::from_be_bytes(n)));
        Some(Track {
            frames: find(file, table, b"stsz")
                .or_else(|| find(file, table, b"stz2"))
                .and_then(count)
                .filter(|n| *n > 0),
            seconds: find(file, media, b"mdhd").and_then(|header| seconds(file, header)),
            full_range: find(file, table, b"stsd").and_then(|span| full_range(file, span)).unwrap_or(false),
            encrypted: find(file, table, b"stsd").and_then(|span| encrypted(file, span)).unwrap_or(false),
        })
    };
    let tracks = children(file, Span { start, end }).filter(|(kind, _)| kind == b"trak");
    let mut tracks = tracks.filter_map(|(_, span)| video(span)).peekable();
    let first = tracks.peek().copied().unwrap_or_default();
    // A lone frame before a video is its cover.
    tracks.find(|track| track.frames != Some(1)).unwrap_or(first)
}

/// Does the index or fragment whose contents lie from `start` to `end` hold keys of a protection system, or say how
/// samples are encrypted?
pub fn has_protection(file: &File, start: u64, end: u64) -> bool {
    let protects = |(kind, span): ([u8; 4], Span)| match &kind {
        b"pssh" | b"senc" => true,
        b"uuid" => bytes(file, span.start).is_some_and(|id: [u8; 16]| PIFF.contains(&id)),
        _ => false,
    };
    children(file, Span { start, end })
        .any(|(kind, span)| protects((kind, span)) || (&kind == b"traf" && children(file, span).any(protects)))
}

/// A media header's duration in seconds.
fn seconds(file: &File, header: Span) -> Option<f64> {
    let [version, ..] = bytes::<4>(file, header.start)?;
    let (scale, duration) = if version == 1 {
        (bytes(file, header.start + 20)?, u64::from_be_bytes(bytes(file, header.start + 24)?))
    } else {
        (bytes(file, header.start + 12)?, u64::from(u32::from_be_bytes(bytes(file, header.start + 16)?)))
    };
    let scale = u32::from_be_bytes(scale);
    (scale > 0 && duration > 0).then(|| duration as f64 / f64::from(scale))
}

fn find(file: &File, parent: Span, kind: &[u8; 4]) -> Option<Span> {
    children(file, parent).find(|(found, _)| found == kind).map(|(_, span)| span)
}

fn children(file: &File, parent: Span) -> impl Iterator<Item = ([u8; 4], Span)> {
    let mut at = parent.start;
    std::iter::from_fn(move || {
        let head: [u8; 8] = bytes(file, at).filter(|_| at < parent.end)?;
        let [a, b, c, d, kind @ ..] = head;
        let (header, size) = match u64::from(u32::from_be_bytes([a, b, c, d])) {
            1 => (16, u64::from_be_bytes(bytes(file, at + 8)?)),
            size => (8, size),
        };
        let end = at.checked_add(size).filter(|end| size >= header && *end <= parent.end)?;
        let span = Span { start: at + header, end };
        at = end;
        Some((kind, span))
    })
    .take(MOST_BOXES)
}

fn bytes<const N: usize>(file: &File, at: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact_at(&mut bytes, at).ok().map(|()| bytes)
}

/// Is the first sample description one of encrypted video? The entry is then called `encv`, and its `sinf` box names the
/// scheme: `cenc`, `cens`, `cbc1`, `cbcs` or `piff`.
fn encrypted(file: &File, descriptions: Span) -> Option<bool> {
    let entry = Span { start: descriptions.start + 8, end: descriptions.end };
    let (kind, entry) = children(file, entry).next()?;
    let own = Span { start: entry.start.checked_add(VISUAL_ENTRY as u64)?, end: entry.end };
    Some(&kind == b"encv" || find(file, own, b"sinf").is_some())
}

/// The range flag of a `colr` box of type `nclx` in the first sample description.
fn full_range(file: &File, descriptions: Span) -> Option<bool> {
    let entry = Span { start: descriptions.start + 8, end: descriptions.end };
    let (_, entry) = children(file, entry).next()?;
    let mut body = vec![0; usize::try_from((entry.end - entry.start).min(LONGEST_DESCRIPTION)).ok()?];
    file.read_exact_at(&mut body, entry.start).ok()?;
    let mut rest = body.get(VISUAL_ENTRY..)?;
    loop {
        let size = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let found = rest.get(8..size)?;
        if &rest[4..8] == b"colr" && found.starts_with(b"nclx") {
            return Some(found.get(10)? & 0x80 != 0);
        }
        rest = &rest[size..];
    }
}
