//! The frame mark survives what a video call does to it: scaled down, coded hard, decoded again.

use std::path::Path;

use bytes::Bytes;
use sightglass::{
    frame::{Frame, Pixels, Size},
    media::{FileSource, init},
    vision::mark::{self, MarkStrip},
};

use crate::{
    media::{LIMITS, run},
    media_encode::temporary,
};

const FRAMES: u32 = 60;
/// As a page draws it: a picture of 640x480 with 16 more rows.
const DRAWN: Size = Size::new(640, 496);
const ROWS: usize = 16;

/// CRC-8, polynomial 0x07, bit by bit as a division.
fn cells(number: u32) -> u32 {
    let mut rest = number << 8;
    for bit in (8..24).rev() {
        if rest >> bit & 1 == 1 {
            rest ^= 0x107 << (bit - 8);
        }
    }
    0b10 << 24 | number << 8 | rest
}

/// Numbers that do not follow each other, as a coder would like.
fn number(n: u32) -> u32 {
    n * 40_503 % 65_536
}

/// Grey pictures with a moving, noisy background and the mark below, as raw luma.
fn draw() -> Vec<u8> {
    let (width, height) = (DRAWN.width as usize, DRAWN.height as usize);
    let mut video = Vec::with_capacity(width * height * FRAMES as usize);
    let mut noise = 1_u32;
    for n in 0..FRAMES {
        for y in 0..height - ROWS {
            for x in 0..width {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                video.push(((x + y * 3 + n as usize * 7) / 4 % 180) as u8 + (noise >> 26) as u8);
            }
        }
        let cells = cells(number(n));
        let edge = |cell: usize| (cell as f64 * width as f64 / 26.0).round() as usize;
        let row: Vec<u8> = (0..26)
            .flat_map(|cell| vec![255 * (cells >> (25 - cell) & 1) as u8; edge(cell + 1) - edge(cell)])
            .collect();
        (0..ROWS).for_each(|_| video.extend_from_slice(&row));
    }
    video
}

fn frames(path: &Path) -> Vec<Frame> {
    init().unwrap();
    let mut source = FileSource::open("clip", path, &LIMITS).unwrap_or_else(|error| panic!("{}", error.full()));
    std::iter::from_fn(|| source.next_frame().unwrap()).collect()
}

#[test]
fn after_video_coding() {
    let strip: MarkStrip = "16/496".parse().unwrap();
    let (folder, raw) = temporary("drawn.y");
    std::fs::write(&raw, draw()).unwrap();
    for (name, coder) in [
        ("x.mp4", &["-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency"][..]),
        ("x.webm", &["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"]),
    ] {
        for (width, height, rate) in [(640, 496, "300k"), (320, 248, "100k"), (160, 124, "40k")] {
            let path = folder.path().join(name);
            let scale = format!("scale={width}:{height}:flags=bilinear,format=yuv420p");
            let input = ["-y", "-v", "error", "-f", "rawvideo", "-pix_fmt", "gray", "-s", "640x496", "-r", "30", "-i"];
            let output = ["-vf", &scale, "-b:v", rate, path.to_str().unwrap()];
            run("ffmpeg", input.into_iter().chain([raw.to_str().unwrap()]).chain(coder.iter().copied()).chain(output));
            let read: Vec<_> = frames(&path).iter().map(|frame| mark::read(strip, frame)).collect();
            assert_eq!(read.len(), FRAMES as usize, "{name} at {width}");
            let wrong =
                read.iter().enumerate().filter(|(n, (read, _))| read.is_some_and(|read| read != number(*n as u32)));
            assert_eq!(wrong.count(), 0, "{name} at {width}: a wrong number");
            let missed = read.iter().filter(|(read, _)| read.is_none()).count();
            assert!(missed <= 3, "{name} at {width}: {missed} of {FRAMES} not read");
            let sizes = [Size::new(640, 480), Size::new(320, 240), Size::new(160, 120)];
            assert!(read.iter().all(|(_, rest)| sizes.contains(&rest.size)), "{name} at {width}: {}", read[0].1.size);
        }
    }
}

/// A picture that happens to hold no mark is seldom taken for one.
#[test]
fn noise_holds_no_mark() {
    let strip: MarkStrip = "16/496".parse().unwrap();
    let mut noise = 7_u64;
    let mut found = 0;
    for _ in 0..2000 {
        let levels: Vec<u8> = (0..160 * 124)
            .map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (noise >> 56) as u8
            })
            .collect();
        let luma = sightglass::frame::Plane { data: Bytes::from(levels), stride: 160 };
        let half = sightglass::frame::Plane { data: Bytes::from(vec![128; 80 * 62]), stride: 80 };
        let frame = Frame {
            tag: sightglass::frame::FrameTag { source: "test".into(), frame: 0, time: 0.0 },
            size: Size::new(160, 124),
            pixels: Pixels::I420 { planes: [luma, half.clone(), half], colour: Default::default() },
        };
        found += usize::from(mark::read(strip, &frame).0.is_some());
    }
    assert!(found < 10, "{found} of 2000");
}
