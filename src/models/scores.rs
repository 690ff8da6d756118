//! From class scores to candidates.

use super::family::Wanted;
use crate::vision::{geometry::InputBox, nms::Candidate};

/// Keeps the best class of a cell, or every class, from the threshold on. Boxes that are no numbers are dropped.
pub fn pick(
    scores: impl Iterator<Item = f32>,
    wanted: &Wanted,
    bbox: impl Fn() -> InputBox,
    found: &mut Vec<Candidate>,
) {
    let mut keep = |(class, score): (usize, f32)| {
        let bbox = bbox();
        let sound = [bbox.cx, bbox.cy, bbox.width, bbox.height].into_iter().all(f32::is_finite);
        if sound && score >= wanted.threshold {
            found.push(Candidate { bbox, class_id: class as u32, score: score.min(1.0) });
        }
    };
    let scores = scores.enumerate();
    if wanted.multi_label {
        scores.filter(|&(_, score)| score >= wanted.threshold).for_each(keep);
    } else if let Some(best) = scores.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|best| best.1 >= wanted.threshold) {
        keep(best);
    }
}

pub fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

pub fn logit(probability: f32) -> f32 {
    (probability / (1.0 - probability)).ln()
}
