//! JPEG pictures of a file: upright, the frames that were asked for, at the frames' own times.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use sightglass::media::{FilePictures, Picture, init};

use crate::media::{LIMITS, decode, fixture, read};

/// All pictures from `from` on.
fn pictures(path: &Path, from: f64, max_width: u32) -> Vec<Picture> {
    init().unwrap();
    let mut source =
        FilePictures::open(path, &LIMITS, from, max_width).unwrap_or_else(|error| panic!("{path:?}: {}", error.full()));
    let mut all = Vec::new();
    while let Some(picture) = source.next_picture().unwrap() {
        all.push(picture);
    }
    all
}

/// Width and height as the JPEG's frame header says (ITU-T T.81, B.2.2).
fn size(jpeg: &[u8]) -> (usize, usize) {
    let mut at = 2;
    loop {
        let word = |at: usize| usize::from(jpeg[at]) << 8 | usize::from(jpeg[at + 1]);
        assert_eq!(jpeg[at], 0xff, "a marker");
        if matches!(jpeg[at + 1], 0xc0 | 0xc2) {
            return (word(at + 7), word(at + 5));
        }
        at += 2 + word(at + 2);
    }
}

/// The luma of pictures of one size, decoded by ffmpeg.
fn luma(pictures: &[Picture]) -> Vec<Vec<u8>> {
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "image2pipe", "-c:v", "mjpeg", "-i", "-"])
        .args(["-vsync", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = ffmpeg.stdin.take().unwrap();
    let jpegs: Vec<_> = pictures.iter().map(|picture| picture.jpeg.clone()).collect();
    // In a thread of its own: both pipes may be full.
    let writer = std::thread::spawn(move || jpegs.iter().for_each(|jpeg| input.write_all(jpeg).unwrap()));
    let output = ffmpeg.wait_with_output().unwrap();
    writer.join().unwrap();
    let (width, height) = size(&pictures[0].jpeg);
    output.stdout.chunks(width * height).map(<[u8]>::to_vec).collect()
}

fn numbers(pictures: &[Picture]) -> Vec<u64> {
    let (width, _) = size(&pictures[0].jpeg);
    luma(pictures).iter().map(|luma| read(|x, y| luma[y * width + x])).collect()
}

/// The pictures from `from` on are the frames from number `first` on, each at its frame's time.
fn follow(name: &str, from: f64, first: u64, wanted_size: (usize, usize)) {
    let path = fixture(name);
    let frames = decode(&path, &LIMITS, |_| {}).unwrap();
    let got = pictures(&path, from, 4096);
    assert!(got.iter().all(|picture| size(&picture.jpeg) == wanted_size), "{name}: upright and of full size");
    let wanted: Vec<_> = frames.seen.iter().filter(|seen| seen.number >= first).collect();
    assert_eq!(numbers(&got), wanted.iter().map(|seen| seen.number).collect::<Vec<_>>(), "{name} from {from} s");
    for (picture, seen) in got.iter().zip(wanted) {
        let off = (picture.time - seen.time).abs();
        assert!(off < 1e-3, "{name} from {from} s: picture {} at {} s, not {} s", seen.number, picture.time, seen.time);
    }
}

#[test]
fn from_the_start() {
    follow("numbered.mp4", 0.0, 0, (320, 240));
    follow("numbered-rotated.mp4", 0.0, 0, (288, 384));
    follow("numbered-hevc.mp4", 0.0, 0, (320, 240));
    follow("numbered-odd.mp4", 0.0, 0, (319, 239));
    follow("numbered-gap.mp4", 0.0, 0, (320, 240));
}

#[test]
fn from_a_frame() {
    follow("numbered.mp4", 1.0, 30, (320, 240));
    follow("numbered.mp4", 37.0 / 30.0, 37, (320, 240));
    follow("numbered-rotated.mp4", 1.0, 30, (288, 384));
    follow("numbered-hevc.mp4", 2.0, 60, (320, 240));
    follow("numbered.avi", 1.5, 45, (320, 240));
    follow("numbered-editlist.mp4", 0.5, 35, (320, 240));
    follow("numbered-gap.mp4", 1.0, 15, (320, 240));
    follow("numbered-fragmented.mp4", 2.0, 60, (320, 240));
}

#[test]
fn from_a_frame_of_variable_rate() {
    // Frame 31 is shown at (32 * 31 + 6 * (62 mod 5)) / 600 s.
    follow("numbered-vfr.mp4", 1004.0 / 600.0, 31, (320, 240));
}

#[test]
fn from_between_two_frames_is_the_later_one() {
    follow("numbered.mp4", 30.5 / 30.0, 31, (320, 240));
}

#[test]
fn from_the_last_frame_and_beyond() {
    follow("numbered.mp4", 89.0 / 30.0, 89, (320, 240));
    assert_eq!(pictures(&fixture("numbered.mp4"), 100.0, 640).len(), 0, "there is nothing after the end");
}

/// Broadcast clocks start anywhere; both count from the first frame.
#[test]
fn from_a_frame_of_a_broadcast() {
    let all = pictures(&fixture("numbered-resize.ts"), 0.0, 4096);
    assert_eq!((all.len(), all[0].time), (90, 0.0));
    assert_eq!((size(&all[44].jpeg), size(&all[45].jpeg)), ((320, 240), (400, 300)));
    // A jump to before its first frame would lose the second.
    assert_eq!(numbers(&all), (0..90).collect::<Vec<_>>());
    assert_eq!(numbers(&pictures(&fixture("numbered-resize.ts"), 1.0 / 30.0, 4096)), (1..90).collect::<Vec<_>>());
    let part = pictures(&fixture("numbered-resize.ts"), 2.0, 4096);
    assert_eq!(numbers(&part), (60..90).collect::<Vec<_>>());
    assert!((part[0].time - 2.0).abs() < 1e-3, "{}", part[0].time);
}

#[test]
fn scaled_down_to_a_width() {
    for (name, width, wanted) in [
        ("numbered.mp4", 160, (160, 120)),
        ("numbered-rotated.mp4", 144, (144, 192)),
        ("numbered-par.mp4", 4096, (427, 240)),
        ("numbered-odd.mp4", 300, (300, 225)),
    ] {
        let got = pictures(&fixture(name), 0.0, width);
        assert_eq!(got.len(), decode(&fixture(name), &LIMITS, |_| {}).unwrap().seen.len(), "{name}");
        let (w, h) = size(&got[0].jpeg);
        assert!(w == wanted.0 && h.abs_diff(wanted.1) <= 1, "{name} at most {width} wide: {w}x{h}");
    }
}

/// A JPEG is always full range: black stays black and white stays white.
#[test]
fn levels() {
    for name in ["numbered.mp4", "numbered-fullrange.mp4"] {
        let picture = &luma(&pictures(&fixture(name), 0.0, 4096)[1..2])[0];
        let (black, white) = (picture[8 * 320 + 8], picture[8 * 320 + 248]);
        assert!(black < 8 && white > 247, "{name}: {black} to {white}");
    }
}
