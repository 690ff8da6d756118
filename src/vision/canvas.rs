//! Painting on a frame's own samples, without a way through RGB.

use bytes::Bytes;

use crate::frame::{Colour, Frame, Pixels, Plane, Range, Size};

use super::tensor::weights;

/// A colour in R'G'B', 0..=255.
pub type Rgb = [u8; 3];

/// A rectangle of whole pixels; the far edges are not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub left: u32,
    pub top: u32,
    pub right: u32,
    pub bottom: u32,
}

/// Planes that can be written: one copy of a frame.
pub(super) struct Canvas {
    size: Size,
    planes: Vec<Layer>,
    colour: Option<Colour>,
}

struct Layer {
    data: Vec<u8>,
    stride: usize,
}

impl Canvas {
    pub fn new(frame: &Frame) -> Self {
        let copy = |plane: &Plane| Layer { data: plane.data.to_vec(), stride: plane.stride };
        match &frame.pixels {
            Pixels::I420 { planes, colour } => {
                Self { size: frame.size, planes: planes.iter().map(copy).collect(), colour: Some(*colour) }
            }
            Pixels::Bgr(plane) => Self { size: frame.size, planes: vec![copy(plane)], colour: None },
        }
    }

    pub fn finish(self, frame: &Frame) -> Frame {
        let mut planes =
            self.planes.into_iter().map(|layer| Plane { data: Bytes::from(layer.data), stride: layer.stride });
        let mut next = || planes.next().unwrap_or(Plane { data: Bytes::new(), stride: 0 });
        let pixels = match self.colour {
            Some(colour) => Pixels::I420 { planes: [next(), next(), next()], colour },
            None => Pixels::Bgr(next()),
        };
        Frame { tag: frame.tag.clone(), size: frame.size, pixels }
    }

    /// Paints an area in one colour; what lies outside the picture is cut.
    pub fn fill(&mut self, area: Area, rgb: Rgb) {
        let width = area.right.min(self.size.width).saturating_sub(area.left) as usize;
        self.cover(area, rgb, &vec![255; width]);
    }

    /// Mixes a colour in: `cover` holds rows of the area's width, 0 (leaves the picture) to 255 (the colour alone). A
    /// single row serves for all rows of the area.
    pub fn cover(&mut self, area: Area, rgb: Rgb, cover: &[u8]) {
        let stride = if cover.len() <= (area.right.saturating_sub(area.left)) as usize {
            0
        } else {
            (area.right - area.left) as usize
        };
        let cut = Area { right: area.right.min(self.size.width), bottom: area.bottom.min(self.size.height), ..area };
        if cut.right <= cut.left || cut.bottom <= cut.top {
            return;
        }
        match self.colour {
            None => {
                let [red, green, blue] = rgb;
                for y in cut.top..cut.bottom {
                    let row = &cover[(y - cut.top) as usize * stride..];
                    for (x, &share) in (cut.left..cut.right).zip(row) {
                        for (channel, level) in [blue, green, red].into_iter().enumerate() {
                            mix(&mut self.planes[0], x as usize * 3 + channel, y as usize, level, share);
                        }
                    }
                }
            }
            Some(colour) => {
                let [luma, blue, red] = ycc(rgb, colour);
                for y in cut.top..cut.bottom {
                    let row = &cover[(y - cut.top) as usize * stride..];
                    for (x, &share) in (cut.left..cut.right).zip(row) {
                        mix(&mut self.planes[0], x as usize, y as usize, luma, share);
                        // One chroma sample stands for four pixels, each of which adds its part of the colour.
                        if share > 0 && x % 2 == cut.left % 2 && y % 2 == cut.top % 2 {
                            mix(&mut self.planes[1], x as usize / 2, y as usize / 2, blue, share);
                            mix(&mut self.planes[2], x as usize / 2, y as usize / 2, red, share);
                        }
                    }
                }
            }
        }
    }
}

fn mix(layer: &mut Layer, x: usize, y: usize, level: u8, share: u8) {
    let sample = &mut layer.data[y * layer.stride + x];
    let (old, new, share) = (u32::from(*sample), u32::from(level), u32::from(share));
    *sample = ((old * (255 - share) + new * share + 127) / 255) as u8;
}

/// R'G'B' to Y'CbCr (ITU-T H.273, 8.3).
fn ycc([red, green, blue]: Rgb, colour: Colour) -> [u8; 3] {
    let (kr, kb) = weights(colour.matrix);
    let [r, g, b] = [red, green, blue].map(|level| f32::from(level) / 255.0);
    let y = kr * r + (1.0 - kr - kb) * g + kb * b;
    let (cb, cr) = ((b - y) / (2.0 * (1.0 - kb)), (r - y) / (2.0 * (1.0 - kr)));
    let (black, luma, chroma) = match colour.range {
        Range::Limited => (16.0, 219.0, 224.0),
        Range::Full => (0.0, 255.0, 255.0),
    };
    [black + luma * y, 128.0 + chroma * cb, 128.0 + chroma * cr].map(|level| level.round().clamp(0.0, 255.0) as u8)
}
