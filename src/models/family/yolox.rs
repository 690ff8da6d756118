//! YOLOX: one output of rows `[K, 5 + C]`, one row a cell: centre, size, objectness, classes, the last two as probabilities.
//!
//! Exported by YOLOX's `export_onnx.py` the boxes are not placed on the grid yet: the centre is told in cells from the
//! cell's corner, the size as a logarithm in cells. With `--decode_in_inference` they are pixels of the input.
//!
//! Source of the formulas: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", and `demo_postprocess` of its repository.
//! Pictures go in as BGR of 0 to 255, top left in a letterbox with grey bars of 114 (YOLOX 0.2 and later).
//!
//! Tried with yolox_nano at 416x416, not placed on the grid.

use serde::Deserialize;

use super::{Family, Output, Wanted};
use crate::{
    models::{
        Manifest,
        import::{Proposal, Seen},
        scores::pick,
    },
    vision::{geometry::InputBox, geometry::Resize, nms::Candidate, tensor::Channels},
};

/// Of all published YOLOX models.
const STRIDES: [u32; 3] = [8, 16, 32];

/// What the family reads of the manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    rows: Rows,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    /// Name of the output tensor.
    output: String,
    /// Pixels of the input per cell of each grid, in the rows' order; none: the boxes are pixels of the input already.
    #[serde(default)]
    strides: Vec<u32>,
}

pub fn make(manifest: &Manifest, classes: usize) -> Result<Box<dyn Family>, String> {
    let Keys { rows: Rows { output, strides } } = manifest.family_keys()?;
    let (width, height) = (manifest.input.width, manifest.input.height);
    let mut cells = Vec::new();
    for stride in strides {
        if stride == 0 || !width.is_multiple_of(stride) || !height.is_multiple_of(stride) {
            return Err(format!("[rows] strides: the input's {width}x{height} pixels are no multiple of {stride}"));
        }
        let columns = width / stride;
        cells.extend((0..columns * (height / stride)).map(|cell| Cell {
            x: (cell % columns) as f32,
            y: (cell / columns) as f32,
            stride: stride as f32,
        }));
    }
    Ok(Box::new(Yolox { output, cells, classes }))
}

struct Yolox {
    output: String,
    /// Of every row; empty: the boxes are placed already.
    cells: Vec<Cell>,
    classes: usize,
}

struct Cell {
    x: f32,
    y: f32,
    stride: f32,
}

impl Cell {
    fn place(&self, [x, y, width, height]: [f32; 4]) -> InputBox {
        let stride = self.stride;
        InputBox {
            cx: (x + self.x) * stride,
            cy: (y + self.y) * stride,
            width: width.exp() * stride,
            height: height.exp() * stride,
        }
    }
}

impl Family for Yolox {
    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn check(&self, shapes: &[&[usize]]) -> Result<(), String> {
        let fits = match shapes {
            [[rows, length]] => *length == 5 + self.classes && (self.cells.is_empty() || *rows == self.cells.len()),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let rows = if self.cells.is_empty() { "rows".to_owned() } else { self.cells.len().to_string() };
        Err(format!(
            "the output `{}` has the shape {:?}, but {} labels and the strides make [{rows}, {}]",
            self.output,
            shapes.first().copied().unwrap_or_default(),
            self.classes,
            5 + self.classes
        ))
    }

    fn decode(&self, outputs: &[Output<'_>], wanted: &Wanted) -> Vec<Candidate> {
        let mut found = Vec::new();
        for (at, row) in outputs.iter().flat_map(|output| output.values.chunks_exact(5 + self.classes)).enumerate() {
            let objectness = row[4];
            if objectness < wanted.threshold {
                continue;
            }
            let told = [row[0], row[1], row[2], row[3]];
            let bbox = || match self.cells.get(at) {
                Some(cell) => cell.place(told),
                None => InputBox { cx: told[0], cy: told[1], width: told[2], height: told[3] },
            };
            pick(row[5..].iter().map(|class| objectness * class), wanted, bbox, &mut found);
        }
        found
    }
}

/// One row a cell of the three grids, behind 5 more numbers than labels.
pub fn recognise(seen: &Seen) -> Option<Proposal> {
    let output = seen.single()?;
    let [rows, length] = output.shape[..] else { return None };
    let fits = Some(rows) == seen.cells(&STRIDES) && length > 5 && seen.has_labels(length - 5);
    // YOLOv6, whose pictures are others, has an objectness of 1 in every row.
    let sure = output.values.chunks_exact(length.max(1)).all(|row| row.get(4) == Some(&1.0));
    if !fits || sure || seen.is_ultralytics() || !output.are_probabilities(4..length) {
        return None;
    }
    // Boxes that are placed lie all over the picture whatever is on it; those that are not are near their cell's corner.
    let far = output.values.chunks_exact(length).filter(|row| row[0] > 32.0 || row[1] > 32.0).count();
    let placed = far * 2 > rows;
    // Placed and with one class more, this is a YOLOv8 that was transposed.
    if placed && seen.labels.is_none() && length == 84 {
        return None;
    }
    let mut keys = toml::Table::new();
    keys.insert("output".into(), output.name.clone().into());
    if !placed {
        keys.insert("strides".into(), STRIDES.to_vec().into());
    }
    let how = if placed { "placed on the picture" } else { "not placed on the grid yet" };
    Some(Proposal {
        certain: !placed || seen.labels.is_some() || length == 85,
        because: format!("one row for each cell of strides 8, 16 and 32, boxes {how}"),
        classes: length - 5,
        channels: Channels::Bgr,
        scale: 1.0,
        resize: Resize::LetterboxTopLeft,
        keys: toml::Table::from_iter([("rows".to_owned(), keys.into())]),
        ..seen.usual()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "family = \"yolox\"\nlabels = [\"a\", \"b\"]\n[input]\nname = \"x\"\nwidth = 64\nheight = 32\n";
    const WANTED: Wanted = Wanted { threshold: 0.25, multi_label: false };

    fn family(rows: &str) -> Result<Box<dyn Family>, String> {
        make(&Manifest::parse(&format!("{TEXT}[rows]\noutput = \"y\"\n{rows}")).expect("a good manifest"), 2)
    }

    #[test]
    fn a_row_is_placed_on_its_grid() {
        let family = family("strides = [8, 16, 32]").expect("a family");
        // 8x4 cells, then 4x2, then 2x1: row 37 is the cell (1, 1) of stride 16.
        let mut values = vec![0.0; 42 * 7];
        values[37 * 7..38 * 7].copy_from_slice(&[0.5, 0.25, 0.0, 1.0, 0.8, 0.1, 0.9]);
        let found = family.decode(&[Output { shape: &[42, 7], values: &values }], &WANTED);
        assert_eq!(found.len(), 1);
        let InputBox { cx, cy, width, height } = found[0].bbox;
        assert_eq!((cx, cy, width), (24.0, 20.0, 16.0));
        assert!((height - 43.492_51).abs() < 1e-3 && found[0].class_id == 1);
        assert!((found[0].score - 0.72).abs() < 1e-6);
    }

    #[test]
    fn placed_rows_are_taken_as_they_are() {
        let family = family("").expect("a family");
        let row = [20.0, 10.0, 8.0, 4.0, 0.9, 0.9, 0.1];
        let found = family.decode(&[Output { shape: &[1, 7], values: &row }], &WANTED);
        assert_eq!(found[0].bbox, InputBox { cx: 20.0, cy: 10.0, width: 8.0, height: 4.0 });
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let words =
            family("strides = [8, 16, 32]").and_then(|family| family.check(&[&[42, 85]])).expect_err("80 classes");
        assert!(words.contains("[42, 7]"), "{words}");
        assert!(family("strides = [24]").is_err_and(|words| words.contains("24")));
        assert!(family("stride = [8]").is_err_and(|words| words.contains("stride")));
    }
}
