//! How right a detector is, by COCO's own measure: pure functions on plain values.
//!
//! Annotations and detections are those of the COCO data format (<https://cocodataset.org/#format-data>,
//! <https://cocodataset.org/#format-results>), boxes `[x, y, width, height]` in pixels, origin top left.

pub mod annotations;
pub mod curves;
pub mod figures;
pub mod matching;
pub mod names;
pub mod report;
pub mod results;

/// Intersection over union of two boxes `[x, y, width, height]`; over the area of `found` alone where the other marks a
/// crowd, as whatever lies inside a crowd is right. 0 where they do not touch.
pub fn overlap(found: &[f64; 4], other: &[f64; 4], crowd: bool) -> f64 {
    let shared =
        |axis: usize| (found[axis] + found[axis + 2]).min(other[axis] + other[axis + 2]) - found[axis].max(other[axis]);
    let (width, height) = (shared(0), shared(1));
    if width <= 0.0 || height <= 0.0 {
        return 0.0;
    }
    let both = width * height;
    let own = found[2] * found[3];
    both / if crowd { own } else { own + other[2] * other[3] - both }
}

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn a_crowd_asks_only_how_much_of_a_box_lies_inside_it() {
        let (found, other) = ([0.0, 0.0, 10.0, 10.0], [5.0, 0.0, 100.0, 10.0]);
        assert_eq!(overlap(&found, &other, true), 0.5);
        assert_eq!(overlap(&found, &other, false), 50.0 / 1050.0);
        assert_eq!(overlap(&found, &[10.0, 0.0, 5.0, 5.0], false), 0.0);
        assert_eq!(overlap(&found, &[2.0, 2.0, 0.0, 5.0], true), 0.0);
    }
}
