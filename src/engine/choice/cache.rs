//! Measured choices, kept for the next start.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Setup;
use crate::{
    config::EngineOptions,
    engine::{Library, Network},
    error::{Error, Result},
};

/// A measurement that was made on a busy machine is repeated at so many starts at most.
const MOST_REPEATS: u32 = 3;

/// What is kept of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    pub setup: Setup,
    /// What was measured, for a person.
    pub words: String,
    /// How many measurements there were, all of them on a busy machine; 0: the last was on a quiet one.
    #[serde(default)]
    pub busy: u32,
    /// Pictures a second of each setup, the best of those measurements.
    #[serde(default)]
    pub trials: Vec<(Setup, f64)>,
}

impl Known {
    /// May it be used without measuring again?
    pub fn settled(&self) -> bool {
        self.busy == 0 || self.busy > MOST_REPEATS
    }

    /// What is known after one more measurement. On a busy machine the best of all measurements counts: other work makes a
    /// setup slower, never faster.
    pub fn after(before: Option<&Self>, trials: &[(Setup, f64)], busy: bool) -> Option<Self> {
        let before = before.filter(|before| busy && !before.settled());
        let mut best = trials.to_vec();
        for (setup, fps) in before.iter().flat_map(|before| &before.trials) {
            match best.iter_mut().find(|(other, _)| other == setup) {
                Some((_, now)) => *now = now.max(*fps),
                None => best.push((setup.clone(), *fps)),
            }
        }
        let (setup, _) = best.iter().max_by(|(_, a), (_, b)| a.total_cmp(b))?.clone();
        let words: Vec<String> = best.iter().map(|(setup, fps)| format!("{setup}: {fps:.1} fps")).collect();
        let mut words = words.join("; ");
        let busy = if busy { before.map_or(0, |before| before.busy) + 1 } else { 0 };
        if busy > 0 {
            words.push_str(" (the machine was busy)");
        }
        Some(Self { setup, words, busy, trials: best })
    }
}

/// A JSON file of measurements; one that cannot be read is written anew.
pub struct Cache {
    file: PathBuf,
    key: String,
}

impl Cache {
    /// The key names everything that a measurement depends on: network, library, processor and what was asked for.
    /// # Errors
    /// The network's file cannot be read.
    pub fn open(
        folder: &std::path::Path,
        library: &Library,
        network: &Network,
        options: &EngineOptions,
        cores: usize,
    ) -> Result<Self> {
        let asked = format!(
            "{} {} {:?} {:?} {:?}",
            options.provider, options.precision, options.sessions, options.threads, options.batch
        );
        let key =
            format!("{} | onnxruntime {} | {} x{cores} | {asked}", sha256(network)?, library.version, processor());
        Ok(Self { file: folder.join("measured.json"), key })
    }

    fn all(&self) -> BTreeMap<String, Known> {
        std::fs::read(&self.file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    pub fn read(&self) -> Option<Known> {
        self.all().remove(&self.key)
    }

    pub fn write(&self, known: &Known) {
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

/// The digest of the network's file: half a file that could not be read to its end would be taken for another one.
fn sha256(network: &Network) -> Result<String> {
    let unreadable = |error| Error::internal("The model's network cannot be read.", error);
    let mut file = std::fs::File::open(&network.file).map_err(unreadable)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The processor's name as Linux tells it.
pub fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Precision, Provider};

    fn setup(sessions: usize) -> Setup {
        Setup { provider: Provider::Cpu, precision: Precision::F32, sessions, threads: 1, batch: 1 }
    }

    #[test]
    fn what_was_measured_on_a_busy_machine_is_measured_again_some_times() {
        let trials = |one: f64, two: f64| vec![(setup(1), one), (setup(2), two)];
        let first = Known::after(None, &trials(10.0, 20.0), true).expect("a choice");
        assert!(!first.settled() && first.setup == setup(2) && first.words.contains("busy"), "{first:?}");
        // The best of both counts.
        let second = Known::after(Some(&first), &trials(25.0, 15.0), true).expect("a choice");
        assert_eq!((second.busy, &second.setup, &second.trials), (2, &setup(1), &trials(25.0, 20.0)));
        // A quiet machine has the last word.
        let quiet = Known::after(Some(&second), &trials(5.0, 6.0), false).expect("a choice");
        assert!(quiet.settled() && quiet.setup == setup(2) && quiet.trials == trials(5.0, 6.0), "{quiet:?}");
        // It ends, however busy the machine is.
        let mut known = first;
        let mut repeats = 0;
        while !known.settled() {
            known = Known::after(Some(&known), &trials(1.0, 2.0), true).expect("a choice");
            repeats += 1;
        }
        assert_eq!(repeats, MOST_REPEATS);
        assert_eq!(Known::after(None, &[], true), None);
    }

    #[test]
    fn an_entry_of_an_earlier_version_is_settled() {
        let text = r#"{"setup":{"provider":"cpu","precision":"f32","sessions":2,"threads":1,"batch":1},"words":"x"}"#;
        assert!(serde_json::from_str::<Known>(text).expect("an entry").settled());
    }
}
