//! Pushed pictures that are broken, strange or made to do harm: each is refused in words, and the next one is read.

use std::time::{Duration, Instant};

use bytes::Bytes;
use opencv::imgcodecs;
use sightglass::{
    frame::Size,
    media::{Arrival, JpegEncoder, Limits, PushedSource},
};

use crate::{
    media::{LIMITS, fixture},
    media_pushed::{FULL, bgr, encoded, next, only, open},
};

fn detail(source: &mut PushedSource) -> String {
    match next(source) {
        Arrival::Broken { detail, .. } => detail,
        other => panic!("it should have been refused: {other:?}"),
    }
}

/// What the decoder would spoil is refused in words.
#[test]
fn unusual_jpegs() {
    let (pusher, mut source) = open(&LIMITS);
    let components = |factors: &[u8]| {
        let count = factors.len() as u8;
        let header = [0xff, 0xc0, 0, 8 + 3 * count, 8, 0, 8, 0, 8, count];
        let each: Vec<u8> = factors.iter().zip(1..).flat_map(|(factor, id)| [id, *factor, 0]).collect();
        let scan = [0xff, 0xda, 0, 6 + 2 * count, count];
        let tables: Vec<u8> = (1..=count).flat_map(|id| [id, 0]).collect();
        let all: [&[u8]; 6] = [&[0xff, 0xd8], &header, &each, &scan, &tables, &[0, 63, 0, 0, 0xff, 0xd9]];
        Bytes::from(all.concat())
    };
    for (factors, word) in [
        (&[0x11, 0x11, 0x11, 0x11][..], "CMYK"),
        (&[0x41, 0x11, 0x11], "subsampling"),
        (&[0x12, 0x12, 0x12], "subsampling"),
        (&[0x22], "subsampling"),
        (&[], "subsampling"),
        (&[0x11, 0x11, 0x11], "damaged"),
    ] {
        pusher.push(components(factors));
        let told = detail(&mut source);
        assert!(told.contains(word), "{factors:x?}: {told}");
    }
    let mut deep = encoded(".jpg", &bgr(FULL), &[]).to_vec();
    let header = deep.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    deep[header + 4] = 12;
    pusher.push(deep.into());
    assert!(detail(&mut source).contains("more than 8 bits"));
    let progressive = encoded(".jpg", &bgr(FULL), &[imgcodecs::IMWRITE_JPEG_PROGRESSIVE, 1]);
    let scan = progressive.windows(2).rposition(|two| two == [0xff, 0xda]).unwrap();
    let (before, last) = progressive[..progressive.len() - 2].split_at(scan);
    pusher.push([before, &last.repeat(100), &[0xff, 0xd9]].concat().into());
    assert!(detail(&mut source).contains("so many scans"));
}

#[test]
fn a_bad_picture_is_told_and_the_next_one_is_fine() {
    let (pusher, mut source) = open(&LIMITS);
    let picture = bgr(Size::new(160, 120));
    let [jpeg, png, webp] = [".jpg", ".png", ".webp"].map(|ending| encoded(ending, &picture, &[]));
    let half = |bytes: &Bytes| bytes.slice(..bytes.len() / 2);
    let spoilt = |bytes: &Bytes| {
        let mut spoilt = bytes.to_vec();
        let from = bytes.len() / 2;
        spoilt[from..from + 40].fill(0x55);
        Bytes::from(spoilt)
    };
    let bad = [
        (Bytes::new(), "empty"),
        (Bytes::from_static(b"hello"), "no picture"),
        (Bytes::from_static(b"\xff\xd8\xff"), "cut off"),
        (Bytes::from_static(b"\xff\xd8\xff\xd9"), "cut off"),
        ([b"\xff\xd8\xff".as_slice(), &[0x7a; 5000]].concat().into(), "damaged"),
        ([b"\xff\xd8\xff\xe0\0\x10".as_slice(), &[0x7a; 5000]].concat().into(), "cut off"),
        ([b"\x89PNG\r\n\x1a\n".as_slice(), &[0x7a; 5000]].concat().into(), "cut off"),
        ([b"RIFF\x10\0\0\0WEBP".as_slice(), &[0x7a; 12]].concat().into(), "damaged"),
        (half(&jpeg), "cut off"),
        (half(&png), "cut off"),
        (half(&webp), "cut off"),
        (spoilt(&png), "damaged"),
        (Bytes::from(std::fs::read(fixture("numbered.mp4")).unwrap()), "no picture"),
    ];
    for (n, (bytes, word)) in bad.iter().enumerate() {
        assert!(pusher.push(bytes.clone()));
        let told = detail(&mut source);
        assert!(told.contains(word) && told.ends_with('.'), "{n}: {told:?} should say {word:?}");
        for good in [&jpeg, &png, &webp] {
            assert!(pusher.push(good.clone()));
            assert_eq!(only(&mut source).frame.size, Size::new(160, 120), "after {n}");
        }
    }
}

/// Any byte may be wrong: each picture is answered, and a good one afterwards is read.
#[test]
fn spoilt_bytes_anywhere() {
    let (pusher, mut source) = open(&LIMITS);
    let picture = bgr(Size::new(40, 30));
    let good = encoded(".jpg", &picture, &[]);
    for ending in [".jpg", ".png", ".webp"] {
        let bytes = encoded(ending, &picture, &[]);
        for at in (0..bytes.len()).step_by(if ending == ".jpg" { 7 } else { 3 }) {
            for value in [0x00, 0xff, 0x5a] {
                let mut spoilt = bytes.to_vec();
                spoilt[at] = value;
                assert!(pusher.push(spoilt.into()));
                let arrival = next(&mut source);
                assert!(!matches!(arrival, Arrival::Skipped { .. } | Arrival::End), "{ending}, byte {at}");
            }
        }
        pusher.push(good.clone());
        assert_eq!(only(&mut source).frame.size, Size::new(40, 30), "after {ending}");
    }
}

#[test]
fn pictures_that_claim_too_many_pixels_reach_no_decoder() {
    let (pusher, mut source) = open(&Limits { max_pixels: 100_000, ..LIMITS });
    let picture = bgr(Size::new(320, 313));
    for ending in [".jpg", ".png", ".webp"] {
        pusher.push(encoded(ending, &picture, &[]));
        assert!(detail(&mut source).contains("320x313"), "{ending}");
    }
    // 65535 x 65535 in a kilobyte.
    let mut jpeg = encoded(".jpg", &bgr(Size::new(32, 32)), &[]).to_vec();
    let header = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    jpeg[header + 5..header + 9].fill(0xff);
    pusher.push(jpeg.into());
    assert!(detail(&mut source).contains("65535x65535"));
    let mut png = encoded(".png", &bgr(Size::new(32, 32)), &[]).to_vec();
    png[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    pusher.push(png.into());
    assert!(detail(&mut source).contains("2147483647x2147483647"));
}

/// Threads and open files of this process.
fn held() -> (usize, usize) {
    let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

/// In a process of its own, where no other test opens anything.
#[test]
fn sources_leave_nothing_behind() {
    const ALONE: &str = "SIGHTGLASS_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let program = std::env::current_exe().unwrap();
        let name = "media_pushed_bad::sources_leave_nothing_behind";
        let alone = std::process::Command::new(program).args(["--exact", name]).env(ALONE, "1").output().unwrap();
        assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stdout));
        return;
    }
    let picture = bgr(Size::new(64, 48));
    let pictures = [".jpg", ".png", ".webp"].map(|ending| encoded(ending, &picture, &[]));
    let round = || {
        for bytes in &pictures {
            let (pusher, mut source) = open(&LIMITS);
            pusher.push(bytes.clone());
            let kept = only(&mut source);
            pusher.push(Bytes::from_static(b"junk"));
            pusher.push(bytes.clone());
            drop((source, pusher));
            let mut encoder = JpegEncoder::new(480).unwrap();
            encoder.encode(&kept.frame).unwrap();
        }
    };
    round();
    let before = held();
    (0..40).for_each(|_| round());
    let begun = Instant::now();
    // GLib ends idle threads of its pools by and by.
    while held() > before && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(held() <= before, "threads and descriptors: {before:?} became {:?}", held());
}
