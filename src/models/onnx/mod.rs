//! The ONNX file format: the messages that are written and read here.
//!
//! Source of the field numbers: `onnx/onnx.proto3` of github.com/onnx/onnx, IR version 13. What is not named here (training,
//! functions, sparse tensors, sequences) is skipped when a file is read: a file of someone else is looked into and
//! copied as bytes, never written anew from these messages.

mod build;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use prost::{Message, Oneof};

/// A file.
#[derive(Clone, PartialEq, Message)]
pub struct ModelProto {
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    #[prost(string, tag = "2")]
    pub producer_name: String,
    #[prost(string, tag = "3")]
    pub producer_version: String,
    #[prost(string, tag = "4")]
    pub domain: String,
    #[prost(int64, tag = "5")]
    pub model_version: i64,
    #[prost(string, tag = "6")]
    pub doc_string: String,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// Which version of a domain's operators the nodes mean; the domain of ONNX's own is empty.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct OperatorSetIdProto {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct StringStringEntryProto {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct GraphProto {
    /// Each comes after those whose outputs it takes.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    pub name: String,
    /// Constants: weights, and defaults of inputs of the same name.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    #[prost(string, tag = "10")]
    pub doc_string: String,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
    /// Types of values between input and output, where the exporter wrote them down.
    #[prost(message, repeated, tag = "13")]
    pub value_info: Vec<ValueInfoProto>,
}

/// One operator; values are known by their names. An empty name is an input or output that is left out.
#[derive(Clone, PartialEq, Message)]
pub struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    #[prost(string, tag = "7")]
    pub domain: String,
}

/// The one field that counts is named by `type`.
#[derive(Clone, PartialEq, Message)]
pub struct AttributeProto {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(float, tag = "2")]
    pub f: f32,
    #[prost(int64, tag = "3")]
    pub i: i64,
    #[prost(bytes = "bytes", tag = "4")]
    pub s: Bytes,
    #[prost(message, optional, tag = "5")]
    pub t: Option<TensorProto>,
    /// The body of `If`, `Loop` and `Scan`.
    #[prost(message, optional, tag = "6")]
    pub g: Option<GraphProto>,
    #[prost(float, repeated, tag = "7")]
    pub floats: Vec<f32>,
    #[prost(int64, repeated, tag = "8")]
    pub ints: Vec<i64>,
    #[prost(bytes = "bytes", repeated, tag = "9")]
    pub strings: Vec<Bytes>,
    #[prost(enumeration = "AttributeType", tag = "20")]
    pub r#type: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum AttributeType {
    Undefined = 0,
    Float = 1,
    Int = 2,
    String = 3,
    Tensor = 4,
    Graph = 5,
    Floats = 6,
    Ints = 7,
    Strings = 8,
}

/// Values in row-major order: in `raw_data`, little endian, or in the field of their type, or in another file.
#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    /// A [`DataType`], or a newer one.
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    #[prost(bytes = "bytes", repeated, tag = "6")]
    pub string_data: Vec<Bytes>,
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "bytes", tag = "9")]
    pub raw_data: Bytes,
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    #[prost(uint64, repeated, tag = "11")]
    pub uint64_data: Vec<u64>,
    /// `location`, a path relative to the model's file, with `offset` and `length` in bytes.
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<StringStringEntryProto>,
    /// 1: the values are where `external_data` says.
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

/// What a tensor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum DataType {
    Undefined = 0,
    Float = 1,
    Uint8 = 2,
    Int8 = 3,
    Uint16 = 4,
    Int16 = 5,
    Int32 = 6,
    Int64 = 7,
    String = 8,
    Bool = 9,
    Float16 = 10,
    Double = 11,
    Uint32 = 12,
    Uint64 = 13,
    Bfloat16 = 16,
}

/// An input, an output or a value between, with its type.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ValueInfoProto {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
}

/// Of a value that is no tensor, `tensor_type` is none.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorTypeProto>,
}

/// `TypeProto.Tensor`
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TensorTypeProto {
    /// A [`DataType`], or a newer one.
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    /// None: even the number of axes is open.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<DimensionProto>,
}

/// `TensorShapeProto.Dimension`: the length of an axis. Without a value it is free.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DimensionProto {
    #[prost(oneof = "Length", tags = "1, 2")]
    pub value: Option<Length>,
}

#[derive(Clone, PartialEq, Eq, Oneof)]
pub enum Length {
    #[prost(int64, tag = "1")]
    Value(i64),
    /// Free, by a name that other axes may share.
    #[prost(string, tag = "2")]
    Param(String),
}

impl ModelProto {
    /// Reads a file; tensors keep pointing into `bytes`, so that weights are not copied.
    ///
    /// # Errors
    /// It is no ONNX file, in words for who brought it.
    pub fn read(bytes: impl Into<Bytes>) -> Result<Self, String> {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Err("it is empty".into());
        }
        let model = <Self as Message>::decode(bytes).map_err(|error| format!("it is no ONNX file ({error})"))?;
        // Any bytes may happen to be a protobuf message of fields that are skipped.
        match model.graph {
            Some(_) => Ok(model),
            None => Err("it is no ONNX file: there is no graph in it".into()),
        }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// It would be larger than the 2 GiB that a protobuf message may have.
    pub fn write(&self) -> Result<Vec<u8>, String> {
        match self.encoded_len() {
            length if length < 1 << 31 => Ok(self.encode_to_vec()),
            length => Err(format!("it would have {length} bytes, and an ONNX file of its own may have 2147483647")),
        }
    }

    /// The metadata's value of a key, such as Ultralytics' `names`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata_props.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
    }

    /// Version of ONNX's own operators; 0 where the file does not say.
    pub fn opset(&self) -> i64 {
        let own = self.opset_import.iter().filter(|set| matches!(set.domain.as_str(), "" | "ai.onnx"));
        own.map(|set| set.version).max().unwrap_or(0)
    }
}

impl GraphProto {
    /// The inputs that a caller gives: those that are no initializer, which older files list as well.
    pub fn real_inputs(&self) -> impl Iterator<Item = &ValueInfoProto> {
        let known: std::collections::HashSet<&str> =
            self.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        self.input.iter().filter(move |input| !known.contains(input.name.as_str()))
    }
}

impl ValueInfoProto {
    /// Type of the values, where it is a tensor of a type that is known here.
    pub fn data_type(&self) -> Option<DataType> {
        DataType::try_from(self.r#type.as_ref()?.tensor_type.as_ref()?.elem_type).ok()
    }

    /// Lengths of the axes, `None` for a free one; none at all where the number of axes is open or it is no tensor.
    pub fn shape(&self) -> Option<Vec<Option<i64>>> {
        let shape = self.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?;
        let length = |dimension: &DimensionProto| match dimension.value {
            Some(Length::Value(length)) if length >= 0 => Some(length),
            _ => None,
        };
        Some(shape.dim.iter().map(length).collect())
    }
}

impl NodeProto {
    pub fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute.iter().find(|attribute| attribute.name == name)
    }
}
