//! One session of ONNX Runtime: opened by a setup, proven to run on its provider, fed with batches.

use std::{path::PathBuf, sync::Arc};

use half::f16;
use ort::{
    session::{Session as OrtSession, SessionInputValue, builder::GraphOptimizationLevel},
    value::{TensorElementType, TensorRef, ValueType},
};

use super::{Buffer, Inferred, Library, Pool, Setup, Tensor, provider};
use crate::{
    config::{Precision, Provider},
    error::{Error, Kind, Result},
    fault,
};

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
    input_type: TensorElementType,
    /// Names of the input's free axes.
    symbols: Vec<String>,
    /// Name and shape without the batch axis, `None` where free.
    pub outputs: Vec<(String, Vec<Option<usize>>)>,
}

impl Signature {
    pub fn batch_is_free(&self) -> bool {
        self.input.first() == Some(&-1)
    }
}

fn refused(error: impl std::fmt::Display) -> Error {
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
        && matches!(input_shape[0], -1 | 1);
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
    Ok(Signature { input: input_shape, input_type: *ty, symbols, outputs: outputs.collect() })
}

fn broken(file: &std::path::Path, error: &dyn std::fmt::Display) -> Error {
    let version = file.parent().and_then(|folder| folder.file_name()).unwrap_or_default().display();
    let name = format!("{version}/{}", file.file_name().unwrap_or_default().display());
    match looks_like(file) {
        Some(found) => fault!(BadRequest, "{name} is no ONNX model but {found}").with_cause(error),
        None => fault!(BadRequest, "{name} is no ONNX model that can be loaded: {error}"),
    }
}

/// What people have in a model's place most often, and what to do then.
fn looks_like(file: &std::path::Path) -> Option<&'static str> {
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

/// Shape without the batch axis, and buffers of that many values.
type OutputPool = (Arc<[usize]>, Arc<Pool>);

/// An opened session.
pub struct Session {
    inner: OrtSession,
    network: Network,
    input_type: TensorElementType,
    /// For each output; known after the first run.
    outputs: Vec<Option<OutputPool>>,
    /// For batches, and for inputs of another type than f32.
    batch: Vec<f32>,
}

impl Session {
    /// Opens a session and runs a grey picture through it, which proves that the provider works.
    ///
    /// # Errors
    /// The provider does not run the model here, in words.
    pub fn open(library: &Library, network: &Network, signature: &Signature, setup: &Setup) -> Result<Self> {
        let file = match (setup.provider, setup.precision, &network.half_file) {
            (Provider::Cuda, Precision::F16, Some(half)) => half,
            _ => &network.file,
        };
        let unfit = |words: &str| {
            let (provider, needs, words) = (setup.provider, setup.provider.needs(), words.trim_end_matches('.'));
            let detail = format!("The provider {provider} cannot run this model here: {words}. {needs}");
            Error::new(Kind::Unavailable, detail.trim_end())
        };
        let mut builder = OrtSession::builder(&library.environment).map_err(refused)?;
        builder = builder.with_optimization_level(GraphOptimizationLevel::All).map_err(refused)?;
        builder = builder.with_intra_threads(setup.threads).map_err(refused)?;
        builder = builder.with_inter_threads(1).map_err(refused)?;
        // Threads that spin while they wait take the cores from the decoder.
        builder = builder.with_intra_op_spinning(false).map_err(refused)?;
        // A provider for GPUs keeps the batch axis free; for a CPU fixed axes let the graph be planned ahead.
        if !setup.provider.on_gpu() {
            let lengths = std::iter::once(setup.batch).chain(network.shape);
            for ((symbol, length), has) in signature.symbols.iter().zip(lengths).zip(&signature.input) {
                if *has == -1 && !symbol.is_empty() && setup.batch == 1 {
                    builder = builder.with_dimension_override(symbol, length as i64).map_err(refused)?;
                }
            }
        }
        let shape: Vec<String> =
            std::iter::once(setup.batch).chain(network.shape).map(|length| length.to_string()).collect();
        provider::register(setup, &format!("{}:{}", network.input, shape.join("x")), &mut builder)
            .map_err(|words| unfit(&words))?;
        let profile = tempfile_prefix();
        builder = builder.with_profiling(&profile).map_err(refused)?;
        let inner = builder.commit_from_file(file).map_err(|error| match setup.provider {
            Provider::Cpu => broken(file, &error),
            _ => unfit(&error.to_string()),
        })?;
        let input_type =
            match inner.inputs().iter().find(|input| input.name() == network.input).map(|input| input.dtype()) {
                Some(ValueType::Tensor { ty, .. }) => *ty,
                _ => signature.input_type,
            };
        let outputs = inner.outputs().iter().map(|_| None).collect();
        let mut session = Self { inner, network: network.clone(), input_type, outputs, batch: Vec::new() };
        let mut grey = Pool::new(network.input_len()).take();
        grey.fill(0.5);
        let ran = session.run(&[grey]);
        // The profile is ended and removed in any case: an open one would grow with every frame.
        let profile = session.inner.end_profiling().ok();
        let providers = profile.as_deref().map(providers_in).unwrap_or_default();
        if let Some(profile) = profile {
            let _ = std::fs::remove_file(profile);
        }
        ran.map_err(|error| unfit(&error.full()))?;
        if setup.provider != Provider::Cpu
            && !providers.is_empty()
            && !providers.iter().any(|name| name == setup.provider.name())
        {
            return Err(unfit("it was registered, but every node ran on the CPU provider"));
        }
        Ok(session)
    }

    /// Runs pictures as one batch; each gets its own outputs, in the model's order.
    ///
    /// # Errors
    /// ONNX Runtime's words.
    pub fn run(&mut self, inputs: &[Buffer]) -> Result<Vec<Inferred>> {
        let failed = |error: &dyn std::fmt::Display| Error::internal("The model could not be run on a picture.", error);
        let values: &[f32] = match inputs {
            [one] => one,
            several => {
                self.batch.clear();
                several.iter().for_each(|input| self.batch.extend_from_slice(input));
                &self.batch
            }
        };
        let [a, b, c] = self.network.shape;
        let shape = [inputs.len(), a, b, c];
        let (halves, bytes): (Vec<f16>, Vec<u8>);
        let value: SessionInputValue<'_> = match self.input_type {
            TensorElementType::Float16 => {
                halves = values.iter().map(|&value| f16::from_f32(value)).collect();
                TensorRef::from_array_view((shape, halves.as_slice())).map_err(|error| failed(&error))?.into()
            }
            TensorElementType::Uint8 => {
                bytes = values.iter().map(|&value| value.round() as u8).collect();
                TensorRef::from_array_view((shape, bytes.as_slice())).map_err(|error| failed(&error))?.into()
            }
            _ => TensorRef::from_array_view((shape, values)).map_err(|error| failed(&error))?.into(),
        };
        let outputs = self.inner.run(vec![(self.network.input.as_str(), value)]).map_err(|error| failed(&error))?;
        let mut inferred: Vec<Inferred> = inputs.iter().map(|_| Vec::with_capacity(outputs.len())).collect();
        for (known, value) in self.outputs.iter_mut().zip(outputs.values()) {
            let widened: Vec<f32>;
            let (shape, values): (&[i64], &[f32]) = match value.try_extract_tensor::<f32>() {
                Ok((shape, values)) => (shape, values),
                Err(_) => {
                    let (shape, values) = value.try_extract_tensor::<f16>().map_err(|error| failed(&error))?;
                    widened = values.iter().map(|value| value.to_f32()).collect();
                    (shape, &widened)
                }
            };
            let shape: Vec<usize> = shape.iter().skip(1).map(|&length| length as usize).collect();
            let (shape, pool) = match known {
                Some((before, pool)) if **before == *shape => (before.clone(), pool.clone()),
                known => known.insert((shape.as_slice().into(), Pool::new(shape.iter().product()))).clone(),
            };
            let each = shape.iter().product::<usize>();
            if each * inputs.len() != values.len() {
                return Err(failed(&"an output's first axis is not the batch"));
            }
            for (inferred, values) in inferred.iter_mut().zip(values.chunks_exact(each.max(1))) {
                let mut copy = pool.take();
                copy.copy_from_slice(values);
                inferred.push(Tensor { shape: shape.clone(), values: copy });
            }
        }
        Ok(inferred)
    }
}

/// Where ONNX Runtime may write a profile; it adds the time and `.json`.
fn tempfile_prefix() -> PathBuf {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::env::temp_dir().join(format!("sightglass-{}-{count}", std::process::id()))
}

/// Names of the providers that ran nodes, by a profile of ONNX Runtime. Registering a provider proves nothing: one that
/// refuses its configuration leaves all nodes to the CPU without a word.
fn providers_in(profile: &str) -> Vec<String> {
    let events: Vec<serde_json::Value> =
        std::fs::read(profile).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let mut names: Vec<String> = events
        .iter()
        .filter_map(|event| event["args"]["provider"].as_str())
        .map(|name| match name.trim_end_matches("ExecutionProvider") {
            "Tensorrt" => "TensorRT".to_owned(),
            name => name.to_owned(),
        })
        .collect();
    names.sort();
    names.dedup();
    names
}
