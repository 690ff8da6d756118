//! What an encoded picture says of itself, read before any decoder sees it: its format, its size, which way is up,
//! and whether its end is there. `media` decodes pushed pictures after this look, `vision` all others.

mod bmp;
mod exif;
mod gif89;
mod heif;
mod jpeg;
mod other;
mod png;
mod scans;
mod tiff;
mod webp;

pub use scans::ScanCount;
pub use tiff::as_stored;

use crate::{
    error::{Error, Result},
    fault,
    frame::Size,
};

/// The formats that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StillFormat {
    Jpeg,
    Png,
    Webp,
    Gif,
    Bmp,
    Tiff,
    Heic,
    Avif,
}

impl StillFormat {
    /// By its first bytes.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => Some(Self::Png),
            _ if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") => Some(Self::Gif),
            _ if bmp::is_one(bytes) => Some(Self::Bmp),
            _ if tiff::is_one(bytes) => Some(Self::Tiff),
            _ => heif::format(bytes),
        }
    }

    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::Heic => "HEIC",
            Self::Avif => "AVIF",
        }
    }
}

/// An encoded picture whose outside is sound.
#[derive(Clone, Copy, Debug)]
pub struct Still {
    pub format: StillFormat,
    /// As it is stored, before it is turned.
    pub size: Size,
    /// EXIF's number, 1 to 8; 1 is upright.
    pub orientation: u8,
    /// Parts of it may be transparent.
    pub alpha: bool,
    /// Several pictures, of which the first is read; the size is that of them all.
    pub animated: bool,
    /// What it is called where it is of a kind that not every decoder reads right.
    pub unusual: Option<&'static str>,
    /// Where the picture ends, in bytes; what follows belongs to something else.
    pub end: usize,
}

impl Still {
    /// Looks at a picture of at most `max_pixels`. `formats` are those that the caller reads.
    ///
    /// # Errors
    /// [`NotMedia`](crate::error::Kind::NotMedia): nothing, no picture, or of another format.
    /// [`Unprocessable`](crate::error::Kind::Unprocessable): cut off, damaged, of a kind that nobody reads, or too large.
    pub fn look(bytes: &[u8], formats: &[StillFormat], max_pixels: u64) -> Result<Self> {
        let names: Vec<&str> = formats.iter().map(|format| format.name()).collect();
        let (last, others) = names.split_last().unwrap_or((&"", &[]));
        let wanted = format!("send a {} or {last} picture", others.join(", "));
        if bytes.is_empty() {
            return Err(fault!(NotMedia, "The picture is empty: {wanted}."));
        }
        let format = StillFormat::of(bytes).ok_or_else(|| match other::name(bytes) {
            Some(name) => not_read(name, &wanted),
            None => fault!(NotMedia, "This is no picture: {wanted}."),
        })?;
        let name = format.name();
        if !formats.contains(&format) {
            return Err(not_read(name, &wanted));
        }
        let outside = match format {
            StillFormat::Jpeg => jpeg::outside(bytes),
            StillFormat::Png => png::outside(bytes),
            StillFormat::Webp => webp::outside(bytes),
            StillFormat::Gif => gif89::outside(bytes),
            StillFormat::Bmp => bmp::outside(bytes),
            StillFormat::Tiff => tiff::outside(bytes),
            StillFormat::Heic | StillFormat::Avif => heif::outside(bytes),
        };
        let Outside { size, orientation, alpha, animated, unusual, end } = outside.map_err(|flaw| match flaw {
            Flaw::CutOff => fault!(Unprocessable, "The {name} picture is cut off: its end is missing."),
            Flaw::Damaged => fault!(Unprocessable, "The {name} picture is damaged: its header cannot be read."),
            Flaw::Unsupported(what) => fault!(Unprocessable, "{what} cannot be read: send a plain {name} picture."),
        })?;
        if size.pixels() > max_pixels {
            let words = "send a smaller one";
            return Err(fault!(
                Unprocessable,
                "The picture has {size} pixels, more than the {max_pixels} allowed (--max-pixels): {words}."
            ));
        }
        let orientation = if (1..=8).contains(&orientation) { orientation as u8 } else { 1 };
        Ok(Self { format, size, orientation, alpha, animated, unusual, end })
    }
}

/// With the article as it is spoken: an AVIF, an ICO, an SVG.
fn not_read(name: &str, wanted: &str) -> Error {
    if name.starts_with(['A', 'I', 'O', 'S']) {
        fault!(NotMedia, "An {name} picture is not read here: {wanted}.")
    } else {
        fault!(NotMedia, "A {name} picture is not read here: {wanted}.")
    }
}

/// What the formats have in common.
struct Outside {
    size: Size,
    /// As EXIF has it, in range or not.
    orientation: u16,
    alpha: bool,
    animated: bool,
    unusual: Option<&'static str>,
    end: usize,
}

enum Flaw {
    CutOff,
    Damaged,
    Unsupported(&'static str),
}

fn size(width: Option<u32>, height: Option<u32>) -> Result<Size, Flaw> {
    match (width, height) {
        (Some(width @ 1..=0x7fff_ffff), Some(height @ 1..=0x7fff_ffff)) => Ok(Size::new(width, height)),
        _ => Err(Flaw::Damaged),
    }
}

fn big16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn big32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The little-endian number of `count` bytes, four at most.
fn little(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    Some(bytes.get(at..at + count)?.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}
