//! One function a layer: from its section to nodes of the graph. Source of each formula: the layer's own file in
//! `src/` of Darknet, and `parse_…` in `src/parser.c` for its keys and their defaults.

use super::{
    cfg::Section,
    head,
    network::{Network, Shape, Value},
};
use crate::models::onnx::{NodeProto, TensorProto};

/// Makes the nodes of a layer; a head has no output for others.
type Make = fn(&mut Network<'_>, &Section) -> Result<Option<Value>, String>;

/// The layers that can be read, by the names of their sections.
pub const LAYERS: &[(&str, Make)] = &[
    ("convolutional", |network, section| convolutional(network, section).map(Some)),
    ("conv", |network, section| convolutional(network, section).map(Some)),
    ("maxpool", |network, section| maxpool(network, section).map(Some)),
    ("max", |network, section| maxpool(network, section).map(Some)),
    ("avgpool", |network, _| avgpool(network).map(Some)),
    ("avg", |network, _| avgpool(network).map(Some)),
    ("upsample", |network, section| upsample(network, section).map(Some)),
    ("route", |network, section| route(network, section).map(Some)),
    ("shortcut", |network, section| shortcut(network, section).map(Some)),
    ("scale_channels", |network, section| scale_channels(network, section).map(Some)),
    ("sam", |network, section| sam(network, section).map(Some)),
    ("reorg", |network, section| reorg(network, section).map(Some)),
    // Only training drops anything.
    ("dropout", |network, _| network.before().map(Some)),
    ("yolo", |network, section| head::yolo(network, section).map(|()| None)),
    ("region", |network, section| head::region(network, section).map(|()| None)),
];

/// What is added to the variance before the root is taken. Darknet's `src/blas.c` has had .000001 and .00001, and OpenCV
/// takes the first, too; they differ where a channel never changes.
const EPSILON: f64 = 1e-6;

/// Most of anything that a section counts: filters, groups.
const MANY: usize = 1 << 16;
/// Longest kernel, stride and padding.
const LONG: usize = 1 << 10;

fn convolutional(network: &mut Network<'_>, section: &Section) -> Result<Value, String> {
    section.lacks(&[
        "antialiasing",
        "assisted_excitation",
        "binary",
        "bin_output",
        "coordconv",
        "flipped",
        "rotate",
        "share_index",
        "stretch",
        "stretch_sway",
        "sway",
        "xnor",
    ])?;
    let input = network.before()?;
    let filters = section.whole("filters", 1, 1..=MANY)?;
    let size = section.whole("size", 1, 1..=LONG)?;
    let stride = section.whole("stride", 1, 1..=LONG)?;
    let (stride_x, stride_y) =
        (section.whole("stride_x", stride, 1..=LONG)?, section.whole("stride_y", stride, 1..=LONG)?);
    let groups = section.whole("groups", 1, 1..=MANY)?;
    let dilation = if size == 1 { 1 } else { section.whole("dilation", 1, 1..=LONG)? };
    let padding = if section.flag("pad")? { size / 2 } else { section.whole("padding", 0, 0..=LONG)? };
    let normalized = section.flag("batch_normalize")? || section.flag("cbn")?;
    if !input.shape.channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
        let channels = input.shape.channels;
        return Err(format!("its {groups} groups divide not both its {channels} channels and its {filters} filters"));
    }
    // Darknet calculates the output's size without the dilation, and pads by as much more as the kernel grows.
    let length = |input: usize, stride: usize| {
        let plain = (input + 2 * padding).checked_sub(size).map(|rest| rest / stride + 1);
        let grown = (input + 2 * padding * dilation).checked_sub(dilation * (size - 1) + 1);
        plain.filter(|plain| grown.map(|rest| rest / stride + 1) == Some(*plain))
    };
    let (Some(height), Some(width)) = (length(input.shape.height, stride_y), length(input.shape.width, stride_x))
    else {
        return Err(format!(
            "a kernel of {size} with padding {padding} and dilation {dilation} does not fit its input of {}",
            input.shape
        ));
    };

    let mut biases = network.weights.take(filters)?;
    let normal = match normalized {
        true => Some((network.weights.take(filters)?, network.weights.take(filters)?, network.weights.take(filters)?)),
        false => None,
    };
    let per_filter = input.shape.channels / groups * size * size;
    let mut weights = network.weights.take(filters.saturating_mul(per_filter))?;
    if let Some((scales, means, variances)) = normal {
        for (filter, weights) in weights.chunks_exact_mut(per_filter).enumerate() {
            let gain = f64::from(scales[filter]) / (f64::from(variances[filter]) + EPSILON).sqrt();
            weights.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * gain) as f32);
            biases[filter] = (f64::from(biases[filter]) - f64::from(means[filter]) * gain) as f32;
        }
        if !weights.iter().chain(&biases).all(|value| value.is_finite()) {
            return Err(
                "its batch normalization gives what is no number: the weights file belongs to another cfg".into()
            );
        }
    }

    let [weight_name, bias_name, name] = ["weight", "bias", "conv"].map(|part| network.name(part));
    let dims = [filters, input.shape.channels / groups, size, size].map(|length| length as i64);
    network.constant(TensorProto::of_floats(&weight_name, &dims, &weights));
    network.constant(TensorProto::of_floats(&bias_name, &[filters as i64], &biases));
    let pad = (padding * dilation) as i64;
    let node = NodeProto::new("Conv", &[&input.name, &weight_name, &bias_name], &name)
        .with_ints("kernel_shape", &[size as i64; 2])
        .with_ints("strides", &[stride_y as i64, stride_x as i64])
        .with_ints("pads", &[pad; 4])
        .with_ints("dilations", &[dilation as i64; 2])
        .with_int("group", groups as i64);
    let output = network.node(node, Shape { channels: filters, height, width })?;
    network.activate(section.text("activation")?.unwrap_or("logistic"), output)
}

/// Pads by `padding / 2` before and the rest behind with what is less than any number.
fn maxpool(network: &mut Network<'_>, section: &Section) -> Result<Value, String> {
    section.lacks(&["maxpool_depth", "antialiasing", "maxpool_zero_nonmax"])?;
    let input = network.before()?;
    let stride = section.whole("stride", 1, 1..=LONG)?;
    let (stride_x, stride_y) =
        (section.whole("stride_x", stride, 1..=LONG)?, section.whole("stride_y", stride, 1..=LONG)?);
    let size = section.whole("size", stride, 1..=LONG)?;
    let padding = section.whole("padding", size - 1, 0..=LONG)?;
    let (before, behind) = (padding / 2, padding - padding / 2);
    let length = |input: usize, stride: usize| (input + padding).checked_sub(size).map(|rest| rest / stride + 1);
    let (Some(height), Some(width)) = (length(input.shape.height, stride_y), length(input.shape.width, stride_x))
    else {
        return Err(format!("a window of {size} does not fit its input of {}", input.shape));
    };
    if behind >= size {
        return Err(format!("its padding of {padding} leaves windows of {size} that hold nothing"));
    }
    let [before, behind] = [before, behind].map(|length| length as i64);
    let node = NodeProto::new("MaxPool", &[&input.name], &network.name("maxpool"))
        .with_ints("kernel_shape", &[size as i64; 2])
        .with_ints("strides", &[stride_y as i64, stride_x as i64])
        .with_ints("pads", &[before, before, behind, behind]);
    network.node(node, Shape { height, width, ..input.shape })
}

/// The mean of each channel.
fn avgpool(network: &mut Network<'_>) -> Result<Value, String> {
    let input = network.before()?;
    let node = NodeProto::new("GlobalAveragePool", &[&input.name], &network.name("avgpool"));
    network.node(node, Shape { height: 1, width: 1, ..input.shape })
}

/// Repeats each value.
fn upsample(network: &mut Network<'_>, section: &Section) -> Result<Value, String> {
    if section.float("scale", 1.0)? != 1.0 {
        return Err("a `scale` other than 1 is not supported".into());
    }
    let input = network.before()?;
    let stride = section.whole("stride", 2, 1..=LONG)?;
    let [scales, name] = ["scales", "upsample"].map(|part| network.name(part));
    network.constant(TensorProto::of_floats(&scales, &[4], &[1.0, 1.0, stride as f32, stride as f32]));
    let node = NodeProto::new("Resize", &[&input.name, "", &scales], &name)
        .with_string("mode", "nearest")
        .with_string("coordinate_transformation_mode", "asymmetric")
        .with_string("nearest_mode", "floor");
    let Shape { channels, height, width } = input.shape;
    network.node(node, Shape { channels, height: height * stride, width: width * stride })
}

/// Channels `from` to `to` of a value.
fn channels(network: &mut Network<'_>, value: &Value, part: &str, from: usize, to: usize) -> Result<Value, String> {
    let [starts, ends, axes] = [("from", from), ("to", to), ("axis", 1)]
        .map(|(name, number)| network.ints(&format!("{part}_{name}"), &[number as i64]));
    let node = NodeProto::new("Slice", &[&value.name, &starts, &ends, &axes], &network.name(part));
    network.node(node, Shape { channels: to - from, ..value.shape })
}

/// The channels of several layers one behind the other; with `groups` only the part `group_id` of each.
fn route(network: &mut Network<'_>, section: &Section) -> Result<Value, String> {
    let named = section.list::<i64>("layers")?.ok_or("it names no `layers`")?;
    let groups = section.whole("groups", 1, 1..=MANY)?;
    let group = section.whole("group_id", 0, 0..=groups - 1)?;
    let mut parts = Vec::new();
    for (at, index) in named.into_iter().enumerate() {
        let value = network.at(index)?;
        if !value.shape.channels.is_multiple_of(groups) {
            let channels = value.shape.channels;
            return Err(format!("its {groups} groups do not divide the {channels} channels of layer {index}"));
        }
        let length = value.shape.channels / groups;
        parts.push(match groups {
            1 => value,
            _ => channels(network, &value, &format!("part{at}"), length * group, length * (group + 1))?,
        });
    }
    let Some(first) = parts.first().cloned() else { return Err("it names no `layers`".into()) };
    if parts.len() == 1 {
        return Ok(first);
    }
    let same = |value: &Value| (value.shape.height, value.shape.width) == (first.shape.height, first.shape.width);
    if let Some(other) = parts.iter().find(|value| !same(value)) {
        return Err(format!("it joins layers of two sizes, {} and {}", first.shape, other.shape));
    }
    let channels = parts.iter().map(|value| value.shape.channels).sum();
    let names: Vec<&str> = parts.iter().map(|value| value.name.as_str()).collect();
    let node = NodeProto::new("Concat", &names, &network.name("concat")).with_int("axis", 1);
    network.node(node, Shape { channels, ..first.shape })
}

/// Adds other layers to the one before. Of one with more channels the first are taken; one with fewer adds to the first.
fn shortcut(network: &mut Network<'_>, section: &Section) -> Result<Value, String> {
    section.lacks(&["weights_type"])?;
    let named = section.list::<i64>("from")?.ok_or("it does not say `from` which layer")?;
    let mut sum = network.before()?;
    let shape = sum.shape;
    for (at, index) in named.into_iter().enumerate() {
        let mut other = network.at(index)?;
        if (other.shape.height, other.shape.width) != (shape.height, shape.width) {
            return Err(format!("it adds layers of two sizes, {shape} and {}", other.shape));
        }
        if other.shape.channels > shape.channels {
            other = channels(network, &other, &format!("first{at}"), 0, shape.channels)?;
        } else if other.shape.channels < shape.channels {
            let missing = (shape.channels - other.shape.channels) as i64;
            let pads = network.ints(&format!("pads{at}"), &[0, 0, 0, 0, 0, missing, 0, 0]);
            let node = NodeProto::new("Pad", &[&other.name, &pads], &network.name(&format!("padded{at}")));
            other = network.node(node, shape)?;
        }
        let node = NodeProto::new("Add", &[&sum.name, &other.name], &network.name(&format!("add{at}")));
        sum = network.node(node, shape)?;
    }
    network.activate(section.text("activation")?.unwrap_or("linear"), sum)
}

/// Multiplies each channel of another layer with the one number that the layer before has for it.
fn scale_channels(network: &mut Network<'_>, section: &Section) -> Result<Value, String> {
    section.lacks(&["scale_wh"])?;
    let factors = network.before()?;
    let other = other(network, section)?;
    if factors.shape != (Shape { height: 1, width: 1, ..other.shape }) {
        return Err(format!(
            "it multiplies {} with {}: one number for each channel is needed",
            other.shape, factors.shape
        ));
    }
    let product = network.multiply(&other, &factors)?;
    network.activate(section.text("activation")?.unwrap_or("linear"), product)
}

/// Multiplies another layer with the one before.
fn sam(network: &mut Network<'_>, section: &Section) -> Result<Value, String> {
    let factors = network.before()?;
    let other = other(network, section)?;
    if factors.shape != other.shape {
        return Err(format!("it multiplies layers of two sizes, {} and {}", other.shape, factors.shape));
    }
    let product = network.multiply(&other, &factors)?;
    network.activate(section.text("activation")?.unwrap_or("linear"), product)
}

/// The one layer that `from` names.
fn other(network: &Network<'_>, section: &Section) -> Result<Value, String> {
    match section.list::<i64>("from")?.as_deref() {
        Some([index]) => network.at(*index),
        _ => Err("it does not say `from` which layer".into()),
    }
}

/// Makes channels of squares of `stride` x `stride` cells. Darknet does so in a way of its own, with which YOLOv2 was trained
/// (`reorg_cpu` in `src/blas.c`, called with `forward = 0`): output(k, y, x) = input'(k mod C, y s + k div C div s,
/// x s + k div C mod s), where C = channels / s² and input' is the input's memory seen as C x (s height) x (s width).
/// That is ONNX's SpaceToDepth between two views.
fn reorg(network: &mut Network<'_>, section: &Section) -> Result<Value, String> {
    section.lacks(&["reverse", "flatten", "extra"])?;
    let input = network.before()?;
    let stride = section.whole("stride", 1, 1..=LONG)?;
    let Shape { channels, height, width } = input.shape;
    if !channels.is_multiple_of(stride * stride) || !height.is_multiple_of(stride) || !width.is_multiple_of(stride) {
        return Err(format!("its stride of {stride} does not divide its input of {}", input.shape));
    }
    let wide = Shape { channels: channels / (stride * stride), height: height * stride, width: width * stride };
    let narrow = Shape { channels: channels * stride * stride, height: height / stride, width: width / stride };
    let wide = view(network, &input, "wide", wide)?;
    let node =
        NodeProto::new("SpaceToDepth", &[&wide.name], &network.name("depth")).with_int("blocksize", stride as i64);
    let deep = network.node(node, input.shape)?;
    view(network, &deep, "narrow", narrow)
}

/// The same memory seen in another shape; 0 keeps the batch axis.
fn view(network: &mut Network<'_>, value: &Value, part: &str, shape: Shape) -> Result<Value, String> {
    let lengths = [0, shape.channels, shape.height, shape.width].map(|length| length as i64);
    let lengths = network.ints(&format!("{part}_shape"), &lengths);
    network.node(NodeProto::new("Reshape", &[&value.name, &lengths], &network.name(part)), shape)
}
