//! The layers whose outputs are boxes: `[yolo]` and YOLOv2's `[region]`.

use super::{
    cfg::Section,
    network::{Network, Shape, Value},
};
use crate::models::onnx::NodeProto;

/// A raw output of the network and how it is read; the keys of `[[heads]]` in `model.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    pub output: String,
    pub shape: Shape,
    /// Pixels of the input per cell.
    pub stride: usize,
    /// In pixels of the input.
    pub anchors: Vec<[f32; 2]>,
    pub classes: usize,
    pub scale_x_y: f32,
    pub new_coords: bool,
    pub softmax: bool,
}

/// `[yolo]` of YOLOv3 and later: anchors in pixels, of which `mask` picks this head's.
pub fn yolo(network: &mut Network<'_>, section: &Section) -> Result<(), String> {
    let classes = section.whole("classes", 20, 1..=1 << 16)?;
    let total = section.whole("num", 1, 1..=1 << 10)?;
    let all = anchors(section)?;
    let mask = match section.list::<usize>("mask")? {
        Some(mask) => mask,
        None => (0..total).collect(),
    };
    let picked = mask.iter().map(|&index| match all.get(index) {
        Some(anchor) if index < total => Ok(*anchor),
        _ => Err(format!("its mask names anchor {index}, but `num` is {total} and there are {} anchors", all.len())),
    });
    let anchors = picked.collect::<Result<Vec<_>, _>>()?;
    let (scale_x_y, new_coords) = (section.float("scale_x_y", 1.0)?, section.flag("new_coords")?);
    if scale_x_y <= 0.0 {
        return Err(format!("`scale_x_y={scale_x_y}` must be above 0"));
    }
    add(network, anchors, classes, |head| Head { scale_x_y, new_coords, ..head })
}

/// `[region]` of YOLOv2: anchors in cells, and classes that exclude each other where `softmax` is set.
pub fn region(network: &mut Network<'_>, section: &Section) -> Result<(), String> {
    section.lacks(&["tree", "background"])?;
    section.whole("coords", 4, 4..=4)?;
    let classes = section.whole("classes", 20, 1..=1 << 16)?;
    let total = section.whole("num", 1, 1..=1 << 10)?;
    let softmax = section.flag("softmax")?;
    let mut anchors = anchors(section)?;
    if anchors.len() < total {
        return Err(format!("`num` is {total}, but there are {} anchors", anchors.len()));
    }
    anchors.truncate(total);
    add(network, anchors, classes, |mut head| {
        head.anchors.iter_mut().flatten().for_each(|length| *length *= head.stride as f32);
        Head { softmax, ..head }
    })
}

fn anchors(section: &Section) -> Result<Vec<[f32; 2]>, String> {
    let numbers = section.list::<f32>("anchors")?.ok_or("it has no `anchors`")?;
    let (pairs, left) = numbers.as_chunks::<2>();
    if !left.is_empty() || !numbers.iter().all(|length| length.is_finite() && *length > 0.0) {
        return Err("its anchors are no pairs of numbers above 0".into());
    }
    Ok(pairs.to_vec())
}

/// Makes the layer before an output of the network.
fn add(
    network: &mut Network<'_>,
    anchors: Vec<[f32; 2]>,
    classes: usize,
    rest: impl Fn(Head) -> Head,
) -> Result<(), String> {
    let value = network.before()?;
    let Shape { channels, height, width } = value.shape;
    let wanted = anchors.len() * (5 + classes);
    if channels != wanted {
        let count = anchors.len();
        return Err(format!(
            "{count} anchors and {classes} classes take {count} x (5 + {classes}) = {wanted} channels, but the layer before has {channels}: correct its `filters`, or `classes` and `mask` here"
        ));
    }
    let input = network.input().shape;
    let stride = input.width / width;
    if stride == 0 || (stride * width, stride * height) != (input.width, input.height) {
        return Err(format!(
            "its grid of {width} x {height} cells does not divide the input of {} x {} pixels: set width and height in [net] to multiples of 32",
            input.width, input.height
        ));
    }
    let output = format!("yolo{}", network.heads.len());
    let Value { name, shape } = network.node(NodeProto::new("Identity", &[&value.name], &output), value.shape)?;
    let head =
        Head { output: name, shape, stride, anchors, classes, scale_x_y: 1.0, new_coords: false, softmax: false };
    network.heads.push(rest(head));
    Ok(())
}
