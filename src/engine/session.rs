//! One session of ONNX Runtime: opened by a setup, proven to run on its provider, fed with batches.

use std::{borrow::Cow, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

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
        // The CPU provider needs no proof: it runs what no other one takes.
        let folder = match setup.provider {
            Provider::Cpu => None,
            _ => {
                let folder = profile_folder().map_err(|error| unfit(&unproven(&error)))?;
                builder = builder.with_profiling(folder.path().join("profile")).map_err(refused)?;
                Some(folder)
            }
        };
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
        // The profile is ended in any case: an open one would grow with every frame. It goes with its folder.
        let profile = folder.as_ref().map(|_| session.inner.end_profiling());
        ran.map_err(|error| unfit(&error.full()))?;
        if let Some(profile) = profile {
            let profile = profile.map_err(|error| unfit(&unproven(&error)))?;
            let providers = providers_in(Path::new(&profile)).map_err(|error| unfit(&unproven(&error)))?;
            if !providers.iter().any(|name| name == setup.provider.name()) {
                return Err(unfit("it was registered, but every node ran on the CPU provider"));
            }
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

/// A folder of our own for ONNX Runtime's profile, with a name that nobody can know before.
fn profile_folder() -> std::io::Result<tempfile::TempDir> {
    let private = std::fs::Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix("sightglass-profile-").permissions(private).tempdir()
}

/// Why it is not known where a network ran. What cannot be proven is not reported.
fn unproven(error: &dyn std::fmt::Display) -> String {
    let folder = std::env::temp_dir();
    format!("ONNX Runtime's profile, which shows where it runs, cannot be used ({error}); see to {}", folder.display())
}

/// Names of the providers that ran nodes, by a profile of ONNX Runtime. Registering a provider proves nothing: one that
/// refuses its configuration leaves all nodes to the CPU without a word.
///
/// # Errors
/// The profile cannot be read, or names no provider at all.
fn providers_in(profile: &Path) -> std::io::Result<Vec<String>> {
    let events: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(profile)?)?;
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
    match names.is_empty() {
        true => Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "it names no provider")),
        false => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_that_tells_nothing_is_an_error() {
        let folder = profile_folder().expect("a folder");
        let file = folder.path().join("profile.json");
        assert!(providers_in(&file).is_err(), "there is none");
        for text in
            ["", "[", "{}", "[]", r#"[{"name": "model_loading_uri", "args": {}}]"#, r#"[{"args": {"provider": 7}}]"#]
        {
            std::fs::write(&file, text).expect("written");
            assert!(providers_in(&file).is_err(), "{text:?}");
        }
        let text = r#"[{"args": {"provider": "CPUExecutionProvider"}}, {"cat": "Node", "args": {"provider":
            "TensorrtExecutionProvider"}}, {"args": {"provider": "CPUExecutionProvider"}}]"#;
        std::fs::write(&file, text).expect("written");
        assert_eq!(providers_in(&file).expect("two"), ["CPU", "TensorRT"]);
    }

    #[test]
    fn profiles_lie_where_nobody_else_can_write() {
        let (one, other) = (profile_folder().expect("a folder"), profile_folder().expect("a folder"));
        assert_ne!(one.path(), other.path());
        assert_eq!(one.path().metadata().expect("a folder").permissions().mode() & 0o777, 0o700);
    }
}
