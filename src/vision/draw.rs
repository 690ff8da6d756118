//! Boxes, labels and scores on a frame, for what is saved.
//!
//! The colours are those of `www/colours.js`, so that a class looks the same on the page and in the file.

use crate::{
    event::{Class, Detection},
    frame::{Frame, Size},
};

use super::{
    canvas::{Area, Canvas, Rgb},
    label::{self, Text},
};

/// What is drawn of a detection beside its box.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub labels: bool,
    pub scores: bool,
}

const DARK: Rgb = [10, 17, 19];
const LIGHT: Rgb = [255, 255, 255];

/// The frame with its boxes drawn in (copies the samples once). The worst are drawn first, so that the best lie on top.
pub fn annotate(frame: &Frame, detections: &[Detection], style: Style) -> Frame {
    if detections.is_empty() {
        return frame.clone();
    }
    let mut canvas = Canvas::new(frame);
    let pen = Pen::new(frame.size);
    for detection in detections.iter().rev() {
        pen.draw(&mut canvas, detection, style);
    }
    canvas.finish(frame)
}

/// The frame with its likeliest class written in the upper left corner (copies the samples once).
pub fn caption(frame: &Frame, classes: &[Class], style: Style) -> Frame {
    let Some(best) = classes.first() else { return frame.clone() };
    let text = text(&best.label, best.class_id, best.score, style);
    let mut canvas = Canvas::new(frame);
    let (colour, ink) = colours(best.class_id);
    let corner = Area { left: 0, top: 0, right: 0, bottom: 0 };
    Pen { line: 0, ..Pen::new(frame.size) }.plate(&mut canvas, corner, &text, colour, ink);
    canvas.finish(frame)
}

/// Widths that follow the picture's size.
struct Pen {
    size: Size,
    /// Of a line in pixels; even, because two pixels share one chroma sample.
    line: u32,
    /// Height of a capital letter in pixels.
    letters: u32,
}

impl Pen {
    fn new(size: Size) -> Self {
        let short = f64::from(size.width.min(size.height));
        let line = ((short / 360.0).round().max(1.0) * 2.0) as u32;
        Self { size, line, letters: (short / 45.0).round().clamp(9.0, 80.0) as u32 }
    }

    fn draw(&self, canvas: &mut Canvas, detection: &Detection, style: Style) {
        let area = self.whole(detection.bbox);
        let (colour, ink) = colours(detection.class_id);
        let Area { left, top, right, bottom } = area;
        let line = self.line;
        // A dark hairline around the coloured line keeps it visible on a background of its own colour.
        let (outer_left, outer_top) = (left.saturating_sub(1), top.saturating_sub(1));
        frame_of(canvas, Area { left: outer_left, top: outer_top, right: right + 1, bottom: bottom + 1 }, 1, DARK);
        frame_of(canvas, area, line, colour);
        let text = text(&detection.label, detection.class_id, detection.score, style);
        self.plate(canvas, area, &text, colour, ink);
    }

    /// The box on whole, even pixels inside the picture.
    fn whole(&self, [x, y, width, height]: [f32; 4]) -> Area {
        let even = |at: f32, most: u32| (((at / 2.0).round() * 2.0).max(0.0) as u32).min(most);
        let Size { width: most_x, height: most_y } = self.size;
        Area {
            left: even(x, most_x),
            top: even(y, most_y),
            right: even(x + width, most_x),
            bottom: even(y + height, most_y),
        }
    }

    fn plate(&self, canvas: &mut Canvas, area: Area, text: &Text, colour: Rgb, ink: Rgb) {
        let Some(mask) = label::mask(text, self.letters, self.size.width) else { return };
        let height = mask.height;
        let left = area.left.min(self.size.width.saturating_sub(mask.width)) / 2 * 2;
        // Above the box where there is room, else inside it: a label outside the picture tells nobody anything.
        let top = if area.top >= height { area.top - height } else { area.top + self.line };
        let plate = Area { left, top, right: left + mask.width, bottom: top + height };
        canvas.fill(plate, colour);
        canvas.cover(plate, ink, &mask.cover);
    }
}

fn frame_of(canvas: &mut Canvas, Area { left, top, right, bottom }: Area, line: u32, colour: Rgb) {
    canvas.fill(Area { left, top, right, bottom: (top + line).min(bottom) }, colour);
    canvas.fill(Area { left, top: bottom.saturating_sub(line).max(top), right, bottom }, colour);
    canvas.fill(Area { left, top, right: (left + line).min(right), bottom }, colour);
    canvas.fill(Area { left: right.saturating_sub(line).max(left), top, right, bottom }, colour);
}

/// What is written of a detection or class.
fn text(label: &str, class_id: u32, score: f32, style: Style) -> Text {
    let label = if style.labels { label.trim().to_owned() } else { String::new() };
    let score = if style.scores { format!("{score:.2}") } else { String::new() };
    Text { label, number: class_id, score }
}

/// The colour of a class in R'G'B'.
pub fn class_colour(class_id: u32) -> Rgb {
    colours(class_id).0
}

/// The colour of a class and of the text on it: neighbouring ids get distant hues by the golden angle.
fn colours(class_id: u32) -> (Rgb, Rgb) {
    let hue = (172.0 + f64::from(class_id) * 137.508) % 360.0;
    let lightness = 0.56 + 0.06 * f64::from(class_id / 8 % 2);
    let chroma = 0.86 * lightness.min(1.0 - lightness);
    // HSL to RGB (CSS Color 4, 7.1).
    let channel = |n: f64| {
        let k = (n + hue / 30.0) % 12.0;
        (255.0 * (lightness - chroma * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0))).round() as u8
    };
    let colour = [channel(0.0), channel(8.0), channel(4.0)];
    let [r, g, b] = colour.map(f64::from);
    let light = (0.299 * r + 0.587 * g + 0.114 * b) / 255.0;
    (colour, if light > 0.52 { DARK } else { LIGHT })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::frame::{Colour, FrameTag, Pixels, Plane};

    fn grey(size: Size) -> Frame {
        let plane = |size: Size, level: u8| Plane {
            data: Bytes::from(vec![level; size.pixels() as usize]),
            stride: size.width as usize,
        };
        let planes = [plane(size, 100), plane(size.chroma(), 128), plane(size.chroma(), 128)];
        let tag = FrameTag { source: Arc::from("test"), frame: 3, time: 0.1 };
        Frame { tag, size, pixels: Pixels::I420 { planes, colour: Colour::default() } }
    }

    fn found(bbox: [f32; 4]) -> Detection {
        Detection { bbox, class_id: 2, label: "car".into(), score: 0.5 }
    }

    fn luma(frame: &Frame, x: usize, y: usize) -> u8 {
        let Pixels::I420 { planes, .. } = &frame.pixels else { panic!("I420 stays I420") };
        planes[0].row(y, frame.size.width as usize)[x]
    }

    #[test]
    fn a_box_is_drawn_on_its_edges_and_nowhere_else() {
        let frame = grey(Size::new(640, 360));
        let drawn = annotate(&frame, &[found([100.0, 100.0, 200.0, 100.0])], Style { labels: false, scores: false });
        assert_eq!(drawn.tag, frame.tag);
        for (x, y) in [(100, 150), (299, 150), (200, 100), (200, 199)] {
            assert_ne!(luma(&drawn, x, y), 100, "the edge at {x}, {y}");
        }
        for (x, y) in [(200, 150), (90, 150), (310, 150), (200, 90), (200, 210)] {
            assert_eq!(luma(&drawn, x, y), 100, "beside the edge at {x}, {y}");
        }
        assert_eq!(luma(&frame, 100, 150), 100, "the frame itself stays as it was");
    }

    #[test]
    fn labels_stay_inside_the_picture() {
        for size in [Size::new(640, 360), Size::new(33, 17), Size::new(2, 2), Size::new(1, 1)] {
            let (w, h) = (size.width as f32, size.height as f32);
            for bbox in [[0.0, 0.0, w, h], [w - 1.0, h - 1.0, 1.0, 1.0], [w, h, 0.0, 0.0]] {
                let drawn = annotate(&grey(size), &[found(bbox)], Style { labels: true, scores: true });
                assert_eq!(drawn.size, size);
            }
        }
    }

    #[test]
    fn a_label_of_other_letters_is_drawn_on_planes_and_on_bgr() {
        let size = Size::new(640, 360);
        let plane = Plane { data: Bytes::from(vec![100; size.pixels() as usize * 3]), stride: size.width as usize * 3 };
        let still = Frame { tag: grey(size).tag, size, pixels: Pixels::Bgr(plane) };
        let style = Style { labels: true, scores: false };
        for frame in [grey(size), still] {
            let drawn = |label: &str| {
                let mut detection = found([100.0, 100.0, 200.0, 100.0]);
                detection.label = label.into();
                match annotate(&frame, &[detection], style).pixels {
                    Pixels::I420 { planes, .. } => planes.map(|plane| plane.data).concat(),
                    Pixels::Bgr(plane) => plane.data.to_vec(),
                }
            };
            assert_ne!(drawn("汽车"), drawn("#2"));
            assert_ne!(drawn("汽车"), drawn("自动"));
        }
    }
}
