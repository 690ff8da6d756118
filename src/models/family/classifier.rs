//! Classifiers: one output of a number for each label, as probabilities or as logits.
//!
//! The whole picture is one box, whose classes are all asked for. Of the picture its middle is looked at, in the input's
//! aspect ratio; how its numbers are scaled no file says, so a proposal takes what the file's origin mostly takes.
//!
//! Tried only with graphs of this layout and known scores.

use serde::{Deserialize, Serialize};

use super::{Family, Output, Wanted, tensors};
use crate::{
    frame::Size,
    models::{
        Manifest,
        import::{Proposal, Seen},
    },
    vision::{geometry::InputBox, geometry::Resize, nms::Candidate, tensor::Layout},
};

/// What the family reads of the manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    classes: Classes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Classes {
    /// Name of the output tensor.
    output: String,
    #[serde(default)]
    activation: Activation,
}

/// How the output's numbers become scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Activation {
    /// They are logits: `exp(z) / sum exp(z)`.
    #[default]
    Softmax,
    /// They are scores.
    None,
}

pub fn make(manifest: &Manifest, classes: usize) -> Result<Box<dyn Family>, String> {
    let Keys { classes: Classes { output, activation } } = manifest.family_keys()?;
    let input = Size::new(manifest.input.width, manifest.input.height);
    Ok(Box::new(Classifier { output, activation, classes, input }))
}

struct Classifier {
    output: String,
    activation: Activation,
    classes: usize,
    input: Size,
}

impl Family for Classifier {
    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn check(&self, shapes: &[&[usize]]) -> Result<(), String> {
        let shape = shapes.first().copied().unwrap_or_default();
        let lengths: Vec<usize> = shape.iter().copied().filter(|&length| length != 1).collect();
        if shape.iter().product::<usize>() == self.classes && lengths.len() <= 1 {
            return Ok(());
        }
        let (output, classes) = (&self.output, self.classes);
        Err(format!("the output `{output}` has the shape {shape:?}, but {classes} labels make [{classes}]"))
    }

    fn decode(&self, outputs: &[Output<'_>], wanted: &Wanted) -> Vec<Candidate> {
        let values = outputs.first().map_or(&[][..], |output| output.values);
        let scores = match self.activation {
            Activation::Softmax => softmax(values),
            Activation::None => values.to_vec(),
        };
        let (width, height) = (self.input.width as f32, self.input.height as f32);
        let bbox = InputBox { cx: width / 2.0, cy: height / 2.0, width, height };
        let scored = scores.into_iter().enumerate().filter(|(_, score)| *score >= wanted.threshold);
        scored.map(|(class, score)| Candidate { bbox, class_id: class as u32, score: score.min(1.0) }).collect()
    }

    fn suppresses(&self) -> bool {
        true
    }
}

fn softmax(values: &[f32]) -> Vec<f32> {
    // Nothing is larger than exp(0) then.
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = values.iter().map(|value| (value - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// One short row of numbers.
pub fn recognise(seen: &Seen) -> Option<Proposal> {
    let output = seen.single().filter(|_| seen.is_for("classify"))?;
    let classes = output.shape.iter().product::<usize>();
    let is_row = output.shape.iter().filter(|&&length| length != 1).count() == 1 && classes > 1;
    if !is_row || !seen.has_labels(classes) {
        return None;
    }
    // Quantised probabilities do not add up to 1 in full.
    let sum: f32 = output.values.iter().sum();
    let scores = output.are_probabilities(0..output.shape.last().copied().unwrap_or(0)) && (sum - 1.0).abs() < 0.05;
    let activation = if scores { Activation::None } else { Activation::Softmax };
    let mut keys = tensors("classes", [("output", &output.name)]);
    if let Some(toml::Value::Table(table)) = keys.get_mut("classes") {
        table.insert("activation".into(), toml::Value::try_from(activation).ok()?);
    }
    let kind = if scores { "probabilities" } else { "logits" };
    let (mean, std, taken) = if seen.is_ultralytics() {
        ([0.0; 3], [1.0; 3], "of 0 to 1, as Ultralytics' take")
    } else if seen.bytes {
        ([0.0; 3], [1.0; 3], "as bytes")
    } else if seen.layout == Layout::Nhwc {
        ([0.5; 3], [0.5; 3], "of -1 to 1, as most of TensorFlow's take")
    } else {
        ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], "with ImageNet's mean and deviation, as PyTorch's take")
    };
    Some(Proposal {
        because: format!(
            "one row of {classes} {kind}; pictures {taken}, which the file does not say: compare [input] in model.toml"
        ),
        classes,
        mean,
        std,
        resize: Resize::Crop,
        keys,
        ..seen.usual()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(activation: &str) -> Box<dyn Family> {
        let text = format!(
            "family = \"classifier\"\ntask = \"classify\"\nlabels = [\"a\", \"b\"]\n[input]\nname = \"x\"\nwidth = 8\nheight = 8\n\
            [classes]\noutput = \"y\"\nactivation = \"{activation}\"\n"
        );
        super::super::of(&Manifest::parse(&text).expect("a good manifest"), 2).expect("a family")
    }

    #[test]
    fn logits_become_probabilities() {
        let all = Wanted { threshold: 0.0, multi_label: true };
        let found = family("softmax").decode(&[Output { shape: &[2], values: &[1000.0, 1001.0] }], &all);
        assert_eq!(found.len(), 2);
        assert!((found[0].score - 0.268_941).abs() < 1e-5 && (found[1].score - 0.731_059).abs() < 1e-5);
        let found = family("none").decode(&[Output { shape: &[2, 1, 1], values: &[0.25, 0.75] }], &all);
        assert_eq!((found[0].score, found[1].score), (0.25, 0.75));
    }

    #[test]
    fn a_map_is_no_row() {
        assert!(family("none").check(&[&[2]]).is_ok() && family("none").check(&[&[2, 1, 1]]).is_ok());
        assert!(family("none").check(&[&[4]]).is_err_and(|words| words.contains("[2]")));
    }
}
