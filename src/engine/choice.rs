//! Choosing provider, precision, sessions and threads by a short measurement, kept in a cache file.

mod cache;
mod candidates;
mod load;
mod measure;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use cache::processor;
pub use load::Load;
pub use measure::Measured;

use super::{Library, Network, Signature, library, session::Session, signature::inspect};
use crate::{
    config::{EngineOptions, Precision, Provider},
    error::Result,
    fault,
};
use cache::{Cache, Known};
use candidates::{candidates, splits};
use measure::run_for;

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

/// The outcome: open sessions, and how they were chosen.
pub struct Chosen {
    pub setup: Setup,
    pub sessions: Vec<Session>,
    pub signature: Signature,
    pub words: String,
    /// What was measured just now.
    pub trials: Vec<Trial>,
}

/// A setup and how fast it ran.
#[derive(Clone, Debug)]
pub struct Trial {
    pub setup: Setup,
    pub measured: Measured,
}

/// A measurement of one setup takes so long, beyond loading.
const SPAN: Duration = Duration::from_millis(500);

/// Opens the sessions that the options ask for; measures where they leave a choice.
///
/// # Errors
/// Nothing that was asked for runs here, with the reasons.
pub fn choose(network: &Network, options: &EngineOptions) -> Result<Chosen> {
    let library = library(options)?;
    let signature = inspect(library, network)?;
    let mut search =
        Search { library, network, signature: &signature, best: None, trials: Vec::new(), refused: Vec::new() };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let first = candidates(network, options, &signature, cores)?;
    if let [only] = first.as_slice()
        && splits(only, network, options, cores).is_empty()
    {
        search.open(only)?;
        let words = if options.provider == Provider::Auto { "the only choice here" } else { "as asked for" };
        return search.finish(words.to_owned());
    }
    let open_cache = |folder: &std::path::PathBuf| Cache::open(folder, library, network, options, cores);
    let cache = options.cache.as_ref().map(open_cache).transpose()?;
    let known = cache.as_ref().and_then(Cache::read);
    if let Some(known) = known.as_ref().filter(|known| known.settled() && !options.measure_again)
        && search.open(&known.setup).is_ok()
    {
        return search.finish(format!("by an earlier measurement: {}", known.words));
    }
    tracing::info!(target: "sightglass::notice", "measuring how this model runs fastest here; kept for the next start");
    for setup in &first {
        search.measure(setup);
    }
    if let Some(best) = search.best.as_ref().map(|(setup, ..)| setup.clone()) {
        for setup in splits(&best, network, options, cores) {
            search.measure(&setup);
        }
    }
    let trials: Vec<_> = search.trials.iter().map(|trial| (trial.setup.clone(), trial.measured.fps())).collect();
    let busy = search.trials.iter().any(|trial| trial.measured.load.busy);
    // Asked for by name, a measurement stands for itself.
    let before = known.as_ref().filter(|_| !options.measure_again);
    let Some(known) = Known::after(before, &trials, busy) else {
        return Err(fault!(
            Unavailable,
            "The model runs by no provider that was asked for. {}",
            search.refused.join(" ")
        ));
    };
    if let Some(cache) = &cache {
        cache.write(&known);
        if !known.settled() {
            tracing::warn!("other programs kept this machine busy: the next start measures again");
        }
    }
    if search.best.as_ref().is_some_and(|(setup, ..)| *setup != known.setup) {
        search.open(&known.setup)?;
    }
    search.finish(format!("measured: {}", known.words))
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

struct Search<'a> {
    library: &'a Library,
    network: &'a Network,
    signature: &'a Signature,
    best: Option<(Setup, Vec<Session>, f64)>,
    trials: Vec<Trial>,
    /// Why setups did not run, as messages for users.
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
            let measured = run_for(&mut sessions, self.network, setup.batch, SPAN)?;
            Ok((sessions, measured))
        });
        match outcome {
            Ok((sessions, measured)) => {
                let (fps, others) = (measured.fps(), measured.load.others);
                tracing::info!(%setup, fps = (fps * 10.0).round() / 10.0, others_percent = (others * 100.0).round(), "measured");
                self.trials.push(Trial { setup: setup.clone(), measured });
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
        Ok(Chosen { setup, sessions, signature: self.signature.clone(), words, trials: self.trials })
    }
}
