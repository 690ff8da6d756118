//! GStreamer lives here and nowhere else: pipelines as data, decoding, encoding, JPEG pictures.

mod decode;
mod encode;
mod pictures;
mod template;

use std::time::Duration;

pub use decode::{FileSource, MediaInfo};
pub use encode::{Encoder, Format};
pub use pictures::{FilePictures, Picture};
pub use template::{Template, TEMPLATES};

use crate::error::Result;

/// What a file may ask of the service; beyond it, it is refused in words.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Pixels of one frame.
    pub max_pixels: u64,
    /// Seconds of stream time.
    pub max_duration: f64,
    /// A decoder that gives nothing for so long is stopped.
    pub stall: Duration,
}

/// A frame rate as a fraction, frames per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub num: u32,
    pub den: u32,
}

impl Rate {
    pub fn per_second(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

/// Starts GStreamer; call once, before anything else here.
pub fn init() -> Result<()> {
    todo!()
}

/// GStreamer's version and, for `doctor`, each element that the pipelines need: (element, what for, Debian package, there?).
pub fn elements() -> Vec<(&'static str, &'static str, &'static str, bool)> {
    todo!()
}
pub fn probe_decoder() -> Result<()> { todo!() }
