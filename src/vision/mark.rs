//! The frame mark: a number that a sender has drawn into the lowest rows of its picture, so that it knows again which of
//! its own pictures a result belongs to (docs/ref/api.md, `mark=S/H`).

use std::{ops::Range, str::FromStr};

use crate::{
    error::{Error, Result},
    fault,
    frame::{Frame, Pixels, Plane, Size},
};

/// Cells side by side: white, black, 16 bits of the number, 8 bits of their CRC.
const CELLS: u32 = 26;
/// White must be so much brighter than black, in levels of 255.
const CONTRAST: f32 = 40.0;

/// Where the mark lies: in the lowest `rows` of `of` rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkStrip {
    rows: u32,
    of: u32,
}

impl FromStr for MarkStrip {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once('/').and_then(|(rows, of)| Some((rows.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((rows @ 1.., of @ ..=65_535)) if rows <= of / 4 => Ok(Self { rows, of }),
            _ => Err(fault!(
                BadRequest,
                "The mark is written as rows/height, such as 16/496: at least one row, at most a quarter of the height."
            )),
        }
    }
}

/// Reads the frame's number, None where no mark can be made out, and cuts the strip off. Copies nothing.
///
/// The picture may have been scaled since the mark was drawn. Where its height would be odd without the strip, one more
/// row goes, which is blurred with the strip's anyway.
pub fn read(strip: MarkStrip, frame: &Frame) -> (Option<u32>, Frame) {
    let Size { width, height } = frame.size;
    let rows = (f64::from(height) * f64::from(strip.rows) / f64::from(strip.of)).round() as u32;
    let number = number(frame, height - rows..height);
    let mut left = height - rows;
    if rows > 0 && left % 2 == 1 && left > 1 {
        left -= 1;
    }
    (number, Frame { size: Size::new(width, left), ..frame.clone() })
}

fn number(frame: &Frame, rows: Range<u32>) -> Option<u32> {
    if frame.size.width < CELLS || rows.is_empty() {
        return None;
    }
    let levels: Vec<f32> = (0..CELLS).map(|cell| level(frame, &rows, cell)).collect();
    let (white, black) = (levels[0], levels[1]);
    if white - black < CONTRAST {
        return None;
    }
    let middle = (white + black) / 2.0;
    let bits = levels[2..].iter().fold(0_u32, |bits, level| bits << 1 | u32::from(*level > middle));
    let number = bits >> 8;
    (u32::from(crc(number as u16)) == bits & 0xff).then_some(number)
}

/// The mean brightness of the inner half of a cell, both ways: what lies further out is blurred with its neighbours.
fn level(frame: &Frame, rows: &Range<u32>, cell: u32) -> f32 {
    let wide = frame.size.width as f32 / CELLS as f32;
    let across = inner(cell as f32 * wide, wide);
    let down = inner(rows.start as f32, rows.len() as f32);
    let (plane, step): (&Plane, usize) = match &frame.pixels {
        Pixels::I420 { planes, .. } => (&planes[0], 1),
        // Green is near enough to brightness for black and white.
        Pixels::Bgr(plane) => (plane, 3),
    };
    let count = (across.len() * down.len()) as f32;
    let sum: u32 = down
        .flat_map(|y| {
            let row = plane.row(y, frame.size.width as usize * step);
            across.clone().map(|x| u32::from(row[x * step + step / 2]))
        })
        .sum();
    sum as f32 / count
}

/// The pixels whose middles lie in the inner half of a length, at least the one in its middle.
fn inner(from: f32, length: f32) -> Range<usize> {
    let first = (from + length / 4.0 - 0.5).ceil() as usize;
    let last = (from + length * 3.0 / 4.0 - 0.5).floor() as usize;
    if first > last {
        let middle = (from + length / 2.0) as usize;
        return middle..middle + 1;
    }
    first..last + 1
}

/// CRC-8 with the polynomial x^8 + x^2 + x + 1 (0x07), from 0, over the number's two bytes, the higher first.
fn crc(number: u16) -> u8 {
    number
        .to_be_bytes()
        .into_iter()
        .fold(0, |crc, byte| (0..8).fold(crc ^ byte, |crc: u8, _| crc << 1 ^ if crc & 0x80 == 0 { 0 } else { 0x07 }))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::frame::{Colour, FrameTag};

    /// The cells of some numbers; www/mark.js draws the same.
    const VECTORS: [(u16, &str); 5] = [
        (0, "10 0000000000000000 00000000"),
        (1, "10 0000000000000001 00000111"),
        (0x1234, "10 0001001000110100 11110001"),
        (0xabcd, "10 1010101111001101 11100010"),
        (0xffff, "10 1111111111111111 00100100"),
    ];

    fn cells(number: u16) -> Vec<bool> {
        let bits = 0b10 << 24 | u32::from(number) << 8 | u32::from(crc(number));
        (0..CELLS).rev().map(|bit| bits >> bit & 1 == 1).collect()
    }

    /// A grey picture over a strip of cells, as www/mark.js draws it.
    fn draw(cells: &[bool], size: Size, rows: u32, low: u8, high: u8) -> Frame {
        let (width, height) = (size.width as usize, size.height as usize);
        let stride = width + 7;
        let mut luma = vec![100; stride * height];
        let edge = |cell: usize| (cell as f64 * f64::from(size.width) / f64::from(CELLS)).round() as usize;
        for y in height - rows as usize..height {
            for (cell, white) in cells.iter().enumerate() {
                luma[y * stride..][edge(cell)..edge(cell + 1)].fill(if *white { high } else { low });
            }
        }
        let half = size.chroma();
        let grey = Plane { data: vec![128; half.pixels() as usize].into(), stride: half.width as usize };
        let luma = Plane { data: Bytes::from(luma), stride };
        Frame {
            tag: FrameTag { source: "test".into(), frame: 7, time: 0.5 },
            size,
            pixels: Pixels::I420 { planes: [luma, grey.clone(), grey], colour: Colour::default() },
        }
    }

    const STRIP: MarkStrip = MarkStrip { rows: 16, of: 496 };

    #[test]
    fn cells_are_those_of_the_interface() {
        for (number, text) in VECTORS {
            let drawn: String = cells(number).iter().map(|white| if *white { '1' } else { '0' }).collect();
            assert_eq!(drawn, text.replace(' ', ""), "{number}");
        }
    }

    #[test]
    fn every_number_is_read_and_the_strip_goes() {
        for number in 0..=u16::MAX {
            let frame = draw(&cells(number), Size::new(160, 124), 4, 16, 235);
            let (read, rest) = read(STRIP, &frame);
            assert_eq!((read, rest.size), (Some(u32::from(number)), Size::new(160, 120)));
        }
    }

    #[test]
    fn the_rest_shares_the_planes() {
        let frame = draw(&cells(1), Size::new(640, 496), 16, 0, 255);
        let (_, rest) = read(STRIP, &frame);
        let (Pixels::I420 { planes, .. }, Pixels::I420 { planes: before, .. }) = (&rest.pixels, &frame.pixels) else {
            panic!("as it was");
        };
        assert_eq!((planes[0].data.as_ptr(), rest.tag), (before[0].data.as_ptr(), frame.tag));
    }

    #[test]
    fn sizes() {
        for (size, rows, left) in [
            (Size::new(1280, 744), 24, 720),
            (Size::new(642, 250), 8, 242),
            (Size::new(319, 251), 8, 242),
            (Size::new(52, 31), 1, 30),
            (Size::new(26, 62), 2, 60),
        ] {
            let (read, rest) = read(STRIP, &draw(&cells(0xabcd), size, rows, 16, 235));
            assert_eq!((read, rest.size), (Some(0xabcd), Size::new(size.width, left)), "{size}");
        }
    }

    #[test]
    fn wrong_cells_are_found() {
        let right = cells(0x1234);
        for first in 0..CELLS as usize {
            for second in first..CELLS as usize {
                let mut wrong = right.clone();
                wrong[first] ^= true;
                if second != first {
                    wrong[second] ^= true;
                }
                let (read, _) = read(STRIP, &draw(&wrong, Size::new(320, 248), 8, 16, 235));
                assert_eq!(read, None, "cells {first} and {second} flipped");
            }
        }
    }

    #[test]
    fn no_size_and_no_picture_panics() {
        for strip in ["1/4", "16/496", "1/65535", "5/20"].map(|text| text.parse().expect("a strip")) {
            for width in (1..60).chain([1000]) {
                for height in (1..40).chain([999]) {
                    let size = Size::new(width, height);
                    let (number, rest) = read(strip, &draw(&[], size, 0, 0, 0));
                    assert_eq!((number, rest.size.width), (None, width), "{strip:?} of {size}");
                    assert!((1..=height).contains(&rest.size.height), "{strip:?} of {size}: {}", rest.size);
                }
            }
        }
    }

    #[test]
    fn strips_are_written_as_rows_of_height() {
        assert_eq!("16/496".parse::<MarkStrip>().expect("a strip"), STRIP);
        for wrong in ["", "16", "/", "0/496", "16/63", "-1/4", "1/3", "1.5/9", "16/496/2", "1/99999", "4294967295/9"] {
            assert!(wrong.parse::<MarkStrip>().is_err(), "{wrong}");
        }
    }
}
