//! The command line: one file per subcommand.
//!
//! Results go to stdout, progress and logs to stderr. Exit status 0: done, 1: failed, 2: wrong usage.

mod bench;
mod classify;
mod coco;
mod detect;
mod doctor;
mod eval;
mod examples;
mod fresh;
mod inputs;
mod log;
mod models;
mod output;
mod place;
mod server;
mod settings;
mod show;
mod writer;

use std::process::ExitCode;

use clap::{FromArgMatches, Parser, Subcommand};

use crate::{config::ServeSettings, error::Result};

/// Heading in `--help` of the flags that all subcommands have.
const GENERAL: &str = "Log and configuration";

/// Every frame of a video with the boxes of exactly that frame.
#[derive(Parser)]
#[command(name = "sightglass", version, propagate_version = true, max_term_width = 100, after_help = examples::PROGRAM)]
pub struct Cli {
    /// What to log: error, warn, info, debug, or a filter such as `sightglass=debug` [default: info for serve, else warn].
    #[arg(long, global = true, env = "SIGHTGLASS_LOG", value_name = "FILTER", help_heading = GENERAL)]
    log: Option<String>,
    /// How log lines are written.
    #[arg(
        long,
        global = true,
        env = "SIGHTGLASS_LOG_FORMAT",
        value_enum,
        default_value = "text",
        value_name = "FORMAT",
        help_heading = GENERAL
    )]
    log_format: log::LogFormat,
    /// Configuration file; its keys are the long names of the flags [default: sightglass.toml, if it is there].
    #[arg(long, global = true, env = "SIGHTGLASS_CONFIG", value_name = "FILE", help_heading = GENERAL)]
    config: Option<std::path::PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the service.
    #[command(after_help = examples::SERVE)]
    Serve(Box<ServeSettings>),
    /// Detect in videos and pictures: prints a JSON event for each frame, and writes annotated copies with -o.
    #[command(after_help = examples::DETECT)]
    Detect(Box<detect::DetectSettings>),
    /// Say what pictures are of: prints a JSON object for each, and writes copies with the likeliest class with -o.
    #[command(after_help = examples::CLASSIFY)]
    Classify(Box<classify::ClassifySettings>),
    /// Measure each stage on a video: decoder, preprocessing, ONNX Runtime alone, the whole.
    #[command(after_help = examples::BENCH)]
    Bench(bench::BenchSettings),
    /// Measure a model's accuracy on annotated pictures: COCO's twelve figures, and those of each class.
    #[command(after_help = examples::EVAL)]
    Eval(Box<eval::EvalSettings>),
    /// Check what is installed, which providers really work, and how to get what is missing.
    #[command(after_help = examples::DOCTOR)]
    Doctor(doctor::DoctorSettings),
    /// Make model folders of networks as they come.
    #[command(after_help = examples::MODELS)]
    Models(models::ModelsSettings),
}

/// Runs the program; the process ends with what this returns.
pub fn main() -> ExitCode {
    let cli = match settings::parse() {
        Ok(matches) => match Cli::from_arg_matches(&matches) {
            Ok(cli) => cli,
            Err(error) => error.exit(),
        },
        Err(words) => {
            eprintln!("error: {words}");
            return ExitCode::from(2);
        }
    };
    log::start(cli.log.as_deref(), cli.log_format, matches!(cli.command, Command::Serve(_)));
    let outcome = match cli.command {
        Command::Serve(settings) => serve(*settings),
        Command::Detect(settings) => detect::run(&settings),
        Command::Classify(settings) => classify::run(&settings),
        Command::Bench(settings) => bench::run(&settings),
        Command::Eval(settings) => eval::run(&settings),
        Command::Doctor(settings) => doctor::run(&settings),
        Command::Models(settings) => models::run(&settings),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::fatal(&error, cli.log_format);
            ExitCode::FAILURE
        }
    }
}

fn serve(settings: ServeSettings) -> Result<()> {
    crate::heap::limit();
    let mut fresh = Some(fresh::Fresh::watch(&settings.data));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(crate::app::serve(settings, || fresh = None));
    // A thread that is stuck in a decoder must not keep the process: its work goes on at the next start.
    runtime.shutdown_timeout(crate::app::RUNTIME_PATIENCE);
    // Once the service was ready, the folder may hold what people uploaded, whatever ended the service.
    if outcome.is_err()
        && let Some(fresh) = fresh
    {
        fresh.remove();
    }
    outcome
}
