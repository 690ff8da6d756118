//! What a network is, and what its file says of itself.

use std::path::PathBuf;

use ort::{
    session::{Session as OrtSession, builder::GraphOptimizationLevel},
    value::{TensorElementType, ValueType},
};

use super::Library;
use crate::{
    error::{Error, Result},
    fault,
};

/// Pictures that a file may fix for each run.
const MOST_FIXED_BATCH: i64 = 64;

/// A network to be run.
#[derive(Clone, Debug)]
pub struct Network {
    pub file: PathBuf,
    /// The same network with 16-bit weights, for providers that take the arithmetic from them.
    pub half_file: Option<PathBuf>,
    /// Name of the input tensor.
    pub input: String,
    /// The input's shape without the batch axis.
    pub shape: [usize; 3],
    /// Further inputs, which get the same values in every run.
    pub constants: Vec<Constant>,
}

/// An input that is the same in every run: the size that a network with its own non-maximum suppression asks for, say.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Name of the input tensor.
    pub input: String,
    /// In row-major order; converted to the input's type.
    pub values: Vec<f64>,
}

impl Network {
    /// Number of values of one picture.
    pub fn input_len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// What the model file says of itself.
#[derive(Clone, Debug)]
pub struct Signature {
    /// Shape of the input, -1 where free.
    pub input: Vec<i64>,
    pub(super) input_type: TensorElementType,
    /// Names of the input's free axes.
    pub(super) symbols: Vec<String>,
    /// Type and shape of each constant, in their order.
    pub(super) constants: Vec<(TensorElementType, Vec<usize>)>,
    /// Name and shape without the batch axis, `None` where free.
    pub outputs: Vec<(String, Vec<Option<usize>>)>,
}

impl Signature {
    /// Any number of pictures fits in one run.
    pub fn batch_is_free(&self) -> bool {
        self.input.first() == Some(&-1) && self.constants.is_empty()
    }

    /// Pictures in each run, where the file fixes it.
    pub fn fixed_batch(&self) -> Option<usize> {
        self.input.first().and_then(|&batch| usize::try_from(batch).ok())
    }
}

pub(super) fn refused(error: impl std::fmt::Display) -> Error {
    Error::internal("ONNX Runtime refused a setting.", error)
}

/// Reads a model file without running it.
///
/// # Errors
/// It is no model, or its input is not the manifest's; in words.
pub fn inspect(library: &Library, network: &Network) -> Result<Signature> {
    let builder = OrtSession::builder(&library.environment).map_err(refused)?;
    let mut builder = builder.with_optimization_level(GraphOptimizationLevel::Disable).map_err(refused)?;
    let session = builder.commit_from_file(&network.file).map_err(|error| broken(&network.file, &error))?;
    let names: Vec<&str> = session.inputs().iter().map(|input| input.name()).collect();
    let Some(input) = session.inputs().iter().find(|input| input.name() == network.input) else {
        return Err(fault!(
            BadRequest,
            "The model has no input `{}`; it has: {}. Correct [input] name in model.toml.",
            network.input,
            names.join(", ")
        ));
    };
    let ValueType::Tensor { ty, shape, dimension_symbols } = input.dtype() else {
        return Err(fault!(BadRequest, "The input `{}` is no tensor.", network.input));
    };
    let input_shape: Vec<i64> = shape.iter().copied().collect();
    let wanted: Vec<i64> = std::iter::once(-1).chain(network.shape.iter().map(|&length| length as i64)).collect();
    let fits = input_shape.len() == 4
        && input_shape.iter().zip(&wanted).skip(1).all(|(has, wants)| *has == -1 || has == wants)
        && (input_shape[0] == -1 || (1..=MOST_FIXED_BATCH).contains(&input_shape[0]));
    if !fits {
        return Err(fault!(
            BadRequest,
            "The input `{}` has the shape {input_shape:?}, but model.toml describes {wanted:?}: correct [input] width, height or layout.",
            network.input
        ));
    }
    if !matches!(ty, TensorElementType::Float32 | TensorElementType::Float16 | TensorElementType::Uint8) {
        return Err(fault!(
            BadRequest,
            "The input `{}` holds {ty}; only float32, float16 and uint8 are fed.",
            network.input
        ));
    }
    let constants = session.inputs().iter().filter(|other| other.name() != network.input);
    let constants =
        constants.map(|other| constant(other.name(), other.dtype(), network)).collect::<Result<Vec<_>>>()?;
    if let Some(lost) = network.constants.iter().find(|constant| !names.contains(&constant.input.as_str())) {
        let (lost, names) = (&lost.input, names.join(", "));
        return Err(fault!(BadRequest, "The model has no input `{lost}`, which [[constants]] names; it has: {names}."));
    }
    let outputs = session.outputs().iter().map(|output| {
        let shape = match output.dtype() {
            ValueType::Tensor { shape, .. } => {
                shape.iter().skip(1).map(|&length| usize::try_from(length).ok()).collect()
            }
            _ => Vec::new(),
        };
        (output.name().to_owned(), shape)
    });
    let symbols = dimension_symbols.iter().map(|symbol| symbol.to_string()).collect();
    Ok(Signature { input: input_shape, input_type: *ty, symbols, constants, outputs: outputs.collect() })
}

pub(super) fn broken(file: &std::path::Path, error: &dyn std::fmt::Display) -> Error {
    let version = file.parent().and_then(|folder| folder.file_name()).unwrap_or_default().display();
    let name = format!("{version}/{}", file.file_name().unwrap_or_default().display());
    match looks_like(file) {
        Some(found) => fault!(BadRequest, "{name} is no ONNX model but {found}").with_cause(error),
        None => fault!(BadRequest, "{name} is no ONNX model that can be loaded: {error}"),
    }
}

/// What people have in a model's place most often, and what to do then; as the end of a sentence.
pub fn looks_like(file: &std::path::Path) -> Option<&'static str> {
    use std::io::Read;
    let mut head = Vec::new();
    std::fs::File::open(file).ok()?.take(64).read_to_end(&mut head).ok()?;
    let text = String::from_utf8_lossy(&head).trim_start().to_ascii_lowercase();
    if head.is_empty() {
        Some("an empty file: fetch it again.")
    } else if text.starts_with("version https://git-lfs") {
        Some("a pointer of Git LFS: fetch the file itself with `git lfs pull`.")
    } else if text.starts_with('<') {
        Some("a web page: the address it was fetched from gives no file. Fetch it again from another one.")
    } else {
        None
    }
}

/// Type and shape of an input that is not the picture.
fn constant(name: &str, has: &ValueType, network: &Network) -> Result<(TensorElementType, Vec<usize>)> {
    let Some(constant) = network.constants.iter().find(|constant| constant.input == name) else {
        return Err(fault!(
            BadRequest,
            "The model also wants the input `{name}` ({has}): give its values in model.toml under [[constants]]."
        ));
    };
    let ValueType::Tensor { ty, shape, .. } = has else {
        return Err(fault!(BadRequest, "The input `{name}` is no tensor."));
    };
    let shape: Vec<usize> = shape.iter().map(|&length| usize::try_from(length).unwrap_or(1)).collect();
    let (needs, has) = (shape.iter().product::<usize>(), constant.values.len());
    if needs != has {
        return Err(fault!(
            BadRequest,
            "[[constants]] gives {has} values for the input `{name}`, whose shape is {shape:?}."
        ));
    }
    Ok((*ty, shape))
}
