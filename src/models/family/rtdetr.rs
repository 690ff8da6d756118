//! RT-DETR and what tells its boxes in the same way (RT-DETRv2, D-FINE, DEIM): some 300 queries, each with a box of its own, so that
//! nothing is suppressed.
//!
//! `[rows]`: Ultralytics' one output `[K, 4 + C]`: centre and size as parts of the input, classes as probabilities.
//! `[detections]`: labels `[K]`, boxes `[K, 4]` as x1, y1, x2, y2 and scores `[K]`, from networks that want the picture's width and
//! height as `orig_target_sizes`; with the input's own size the boxes are pixels of the input.
//! `[queries]`: logits `[K, C]` and boxes `[K, 4]`, centre and size as parts of the input; a score is the logit's sigmoid.
//!
//! Source of the layouts: Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", 2023, its repository's
//! `export_onnx.py` and `rtdetr_postprocessor.py`; `RTDETRDecoder` in `ultralytics/nn/modules/head.py`; `RTDetrForObjectDetection` of
//! Hugging Face's transformers. Pictures go in as RGB of 0 to 1, stretched.
//!
//! Tried only with graphs of these layouts and known boxes: no real weights were at hand.

use serde::Deserialize;

use super::{Family, Output, Wanted, tensors};
use crate::{
    models::{
        Manifest,
        import::{Proposal, Seen, SeenOutput},
        scores::{pick, sigmoid},
    },
    vision::{geometry::InputBox, geometry::Resize, nms::Candidate},
};

/// Of published models.
const QUERIES: usize = 300;

/// What the family reads of the manifest; one of the three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    rows: Option<Rows>,
    detections: Option<Detections>,
    queries: Option<Queries>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    /// Name of the output tensor.
    output: String,
}

/// Names of the output tensors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Detections {
    labels: String,
    boxes: String,
    scores: String,
}

/// Names of the output tensors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Queries {
    logits: String,
    boxes: String,
}

pub fn make(manifest: &Manifest, classes: usize) -> Result<Box<dyn Family>, String> {
    let (outputs, kind) = match manifest.family_keys()? {
        Keys { rows: Some(Rows { output }), detections: None, queries: None } => (vec![output], Kind::Rows),
        Keys { rows: None, detections: Some(Detections { labels, boxes, scores }), queries: None } => {
            (vec![labels, boxes, scores], Kind::Detections)
        }
        Keys { rows: None, detections: None, queries: Some(Queries { logits, boxes }) } => {
            (vec![logits, boxes], Kind::Queries)
        }
        _ => return Err("the family rtdetr wants one of [rows], [detections] and [queries]".into()),
    };
    let input = (manifest.input.width as f32, manifest.input.height as f32);
    Ok(Box::new(RtDetr { outputs, kind, classes, input }))
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Rows,
    Detections,
    Queries,
}

struct RtDetr {
    outputs: Vec<String>,
    kind: Kind,
    classes: usize,
    /// Width and height.
    input: (f32, f32),
}

impl RtDetr {
    /// Centre and size as parts of the input.
    fn place(&self, told: &[f32]) -> InputBox {
        let ((x, y), at) = (self.input, |place: usize| told.get(place).copied().unwrap_or(f32::NAN));
        InputBox { cx: at(0) * x, cy: at(1) * y, width: at(2) * x, height: at(3) * y }
    }
}

impl Family for RtDetr {
    fn outputs(&self) -> Vec<&str> {
        self.outputs.iter().map(String::as_str).collect()
    }

    fn check(&self, shapes: &[&[usize]]) -> Result<(), String> {
        let classes = self.classes;
        let (fits, wanted) = match self.kind {
            Kind::Rows => {
                (matches!(shapes, [[_, length]] if *length == 4 + classes), format!("[queries, {}]", 4 + classes))
            }
            Kind::Detections => {
                // One alone comes without an axis for it.
                let fits = matches!(shapes, [[] | [_], [.., 4], [] | [_]]);
                (fits, "[queries], [queries, 4] and [queries]".to_owned())
            }
            Kind::Queries => {
                let fits = matches!(shapes, [[a, known], [b, 4]] if a == b && *known == classes);
                (fits, format!("[queries, {classes}] and [queries, 4]"))
            }
        };
        let names = self.outputs.join("`, `");
        fits.then_some(()).ok_or_else(|| {
            format!("of the outputs `{names}` the shapes are {shapes:?}, but {classes} labels make {wanted}")
        })
    }

    fn decode(&self, outputs: &[Output<'_>], wanted: &Wanted) -> Vec<Candidate> {
        let mut found = Vec::new();
        match (self.kind, outputs) {
            (Kind::Rows, [output]) => {
                for row in output.values.chunks_exact(4 + self.classes) {
                    let (bbox, scores) = row.split_at(4);
                    pick(scores.iter().copied(), wanted, || self.place(bbox), &mut found);
                }
            }
            (Kind::Queries, [logits, boxes]) => {
                for (logits, bbox) in logits.values.chunks_exact(self.classes).zip(boxes.values.chunks_exact(4)) {
                    pick(logits.iter().map(|&logit| sigmoid(logit)), wanted, || self.place(bbox), &mut found);
                }
            }
            (Kind::Detections, [labels, boxes, scores]) => {
                let each = labels.values.iter().zip(boxes.values.chunks_exact(4)).zip(scores.values);
                for ((&class, bbox), &score) in each {
                    let &[left, top, right, bottom] = bbox else { continue };
                    if !(0.0..self.classes as f32).contains(&class) {
                        continue;
                    }
                    let bbox = || InputBox {
                        cx: (left + right) / 2.0,
                        cy: (top + bottom) / 2.0,
                        width: right - left,
                        height: bottom - top,
                    };
                    let before = found.len();
                    pick(std::iter::once(score), wanted, bbox, &mut found);
                    found[before..].iter_mut().for_each(|candidate| candidate.class_id = class as u32);
                }
            }
            _ => {}
        }
        found
    }

    fn suppresses(&self) -> bool {
        true
    }
}

pub fn recognise(seen: &Seen) -> Option<Proposal> {
    let proposal = rows(seen).or_else(|| queries(seen)).or_else(|| detections(seen))?;
    Some(Proposal { resize: Resize::Stretch, score: 0.4, ..proposal })
}

fn rows(seen: &Seen) -> Option<Proposal> {
    let output = seen.single().filter(|_| seen.is_for("detect"))?;
    let &[QUERIES, length] = output.shape.as_slice() else { return None };
    // Whole numbers in the last place are classes: YOLO's end-to-end layout.
    let whole = output.values.chunks_exact(length.max(1)).all(|row| row.last().is_some_and(|last| last.fract() == 0.0));
    let fits = length > 4 && seen.has_labels(length - 4) && output.are_probabilities(0..length) && !whole;
    fits.then(|| Proposal {
        because: format!("{QUERIES} rows of a box as parts of the picture, and classes"),
        classes: length - 4,
        keys: tensors("rows", [("output", &output.name)]),
        ..seen.usual()
    })
}

fn queries(seen: &Seen) -> Option<Proposal> {
    let [a, b] = seen.outputs.as_slice() else { return None };
    let are_boxes = |output: &SeenOutput| matches!(output.shape[..], [_, 4]) && output.are_probabilities(0..4);
    let (logits, boxes) = if are_boxes(a) && !are_boxes(b) { (b, a) } else { (a, b) };
    let ([count, classes], [same, 4]) = (&logits.shape[..], &boxes.shape[..]) else { return None };
    let fits = count == same && are_boxes(boxes) && seen.has_labels(*classes) && !logits.are_probabilities(0..*classes);
    // DETR and RF-DETR have the same outputs, but the first a class for nothing, and both ImageNet's mean.
    let certain = *count == QUERIES && boxes.name.contains("pred_boxes");
    fits.then(|| Proposal {
        certain,
        because: format!("logits and boxes of {count} queries, of a picture without ImageNet's mean"),
        classes: *classes,
        keys: tensors("queries", [("logits", &logits.name), ("boxes", &boxes.name)]),
        ..seen.usual()
    })
}

fn detections(seen: &Seen) -> Option<Proposal> {
    let [_, _, _] = seen.outputs.as_slice() else { return None };
    let boxes = seen.outputs.iter().find(|output| matches!(output.shape[..], [.., 4]))?;
    let rows = boxes.values.len() / 4;
    let mut flat = seen.outputs.iter().filter(|output| output.shape.len() < 2 && output.values.len() == rows);
    let (a, b) = (flat.next()?, flat.next()?);
    let whole = |output: &SeenOutput| output.values.iter().all(|value| value.fract() == 0.0);
    let (labels, scores) = if whole(a) && !whole(b) || a.name.contains("label") { (a, b) } else { (b, a) };
    let [size] = seen.others.as_slice() else { return None };
    let fits = size.contains("size") && whole(labels) && scores.values.iter().all(|score| (0.0..=1.01).contains(score));
    let (width, height) = (f64::from(seen.size.width), f64::from(seen.size.height));
    fits.then(|| Proposal {
        because: format!("labels, boxes and scores of {rows} queries, and an input `{size}`"),
        // The outputs have room for any number.
        classes: seen.labels.unwrap_or(80),
        keys: tensors("detections", [("labels", &labels.name), ("boxes", &boxes.name), ("scores", &scores.name)]),
        constants: vec![(size.clone(), vec![width, height])],
        ..seen.usual()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "family = \"rtdetr\"\nlabels = [\"a\", \"b\"]\n[input]\nname = \"x\"\nwidth = 40\nheight = 20\n";
    const WANTED: Wanted = Wanted { threshold: 0.25, multi_label: false };
    const BOX: InputBox = InputBox { cx: 20.0, cy: 5.0, width: 8.0, height: 10.0 };

    fn family(keys: &str) -> Result<Box<dyn Family>, String> {
        make(&Manifest::parse(&format!("{TEXT}{keys}")).expect("a good manifest"), 2)
    }

    fn told(found: &[Candidate]) -> Vec<(InputBox, u32, f32)> {
        found.iter().map(|c| (c.bbox, c.class_id, c.score)).collect()
    }

    #[test]
    fn rows_are_parts_of_the_input() {
        let family = family("[rows]\noutput = \"y\"\n").expect("a family");
        let rows = [0.5, 0.25, 0.2, 0.5, 0.1, 0.9, 0.5, 0.5, f32::NAN, 0.5, 0.9, 0.9, 0.5, 0.5, 0.1, 0.1, 0.1, 0.2];
        let found = family.decode(&[Output { shape: &[3, 6], values: &rows }], &WANTED);
        assert_eq!(told(&found), [(BOX, 1, 0.9)]);
        assert!(family.suppresses() && family.check(&[&[300, 6]]).is_ok() && family.check(&[&[6, 300]]).is_err());
    }

    #[test]
    fn logits_become_scores() {
        let family = family("[queries]\nlogits = \"l\"\nboxes = \"b\"\n").expect("a family");
        let boxes = [0.5, 0.25, 0.2, 0.5, 0.5, 0.5, 0.1, 0.1];
        let outputs =
            [Output { shape: &[2, 2], values: &[-3.0, 0.0, -9.0, -9.0] }, Output { shape: &[2, 4], values: &boxes }];
        assert_eq!(told(&family.decode(&outputs, &WANTED)), [(BOX, 1, 0.5)]);
        assert!(family.check(&[&[300, 2], &[300, 4]]).is_ok() && family.check(&[&[300, 3], &[300, 4]]).is_err());
    }

    #[test]
    fn detections_are_corners_in_pixels() {
        let family = family("[detections]\nlabels = \"l\"\nboxes = \"b\"\nscores = \"s\"\n").expect("a family");
        let boxes = [16.0, 0.0, 24.0, 10.0, 0.0, 0.0, 9.0, 9.0, 0.0, 0.0, 9.0, 9.0];
        let outputs = [
            Output { shape: &[3], values: &[1.0, 2.0, -1.0] },
            Output { shape: &[3, 4], values: &boxes },
            Output { shape: &[3], values: &[0.9, 0.9, 0.9] },
        ];
        assert_eq!(told(&family.decode(&outputs, &WANTED)), [(BOX, 1, 0.9)]);
        assert!(family.check(&[&[300], &[300, 4], &[300]]).is_ok() && family.check(&[&[], &[4], &[]]).is_ok());
        assert!(family.check(&[&[300], &[300, 5], &[300]]).is_err_and(|words| words.contains("[queries, 4]")));
    }

    #[test]
    fn one_of_the_three_is_wanted() {
        for keys in ["", "[rows]\noutput = \"y\"\n[queries]\nlogits = \"l\"\nboxes = \"b\"\n"] {
            assert!(family(keys).is_err_and(|words| words.contains("[queries]")));
        }
    }
}
