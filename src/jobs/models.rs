//! The loaded models, by name and by task.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{detector::Detector, error::Result, event::Task, fault};

/// The loaded models; clones share them. The first of each task is that task's default.
#[derive(Clone)]
pub struct Models(Vec<Arc<Detector>>);

impl Models {
    pub fn new(models: Vec<Arc<Detector>>) -> Self {
        Self(models)
    }

    pub fn all(&self) -> &[Arc<Detector>] {
        &self.0
    }

    /// The model of that name, or the default one of the task.
    ///
    /// # Errors
    /// There is none, or it does another task.
    pub fn find(&self, name: Option<&str>, task: Task) -> Result<&Arc<Detector>> {
        let of_task = |model: &&Arc<Detector>| model.task() == task;
        let Some(name) = name else {
            return self.0.iter().find(of_task).ok_or_else(|| {
                let verb = task.as_str();
                fault!(
                    NotFound,
                    "No model here can {verb}: start the server with --model and a model folder whose task is `{verb}`."
                )
            });
        };
        let names = || {
            let names: Vec<_> = self.0.iter().filter(of_task).map(|model| model.info().name.as_str()).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        match self.0.iter().find(|model| model.info().name == name) {
            Some(model) if of_task(&model) => Ok(model),
            Some(model) => Err(fault!(
                BadRequest,
                "The model `{name}` is made to {}, not to {}. Models that do: {}.",
                model.task().as_str(),
                task.as_str(),
                names()
            )),
            None => Err(fault!(NotFound, "There is no model `{name}` here; there is: {}.", names())),
        }
    }

    /// Lets the engines run empty. False if some did not end in time.
    pub fn stop(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        // All are closed before one is waited for.
        self.0.iter().for_each(|model| model.close());
        self.0.iter().all(|model| model.stop_within(deadline.saturating_duration_since(Instant::now())))
    }
}
