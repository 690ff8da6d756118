//! YOLOv5, and what tells its boxes in the same way: YOLOv6, YOLOv7, Ultralytics' YOLOv3. One output of rows
//! `[K, 5 + C]`, decoded: centre, size in pixels of the input, objectness, classes, the last two as probabilities.
//!
//! The rows are read as YOLOv3's decoded ones are; what differs is the picture: RGB of 0 to 1 in a letterbox with grey bars
//! of 114. YOLOv5 and YOLOv7 have three rows for each cell of the strides 8, 16 and 32 (25,200 of 640x640), or of 8 to 64;
//! YOLOv6 has one and an objectness of 1.
//!
//! Source of the layout: `export.py` and `Detect` in `models/yolo.py` of Ultralytics' YOLOv5, which writes `names` and
//! `stride` into the metadata since version 6.2.
//!
//! Tried only with graphs of these layouts and known boxes: no real weights were at hand.

use serde::Deserialize;

use super::{
    Family, tensors,
    yolov3::{Decoded, DecodedRows},
};
use crate::models::{
    Manifest,
    import::{Proposal, Seen, SeenOutput},
};

/// What the family reads of the manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    decoded: Decoded,
}

pub fn make(manifest: &Manifest, classes: usize) -> Result<Box<dyn Family>, String> {
    let Keys { decoded } = manifest.family_keys()?;
    Ok(Box::new(DecodedRows { decoded, classes, input: (manifest.input.width, manifest.input.height) }))
}

/// Rows of probabilities, as many as the grids have cells. Early exports give the raw heads beside them.
pub fn recognise(seen: &Seen) -> Option<Proposal> {
    let is_head = |output: &&SeenOutput| matches!(output.shape[..], [3, _, _, _]);
    let mut others = seen.outputs.iter().filter(|output| !is_head(output));
    let (Some(output), None) = (others.next(), others.next()) else { return None };
    let [rows, length] = output.shape[..] else { return None };
    if length < 6 || !seen.has_labels(length - 5) || !seen.is_for("detect") || !output.are_probabilities(4..length) {
        return None;
    }
    let each =
        |strides: &[u32], rows_of_cell: usize| seen.cells(strides).is_some_and(|cells| rows == rows_of_cell * cells);
    let objectness = output.values.chunks_exact(length).all(|row| row[4] == 1.0);
    let (certain, because) = if each(&[8, 16, 32, 64], 3) {
        (true, "three rows for each cell of strides 8 to 64")
    } else if each(&[8, 16, 32], 1) && objectness {
        (true, "one row for each cell of strides 8, 16 and 32 with an objectness of 1, as YOLOv6 has")
    } else if seen.is_ultralytics() && (each(&[8, 16, 32], 3) || each(&[16, 32], 3)) {
        (true, "three rows for each cell, and metadata of Ultralytics")
    } else if each(&[8, 16, 32], 3) {
        (false, "three rows for each cell of strides 8, 16 and 32, of a picture in a letterbox")
    } else {
        return None;
    };
    Some(Proposal {
        certain,
        because: because.into(),
        classes: length - 5,
        keys: tensors("decoded", [("output", &output.name)]),
        ..seen.usual()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        models::family::{Output, Wanted},
        vision::geometry::InputBox,
    };

    #[test]
    fn rows_are_boxes_in_pixels() {
        let text = "family = \"yolov5\"\nlabels = [\"a\", \"b\"]\n[input]\nname = \"x\"\nwidth = 64\nheight = 32\n";
        let text = format!("{text}[decoded]\noutput = \"y\"\n");
        let family = make(&Manifest::parse(&text).expect("a good manifest"), 2).expect("a family");
        let row = [20.0, 10.0, 8.0, 4.0, 0.9, 0.5, 0.8];
        let wanted = Wanted { threshold: 0.25, multi_label: true };
        let found = family.decode(&[Output { shape: &[1, 7], values: &row }], &wanted);
        assert_eq!(found.iter().map(|c| c.class_id).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(found[0].bbox, InputBox { cx: 20.0, cy: 10.0, width: 8.0, height: 4.0 });
        assert!((found[1].score - 0.72).abs() < 1e-6 && !family.suppresses());
    }
}
