//! Where the work is done: by models here, loaded when the first input is ready for them, or by a running service.

use std::{cell::OnceCell, path::PathBuf};

use super::{
    inputs::Failure,
    server::{Server, ServerSettings},
};
use crate::{
    app,
    config::{ModelSettings, Precision, Provider},
    detector::Detector,
    error::Result,
    event::Task,
    jobs::Models,
};

/// Where the work is done.
pub enum Place {
    Here(Here),
    There(Server),
}

impl Place {
    /// The service that was named, or the models here. `brief`: without measuring, which would take longer than the work.
    ///
    /// # Errors
    /// The service's address cannot be used.
    pub fn of(server: &ServerSettings, models: &ModelSettings, task: Task, brief: bool) -> Result<Self> {
        if let Some(server) = server.connect()? {
            return Ok(Self::There(server));
        }
        let mut settings = models.clone();
        // What is looked at one by one should be exact, too.
        if brief && settings.provider == Provider::Auto && settings.precision == Precision::Auto {
            (settings.provider, settings.precision) = (Provider::Cpu, Precision::F32);
            settings.sessions = settings.sessions.or(Some(1));
        }
        Ok(Self::Here(Here { settings, task, models: OnceCell::new() }))
    }
}

/// Models of this machine. Loading takes a moment, so a wrong path is reported before it.
pub struct Here {
    settings: ModelSettings,
    task: Task,
    models: OnceCell<Models>,
}

impl Here {
    /// The model for the task; loaded at the first call.
    ///
    /// # Errors
    /// [`Failure::All`]: it cannot be loaded, so no input can be worked on.
    pub fn model(&self) -> Result<&Detector, Failure> {
        let models = match self.models.get() {
            Some(models) => models,
            None => {
                let loaded = app::load_models(&self.settings, Some(self.task), cache_folder()).map_err(Failure::All)?;
                self.models.get_or_init(|| Models::new(loaded))
            }
        };
        Ok(models.find(None, self.task).map_err(Failure::All)?)
    }
}

/// The user's cache folder (XDG Base Directory Specification).
pub fn cache_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    Some(base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?.join("sightglass"))
}
