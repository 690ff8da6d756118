//! How fast sessions run, and how busy the machine was meanwhile.

use std::time::{Duration, Instant};

use super::load::{Load, Ticks};
use crate::{
    engine::{Network, Pool, session::Session},
    error::Result,
    fault,
};

/// What sessions did in a measured span.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub frames: u64,
    pub seconds: f64,
    /// CPU time of the whole process in the span.
    pub cpu_seconds: f64,
    /// Share of the machine's processor time that other programs took, 0 to 1, and whether that left too little for ours.
    pub load: Load,
}

impl Measured {
    pub fn fps(&self) -> f64 {
        self.frames as f64 / self.seconds
    }
}

/// Keeps all sessions busy for a span, each with at least two runs after one to warm up.
pub fn run_for(sessions: &mut [Session], network: &Network, batch: usize, span: Duration) -> Result<Measured> {
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
    let (start, cpu, machine) = (Instant::now(), crate::meter::cpu_seconds(), Ticks::now());
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
    let (seconds, cpu_seconds) = (start.elapsed().as_secs_f64(), crate::meter::cpu_seconds() - cpu);
    let load = machine.zip(Ticks::now()).map(|(before, after)| before.load(&after, cpu_seconds / seconds));
    Ok(Measured { frames, seconds, cpu_seconds, load: load.unwrap_or_default() })
}
