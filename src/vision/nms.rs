//! Non-maximum suppression per class.

use super::geometry::InputBox;

/// What a family reads from the output tensors: one box of one class, in input space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    pub bbox: InputBox,
    pub class_id: u32,
    pub score: f32,
}

/// More candidates than this are cut, the worst first: the cost is quadratic, and a model that finds thousands of
/// things on one picture finds nothing.
const MOST: usize = 4096;

/// Keeps the best of the boxes of one class that overlap by more than `iou`. The answer is sorted, best first; equal
/// scores keep the order of the output tensors, so that the same tensors always give the same answer.
pub fn suppress(mut candidates: Vec<Candidate>, iou: f32) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(MOST);
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        let hidden = kept
            .iter()
            .any(|better| better.class_id == candidate.class_id && overlap(&better.bbox, &candidate.bbox) > iou);
        if !hidden {
            kept.push(candidate);
        }
    }
    kept
}

/// Intersection over union of two boxes; 0 when both are empty.
pub fn overlap(a: &InputBox, b: &InputBox) -> f32 {
    let shared = |a: f32, a_length: f32, b: f32, b_length: f32| {
        let from = (a - a_length / 2.0).max(b - b_length / 2.0);
        let to = (a + a_length / 2.0).min(b + b_length / 2.0);
        (to - from).max(0.0)
    };
    let both = shared(a.cx, a.width, b.cx, b.width) * shared(a.cy, a.height, b.cy, b.height);
    let union = a.width * a.height + b.width * b.height - both;
    if union > 0.0 { both / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(cx: f32, class_id: u32, score: f32) -> Candidate {
        Candidate { bbox: InputBox { cx, cy: 50.0, width: 20.0, height: 20.0 }, class_id, score }
    }

    #[test]
    fn the_best_of_a_heap_stays() {
        let kept = suppress(vec![candidate(50.0, 1, 0.6), candidate(52.0, 1, 0.9), candidate(90.0, 1, 0.3)], 0.45);
        assert_eq!(kept.iter().map(|c| c.score).collect::<Vec<_>>(), [0.9, 0.3]);
    }

    #[test]
    fn classes_do_not_hide_each_other() {
        assert_eq!(suppress(vec![candidate(50.0, 1, 0.6), candidate(50.0, 2, 0.9)], 0.45).len(), 2);
    }

    #[test]
    fn overlap_is_intersection_over_union() {
        let box_at = |cx| candidate(cx, 0, 1.0).bbox;
        assert!((overlap(&box_at(50.0), &box_at(60.0)) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(overlap(&box_at(50.0), &box_at(70.0)), 0.0);
        let empty = InputBox { cx: 1.0, cy: 1.0, width: 0.0, height: 0.0 };
        assert_eq!(overlap(&empty, &empty), 0.0);
    }
}
