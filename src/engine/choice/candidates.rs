//! The setups that may be the fastest here.

use super::Setup;
use crate::{
    config::{EngineOptions, Precision, Provider},
    engine::{
        Network, Signature,
        library::has_gpu,
        provider::{has_bf16, has_f16},
    },
    error::Result,
    fault,
};

/// Pictures in one run on a GPU unless asked otherwise.
const GPU_BATCH: usize = 8;
/// Sessions of one network together take no more memory for weights than this, in bytes.
const MOST_WEIGHTS: u64 = 4 << 30;

/// Provider and precision pairs that the options allow here, the likely best first, each with one session per core.
pub fn candidates(
    network: &Network,
    options: &EngineOptions,
    signature: &Signature,
    cores: usize,
) -> Result<Vec<Setup>> {
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
pub fn splits(setup: &Setup, network: &Network, options: &EngineOptions, cores: usize) -> Vec<Setup> {
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
