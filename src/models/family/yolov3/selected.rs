//! YOLOv3 with its non-maximum suppression inside: all boxes, all scores, and which of them were kept.
//!
//! As Keras' `yolo_eval` was converted for the ONNX Model Zoo (yolov3-10, yolov3-12, yolov3-12-int8, tiny-yolov3-11): boxes
//! `[N, K, 4]` as y1, x1, y2, x2 in pixels of the size that the input `image_shape` tells (height, width), scores
//! `[N, C, K]`, and indices `[M, 3]`, or `[1, M, 3]` of the tiny one, as batch, class, box.
//! With the input's own size as `image_shape` the boxes are pixels of the input.

use serde::Deserialize;

use crate::{
    models::family::{Family, Output, Wanted},
    vision::{geometry::InputBox, nms::Candidate},
};

/// Names of the three output tensors.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selected {
    boxes: String,
    scores: String,
    indices: String,
}

pub struct SelectedBoxes {
    pub selected: Selected,
    pub classes: usize,
}

impl Family for SelectedBoxes {
    fn outputs(&self) -> Vec<&str> {
        vec![&self.selected.boxes, &self.selected.scores, &self.selected.indices]
    }

    fn check(&self, shapes: &[&[usize]]) -> Result<(), String> {
        // How many were kept depends on the picture: one alone comes without an axis for it.
        let fits = match shapes {
            [[rows, 4], [classes, each], [.., 3]] => rows == each && *classes == self.classes,
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let (Selected { boxes, scores, indices }, classes) = (&self.selected, self.classes);
        Err(format!(
            "the outputs `{boxes}`, `{scores}` and `{indices}` have the shapes {shapes:?}, but {classes} labels make [rows, 4], [{classes}, rows] and [found, 3]"
        ))
    }

    fn decode(&self, outputs: &[Output<'_>], wanted: &Wanted) -> Vec<Candidate> {
        let [boxes, scores, indices] = outputs else { return Vec::new() };
        let rows = boxes.values.len() / 4;
        let place = |index: &[f32]| {
            // What fills the tensor up is -1.
            let [batch, class, row] = index else { return None };
            if *batch != 0.0 || !(0.0..self.classes as f32).contains(class) || !(0.0..rows as f32).contains(row) {
                return None;
            }
            let (class, row) = (*class as usize, *row as usize);
            let score = *scores.values.get(class * rows + row)?;
            let &[top, left, bottom, right] = boxes.values.get(4 * row..4 * row + 4)? else { return None };
            let bbox = InputBox {
                cx: (left + right) / 2.0,
                cy: (top + bottom) / 2.0,
                width: right - left,
                height: bottom - top,
            };
            let sound = [bbox.cx, bbox.cy, bbox.width, bbox.height].into_iter().all(f32::is_finite);
            (sound && score >= wanted.threshold).then_some(Candidate { bbox, class_id: class as u32, score })
        };
        indices.values.chunks_exact(3).filter_map(place).collect()
    }

    fn suppresses(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted { threshold: 0.25, multi_label: false };

    fn family() -> SelectedBoxes {
        let selected = Selected { boxes: "b".into(), scores: "s".into(), indices: "i".into() };
        SelectedBoxes { selected, classes: 2 }
    }

    fn found(shape: &[usize], indices: &[f32]) -> Vec<Candidate> {
        let boxes = [1.0, 2.0, 11.0, 22.0, 5.0, 5.0, f32::NAN, 9.0, 0.0, 0.0, 4.0, 4.0];
        let scores = [0.1, 0.9, 0.3, 0.8, 0.7, 0.2];
        let outputs = [
            Output { shape: &[3, 4], values: &boxes },
            Output { shape: &[2, 3], values: &scores },
            Output { shape, values: indices },
        ];
        family().decode(&outputs, &WANTED)
    }

    #[test]
    fn what_was_kept_is_found() {
        let both = found(&[2, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, 2.0]);
        assert_eq!(both.iter().map(|c| (c.class_id, c.score)).collect::<Vec<_>>(), [(1, 0.8), (0, 0.3)]);
        assert_eq!(both[0].bbox, InputBox { cx: 12.0, cy: 6.0, width: 20.0, height: 10.0 });
        assert_eq!(found(&[3], &[0.0, 1.0, 0.0]), both[..1]);
    }

    #[test]
    fn what_fills_up_or_lies_outside_is_nothing() {
        assert!(found(&[0, 3], &[]).is_empty());
        assert!(found(&[2, 3], &[-1.0, -1.0, -1.0, 0.0, 2.0, 0.0]).is_empty());
        // No box, another picture's, a box that is no number, a score below the threshold.
        assert!(found(&[4, 3], &[0.0, 0.0, 3.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 2.0]).is_empty());
        assert!(found(&[1, 3], &[f32::NAN; 3]).is_empty());
    }

    #[test]
    fn shapes_are_checked() {
        for indices in [&[0, 3][..], &[5, 3], &[3], &[1, 5, 3]] {
            assert!(family().check(&[&[7, 4], &[2, 7], indices]).is_ok(), "{indices:?}");
        }
        for shapes in [[&[7, 4][..], &[3, 7], &[5, 3]], [&[7, 4], &[2, 6], &[5, 3]], [&[7, 5], &[2, 7], &[5, 3]]] {
            assert!(family().check(&shapes).is_err_and(|words| words.contains("[2, rows]")), "{shapes:?}");
        }
    }
}
