//! YOLOv8 and what followed it (v9, v10, 11, 12): one output without an objectness.
//!
//! `[predictions]`: `[4 + C, K]`, one column for each cell: centre, size in pixels of the input, classes as probabilities; or the
//! same transposed. `[detections]`: the end-to-end layout that needs no non-maximum suppression, `[K, 6]`, mostly 300 rows: x1,
//! y1, x2, y2 in pixels of the input, score, class; what fills it up has a score of 0.
//!
//! Source of the layouts: `Detect` in `ultralytics/nn/modules/head.py`, `v10postprocess` of YOLOv10's `Detect`, and
//! `NMSModel` in `ultralytics/engine/exporter.py`. Pictures go in as RGB of 0 to 1 in a letterbox with grey bars of 114.
//!
//! Tried only with graphs of these layouts and known boxes: no real weights were at hand.

use serde::Deserialize;

use super::{Coordinates, Family, Output, Wanted, tensors};
use crate::{
    models::{
        Manifest,
        import::{Proposal, Seen, SeenOutput},
        scores::pick,
    },
    vision::{geometry::InputBox, nms::Candidate},
};

/// Of published models: those for large and for small objects have a fourth grid.
const GRIDS: [&[u32]; 3] = [&[8, 16, 32], &[4, 8, 16, 32], &[8, 16, 32, 64]];

/// What the family reads of the manifest; one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    predictions: Option<Tensor>,
    detections: Option<Tensor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tensor {
    /// Name of the output tensor.
    output: String,
    #[serde(default)]
    coordinates: Coordinates,
}

pub fn make(manifest: &Manifest, classes: usize) -> Result<Box<dyn Family>, String> {
    let input = (manifest.input.width, manifest.input.height);
    let Keys { predictions, detections } = manifest.family_keys()?;
    match (predictions, detections) {
        (Some(Tensor { output, coordinates }), None) => {
            Ok(Box::new(Predictions { output, unit: coordinates.unit(input), classes }))
        }
        (None, Some(Tensor { output, coordinates })) => {
            Ok(Box::new(Detections { output, unit: coordinates.unit(input), classes }))
        }
        _ => {
            Err("the family yolov8 wants [predictions] or, where the network suppresses overlaps itself, [detections]"
                .into())
        }
    }
}

struct Predictions {
    output: String,
    unit: (f32, f32),
    classes: usize,
}

impl Family for Predictions {
    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn check(&self, shapes: &[&[usize]]) -> Result<(), String> {
        let channels = 4 + self.classes;
        match shapes {
            [[a, b]] if *a == channels || *b == channels => Ok(()),
            _ => Err(format!(
                "the output `{}` has the shape {:?}, but {} labels make [{channels}, cells] or [cells, {channels}]",
                self.output,
                shapes.first().copied().unwrap_or_default(),
                self.classes
            )),
        }
    }

    fn decode(&self, outputs: &[Output<'_>], wanted: &Wanted) -> Vec<Candidate> {
        let (Some(output), channels) = (outputs.first(), 4 + self.classes) else { return Vec::new() };
        let cells = output.values.len() / channels;
        let (of_channel, of_cell) = if output.shape.first() == Some(&channels) { (cells, 1) } else { (1, channels) };
        let (x, y) = self.unit;
        let mut found = Vec::new();
        for cell in 0..cells {
            let at = |channel: usize| output.values[channel * of_channel + cell * of_cell];
            let bbox = || InputBox { cx: at(0) * x, cy: at(1) * y, width: at(2) * x, height: at(3) * y };
            pick((4..channels).map(at), wanted, bbox, &mut found);
        }
        found
    }
}

struct Detections {
    output: String,
    unit: (f32, f32),
    classes: usize,
}

impl Family for Detections {
    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn check(&self, shapes: &[&[usize]]) -> Result<(), String> {
        match shapes {
            // One alone comes without an axis for it.
            [[.., 6]] => Ok(()),
            _ => {
                let (output, shape) = (&self.output, shapes.first().copied().unwrap_or_default());
                Err(format!("the output `{output}` has the shape {shape:?}, but [detections] are [rows, 6]"))
            }
        }
    }

    fn decode(&self, outputs: &[Output<'_>], wanted: &Wanted) -> Vec<Candidate> {
        let ((x, y), mut found) = (self.unit, Vec::new());
        for row in outputs.iter().flat_map(|output| output.values.chunks_exact(6)) {
            let &[left, top, right, bottom, score, class] = row else { continue };
            if !(0.0..self.classes as f32).contains(&class) {
                continue;
            }
            let bbox = || InputBox {
                cx: (left + right) / 2.0 * x,
                cy: (top + bottom) / 2.0 * y,
                width: (right - left) * x,
                height: (bottom - top) * y,
            };
            let before = found.len();
            pick(std::iter::once(score), wanted, bbox, &mut found);
            found[before..].iter_mut().for_each(|candidate| candidate.class_id = class as u32);
        }
        found
    }

    fn suppresses(&self) -> bool {
        true
    }
}

pub fn recognise(seen: &Seen) -> Option<Proposal> {
    let output = seen.single().filter(|_| seen.is_for("detect"))?;
    let [first, last] = output.shape[..] else { return None };
    let on_grid = |rows: usize| GRIDS.iter().any(|grid| seen.cells(grid) == Some(rows));
    if last == 6 && !on_grid(first) && are_detections(output, seen.labels) {
        return Some(Proposal {
            // Of nothing that was found, nothing is seen.
            certain: !output.values.is_empty(),
            because: format!("{first} rows of two corners, a score and a class"),
            // The output has room for any number.
            classes: seen.labels.unwrap_or(80),
            keys: tensors("detections", [("output", &output.name)]),
            ..seen.usual()
        });
    }
    let proposal = |certain: bool, channels: usize, how: &str| Proposal {
        certain,
        because: format!("{how} for each cell, without an objectness"),
        classes: channels - 4,
        keys: tensors("predictions", [("output", &output.name)]),
        ..seen.usual()
    };
    let has = |channels: usize| channels > 4 && seen.has_labels(channels - 4);
    let classes = output.values.get(4 * last..).unwrap_or_default();
    if on_grid(last) && has(first) && classes.iter().all(|score| (-0.01..=1.01).contains(score)) {
        return Some(proposal(true, first, "one column"));
    }
    // With one class less, this is a YOLOX that was placed on the picture.
    let placed = output.values.chunks_exact(last.max(1)).all(|row| row.len() > 3 && row[2] >= 0.0 && row[3] >= 0.0);
    let (coco, yolox) = (last == 84, last == 85 && seen.labels.is_none());
    (on_grid(first) && has(last) && placed && !yolox && output.are_probabilities(4..last))
        .then(|| proposal(coco || seen.labels.is_some(), last, "one row"))
}

/// Corners that lie in order, scores, and classes that are whole numbers.
fn are_detections(output: &SeenOutput, labels: Option<usize>) -> bool {
    let most = labels.unwrap_or(usize::MAX) as f32;
    output.values.chunks_exact(6).all(|row| {
        let sound = row[0] <= row[2] && row[1] <= row[3] && (0.0..=1.0).contains(&row[4]);
        sound && row[5].fract() == 0.0 && (-1.0..most).contains(&row[5])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "family = \"yolov8\"\nlabels = [\"a\", \"b\"]\n[input]\nname = \"x\"\nwidth = 64\nheight = 32\n";
    const WANTED: Wanted = Wanted { threshold: 0.25, multi_label: false };

    fn family(keys: &str) -> Result<Box<dyn Family>, String> {
        make(&Manifest::parse(&format!("{TEXT}{keys}")).expect("a good manifest"), 2)
    }

    #[test]
    fn columns_and_rows_are_the_same_boxes() {
        let family = family("[predictions]\noutput = \"y\"\n").expect("a family");
        let rows = [[20.0, 10.0, 8.0, 4.0, 0.1, 0.9], [5.0, 6.0, 2.0, 3.0, 0.6, 0.3], [1.0, 1.0, 1.0, 1.0, 0.1, 0.2]];
        let columns: Vec<f32> = (0..6).flat_map(|channel| rows.map(|row| row[channel])).collect();
        let by_column = family.decode(&[Output { shape: &[6, 3], values: &columns }], &WANTED);
        assert_eq!(by_column, family.decode(&[Output { shape: &[3, 6], values: &rows.concat() }], &WANTED));
        assert_eq!(by_column.iter().map(|c| (c.class_id, c.score)).collect::<Vec<_>>(), [(1, 0.9), (0, 0.6)]);
        assert_eq!(by_column[0].bbox, InputBox { cx: 20.0, cy: 10.0, width: 8.0, height: 4.0 });
        assert!(family.check(&[&[6, 3]]).is_ok() && family.check(&[&[3, 6]]).is_ok());
        assert!(family.check(&[&[84, 3]]).is_err_and(|words| words.contains("[6, cells]")));
    }

    #[test]
    fn finished_detections_are_taken_as_they_are() {
        let family = family("[detections]\noutput = \"y\"\n").expect("a family");
        let rows = [
            [2.0, 4.0, 12.0, 10.0, 0.9, 1.0],
            [3.0, 4.0, 12.0, 10.0, 0.8, 1.0],
            // Of a class that there is not, no number, filled up.
            [2.0, 4.0, 12.0, 10.0, 0.9, 2.0],
            [f32::NAN, 4.0, 12.0, 10.0, 0.9, 1.0],
            [2.0, 4.0, 12.0, 10.0, f32::NAN, f32::NAN],
            [0.0; 6],
        ];
        let found = family.decode(&[Output { shape: &[6, 6], values: &rows.concat() }], &WANTED);
        assert_eq!(found.iter().map(|c| (c.class_id, c.score)).collect::<Vec<_>>(), [(1, 0.9), (1, 0.8)]);
        assert_eq!(found[0].bbox, InputBox { cx: 7.0, cy: 7.0, width: 10.0, height: 6.0 });
        assert!(family.suppresses());
        for shape in [&[300, 6][..], &[0, 6], &[6]] {
            assert!(family.check(&[shape]).is_ok(), "{shape:?}");
        }
        assert!(family.check(&[&[300, 7]]).is_err());
    }

    #[test]
    fn one_of_the_two_is_wanted() {
        for keys in ["", "[predictions]\noutput = \"y\"\n[detections]\noutput = \"y\"\n"] {
            assert!(family(keys).is_err_and(|words| words.contains("[predictions]")));
        }
    }
}
