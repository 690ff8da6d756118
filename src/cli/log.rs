//! The program's log on stderr: text for people, or one JSON object a line for log collectors.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

use crate::error::{Error, FILES_FAILED, Kind};

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people; coloured on a terminal only.
    #[default]
    Text,
    /// One JSON object a line: `timestamp`, `level`, `target`, `message`, and the fields of the event.
    Json,
}

/// Target of the few messages that are shown at the default level of every subcommand.
pub const NOTICE: &str = "sightglass::notice";

/// Starts the log. `filter` is a level or a filter of `tracing_subscriber::EnvFilter`; without one, `serve` logs at
/// `info` and the other subcommands, whose output a person reads, at `warn`.
pub fn start(filter: Option<&str>, format: LogFormat, serve: bool) {
    let usual = if serve { "info" } else { "warn" };
    let (filter, notice) = match filter {
        Some(filter) => (filter, String::new()),
        None => (usual, format!(",{NOTICE}=info")),
    };
    // ONNX Runtime's own messages are many: `ort=info` shows them.
    let filter = EnvFilter::try_new(format!("{filter}{notice},ort=warn"))
        .unwrap_or_else(|_| EnvFilter::new(format!("{usual},ort=warn")));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let log = tracing_subscriber::registry().with(filter);
    let started = match format {
        LogFormat::Text => log.with(lines.with_ansi(coloured())).try_init(),
        LogFormat::Json => log.with(lines.json().flatten_event(true)).try_init(),
    };
    if started.is_ok() && format == LogFormat::Json {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            let message = panic.payload_as_str().unwrap_or("no message");
            tracing::error!(place, "panicked: {message}");
        }));
    }
}

/// Colour codes are for terminals, and for nobody who asks for none (<https://no-color.org>).
fn coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}

/// Reports the error that ends the program.
pub fn fatal(error: &Error, format: LogFormat) {
    match format {
        LogFormat::Text => eprintln!("error: {}", text(error)),
        LogFormat::Json => tracing::error!("{}", text(error)),
    }
}

/// An error for the person at the terminal. The cause is added where it is not in the sentence already: for a file that is
/// refused it holds only what a developer wants to know, so it goes to the log at `debug`.
pub fn text(error: &Error) -> String {
    let detail = match error.kind {
        // These sentences are written for the client of a server.
        Kind::DiskFull => "The disk is full: free some space, then try again.",
        Kind::Internal if error.detail == FILES_FAILED => "A file could not be read or written.",
        _ => &error.detail,
    };
    match &error.cause {
        Some(cause) if matches!(error.kind, Kind::NotMedia | Kind::Unprocessable) => {
            tracing::debug!(cause, "refused: {detail}");
            detail.to_owned()
        }
        Some(cause) => format!("{detail} ({cause})"),
        None => detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault;

    #[test]
    fn causes_of_refused_files_are_for_the_log() {
        let refused = fault!(Unprocessable, "The file is damaged.").with_cause("codec: none");
        assert_eq!(text(&refused), "The file is damaged.");
        let failed = Error::internal("The file cannot be written.", "No such file or directory (os error 2)");
        assert_eq!(text(&failed), "The file cannot be written. (No such file or directory (os error 2))");
        let full = Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert!(!text(&full).contains("server"), "{}", text(&full));
    }
}
