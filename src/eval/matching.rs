//! Which detections of one class on one picture are right.
//!
//! As COCO's evaluation does it (<https://cocodataset.org/#detection-eval>, and where that is silent as its program
//! pycocotools does): the best detection chooses first, the object that it overlaps most; an object is taken once, a
//! crowd as often as it is hit; objects that do not count are chosen last, and what chose one does not count either.

use super::{annotations::Object, overlap, results::Found};

/// How many IoU thresholds there are.
pub const THRESHOLDS: usize = 10;

/// More detections of a class on a picture than this are cut, the worst first.
pub const MOST: usize = 100;

/// From which IoU on a box is right: 0.50, 0.55 … 0.95. Calculated and not written, because a ratio that meets a
/// threshold exactly must fall on the same side of it as in numpy, whose `linspace` this is.
pub fn thresholds() -> [f64; THRESHOLDS] {
    let step = (0.95 - 0.5) / 9.0;
    let mut all: [f64; THRESHOLDS] = std::array::from_fn(|index| index as f64 * step + 0.5);
    all[THRESHOLDS - 1] = 0.95;
    all
}

/// Sizes of objects, by their area in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    All,
    Small,
    Medium,
    Large,
}

impl Area {
    pub const EACH: [Area; 4] = [Area::All, Area::Small, Area::Medium, Area::Large];

    /// A border belongs to both of its neighbours.
    fn holds(self, area: f64) -> bool {
        let (small, medium, most) = (32.0 * 32.0, 96.0 * 96.0, 1e5 * 1e5);
        let (least, most) = match self {
            Area::All => (0.0, most),
            Area::Small => (0.0, small),
            Area::Medium => (small, medium),
            Area::Large => (medium, most),
        };
        (least..=most).contains(&area)
    }
}

/// What a detection came to at one threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Right,
    Wrong,
    /// It hit what does not count, or hit nothing and is of another size.
    Ignored,
}

/// A detection with its verdict at each threshold.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    pub score: f64,
    pub verdicts: [Verdict; THRESHOLDS],
}

/// One class on one picture: its objects, and its detections from the best down.
pub struct Scene<'a> {
    objects: Vec<&'a Object>,
    found: Vec<&'a Found>,
    /// Of detection `d` and object `o` at `d * objects + o`.
    overlaps: Vec<f64>,
}

impl<'a> Scene<'a> {
    /// Equal scores keep their order.
    pub fn new(objects: Vec<&'a Object>, mut found: Vec<&'a Found>) -> Self {
        found.sort_by(|a, b| descending(a.score, b.score));
        found.truncate(MOST);
        let overlaps = found
            .iter()
            .flat_map(|found| objects.iter().map(|object| overlap(&found.bbox, &object.bbox, object.crowd)))
            .collect();
        Self { objects, found, overlaps }
    }

    /// The verdicts where only objects of this size count, best detection first, and how many objects count.
    pub fn judge(&self, area: Area) -> (Vec<Judged>, usize) {
        let counts: Vec<bool> = self.objects.iter().map(|object| !object.crowd && area.holds(object.area)).collect();
        let judged = |found: &&Found| Judged { score: found.score, verdicts: [Verdict::Ignored; THRESHOLDS] };
        let mut all: Vec<Judged> = self.found.iter().map(judged).collect();
        for (index, threshold) in thresholds().into_iter().enumerate() {
            let mut taken = vec![false; self.objects.len()];
            for (at, found) in self.found.iter().enumerate() {
                let chosen = self.choose(at, threshold, &counts, &taken);
                if let Some(object) = chosen {
                    taken[object] = true;
                }
                // A match with the annotation 0 is taken for none by pycocotools, and by all figures that it ever made.
                let hit = chosen.filter(|&object| self.objects[object].id != 0);
                let ignored = chosen.is_some_and(|object| !counts[object])
                    || hit.is_none() && !area.holds(found.bbox[2] * found.bbox[3]);
                all[at].verdicts[index] = match (ignored, hit) {
                    (true, _) => Verdict::Ignored,
                    (false, Some(_)) => Verdict::Right,
                    (false, None) => Verdict::Wrong,
                };
            }
        }
        (all, counts.into_iter().filter(|&counts| counts).count())
    }

    /// The object that a detection overlaps most, of those that count if one of them reaches the threshold; of equals the
    /// last.
    fn choose(&self, at: usize, threshold: f64, counts: &[bool], taken: &[bool]) -> Option<usize> {
        let overlaps = &self.overlaps[at * self.objects.len()..][..self.objects.len()];
        let best = |counting: bool| {
            let mut least = threshold.min(1.0 - 1e-10);
            let mut best = None;
            for (object, &overlap) in overlaps.iter().enumerate() {
                let free = !taken[object] || self.objects[object].crowd;
                if counts[object] == counting && free && overlap >= least {
                    (least, best) = (overlap, Some(object));
                }
            }
            best
        };
        best(true).or_else(|| best(false))
    }
}

/// Best first; a stable sort by this keeps the order of equals.
pub fn descending(a: f64, b: f64) -> std::cmp::Ordering {
    b.partial_cmp(&a).unwrap_or(std::cmp::Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(bbox: [f64; 4]) -> Object {
        Object { id: 1, image_id: 1, category_id: 1, bbox, area: bbox[2] * bbox[3], crowd: false }
    }

    fn found(bbox: [f64; 4], score: f64) -> Found {
        Found { image_id: 1, category_id: 1, bbox, score }
    }

    /// The verdicts at IoU 0.5, and how many objects count.
    fn judge(objects: &[Object], found: &[Found], area: Area) -> (Vec<Verdict>, usize) {
        let (judged, counted) = Scene::new(objects.iter().collect(), found.iter().collect()).judge(area);
        (judged.iter().map(|judged| judged.verdicts[0]).collect(), counted)
    }

    use Verdict::{Ignored, Right, Wrong};

    const BOX: [f64; 4] = [0.0, 0.0, 50.0, 50.0];

    #[test]
    fn an_object_is_found_once() {
        let twice = [found(BOX, 0.6), found([0.0, 0.0, 50.0, 49.0], 0.9)];
        assert_eq!(judge(&[object(BOX)], &twice, Area::All), (vec![Right, Wrong], 1));
    }

    #[test]
    fn what_lies_in_a_crowd_is_neither_right_nor_wrong() {
        let crowd = Object { crowd: true, ..object([0.0, 0.0, 500.0, 500.0]) };
        let all = [found(BOX, 0.9), found([100.0, 0.0, 9.0, 9.0], 0.8), found([600.0, 0.0, 9.0, 9.0], 0.7)];
        assert_eq!(judge(&[crowd.clone(), object(BOX)], &all, Area::All), (vec![Right, Ignored, Wrong], 1));
    }

    #[test]
    fn only_objects_of_the_size_count() {
        let all = [found(BOX, 0.9), found([100.0, 0.0, 9.0, 9.0], 0.8), found([200.0, 0.0, 60.0, 60.0], 0.7)];
        assert_eq!(judge(&[object(BOX)], &all, Area::Small), (vec![Ignored, Wrong, Ignored], 0));
        assert_eq!(judge(&[object(BOX)], &all, Area::Medium), (vec![Right, Ignored, Wrong], 1));
        // A border is on both sides.
        let border = object([0.0, 0.0, 32.0, 32.0]);
        for area in [Area::Small, Area::Medium] {
            assert_eq!(judge(std::slice::from_ref(&border), &[], area).1, 1);
        }
    }

    #[test]
    fn the_thresholds_are_numpys() {
        let all = thresholds();
        // What `numpy.linspace(.5, .95, 10)` prints.
        assert_eq!(all, [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95]);
    }
}
