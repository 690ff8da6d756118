//! Short ways to make the messages of a graph.

use super::{
    AttributeProto, AttributeType, DataType, DimensionProto, Length, NodeProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};

impl NodeProto {
    /// `name` is that of its one output, too.
    pub fn new(op_type: &str, inputs: &[&str], name: &str) -> Self {
        Self {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![name.to_owned()],
            name: name.to_owned(),
            op_type: op_type.to_owned(),
            ..Self::default()
        }
    }

    fn with(mut self, name: &str, kind: AttributeType, attribute: AttributeProto) -> Self {
        self.attribute.push(AttributeProto { name: name.to_owned(), r#type: kind.into(), ..attribute });
        self
    }

    #[must_use]
    pub fn with_int(self, name: &str, i: i64) -> Self {
        self.with(name, AttributeType::Int, AttributeProto { i, ..Default::default() })
    }

    #[must_use]
    pub fn with_ints(self, name: &str, ints: &[i64]) -> Self {
        self.with(name, AttributeType::Ints, AttributeProto { ints: ints.to_vec(), ..Default::default() })
    }

    #[must_use]
    pub fn with_float(self, name: &str, f: f32) -> Self {
        self.with(name, AttributeType::Float, AttributeProto { f, ..Default::default() })
    }

    #[must_use]
    pub fn with_string(self, name: &str, text: &str) -> Self {
        let s = text.as_bytes().to_vec().into();
        self.with(name, AttributeType::String, AttributeProto { s, ..Default::default() })
    }
}

impl TensorProto {
    fn raw(name: &str, dims: &[i64], kind: DataType, raw: Vec<u8>) -> Self {
        let dims = dims.to_vec();
        Self { name: name.to_owned(), dims, data_type: kind.into(), raw_data: raw.into(), ..Self::default() }
    }

    /// `values` in row-major order; an empty `dims` is a single number.
    pub fn of_floats(name: &str, dims: &[i64], values: &[f32]) -> Self {
        let mut raw = Vec::with_capacity(4 * values.len());
        values.iter().for_each(|value| raw.extend_from_slice(&value.to_le_bytes()));
        Self::raw(name, dims, DataType::Float, raw)
    }

    /// A list.
    pub fn of_ints(name: &str, values: &[i64]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::raw(name, &[values.len() as i64], DataType::Int64, raw)
    }
}

impl ValueInfoProto {
    /// A tensor; a length is a number, or the name of a free axis.
    pub fn tensor(name: &str, kind: DataType, shape: &[Length]) -> Self {
        let dim = shape.iter().map(|length| DimensionProto { value: Some(length.clone()) }).collect();
        let tensor = TensorTypeProto { elem_type: kind.into(), shape: Some(TensorShapeProto { dim }) };
        Self { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
    }
}
