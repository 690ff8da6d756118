//! Where a picture lies inside a model's input, and the way back.
//!
//! Names carry the space: `image` is pixels of the upright picture, `input` is pixels of the model's input.

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use crate::frame::Frame;
use crate::frame::Size;

/// How a picture is made to fit the model's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// The aspect ratio is kept, bars of equal width on both sides.
    #[default]
    Letterbox,
    /// The aspect ratio is kept, bars at the right and at the bottom.
    LetterboxTopLeft,
    /// Both axes are filled, the aspect ratio is not kept.
    Stretch,
    /// The aspect ratio is kept, the input is filled, and what does not fit is cut off ([`Frame::middle`]): for
    /// classifiers, because nothing is found in what is cut off.
    Crop,
}

/// A box around its centre, in pixels of the model's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputBox {
    pub cx: f32,
    pub cy: f32,
    pub width: f32,
    pub height: f32,
}

/// The picture's place inside the input. It alone maps input space back to image space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letterbox {
    pub image: Size,
    pub input: Size,
    /// The picture's size in the input.
    pub inner: Size,
    /// The picture's left and top edge in the input.
    pub left: u32,
    pub top: u32,
}

impl Letterbox {
    /// Both sizes must not be empty.
    pub fn new(image: Size, input: Size, resize: Resize) -> Self {
        let inner = match resize {
            // What is cropped is of the input's shape already.
            Resize::Stretch | Resize::Crop => input,
            Resize::Letterbox | Resize::LetterboxTopLeft => {
                let x = f64::from(input.width) / f64::from(image.width);
                let y = f64::from(input.height) / f64::from(image.height);
                let ratio = x.min(y);
                let scale = |length: u32, most: u32| ((f64::from(length) * ratio).round() as u32).clamp(1, most);
                Size::new(scale(image.width, input.width), scale(image.height, input.height))
            }
        };
        let (left, top) = match resize {
            Resize::Letterbox => ((input.width - inner.width) / 2, (input.height - inner.height) / 2),
            Resize::LetterboxTopLeft | Resize::Stretch | Resize::Crop => (0, 0),
        };
        Self { image, input, inner, left, top }
    }

    /// `[x, y, width, height]` in the image, clipped to it; width or height may come out as 0.
    pub fn to_image(&self, found: InputBox) -> [f32; 4] {
        self.place(found, true)
    }

    /// As [`Letterbox::to_image`], with what the box has beyond the image.
    pub fn to_image_whole(&self, found: InputBox) -> [f32; 4] {
        self.place(found, false)
    }

    fn place(&self, found: InputBox, clip: bool) -> [f32; 4] {
        let axis = |centre: f32, length: f32, offset: u32, inner: u32, image: u32| {
            let ratio = image as f32 / inner as f32;
            let from = (centre - length / 2.0 - offset as f32) * ratio;
            let to = (centre + length / 2.0 - offset as f32) * ratio;
            let (least, most) = if clip { (0.0, image as f32) } else { (f32::MIN, f32::MAX) };
            let (from, to) = (from.clamp(least, most), to.clamp(least, most));
            (from, to - from)
        };
        let (x, width) = axis(found.cx, found.width, self.left, self.inner.width, self.image.width);
        let (y, height) = axis(found.cy, found.height, self.top, self.inner.height, self.image.height);
        [x, y, width, height]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: Size = Size::new(416, 416);

    #[test]
    fn bars_lie_where_they_should() {
        let wide = Letterbox::new(Size::new(1280, 720), INPUT, Resize::Letterbox);
        assert_eq!((wide.inner, wide.left, wide.top), (Size::new(416, 234), 0, 91));
        let corner = Letterbox::new(Size::new(1280, 720), INPUT, Resize::LetterboxTopLeft);
        assert_eq!((corner.inner, corner.left, corner.top), (Size::new(416, 234), 0, 0));
        let line = Letterbox::new(Size::new(4000, 2), INPUT, Resize::Letterbox);
        assert_eq!(line.inner, Size::new(416, 1));
    }

    #[test]
    fn a_box_comes_back_to_the_image() {
        for resize in [Resize::Letterbox, Resize::LetterboxTopLeft, Resize::Stretch] {
            let letterbox = Letterbox::new(Size::new(1280, 720), INPUT, resize);
            let (left, top) = (letterbox.left as f32, letterbox.top as f32);
            let (w, h) = (letterbox.inner.width as f32, letterbox.inner.height as f32);
            let middle = InputBox { cx: left + w / 2.0, cy: top + h / 2.0, width: w / 4.0, height: h / 2.0 };
            let [x, y, width, height] = letterbox.to_image(middle);
            for (got, want) in [(x, 480.0), (y, 180.0), (width, 320.0), (height, 360.0)] {
                assert!((got - want).abs() < 0.01, "{resize:?}: {got} is not {want}");
            }
        }
    }

    #[test]
    fn boxes_are_clipped_to_the_image() {
        let letterbox = Letterbox::new(Size::new(100, 100), Size::new(100, 100), Resize::Stretch);
        let clipped = letterbox.to_image(InputBox { cx: 0.0, cy: 90.0, width: 40.0, height: 40.0 });
        assert_eq!(clipped, [0.0, 70.0, 20.0, 30.0]);
        let whole = letterbox.to_image_whole(InputBox { cx: 0.0, cy: 90.0, width: 40.0, height: 40.0 });
        assert_eq!(whole, [-20.0, 70.0, 40.0, 40.0]);
        let outside = letterbox.to_image(InputBox { cx: -50.0, cy: 50.0, width: 10.0, height: 10.0 });
        assert_eq!(outside[2], 0.0);
    }
}
