//! Network cameras: servers of the tests' own, and what the sources make of them.

mod closed;
mod http;
pub mod rtsp_server;
mod srt;
pub mod web_server;

use std::time::{Duration, Instant};

use sightglass::{
    error::{Error, Result},
    media::{self, Arrival, LiveFrame, LiveSource, NetworkRules, NetworkSource, StreamAddress},
};

use crate::media::LIMITS;

/// Longer than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// The rules of most tests: of the loopback only its usual address, so that another one can be a trap.
pub fn rules() -> NetworkRules {
    rules_with(&["127.0.0.1/32"])
}

pub fn rules_with(networks: &[&str]) -> NetworkRules {
    NetworkRules::new(&strings(&["rtsp", "rtsps", "http", "https", "srt"]), &strings(networks)).unwrap()
}

pub fn open(url: &str, silence: Duration) -> NetworkSource {
    media::init().unwrap();
    let address = StreamAddress::parse(url, &rules()).unwrap();
    NetworkSource::open("camera", &address, &rules(), &LIMITS, silence).unwrap()
}

/// The next arrival, whenever it comes.
pub fn next(source: &mut NetworkSource) -> Result<Arrival> {
    let begun = Instant::now();
    while begun.elapsed() < 2 * PATIENCE {
        if let Some(arrival) = source.next(Duration::from_millis(500))? {
            return Ok(arrival);
        }
    }
    panic!("neither a picture nor an error came");
}

pub fn picture(source: &mut NetworkSource) -> LiveFrame {
    match next(source) {
        Ok(Arrival::Picture(frame)) => frame,
        Ok(other) => panic!("{other:?} came"),
        Err(error) => panic!("{}", error.full()),
    }
}

/// All pictures up to the end.
pub fn all(source: &mut NetworkSource) -> Vec<LiveFrame> {
    std::iter::from_fn(|| match next(source) {
        Ok(Arrival::Picture(frame)) => Some(frame),
        Ok(Arrival::End) => None,
        other => panic!("{other:?} came"),
    })
    .collect()
}

/// Why nothing comes from an address.
pub fn refusal(url: &str) -> Error {
    breaking(&mut open(url, PATIENCE))
}

/// Waits until the source breaks, passing over what still comes.
pub fn breaking(source: &mut NetworkSource) -> Error {
    let begun = Instant::now();
    loop {
        match next(source) {
            Err(error) => return error,
            Ok(Arrival::End) => panic!("it ended in order"),
            Ok(_) => assert!(begun.elapsed() < 2 * PATIENCE, "it does not break"),
        }
    }
}

#[track_caller]
pub fn says(error: &Error, words: &str) {
    assert!(error.detail.contains(words), "{:?}: {}", error.kind, error.full());
}
