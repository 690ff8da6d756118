//! The picture that flows through the service: plain planes with strides, a size and a time.
//!
//! A frame knows neither GStreamer nor OpenCV. Its planes are [`Bytes`], so the decoder's own buffer can be lent out
//! without a copy and goes back to the decoder's pool when the last owner drops it.

use std::sync::Arc;

use bytes::Bytes;

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl Size {
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Number of pixels.
    pub const fn pixels(self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// Size of a 4:2:0 chroma plane: halves, rounded up.
    pub const fn chroma(self) -> Self {
        Self { width: self.width.div_ceil(2), height: self.height.div_ceil(2) }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// One plane of a picture: `rows` lie `stride` bytes apart.
#[derive(Clone, Debug)]
pub struct Plane {
    pub data: Bytes,
    /// Bytes from the start of one row to the start of the next; at least the row's own length.
    pub stride: usize,
}

impl Plane {
    /// Row `y`, `len` bytes of it.
    #[inline]
    pub fn row(&self, y: usize, len: usize) -> &[u8] {
        &self.data[y * self.stride..y * self.stride + len]
    }
}

/// The coefficients by which Y'CbCr came from R'G'B' (ITU-T H.273, table 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Matrix {
    /// ITU-R BT.601, also JPEG's.
    #[default]
    Bt601,
    Bt709,
    /// ITU-R BT.2020, non-constant luminance.
    Bt2020,
}

/// How samples span the byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Range {
    /// Y 16..=235, Cb and Cr 16..=240.
    #[default]
    Limited,
    /// 0..=255.
    Full,
}

/// The colour space of Y'CbCr samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Colour {
    pub matrix: Matrix,
    pub range: Range,
}

/// The samples of a frame.
#[derive(Clone, Debug)]
pub enum Pixels {
    /// Planar Y, Cb, Cr with 4:2:0 chroma (each chroma plane has half the size, rounded up).
    I420 { planes: [Plane; 3], colour: Colour },
    /// Packed 8-bit B, G, R: still pictures, which would lose by 4:2:0.
    Bgr(Plane),
}

/// Which frame of which source this is, and when it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameTag {
    /// The source's id: a video's, a stream's or a file name.
    pub source: Arc<str>,
    /// Decoded frames are counted from 0.
    pub frame: u64,
    /// Stream time in seconds.
    pub time: f64,
}

/// An upright picture with square pixels.
#[derive(Clone, Debug)]
pub struct Frame {
    pub tag: FrameTag,
    pub size: Size,
    pub pixels: Pixels,
}
