//! NanoDet and NanoDet-Plus: for each cell the classes' probabilities, and for each side of the box a distribution of
//! its distance from the cell's centre.
//!
//! A distance is the mean of its distribution, `sum(i * softmax(z)[i])` for i from 0 on, times the stride. NanoDet gives
//! classes and distances of each grid as tensors of their own and counts from the middle of a cell; NanoDet-Plus gives one output
//! of rows `[K, C + 4 * bins]` and counts from the cell's corner.
//!
//! Source of the formulas: Li et al., "Generalized Focal Loss", 2020, section 3; `gfl_head.py` and `nanodet_plus_head.py` of
//! NanoDet. Pictures go in as BGR with ImageNet's mean and deviation; NanoDet was trained on letterboxed pictures,
//! NanoDet-Plus on stretched ones.
//!
//! Tried with nanodet-m at 320x320; NanoDet-Plus only with a graph of its layout and known boxes.

use serde::Deserialize;

use super::{Family, Output, Wanted, tensors};
use crate::{
    frame::Size,
    models::{
        Manifest,
        import::{Proposal, Seen, SeenOutput},
        scores::pick,
    },
    vision::{geometry::InputBox, geometry::Resize, nms::Candidate, tensor::Channels},
};

/// Of all published models: a distance is at most 7 strides.
const BINS: usize = 8;

/// What the family reads of the manifest; one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    #[serde(default)]
    grids: Vec<Names>,
    rows: Option<Rows>,
}

/// The two output tensors of one grid.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    /// Pixels of the input per cell.
    stride: u32,
    classes: String,
    distances: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    /// Name of the output tensor.
    output: String,
    /// In the rows' order.
    strides: Vec<u32>,
}

pub fn make(manifest: &Manifest, classes: usize) -> Result<Box<dyn Family>, String> {
    let size = Size::new(manifest.input.width, manifest.input.height);
    let Keys { grids, rows } = manifest.family_keys()?;
    let (outputs, strides, plus) = match (grids.is_empty(), rows) {
        (false, None) => {
            let strides = grids.iter().map(|grid| grid.stride).collect();
            let outputs = grids.into_iter().flat_map(|grid| [grid.classes, grid.distances]).collect();
            (outputs, strides, false)
        }
        (true, Some(Rows { output, strides })) => (vec![output], strides, true),
        _ => {
            return Err(
                "the family nanodet wants [[grids]], one for each stride, or, of NanoDet-Plus, one [rows]".into()
            );
        }
    };
    if strides.is_empty() || strides.contains(&0) {
        return Err("strides are pixels of the input, 1 at least".into());
    }
    let grids: Vec<Grid> = strides.into_iter().map(|stride| Grid::new(stride, size)).collect();
    Ok(Box::new(NanoDet { outputs, grids, plus, classes }))
}

struct NanoDet {
    outputs: Vec<String>,
    grids: Vec<Grid>,
    /// One output, distances from the cells' corners.
    plus: bool,
    classes: usize,
}

struct Grid {
    stride: u32,
    columns: usize,
    cells: usize,
}

impl Grid {
    /// A cell that reaches beyond the input counts.
    fn new(stride: u32, Size { width, height }: Size) -> Self {
        let columns = width.div_ceil(stride) as usize;
        Self { stride, columns, cells: columns * height.div_ceil(stride) as usize }
    }

    /// Candidates of one cell.
    fn read(&self, cell: usize, plus: bool, row: (&[f32], &[f32]), wanted: &Wanted, found: &mut Vec<Candidate>) {
        let (stride, offset) = (self.stride as f32, if plus { 0.0 } else { 0.5 });
        let (classes, distances) = row;
        let bbox = || {
            let bins = distances.len() / 4;
            let side = |side: usize| mean(&distances[side * bins..(side + 1) * bins]) * stride;
            let (left, top, right, bottom) = (side(0), side(1), side(2), side(3));
            InputBox {
                cx: ((cell % self.columns) as f32 + offset) * stride + (right - left) / 2.0,
                cy: ((cell / self.columns) as f32 + offset) * stride + (bottom - top) / 2.0,
                width: left + right,
                height: top + bottom,
            }
        };
        pick(classes.iter().copied(), wanted, bbox, found);
    }
}

/// Of the numbers from 0 on, by logits of their probabilities.
fn mean(logits: &[f32]) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weighted = logits.iter().enumerate().map(|(number, logit)| (number as f32, (logit - most).exp()));
    let (sum, weights) =
        weighted.fold((0.0, 0.0), |(sum, weights), (number, weight)| (sum + number * weight, weights + weight));
    sum / weights
}

impl Family for NanoDet {
    fn outputs(&self) -> Vec<&str> {
        self.outputs.iter().map(String::as_str).collect()
    }

    fn check(&self, shapes: &[&[usize]]) -> Result<(), String> {
        let classes = self.classes;
        let bins = |length: usize| length >= 8 && length.is_multiple_of(4);
        let fits = match shapes {
            [[rows, length]] if self.plus => {
                *rows == self.grids.iter().map(|grid| grid.cells).sum::<usize>()
                    && length.checked_sub(classes).is_some_and(bins)
            }
            pairs if !self.plus && pairs.len() == 2 * self.grids.len() => {
                pairs.chunks_exact(2).zip(&self.grids).all(|(pair, grid)| match pair {
                    [[a, known], [b, length]] => (*a, *b, *known) == (grid.cells, grid.cells, classes) && bins(*length),
                    _ => false,
                })
            }
            _ => false,
        };
        let cells: Vec<usize> = self.grids.iter().map(|grid| grid.cells).collect();
        fits.then_some(()).ok_or_else(|| {
            format!(
                "the outputs have the shapes {shapes:?}, but {classes} labels and grids of {cells:?} cells make rows of {classes} classes and 4 distributions each"
            )
        })
    }

    fn decode(&self, outputs: &[Output<'_>], wanted: &Wanted) -> Vec<Candidate> {
        let mut found = Vec::new();
        if let ([output], true) = (outputs, self.plus) {
            let length = output.shape.last().copied().unwrap_or(1).max(1);
            let mut rows = output.values.chunks_exact(length);
            for grid in &self.grids {
                for (cell, row) in rows.by_ref().take(grid.cells).enumerate() {
                    grid.read(cell, true, row.split_at(self.classes.min(length)), wanted, &mut found);
                }
            }
        } else {
            for (grid, pair) in self.grids.iter().zip(outputs.chunks_exact(2)) {
                let length = pair[1].shape.last().copied().unwrap_or(1).max(1);
                let rows = pair[0].values.chunks_exact(self.classes).zip(pair[1].values.chunks_exact(length));
                rows.enumerate().for_each(|(cell, row)| grid.read(cell, false, row, wanted, &mut found));
            }
        }
        found
    }
}

pub fn recognise(seen: &Seen) -> Option<Proposal> {
    let (classes, keys, resize, because) = match seen.single() {
        Some(output) => plus(seen, output)?,
        None => pairs(seen)?,
    };
    let (mean, std) = match seen.bytes {
        true => ([0.0; 3], [1.0; 3]),
        false => ([103.53, 116.28, 123.675], [57.375, 57.12, 58.395]),
    };
    Some(Proposal {
        because,
        classes,
        channels: Channels::Bgr,
        scale: 1.0,
        mean,
        std,
        resize,
        score: 0.35,
        iou: 0.6,
        keys,
        ..seen.usual()
    })
}

type Read = (usize, toml::Table, Resize, String);

fn plus(seen: &Seen, output: &SeenOutput) -> Option<Read> {
    let [rows, length] = output.shape[..] else { return None };
    let classes = length.checked_sub(4 * BINS).filter(|&classes| classes > 0 && seen.has_labels(classes))?;
    let cells = |strides: &[u32]| strides.iter().map(|&stride| Grid::new(stride, seen.size).cells).sum::<usize>();
    let strides = [vec![8, 16, 32, 64], vec![8, 16, 32]].into_iter().find(|strides| cells(strides) == rows)?;
    let fits = output.are_probabilities(0..classes) && !output.are_probabilities(classes..length);
    let mut keys = tensors("rows", [("output", &output.name)]);
    if let Some(toml::Value::Table(table)) = keys.get_mut("rows") {
        table.insert("strides".into(), strides.clone().into());
    }
    let because = format!("a row of classes and four distributions of {BINS} for each cell of strides {strides:?}");
    fits.then_some((classes, keys, Resize::Stretch, because))
}

fn pairs(seen: &Seen) -> Option<Read> {
    let strides: &[u32] = match seen.outputs.len() {
        6 => &[8, 16, 32],
        8 => &[8, 16, 32, 64],
        _ => return None,
    };
    let (mut grids, mut classes) = (Vec::new(), None);
    for &stride in strides {
        let cells = Grid::new(stride, seen.size).cells;
        let mut of = seen.outputs.iter().filter(|output| output.shape.len() == 2 && output.shape[0] == cells);
        let (Some(a), Some(b), None) = (of.next(), of.next(), of.next()) else { return None };
        let scores = |output: &SeenOutput| output.are_probabilities(0..output.shape[1]);
        let (scored, distances) = if scores(a) { (a, b) } else { (b, a) };
        let known = scored.shape[1];
        if !scores(scored) || scores(distances) || distances.shape[1] != 4 * BINS || classes.is_some_and(|c| c != known)
        {
            return None;
        }
        classes = Some(known);
        let mut grid = toml::Table::new();
        grid.insert("stride".into(), stride.into());
        grid.insert("classes".into(), scored.name.clone().into());
        grid.insert("distances".into(), distances.name.clone().into());
        grids.push(toml::Value::from(grid));
    }
    let classes = classes.filter(|&classes| seen.has_labels(classes))?;
    let keys = toml::Table::from_iter([("grids".to_owned(), grids.into())]);
    let because = format!("classes and four distributions of {BINS} for each cell of strides {strides:?}");
    Some((classes, keys, Resize::Letterbox, because))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "family = \"nanodet\"\nlabels = [\"a\", \"b\"]\n[input]\nname = \"x\"\nwidth = 24\nheight = 16\n";
    const WANTED: Wanted = Wanted { threshold: 0.25, multi_label: false };

    fn family(keys: &str) -> Result<Box<dyn Family>, String> {
        make(&Manifest::parse(&format!("{TEXT}{keys}")).expect("a good manifest"), 2)
    }

    /// All the weight on these bins, of 4 each.
    fn distributions(bins: [usize; 4]) -> Vec<f32> {
        let one = |bin: usize| (0..4).map(move |at| if at == bin { 60.0 } else { -60.0 });
        bins.into_iter().flat_map(one).collect()
    }

    #[test]
    fn distances_count_from_the_middle_or_from_the_corner() {
        // 3x2 cells of 8 pixels, then 2x1 of 16, the second of which reaches beyond the input.
        let (silent, told) = ([0.0; 2], [0.1, 0.9]);
        let classes = [silent, silent, silent, silent, silent, told].concat();
        let distances: Vec<f32> = (0..6).flat_map(|_| distributions([1, 0, 2, 3])).collect();
        let grids = family("[[grids]]\nstride = 8\nclasses = \"c\"\ndistances = \"d\"\n").expect("a family");
        assert!(grids.check(&[&[6, 2], &[6, 16]]).is_ok());
        let outputs = [Output { shape: &[6, 2], values: &classes }, Output { shape: &[6, 16], values: &distances }];
        let found = grids.decode(&outputs, &WANTED);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].class_id, found[0].score), (1, 0.9));
        // The middle of the cell (2, 1) is (20, 12).
        assert_eq!(found[0].bbox, InputBox { cx: 24.0, cy: 24.0, width: 24.0, height: 24.0 });

        let plus = family("[rows]\noutput = \"y\"\nstrides = [8, 16]\n").expect("a family");
        assert!(plus.check(&[&[8, 18]]).is_ok());
        let row = |classes: [f32; 2]| [&classes[..], &distributions([1, 0, 2, 3])].concat();
        let rows = [silent, silent, silent, silent, silent, silent, silent, told].map(row).concat();
        let found = plus.decode(&[Output { shape: &[8, 18], values: &rows }], &WANTED);
        assert_eq!(found.len(), 1);
        // The corner of the cell (1, 0) of 16 pixels.
        assert_eq!(found[0].bbox, InputBox { cx: 24.0, cy: 24.0, width: 48.0, height: 48.0 });
    }

    #[test]
    fn a_distribution_has_a_mean() {
        assert!((mean(&[0.0; 8]) - 3.5).abs() < 1e-6);
        assert!((mean(&[1000.0, 1000.0]) - 0.5).abs() < 1e-6);
        assert!(mean(&[f32::NAN, 0.0]).is_nan());
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let plus = family("[rows]\noutput = \"y\"\nstrides = [8, 16]\n").expect("a family");
        for shape in [&[8, 17][..], &[7, 18], &[8, 1], &[8]] {
            assert!(plus.check(&[shape]).is_err_and(|words| words.contains("[6, 2]")), "{shape:?}");
        }
        let grids = family("[[grids]]\nstride = 8\nclasses = \"c\"\ndistances = \"d\"\n").expect("a family");
        assert!(grids.check(&[&[6, 3], &[6, 16]]).is_err() && grids.check(&[&[6, 2]]).is_err());
        assert!(family("").is_err_and(|words| words.contains("[[grids]]")));
        assert!(family("[rows]\noutput = \"y\"\nstrides = [0]\n").is_err());
    }
}
