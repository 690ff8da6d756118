//! What the encoder writes, other programs read: every frame, in order, at its size and time.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use sightglass::{
    frame::{Colour, Frame, FrameTag, Pixels, Plane, Size},
    media::{Encoder, Format, Rate, init},
};

use crate::media::{BITS, BLOCK, decode, ffprobe_times, fixture, read, run};

pub const RATE: Rate = Rate { num: 30, den: 1 };

/// A grey picture with its number in the corner, or, where it is too small for that, as its brightness. Rows
/// are longer than the picture is wide, as a decoder's are.
pub fn picture(n: u64, size: Size) -> Frame {
    let plane = |size: Size, sample: &dyn Fn(usize, usize) -> u8| {
        let (width, height) = (size.width as usize, size.height as usize);
        let stride = width.next_multiple_of(32) + 32;
        let mut data = vec![77; stride * height];
        for y in 0..height {
            (0..width).for_each(|x| data[y * stride + x] = sample(x, y));
        }
        Plane { data: Bytes::from(data), stride }
    };
    let large = size.width as usize >= BITS * BLOCK && size.height as usize >= BLOCK;
    let luma = |x: usize, y: usize| match (x / BLOCK, y / BLOCK) {
        _ if !large => 40 + 6 * n as u8,
        (bit, 0) if bit < BITS => 16 + 219 * (n >> (BITS - 1 - bit) & 1) as u8,
        _ => 100,
    };
    let grey = |_: usize, _: usize| 128;
    let planes = [plane(size, &luma), plane(size.chroma(), &grey), plane(size.chroma(), &grey)];
    let tag = FrameTag { source: "test".into(), frame: n, time: n as f64 / 30.0 };
    Frame { tag, size, pixels: Pixels::I420 { planes, colour: Colour::default() } }
}

/// Encodes frames 0..`count`, each at `time(n)`.
pub fn encode(path: &Path, format: Format, size: Size, rate: Rate, count: u64, time: impl Fn(u64) -> f64) {
    init().unwrap();
    let mut encoder = Encoder::create(path, format, size, rate).unwrap();
    for n in 0..count {
        encoder.push(&picture(n, size), time(n), time(n + 1) - time(n)).unwrap();
    }
    assert_eq!(encoder.frames(), count);
    encoder.finish().unwrap();
    let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.iter().all(|file| !file.to_str().unwrap().contains("faststart")), "scratch is left: {left:?}");
}

pub fn temporary(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

/// One field of the file's only stream, by ffprobe.
fn ffprobe(path: &Path, field: &str) -> String {
    let entries = format!("{}={}", if field == "duration" { "format" } else { "stream" }, field);
    let arguments = ["-v", "error", "-count_frames", "-show_entries", &entries, "-of", "default=nk=1:nw=1"];
    let output = run("ffprobe", arguments.map(OsStr::new).into_iter().chain([path.as_os_str()]));
    String::from_utf8(output).unwrap().trim().to_owned()
}

/// The luma of every frame, by ffmpeg.
fn ffmpeg_luma(path: &Path, size: Size) -> Vec<Vec<u8>> {
    let path = path.as_os_str();
    let before = ["-v", "error", "-xerror", "-i"].map(OsStr::new);
    let after = ["-vsync", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-"].map(OsStr::new);
    let output = run("ffmpeg", before.into_iter().chain([path]).chain(after));
    let frame = size.pixels() as usize;
    assert_eq!(output.len() % frame, 0, "frames of another size than {size:?}");
    output.chunks(frame).map(<[u8]>::to_vec).collect()
}

pub fn numbers(path: &Path, size: Size) -> Vec<u64> {
    let stride = size.width as usize;
    ffmpeg_luma(path, size).iter().map(|luma| read(|x, y| luma[y * stride + x])).collect()
}

fn check(path: &Path, codec: &str, size: Size, rate: &str, count: u64) {
    assert_eq!(ffprobe(path, "codec_name"), codec);
    assert_eq!(ffprobe(path, "width,height"), format!("{}\n{}", size.width, size.height));
    assert_eq!(ffprobe(path, "pix_fmt"), "yuv420p", "what every player can show");
    assert_eq!(ffprobe(path, "r_frame_rate"), rate);
    assert_eq!(ffprobe(path, "nb_read_frames"), count.to_string());
    assert_eq!(numbers(path, size), (0..count).collect::<Vec<_>>());
}

#[test]
fn avi() {
    let (_folder, path) = temporary("out.avi");
    let size = Size::new(320, 240);
    encode(&path, Format::Avi, size, RATE, 100, |n| n as f64 / 30.0);
    check(&path, "mpeg4", size, "30/1", 100);
    let duration: f64 = ffprobe(&path, "duration").parse().unwrap();
    assert!((duration - 100.0 / 30.0).abs() < 0.01, "{duration} s");
    // And with this service's own decoder.
    let clip = decode(&path, &crate::media::LIMITS, |_| {}).unwrap();
    assert_eq!((clip.numbers(), clip.warning), ((0..100).collect(), None));
}

#[test]
fn mp4() {
    let (_folder, path) = temporary("out.mp4");
    let size = Size::new(320, 240);
    encode(&path, Format::Mp4, size, RATE, 100, |n| n as f64 / 30.0);
    check(&path, "h264", size, "30/1", 100);
    let bytes = fs::read(&path).unwrap();
    let at = |kind: &[u8]| bytes.windows(4).position(|window| window == kind).unwrap();
    assert!(at(b"moov") < at(b"mdat"), "a browser starts before it has the whole file");
    let clip = decode(&path, &crate::media::LIMITS, |_| {}).unwrap();
    assert_eq!((clip.numbers(), clip.warning), ((0..100).collect(), None));
}

#[test]
fn fractional_rates() {
    for (num, den) in [(30_000, 1001), (179, 6), (240, 1), (12_345, 1000), (1, 2)] {
        let rate = Rate { num, den };
        for format in [Format::Avi, Format::Mp4] {
            let (_folder, path) = temporary(&format!("out.{format}"));
            encode(&path, format, Size::new(320, 240), rate, 12, |n| n as f64 / rate.per_second());
            let told = ffprobe(&path, "avg_frame_rate");
            let (num, den) = told.split_once('/').unwrap();
            let told = num.parse::<f64>().unwrap() / den.parse::<f64>().unwrap();
            assert!((told / rate.per_second() - 1.0).abs() < 1e-4, "{format} at {rate}: {told}");
            assert_eq!(numbers(&path, Size::new(320, 240)), (0..12).collect::<Vec<_>>(), "{format} at {rate}");
        }
    }
}

#[test]
fn odd_size() {
    let size = Size::new(319, 239);
    let (_folder, path) = temporary("out.avi");
    encode(&path, Format::Avi, size, RATE, 20, |n| n as f64 / 30.0);
    check(&path, "mpeg4", size, "30/1", 20);
    // H.264 in 4:2:0 has even sizes only.
    let (_folder, path) = temporary("out.mp4");
    encode(&path, Format::Mp4, size, RATE, 20, |n| n as f64 / 30.0);
    check(&path, "h264", Size::new(320, 240), "30/1", 20);
}

#[test]
fn tiny_size() {
    let size = Size::new(16, 16);
    for format in [Format::Avi, Format::Mp4] {
        let (_folder, path) = temporary(&format!("out.{format}"));
        encode(&path, format, size, RATE, 20, |n| n as f64 / 30.0);
        let luma: Vec<u8> = ffmpeg_luma(&path, size).iter().map(|luma| luma[0]).collect();
        assert_eq!(luma.len(), 20, "{format}");
        assert!(luma.windows(2).all(|pair| pair[0] < pair[1]), "{format}: {luma:?}");
    }
}

#[test]
fn variable_times_stay_in_mp4() {
    let (_folder, path) = temporary("out.mp4");
    let time = |n: u64| (32 * n + 6 * ((2 * n) % 5)) as f64 / 600.0;
    encode(&path, Format::Mp4, Size::new(320, 240), RATE, 60, time);
    assert_eq!(numbers(&path, Size::new(320, 240)), (0..60).collect::<Vec<_>>());
    crate::media::assert_times(&ffprobe_times(&path), &(0..60).map(time).collect::<Vec<_>>(), "mp4");
    let duration: f64 = ffprobe(&path, "duration").parse().unwrap();
    assert!((duration - time(60)).abs() < 0.002, "{duration} s, not {} s", time(60));
}

/// A source that starts late: all frames but the first keep their times, and that one is shown from 0 on.
#[test]
fn a_late_start_stays_in_mp4() {
    let (_folder, path) = temporary("out.mp4");
    encode(&path, Format::Mp4, Size::new(320, 240), RATE, 30, |n| 0.5 + n as f64 / 30.0);
    let wanted: Vec<_> = (0..30).map(|n| if n == 0 { 0.0 } else { 0.5 + f64::from(n) / 30.0 }).collect();
    crate::media::assert_times(&ffprobe_times(&path), &wanted, "mp4");
    assert_eq!(numbers(&path, Size::new(320, 240)), (0..30).collect::<Vec<_>>());
}

/// One second of frames that each last ten: rare pictures of a surveillance camera.
#[test]
fn long_steps_stay_in_mp4() {
    let (_folder, path) = temporary("out.mp4");
    encode(&path, Format::Mp4, Size::new(320, 240), Rate { num: 1, den: 10 }, 6, |n| 10.0 * n as f64);
    crate::media::assert_times(&ffprobe_times(&path), &[0.0, 10.0, 20.0, 30.0, 40.0, 50.0], "mp4");
}

#[test]
fn one_frame() {
    for format in [Format::Avi, Format::Mp4] {
        let (_folder, path) = temporary(&format!("out.{format}"));
        encode(&path, format, Size::new(320, 240), RATE, 1, |n| n as f64 / 30.0);
        assert_eq!(numbers(&path, Size::new(320, 240)), [0], "{format}");
    }
}

#[test]
fn another_size_in_mid_stream_is_fitted() {
    init().unwrap();
    let size = Size::new(320, 240);
    for format in [Format::Avi, Format::Mp4] {
        let (_folder, path) = temporary(&format!("out.{format}"));
        let mut encoder = Encoder::create(&path, format, size, RATE).unwrap();
        for n in 0..30 {
            let now = if n < 15 { size } else { Size::new(400, 300) };
            encoder.push(&picture(n, now), n as f64 / 30.0, 1.0 / 30.0).unwrap();
        }
        encoder.finish().unwrap();
        // The larger ones are scaled to 4/5, and so are the blocks of their number.
        let all = ffmpeg_luma(&path, size);
        let scaled = |n: usize, x: usize| if n < 15 { x } else { x * 4 / 5 };
        let got = all.iter().enumerate().map(|(n, luma)| read(|x, y| luma[scaled(n, y) * 320 + scaled(n, x)]));
        assert_eq!(got.collect::<Vec<_>>(), (0..30).collect::<Vec<_>>(), "{format}");
    }
}

/// Decoded frames go straight into the encoder, lent buffers, strides and all.
#[test]
fn decoded_frames_are_encoded() {
    init().unwrap();
    for (name, size) in [("numbered-odd.mp4", Size::new(319, 239)), ("numbered-fullrange.mp4", Size::new(320, 240))] {
        let (_folder, path) = temporary("out.avi");
        let mut encoder = Encoder::create(&path, Format::Avi, size, RATE).unwrap();
        decode(&fixture(name), &crate::media::LIMITS, |frame| encoder.push(frame, frame.tag.time, 0.0).unwrap())
            .unwrap();
        encoder.finish().unwrap();
        check(&path, "mpeg4", size, "30/1", 60);
        // Full range was brought to the limited one that every player assumes, and that ffmpeg expands here:
        // the circle (240, 196, 48) has the luma 192 again.
        for (n, luma) in ffmpeg_luma(&path, size).iter().enumerate() {
            let circle = luma[90 * size.width as usize + 40 + 2 * n];
            assert!(circle.abs_diff(192) < 6, "{name}: {circle} in frame {n}");
        }
    }
}
