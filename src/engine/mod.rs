//! Runs tensors: ONNX Runtime, its providers, sessions, and the queue before them. Knows nothing of boxes.
//!
//! ONNX Runtime lives here and nowhere else. Frames of all streams go through one bounded queue; each session has a
//! thread that takes one tensor, or several at once where the model's batch axis is free and the setup says so.

mod choice;
mod library;
mod pool;
mod provider;
mod queue;
mod session;
mod signature;
mod values;
mod worker;

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc::RecvTimeoutError},
    thread::JoinHandle,
    time::Duration,
};

pub use choice::processor;
pub use choice::{Load, Measured, Setup, Trial};
pub use library::{Library, has_gpu, library};
pub use pool::{Buffer, Pool};
pub use provider::has_bf16;
pub use signature::{Constant, Network, Signature, looks_like};

use crate::{
    cancel::CancelToken,
    config::EngineOptions,
    error::{Error, Result},
    fault,
};
use queue::Queue;
use session::Session;
use worker::Health;

/// One output tensor of one picture.
#[derive(Debug)]
pub struct Tensor {
    /// Without the batch axis.
    pub shape: Arc<[usize]>,
    /// In row-major order.
    pub values: Buffer,
}

/// The outputs for one picture, in the model's order.
pub type Inferred = Vec<Tensor>;

/// One tensor on its way to a session.
struct Job {
    input: Buffer,
    answer: std::sync::mpsc::SyncSender<Result<Inferred>>,
}

/// The answer to come for one submitted tensor.
pub struct Ticket {
    answer: std::sync::mpsc::Receiver<Result<Inferred>>,
    cancel: Option<CancelToken>,
}

impl Ticket {
    /// Blocks until the tensor has been through.
    ///
    /// # Errors
    /// ONNX Runtime refused it, the engine has stopped, or the wait was cancelled ([`Engine::submit_with`]).
    pub fn wait(self) -> Result<Inferred> {
        let Some(cancel) = self.cancel else { return self.answer.recv().unwrap_or_else(|_| Err(stopped())) };
        loop {
            match self.answer.recv_timeout(queue::CANCEL_POLL) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) => cancel.check()?,
                Err(RecvTimeoutError::Disconnected) => return Err(stopped()),
            }
        }
    }
}

fn stopped() -> Error {
    fault!(Unavailable, "The engine has stopped: the server's log says why. Restart it.")
}

/// Sessions of one network, each on a thread of its own behind one queue.
pub struct Engine {
    queue: Arc<Queue<Job>>,
    workers: Mutex<Vec<JoinHandle<()>>>,
    health: Arc<Health>,
    inputs: Arc<Pool>,
    signature: Signature,
    setup: Setup,
    chosen: String,
    trials: Vec<Trial>,
}

impl Engine {
    /// Opens the sessions. What the options leave open is measured, or taken from the cache of an earlier measurement.
    ///
    /// # Errors
    /// There is no ONNX Runtime, the model is broken, or what was asked for by name does not run here; in words.
    pub fn open(network: &Network, options: &EngineOptions) -> Result<Self> {
        let chosen = choice::choose(network, options)?;
        let setup = chosen.setup.clone();
        let queue = Arc::new(Queue::new(2 * setup.sessions * setup.batch));
        let health = Arc::new(Health::new(setup.sessions));
        let library = library(options)?;
        let mut workers = Vec::new();
        for (index, session) in chosen.sessions.into_iter().enumerate() {
            let (queue, health, batch) = (queue.clone(), health.clone(), setup.batch);
            let (network, signature, setup) = (network.clone(), chosen.signature.clone(), setup.clone());
            let open = move || Session::open(library, &network, &signature, &setup);
            let thread = std::thread::Builder::new().name(format!("session-{index}"));
            workers.push(thread.spawn(move || worker::serve(session, open, &queue, batch, &health))?);
        }
        Ok(Self {
            queue,
            workers: Mutex::new(workers),
            health,
            inputs: Pool::new(network.input_len()),
            signature: chosen.signature,
            setup,
            chosen: chosen.words,
            trials: chosen.trials,
        })
    }

    /// What really runs.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The setups that were measured when it was opened; none where the choice was known.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// How it was found, in words.
    pub fn chosen(&self) -> &str {
        &self.chosen
    }

    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// An input tensor to be filled; its values are left over from an earlier picture.
    pub fn input(&self) -> Buffer {
        self.inputs.take()
    }

    /// Tensors of one stream in flight that keep all sessions busy.
    pub fn depth(&self) -> usize {
        let running = self.setup.sessions * self.setup.batch;
        running + running.max(2)
    }

    /// Do all sessions run?
    ///
    /// # Errors
    /// [`Unavailable`](crate::error::Kind::Unavailable) when some were given up after they failed again and again.
    pub fn check(&self) -> Result<()> {
        self.health.check()
    }

    /// Queues a filled input. Blocks while the queue is full; who came first goes first.
    ///
    /// # Errors
    /// The engine has stopped.
    pub fn submit(&self, input: Buffer) -> Result<Ticket> {
        let (answer, ticket) = std::sync::mpsc::sync_channel(1);
        self.queue.push(Job { input, answer }).map_err(|_| stopped())?;
        Ok(Ticket { answer: ticket, cancel: None })
    }

    /// As [`Engine::submit`]; this and [`Ticket::wait`] also end when `cancel` is cancelled.
    ///
    /// # Errors
    /// The engine has stopped, or [`Unavailable`](crate::error::Kind::Unavailable) once it is cancelled.
    pub fn submit_with(&self, input: Buffer, cancel: &CancelToken) -> Result<Ticket> {
        let (answer, ticket) = std::sync::mpsc::sync_channel(1);
        self.queue
            .push_with(Job { input, answer }, cancel)
            .map_err(|_| cancel.check().err().unwrap_or_else(stopped))?;
        Ok(Ticket { answer: ticket, cancel: Some(cancel.clone()) })
    }

    /// Lets no tensor in any more; those that are in are still answered.
    pub fn close(&self) {
        self.queue.close();
    }

    /// As [`Engine::stop`], but false if the sessions took longer than `patience`: the process must then end without its
    /// exit handlers.
    pub fn stop_within(&self, patience: Duration) -> bool {
        self.queue.close();
        let empty = self.queue.wait_for_workers(patience);
        if empty {
            self.stop();
        }
        empty
    }

    /// Lets no tensor in any more and waits for those that are in. To be called before the process ends: ONNX Runtime takes
    /// itself apart then, and a session that still runs brings the process down.
    pub fn stop(&self) {
        self.queue.close();
        for worker in self.workers.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A worker that panicked has said so on stderr, and its jobs got an error.
            let _ = worker.join();
        }
    }

    /// Runs sessions of the same setup on ready tensors for `span`, without queue, preprocessing or boxes: what
    /// ONNX Runtime alone can do here.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn alone(network: &Network, options: &EngineOptions, setup: &Setup, span: Duration) -> Result<Measured> {
        choice::alone(network, options, setup, span)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Opens one session by the provider that the options name, exact and without measuring: does it really run here?
///
/// # Errors
/// Why it does not, in words.
pub fn try_provider(network: &Network, options: &EngineOptions) -> Result<()> {
    let options = EngineOptions { sessions: Some(1), threads: Some(1), ..options.clone() };
    choice::choose(network, &options).map(|_| ())
}
