//! FastestDet: one grid `[5 + C, H, W]` without anchors: objectness, x, y, width, height, classes.
//!
//! Objectness and classes are probabilities, the classes of a cell a softmax. A cell's centre is told by `tanh` in cells from its
//! corner, so that it may lie in the cells around; the size by the sigmoid, as a part of the input. The score is
//! `objectness^0.6 * class^0.4`.
//!
//! Source of the formulas: `handle_preds` in `utils/tool.py` of FastestDet, whose later versions have the powers (the first
//! multiplied plainly), and its default threshold of 0.65. Pictures go in as BGR of 0 to 1, stretched.
//!
//! Tried with FastestDet.onnx at 352x352.

use serde::Deserialize;

use super::{Family, Output, Wanted, tensors};
use crate::{
    models::{
        Manifest,
        import::{Proposal, Seen},
        scores::{pick, sigmoid},
    },
    vision::{geometry::InputBox, geometry::Resize, nms::Candidate, tensor::Channels},
};

/// What the family reads of the manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    grid: Grid,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grid {
    /// Name of the output tensor.
    output: String,
}

pub fn make(manifest: &Manifest, classes: usize) -> Result<Box<dyn Family>, String> {
    let Keys { grid: Grid { output } } = manifest.family_keys()?;
    let input = (manifest.input.width as f32, manifest.input.height as f32);
    Ok(Box::new(FastestDet { output, classes, input }))
}

struct FastestDet {
    output: String,
    classes: usize,
    /// Width and height.
    input: (f32, f32),
}

impl Family for FastestDet {
    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn check(&self, shapes: &[&[usize]]) -> Result<(), String> {
        let channels = 5 + self.classes;
        match shapes {
            [[known, _, _]] if *known == channels => Ok(()),
            _ => {
                let (output, classes) = (&self.output, self.classes);
                let shape = shapes.first().copied().unwrap_or_default();
                Err(format!(
                    "the output `{output}` has the shape {shape:?}, but {classes} labels make [{channels}, rows, columns]"
                ))
            }
        }
    }

    fn decode(&self, outputs: &[Output<'_>], wanted: &Wanted) -> Vec<Candidate> {
        let mut found = Vec::new();
        let [Output { shape: [_, rows, columns], values }] = outputs else { return found };
        let ((rows, columns), input) = ((*rows, *columns), self.input);
        // With a class of 1 the score would be objectness^0.6.
        let least = wanted.threshold.powf(1.0 / 0.6);
        for cell in 0..rows * columns {
            let at = |channel: usize| values[channel * rows * columns + cell];
            if at(0) < least {
                continue;
            }
            let objectness = at(0).powf(0.6);
            let bbox = || InputBox {
                cx: (at(1).tanh() + (cell % columns) as f32) / columns as f32 * input.0,
                cy: (at(2).tanh() + (cell / columns) as f32) / rows as f32 * input.1,
                width: sigmoid(at(3)) * input.0,
                height: sigmoid(at(4)) * input.1,
            };
            let scores = (0..self.classes).map(|class| objectness * at(5 + class).powf(0.4));
            pick(scores, wanted, bbox, &mut found);
        }
        found
    }
}

/// A grid whose cells' objectness is a probability and whose classes add up to 1.
pub fn recognise(seen: &Seen) -> Option<Proposal> {
    let output = seen.single()?;
    let [channels, rows, columns] = output.shape[..] else { return None };
    let cells = rows * columns;
    let stride = seen.size.width.checked_div(columns as u32).filter(|stride| [8, 16, 32].contains(stride))?;
    if seen.cells(&[stride]) != Some(cells) || channels < 6 || !seen.has_labels(channels - 5) {
        return None;
    }
    let column = |channel: usize, cell: usize| output.values.get(channel * cells + cell).copied().unwrap_or(f32::NAN);
    let fits = (0..cells).all(|cell| {
        let classes: f32 = (5..channels).map(|channel| column(channel, cell)).sum();
        (-0.01..=1.01).contains(&column(0, cell)) && (classes - 1.0).abs() < 0.05
    });
    fits.then(|| Proposal {
        because: format!("one grid of stride {stride}: objectness, a box, and classes that add up to 1"),
        classes: channels - 5,
        channels: Channels::Bgr,
        resize: Resize::Stretch,
        // The powers lift all scores; this is the threshold of the project's own test.
        score: 0.65,
        keys: tensors("grid", [("output", &output.name)]),
        ..seen.usual()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "family = \"fastestdet\"\nlabels = [\"a\", \"b\"]\n[input]\nname = \"x\"\nwidth = 48\nheight = 32\n\
        [grid]\noutput = \"y\"\n";

    #[test]
    fn the_formulas_hold() {
        let family = make(&Manifest::parse(TEXT).expect("a good manifest"), 2).expect("a family");
        // 3x2 cells; the one at (2, 1) tells something.
        let mut values = vec![0.0; 7 * 6];
        for (channel, value) in [0.8f32, 0.5, -0.5, 0.0, -1.0, 0.25, 0.75].into_iter().enumerate() {
            values[channel * 6 + 5] = value;
        }
        let outputs = [Output { shape: &[7, 2, 3], values: &values }];
        let found = family.decode(&outputs, &Wanted { threshold: 0.25, multi_label: false });
        assert_eq!(found.len(), 1);
        let near = |got: f32, want: f32| assert!((got - want).abs() < 1e-3, "{got} is not {want}");
        let Candidate { bbox, class_id, score } = found[0];
        assert_eq!(class_id, 1);
        near(score, 0.874_69 * 0.891_30);
        near(bbox.cx, (2.0 + 0.462_117) / 3.0 * 48.0);
        near(bbox.cy, (1.0 - 0.462_117) / 2.0 * 32.0);
        near(bbox.width, 24.0);
        near(bbox.height, 0.268_941 * 32.0);
        assert_eq!(family.decode(&outputs, &Wanted { threshold: 0.25, multi_label: true }).len(), 2);
        assert!(family.decode(&outputs, &Wanted { threshold: 0.8, multi_label: true }).is_empty());
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let family = make(&Manifest::parse(TEXT).expect("a good manifest"), 2).expect("a family");
        assert!(family.check(&[&[7, 2, 3]]).is_ok());
        assert!(family.check(&[&[85, 2, 3]]).is_err_and(|words| words.contains("[7, rows, columns]")));
        assert!(family.check(&[&[7, 6]]).is_err());
    }
}
