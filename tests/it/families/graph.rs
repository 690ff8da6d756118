//! Tiny networks that always give the same output tensors: the layouts of models that cannot be had here.

use sightglass::models::onnx::{
    DataType, GraphProto, Length, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto,
};

/// An output tensor of one picture.
#[derive(Clone, Debug)]
pub struct Known {
    pub name: String,
    /// Without the batch axis.
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
    pub kind: DataType,
    /// There is no batch axis, as of what a non-maximum suppression inside gives.
    pub bare: bool,
}

/// How the network takes its pictures.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    pub kind: DataType,
    pub nhwc: bool,
    /// Pictures of one run; none: free.
    pub batch: Option<i64>,
    /// Width and height are free.
    pub free_size: bool,
    /// Through quantised numbers and back, as INT8 graphs do.
    pub quantised: bool,
}

impl Default for Taken {
    fn default() -> Self {
        Self { kind: DataType::Float, nhwc: false, batch: None, free_size: false, quantised: false }
    }
}

/// The bytes of a network for pictures of 128x64, with further inputs of a shape and a type.
pub fn graph(taken: Taken, others: &[(&str, DataType)], outputs: &[Known], metadata: &[(&str, &str)]) -> Vec<u8> {
    let free = |name: &str| Length::Param(name.into());
    let batch = taken.batch.map_or_else(|| free("N"), Length::Value);
    let side = |name: &str, length: i64| if taken.free_size { free(name) } else { Length::Value(length) };
    let (height, width) = (side("H", 64), side("W", 128));
    let axes = match taken.nhwc {
        true => [batch.clone(), height, width, Length::Value(3)],
        false => [batch.clone(), Length::Value(3), height, width],
    };
    let mut input = vec![ValueInfoProto::tensor("images", taken.kind, &axes)];
    input.extend(
        others.iter().map(|(name, kind)| ValueInfoProto::tensor(name, *kind, &[Length::Value(1), Length::Value(2)])),
    );

    let float = DataType::Float as i64;
    let mut node = vec![NodeProto::new("Cast", &["images"], "pixels").with_int("to", float)];
    let mut initializer = vec![TensorProto::of_floats("nothing", &[], &[0.0])];
    let pixels = quantised(taken, "pixels", 1.0 / 255.0, &mut node, &mut initializer);
    // What depends on the picture is multiplied with 0: the whole graph is run, and its outputs are known.
    node.push(NodeProto::new("ReduceMean", &[&pixels], "mean").with_ints("axes", &[1, 2, 3]).with_int("keepdims", 0));
    node.push(NodeProto::new("Mul", &["mean", "nothing"], "zero"));
    node.push(NodeProto::new("ReduceMean", &["zero"], "alone").with_int("keepdims", 0));
    for (name, _) in others {
        let (cast, mean, zero) = (format!("{name}.cast"), format!("{name}.mean"), format!("{name}.zero"));
        node.push(NodeProto::new("Cast", &[name], &cast).with_int("to", float));
        node.push(NodeProto::new("ReduceMean", &[&cast], &mean).with_int("keepdims", 0));
        node.push(NodeProto::new("Mul", &[&mean, "nothing"], &zero));
    }
    let mut output = Vec::new();
    for Known { name, shape, values, kind, bare } in outputs {
        let [known, told, raw, axes] = ["known", "told", "raw", "axes"].map(|part| format!("{name}.{part}"));
        let mut dims: Vec<i64> = shape.iter().map(|&length| length as i64).collect();
        let mut lengths: Vec<Length> = dims.iter().copied().map(Length::Value).collect();
        let nothing = if *bare {
            "alone".to_owned()
        } else {
            dims.insert(0, 1);
            lengths.insert(0, batch.clone());
            let spread = format!("{name}.spread");
            let ones: Vec<i64> = std::iter::once(-1).chain(shape.iter().map(|_| 1)).collect();
            initializer.push(TensorProto::of_ints(&axes, &ones));
            node.push(NodeProto::new("Reshape", &["zero", &axes], &spread));
            spread
        };
        initializer.push(TensorProto::of_floats(&known, &dims, values));
        node.push(NodeProto::new("Add", &[&known, &nothing], &told));
        let mut last =
            quantised(taken, &told, if name == "scores" { 1.0 / 128.0 } else { 1.0 }, &mut node, &mut initializer);
        for (at, (other, _)) in others.iter().enumerate() {
            let next = format!("{raw}{at}");
            node.push(NodeProto::new("Add", &[&last, &format!("{other}.zero")], &next));
            last = next;
        }
        node.push(NodeProto::new("Cast", &[&last], name).with_int("to", *kind as i64));
        output.push(ValueInfoProto::tensor(name, *kind, &lengths));
    }
    let graph = GraphProto { node, name: "known".into(), initializer, input, output, ..Default::default() };
    let entry = |(key, value): &(&str, &str)| sightglass::models::onnx::StringStringEntryProto {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    };
    let model = ModelProto {
        ir_version: 8,
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
        metadata_props: metadata.iter().map(entry).collect(),
        ..Default::default()
    };
    model.write().unwrap()
}

/// The name of the values behind `QuantizeLinear` and `DequantizeLinear`, or of the values themselves.
fn quantised(
    taken: Taken,
    name: &str,
    scale: f32,
    node: &mut Vec<NodeProto>,
    initializer: &mut Vec<TensorProto>,
) -> String {
    if !taken.quantised {
        return name.to_owned();
    }
    let [step, whole, back] = ["step", "whole", "back"].map(|part| format!("{name}.{part}"));
    initializer.push(TensorProto::of_floats(&step, &[], &[scale]));
    node.push(NodeProto::new("QuantizeLinear", &[name, &step], &whole));
    node.push(NodeProto::new("DequantizeLinear", &[&whole, &step], &back));
    back
}
