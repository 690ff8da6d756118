//! What the first elements of a Matroska or WebM file tell (RFC 8794: an ID, then a length; RFC 9559).

use std::{fs::File, os::unix::fs::FileExt};

use super::{
    container::{Container, Times},
    moov::Track,
};

/// Elements to look at before the first cluster, at most.
const MOST_ELEMENTS: usize = 64;
/// The information of a segment is some hundred bytes long.
const LONGEST_INFORMATION: u64 = 64 * 1024;
const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];
const INFORMATION: [u8; 4] = [0x15, 0x49, 0xa9, 0x66];
const CLUSTER: [u8; 4] = [0x1f, 0x43, 0xb6, 0x75];
const DURATION: [u8; 2] = [0x44, 0x89];

/// Compares the size that a segment announces with the file's, and looks whether it states a duration.
pub fn look(file: &File, head: &[u8], length: u64) -> Container {
    let webm = head[..head.len().min(64)].windows(4).any(|w| w == b"webm");
    let (mime, name) = if webm { ("video/webm", "WebM") } else { ("video/x-matroska", "Matroska") };
    let segment = vint(&head[4..]).and_then(|(size, used)| {
        let segment = 4 + used + usize::try_from(size?).ok()?;
        let body = head.get(segment..)?.strip_prefix(&SEGMENT)?;
        let (size, used) = vint(body)?;
        Some(((segment + 4 + used) as u64, size))
    });
    let announced = segment.and_then(|(start, size)| start.checked_add(size?));
    Container {
        mime,
        name: Some(name),
        complete: announced.map(|end| end <= length),
        lacks_index: false,
        protected: false,
        states_duration: segment.is_some_and(|(start, _)| states_duration(file, start).unwrap_or(false)),
        sparse_clock: false,
        track: Track::default(),
        times: Times::Stamps,
    }
}

/// Does the segment whose contents begin at `at` state a duration? What a browser records live does not.
fn states_duration(file: &File, mut at: u64) -> Option<bool> {
    for _ in 0..MOST_ELEMENTS {
        let mut head = [0; 12];
        let got = file.read_at(&mut head, at).ok()?;
        // The ID keeps its length marker.
        let id = head.first()?.leading_zeros() as usize + 1;
        let (size, used) = vint(head[..got].get(id..)?)?;
        if head.starts_with(&CLUSTER) {
            return Some(false);
        }
        let start = at.checked_add((id + used) as u64)?;
        if head.starts_with(&INFORMATION) {
            let mut body = vec![0; usize::try_from(size?.min(LONGEST_INFORMATION)).ok()?];
            let got = file.read_at(&mut body, start).ok()?;
            return Some(has(&body[..got], &DURATION));
        }
        at = start.checked_add(size?)?;
    }
    None
}

/// Is there an element of this ID among those of `body` that says more than zero?
fn has(mut body: &[u8], wanted: &[u8]) -> bool {
    loop {
        let Some(id) = body.first().map(|first| first.leading_zeros() as usize + 1) else {
            return false;
        };
        let Some((Some(size), used)) = body.get(id..).and_then(vint) else {
            return false;
        };
        let Some(value) = usize::try_from(size).ok().and_then(|size| body.get(id + used..)?.get(..size)) else {
            return false;
        };
        if body.starts_with(wanted) {
            return value.iter().any(|byte| *byte != 0);
        }
        body = &body[id + used + value.len()..];
    }
}

/// A variable-length integer and the bytes it takes; the value is None when all bits are ones, "unknown".
fn vint(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let first = *bytes.first()?;
    let used = first.leading_zeros() as usize + 1;
    let mut value = u64::from(first) & (0xff_u64 >> used);
    for byte in bytes.get(1..used)? {
        value = value << 8 | u64::from(*byte);
    }
    Some(((value != (1_u64 << (7 * used)) - 1).then_some(value), used))
}
