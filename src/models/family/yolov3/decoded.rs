//! One output of rows with probabilities: the network has placed the boxes itself.

use serde::Deserialize;

use crate::{
    models::{
        family::{Coordinates, Family, Output, Wanted},
        scores::pick,
    },
    vision::{geometry::InputBox, nms::Candidate},
};

/// One output `[N, K, 5 + classes]` with probabilities: centre x, centre y, width, height, objectness, classes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoded {
    /// Name of the output tensor.
    output: String,
    #[serde(default)]
    coordinates: Coordinates,
}

pub struct DecodedRows {
    pub decoded: Decoded,
    pub classes: usize,
    /// Width and height.
    pub input: (u32, u32),
}

impl Family for DecodedRows {
    fn outputs(&self) -> Vec<&str> {
        vec![&self.decoded.output]
    }

    fn check(&self, shapes: &[&[usize]]) -> Result<(), String> {
        match shapes.first() {
            Some([_, channels]) if *channels == 5 + self.classes => Ok(()),
            other => Err(format!(
                "the output `{}` has the shape {other:?} for each picture, but {} labels make [rows, {}]",
                self.decoded.output,
                self.classes,
                5 + self.classes
            )),
        }
    }

    fn decode(&self, outputs: &[Output<'_>], wanted: &Wanted) -> Vec<Candidate> {
        let (x, y) = self.decoded.coordinates.unit(self.input);
        let mut found = Vec::new();
        for row in outputs.iter().flat_map(|output| output.values.chunks_exact(5 + self.classes)) {
            let objectness = row[4];
            if objectness < wanted.threshold {
                continue;
            }
            let bbox = || InputBox { cx: row[0] * x, cy: row[1] * y, width: row[2] * x, height: row[3] * y };
            pick(row[5..].iter().map(|class| objectness * class), wanted, bbox, &mut found);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_in_both_units() {
        for (coordinates, factor) in [(Coordinates::InputPixels, (1.0, 1.0)), (Coordinates::Normalized, (96.0, 64.0))] {
            let decoded = Decoded { output: "y".into(), coordinates };
            let family = DecodedRows { decoded, classes: 2, input: (96, 64) };
            assert!(family.check(&[&[2, 7]]).is_ok() && family.check(&[&[7, 2]]).is_err());
            let rows = [0.5, 0.25, 0.1, 0.2, 0.9, 0.1, 0.8, 0.5, 0.5, 0.1, 0.1, 0.2, 0.9, 0.9];
            let wanted = Wanted { threshold: 0.25, multi_label: false };
            let found = family.decode(&[Output { shape: &[2, 7], values: &rows }], &wanted);
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].bbox.cx, found[0].bbox.height), (0.5 * factor.0, 0.2 * factor.1));
            assert!((found[0].score - 0.72).abs() < 1e-6 && found[0].class_id == 1);
        }
    }
}
