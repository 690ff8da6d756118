//! Raw heads: logits on a grid, for each cell and anchor.
//!
//! Source of the formulas: Redmon and Farhadi, "YOLOv3: An Incremental Improvement", 2018, section 2.1; `scale_x_y` and
//! `new_coords` as `src/yolo_layer.c` of Bochkovskiy's Darknet has them; `softmax` as `src/region_layer.c`.

use serde::Deserialize;

use crate::{
    models::{
        family::{Family, Output, Wanted},
        scores::{logit, pick, sigmoid},
    },
    vision::{geometry::InputBox, nms::Candidate},
};

/// A raw YOLO head: logits on a grid.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heads {
    /// Name of the output tensor.
    output: String,
    /// Pixels of the input per cell.
    stride: u32,
    /// Darknet's `scale_x_y`: stretches the centre's range beyond its cell.
    #[serde(default = "one")]
    scale_x_y: f32,
    /// Darknet's `new_coords`: the network has applied the sigmoid itself, and sizes are squares, not exponentials.
    #[serde(default)]
    new_coords: bool,
    /// The classes exclude each other: their probabilities are a softmax, as in YOLOv2.
    #[serde(default)]
    softmax: bool,
    /// Width and height in pixels of the input; Darknet's `anchors` picked by `mask`.
    anchors: Vec<[f32; 2]>,
}

fn one() -> f32 {
    1.0
}

pub struct RawHeads {
    heads: Vec<Heads>,
    classes: usize,
    input: (u32, u32),
}

/// Where the value (anchor, channel, cell) of a head lies: `anchor * a + channel * c + cell * s`.
struct Strides {
    anchor: usize,
    channel: usize,
    cell: usize,
}

impl RawHeads {
    /// Of the manifest's `[[heads]]`, for an input of this width and height.
    pub fn new(heads: Vec<Heads>, classes: usize, input: (u32, u32)) -> Result<Self, String> {
        for Heads { output, stride, anchors, new_coords, softmax, .. } in &heads {
            let refused = if *stride == 0 || !input.0.is_multiple_of(*stride) || !input.1.is_multiple_of(*stride) {
                "the input's width and height must be multiples of the stride"
            } else if anchors.is_empty() || anchors.iter().flatten().any(|&length| length.is_nan() || length <= 0.0) {
                "anchors are pairs of positive numbers, in pixels of the input"
            } else if *new_coords && *softmax {
                "with new_coords the network gives probabilities, of which softmax makes nothing"
            } else {
                continue;
            };
            return Err(format!("[[heads]] `{output}`: {refused}"));
        }
        Ok(Self { heads, classes, input })
    }

    fn grid(&self, head: &Heads) -> (usize, usize) {
        ((self.input.0 / head.stride) as usize, (self.input.1 / head.stride) as usize)
    }

    /// Reads a head's layout off its shape: `[A(5+C), H, W]` (Darknet), `[A, 5+C, H, W]`, `[A, H, W, 5+C]` (PyTorch) or
    /// `[H, W, A(5+C)]`, `[H, W, A, 5+C]` (Keras).
    fn strides(&self, head: &Heads, shape: &[usize]) -> Option<Strides> {
        let (width, height) = self.grid(head);
        let (anchors, channels, cells) = (head.anchors.len(), 5 + self.classes, width * height);
        if shape == [anchors * channels, height, width] || shape == [anchors, channels, height, width] {
            return Some(Strides { anchor: channels * cells, channel: cells, cell: 1 });
        }
        if shape == [anchors, height, width, channels] {
            return Some(Strides { anchor: channels * cells, channel: 1, cell: channels });
        }
        if shape == [height, width, anchors * channels] || shape == [height, width, anchors, channels] {
            return Some(Strides { anchor: channels, channel: 1, cell: anchors * channels });
        }
        None
    }
}

impl Family for RawHeads {
    fn outputs(&self) -> Vec<&str> {
        self.heads.iter().map(|head| head.output.as_str()).collect()
    }

    fn check(&self, shapes: &[&[usize]]) -> Result<(), String> {
        for (head, shape) in self.heads.iter().zip(shapes) {
            if self.strides(head, shape).is_none() {
                let ((width, height), anchors, channels) = (self.grid(head), head.anchors.len(), 5 + self.classes);
                return Err(format!(
                    "the output `{}` has the shape {shape:?}, but {anchors} anchors, {} labels and stride {} make [{}, {height}, {width}] (or the same with the axes in another order): check labels, anchors, stride and the input's size",
                    head.output,
                    self.classes,
                    head.stride,
                    anchors * channels
                ));
            }
        }
        Ok(())
    }

    fn decode(&self, outputs: &[Output<'_>], wanted: &Wanted) -> Vec<Candidate> {
        let mut found = Vec::new();
        for (head, output) in self.heads.iter().zip(outputs) {
            let Some(strides) = self.strides(head, output.shape) else { continue };
            let (width, height) = self.grid(head);
            // Comparing logits spares an exponential for each of the thousands of cells that hold nothing.
            let least = if head.new_coords { wanted.threshold } else { logit(wanted.threshold) };
            for (anchor, &size) in head.anchors.iter().enumerate() {
                for cell in 0..width * height {
                    let at = |channel: usize| {
                        output.values[anchor * strides.anchor + channel * strides.channel + cell * strides.cell]
                    };
                    if at(4) < least {
                        continue;
                    }
                    let objectness = head.probability(at(4));
                    let bbox = || place(head, size, (cell % width, cell / width), [at(0), at(1), at(2), at(3)]);
                    let classes = (0..self.classes).map(|class| at(5 + class));
                    if head.softmax {
                        let most = classes.clone().fold(f32::NEG_INFINITY, f32::max);
                        let sum: f32 = classes.clone().map(|class| (class - most).exp()).sum();
                        let score = |class: f32| objectness * (class - most).exp() / sum;
                        pick(classes.map(score), wanted, bbox, &mut found);
                    } else {
                        pick(classes.map(|class| objectness * head.probability(class)), wanted, bbox, &mut found);
                    }
                }
            }
        }
        found
    }
}

impl Heads {
    /// Of what the network gives for it.
    fn probability(&self, t: f32) -> f32 {
        if self.new_coords { t } else { sigmoid(t) }
    }
}

/// `b = stride * (p(t) * s - (s - 1) / 2 + cell)` for the centre, where p is the sigmoid, `b = anchor * exp(t)` for the size.
/// With `new_coords` p is t itself, and `b = anchor * (2 t)²`.
fn place(head: &Heads, anchor: [f32; 2], cell: (usize, usize), [x, y, w, h]: [f32; 4]) -> InputBox {
    let centre = |t: f32, cell: usize| {
        (head.probability(t) * head.scale_x_y - (head.scale_x_y - 1.0) / 2.0 + cell as f32) * head.stride as f32
    };
    let length = |t: f32, anchor: f32| if head.new_coords { anchor * (2.0 * t).powi(2) } else { anchor * t.exp() };
    InputBox { cx: centre(x, cell.0), cy: centre(y, cell.1), width: length(w, anchor[0]), height: length(h, anchor[1]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Manifest;

    /// Two classes, one anchor of 20x40, a grid of 3x2 cells of 32 pixels.
    const TEXT: &str = "family = \"yolov3\"\nlabels = [\"a\", \"b\"]\n[input]\nname = \"x\"\nwidth = 96\nheight = 64\n\
        [[heads]]\noutput = \"y\"\nstride = 32\nscale_x_y = 1.2\nanchors = [[20, 40]]\n";

    const BEST: Wanted = Wanted { threshold: 0.25, multi_label: false };

    fn family() -> Box<dyn Family> {
        let manifest = Manifest::parse(TEXT).expect("a good manifest");
        super::super::make(&manifest, 2).expect("a family")
    }

    /// All cells silent but the one at (2, 1).
    fn channel_first() -> Vec<f32> {
        let mut values = vec![-20.0; 7 * 6];
        for (channel, value) in [0.5f32, -0.5, 0.1, 0.2, 3.0, -2.0, 4.0].into_iter().enumerate() {
            values[channel * 6 + 5] = value;
        }
        values
    }

    #[test]
    fn the_formulas_hold_in_every_layout() {
        let first = channel_first();
        let last: Vec<f32> = (0..6)
            .flat_map(|cell| (0..7).map(move |channel| (cell, channel)))
            .map(|(cell, channel)| first[channel * 6 + cell])
            .collect();
        for (shape, values) in
            [(vec![7, 2, 3], &first), (vec![1, 7, 2, 3], &first), (vec![2, 3, 7], &last), (vec![1, 2, 3, 7], &last)]
        {
            let output = Output { shape: &shape, values };
            let found = family().decode(&[output], &BEST);
            assert_eq!(found.len(), 1, "{shape:?}");
            let Candidate { bbox, class_id, score } = found[0];
            let near = |got: f32, want: f32| assert!((got - want).abs() < 1e-3, "{shape:?}: {got} is not {want}");
            assert_eq!(class_id, 1);
            near(score, 0.952_574 * 0.982_014);
            near(bbox.cx, (0.622_459 * 1.2 - 0.1 + 2.0) * 32.0);
            near(bbox.cy, (0.377_541 * 1.2 - 0.1 + 1.0) * 32.0);
            near(bbox.width, 20.0 * 1.105_171);
            near(bbox.height, 40.0 * 1.221_403);
        }
    }

    /// What is found with a further key in the head.
    fn found_with(key: &str, values: &[f32]) -> Vec<Candidate> {
        let manifest = Manifest::parse(&format!("{TEXT}{key} = true\n")).expect("a good manifest");
        super::super::make(&manifest, 2).expect("a family").decode(&[Output { shape: &[7, 2, 3], values }], &BEST)
    }

    #[test]
    fn new_coords_are_probabilities_and_squares() {
        let mut values = vec![0.0; 7 * 6];
        for (channel, value) in [0.7f32, 0.4, 0.3, 0.6, 0.8, 0.1, 0.5].into_iter().enumerate() {
            values[channel * 6 + 5] = value;
        }
        let found = found_with("new_coords", &values);
        let near = |got: f32, want: f32| assert!((got - want).abs() < 1e-3, "{got} is not {want}");
        assert_eq!((found.len(), found[0].class_id), (1, 1));
        near(found[0].score, 0.8 * 0.5);
        near(found[0].bbox.cx, (0.7 * 1.2 - 0.1 + 2.0) * 32.0);
        near(found[0].bbox.cy, (0.4 * 1.2 - 0.1 + 1.0) * 32.0);
        near(found[0].bbox.width, 20.0 * 4.0 * 0.09);
        near(found[0].bbox.height, 40.0 * 4.0 * 0.36);
    }

    #[test]
    fn softmax_makes_classes_exclude_each_other() {
        let mut values = channel_first();
        // Logits of which a sigmoid would make two certain classes, and exponentials no numbers.
        (values[5 * 6 + 5], values[6 * 6 + 5]) = (200.0, 201.0);
        let found = found_with("softmax", &values);
        assert_eq!((found.len(), found[0].class_id), (1, 1));
        assert!((found[0].score - 0.952_574 * 0.731_059).abs() < 1e-4, "{}", found[0].score);
    }

    #[test]
    fn several_labels_of_a_cell_count_when_asked_for() {
        let mut values = channel_first();
        values[5 * 6 + 5] = 3.0;
        let output = Output { shape: &[7, 2, 3], values: &values };
        assert_eq!(family().decode(&[output], &BEST).len(), 1);
        let both = family().decode(&[output], &Wanted { multi_label: true, ..BEST });
        assert_eq!(both.iter().map(|c| c.class_id).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_box_that_is_no_number_is_dropped() {
        let mut values = channel_first();
        values[2 * 6 + 5] = 1e30;
        assert!(family().decode(&[Output { shape: &[7, 2, 3], values: &values }], &BEST).is_empty());
        values.fill(f32::NAN);
        assert!(family().decode(&[Output { shape: &[7, 2, 3], values: &values }], &BEST).is_empty());
    }

    #[test]
    fn a_wrong_shape_is_told_in_words() {
        let words = family().check(&[&[21, 2, 3]]).expect_err("three anchors");
        assert!(words.contains("[21, 2, 3]") && words.contains("[7, 2, 3]"), "{words}");
        assert!(family().check(&[&[7, 2, 3]]).is_ok());
    }
}
