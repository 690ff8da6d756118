//! The figures are those of pycocotools, COCO's own program, on the same detections.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::{
    command_line::ends,
    harness::{program, root, temp},
};

/// COCO's twelve, in the order in which pycocotools counts them.
pub const FIGURES: [&str; 12] =
    ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"];

/// What pycocotools says of `N.annotations.json` and `N.results.json` in a folder.
pub fn oracle(folder: &Path) -> Vec<Value> {
    let packages = root().join("deps/pycocotools");
    assert!(packages.is_dir(), "deps/pycocotools is missing: make test-setup, or scripts/wheels.sh pycocotools");
    let mut command = Command::new("/usr/bin/python3");
    command.arg(root().join("tests/coco_figures.py")).arg(folder).env("PYTHONPATH", packages);
    let output = ends(&mut command, 0);
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn eval(annotations: &Path) -> Command {
    let mut command = program();
    command.args(["eval", "--json", "--annotations"]).arg(annotations);
    command
}

/// The report that the command prints.
pub fn report(command: &mut Command) -> Value {
    serde_json::from_slice(&ends(command, 0).stdout).unwrap()
}

/// How far apart a report and the oracle's words are, of all figures the farthest.
pub fn apart(report: &Value, oracle: &Value) -> f64 {
    let mut pairs: Vec<(f64, f64)> = FIGURES
        .iter()
        .zip(oracle["stats"].as_array().unwrap())
        .map(|(name, figure)| (report[name].as_f64().unwrap(), figure.as_f64().unwrap()))
        .collect();
    let classes = report["per_class"].as_array().unwrap();
    let known = oracle["classes"].as_object().unwrap();
    assert_eq!(classes.iter().filter(|class| class["AP"].as_f64().unwrap() >= 0.0).count(), known.len());
    pairs.extend(known.iter().map(|(id, figure)| {
        let class = classes.iter().find(|class| class["category_id"].as_i64() == id.parse().ok()).unwrap();
        (class["AP"].as_f64().unwrap(), figure.as_f64().unwrap())
    }));
    pairs.into_iter().map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f64::max)
}

/// The same numbers in every run (Knuth's MMIX generator).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.roll() * end as f64) as u64
    }

    fn happens(&mut self, share: f64) -> bool {
        self.roll() < share
    }
}

/// What the sets differ in.
struct Kind {
    images: u64,
    categories: u64,
    /// Objects of an image at most, and detections beside those of objects.
    objects: u64,
    stray: u64,
    /// Scores are multiples of this: large makes many equal.
    step: f64,
    /// Boxes have whole sides out of few, so that areas and overlaps meet the borders exactly.
    whole: bool,
    crowds: f64,
    /// The first annotation's id.
    first: i64,
}

/// Annotations and detections of them, some of which miss.
fn set(dice: &mut Dice, kind: &Kind) -> (Value, Value) {
    const SIDES: [f64; 7] = [8.0, 16.0, 32.0, 48.0, 96.0, 144.0, 288.0];
    // Ids with gaps, and not in their order in the file.
    let images: Vec<i64> = (0..kind.images as i64).rev().map(|n| n * 7 + 3).collect();
    let categories: Vec<i64> = (0..kind.categories as i64).rev().map(|n| n * n + 2).collect();
    let (mut annotations, mut results) = (Vec::new(), Vec::new());
    let random_box = |dice: &mut Dice| {
        let side = |dice: &mut Dice| match kind.whole {
            true => SIDES[dice.below(SIDES.len() as u64) as usize],
            false => (dice.roll() * 6.0).exp(),
        };
        let (x, y) = (dice.roll() * 500.0, dice.roll() * 400.0);
        let (x, y) = if kind.whole { (x.round(), y.round()) } else { (x, y) };
        [x, y, side(dice), side(dice)]
    };
    let score = |dice: &mut Dice| ((dice.roll() / kind.step).round() * kind.step).min(1.0);
    for &image in &images {
        for _ in 0..dice.below(kind.objects + 1) {
            // The last category has no objects.
            let category = categories[dice.below(kind.categories.max(2) - 1) as usize];
            let bbox = random_box(dice);
            let crowd = dice.happens(kind.crowds);
            // An outline has less than its box; sometimes exactly as much as the borders between sizes.
            let share = if kind.whole { 1.0 } else { 0.5 + dice.roll() / 2.0 };
            let area = bbox[2] * bbox[3] * share;
            let id = annotations.len() as i64 + kind.first;
            annotations.push(json!({ "id": id, "image_id": image, "category_id": category, "bbox": bbox, "area": area,
                "iscrowd": u8::from(crowd), "ignore": u8::from(dice.happens(0.1)) }));
            // Found once, several times, as something else, or not at all.
            for _ in 0..dice.below(if crowd { 6 } else { 3 }) {
                let category = if dice.happens(0.9) { category } else { categories[0] };
                let near = bbox.map(|length| match kind.whole {
                    true if dice.happens(0.5) => length,
                    true => [length, length / 2.0, length * 2.0][dice.below(3) as usize],
                    false => length * (0.8 + 0.4 * dice.roll()),
                });
                let bbox = [bbox[0], bbox[1], near[2], near[3]];
                results.push(json!({ "image_id": image, "category_id": category, "bbox": bbox, "score": score(dice) }));
            }
        }
        for _ in 0..dice.below(kind.stray + 1) {
            let category = categories[dice.below(kind.categories) as usize];
            let bbox = random_box(dice);
            results.push(json!({ "image_id": image, "category_id": category, "bbox": bbox, "score": score(dice) }));
        }
    }
    // Of a category that is none.
    results.push(json!({ "image_id": images[0], "category_id": 999, "bbox": [1, 1, 9, 9], "score": 0.5 }));
    let images: Vec<Value> = images
        .iter()
        .map(|id| json!({ "id": id, "file_name": format!("{id}.jpg"), "width": 800, "height": 700 }))
        .collect();
    let categories: Vec<Value> =
        categories.iter().map(|id| json!({ "id": id, "name": format!("class {id}") })).collect();
    // One of an image and one of a category that are not listed.
    for (image, category) in [(-5, 2), (3, 1000)] {
        annotations
            .push(json!({ "id": annotations.len() as i64 + kind.first, "image_id": image, "category_id": category,
            "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0 }));
    }
    (json!({ "images": images, "categories": categories, "annotations": annotations }), Value::Array(results))
}

#[test]
fn figures_are_those_of_pycocotools() {
    let usual =
        || Kind { images: 12, categories: 5, objects: 8, stray: 6, step: 1e-4, whole: false, crowds: 0.1, first: 1 };
    let kinds = [
        ("usual", usual()),
        ("ties of scores", Kind { step: 0.25, ..usual() }),
        ("only one score", Kind { step: 2.0, ..usual() }),
        ("ties of overlaps and areas on borders", Kind { whole: true, step: 0.1, ..usual() }),
        ("crowds above all", Kind { crowds: 0.7, ..usual() }),
        ("crowds alone", Kind { crowds: 1.0, images: 3, ..usual() }),
        ("one class", Kind { categories: 1, ..usual() }),
        ("classes without objects", Kind { categories: 20, objects: 2, ..usual() }),
        ("one picture", Kind { images: 1, objects: 30, ..usual() }),
        ("more than a hundred of a class on a picture", Kind { images: 3, categories: 2, stray: 700, ..usual() }),
        ("mostly empty pictures", Kind { images: 60, objects: 1, stray: 1, ..usual() }),
        ("many to be recalled", Kind { images: 60, categories: 2, objects: 20, stray: 40, ..usual() }),
        ("an annotation with the id 0", Kind { first: 0, images: 3, step: 0.1, ..usual() }),
    ];
    let folder = temp();
    let file = |number: usize, what: &str| folder.path().join(format!("{number}.{what}.json"));
    let mut dice = Dice(4);
    let mut names = Vec::new();
    for (name, kind) in &kinds {
        for _ in 0..4 {
            let (annotations, results) = set(&mut dice, kind);
            fs::write(file(names.len(), "annotations"), annotations.to_string()).unwrap();
            fs::write(file(names.len(), "results"), results.to_string()).unwrap();
            names.push(*name);
        }
    }
    let oracle = oracle(folder.path());
    assert_eq!(oracle.len(), names.len());
    let (mut farthest, mut seen) = (0.0f64, 0.0f64);
    for (number, (name, wanted)) in names.iter().zip(&oracle).enumerate() {
        let results: PathBuf = file(number, "results");
        let ours = report(eval(&file(number, "annotations")).arg("--detections").arg(&results));
        let apart = apart(&ours, wanted);
        assert!(apart < 1e-9, "set {number} ({name}): {apart} apart: {ours} is not {wanted}");
        farthest = farthest.max(apart);
        seen = seen.max(ours["AP"].as_f64().unwrap());
    }
    println!("{} sets: at most {farthest:e} apart", names.len());
    assert!(seen > 0.1, "something was found");
}
