//! `sightglass models`: one file per action.

mod import;

use crate::error::Result;

#[derive(clap::Args)]
pub struct ModelsSettings {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Make a model folder of a network as it comes: of Darknet's cfg and weights.
    Import(import::ImportSettings),
}

pub fn run(settings: &ModelsSettings) -> Result<()> {
    match &settings.action {
        Action::Import(settings) => import::run(settings),
    }
}
