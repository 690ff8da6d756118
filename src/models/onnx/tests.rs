use super::*;

/// `y = Relu(x)`, with an initializer that the inputs list as well, as files of IR version 3 do.
fn model() -> ModelProto {
    let shape = [Length::Param("N".into()), Length::Value(3)];
    let weights = [Length::Value(2)];
    let graph = GraphProto {
        node: vec![
            NodeProto::new("Relu", &["x"], "y")
                .with_int("i", -2)
                .with_ints("is", &[1, -1])
                .with_float("f", 0.5)
                .with_string("s", "same"),
        ],
        name: "g".into(),
        initializer: vec![TensorProto::of_floats("w", &[2], &[1.0, -2.0]), TensorProto::of_ints("k", &[-1])],
        input: vec![
            ValueInfoProto::tensor("x", DataType::Float, &shape),
            ValueInfoProto::tensor("w", DataType::Float, &weights),
        ],
        output: vec![ValueInfoProto::tensor("y", DataType::Float16, &shape)],
        ..Default::default()
    };
    ModelProto {
        ir_version: 7,
        producer_name: "test".into(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
        metadata_props: vec![StringStringEntryProto { key: "names".into(), value: "{0: 'cat'}".into() }],
        ..Default::default()
    }
}

#[test]
fn what_is_written_is_read() {
    let read = ModelProto::read(model().write().expect("a small model")).expect("a sound model");
    assert_eq!(read, model());
    assert_eq!((read.opset(), read.metadata("names"), read.metadata("stride")), (13, Some("{0: 'cat'}"), None));
    let graph = read.graph.expect("a graph");
    let real: Vec<&str> = graph.real_inputs().map(|input| input.name.as_str()).collect();
    assert_eq!(real, ["x"]);
    assert_eq!(graph.input[0].shape(), Some(vec![None, Some(3)]));
    assert_eq!(graph.output[0].data_type(), Some(DataType::Float16));
    assert_eq!(graph.node[0].attribute("is").map(|is| is.ints.as_slice()), Some(&[1, -1][..]));
}

/// The bytes of the file format itself: a field's number, its wire type, its value.
#[test]
fn the_bytes_are_those_of_the_format() {
    let bytes = ModelProto {
        ir_version: 7,
        graph: Some(GraphProto { name: "g".into(), ..Default::default() }),
        ..Default::default()
    };
    assert_eq!(bytes.write().expect("a small model"), [1 << 3, 7, (7 << 3) | 2, 3, (2 << 3) | 2, 1, b'g']);
}

#[test]
fn what_is_no_model_is_told() {
    for (bytes, words) in [(&b""[..], "empty"), (b"<!DOCTYPE html>", "no ONNX file"), (b"\x08\x07", "no graph")] {
        let error = ModelProto::read(bytes).expect_err(words);
        assert!(error.contains(words), "{error}");
    }
    let whole = model().write().expect("a small model");
    for end in 0..whole.len() {
        // Cut anywhere it is read or refused, never a panic.
        let _ = ModelProto::read(whole[..end].to_vec());
    }
}
