//! The input tensor against OpenCV's: what a model was trained on is mostly what OpenCV makes of a picture.

use std::sync::Arc;

use bytes::Bytes;
use opencv::{
    core::{Mat, MatTraitConst, MatTraitConstManual, Size as CvSize},
    imgproc,
};
use sightglass::{
    frame::{Colour, Frame, FrameTag, Pixels, Plane, Size},
    vision::{
        geometry::{Letterbox, Resize},
        picture::shrink,
        tensor::{Channels, Layout, TensorSpec, fill},
    },
};

/// Level of the bars.
const PAD: f32 = 114.0;

/// Numbers without order, the same in every run (xorshift64*).
struct Noise(u64);

impl Noise {
    fn level(&mut self, from: u8, to: u8) -> u8 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let random = (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as u32;
        from + (random % (u32::from(to - from) + 1)) as u8
    }
}

/// The planes Y, Cb and Cr, one after the other, as OpenCV's I420 has them.
type Planes = Vec<u8>;

fn planes(size: Size, mut level: impl FnMut(usize, usize, usize) -> u8) -> Planes {
    let (width, height) = (size.width as usize, size.height as usize);
    let mut all = Vec::with_capacity(width * height * 3 / 2);
    for (plane, half) in [1, 2, 2].into_iter().enumerate() {
        for y in 0..height / half {
            all.extend((0..width / half).map(|x| level(plane, x * half, y * half)));
        }
    }
    all
}

/// The frame, its rows further apart than they are long, as decoders leave them.
fn frame(size: Size, planes: &Planes) -> Frame {
    let mut rest = planes.as_slice();
    let planes = [1, 2, 2].map(|half| {
        let (width, height) = (size.width as usize / half, size.height as usize / half);
        let (own, others) = rest.split_at(width * height);
        rest = others;
        let stride = width + 24;
        let mut data = vec![0xaa; stride * height];
        for (to, from) in data.chunks_exact_mut(stride).zip(own.chunks_exact(width)) {
            to[..width].copy_from_slice(from);
        }
        Plane { data: Bytes::from(data), stride }
    });
    Frame { tag: tag(), size, pixels: Pixels::I420 { planes, colour: Colour::default() } }
}

fn tag() -> FrameTag {
    FrameTag { source: Arc::from("test"), frame: 0, time: 0.0 }
}

fn spec(size: Size, layout: Layout, channels: Channels) -> TensorSpec {
    TensorSpec { size, layout, channels, mul: [1.0 / 255.0; 3], add: [0.0; 3], pad: PAD }
}

/// OpenCV's tensor: full-size BGR, `resize`, bars, channel order, scale.
fn by_opencv(bgr: &Mat, letterbox: &Letterbox, spec: &TensorSpec) -> Vec<f32> {
    let inner = CvSize::new(letterbox.inner.width as i32, letterbox.inner.height as i32);
    let mut scaled = Mat::default();
    imgproc::resize(bgr, &mut scaled, inner, 0.0, 0.0, imgproc::INTER_LINEAR).unwrap();
    let (width, height) = (spec.size.width as usize, spec.size.height as usize);
    let mut tensor = vec![PAD / 255.0; spec.len()];
    for (at, pixel) in scaled.data_bytes().unwrap().chunks_exact(3).enumerate() {
        let x = at % inner.width as usize + letterbox.left as usize;
        let y = at / inner.width as usize + letterbox.top as usize;
        for channel in 0..3 {
            let level = match spec.channels {
                Channels::Rgb => pixel[2 - channel],
                Channels::Bgr => pixel[channel],
            };
            let place = match spec.layout {
                Layout::Nchw => (channel * height + y) * width + x,
                Layout::Nhwc => (y * width + x) * 3 + channel,
            };
            tensor[place] = f32::from(level) / 255.0;
        }
    }
    tensor
}

/// Largest and mean difference, in levels of 255.
fn difference(ours: &[f32], theirs: &[f32]) -> (f32, f32) {
    assert_eq!(ours.len(), theirs.len());
    let levels = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs() * 255.0);
    let (largest, sum) = levels.fold((0.0f32, 0.0f64), |(most, sum), d| (most.max(d), sum + f64::from(d)));
    (largest, (sum / ours.len() as f64) as f32)
}

/// All ways to make a tensor of a picture of that size: the place in it, and what it holds.
fn ways(size: Size) -> Vec<(Letterbox, TensorSpec)> {
    let mut ways = Vec::new();
    for (input, layout, channels) in [
        (Size::new(416, 416), Layout::Nchw, Channels::Rgb),
        (Size::new(320, 320), Layout::Nhwc, Channels::Bgr),
        (Size::new(640, 352), Layout::Nchw, Channels::Bgr),
    ] {
        for resize in [Resize::Letterbox, Resize::LetterboxTopLeft, Resize::Stretch] {
            ways.push((Letterbox::new(size, input, resize), spec(input, layout, channels)));
        }
    }
    ways
}

const SIZES: [Size; 4] = [Size::new(1280, 720), Size::new(640, 480), Size::new(320, 240), Size::new(100, 62)];

/// The largest difference and the largest mean over all sizes and ways.
fn measured(mut picture: impl FnMut(Size) -> Planes) -> (f32, f32) {
    let (mut largest, mut mean) = (0.0f32, 0.0f32);
    for size in SIZES {
        let planes = picture(size);
        let flat = Mat::from_slice(&planes).unwrap();
        let flat = flat.reshape(1, size.height as i32 * 3 / 2).unwrap();
        let mut bgr = Mat::default();
        imgproc::cvt_color_def(&flat, &mut bgr, imgproc::COLOR_YUV2BGR_I420).unwrap();
        let frame = frame(size, &planes);
        for (letterbox, spec) in ways(size) {
            // What was in the tensor before must not shine through.
            let mut ours = vec![f32::NAN; spec.len()];
            fill(&frame, &letterbox, &spec, &mut ours).unwrap();
            let theirs = by_opencv(&bgr, &letterbox, &spec);
            assert!(ours.iter().all(|value| value.is_finite()), "a value was left out");
            let (most, usual) = difference(&ours, &theirs);
            (largest, mean) = (largest.max(most), mean.max(usual));
        }
    }
    (largest, mean)
}

/// OpenCV rounds to whole levels after the conversion and after the scaling, half a level each, and scales with weights
/// of 11 bits, a quarter of a level; ours rounds nowhere.
const ROUNDING: f32 = 1.5;

#[test]
fn gradients_and_noise_within_the_colours_agree_to_rounding() {
    let gradient = |size: Size| {
        planes(size, |plane, x, y| match plane {
            0 => (60 + 130 * x / size.width as usize) as u8,
            1 => (112 + 32 * y / size.height as usize) as u8,
            _ => (112 + 32 * x / size.width as usize) as u8,
        })
    };
    let (largest, mean) = measured(gradient);
    println!("gradients: at most {largest:.2} levels of 255, {mean:.2} in the mean");
    assert!(largest < ROUNDING && mean < 0.5);
    // Every sample different from its neighbours, but no colour beyond 0..=255, so that the order of steps is no matter.
    let mut noise = Noise(7);
    let (largest, mean) = measured(|size| {
        planes(size, |plane, _, _| if plane == 0 { noise.level(70, 180) } else { noise.level(108, 148) })
    });
    println!("noise within the colours: at most {largest:.2} levels of 255, {mean:.2} in the mean");
    assert!(largest < ROUNDING && mean < 0.5);
}

#[test]
fn saturated_colours_differ_where_opencv_cuts_first() {
    // Flat areas of the strongest colours: cut before or after scaling is the same but on their edges.
    let (largest, mean) = measured(|size| {
        planes(size, |plane, x, y| {
            let area = (x * 4 / size.width as usize + 2 * (y * 4 / size.height as usize)) % 4;
            [[235, 81, 145, 41], [128, 90, 54, 240], [128, 240, 34, 110]][plane][area]
        })
    });
    println!("saturated areas: at most {largest:.2} levels of 255 (on edges), {mean:.2} in the mean");
    assert!(mean < 0.6, "{mean}");
    // The worst there is, and no picture: samples of any value beside each other, of which most are no colour at all.
    let mut noise = Noise(11);
    let (largest, mean) = measured(|size| planes(size, |_, _, _| noise.level(0, 255)));
    println!("noise beyond the colours: at most {largest:.2} levels of 255, {mean:.2} in the mean");
    assert!(mean < 25.0, "{mean}");
}

#[test]
fn still_pictures_are_opencvs_own() {
    let mut noise = Noise(3);
    for size in SIZES {
        let levels: Vec<u8> = (0..size.pixels() * 3).map(|_| noise.level(0, 255)).collect();
        let flat = Mat::from_slice(&levels).unwrap();
        let bgr = flat.reshape(3, size.height as i32).unwrap().try_clone().unwrap();
        let plane = Plane { data: Bytes::from(levels), stride: size.width as usize * 3 };
        let frame = Frame { tag: tag(), size, pixels: Pixels::Bgr(plane) };
        for (letterbox, spec) in ways(size) {
            let mut ours = vec![f32::NAN; spec.len()];
            fill(&frame, &letterbox, &spec, &mut ours).unwrap();
            let (largest, _) = difference(&ours, &by_opencv(&bgr, &letterbox, &spec));
            assert!(largest < 1e-3, "{size}: {largest}");
        }
    }
}

#[test]
fn a_shrunken_picture_is_the_mean_of_all_its_pixels() {
    // One white column of four, which sampling would find or miss.
    let size = Size::new(128, 64);
    let levels: Vec<u8> = (0..size.pixels()).flat_map(|at| [if at % 4 == 1 { 200 } else { 0 }; 3]).collect();
    let plane = Plane { data: Bytes::from(levels), stride: size.width as usize * 3 };
    let frame = Frame { tag: tag(), size, pixels: Pixels::Bgr(plane) };
    let small = shrink(&frame, Size::new(16, 8)).unwrap();
    let Pixels::Bgr(plane) = &small.pixels else { panic!("another kind of picture") };
    assert_eq!((small.size, plane.data.len()), (Size::new(16, 8), 16 * 8 * 3));
    assert!(plane.data.iter().all(|&level| level == 50), "{:?}", &plane.data[..12]);
    assert_eq!(shrink(&frame, Size::new(256, 64)).unwrap().size, size, "nothing is made larger");
}
