//! Darknet's cfg and weights as a model folder: the network as ONNX, the heads as `model.toml`.
//!
//! Sources: github.com/pjreddie/darknet and github.com/AlexeyAB/darknet. Where the two differ, the newer one is followed,
//! which trained YOLOv4 and most of what people have. What is read is described in `docs/ref/darknet.md`.

mod cfg;
mod head;
mod layers;
mod network;
mod weights;

use std::fmt::Write;

pub use cfg::MOST_BYTES as MOST_CFG_BYTES;
pub use head::Head;
use network::{Network, Shape, Value};
use weights::Weights;

use super::onnx::ModelProto;
use crate::{frame::Size, vision::geometry::Resize};

/// Name of the network's input.
const INPUT: &str = "images";

/// A network with all that is known of it.
pub struct Converted {
    pub onnx: ModelProto,
    /// Size of the input in pixels.
    pub size: Size,
    /// In the order of the cfg.
    pub heads: Vec<Head>,
    pub classes: usize,
    /// As Darknet would do it: `letter_box` in the cfg, or else stretched.
    pub resize: Resize,
}

/// Reads a network.
///
/// # Errors
/// What is wrong with the cfg or the weights, or what in them is not supported: layer, line and words.
pub fn convert(cfg: &str, weights: &[u8]) -> Result<Converted, String> {
    let sections = cfg::parse(cfg).map_err(|words| format!("The cfg cannot be read: {words}."))?;
    let Some((net, sections)) = sections.split_first().filter(|(net, _)| ["net", "network"].contains(&&*net.kind))
    else {
        return Err("The cfg cannot be read: its first section must be [net].".into());
    };
    let in_net = |words: String| format!("[net] in line {} of the cfg: {words}.", net.line);
    let (size, letter_box) = input(net).map_err(in_net)?;
    let shape = Shape { channels: 3, height: size.height as usize, width: size.width as usize };
    let weights = Weights::open(weights).map_err(|words| format!("The weights file cannot be read: {words}."))?;
    let mut network = Network::new(Value { name: INPUT.into(), shape }, weights);
    for section in sections {
        let made = match layers::LAYERS.iter().find(|(kind, _)| *kind == section.kind) {
            Some((_, make)) => make(&mut network, section),
            None => Err(unknown()),
        };
        let (index, kind, line) = (network.index(), &section.kind, section.line);
        network.push(made.map_err(|words| format!("Layer {index} [{kind}] in line {line} of the cfg: {words}."))?);
    }
    let (onnx, heads, weights) = network.finish();
    let Some(classes) = heads.first().map(|head| head.classes) else {
        return Err("The cfg has no [yolo] or [region] layer: it is no detector, and only detectors are read.".into());
    };
    if heads.iter().any(|head| head.classes != classes) {
        return Err("The heads of the cfg have different numbers of `classes`: they must have the same.".into());
    }
    weights.end().map_err(|words| format!("The cfg and the weights do not fit: {words}."))?;
    let resize = if letter_box { Resize::Letterbox } else { Resize::Stretch };
    Ok(Converted { onnx, size, heads, classes, resize })
}

/// Size of the input, and `letter_box`.
fn input(net: &cfg::Section) -> Result<(Size, bool), String> {
    let width = net.whole("width", 0, 1..=8192)?;
    let height = net.whole("height", 0, 1..=8192)?;
    net.whole("channels", 0, 3..=3)?;
    Ok((Size::new(width as u32, height as u32), net.flag("letter_box")?))
}

fn unknown() -> String {
    let mut known: Vec<&str> = layers::LAYERS.iter().map(|(kind, _)| *kind).collect();
    known.retain(|kind| !["conv", "max", "avg"].contains(kind));
    format!("this kind of layer is not supported; those that are: {}", known.join(", "))
}

impl Converted {
    /// The text of `model.toml`, for labels in `labels.txt`.
    pub fn manifest(&self, description: &str, resize: Resize) -> String {
        let Size { width, height } = self.size;
        let (resize, pad) = match resize {
            Resize::Letterbox => ("letterbox", "\n# Darknet's grey, a half.\npad = 128"),
            _ => ("stretch", ""),
        };
        let description = toml::Value::from(description);
        let mut text = format!(
            "family = \"yolov3\"\ndescription = {description}\nlabels = \"labels.txt\"\n\n\
            [input]\nname = \"{INPUT}\"\nwidth = {width}\nheight = {height}\nscale = 0.00392156862745098 # 1/255\n\
            resize = \"{resize}\"{pad}\n\n[thresholds]\nscore = 0.25\niou = 0.45\n"
        );
        for head in &self.heads {
            let anchors: Vec<String> =
                head.anchors.iter().map(|[width, height]| format!("[{width}, {height}]")).collect();
            let (output, stride, anchors) = (&head.output, head.stride, anchors.join(", "));
            let _ = write!(text, "\n[[heads]]\noutput = \"{output}\"\nstride = {stride}\nanchors = [{anchors}]\n");
            if head.scale_x_y != 1.0 {
                let _ = writeln!(text, "scale_x_y = {}", head.scale_x_y);
            }
            for (key, set) in [("new_coords", head.new_coords), ("softmax", head.softmax)] {
                if set {
                    let _ = writeln!(text, "{key} = true");
                }
            }
        }
        text
    }
}
