//! The outer boxes of an ISO base media file: MP4, QuickTime, 3GP, and the still pictures that share its form
//! (ISO/IEC 14496-12, 4.2 and 4.3; ISO/IEC 23008-12).

use std::{fs::File, os::unix::fs::FileExt};

use super::{
    container::{Container, Times},
    moov::{self, Track},
    verdict,
};
use crate::error::Result;

/// Outer boxes to walk at most: a fragmented day of video has some 90,000.
const MOST_BOXES: usize = 1_000_000;
/// Boxes without which pictures are lost. Where another one is cut off, or what only looks like a box, nothing is missing.
const MEDIA: [&[u8]; 3] = [b"moov", b"moof", b"mdat"];
/// Brands of still pictures and of sequences of them: HEIC, AVIF and what else is stored as they are.
const PICTURES: [&[u8]; 12] =
    [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"miaf", b"avif", b"avis"];

/// Walks the outer boxes.
///
/// # Errors
/// [`Unprocessable`](crate::error::Kind::Unprocessable) for a still picture and for an encrypted video.
pub fn look(file: &File, head: &[u8], length: u64, quicktime: bool) -> Result<Container> {
    let (mut at, mut index, mut complete, mut protected) = (0_u64, false, true, false);
    let mut track = Track::default();
    for _ in 0..MOST_BOXES {
        let mut head = [0; 16];
        let Ok(got) = file.read_at(&mut head, at) else {
            break;
        };
        // A rest too short for a box is junk: a careless upload or copy leaves a line end behind, some cameras zeros.
        if got < 8 {
            break;
        }
        let kind = &head[4..8];
        let size = match u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]])) {
            0 => length - at,
            1 => u64::from_be_bytes([head[8], head[9], head[10], head[11], head[12], head[13], head[14], head[15]]),
            size => size,
        };
        // So is what is no box.
        if size < 8 || !kind.iter().all(|c| (0x20..0x7f).contains(c) || *c == 0xa9) {
            break;
        }
        let start = at;
        at = match at.checked_add(size) {
            Some(next) if next <= length => next,
            _ => {
                complete = !MEDIA.contains(&kind);
                break;
            }
        };
        index |= kind == b"moov" || kind == b"moof";
        match kind {
            b"moov" => {
                track = moov::read(file, start + 8, at);
                protected |= moov::has_protection(file, start + 8, at);
            }
            b"moof" if !protected => protected = moov::has_protection(file, start + 8, at),
            _ => {}
        }
        if at == length {
            break;
        }
    }
    if !index && head.get(8..12).is_some_and(|brand| &head[4..8] == b"ftyp" && PICTURES.contains(&brand)) {
        return Err(verdict::still_picture());
    }
    if track.encrypted {
        return Err(verdict::encrypted());
    }
    let (mime, name) = if quicktime { ("video/quicktime", "QuickTime") } else { ("video/mp4", "MP4") };
    Ok(Container {
        mime,
        name: Some(name),
        complete: Some(complete),
        lacks_index: !index,
        protected,
        states_duration: true,
        sparse_clock: false,
        track,
        times: Times::Stream,
    })
}
