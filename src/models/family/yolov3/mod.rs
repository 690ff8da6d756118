//! YOLOv3 and what keeps its heads (YOLOv3-tiny, YOLO-Fastest, MobileNet-YOLO): raw logits per cell and anchor, one
//! output of decoded rows, or all boxes and those that the network's own non-maximum suppression has kept.
//!
//! A cell's score for a class is objectness times class probability. Darknet's models take RGB of 0 to 1, stretched to the
//! input; those of the ONNX Model Zoo the same in a letterbox with grey bars of 128.
//!
//! Tried with yolo-fastest-1.1, yolo-fastest-1.1-xl and MobileNetV2-YOLOv3-Nano, with raw heads and decoded. The Model
//! Zoo's layout was tried only with a graph of that layout and known boxes.

mod decoded;
mod heads;
mod recognise;
mod selected;

use serde::Deserialize;

use super::Family;
use crate::models::Manifest;
pub use decoded::{Decoded, DecodedRows};
use heads::{Heads, RawHeads};
pub use recognise::recognise;
use selected::{Selected, SelectedBoxes};

/// What the family reads of the manifest; one of the three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    #[serde(default)]
    heads: Vec<Heads>,
    decoded: Option<Decoded>,
    selected: Option<Selected>,
}

pub fn make(manifest: &Manifest, classes: usize) -> Result<Box<dyn Family>, String> {
    let input = (manifest.input.width, manifest.input.height);
    let Keys { heads, decoded, selected } = manifest.family_keys()?;
    match (heads.is_empty(), decoded, selected) {
        (false, None, None) => Ok(Box::new(RawHeads::new(heads, classes, input)?)),
        (true, Some(decoded), None) => Ok(Box::new(DecodedRows { decoded, classes, input })),
        (true, None, Some(selected)) => Ok(Box::new(SelectedBoxes { selected, classes })),
        _ => {
            Err("the family yolov3 wants [[heads]], one for each raw output, or one [decoded], or one [selected]"
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_of_the_three_is_wanted() {
        let base = "family = \"yolov3\"\nlabels = [\"a\"]\n[input]\nname = \"x\"\nwidth = 96\nheight = 64\n";
        let decoded = "[decoded]\noutput = \"y\"\n";
        let selected = "[selected]\nboxes = \"b\"\nscores = \"s\"\nindices = \"i\"\n";
        let made = |keys: &str| make(&Manifest::parse(&format!("{base}{keys}")).expect("the text is sound"), 1);
        assert!(made(decoded).is_ok() && made(selected).is_ok());
        assert!(made(selected).is_ok_and(|family| family.suppresses()));
        for keys in ["", &format!("{decoded}{selected}")] {
            assert!(made(keys).is_err_and(|words| words.contains("[[heads]]")), "{keys}");
        }
    }
}
