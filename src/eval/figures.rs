//! From verdicts to precision, recall and COCO's twelve figures (<https://cocodataset.org/#detection-eval>).

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    annotations::{Annotations, Category, Object},
    matching::{Area, Judged, Scene, THRESHOLDS, Verdict, descending},
    results::Found,
};

/// Recalls at which precision is read: 0, 0.01 … 1.
pub const RECALLS: usize = 101;

/// Recall number `index`, as numpy's `linspace` calculates it: a recall that meets it exactly must count as there.
pub fn recall_at(index: usize) -> f64 {
    if index + 1 == RECALLS { 1.0 } else { index as f64 * 0.01 }
}

/// COCO's twelve. -1 where nothing is there to be found, as pycocotools has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[allow(non_snake_case, reason = "these are the figures' names wherever they are printed")]
pub struct Figures {
    /// Average precision, mean over the IoU thresholds 0.50, 0.55 … 0.95, over all recalls and classes.
    pub AP: f64,
    /// At IoU 0.50 alone.
    pub AP50: f64,
    pub AP75: f64,
    /// Of small objects (area up to 32² pixels), medium ones (to 96²), large ones.
    pub APs: f64,
    pub APm: f64,
    pub APl: f64,
    /// Average recall with at most one detection a class and picture, mean over the IoU thresholds and classes.
    pub AR1: f64,
    pub AR10: f64,
    pub AR100: f64,
    pub ARs: f64,
    pub ARm: f64,
    pub ARl: f64,
}

/// Precision and recall of one class in one [`View`].
#[derive(Clone, Debug)]
pub struct Curve {
    /// At each IoU threshold the best precision at this recall or a higher one; 0 beyond the highest.
    pub precision: Vec<[f64; RECALLS]>,
    /// The highest recall at each IoU threshold.
    pub recall: [f64; THRESHOLDS],
}

/// Which objects count, and how many detections of a class and picture are looked at.
type View = (Area, usize);

/// The views that the figures need, in the order of [`ClassResult`]'s curves.
const VIEWS: [View; 6] =
    [(Area::All, 100), (Area::Small, 100), (Area::Medium, 100), (Area::Large, 100), (Area::All, 1), (Area::All, 10)];

/// What came out for one class.
#[derive(Clone, Debug)]
pub struct ClassResult {
    pub category: Category,
    /// Objects that are to be found (no crowds), and detections.
    pub objects: usize,
    pub detections: usize,
    /// Of each of [`VIEWS`]; `None` where no object counts.
    curves: [Option<Curve>; VIEWS.len()],
}

impl ClassResult {
    /// Over objects of all sizes; `None` where there are none.
    pub fn curve(&self) -> Option<&Curve> {
        self.curves[0].as_ref()
    }

    /// The figures of this class alone.
    pub fn figures(&self) -> Figures {
        summarize(std::slice::from_ref(self))
    }
}

/// What one picture has of one category, in the order in which it was given.
#[derive(Default)]
struct Pair<'a> {
    objects: Vec<&'a Object>,
    found: Vec<&'a Found>,
}

/// Judges detections by annotations, class by class; for these categories, in their order.
pub fn evaluate(annotations: &Annotations, found: &[Found], categories: &[Category]) -> Vec<ClassResult> {
    let mut pairs: BTreeMap<(i64, i64), Pair<'_>> = BTreeMap::new();
    for object in &annotations.objects {
        pairs.entry((object.category_id, object.image_id)).or_default().objects.push(object);
    }
    for found in found {
        pairs.entry((found.category_id, found.image_id)).or_default().found.push(found);
    }
    let of_class = |category: &Category| {
        let pairs = pairs.range((category.id, i64::MIN)..=(category.id, i64::MAX));
        let objects = pairs.clone().flat_map(|(_, pair)| &pair.objects).filter(|object| !object.crowd).count();
        let detections = pairs.clone().map(|(_, pair)| pair.found.len()).sum();
        let scenes: Vec<Scene<'_>> =
            pairs.map(|(_, pair)| Scene::new(pair.objects.clone(), pair.found.clone())).collect();
        let judged = Area::EACH.map(|area| scenes.iter().map(|scene| scene.judge(area)).collect::<Vec<_>>());
        let curves = VIEWS.map(|(area, most)| curve(&judged[area as usize], most));
        ClassResult { category: category.clone(), objects, detections, curves }
    };
    categories.iter().map(of_class).collect()
}

/// The curve over all pictures' verdicts, of which the `most` best of each picture are looked at.
fn curve(pictures: &[(Vec<Judged>, usize)], most: usize) -> Option<Curve> {
    let total: usize = pictures.iter().map(|(_, counted)| counted).sum();
    if total == 0 {
        return None;
    }
    let mut judged: Vec<&Judged> = pictures.iter().flat_map(|(judged, _)| judged.iter().take(most)).collect();
    judged.sort_by(|a, b| descending(a.score, b.score));
    let mut curve = Curve { precision: vec![[0.0; RECALLS]; THRESHOLDS], recall: [0.0; THRESHOLDS] };
    for threshold in 0..THRESHOLDS {
        let (mut right, mut wrong) = (0.0, 0.0);
        // Recall and precision after each detection.
        let mut steps: Vec<(f64, f64)> = Vec::with_capacity(judged.len());
        for judged in &judged {
            match judged.verdicts[threshold] {
                Verdict::Right => right += 1.0,
                Verdict::Wrong => wrong += 1.0,
                Verdict::Ignored => {}
            }
            steps.push((right / total as f64, right / f64::max(right + wrong, 1.0)));
        }
        curve.recall[threshold] = steps.last().map_or(0.0, |(recall, _)| *recall);
        let mut best = 0.0;
        for (_, precision) in steps.iter_mut().rev() {
            best = f64::max(best, *precision);
            *precision = best;
        }
        for (index, precision) in curve.precision[threshold].iter_mut().enumerate() {
            let first = steps.partition_point(|(recall, _)| *recall < recall_at(index));
            *precision = steps.get(first).map_or(0.0, |(_, precision)| *precision);
        }
    }
    Some(curve)
}

/// The twelve figures over classes; those without objects are left out.
pub fn summarize(classes: &[ClassResult]) -> Figures {
    let of = |view: View, value: &dyn Fn(&Curve) -> f64| {
        let index = VIEWS.iter().position(|known| *known == view).unwrap_or(0);
        let values: Vec<f64> = classes.iter().filter_map(|class| class.curves[index].as_ref()).map(value).collect();
        if values.is_empty() { -1.0 } else { mean(&values) }
    };
    let each = |curve: &Curve| mean(&curve.precision.iter().map(|at| mean(at)).collect::<Vec<_>>());
    let recall = |curve: &Curve| mean(&curve.recall);
    Figures {
        AP: of((Area::All, 100), &each),
        AP50: of((Area::All, 100), &|curve| mean(&curve.precision[0])),
        AP75: of((Area::All, 100), &|curve| mean(&curve.precision[5])),
        APs: of((Area::Small, 100), &each),
        APm: of((Area::Medium, 100), &each),
        APl: of((Area::Large, 100), &each),
        AR1: of((Area::All, 1), &recall),
        AR10: of((Area::All, 10), &recall),
        AR100: of((Area::All, 100), &recall),
        ARs: of((Area::Small, 100), &recall),
        ARm: of((Area::Medium, 100), &recall),
        ARl: of((Area::Large, 100), &recall),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::annotations;

    /// Two objects of class 1, one of class 2, none of class 3, on two pictures.
    fn annotations() -> Annotations {
        let text = r#"{"images": [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "2.jpg"}],
            "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "c"}], "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 20, 20]},
            {"id": 2, "image_id": 2, "category_id": 1, "bbox": [0, 0, 50, 50]},
            {"id": 3, "image_id": 2, "category_id": 2, "bbox": [50, 0, 100, 100]}]}"#;
        annotations::read(text.as_bytes()).expect("good annotations")
    }

    fn found(image_id: i64, category_id: i64, bbox: [f64; 4], score: f64) -> Found {
        Found { image_id, category_id, bbox, score }
    }

    #[test]
    fn figures_are_those_counted_by_hand() {
        let annotations = annotations();
        let all = [
            found(1, 1, [0.0, 0.0, 20.0, 20.0], 0.9),
            // Wrong, and of a score between the two right ones.
            found(1, 1, [60.0, 60.0, 20.0, 20.0], 0.8),
            found(2, 1, [0.0, 0.0, 50.0, 50.0], 0.7),
            // Nothing of class 2 is found; what is found of class 3, which nobody annotated, costs nothing.
            found(2, 3, [0.0, 0.0, 50.0, 50.0], 0.7),
        ];
        let classes = evaluate(&annotations, &all, &annotations.categories);
        let figures = summarize(&classes);
        // Class 1: precision 1 up to recall 0.5 (51 of 101 points), 2/3 beyond.
        let one = (51.0 + 50.0 * 2.0 / 3.0) / 101.0;
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(near(classes[0].figures().AP, one), "{:?}", classes[0].figures());
        assert!(near(figures.AP, one / 2.0) && near(figures.AP50, one / 2.0), "{figures:?}");
        assert!(near(figures.AR1, 0.5) && near(figures.AR100, 0.5), "{figures:?}");
        // The small object is found before the wrong box, which is small too.
        assert!(near(figures.APs, 1.0) && near(figures.APm, 1.0) && near(figures.APl, 0.0), "{figures:?}");
        assert_eq!(classes[2].figures().AP, -1.0);
        assert_eq!((classes[0].objects, classes[0].detections, classes[2].detections), (2, 3, 1));
    }

    #[test]
    fn nothing_found_is_nought_and_nothing_there_is_none() {
        let annotations = annotations();
        let nought = summarize(&evaluate(&annotations, &[], &annotations.categories));
        assert_eq!((nought.AP, nought.AR100, nought.ARs), (0.0, 0.0, 0.0));
        let none = summarize(&evaluate(&annotations, &[], &annotations.categories[2..]));
        assert_eq!((none.AP, none.AR1, none.ARl), (-1.0, -1.0, -1.0));
    }
}
