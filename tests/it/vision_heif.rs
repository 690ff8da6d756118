//! HEIC, AVIF and TIFF: identified by content, read upright and bounded, and refused with a message where they cannot be.

use std::process::Command;

use opencv::imgcodecs;
use sightglass::{
    error::Kind,
    frame::{Frame, Size},
    vision::picture,
};

use crate::{
    media::fixture,
    media_pushed::{bgr, difference, encoded, levels},
    shared::shared,
};

const MAX: u64 = 2_000_000;

fn read(bytes: &[u8]) -> Frame {
    picture::read(bytes, MAX).unwrap_or_else(|error| panic!("{}", error.full()))
}

#[track_caller]
fn refused(bytes: &[u8], kind: Kind, word: &str) {
    let error = picture::read(bytes, MAX).expect_err(word);
    assert!(error.detail.contains(word) && error.detail.ends_with('.'), "{}", error.full());
    assert_eq!(error.kind, kind, "{}", error.full());
}

fn at(frame: &Frame, x: u32, y: u32) -> [u8; 3] {
    let values = levels(frame);
    let from = (y * frame.size.width + x) as usize * 3;
    [0, 1, 2].map(|channel| values[from + channel] as u8)
}

/// The corners at the top left, top right, bottom left and bottom right.
fn corners(frame: &Frame) -> [[u8; 3]; 4] {
    let (right, bottom) = (frame.size.width - 1, frame.size.height - 1);
    [(0, 0), (right, 0), (0, bottom), (right, bottom)].map(|(x, y)| at(frame, x, y))
}

fn near(found: [[u8; 3]; 4], wanted: [[u8; 3]; 4]) -> bool {
    found.iter().flatten().zip(wanted.iter().flatten()).all(|(a, b)| a.abs_diff(*b) < 24)
}

/// A wide picture, no two corners of which are alike, as PNG.
fn stored() -> Vec<u8> {
    encoded(".png", &bgr(Size::new(64, 32)), &[]).to_vec()
}

/// FFmpeg's AVIF of a picture.
fn avif(png: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("x.png"), folder.path().join("x.avif"));
    std::fs::write(&from, png).unwrap();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-i"]).arg(&from).args(["-pix_fmt", "yuv444p", "-c:v", "libaom-av1", "-crf", "1"]);
    assert!(ffmpeg.args(["-still-picture", "1", "-cpu-used", "8"]).arg(&to).status().unwrap().success());
    std::fs::read(to).unwrap()
}

/// The file with its `pixi` box made one of another kind, which is of the same length and belongs to the picture.
fn with_property(avif: &[u8], kind: &[u8; 4], value: u8) -> Vec<u8> {
    let place = avif.windows(4).position(|four| four == b"pixi").expect("a box");
    let mut turned = avif.to_vec();
    turned[place..place + 4].copy_from_slice(kind);
    turned[place + 4..place + 12].copy_from_slice(&[value, 0, 0, 0, 0, 0, 0, 0]);
    turned
}

/// An uncompressed TIFF of one strip, in either byte order; `more`: further entries (tag, value).
fn tiff(size: Size, big: bool, samples: &[u8], more: &[(u16, u32)]) -> Vec<u8> {
    let channels = samples.len() as u32 / size.pixels() as u32;
    let two = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let four = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut entries = vec![
        (256, size.width),
        (257, size.height),
        (258, 8),
        (259, 1),
        (262, if channels == 1 { 1 } else { 2 }),
        (273, 8),
        (277, channels),
        (278, size.height),
        (279, samples.len() as u32),
    ];
    for (tag, value) in more {
        entries.retain(|(old, _)| old != tag);
        entries.push((*tag, *value));
    }
    entries.sort_unstable();
    let mut bytes = if big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
    bytes.extend(four(8 + samples.len() as u32));
    bytes.extend(samples);
    bytes.extend(two(entries.len() as u16));
    for (tag, value) in entries {
        bytes.extend([two(tag), two(4)].concat());
        bytes.extend([four(1), four(value)].concat());
    }
    bytes.extend(four(0));
    bytes
}

#[test]
fn avif_is_read_and_turned_by_its_own_properties_once() {
    let png = stored();
    let [tl, tr, bl, br] = corners(&read(&png));
    let avif = avif(&png);
    let plain = read(&avif);
    assert_eq!(plain.size, Size::new(64, 32));
    for rest in [b"\r\n".as_slice(), &[0; 100]] {
        assert_eq!(levels(&read(&[&avif, rest].concat())), levels(&plain), "bytes behind the last box");
    }
    assert!(near(corners(&plain), [tl, tr, bl, br]), "{:?}", corners(&plain));
    // irot turns against the clock by so many quarters (ISO/IEC 23008-12, 6.5.10); imir mirrors (6.5.12).
    for (quarters, wanted) in [(1, [tr, br, tl, bl]), (2, [br, bl, tr, tl]), (3, [bl, tl, br, tr])] {
        let turned = read(&with_property(&avif, b"irot", quarters));
        let size = if quarters == 2 { Size::new(64, 32) } else { Size::new(32, 64) };
        assert_eq!(turned.size, size);
        assert!(near(corners(&turned), wanted), "{quarters}: {:?}", corners(&turned));
    }
    let mirrored = corners(&read(&with_property(&avif, b"imir", 0)));
    assert!(near(mirrored, [bl, br, tl, tr]) || near(mirrored, [tr, tl, br, bl]), "{mirrored:?}");
}

#[test]
fn heic_of_a_telephone_is_read() {
    assert_eq!(picture::reads_heif(), [true, true], "libheif1 is in the list of packages");
    let Some(shared) = shared() else { return };
    let heic = std::fs::read(shared.join("media/reported/cheers_1440x960.heic")).unwrap();
    let frame = read(&heic);
    assert_eq!(frame.size, Size::new(1440, 960));
    // It is a picture, not a plane of one colour.
    let values = levels(&frame);
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    let spread = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / values.len() as f32;
    assert!(spread.sqrt() > 20.0, "{spread}");
    // The header alone says that it is too large.
    let error = picture::look(&heic, 1_000_000).expect_err("too large");
    assert!(error.detail.contains("1440x960"), "{}", error.detail);
}

#[test]
fn half_and_spoilt_files_end_in_words() {
    let avif = avif(&stored());
    for length in [8, 20, 40, avif.len() / 4, avif.len() / 2, avif.len() - 1] {
        let error = picture::read(&avif[..length], MAX).expect_err("half a file");
        assert!(matches!(error.kind, Kind::Unprocessable | Kind::NotMedia), "{length}: {}", error.full());
    }
    // A size that the samples do not have.
    let ispe = avif.windows(4).position(|four| four == b"ispe").unwrap() + 8;
    let mut lie = avif.clone();
    lie[ispe..ispe + 8].copy_from_slice(&[0, 0, 0, 8, 0, 0, 0, 8]);
    assert!(picture::read(&lie, MAX).is_err());
    lie[ispe..ispe + 8].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1]);
    refused(&lie, Kind::Unprocessable, "2147483647x1");
    // Any byte of the header may be wrong: an answer comes, whatever it is.
    for place in 0..avif.len().min(400) {
        for value in [0, 1, 0x7f, 0xff] {
            let mut spoilt = avif.clone();
            spoilt[place] = value;
            let _ = picture::read(&spoilt, MAX);
        }
    }
    let size = Size::new(16, 8);
    let good = tiff(size, false, &[7; 16 * 8 * 3], &[]);
    for place in (0..8).chain(8 + 384..good.len()) {
        for value in [0, 1, 0x7f, 0xff] {
            let mut spoilt = good.clone();
            spoilt[place] = value;
            let _ = picture::read(&spoilt, MAX);
        }
    }
}

#[test]
fn tiff_is_read_in_both_byte_orders_and_turned_once() {
    let size = Size::new(64, 32);
    let plain = read(&stored());
    let [tl, tr, bl, br] = corners(&plain);
    let rgb: Vec<u8> =
        levels(&plain).chunks_exact(3).flat_map(|bgr| [bgr[2] as u8, bgr[1] as u8, bgr[0] as u8]).collect();
    let seen = [
        [tl, tr, bl, br],
        [tr, tl, br, bl],
        [br, bl, tr, tl],
        [bl, br, tl, tr],
        [tl, bl, tr, br],
        [bl, tl, br, tr],
        [br, tr, bl, tl],
        [tr, br, tl, bl],
    ];
    for big in [false, true] {
        assert_eq!(levels(&read(&tiff(size, big, &rgb, &[]))), levels(&plain));
        for (orientation, wanted) in (1..).zip(seen) {
            let frame = read(&tiff(size, big, &rgb, &[(274, orientation)]));
            let upright = if orientation < 5 { size } else { Size::new(32, 64) };
            assert_eq!((frame.size, corners(&frame)), (upright, wanted), "{orientation} {big}");
        }
    }
    // Grey, and what is transparent on white: fully, half, not.
    assert_eq!(corners(&read(&tiff(Size::new(2, 1), false, &[9, 200], &[]))), [[9; 3], [200; 3], [9; 3], [200; 3]]);
    let rgba = [10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 127];
    let frame = read(&tiff(Size::new(3, 1), false, &rgba, &[(338, 2)]));
    let found = [0, 1, 2].map(|x| at(&frame, x, 0));
    assert_eq!(found, [[30, 20, 10], [255; 3], [128; 3]]);
    // OpenCV's own, compressed.
    let lzw = encoded(".tiff", &bgr(size), &[imgcodecs::IMWRITE_TIFF_COMPRESSION, 5]);
    assert_eq!(levels(&read(&lzw)), levels(&plain));
}

#[test]
fn tiff_is_refused_in_words_before_memory_is_taken() {
    let size = Size::new(16, 8);
    let good = |more: &[(u16, u32)]| tiff(size, false, &[7; 16 * 8 * 3], more);
    read(&good(&[]));
    refused(&good(&[(256, 1 << 20), (257, 1 << 20)]), Kind::Unprocessable, "1048576x1048576");
    refused(&good(&[(256, 0)]), Kind::Unprocessable, "damaged");
    refused(&good(&[(322, 1 << 15), (323, 1 << 15)]), Kind::Unprocessable, "damaged");
    refused(&good(&[(258, 32)]), Kind::Unprocessable, "samples");
    refused(&good(&[(262, 8)]), Kind::Unprocessable, "colour space");
    refused(&good(&[(259, 6)]), Kind::Unprocessable, "compression");
    let whole = good(&[]);
    refused(&whole[..whole.len() - 30], Kind::Unprocessable, "cut off");
    refused(b"II*\0", Kind::Unprocessable, "cut off");
}

#[test]
fn formats_that_are_not_read_are_named() {
    for (bytes, name) in [
        (b"\0\0\0\x0cjP  \r\n\x87\n".as_slice(), "JPEG 2000"),
        (b"\0\0\x01\0\x01\0", "ICO"),
        (b"P5\n2 2\n255\n....", "PGM"),
        (b"P6 2 2 255 ....", "PPM"),
        (b"8BPS\0\x01", "Photoshop"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "SVG"),
    ] {
        refused(bytes, Kind::NotMedia, &format!(" {name} picture is not read here: send a JPEG"));
    }
    refused(b"Plain text", Kind::NotMedia, "This is no picture");
    refused(&std::fs::read(fixture("numbered.mp4")).unwrap(), Kind::NotMedia, "This is no picture");
    // Of two formats with the same boxes, the brands tell which it is.
    let scene = read(&std::fs::read(fixture("scene.jpg")).unwrap());
    let (mean, _) = difference(&read(&avif(&std::fs::read(fixture("scene.png")).unwrap())), &scene);
    assert!(mean < 6.0, "{mean}");
}
