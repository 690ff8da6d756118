//! Frames as JPEG pictures for viewers: their size and their colours, also when both change in mid-stream.

use bytes::Bytes;
use sightglass::{
    frame::{Colour, Frame, FrameTag, Matrix, Pixels, Plane, Range, Size},
    media::{JpegEncoder, init},
    vision::picture,
};

use crate::media_pushed::difference;

const COLOURS: [Colour; 6] = {
    use Matrix::*;
    use Range::*;
    [
        Colour { matrix: Bt601, range: Limited },
        Colour { matrix: Bt601, range: Full },
        Colour { matrix: Bt709, range: Limited },
        Colour { matrix: Bt709, range: Full },
        Colour { matrix: Bt2020, range: Limited },
        Colour { matrix: Bt2020, range: Full },
    ]
};

/// A frame of soft colours, its rows further apart than they are long.
fn frame(size: Size, colour: Colour) -> Frame {
    let plane = |size: Size, level: &dyn Fn(usize, usize) -> usize| {
        let (width, height) = (size.width as usize, size.height as usize);
        let stride = width + 13;
        let mut data = vec![0xaa; stride * height];
        for y in 0..height {
            (0..width).for_each(|x| data[y * stride + x] = level(200 * x / width, 200 * y / height) as u8);
        }
        Plane { data: Bytes::from(data), stride }
    };
    // No colours beyond those that can be shown.
    let planes = [
        plane(size, &|x, y| 80 + (x + y) / 5),
        plane(size.chroma(), &|x, _| 110 + x / 6),
        plane(size.chroma(), &|_, y| 145 - y / 6),
    ];
    Frame {
        tag: FrameTag { source: "test".into(), frame: 0, time: 0.0 },
        size,
        pixels: Pixels::I420 { planes, colour },
    }
}

fn decoded(jpeg: &[u8]) -> Frame {
    picture::read(jpeg, u64::MAX).unwrap()
}

#[test]
fn colours_stay() {
    init().unwrap();
    let mut encoder = JpegEncoder::new(1280).unwrap();
    for size in [(320, 240), (1280, 720), (319, 239)].map(|(w, h)| Size::new(w, h)) {
        for colour in COLOURS {
            let frame = frame(size, colour);
            let (mean, _) = difference(&decoded(&encoder.encode(&frame).unwrap()), &frame);
            assert!(mean < 2.0, "{size} {colour:?}: {mean} levels off");
            // A still picture.
            let still = decoded(&encoder.encode(&frame).unwrap());
            let (mean, _) = difference(&decoded(&encoder.encode(&still).unwrap()), &still);
            assert!(mean < 2.0, "{size} BGR: {mean} levels off");
        }
    }
}

#[test]
fn only_wide_frames_are_scaled() {
    init().unwrap();
    for (most, from, to) in [
        (480, (1280, 720), (480, 270)),
        (480, (480, 360), (480, 360)),
        (480, (319, 239), (319, 239)),
        (480, (481, 3), (480, 2)),
        (1280, (1920, 1080), (1280, 720)),
        (1280, (1, 1), (1, 1)),
        (1280, (720, 1280), (720, 1280)),
        (481, (1000, 500), (480, 240)),
        (1, (1000, 1000), (2, 2)),
    ] {
        let (from, to) = (Size::new(from.0, from.1), Size::new(to.0, to.1));
        for colour in [COLOURS[0], COLOURS[1], COLOURS[2]] {
            let jpeg = JpegEncoder::new(most).unwrap().encode(&frame(from, colour)).unwrap();
            assert_eq!(decoded(&jpeg).size, to, "{from} at most {most} wide");
        }
    }
}

#[test]
fn scaled_frames_keep_their_colours() {
    init().unwrap();
    let mut encoder = JpegEncoder::new(480).unwrap();
    for colour in COLOURS {
        let jpeg = encoder.encode(&frame(Size::new(1280, 720), colour)).unwrap();
        let (mean, _) = difference(&decoded(&jpeg), &frame(Size::new(480, 270), colour));
        assert!(mean < 2.5, "{colour:?}: {mean} levels off");
    }
}
