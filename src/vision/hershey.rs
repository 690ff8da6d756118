//! Plain letters without any font installed: OpenCV's own, which are ASCII.

use opencv::{
    core::{Mat, MatExprTraitConst, MatTraitConstManual, Point, Scalar, Size},
    imgproc,
};

use super::shaped::Line;

const FONT: i32 = imgproc::FONT_HERSHEY_DUPLEX;

/// A line whose capitals are `letters` pixels high, cut where it is wider than `most` pixels.
pub(super) fn line(words: &str, letters: u32, most: u32) -> Option<Line> {
    let thickness = (letters as i32 / 14).max(1);
    let scale = imgproc::get_font_scale_from_height(FONT, letters as i32, thickness).ok()?;
    let mut below = 0;
    let size: Size = imgproc::get_text_size(words, FONT, scale, thickness, &mut below).ok()?;
    let width = size.width.min(most as i32);
    if width < 1 {
        return Some(Line::default());
    }
    let mut mask = Mat::zeros(size.height + below, width, opencv::core::CV_8UC1).ok()?.to_mat().ok()?;
    let white = Scalar::all(255.0);
    let base = Point::new(0, size.height);
    imgproc::put_text(&mut mask, words, base, FONT, scale, white, thickness, imgproc::LINE_AA, false).ok()?;
    let cover = mask.data_bytes().ok()?.to_vec();
    Some(Line { width: width as u32, above: size.height as u32, below: below as u32, cover, incomplete: false })
}
