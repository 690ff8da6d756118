//! Still pictures of every kind: read as they look, upright, on white; and refused in words before memory is taken.

use bytes::Bytes;
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

const MAX: u64 = 1_000_000;

fn read(bytes: &[u8]) -> Frame {
    picture::read(bytes, MAX).unwrap_or_else(|error| panic!("{}", error.full()))
}

fn refused(what: &str, bytes: &[u8], kind: Kind, word: &str) {
    let error = picture::read(bytes, MAX).expect_err(what);
    assert!(error.detail.contains(word) && error.detail.ends_with('.'), "{what}: {}", error.full());
    assert_eq!(error.kind, kind, "{what}: {}", error.full());
}

/// The pixel as B, G, R.
fn at(frame: &Frame, x: u32, y: u32) -> [u8; 3] {
    let values = levels(frame);
    let from = (y * frame.size.width + x) as usize * 3;
    [0, 1, 2].map(|channel| values[from + channel] as u8)
}

/// An EXIF directory of one entry.
fn exif(orientation: u8) -> Vec<u8> {
    [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".as_slice(), &[0, orientation, 0, 0, 0, 0, 0, 0]].concat()
}

pub fn turned_jpeg(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let exif = [b"Exif\0\0".as_slice(), &exif(orientation)].concat();
    [&jpeg[..2], &[0xff, 0xe1], &(exif.len() as u16 + 2).to_be_bytes(), &exif, &jpeg[2..]].concat()
}

/// CRC-32 as PNG has it (ISO/IEC 15948, annex D).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [name.as_slice(), data].concat();
    [&(data.len() as u32).to_be_bytes()[..], &body, &crc(&body).to_be_bytes()].concat()
}

/// A PNG with another chunk behind its header.
fn png_with(png: &[u8], name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    [&png[..33], &chunk(name, data), &png[33..]].concat()
}

/// A PNG of one row of 8-bit samples in a colour type, its bytes stored uncompressed (RFC 1950, RFC 1951).
pub fn png(width: u32, depth: u8, colour: u8, chunks: &[u8], samples: &[u8]) -> Vec<u8> {
    let row = [&[0], samples].concat();
    let length = row.len() as u16;
    let (a, b) = row
        .iter()
        .fold((1u32, 0u32), |(a, b), byte| ((a + u32::from(*byte)) % 65521, (a + u32::from(*byte) + b) % 65521));
    let packed =
        [&[0x78, 0x01, 0x01], &length.to_le_bytes()[..], &(!length).to_le_bytes(), &row, &(b << 16 | a).to_be_bytes()];
    let header = [&width.to_be_bytes()[..], &1u32.to_be_bytes(), &[depth, colour, 0, 0, 0]].concat();
    let signature = b"\x89PNG\r\n\x1a\n".as_slice();
    [signature, &chunk(b"IHDR", &header), chunks, &chunk(b"IDAT", &packed.concat()), &chunk(b"IEND", &[])].concat()
}

/// A GIF of a screen and one frame of 2x2 at a place: red, green, blue and the transparent fourth colour, its codes
/// written in nine bits by an encoder that never grows (a clear code before each).
pub fn gif(screen: [u16; 2], frame: [u16; 4]) -> Vec<u8> {
    let words = |words: &[u16]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut bytes = [b"GIF89a".as_slice(), &words(&screen), &[0x81, 0, 0]].concat();
    bytes.extend([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9]);
    bytes.extend([0x21, 0xf9, 4, 1, 0, 0, 3, 0, 0x2c]);
    bytes.extend(words(&frame));
    // Codes of three bits (smallest code size 2): clear is 4, the end is 5; a clear before each keeps them at three.
    let codes = [4, 0, 4, 1, 4, 2, 4, 3, 5];
    let packed = codes.iter().enumerate().fold(0u32, |packed, (n, code)| packed | code << (3 * n));
    bytes.extend([0, 2, 4]);
    bytes.extend(packed.to_le_bytes());
    bytes.extend([0, 0x3b]);
    bytes
}

#[test]
fn all_orientations_of_all_formats_are_upright() {
    // Wide, and no two corners alike.
    let size = Size::new(64, 32);
    let stored = bgr(size);
    let jpeg = encoded(".jpg", &stored, &[imgcodecs::IMWRITE_JPEG_QUALITY, 100]);
    let png = encoded(".png", &stored, &[]);
    let webp = encoded(".webp", &stored, &[imgcodecs::IMWRITE_WEBP_QUALITY, 101]);
    let plain = read(&png);
    let [tl, tr, bl, br] = [(0, 0), (63, 0), (0, 31), (63, 31)].map(|(x, y)| at(&plain, x, y));
    // Which stored corner is seen at the top left, top right, bottom left and bottom right (CIPA DC-008, 4.6.4 A).
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
    for (orientation, corners) in (1u8..).zip(seen) {
        let vp8x = [&[0x08, 0, 0, 0], &63u32.to_le_bytes()[..3], &31u32.to_le_bytes()[..3]].concat();
        let riff = |parts: &[(&[u8; 4], &[u8])]| {
            let body: Vec<u8> = parts
                .iter()
                .flat_map(|(name, data)| [name.as_slice(), &(data.len() as u32).to_le_bytes(), data].concat())
                .collect();
            [b"RIFF", &(body.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &body].concat()
        };
        let turned = [
            ("JPEG", turned_jpeg(&jpeg, orientation)),
            ("PNG", png_with(&png, b"eXIf", &exif(orientation))),
            (
                "WebP",
                riff(&[
                    (b"VP8X", &vp8x),
                    (webp[12..16].try_into().unwrap(), &webp[20..]),
                    (b"EXIF", &exif(orientation)),
                ]),
            ),
        ];
        for (name, bytes) in turned {
            let frame = read(&bytes);
            let upright = if orientation < 5 { size } else { Size::new(32, 64) };
            assert_eq!(frame.size, upright, "{name} {orientation}");
            let (right, bottom) = (upright.width - 1, upright.height - 1);
            for ((x, y), want) in [(0, 0), (right, 0), (0, bottom), (right, bottom)].into_iter().zip(corners) {
                let off = at(&frame, x, y).iter().zip(want).map(|(a, b)| a.abs_diff(b)).max();
                assert!(off < Some(8), "{name} {orientation} at {x}, {y}: {:?}, not {want:?}", at(&frame, x, y));
            }
        }
    }
    for strange in [0, 9, 255] {
        assert_eq!(read(&turned_jpeg(&jpeg, strange)).size, size);
    }
    let (exif6, scene) = (
        read(&std::fs::read(fixture("scene-exif6.jpg")).unwrap()),
        read(&std::fs::read(fixture("scene.jpg")).unwrap()),
    );
    let (mean, _) = difference(&exif6, &scene);
    assert!(mean < 3.0, "{mean} levels off");
}

#[test]
fn kinds_of_png() {
    let row = |colour, depth, chunks: &[u8], samples: &[u8], width| {
        let frame = read(&png(width, depth, colour, chunks, samples));
        (0..width).map(|x| at(&frame, x, 0)).collect::<Vec<_>>()
    };
    let white = [255, 255, 255];
    assert_eq!(row(2, 8, &[], &[10, 20, 30], 1), [[30, 20, 10]]);
    assert_eq!(row(0, 8, &[], &[0, 200], 2), [[0; 3], [200; 3]]);
    assert_eq!(row(2, 16, &[], &[10, 99, 20, 99, 30, 99], 1), [[30, 20, 10]]);
    let palette = chunk(b"PLTE", &[255, 0, 0, 0, 0, 255]);
    assert_eq!(row(3, 8, &palette, &[1, 0], 2), [[255, 0, 0], [0, 0, 255]]);
    assert_eq!(row(3, 1, &palette, &[0b1000_0000], 2), [[255, 0, 0], [0, 0, 255]]);
    // What is transparent lies on white.
    assert_eq!(row(6, 8, &[], &[10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 127], 3), [[30, 20, 10], white, [128; 3]]);
    assert_eq!(row(4, 8, &[], &[7, 255, 7, 0], 2), [[7; 3], white]);
    let deep = [10, 0, 20, 0, 30, 0, 255, 255, 10, 0, 20, 0, 30, 0, 0, 0];
    let found = row(6, 16, &[], &deep, 2);
    assert!(found[0].iter().zip([30, 20, 10]).all(|(a, b)| a.abs_diff(b) <= 1) && found[1] == white, "{found:?}");
    let through = [palette, chunk(b"tRNS", &[255, 0])].concat();
    assert_eq!(row(3, 8, &through, &[0, 1], 2), [[0, 0, 255], white]);
}

#[test]
fn the_first_picture_of_a_gif_on_its_screen() {
    let frame = read(&gif([4, 3], [1, 1, 2, 2]));
    assert_eq!(frame.size, Size::new(4, 3));
    let (red, green, blue, white) = ([0, 0, 255], [0, 255, 0], [255, 0, 0], [255; 3]);
    let rows: Vec<Vec<[u8; 3]>> = (0..3).map(|y| (0..4).map(|x| at(&frame, x, y)).collect()).collect();
    assert_eq!(rows, [[white; 4], [white, red, green, white], [white, blue, white, white]]);
    refused("a frame outside", &gif([4, 3], [3, 1, 2, 2]), Kind::Unprocessable, "damaged");
    refused("a huge frame", &gif([4, 3], [0, 0, 65535, 65535]), Kind::Unprocessable, "damaged");
    refused("a huge screen", &gif([65535, 65535], [0, 0, 2, 2]), Kind::Unprocessable, "65535x65535");
    refused("no screen", &gif([0, 0], [0, 0, 2, 2]), Kind::Unprocessable, "damaged");
    let whole = gif([2, 2], [0, 0, 2, 2]);
    for end in 6..whole.len() - 3 {
        let error = picture::read(&whole[..end], MAX).expect_err("half a picture");
        assert!(matches!(error.kind, Kind::Unprocessable), "{end}: {}", error.full());
    }
    refused("no picture", &[&whole[..25], &[0x3b]].concat(), Kind::Unprocessable, "without a picture");
}

#[test]
fn bmp_jpeg_and_webp_of_all_kinds() {
    let picture = bgr(Size::new(63, 31));
    let reference = read(&encoded(".png", &picture, &[]));
    let bmp = encoded(".bmp", &picture, &[]);
    assert_eq!(difference(&read(&bmp), &reference), (0.0, 0.0));
    // From the top down: the rows stay where they are, so the picture stands on its head.
    let mut top_down = bmp.to_vec();
    top_down[22..26].copy_from_slice(&(-31i32).to_le_bytes());
    assert_eq!(at(&read(&top_down), 0, 0), at(&reference, 0, 30));
    for (what, options) in [
        ("progressive", vec![imgcodecs::IMWRITE_JPEG_PROGRESSIVE, 1]),
        ("restarts", vec![imgcodecs::IMWRITE_JPEG_RST_INTERVAL, 4]),
    ] {
        let (mean, _) = difference(&read(&encoded(".jpg", &picture, &options)), &reference);
        assert!(mean < 2.0, "{what}: {mean}");
    }
    let lossless = encoded(".webp", &picture, &[imgcodecs::IMWRITE_WEBP_QUALITY, 101]);
    assert_eq!(difference(&read(&lossless), &reference), (0.0, 0.0));
    let trailing = [&bmp[..], b"and more"].concat();
    assert_eq!(difference(&read(&trailing), &reference), (0.0, 0.0));
}

#[test]
fn lies_and_half_pictures_are_refused_in_words() {
    let picture = bgr(Size::new(160, 120));
    let lossy = [imgcodecs::IMWRITE_WEBP_QUALITY, 80];
    let [jpeg, png, webp, bmp] = [".jpg", ".png", ".webp", ".bmp"].map(|end| encoded(end, &picture, &lossy));
    refused("nothing", b"", Kind::NotMedia, "empty");
    refused("words", b"not an image", Kind::NotMedia, "no picture");
    refused("words that begin like a BMP", b"BMW is a maker of cars and motorcycles", Kind::NotMedia, "no picture");
    refused("a film", &std::fs::read(fixture("numbered.mp4")).unwrap(), Kind::NotMedia, "no picture");
    for (name, bytes) in [("jpeg", &jpeg), ("png", &png), ("webp", &webp), ("bmp", &bmp)] {
        for part in [3, 2] {
            refused(name, &bytes[..bytes.len() - bytes.len() / part], Kind::Unprocessable, "cut off");
        }
    }
    let lie = |bytes: &Bytes, at: usize, sides: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at..at + sides.len()].copy_from_slice(sides);
        bytes
    };
    let sof = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    refused("jpeg", &lie(&jpeg, sof + 5, &[0xff; 4]), Kind::Unprocessable, "65535x65535");
    refused("png", &lie(&png, 16, &[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]), Kind::Unprocessable, "60000x60000");
    let huge = [&[0, 0, 1, 0][..], &i32::MIN.to_le_bytes()].concat();
    refused("bmp", &lie(&bmp, 18, &huge), Kind::Unprocessable, "damaged");
    let tall = [&160u32.to_le_bytes()[..], &(-2_000_000_000i32).to_le_bytes()].concat();
    refused("bmp", &lie(&bmp, 18, &tall), Kind::Unprocessable, "cut off");
    let packed = lie(&bmp, 30, &[1]);
    refused("bmp", &lie(&packed.into(), 18, &tall), Kind::Unprocessable, "160x2000000000");
    let vp8 = webp.windows(3).position(|three| three == [0x9d, 0x01, 0x2a]).unwrap();
    refused("webp", &lie(&webp, vp8 + 3, &[0xff, 0x3f, 0xff, 0x3f]), Kind::Unprocessable, "16383x16383");
    // Within the limit, but not what the samples are.
    refused("png", &lie(&png, 16, &[0, 0, 3, 0, 0, 0, 3, 0]), Kind::Unprocessable, "damaged");
    refused("webp", &lie(&webp, vp8 + 3, &[0xff, 0, 0xff, 0]), Kind::Unprocessable, "damaged");
    refused("bmp of a strange packing", &lie(&bmp, 30, &[9]), Kind::Unprocessable, "compression");
}

/// Any byte may be wrong: it is read or refused, never worse.
#[test]
fn stray_bytes_before_a_marker_of_a_jpeg_are_passed_over() {
    let jpeg = encoded(".jpg", &bgr(Size::new(64, 32)), &[]);
    let same = levels(&read(&jpeg));
    let first = 4 + usize::from(u16::from_be_bytes([jpeg[4], jpeg[5]]));
    for (what, at, stray) in [
        ("text", first, b"hello".as_slice()),
        ("filling", first, &[0xff, 0xff, 0xff]),
        ("a stuffed byte", first, &[0xff, 0x00, 0x07]),
        ("zeros", first, &[0; 1000]),
    ] {
        assert_eq!(levels(&read(&[&jpeg[..at], stray, &jpeg[at..]].concat())), same, "{what}");
    }
    assert_eq!(levels(&read(&[&jpeg[..], b"trailing"].concat())), same);
    refused("no end", &[&jpeg[..first], &[0; 1000]].concat(), Kind::Unprocessable, "cut off");
    refused("no end", &jpeg[..jpeg.len() - 2], Kind::Unprocessable, "cut off");
    if let Some(shared) = shared() {
        let bytes = std::fs::read(shared.join("media/reported/junk_jpeg_header.jpg")).unwrap();
        assert_eq!(picture::read(&bytes, MAX).unwrap().size, Size::new(1024, 768));
    }
}

#[test]
fn spoilt_bytes_anywhere_in_a_still() {
    let picture = bgr(Size::new(40, 30));
    let mut all: Vec<Vec<u8>> =
        [".jpg", ".png", ".webp", ".bmp"].map(|end| encoded(end, &picture, &[]).to_vec()).into();
    all.push(gif([4, 3], [1, 1, 2, 2]));
    for bytes in all {
        for at in (0..bytes.len()).step_by(bytes.len().div_ceil(300)) {
            for value in [0x00, 0xff, 0x5a] {
                let mut spoilt = bytes.clone();
                spoilt[at] = value;
                if let Err(error) = picture::read(&spoilt, MAX) {
                    assert!(matches!(error.kind, Kind::Unprocessable | Kind::NotMedia), "{}", error.full());
                }
            }
        }
    }
}

#[test]
fn the_first_picture_of_an_animated_webp_on_its_canvas() {
    let chunk = |name: &[u8; 4], data: &[u8]| [name.as_slice(), &(data.len() as u32).to_le_bytes(), data].concat();
    let three = |number: u32| number.to_le_bytes()[..3].to_vec();
    let frame = |picture: &[u8], [left, top, width, height]: [u32; 4]| {
        let place =
            [three(left / 2), three(top / 2), three(width - 1), three(height - 1), three(100), vec![0]].concat();
        chunk(b"ANMF", &[&place, &picture[12..]].concat())
    };
    let animation = |width: u32, height: u32, frames: &[Vec<u8>]| {
        let header = [vec![0x02, 0, 0, 0], three(width - 1), three(height - 1)].concat();
        let body = [b"WEBP".to_vec(), chunk(b"VP8X", &header), chunk(b"ANIM", &[0; 6]), frames.concat()].concat();
        chunk(b"RIFF", &body)
    };
    let picture = bgr(Size::new(20, 10));
    let reference = read(&encoded(".png", &picture, &[]));
    let first = encoded(".webp", &picture, &[imgcodecs::IMWRITE_WEBP_QUALITY, 101]);
    let second = encoded(".webp", &bgr(Size::new(4, 4)), &[]);
    let moving = animation(30, 20, &[frame(&first, [4, 6, 20, 10]), frame(&second, [0, 0, 4, 4])]);
    let found = read(&moving);
    assert_eq!(found.size, Size::new(30, 20));
    assert_eq!((at(&found, 4, 6), at(&found, 23, 15)), (at(&reference, 0, 0), at(&reference, 19, 9)));
    assert_eq!([at(&found, 3, 6), at(&found, 24, 15), at(&found, 0, 0), at(&found, 4, 16)], [[255; 3]; 4]);
    refused("outside", &animation(30, 20, &[frame(&first, [12, 0, 20, 10])]), Kind::Unprocessable, "damaged");
    refused("another size", &animation(30, 20, &[frame(&first, [0, 0, 10, 10])]), Kind::Unprocessable, "damaged");
    refused("no picture", &animation(30, 20, &[]), Kind::Unprocessable, "damaged");
    refused(
        "a huge canvas",
        &animation(60000, 60000, &[frame(&first, [0, 0, 20, 10])]),
        Kind::Unprocessable,
        "60000x60000",
    );
    for end in (12..moving.len()).step_by(3) {
        assert!(picture::read(&moving[..end], MAX).is_err(), "{end}");
    }
}
