//! HEIC and AVIF: the boxes of ISO/IEC 23008-12 on ISO/IEC 14496-12, up to the size of the primary item.

use super::{Flaw, Outside, StillFormat, big16, big32, size};
use crate::frame::Size;

/// A file has so many items at most; a photograph of a telephone has some fifty tiles.
const MOST_ITEMS: u32 = 10_000;

/// The format by the brands of the `ftyp` box: the major one, then the compatible ones that are in `head`.
pub fn format(head: &[u8]) -> Option<StillFormat> {
    if head.get(4..8) != Some(b"ftyp") {
        return None;
    }
    let length = big32(head, 0).map_or(0, |length| length as usize);
    let brands = head.get(..length.min(head.len())).unwrap_or(head);
    let major = brands.get(8..12)?;
    let compatible = || brands.get(16..).unwrap_or_default().chunks_exact(4);
    match major {
        b"avif" | b"avis" => Some(StillFormat::Avif),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => Some(StillFormat::Heic),
        // The structure alone: the codec is among the others.
        b"mif1" | b"msf1" | b"mif2" | b"miaf" => match compatible().any(|brand| matches!(brand, b"avif" | b"avis")) {
            true => Some(StillFormat::Avif),
            false => Some(StillFormat::Heic),
        },
        _ => None,
    }
}

pub fn outside(bytes: &[u8]) -> Result<Outside, Flaw> {
    let (mut meta, mut animated) = (None, false);
    let mut at = 0;
    // What follows the last box (a line's end, zeros) is no box that was cut off.
    while bytes.get(at + 4..at + 8).is_some_and(|kind| kind.iter().all(u8::is_ascii_graphic)) {
        let found = part(bytes, at)?;
        match &found.kind {
            b"meta" => meta = Some(found.data),
            // The index of a sequence.
            b"moov" => animated = true,
            _ => {}
        }
        at = found.next;
    }
    let meta = meta.and_then(|meta| meta.get(4..)).ok_or(Flaw::Damaged)?;
    let (mut primary, mut properties, mut associations) = (None, Vec::new(), None);
    for found in parts(meta)? {
        match &found.kind {
            b"pitm" => {
                primary = match found.data.first() {
                    Some(0) => big16(found.data, 4).map(u32::from),
                    _ => big32(found.data, 4),
                }
            }
            b"iprp" => {
                for inner in parts(found.data)? {
                    match &inner.kind {
                        b"ipco" => properties = parts(inner.data)?,
                        b"ipma" => associations = Some(inner.data),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let mine = of_item(associations.ok_or(Flaw::Damaged)?, primary.ok_or(Flaw::Damaged)?)?;
    let mut mine = mine.into_iter().filter_map(|index| properties.get(index.checked_sub(1)?));
    let extent = mine.find(|property| &property.kind == b"ispe").ok_or(Flaw::Damaged)?.data;
    let primary = size(big32(extent, 4), big32(extent, 8))?;
    // No image of the file may need more than the one that is shown: tiles and hidden ones are looked at, too.
    for property in properties.iter().filter(|property| &property.kind == b"ispe") {
        let other = size(big32(property.data, 4), big32(property.data, 8))?;
        if other.pixels() > bound(primary) {
            return Err(Flaw::Damaged);
        }
    }
    // Turning and mirroring are properties, which the decoder applies; EXIF's number only repeats them (6.5.10, A.2.1).
    Ok(Outside { size: primary, orientation: 1, alpha: false, animated, unusual: None, end: bytes.len() })
}

/// A tile reaches beyond the picture at its right and lower edge, or a small picture is one tile of 512 x 512.
fn bound(primary: Size) -> u64 {
    primary.pixels().saturating_mul(4).max(1 << 22)
}

/// A box.
struct Part<'a> {
    kind: [u8; 4],
    data: &'a [u8],
    /// Where the next one begins.
    next: usize,
}

/// The box at a place. The last one may say that it reaches to the end (a length of 0).
fn part(bytes: &[u8], at: usize) -> Result<Part<'_>, Flaw> {
    let short = big32(bytes, at).ok_or(Flaw::CutOff)? as usize;
    let kind = bytes.get(at + 4..at + 8).and_then(|kind| kind.try_into().ok()).ok_or(Flaw::CutOff)?;
    let (head, length) = match short {
        0 => (8, bytes.len() - at),
        1 => {
            let [high, low] = [8, 12].map(|offset| big32(bytes, at + offset));
            let long = u64::from(high.ok_or(Flaw::CutOff)?) << 32 | u64::from(low.ok_or(Flaw::CutOff)?);
            (16, usize::try_from(long).map_err(|_| Flaw::CutOff)?)
        }
        length => (8, length),
    };
    if length < head {
        return Err(Flaw::Damaged);
    }
    let next = at.checked_add(length).ok_or(Flaw::CutOff)?;
    Ok(Part { kind, data: bytes.get(at + head..next).ok_or(Flaw::CutOff)?, next })
}

fn parts(bytes: &[u8]) -> Result<Vec<Part<'_>>, Flaw> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let one = part(bytes, at)?;
        at = one.next;
        found.push(one);
    }
    Ok(found)
}

/// The properties of an item, counted from 1, from the `ipma` box.
fn of_item(ipma: &[u8], item: u32) -> Result<Vec<usize>, Flaw> {
    let (version, wide) = match ipma.get(..4) {
        Some([version, _, _, flags]) => (*version, flags & 1 == 1),
        _ => return Err(Flaw::Damaged),
    };
    let items = big32(ipma, 4).filter(|items| *items <= MOST_ITEMS).ok_or(Flaw::Damaged)?;
    let mut at = 8;
    for _ in 0..items {
        let id = if version == 0 { big16(ipma, at).map(u32::from) } else { big32(ipma, at) }.ok_or(Flaw::Damaged)?;
        at += if version == 0 { 2 } else { 4 };
        let count = usize::from(*ipma.get(at).ok_or(Flaw::Damaged)?);
        at += 1;
        let bytes = if wide { 2 } else { 1 };
        let list = ipma.get(at..at + count * bytes).ok_or(Flaw::Damaged)?;
        at += list.len();
        if id == item {
            // The highest bit says that the property is essential.
            return Ok(list
                .chunks_exact(bytes)
                .map(|index| match index {
                    [one] => usize::from(one & 0x7f),
                    [high, low] => usize::from(high & 0x7f) << 8 | usize::from(*low),
                    _ => 0,
                })
                .collect());
        }
    }
    Err(Flaw::Damaged)
}
