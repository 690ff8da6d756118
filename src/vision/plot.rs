//! Curves in a unit square, with axes and a legend, as a picture.

use std::sync::Arc;

use bytes::Bytes;
use opencv::{
    core::{Mat, MatTraitConst, MatTraitConstManual, MatTraitManual, Point, Scalar, Size as CvSize, Vector},
    imgproc,
};

use super::{hershey, shaped};
use crate::{
    error::{Error, Result},
    frame::{Frame, FrameTag, Pixels, Plane, Size},
};

/// What is drawn.
#[derive(Clone, Debug)]
pub struct Plot {
    pub title: String,
    /// What the axes tell, both from 0 to 1.
    pub x: String,
    pub y: String,
    /// Above the legend.
    pub heading: String,
    /// The first lies on top.
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug)]
pub struct Line {
    /// Its words in the legend; empty: none.
    pub name: String,
    /// R'G'B'.
    pub colour: [u8; 3],
    /// In pixels.
    pub width: i32,
    pub points: Vec<(f64, f64)>,
}

/// Everything is drawn so many times as large and then made smaller, which smooths letters and lines.
const FINER: i32 = 3;
const SIZE: (i32, i32) = (1280, 800);
/// The unit square: left, top, right and bottom.
const SQUARE: (i32, i32, i32, i32) = (80, 110, 900, 720);
const LEGEND: i32 = 940;
/// Words end here, in the finer pixels.
const WIDEST: u32 = (SIZE.0 * FINER) as u32;
const ROW: i32 = 34;

const INK: [u8; 3] = [16, 24, 28];
const FAINT: [u8; 3] = [120, 130, 138];
const GRID: [u8; 3] = [232, 235, 237];

/// Draws on white.
///
/// # Errors
/// OpenCV refuses, which it has no reason to.
pub fn draw(plot: &Plot) -> Result<Frame> {
    drawn(plot).map_err(|error| Error::internal("The curves could not be drawn.", error))
}

fn drawn(plot: &Plot) -> opencv::Result<Frame> {
    let mut sheet = Sheet(Mat::new_rows_cols_with_default(
        SIZE.1 * FINER,
        SIZE.0 * FINER,
        opencv::core::CV_8UC3,
        Scalar::all(255.0),
    )?);
    let (left, top, right, bottom) = SQUARE;
    sheet.text(&plot.title, (left, 48), 17, INK, Anchor::Left)?;
    sheet.text(&plot.y, (left, top - 16), 12, FAINT, Anchor::Left)?;
    sheet.text(&plot.x, (right, bottom + 58), 12, FAINT, Anchor::Right)?;
    sheet.line(&[(left, top), (left, bottom)], FAINT, 1)?;
    for tenth in 0..=10 {
        let (x, y) = (left + (right - left) * tenth / 10, bottom - (bottom - top) * tenth / 10);
        sheet.line(&[(x, bottom), (x, bottom + 6)], FAINT, 1)?;
        sheet.line(&[(left, y), (right, y)], if tenth == 0 { FAINT } else { GRID }, 1)?;
        let number = format!("{:.1}", f64::from(tenth) / 10.0);
        sheet.text(&number, (x, bottom + 28), 11, INK, Anchor::Middle)?;
        sheet.text(&number, (left - 12, y + 5), 11, INK, Anchor::Right)?;
    }
    let place = |at: f64, from: i32, to: i32| f64::from(FINER) * (f64::from(from) + at * f64::from(to - from));
    for line in plot.lines.iter().rev() {
        let points = line
            .points
            .iter()
            .map(|&(x, y)| Point::new(place(x, left, right).round() as i32, place(y, bottom, top).round() as i32));
        sheet.polyline(points.collect(), line.colour, line.width)?;
    }
    sheet.text(&plot.heading, (LEGEND, top - 16), 12, FAINT, Anchor::Left)?;
    for (row, line) in (0..).zip(plot.lines.iter().filter(|line| !line.name.is_empty())) {
        let y = top + ROW / 2 + row * ROW;
        sheet.line(&[(LEGEND, y), (LEGEND + 36, y)], line.colour, line.width)?;
        sheet.text(&line.name, (LEGEND + 50, y + 5), 12, INK, Anchor::Left)?;
    }
    sheet.finish()
}

enum Anchor {
    Left,
    Middle,
    Right,
}

/// A picture of `SIZE` that is drawn finer than it is shown.
struct Sheet(Mat);

impl Sheet {
    fn polyline(&mut self, points: Vector<Point>, colour: [u8; 3], width: i32) -> opencv::Result<()> {
        imgproc::polylines(&mut self.0, &points, false, bgr(colour), width * FINER, imgproc::LINE_AA, 0)
    }

    fn line(&mut self, points: &[(i32, i32)], colour: [u8; 3], width: i32) -> opencv::Result<()> {
        let points = points.iter().map(|&(x, y)| Point::new(x * FINER, y * FINER)).collect();
        self.polyline(points, colour, width)
    }

    /// `at`: where the words' base line begins, has its middle or ends. `height`: of a capital letter.
    fn text(
        &mut self,
        words: &str,
        (x, y): (i32, i32),
        height: i32,
        colour: [u8; 3],
        anchor: Anchor,
    ) -> opencv::Result<()> {
        let letters = (height * FINER) as u32;
        let Some(line) = shaped::line(words, letters, WIDEST).or_else(|| hershey::line(words, letters, WIDEST)) else {
            return Ok(());
        };
        let left = x * FINER
            - match anchor {
                Anchor::Left => 0,
                Anchor::Middle => line.width as i32 / 2,
                Anchor::Right => line.width as i32,
            };
        let top = y * FINER - line.above as i32;
        let (width, rows) = (self.0.cols(), self.0.rows());
        let ink = [colour[2], colour[1], colour[0]];
        let samples = self.0.data_bytes_mut()?;
        for (y, row) in (top..rows).zip(line.cover.chunks_exact((line.width as usize).max(1))).filter(|(y, _)| *y >= 0)
        {
            for (x, share) in (left..width).zip(row).filter(|(x, share)| *x >= 0 && **share > 0) {
                let at = (y as usize * width as usize + x as usize) * 3;
                for (sample, level) in samples[at..at + 3].iter_mut().zip(ink) {
                    let (old, new, share) = (u32::from(*sample), u32::from(level), u32::from(*share));
                    *sample = ((old * (255 - share) + new * share + 127) / 255) as u8;
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> opencv::Result<Frame> {
        let mut picture = Mat::default();
        let size = CvSize::new(SIZE.0, SIZE.1);
        imgproc::resize(&self.0, &mut picture, size, 0.0, 0.0, imgproc::INTER_AREA)?;
        let data = Bytes::copy_from_slice(picture.data_bytes()?);
        Ok(Frame {
            tag: FrameTag { source: Arc::from("plot"), frame: 0, time: 0.0 },
            size: Size::new(SIZE.0 as u32, SIZE.1 as u32),
            pixels: Pixels::Bgr(Plane { data, stride: SIZE.0 as usize * 3 }),
        })
    }
}

fn bgr([red, green, blue]: [u8; 3]) -> Scalar {
    Scalar::from((f64::from(blue), f64::from(green), f64::from(red)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_lies_where_its_numbers_say() {
        let line = |y: f64, colour| Line { name: "a line".into(), colour, width: 4, points: vec![(0.0, y), (1.0, y)] };
        let plot = Plot {
            title: "title".into(),
            x: "x".into(),
            y: "y".into(),
            heading: String::new(),
            lines: vec![line(0.25, [255, 0, 0]), line(0.75, [0, 0, 255])],
        };
        let frame = draw(&plot).expect("a drawing");
        let Pixels::Bgr(plane) = &frame.pixels else { panic!("a picture") };
        let at = |x: i32, y: i32| plane.row(y as usize, SIZE.0 as usize * 3)[x as usize * 3..][..3].to_vec();
        let (left, top, right, bottom) = SQUARE;
        let row = |y: f64| bottom - (f64::from(bottom - top) * y) as i32;
        let middle = (left + right) / 2 + 20;
        assert_eq!(at(middle, row(0.25)), [0, 0, 255]);
        assert_eq!(at(middle, row(0.75)), [255, 0, 0]);
        assert_eq!(at(middle, row(0.55)), [255, 255, 255]);
        // And both are in the legend.
        assert_eq!(at(LEGEND + 10, top + ROW / 2), [0, 0, 255]);
        assert_eq!(at(LEGEND + 10, top + ROW / 2 + ROW), [255, 0, 0]);
    }
}
