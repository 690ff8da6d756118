//! Pictures pushed one by one: each is answered, in order, as OpenCV would read it, and a bad one spoils no other.

use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer::prelude::*;
use opencv::{
    core::{Mat, MatTraitConst, Vector, VectorToVec},
    imgcodecs,
};
use sightglass::{
    frame::{Frame, Size},
    media::{Arrival, Limits, LiveFrame, LiveSource, PushedSource, Pusher, init, pushed},
    vision::{
        geometry::{Letterbox, Resize},
        picture,
        tensor::{Channels, Layout, TensorSpec, fill},
    },
};

use crate::media::{LIMITS, fixture};

pub fn open(limits: &Limits) -> (Pusher, PushedSource) {
    init().unwrap();
    pushed("camera", limits)
}

/// What comes next, however long a busy machine takes.
pub fn next(source: &mut PushedSource) -> Arrival {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        if let Some(arrival) = source.next(Duration::from_millis(100)).unwrap() {
            return arrival;
        }
    }
    panic!("nothing came");
}

pub fn only(source: &mut PushedSource) -> LiveFrame {
    match next(source) {
        Arrival::Picture(picture) => picture,
        other => panic!("a picture should have come: {other:?}"),
    }
}

/// A picture of soft colours, no two of its corners alike.
pub fn bgr(size: Size) -> Mat {
    let (width, height) = (size.width as usize, size.height as usize);
    let mut levels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let (x, y) = (200 * x / width, 200 * y / height);
            levels.extend([20 + x as u8, 230 - y as u8, 20 + ((x + y) / 2) as u8]);
        }
    }
    Mat::from_slice(&levels).unwrap().reshape(3, height as i32).unwrap().try_clone().unwrap()
}

pub fn encoded(ending: &str, picture: &Mat, options: &[i32]) -> Bytes {
    let mut bytes = Vector::new();
    assert!(imgcodecs::imencode(ending, picture, &mut bytes, &Vector::from_slice(options)).unwrap());
    bytes.to_vec().into()
}

/// The frame's levels as BGR.
pub fn levels(frame: &Frame) -> Vec<f32> {
    let spec = TensorSpec {
        size: frame.size,
        layout: Layout::Nhwc,
        channels: Channels::Bgr,
        mul: [1.0; 3],
        add: [0.0; 3],
        pad: 0.0,
    };
    let mut values = vec![0.0; spec.len()];
    fill(frame, &Letterbox::new(frame.size, frame.size, Resize::Stretch), &spec, &mut values).unwrap();
    values
}

/// The mean and the largest difference of two pictures of one size, in levels of 255.
pub fn difference(one: &Frame, other: &Frame) -> (f32, f32) {
    assert_eq!(one.size, other.size);
    let (one, other) = (levels(one), levels(other));
    let off: Vec<f32> = one.iter().zip(&other).map(|(one, other)| (one - other).abs()).collect();
    (off.iter().sum::<f32>() / off.len() as f32, off.iter().copied().fold(0.0, f32::max))
}

/// Is the picture as OpenCV reads it?
fn compare(what: &str, bytes: &Bytes, reference: &[u8]) {
    let (pusher, mut source) = open(&LIMITS);
    assert!(pusher.push(bytes.clone()));
    let (mean, most) = difference(&only(&mut source).frame, &picture::read(reference, u64::MAX).unwrap());
    assert!(mean < 1.0 && most < 5.0, "{what}: {mean} levels off, {most} at most");
}

/// With a TIFF directory of one entry: the orientation.
fn tiff(orientation: u8, little: bool) -> Vec<u8> {
    if little {
        [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat()
    } else {
        [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".as_slice(), &[0, orientation, 0, 0, 0, 0, 0, 0]].concat()
    }
}

fn turned_jpeg(jpeg: &[u8], orientation: u8) -> Bytes {
    let exif = [b"Exif\0\0".as_slice(), &tiff(orientation, orientation.is_multiple_of(2))].concat();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat().into()
}

pub const FULL: Size = Size::new(320, 240);

#[test]
fn kinds_of_jpeg() {
    let quality = [imgcodecs::IMWRITE_JPEG_QUALITY, 95];
    let progressive = [quality.as_slice(), &[imgcodecs::IMWRITE_JPEG_PROGRESSIVE, 1]].concat();
    let restarts = [quality.as_slice(), &[imgcodecs::IMWRITE_JPEG_RST_INTERVAL, 4]].concat();
    let picture = bgr(FULL);
    for (what, options) in [("plain", &quality[..]), ("progressive", &progressive), ("restarts", &restarts)] {
        let jpeg = encoded(".jpg", &picture, options);
        compare(what, &jpeg, &jpeg);
    }
    let mut grey = Mat::default();
    opencv::imgproc::cvt_color_def(&picture, &mut grey, opencv::imgproc::COLOR_BGR2GRAY).unwrap();
    let jpeg = encoded(".jpg", &grey, &quality);
    compare("grey", &jpeg, &jpeg);
}

/// A coloured test picture as a JPEG of GStreamer's, its samples in `format`.
fn test_picture(format: &str) -> Bytes {
    let launch = format!(
        "videotestsrc num-buffers=1 ! video/x-raw,width=320,height=240,format={format},colorimetry=(string)1:4:0:0 \
         ! jpegenc quality=95 ! appsink name=sink"
    );
    let pipeline = gstreamer::parse::launch(&launch).unwrap().downcast::<gstreamer::Pipeline>().unwrap();
    let sink = pipeline.by_name("sink").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let sample = sink.try_pull_sample(gstreamer::ClockTime::from_seconds(60)).unwrap();
    pipeline.set_state(gstreamer::State::Null).unwrap();
    Bytes::copy_from_slice(&sample.buffer().unwrap().map_readable().unwrap())
}

#[test]
fn chroma_of_all_shapes() {
    init().unwrap();
    for format in ["I420", "Y42B", "Y444"] {
        let jpeg = test_picture(format);
        let (pusher, mut source) = open(&LIMITS);
        pusher.push(jpeg.clone());
        let (mean, _) = difference(&only(&mut source).frame, &picture::read(&jpeg, u64::MAX).unwrap());
        assert!(mean < 2.0, "{format}: {mean} levels off");
    }
}

#[test]
fn kinds_of_png_and_webp() {
    let picture = bgr(FULL);
    let plain = encoded(".png", &picture, &[]);
    let (mut deep, mut clear, mut grey) = (Mat::default(), Mat::default(), Mat::default());
    opencv::imgproc::cvt_color_def(&picture, &mut clear, opencv::imgproc::COLOR_BGR2BGRA).unwrap();
    opencv::imgproc::cvt_color_def(&picture, &mut grey, opencv::imgproc::COLOR_BGR2GRAY).unwrap();
    grey.convert_to(&mut deep, opencv::core::CV_16U, 257.0, 0.0).unwrap();
    let (grey, deep) = (encoded(".png", &grey, &[]), encoded(".png", &deep, &[]));
    compare("plain", &plain, &plain);
    compare("alpha", &encoded(".png", &clear, &[]), &plain);
    compare("grey", &grey, &grey);
    compare("grey of 16 bits", &deep, &grey);
    let lossy = encoded(".webp", &picture, &[imgcodecs::IMWRITE_WEBP_QUALITY, 95]);
    compare("lossy WebP", &lossy, &lossy);
    compare("lossless WebP", &encoded(".webp", &picture, &[imgcodecs::IMWRITE_WEBP_QUALITY, 101]), &plain);
    compare("WebP with alpha", &encoded(".webp", &clear, &[imgcodecs::IMWRITE_WEBP_QUALITY, 101]), &plain);
    let photo: Bytes = std::fs::read(fixture("scene.jpg")).unwrap().into();
    let (pusher, mut source) = open(&LIMITS);
    pusher.push(photo.clone());
    let (mean, _) = difference(&only(&mut source).frame, &picture::read(&photo, u64::MAX).unwrap());
    assert!(mean < 1.5, "a scene with edges: {mean} levels off");
}

#[test]
fn odd_sizes() {
    for size in [(1, 1), (2, 1), (1, 2), (3, 5), (17, 33), (319, 239), (1000, 1), (641, 7)] {
        let size = Size::new(size.0, size.1);
        let picture = bgr(size);
        for ending in [".jpg", ".png", ".webp"] {
            let bytes = encoded(ending, &picture, &[]);
            for orientation in [1, 6] {
                let bytes = if ending == ".jpg" { turned_jpeg(&bytes, orientation) } else { bytes.clone() };
                let (pusher, mut source) = open(&LIMITS);
                pusher.push(bytes.clone());
                let frame = only(&mut source).frame;
                assert_eq!(frame.size, picture::read(&bytes, u64::MAX).unwrap().size, "{ending} of {size}");
            }
        }
    }
}

#[test]
fn exif_turns_each_picture_by_itself() {
    let (pusher, mut source) = open(&LIMITS);
    let jpeg = encoded(".jpg", &bgr(FULL), &[imgcodecs::IMWRITE_JPEG_QUALITY, 95]);
    for orientation in [6, 1, 2, 3, 4, 5, 6, 7, 8] {
        let turned = turned_jpeg(&jpeg, orientation);
        for bytes in [turned, jpeg.clone()] {
            pusher.push(bytes.clone());
            let (mean, most) = difference(&only(&mut source).frame, &picture::read(&bytes, u64::MAX).unwrap());
            assert!(mean < 1.0 && most < 5.0, "orientation {orientation}: {mean} levels off, {most} at most");
        }
    }
}

#[test]
fn formats_and_sizes_change_in_mid_stream() {
    let (pusher, mut source) = open(&LIMITS);
    let sizes = [(64, 48), (33, 21), (320, 240), (320, 240)].map(|(w, h)| Size::new(w, h));
    let mut frame = 0;
    for round in 0..3 {
        for size in sizes {
            for (ending, codec) in [(".jpg", "JPEG"), (".png", "PNG"), (".webp", "WebP")] {
                assert!(pusher.push(encoded(ending, &bgr(size), &[])));
                let arrived = only(&mut source);
                assert_eq!((arrived.frame.size, arrived.frame.tag.frame), (size, frame), "{ending} in round {round}");
                assert_eq!((&*arrived.frame.tag.source, source.codec().as_deref()), ("camera", Some(codec)));
                frame += 1;
            }
        }
    }
}

#[test]
fn two_wait_and_the_oldest_gives_way() {
    let (pusher, mut source) = open(&LIMITS);
    for side in 1..=10 {
        assert!(pusher.push(encoded(".png", &bgr(Size::new(side, side)), &[])));
    }
    for frame in 0..8 {
        assert!(matches!(next(&mut source), Arrival::Skipped { frame: n } if n == frame), "{frame}");
    }
    let (first, second) = (only(&mut source), only(&mut source));
    assert_eq!((first.frame.tag.frame, first.frame.size.width, first.skipped), (8, 9, 8));
    assert_eq!((second.frame.tag.frame, second.frame.size.width, second.skipped), (9, 10, 0));
    assert!(second.frame.tag.time > first.frame.tag.time && second.arrived > first.arrived);
    assert!(source.next(Duration::ZERO).unwrap().is_none());
    pusher.push(Bytes::new());
    pusher.close();
    assert!(!pusher.push(Bytes::new()), "closed");
    assert!(matches!(next(&mut source), Arrival::Broken { frame: 10, .. }));
    assert!(matches!(next(&mut source), Arrival::End));
    assert!(matches!(next(&mut source), Arrival::End), "the end stays the end");
}

#[test]
fn what_waits_is_bounded() {
    let (pusher, mut source) = open(&LIMITS);
    let junk = Bytes::from(vec![1; 1000]);
    let taken = (0..5000).take_while(|_| pusher.push(junk.clone())).count();
    assert_eq!(taken, 1000);
    assert!(matches!(next(&mut source), Arrival::Skipped { frame: 0 }));
    assert!(pusher.push(junk.clone()) && !pusher.push(junk.clone()), "one was taken, one more may come");
    for frame in 1..1001 {
        match next(&mut source) {
            Arrival::Skipped { frame: n } | Arrival::Broken { frame: n, .. } => assert_eq!(n, frame),
            other => panic!("{other:?}"),
        }
    }
    drop(source);
    assert!(!pusher.push(junk), "nobody takes it");
}

#[test]
fn the_end_comes_to_a_waiting_source() {
    let (pusher, mut source) = open(&LIMITS);
    let waiting = std::thread::spawn(move || source.next(Duration::from_secs(60)).unwrap());
    drop(pusher);
    assert!(matches!(waiting.join().unwrap(), Some(Arrival::End)));
}
