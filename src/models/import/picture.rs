//! Which input takes the picture, how large it is, and a picture to try it with.

use super::{facts::Port, python::Literal};
use crate::{frame::Size, vision::tensor::Layout};

/// What a person may say about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// Name of the input.
    pub input: Option<&'a str>,
    pub layout: Option<Layout>,
    pub size: Option<Size>,
}

/// The input that takes the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureInput {
    pub name: String,
    pub layout: Layout,
    pub size: Size,
    /// It holds bytes.
    pub bytes: bool,
    /// Where the size comes from, as the end of a sentence.
    pub size_from: &'static str,
}

impl PictureInput {
    /// Finds it among a network's inputs; `imgsz` is Ultralytics' metadata of that name.
    ///
    /// # Errors
    /// There is none, several could be meant, or what was asked for does not fit; as whole sentences.
    pub fn find(inputs: &[Port], imgsz: Option<&str>, asked: &Asked<'_>) -> Result<Self, String> {
        let all = inputs.iter().map(Port::to_string).collect::<Vec<_>>().join(", ");
        let fits = |port: &&Port| {
            asked.input.is_none_or(|name| port.name == name) && layout(port, asked.layout).is_some() && kind(port)
        };
        let found: Vec<&Port> = inputs.iter().filter(fits).collect();
        let port = match found.as_slice() {
            [one] => *one,
            [] => {
                return Err(format!(
                    "No input takes a picture: that would be one of four axes, three of them colours, of float32, float16 or uint8. There are: {all}. If the axes are free, say --layout nchw or nhwc."
                ));
            }
            _ => return Err(format!("Several inputs could take the picture: {all}. Say which: --input NAME.")),
        };
        let layout = layout(port, asked.layout).unwrap_or_default();
        let shape = port.shape.as_deref().unwrap_or_default();
        let (high, wide) = match layout {
            Layout::Nchw => (2, 3),
            Layout::Nhwc => (1, 2),
        };
        let axis = |at: usize| shape.get(at).copied().flatten().and_then(|length| u32::try_from(length).ok());
        let (height, width) = (axis(high), axis(wide));
        let metadata = imgsz.and_then(from_metadata);
        let (size, size_from) = match (height, width, asked.size, metadata) {
            (Some(height), Some(width), ..) => (Size::new(width, height), "fixed by the file"),
            (_, _, Some(size), _) => (size, "as asked for"),
            (_, _, None, Some(size)) => (size, "by the file's metadata `imgsz`"),
            // The Model Zoo's YOLOv3 says the picture's size by a second input, and is meant for this.
            _ if inputs.len() > 1 => (Size::new(416, 416), "free in the file, and this is usual; --size changes it"),
            _ => (Size::new(640, 640), "free in the file, and this is usual; --size changes it"),
        };
        let is = |fixed: Option<u32>, length: u32| fixed.is_none_or(|fixed| fixed == length);
        if let Some(asked) = asked.size
            && (!is(width, asked.width) || !is(height, asked.height))
        {
            return Err(format!("The file fixes the size of {port}: --size {asked} does not fit."));
        }
        if !is(width, size.width) || !is(height, size.height) {
            return Err(format!("The file fixes only one side of {port}: say --size WIDTHxHEIGHT."));
        }
        if !(1..=8192).contains(&size.width) || !(1..=8192).contains(&size.height) {
            return Err(format!("Its input of {size} pixels is not fed: 1 to 8192 are, on each side."));
        }
        Ok(Self { name: port.name.clone(), layout, size, bytes: port.r#type == "uint8", size_from })
    }

    /// The shape behind the batch axis.
    pub fn shape(&self) -> [usize; 3] {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        match self.layout {
            Layout::Nchw => [3, height, width],
            Layout::Nhwc => [height, width, 3],
        }
    }

    /// Fills the input with a drawn picture: sky, ground, a few coloured shapes and noise, as numbers of 0 to 1, or of 0 to
    /// 255 where it holds bytes. A plain grey one would leave outputs empty that are full in use.
    pub fn draw(&self, out: &mut [f32]) {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let top = if self.bytes { 255.0 } else { 1.0 };
        let mut noise = 1u32;
        for at in 0..width * height {
            let (x, y) = ((at % width) as f32 / width as f32, (at / width) as f32 / height as f32);
            let mut colour = if y < 0.5 { [0.45, 0.65, 0.9 - y * 0.6] } else { [0.35 + y * 0.2, 0.4, 0.25] };
            for (place, [cx, cy, radius]) in
                [[0.3, 0.55, 0.18], [0.7, 0.6, 0.12], [0.5, 0.3, 0.07]].into_iter().enumerate()
            {
                if (x - cx).powi(2) + (y - cy).powi(2) < radius * radius {
                    colour = std::array::from_fn(
                        |channel| if channel == place { 0.85 } else { 0.15 + 0.4 * (x - cx) / radius },
                    );
                }
            }
            if (0.05..0.2).contains(&x) && (0.35..0.9).contains(&y) {
                colour = [0.1, 0.12, 0.15];
            }
            for (channel, value) in colour.into_iter().enumerate() {
                // Numerical Recipes' generator: any noise will do, the same in each run.
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let value = (value + (noise >> 16) as f32 / 65536.0 * 0.1 - 0.05).clamp(0.0, 1.0) * top;
                let place = match self.layout {
                    Layout::Nchw => channel * width * height + at,
                    Layout::Nhwc => at * 3 + channel,
                };
                if let Some(out) = out.get_mut(place) {
                    *out = value;
                }
            }
        }
    }
}

fn kind(port: &Port) -> bool {
    matches!(port.r#type.as_str(), "float32" | "float16" | "uint8")
}

/// Where the colours stand; `asked` where the file leaves it open.
fn layout(port: &Port, asked: Option<Layout>) -> Option<Layout> {
    let shape = port.shape.as_deref().filter(|shape| shape.len() == 4)?;
    let colours = |layout: &Layout| match layout {
        Layout::Nchw => shape[1],
        Layout::Nhwc => shape[3],
    };
    match asked {
        Some(layout) => colours(&layout).is_none_or(|length| length == 3).then_some(layout),
        None => [Layout::Nchw, Layout::Nhwc].into_iter().find(|layout| colours(layout) == Some(3)),
    }
}

/// `[height, width]`, or one number for both.
fn from_metadata(imgsz: &str) -> Option<Size> {
    let numbers = Literal::read(imgsz).ok()?.numbers()?;
    let length = |number: f64| (number.fract() == 0.0 && (1.0..=8192.0).contains(&number)).then_some(number as u32);
    match numbers[..] {
        [side] => Some(Size::new(length(side)?, length(side)?)),
        [height, width] => Some(Size::new(length(width)?, length(height)?)),
        _ => None,
    }
}

/// What a further input probably wants, for the run by which the network is recognised: the picture's size or its scale.
pub fn guess(other: &Port, size: Size) -> Vec<f64> {
    let axes = other.shape.iter().flatten().map(|length| length.unwrap_or(1).max(1) as usize);
    let count = axes.fold(1, usize::saturating_mul).min(MOST_VALUES);
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let name = other.name.to_ascii_lowercase();
    let pair = if name.contains("scale") {
        [1.0, 1.0]
    } else if name.contains("orig") {
        // RT-DETR's `orig_target_sizes` is width, height; YOLOv3's `image_shape` and Paddle's `im_shape` are the other way.
        [width, height]
    } else if name.contains("shape") || name.contains("size") {
        [height, width]
    } else {
        [1.0, 1.0]
    };
    pair.into_iter().cycle().take(count).collect()
}

/// An input with more is no size and no threshold.
const MOST_VALUES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &str, shape: &[i64], kind: &str) -> Port {
        let shape = shape.iter().map(|&length| (length >= 0).then_some(length)).collect();
        Port { name: name.into(), r#type: kind.into(), shape: Some(shape) }
    }

    fn find(inputs: &[Port], imgsz: Option<&str>, asked: Asked<'_>) -> Result<PictureInput, String> {
        PictureInput::find(inputs, imgsz, &asked)
    }

    #[test]
    fn the_pictures_input_is_found() {
        let shape_input = port("image_shape", &[-1, 2], "float32");
        let found = find(&[shape_input, port("input_1", &[-1, 3, -1, -1], "float32")], None, Asked::default());
        let found = found.expect("the one with colours");
        assert_eq!((found.name.as_str(), found.size, found.bytes), ("input_1", Size::new(416, 416), false));
        let bytes = find(&[port("x", &[1, 48, 64, 3], "uint8")], None, Asked::default()).expect("bytes");
        assert_eq!((bytes.layout, bytes.size, bytes.bytes), (Layout::Nhwc, Size::new(64, 48), true));
        let free = [port("images", &[-1, 3, -1, -1], "float16")];
        assert_eq!(find(&free, Some("[480, 640]"), Asked::default()).expect("imgsz").size, Size::new(640, 480));
        assert_eq!(find(&free, Some("320"), Asked::default()).expect("imgsz").size, Size::new(320, 320));
        assert_eq!(find(&free, Some("[[["), Asked::default()).expect("usual").size, Size::new(640, 640));
        let asked = Asked { size: Some(Size::new(96, 64)), ..Asked::default() };
        assert_eq!(find(&free, Some("[480, 640]"), asked).expect("asked").size, Size::new(96, 64));
        assert!(find(&[port("x", &[1, 3, 32, 32], "float32")], None, asked).expect_err("fixed").contains("--size"));
        assert!(find(&[port("x", &[1, 3, -1, 32], "float32")], None, Asked::default()).is_err());
        let open = [port("x", &[-1, -1, -1, -1], "float32")];
        assert!(find(&open, None, Asked::default()).expect_err("open").contains("--layout"));
        assert!(find(&open, None, Asked { layout: Some(Layout::Nhwc), ..asked }).is_ok());
        let two = [port("a", &[1, 3, 8, 8], "float32"), port("b", &[1, 3, 8, 8], "float32")];
        assert!(find(&two, None, Asked::default()).expect_err("two").contains("--input"));
        assert_eq!(find(&two, None, Asked { input: Some("b"), ..Asked::default() }).expect("named").name, "b");
        for none in
            [port("x", &[1, 1, 8, 8], "float32"), port("x", &[1, 3, 8], "float32"), port("x", &[1, 3, 8, 8], "int64")]
        {
            assert!(find(&[none], None, Asked::default()).expect_err("no picture").contains("No input"));
        }
    }

    #[test]
    fn a_picture_is_drawn_in_both_layouts() {
        let mut input = find(&[port("x", &[1, 3, 32, 48], "float32")], None, Asked::default()).expect("an input");
        let (mut planes, mut pixels) = (vec![-1.0; 3 * 32 * 48], vec![-1.0; 3 * 32 * 48]);
        input.draw(&mut planes);
        (input.layout, input.bytes) = (Layout::Nhwc, true);
        input.draw(&mut pixels);
        assert!(planes.iter().all(|value| (0.0..=1.0).contains(value)));
        assert!((0..32 * 48).all(|at| (planes[32 * 48 + at] * 255.0 - pixels[3 * at + 1]).abs() < 0.01));
        let spread = planes.iter().copied().fold(0.0, f32::max) - planes.iter().copied().fold(1.0, f32::min);
        assert!(spread > 0.5);
    }

    #[test]
    fn further_inputs_are_guessed() {
        let size = Size::new(640, 480);
        assert_eq!(guess(&port("image_shape", &[-1, 2], "float32"), size), [480.0, 640.0]);
        assert_eq!(guess(&port("orig_target_sizes", &[1, 2], "int64"), size), [640.0, 480.0]);
        assert_eq!(guess(&port("scale_factor", &[1, 2], "float32"), size), [1.0, 1.0]);
        assert_eq!(guess(&port("bomb", &[i64::MAX, i64::MAX], "float32"), size).len(), MOST_VALUES);
    }
}
