//! Choosing provider, precision, sessions and threads by a short measurement, kept in a cache file.

use std::{
    collections::BTreeMap,
    io::Read,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Library, Network, Pool, Signature, library,
    library::has_gpu,
    provider::{has_bf16, has_f16},
    session::Session,
    signature::inspect,
};
use crate::{
    config::{EngineOptions, Precision, Provider},
    error::Result,
    fault,
};

/// How a network runs: a concrete provider and precision, `sessions` × `threads`, at most `batch` pictures in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    pub provider: Provider,
    pub precision: Precision,
    pub sessions: usize,
    pub threads: usize,
    pub batch: usize,
}

impl std::fmt::Display for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {} × {}", self.provider, self.precision, self.sessions, self.threads)?;
        if self.batch > 1 { write!(f, ", batches of {}", self.batch) } else { Ok(()) }
    }
}

/// What sessions did in a measured span.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub frames: u64,
    pub seconds: f64,
    /// CPU time of the whole process in the span.
    pub cpu_seconds: f64,
}

impl Measured {
    pub fn fps(&self) -> f64 {
        self.frames as f64 / self.seconds
    }
}

/// The outcome: open sessions, and how they were chosen.
pub struct Chosen {
    pub setup: Setup,
    pub sessions: Vec<Session>,
    pub signature: Signature,
    pub words: String,
}

/// A measurement of one setup takes so long, beyond loading.
const SPAN: Duration = Duration::from_millis(500);
/// Pictures in one run on a GPU unless asked otherwise.
const GPU_BATCH: usize = 8;
/// Sessions of one network together take no more memory for weights than this, in bytes.
const MOST_WEIGHTS: u64 = 4 << 30;

/// Opens the sessions that the options ask for; measures where they leave a choice.
///
/// # Errors
/// Nothing that was asked for runs here, with the reasons.
pub fn choose(network: &Network, options: &EngineOptions) -> Result<Chosen> {
    let library = library(options)?;
    let signature = inspect(library, network)?;
    let mut search =
        Search { library, network, signature: &signature, best: None, measured: Vec::new(), refused: Vec::new() };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let first = candidates(network, options, &signature, cores)?;
    if let [only] = first.as_slice()
        && splits(only, network, options, cores).is_empty()
    {
        search.open(only)?;
        let words = if options.provider == Provider::Auto { "the only choice here" } else { "as asked for" };
        return search.finish(words.to_owned());
    }
    let cache = options.cache.as_ref().map(|folder| Cache::open(folder, library, network, options, cores));
    if let Some(cache) = &cache
        && let Some(known) = cache.read()
        && search.open(&known.setup).is_ok()
    {
        return search.finish(format!("by an earlier measurement: {}", known.words));
    }
    tracing::info!("measuring how this model runs fastest here; kept for the next start");
    for setup in &first {
        search.measure(setup);
    }
    if let Some(best) = search.best.as_ref().map(|(setup, ..)| setup.clone()) {
        for setup in splits(&best, network, options, cores) {
            search.measure(&setup);
        }
    }
    if search.best.is_none() {
        return Err(fault!(
            Unavailable,
            "The model runs by no provider that was asked for. {}",
            search.refused.join(" ")
        ));
    }
    let words = search.measured.join("; ");
    if let (Some(cache), Some((setup, ..))) = (&cache, &search.best) {
        cache.write(&Known { setup: setup.clone(), words: words.clone() });
    }
    search.finish(format!("measured: {words}"))
}

/// ONNX Runtime alone in a setup.
///
/// # Errors
/// As [`choose`].
pub fn alone(network: &Network, options: &EngineOptions, setup: &Setup, span: Duration) -> Result<Measured> {
    let library = library(options)?;
    let signature = inspect(library, network)?;
    let mut sessions = open(library, network, &signature, setup)?;
    run_for(&mut sessions, network, setup.batch, span)
}

fn open(library: &Library, network: &Network, signature: &Signature, setup: &Setup) -> Result<Vec<Session>> {
    (0..setup.sessions).map(|_| Session::open(library, network, signature, setup)).collect()
}

/// Provider and precision pairs that the options allow here, the likely best first, each with one session per core.
fn candidates(network: &Network, options: &EngineOptions, signature: &Signature, cores: usize) -> Result<Vec<Setup>> {
    use Precision::{Auto, Bf16, F16, F32};
    let mut pairs = Vec::new();
    let wants = |provider: Provider| options.provider == provider || options.provider == Provider::Auto;
    if options.provider == Provider::TensorRt {
        match options.precision {
            Auto | F32 => pairs.push((Provider::TensorRt, F32)),
            precision => pairs.push((Provider::TensorRt, precision)),
        }
    }
    if wants(Provider::Cuda) && (has_gpu() || options.provider == Provider::Cuda) {
        match options.precision {
            F32 => pairs.push((Provider::Cuda, F32)),
            F16 if network.half_file.is_some() => pairs.push((Provider::Cuda, F16)),
            Auto if network.half_file.is_some() => pairs.extend([(Provider::Cuda, F16), (Provider::Cuda, F32)]),
            Auto => pairs.push((Provider::Cuda, F32)),
            Bf16 | F16 => {}
        }
    }
    if wants(Provider::OpenVino) {
        match options.precision {
            Auto if has_bf16() => pairs.push((Provider::OpenVino, Bf16)),
            Auto | F32 => pairs.push((Provider::OpenVino, F32)),
            Bf16 if has_bf16() => pairs.push((Provider::OpenVino, Bf16)),
            F16 if has_f16() => pairs.push((Provider::OpenVino, F16)),
            Bf16 | F16 => {}
        }
    }
    if wants(Provider::Cpu) && matches!(options.precision, Auto | F32) {
        pairs.push((Provider::Cpu, F32));
    }
    if pairs.is_empty() {
        let (provider, precision) = (options.provider, options.precision);
        return Err(match (precision, provider) {
            (F16, Provider::Cuda | Provider::Auto)
                if network.half_file.is_none() && (has_gpu() || provider == Provider::Cuda) =>
            {
                fault!(
                    Unavailable,
                    "For f16 by CUDA put the network with 16-bit weights beside model.onnx, as model.f16.onnx."
                )
            }
            (precision, Provider::Cpu | Provider::Cuda) => fault!(
                Unavailable,
                "The provider {provider} does not calculate in {precision}. Use --precision auto or f32, or another --provider."
            ),
            _ => fault!(
                Unavailable,
                "{precision} by the provider {provider} does not run on this machine: its processor has no instructions for it. Use --precision auto or f32."
            ),
        });
    }
    let most = most_sessions(network);
    let setups = pairs.into_iter().map(|(provider, precision)| {
        let gpu = provider.on_gpu();
        let batch = options.batch.unwrap_or(if gpu { GPU_BATCH } else { 1 }).max(1);
        let sessions = match (options.sessions, options.threads) {
            (Some(sessions), _) => sessions,
            (None, Some(threads)) => cores / threads.max(1),
            (None, None) if gpu => 1,
            (None, None) => cores.min(most),
        };
        let sessions = sessions.max(1);
        let threads = options.threads.unwrap_or(if gpu { 1 } else { cores / sessions }).max(1);
        let batch = if signature.batch_is_free() { batch } else { signature.fixed_batch().unwrap_or(1) };
        Setup { provider, precision, sessions, threads, batch }
    });
    Ok(setups.collect())
}

/// Other ways to share the cores among sessions, where the options leave them open.
fn splits(setup: &Setup, network: &Network, options: &EngineOptions, cores: usize) -> Vec<Setup> {
    if setup.provider.on_gpu() || options.sessions.is_some() || options.threads.is_some() {
        return Vec::new();
    }
    let most = most_sessions(network);
    let mut counts = vec![1, 2, cores / 4, cores / 2];
    counts.retain(|&sessions| sessions >= 1 && sessions <= cores && sessions <= most && sessions != setup.sessions);
    counts.sort_unstable();
    counts.dedup();
    counts.into_iter().map(|sessions| Setup { sessions, threads: cores / sessions, ..setup.clone() }).collect()
}

fn most_sessions(network: &Network) -> usize {
    let bytes = std::fs::metadata(&network.file).map_or(1, |file| file.len().max(1));
    (MOST_WEIGHTS / bytes).clamp(1, 1024) as usize
}

struct Search<'a> {
    library: &'a Library,
    network: &'a Network,
    signature: &'a Signature,
    best: Option<(Setup, Vec<Session>, f64)>,
    /// What was measured, and what did not run, in words.
    measured: Vec<String>,
    refused: Vec<String>,
}

impl Search<'_> {
    fn open(&mut self, setup: &Setup) -> Result<()> {
        let sessions = open(self.library, self.network, self.signature, setup)?;
        self.best = Some((setup.clone(), sessions, 0.0));
        Ok(())
    }

    fn measure(&mut self, setup: &Setup) {
        let outcome = open(self.library, self.network, self.signature, setup).and_then(|mut sessions| {
            let fps = run_for(&mut sessions, self.network, setup.batch, SPAN)?.fps();
            Ok((sessions, fps))
        });
        match outcome {
            Ok((sessions, fps)) => {
                tracing::info!(%setup, fps = (fps * 10.0).round() / 10.0, "measured");
                self.measured.push(format!("{setup}: {fps:.1} fps"));
                if self.best.as_ref().is_none_or(|(.., before)| fps > *before) {
                    self.best = Some((setup.clone(), sessions, fps));
                }
            }
            Err(error) => {
                tracing::warn!(%setup, error = %error.full(), "does not run here");
                self.refused.push(error.detail);
            }
        }
    }

    fn finish(self, words: String) -> Result<Chosen> {
        let Some((setup, sessions, _)) = self.best else {
            return Err(fault!(Unavailable, "No session of the model could be opened."));
        };
        Ok(Chosen { setup, sessions, signature: self.signature.clone(), words })
    }
}

/// Keeps all sessions busy for a span, each with at least two runs after one to warm up.
fn run_for(sessions: &mut [Session], network: &Network, batch: usize, span: Duration) -> Result<Measured> {
    let pool = Pool::new(network.input_len());
    let ready: Vec<_> = (0..sessions.len())
        .map(|_| {
            let inputs: Vec<_> = (0..batch).map(|_| pool.take()).collect();
            inputs
                .into_iter()
                .map(|mut input| {
                    input.iter_mut().enumerate().for_each(|(i, value)| *value = (i % 251) as f32 / 251.0);
                    input
                })
                .collect::<Vec<_>>()
        })
        .collect();
    for (session, inputs) in sessions.iter_mut().zip(&ready) {
        session.run(inputs)?;
    }
    let (start, cpu) = (Instant::now(), crate::meter::cpu_seconds());
    let frames = std::thread::scope(|scope| {
        let threads: Vec<_> = sessions
            .iter_mut()
            .zip(&ready)
            .map(|(session, inputs)| {
                scope.spawn(move || {
                    let mut runs = 0;
                    while runs < 2 || start.elapsed() < span {
                        session.run(inputs)?;
                        runs += 1;
                    }
                    Ok::<u64, crate::error::Error>(runs * inputs.len() as u64)
                })
            })
            .collect();
        let ended = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(fault!(Internal, "A session's thread ended unexpectedly.")))
        });
        ended.sum::<Result<u64>>()
    })?;
    Ok(Measured { frames, seconds: start.elapsed().as_secs_f64(), cpu_seconds: crate::meter::cpu_seconds() - cpu })
}

/// What is kept of a measurement.
#[derive(Clone, Serialize, Deserialize)]
struct Known {
    setup: Setup,
    words: String,
}

/// A JSON file of measurements; one that cannot be read is written anew.
struct Cache {
    file: PathBuf,
    key: String,
}

impl Cache {
    /// The key names everything that a measurement depends on: network, library, processor and what was asked for.
    fn open(
        folder: &std::path::Path,
        library: &Library,
        network: &Network,
        options: &EngineOptions,
        cores: usize,
    ) -> Self {
        let asked = format!(
            "{} {} {:?} {:?} {:?}",
            options.provider, options.precision, options.sessions, options.threads, options.batch
        );
        let key = format!("{} | onnxruntime {} | {} x{cores} | {asked}", sha256(network), library.version, processor());
        Self { file: folder.join("measured.json"), key }
    }

    fn all(&self) -> BTreeMap<String, Known> {
        std::fs::read(&self.file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    fn read(&self) -> Option<Known> {
        self.all().remove(&self.key)
    }

    fn write(&self, known: &Known) {
        let mut all = self.all();
        all.insert(self.key.clone(), known.clone());
        let written = serde_json::to_vec_pretty(&all).map_err(std::io::Error::other).and_then(|text| {
            std::fs::create_dir_all(self.file.parent().unwrap_or(&self.file))?;
            // Renamed into place, so that two programs that start at once leave a whole file.
            let part = self.file.with_extension(format!("{}.part", std::process::id()));
            std::fs::write(&part, text)?;
            std::fs::rename(part, &self.file)
        });
        if let Err(error) = written {
            tracing::warn!(%error, "the measurement could not be kept; the next start measures again");
        }
    }
}

fn sha256(network: &Network) -> String {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    if let Ok(mut file) = std::fs::File::open(&network.file) {
        while let Ok(read @ 1..) = file.read(&mut buffer) {
            hasher.update(&buffer[..read]);
        }
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The processor's name as Linux tells it.
pub fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}
