//! One session of ONNX Runtime: opened by a setup, proven to run on its provider, fed with batches.

use std::{borrow::Cow, path::PathBuf, sync::Arc};

use half::f16;
use ort::{
    session::{Session as OrtSession, SessionInputValue, builder::GraphOptimizationLevel},
    value::{DynTensor, TensorElementType, TensorRef, ValueType},
};

use super::{
    Buffer, Inferred, Library, Network, Pool, Setup, Signature, Tensor, provider,
    signature::{broken, refused},
    values::{read, tensor},
};
use crate::{
    config::{Precision, Provider},
    error::{Error, Kind, Result},
};

/// Shape without the batch axis, and buffers of that many values.
type OutputPool = (Arc<[usize]>, Arc<Pool>);

/// An opened session.
pub struct Session {
    inner: OrtSession,
    network: Network,
    input_type: TensorElementType,
    /// In every run, beside the pictures.
    constants: Vec<DynTensor>,
    /// Pictures in each run, where the file fixes it.
    fixed_batch: Option<usize>,
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
        let constants = network.constants.iter().zip(&signature.constants);
        let constants = constants.map(|(constant, (ty, shape))| tensor(&constant.values, *ty, shape));
        let mut session = Self {
            inner,
            network: network.clone(),
            input_type,
            constants: constants.collect::<Result<_>>()?,
            fixed_batch: signature.fixed_batch(),
            outputs,
            batch: Vec::new(),
        };
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
        let batch = self.fixed_batch.unwrap_or(inputs.len());
        let values: &[f32] = match inputs {
            [one] if batch == 1 => one,
            several => {
                self.batch.clear();
                several.iter().for_each(|input| self.batch.extend_from_slice(input));
                // Places of a fixed batch that no picture takes are black and not looked at.
                self.batch.resize(batch * self.network.input_len(), 0.0);
                &self.batch
            }
        };
        let [a, b, c] = self.network.shape;
        let shape = [batch, a, b, c];
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
        let mut given = vec![(Cow::from(self.network.input.as_str()), value)];
        for (constant, tensor) in self.network.constants.iter().zip(&self.constants) {
            given.push((constant.input.as_str().into(), tensor.into()));
        }
        let outputs = self.inner.run(given).map_err(|error| failed(&error))?;
        let mut inferred: Vec<Inferred> = inputs.iter().map(|_| Vec::with_capacity(outputs.len())).collect();
        for (known, value) in self.outputs.iter_mut().zip(outputs.values()) {
            let (shape, values) = read(&value)?;
            let shape: Vec<usize> = shape.iter().map(|&length| length as usize).collect();
            let shape = match shape.split_first() {
                Some((&first, rest)) if first == batch => rest,
                // What a network with its own non-maximum suppression found: as long as it found something.
                _ if batch == 1 => &shape,
                _ => return Err(failed(&"an output's first axis is not the batch")),
            };
            let (shape, pool) = match known {
                Some((before, pool)) if **before == *shape => (before.clone(), pool.clone()),
                known => known.insert((shape.into(), Pool::new(shape.iter().product()))).clone(),
            };
            let each = shape.iter().product::<usize>();
            for (place, inferred) in inferred.iter_mut().enumerate() {
                let mut copy = pool.take();
                copy.copy_from_slice(&values[place * each..(place + 1) * each]);
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
