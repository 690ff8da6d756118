//! From a picture to the model's input tensor in one pass, without a full-size RGB picture in between.
//!
//! The result is what OpenCV gives by `cvtColor` at full size, `resize` with `INTER_LINEAR` and `blobFromImage`, but for
//! OpenCV's rounding to whole levels after each step: bilinear taps with pixel centres at halves, chroma samples
//! repeated (4:2:0 as OpenCV reads it), colour converted after scaling instead of before. Both steps are linear, so their order
//! matters only where a colour leaves 0..=255 and is cut. Still pictures are scaled by OpenCV itself. `tests/it/vision.rs` holds both together and says the tolerance.

use crate::{
    error::Result,
    frame::{Colour, Frame, Matrix, Pixels, Plane, Range, Size},
};

use super::{geometry::Letterbox, picture::scale_bgr};

/// Order of the axes of the input tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `[1, 3, height, width]`
    #[default]
    Nchw,
    /// `[1, height, width, 3]`
    Nhwc,
}

/// Order of the colours in the tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    #[default]
    Rgb,
    Bgr,
}

/// What the tensor holds. A level `v` (0..=255) of the channel `c`, counted in the tensor's order, becomes `v * mul[c] + add[c]`.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSpec {
    pub size: Size,
    pub layout: Layout,
    pub channels: Channels,
    pub mul: [f32; 3],
    pub add: [f32; 3],
    /// Level of the bars, 0..=255.
    pub pad: f32,
}

impl TensorSpec {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.size.pixels() as usize * 3
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Fills `out`, [`TensorSpec::len`] values, with the picture in its place and bars around it.
///
/// # Errors
/// A still picture that OpenCV cannot scale; never for I420.
pub fn fill(frame: &Frame, letterbox: &Letterbox, spec: &TensorSpec, out: &mut [f32]) -> Result<()> {
    assert_eq!(out.len(), spec.len(), "the tensor's size");
    assert_eq!((letterbox.image, letterbox.input), (frame.size, spec.size), "the letterbox of this frame and model");
    if letterbox.inner != spec.size {
        fill_bars(spec, out);
    }
    match &frame.pixels {
        Pixels::I420 { planes, colour } => {
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has just said that it has AVX2.
                unsafe { fill_i420_avx2(planes, *colour, letterbox, spec, out) };
                return Ok(());
            }
            fill_i420(planes, *colour, letterbox, spec, out);
        }
        Pixels::Bgr(plane) => {
            let mut lines = Lines::new(letterbox.inner.width as usize);
            let scaled = scale_bgr(plane, frame.size, letterbox.inner)?;
            for (y, row) in scaled.chunks_exact(letterbox.inner.width as usize * 3).enumerate() {
                lines.take_bgr(row);
                lines.store(letterbox, spec, y, out);
            }
        }
    }
    Ok(())
}

/// [`fill_i420`] in vectors of eight; the same operations in the same order, so the same bits.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn fill_i420_avx2(planes: &[Plane; 3], colour: Colour, letterbox: &Letterbox, spec: &TensorSpec, out: &mut [f32]) {
    fill_i420(planes, colour, letterbox, spec, out);
}

/// Always inlined, like all that it calls for each row: only so does the compiler build it for the caller's processor.
#[inline(always)]
fn fill_i420(planes: &[Plane; 3], colour: Colour, letterbox: &Letterbox, spec: &TensorSpec, out: &mut [f32]) {
    let (image, inner) = (letterbox.image, letterbox.inner);
    let (columns, rows) = (taps(image.width, inner.width), taps(image.height, inner.height));
    let convert = Conversion::new(colour);
    let (mut blended, mut lines) = (Blended::new(image), Lines::new(inner.width as usize));
    for (y, row) in rows.iter().enumerate() {
        blended.i420(planes, image, row);
        lines.take_i420(&blended, &columns);
        lines.convert(&convert);
        lines.store(letterbox, spec, y, out);
    }
}

fn fill_bars(spec: &TensorSpec, out: &mut [f32]) {
    let bar: [f32; 3] = std::array::from_fn(|c| spec.pad * spec.mul[c] + spec.add[c]);
    match spec.layout {
        Layout::Nchw => {
            let plane = spec.size.pixels() as usize;
            for (values, bar) in out.chunks_exact_mut(plane).zip(bar) {
                values.fill(bar);
            }
        }
        Layout::Nhwc => out.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&bar)),
    }
}

/// The two source samples that a scaled one lies between: `first * (1 - weight) + second * weight`.
struct Tap {
    first: usize,
    second: usize,
    weight: f32,
}

/// Taps of bilinear scaling as OpenCV's `INTER_LINEAR` has them: centres at halves, edges repeated.
fn taps(from: u32, to: u32) -> Vec<Tap> {
    let ratio = f64::from(from) / f64::from(to);
    let last = from as usize - 1;
    (0..to)
        .map(|i| {
            let at = ((f64::from(i) + 0.5) * ratio - 0.5).max(0.0);
            let first = (at as usize).min(last);
            let weight = if first == last { 0.0 } else { (at - first as f64) as f32 };
            Tap { first, second: (first + 1).min(last), weight }
        })
        .collect()
}

/// Blends two rows of bytes. Whole rows, because that is the part which the compiler turns into vectors.
#[inline(always)]
fn blend(first: &[u8], second: &[u8], weight: f32, out: &mut [f32]) {
    for ((out, &a), &b) in out.iter_mut().zip(first).zip(second) {
        let (a, b) = (f32::from(a), f32::from(b));
        *out = a + (b - a) * weight;
    }
}

/// One row between two rows of a picture, at the picture's width.
struct Blended {
    luma: Vec<f32>,
    blue: Vec<f32>,
    red: Vec<f32>,
}

impl Blended {
    fn new(size: Size) -> Self {
        let chroma = size.chroma().width as usize;
        Self { luma: vec![0.0; size.width as usize], blue: vec![0.0; chroma], red: vec![0.0; chroma] }
    }

    #[inline(always)]
    fn i420(&mut self, [y, u, v]: &[Plane; 3], size: Size, row: &Tap) {
        let (width, chroma) = (size.width as usize, size.chroma().width as usize);
        blend(y.row(row.first, width), y.row(row.second, width), row.weight, &mut self.luma);
        let (first, second) = (row.first / 2, row.second / 2);
        blend(u.row(first, chroma), u.row(second, chroma), row.weight, &mut self.blue);
        blend(v.row(first, chroma), v.row(second, chroma), row.weight, &mut self.red);
    }
}

/// One scaled row: Y, Cb and Cr, then R, G and B.
struct Lines([Vec<f32>; 3]);

impl Lines {
    fn new(width: usize) -> Self {
        Self(std::array::from_fn(|_| vec![0.0; width]))
    }

    #[inline(always)]
    fn take_i420(&mut self, from: &Blended, columns: &[Tap]) {
        let [luma, blue, red] = &mut self.0;
        for (((luma, blue), red), tap) in luma.iter_mut().zip(blue).zip(red).zip(columns) {
            let mix = |row: &[f32], first: usize, second: usize| row[first] + (row[second] - row[first]) * tap.weight;
            *luma = mix(&from.luma, tap.first, tap.second);
            *blue = mix(&from.blue, tap.first / 2, tap.second / 2);
            *red = mix(&from.red, tap.first / 2, tap.second / 2);
        }
    }

    fn take_bgr(&mut self, row: &[u8]) {
        let [red, green, blue] = &mut self.0;
        for (((red, green), blue), pixel) in red.iter_mut().zip(green).zip(blue).zip(row.chunks_exact(3)) {
            (*blue, *green, *red) = (f32::from(pixel[0]), f32::from(pixel[1]), f32::from(pixel[2]));
        }
    }

    /// Y'CbCr to R'G'B', cut to 0..=255.
    #[inline(always)]
    fn convert(&mut self, by: &Conversion) {
        let [first, second, third] = &mut self.0;
        for ((first, second), third) in first.iter_mut().zip(second).zip(third) {
            let y = (*first - by.black) * by.luma;
            let (u, v) = (*second - 128.0, *third - 128.0);
            *first = (y + by.red_v * v).clamp(0.0, 255.0);
            *second = (y + by.green_u * u + by.green_v * v).clamp(0.0, 255.0);
            *third = (y + by.blue_u * u).clamp(0.0, 255.0);
        }
    }

    /// Writes the row `y` of the scaled picture to its place.
    #[inline(always)]
    fn store(&self, letterbox: &Letterbox, spec: &TensorSpec, y: usize, out: &mut [f32]) {
        let [red, green, blue] = &self.0;
        let order = match spec.channels {
            Channels::Rgb => [red, green, blue],
            Channels::Bgr => [blue, green, red],
        };
        let start = (letterbox.top as usize + y) * spec.size.width as usize + letterbox.left as usize;
        for (channel, line) in order.into_iter().enumerate() {
            let (mul, add) = (spec.mul[channel], spec.add[channel]);
            match spec.layout {
                Layout::Nchw => {
                    let start = channel * spec.size.pixels() as usize + start;
                    for (out, value) in out[start..start + line.len()].iter_mut().zip(line) {
                        *out = value * mul + add;
                    }
                }
                Layout::Nhwc => {
                    for (out, value) in out[start * 3 + channel..].iter_mut().step_by(3).zip(line) {
                        *out = value * mul + add;
                    }
                }
            }
        }
    }
}

/// Coefficients from Y'CbCr to R'G'B' (ITU-T H.273, 8.3).
pub(super) struct Conversion {
    pub black: f32,
    pub luma: f32,
    pub red_v: f32,
    pub green_u: f32,
    pub green_v: f32,
    pub blue_u: f32,
}

/// Kr and Kb of ITU-T H.273, table 4.
pub(super) fn weights(matrix: Matrix) -> (f32, f32) {
    match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
        Matrix::Bt2020 => (0.2627, 0.0593),
    }
}

impl Conversion {
    pub fn new(colour: Colour) -> Self {
        let (kr, kb) = weights(colour.matrix);
        let kg = 1.0 - kr - kb;
        let (black, luma, chroma) = match colour.range {
            Range::Limited => (16.0, 255.0 / 219.0, 255.0 / 224.0),
            Range::Full => (0.0, 1.0, 1.0),
        };
        Self {
            black,
            luma,
            red_v: 2.0 * (1.0 - kr) * chroma,
            green_u: -2.0 * (1.0 - kb) * kb / kg * chroma,
            green_v: -2.0 * (1.0 - kr) * kr / kg * chroma,
            blue_u: 2.0 * (1.0 - kb) * chroma,
        }
    }
}
