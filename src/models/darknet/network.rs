//! The ONNX graph that grows layer by layer, and what each layer has for the next.

use super::{head::Head, weights::Weights};
use crate::models::onnx::{
    DataType, GraphProto, Length, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto,
};

/// Most values of one layer's output for one picture: 1 GiB of 32-bit floats. YOLOv3 at 608 has 12 million.
const MOST_VALUES: usize = 1 << 28;

/// Size of a layer's output for one picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x {} x {}", self.channels, self.height, self.width)
    }
}

/// A tensor of the graph, `[N, channels, height, width]`.
#[derive(Clone, Debug)]
pub struct Value {
    pub name: String,
    pub shape: Shape,
}

pub struct Network<'a> {
    graph: GraphProto,
    input: Value,
    /// What each layer has for others; a head has boxes, which are for none.
    layers: Vec<Option<Value>>,
    pub weights: Weights<'a>,
    pub heads: Vec<Head>,
}

impl<'a> Network<'a> {
    pub fn new(input: Value, weights: Weights<'a>) -> Self {
        Self { graph: GraphProto::default(), input, layers: Vec::new(), weights, heads: Vec::new() }
    }

    /// The number of the layer that is being made, from 0 as Darknet counts.
    pub fn index(&self) -> usize {
        self.layers.len()
    }

    pub fn input(&self) -> &Value {
        &self.input
    }

    /// The current layer is made.
    pub fn push(&mut self, output: Option<Value>) {
        self.layers.push(output);
    }

    /// What the layer before has.
    ///
    /// # Errors
    /// It is a head.
    pub fn before(&self) -> Result<Value, String> {
        match self.layers.last() {
            None => Ok(self.input.clone()),
            Some(value) => value.clone().ok_or_else(|| "it takes the boxes of the layer before, a head".to_owned()),
        }
    }

    /// What a layer has that is named by its number, or by how far it is back if negative.
    ///
    /// # Errors
    /// There is none before this one, or it is a head.
    pub fn at(&self, named: i64) -> Result<Value, String> {
        let here = self.index();
        let index = if named < 0 { (here as i64).checked_add(named) } else { Some(named) };
        let index = index.and_then(|index| usize::try_from(index).ok()).filter(|index| *index < here);
        let Some(index) = index else {
            return Err(format!("it names the layer {named}, which is not one of the {here} before it"));
        };
        let value = self.layers.get(index).cloned().flatten();
        value.ok_or_else(|| format!("it takes the boxes of the layer {index}, a head"))
    }

    /// A name for a part of the current layer.
    pub fn name(&self, part: &str) -> String {
        format!("layer{}_{part}", self.index())
    }

    /// Adds a node.
    ///
    /// # Errors
    /// Its output would be empty, or too large to be calculated.
    pub fn node(&mut self, node: NodeProto, shape: Shape) -> Result<Value, String> {
        let Shape { channels, height, width } = shape;
        let values = channels.checked_mul(height).and_then(|values| values.checked_mul(width));
        match values {
            Some(1..=MOST_VALUES) => {}
            _ => return Err(format!("its output would be {shape}: that is none, or more than can be calculated")),
        }
        let name = node.output.first().cloned().unwrap_or_default();
        self.graph.node.push(node);
        Ok(Value { name, shape })
    }

    /// Adds a node of one input that keeps its shape, named after the operator.
    ///
    /// # Errors
    /// As [`Network::node`].
    pub fn apply(&mut self, op_type: &str, value: &Value) -> Result<Value, String> {
        let name = self.name(&op_type.to_lowercase());
        self.node(NodeProto::new(op_type, &[&value.name], &name), value.shape)
    }

    /// Adds a constant and gives its name.
    pub fn constant(&mut self, tensor: TensorProto) -> String {
        let name = tensor.name.clone();
        self.graph.initializer.push(tensor);
        name
    }

    /// Adds a list of whole numbers and gives its name.
    pub fn ints(&mut self, part: &str, values: &[i64]) -> String {
        let name = self.name(part);
        self.constant(TensorProto::of_ints(&name, values))
    }

    /// Applies what Darknet calls an activation; source of the formulas: `src/activations.h` of Darknet.
    ///
    /// # Errors
    /// It is not known here.
    pub fn activate(&mut self, activation: &str, value: Value) -> Result<Value, String> {
        match activation {
            "linear" => Ok(value),
            "leaky" => {
                let name = self.name("leaky");
                self.node(NodeProto::new("LeakyRelu", &[&value.name], &name).with_float("alpha", 0.1), value.shape)
            }
            "relu" => self.apply("Relu", &value),
            "relu6" => {
                let [least, most, name] = ["least", "most", "clip"].map(|part| self.name(part));
                let least = self.constant(TensorProto::of_floats(&least, &[], &[0.0]));
                let most = self.constant(TensorProto::of_floats(&most, &[], &[6.0]));
                self.node(NodeProto::new("Clip", &[&value.name, &least, &most], &name), value.shape)
            }
            "logistic" => self.apply("Sigmoid", &value),
            "tanh" => self.apply("Tanh", &value),
            "swish" => {
                let sigmoid = self.apply("Sigmoid", &value)?;
                self.multiply(&value, &sigmoid)
            }
            "mish" => {
                let softplus = self.apply("Softplus", &value)?;
                let tanh = self.apply("Tanh", &softplus)?;
                self.multiply(&value, &tanh)
            }
            other => Err(format!(
                "the activation `{other}` is not supported; those that are: linear, leaky, relu, relu6, logistic, tanh, swish, mish"
            )),
        }
    }

    /// The shape is that of the first; the second's may be repeated along it.
    ///
    /// # Errors
    /// As [`Network::node`].
    pub fn multiply(&mut self, a: &Value, b: &Value) -> Result<Value, String> {
        let name = self.name("mul");
        self.node(NodeProto::new("Mul", &[&a.name, &b.name], &name), a.shape)
    }

    /// The finished model, with a free batch axis `N`, its heads, and what the weights file has too much.
    pub fn finish(mut self) -> (ModelProto, Vec<Head>, Weights<'a>) {
        let tensor = |name: &str, shape: Shape| {
            let lengths = [shape.channels, shape.height, shape.width].map(|length| Length::Value(length as i64));
            let shape: Vec<Length> = std::iter::once(Length::Param("N".to_owned())).chain(lengths).collect();
            ValueInfoProto::tensor(name, DataType::Float, &shape)
        };
        self.graph.name = "darknet".into();
        self.graph.input = vec![tensor(&self.input.name, self.input.shape)];
        self.graph.output = self.heads.iter().map(|head| tensor(&head.output, head.shape)).collect();
        let model = ModelProto {
            // What came with the operators of version 13: old enough for every runtime in use.
            ir_version: 7,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
            producer_name: env!("CARGO_PKG_NAME").into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(self.graph),
            ..ModelProto::default()
        };
        (model, self.heads, self.weights)
    }
}
