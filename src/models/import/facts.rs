//! What an ONNX file says of itself, without running it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path},
};

use serde::Serialize;

use crate::models::onnx::{DataType, GraphProto, ModelProto, TensorProto, ValueInfoProto};

/// A protobuf message has no more, and with it a file whose weights are in it.
const MOST_BYTES: u64 = (1 << 31) - 1;
/// Metadata beyond this is left out: names of thousands of classes are shorter.
const MOST_METADATA: usize = 1 << 20;

/// A file's own words.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// Size of the file, without those that hold its weights.
    pub bytes: u64,
    /// The program that wrote it, with its version.
    pub producer: String,
    /// Version of ONNX's own operators.
    pub opset: i64,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    pub nodes: usize,
    /// Numbers in its weights.
    pub parameters: u64,
    /// Weights of 8 bits are among them.
    pub quantised: bool,
    /// Files beside it that hold its weights, by their relative paths.
    pub external: Vec<String>,
    pub metadata: BTreeMap<String, String>,
}

/// An input or an output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Port {
    pub name: String,
    /// As ONNX Runtime writes it, such as `float32`; empty where the file does not say.
    pub r#type: String,
    /// `None` for an axis that is free; none at all where even their number is.
    pub shape: Option<Vec<Option<i64>>>,
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let axis = |length: &Option<i64>| length.map_or("?".to_owned(), |length| length.to_string());
        let shape = self.shape.as_ref().map(|shape| shape.iter().map(axis).collect::<Vec<_>>().join(", "));
        write!(f, "{} [{}]", self.name, shape.as_deref().unwrap_or("…"))?;
        if self.r#type.is_empty() { Ok(()) } else { write!(f, " {}", self.r#type) }
    }
}

impl Facts {
    /// Reads a file, and looks whether the files of its weights are there.
    ///
    /// # Errors
    /// It is no ONNX file or none that can be imported; as the end of a sentence.
    pub fn read(file: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("it cannot be read: {error}");
        let found = std::fs::metadata(file).map_err(failed)?;
        if !found.is_file() {
            return Err("it is no file".into());
        }
        if found.len() > MOST_BYTES {
            return Err(format!(
                "it has {} bytes, and an ONNX file has at most {MOST_BYTES}: larger networks keep their weights in files beside it",
                found.len()
            ));
        }
        let model = ModelProto::read(std::fs::read(file).map_err(failed)?)?;
        let facts = Self::of(&model, found.len())?;
        let folder = file.parent().unwrap_or(Path::new(""));
        facts.external.iter().try_for_each(|location| beside(folder, location))?;
        Ok(facts)
    }

    fn of(model: &ModelProto, bytes: u64) -> Result<Self, String> {
        let graph = model.graph.as_ref().ok_or("there is no graph in it")?;
        let inputs: Vec<Port> = graph.real_inputs().map(port).collect::<Result<_, _>>()?;
        let outputs: Vec<Port> = graph.output.iter().map(port).collect::<Result<_, _>>()?;
        let mut external = BTreeSet::new();
        locations(graph, &mut external)?;
        let mut room = MOST_METADATA;
        let metadata = model.metadata_props.iter().filter(|entry| {
            let length = entry.key.len() + entry.value.len();
            let fits = length <= room;
            room -= if fits { length } else { 0 };
            fits
        });
        let eight = [DataType::Int8, DataType::Uint8].map(i32::from);
        let quantised = |tensor: &TensorProto| eight.contains(&tensor.data_type) && tensor.dims.len() > 1;
        Ok(Self {
            bytes,
            producer: format!("{} {}", model.producer_name, model.producer_version).trim().to_owned(),
            opset: model.opset(),
            nodes: graph.node.len(),
            parameters: graph.initializer.iter().map(length).fold(0, u64::saturating_add),
            quantised: graph.initializer.iter().any(quantised),
            inputs,
            outputs,
            external: external.into_iter().collect(),
            metadata: metadata.map(|entry| (entry.key.clone(), entry.value.clone())).collect(),
        })
    }
}

fn port(info: &ValueInfoProto) -> Result<Port, String> {
    if info.r#type.as_ref().is_some_and(|kind| kind.tensor_type.is_none()) {
        return Err(format!("`{}` is a sequence or a map and no tensor, which only tensors can be read as", info.name));
    }
    let r#type = match info.data_type() {
        Some(DataType::Float) => "float32".to_owned(),
        Some(DataType::Double) => "float64".to_owned(),
        Some(DataType::Undefined) | None => String::new(),
        Some(other) => format!("{other:?}").to_lowercase(),
    };
    Ok(Port { name: info.name.clone(), r#type, shape: info.shape() })
}

/// Number of values that a tensor claims to have.
fn length(tensor: &TensorProto) -> u64 {
    tensor.dims.iter().map(|&length| u64::try_from(length).unwrap_or(0)).fold(1, u64::saturating_mul)
}

/// Files that tensors of a graph, and of the graphs inside, say they lie in.
fn locations(graph: &GraphProto, found: &mut BTreeSet<String>) -> Result<(), String> {
    let attributes = || graph.node.iter().flat_map(|node| &node.attribute);
    let tensors = graph.initializer.iter().chain(attributes().filter_map(|attribute| attribute.t.as_ref()));
    for tensor in tensors.filter(|tensor| tensor.data_location == 1) {
        let location = tensor.external_data.iter().find(|entry| entry.key == "location");
        let location =
            location.ok_or_else(|| format!("the weights `{}` are in another file without a name", tensor.name))?;
        let path = Path::new(&location.value);
        let plain =
            path.components().all(|part| matches!(part, Component::Normal(_))) && !location.value.contains('\\');
        if location.value.is_empty() || !plain {
            return Err(format!(
                "its weights are said to lie in `{}`: only files in its own folder are read",
                location.value
            ));
        }
        found.insert(location.value.clone());
    }
    attributes().filter_map(|attribute| attribute.g.as_ref()).try_for_each(|graph| locations(graph, found))
}

/// The file of weights is there, and really in the folder.
fn beside(folder: &Path, location: &str) -> Result<(), String> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match (here.canonicalize(), here.join(location).canonicalize()) {
        (Ok(here), Ok(file)) if file.is_file() && file.starts_with(&here) => Ok(()),
        (Ok(_), Ok(_)) => {
            Err(format!("its weights are said to lie in `{location}`, which is no file in its own folder"))
        }
        _ => Err(format!("its weights are in `{location}`, which is not beside it: put it there")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::onnx::{AttributeProto, Length, NodeProto, StringStringEntryProto, TypeProto};

    fn entry(key: &str, value: &str) -> StringStringEntryProto {
        StringStringEntryProto { key: key.into(), value: value.into() }
    }

    fn graph() -> GraphProto {
        let shape = [Length::Param("N".into()), Length::Value(3), Length::Value(8), Length::Value(8)];
        GraphProto {
            input: vec![ValueInfoProto::tensor("x", DataType::Float16, &shape)],
            output: vec![ValueInfoProto::tensor("y", DataType::Float, &shape)],
            initializer: vec![TensorProto::of_floats("w", &[2, 2], &[1.0; 4])],
            ..Default::default()
        }
    }

    fn facts(graph: GraphProto) -> Result<Facts, String> {
        let metadata =
            vec![entry("names", "{0: 'cat'}"), entry("bomb", &"x".repeat(MOST_METADATA)), entry("stride", "32")];
        Facts::of(&ModelProto { graph: Some(graph), metadata_props: metadata, ..Default::default() }, 1)
    }

    fn outside(location: &str) -> GraphProto {
        let mut graph = graph();
        graph.initializer[0].data_location = 1;
        graph.initializer[0].external_data = vec![entry("location", location), entry("offset", "0")];
        graph
    }

    #[test]
    fn a_file_is_described() {
        let facts = facts(graph()).expect("a sound graph");
        assert_eq!(facts.inputs[0].to_string(), "x [?, 3, 8, 8] float16");
        assert_eq!((facts.parameters, facts.quantised, facts.external.len()), (4, false, 0));
        // A bomb is left out, what stands around it is not.
        assert_eq!(facts.metadata.keys().map(String::as_str).collect::<Vec<_>>(), ["names", "stride"]);
    }

    #[test]
    fn weights_come_from_the_own_folder_only() {
        assert_eq!(facts(outside("sub/w.bin")).expect("a plain path").external, ["sub/w.bin"]);
        for location in ["", "../w.bin", "/etc/passwd", "a/../../w", "./../w", "a\\..\\w"] {
            assert!(facts(outside(location)).expect_err(location).contains("own folder"), "{location}");
        }
        // In the body of a loop, too.
        let body = AttributeProto { g: Some(outside("../w.bin")), ..Default::default() };
        let node = NodeProto { attribute: vec![body], ..Default::default() };
        assert!(facts(GraphProto { node: vec![node], ..graph() }).is_err());
        let folder = tempfile::tempdir().expect("a folder");
        assert!(beside(folder.path(), "w.bin").expect_err("not there").contains("not beside"));
        std::fs::write(folder.path().join("w.bin"), "x").expect("a file");
        assert!(beside(folder.path(), "w.bin").is_ok());
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).expect("a link");
        assert!(beside(folder.path(), "link").is_err());
    }

    #[test]
    fn what_is_no_tensor_is_told() {
        let mut graph = graph();
        graph.output[0].r#type = Some(TypeProto { tensor_type: None });
        assert!(facts(graph).expect_err("a sequence").contains("sequence"));
    }
}
