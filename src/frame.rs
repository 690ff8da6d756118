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

impl Frame {
    /// The largest part of the picture around its middle that has the aspect ratio of `shape`, and of it so much as `part`
    /// (0 to 1) of each side. Shares the samples.
    pub fn middle(&self, shape: Size, part: f32) -> Self {
        let (width, height) = (f64::from(self.size.width), f64::from(self.size.height));
        let ratio = f64::from(shape.width) / f64::from(shape.height);
        let (wide, high) = (width.min(height * ratio), height.min(width / ratio));
        let length = |length: f64, most: u32| ((length * f64::from(part)).round() as u32).clamp(1, most);
        let size = Size::new(length(wide, self.size.width), length(high, self.size.height));
        let left = (self.size.width - size.width) / 2;
        let top = (self.size.height - size.height) / 2;
        let from = |plane: &Plane, left: u32, top: u32, bytes: usize| Plane {
            data: plane.data.slice(top as usize * plane.stride + left as usize * bytes..),
            stride: plane.stride,
        };
        let pixels = match &self.pixels {
            // Two pixels share a chroma sample, so the corner is an even one.
            Pixels::I420 { planes: [y, u, v], colour } => Pixels::I420 {
                planes: [
                    from(y, left / 2 * 2, top / 2 * 2, 1),
                    from(u, left / 2, top / 2, 1),
                    from(v, left / 2, top / 2, 1),
                ],
                colour: *colour,
            },
            Pixels::Bgr(plane) => Pixels::Bgr(from(plane, left, top, 3)),
        };
        Self { tag: self.tag.clone(), size, pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every sample tells its place: `10 * y + x`.
    fn plane(width: u8, height: u8) -> Plane {
        let data: Vec<u8> = (0..height).flat_map(|y| (0..width).map(move |x| 10 * y + x)).collect();
        Plane { data: data.into(), stride: usize::from(width) }
    }

    #[test]
    fn the_middle_keeps_the_asked_shape() {
        let tag = FrameTag { source: Arc::from("x"), frame: 0, time: 0.0 };
        let pixels = Pixels::I420 { planes: [plane(9, 6), plane(5, 3), plane(5, 3)], colour: Colour::default() };
        let frame = Frame { tag: tag.clone(), size: Size::new(9, 6), pixels };
        let square = frame.middle(Size::new(32, 32), 1.0);
        assert_eq!(square.size, Size::new(6, 6));
        let Pixels::I420 { planes, .. } = &square.pixels else { panic!("the kind of picture") };
        assert_eq!((planes[0].row(0, 1)[0], planes[1].row(0, 1)[0], planes[0].row(5, 6)[5]), (0, 0, 55));
        let small = frame.middle(Size::new(1, 2), 0.5);
        assert_eq!(small.size, Size::new(2, 3));
        let Pixels::I420 { planes, .. } = &small.pixels else { panic!("the kind of picture") };
        assert_eq!((planes[0].row(0, 1)[0], planes[2].row(0, 1)[0]), (2, 1));
        let data: Vec<u8> = (0..48).collect();
        let pixels = Pixels::Bgr(Plane { data: data.into(), stride: 24 });
        let bgr = Frame { tag, size: Size::new(8, 2), pixels }.middle(Size::new(1, 1), 1.0);
        let Pixels::Bgr(plane) = &bgr.pixels else { panic!("the kind of picture") };
        assert_eq!((bgr.size, plane.row(1, 6)), (Size::new(2, 2), &[33, 34, 35, 36, 37, 38][..]));
    }
}
