//! Every setting, its flag, environment variable and default.
//!
//! A setting is looked for as a flag, then as `SIGHTGLASS_…`, then in `sightglass.toml`, then the default is taken
//! (`cli::parse` does the looking). Keys of the file are the flags' long names.

mod connections;
mod engine;
mod listen;
mod live;
mod secure;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

pub use connections::{ConnectionSettings, Network};
pub use engine::{EngineOptions, Precision, Provider};
pub use live::{IceServer, LiveSettings};
pub use secure::{SecureSettings, TlsSource, Token};

/// Which models are served and how they run; shared by all subcommands that detect.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Models")]
pub struct ModelSettings {
    /// Model to use: a name in the models folder, or the path of a model folder. May be given several times; the first that
    /// detects and the first that classifies are the defaults [default: those that ship].
    #[arg(long, env = "SIGHTGLASS_MODEL", value_name = "NAME|DIR", value_delimiter = ',')]
    pub model: Vec<String>,
    /// Folder of model folders [default: `models` here or beside the program].
    #[arg(long, env = "SIGHTGLASS_MODELS", value_name = "DIR")]
    pub models: Option<PathBuf>,
    /// Execution provider of ONNX Runtime: auto, cuda, tensorrt, openvino or cpu. `auto` measures at load.
    #[arg(long, env = "SIGHTGLASS_PROVIDER", default_value = "auto")]
    pub provider: Provider,
    /// Arithmetic: auto, f32 (exact), bf16 or f16.
    #[arg(long, env = "SIGHTGLASS_PRECISION", default_value = "auto")]
    pub precision: Precision,
    /// Sessions of the engine, each with its own thread(s) [default: measured].
    #[arg(long, env = "SIGHTGLASS_SESSIONS", value_name = "N")]
    pub sessions: Option<usize>,
    /// Threads of each session [default: measured].
    #[arg(long, env = "SIGHTGLASS_THREADS", value_name = "N")]
    pub threads: Option<usize>,
    /// Most pictures that a session takes at once, where the model's batch axis is free [default: 8 on a GPU, else 1].
    #[arg(long, env = "SIGHTGLASS_BATCH", value_name = "N")]
    pub batch: Option<usize>,
    /// Folder that holds libonnxruntime.so [default: `deps/onnxruntime` here or beside the program].
    #[arg(long, env = "SIGHTGLASS_ONNXRUNTIME", value_name = "DIR")]
    pub onnxruntime: Option<PathBuf>,
}

impl ModelSettings {
    /// For the engine; measured choices are kept in `cache`.
    pub fn engine_options(&self, cache: Option<PathBuf>) -> EngineOptions {
        EngineOptions {
            onnxruntime: self.onnxruntime.clone(),
            provider: self.provider,
            precision: self.precision,
            sessions: self.sessions,
            threads: self.threads,
            batch: self.batch,
            cache,
            measure_again: false,
        }
    }
}

/// What a media file may ask of the service.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Limits of media")]
pub struct MediaSettings {
    /// Largest frame in pixels; a video with larger ones is refused.
    #[arg(long, env = "SIGHTGLASS_MAX_PIXELS", value_name = "PIXELS", default_value_t = 8192 * 4320)]
    pub max_pixels: u64,
    /// Longest video, in seconds or as 90s, 30m, 12h.
    #[arg(long, env = "SIGHTGLASS_MAX_DURATION", value_name = "TIME", default_value = "12h", value_parser = parse_duration)]
    pub max_duration: Duration,
    /// A decoder that gives nothing for so long is stopped.
    #[arg(long, env = "SIGHTGLASS_STALL", value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub stall: Duration,
}

impl MediaSettings {
    pub fn limits(&self) -> Limits {
        Limits { max_pixels: self.max_pixels, max_duration: self.max_duration.as_secs_f64(), stall: self.stall }
    }
}

/// What a file may ask of the service; beyond it, it is refused in words.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Pixels of one frame.
    pub max_pixels: u64,
    /// Seconds of stream time.
    pub max_duration: f64,
    /// A decoder that gives nothing for so long is stopped.
    pub stall: Duration,
}

/// Where a folder of ours may lie: here, beside the program, above `target/release`, or where packages put it.
pub fn places(folder: &str) -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from(folder)];
    if let Ok(program) = std::env::current_exe().and_then(|program| program.canonicalize()) {
        places.extend(program.ancestors().skip(1).take(4).map(|place| place.join(folder)));
    }
    places.push(Path::new("/usr/share/sightglass").join(folder));
    places
}

/// The settings of `sightglass serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeSettings {
    /// Address and port to listen on, e.g. 0.0.0.0:8080 for all networks; a port alone is on this machine only, and port 0
    /// takes a free one.
    #[arg(
        long,
        env = "SIGHTGLASS_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:8080",
        value_parser = listen::parse
    )]
    pub listen: SocketAddr,
    /// Folder for videos, results and the cache of measurements.
    #[arg(long, env = "SIGHTGLASS_DATA", value_name = "DIR", default_value = "data")]
    pub data: PathBuf,
    /// Further origin whose pages may call this server, e.g. https://example.org (the server's own always may).
    #[arg(long, env = "SIGHTGLASS_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allow_origin: Vec<String>,
    /// Serve the page from this folder instead of from the program (for work on the page).
    #[arg(long, env = "SIGHTGLASS_WWW", value_name = "DIR")]
    pub www: Option<PathBuf>,
    // A heading goes on to the flags behind it: those without one come first.
    #[command(flatten)]
    pub models: ModelSettings,
    #[command(flatten)]
    pub media: MediaSettings,
    #[command(flatten)]
    pub live: LiveSettings,
    #[command(flatten)]
    pub secure: SecureSettings,
    #[command(flatten)]
    pub connections: ConnectionSettings,
    /// Largest upload, e.g. 500MB or 8GiB.
    #[arg(long, env = "SIGHTGLASS_MAX_UPLOAD", help_heading = "Limits of the service", value_name = "BYTES", default_value = "8GiB", value_parser = parse_bytes)]
    pub max_upload: u64,
    /// Disk space that uploads, detections and recordings leave free.
    #[arg(long, env = "SIGHTGLASS_KEEP_FREE", help_heading = "Limits of the service", value_name = "BYTES", default_value = "256MiB", value_parser = parse_bytes)]
    pub keep_free: u64,
    /// Videos that may wait for their turn; one more upload is told to come back later.
    #[arg(
        long,
        env = "SIGHTGLASS_MAX_QUEUE",
        help_heading = "Limits of the service",
        value_name = "N",
        default_value_t = 100
    )]
    pub max_queue: usize,
    /// Videos that are worked on at the same time.
    #[arg(
        long,
        env = "SIGHTGLASS_MAX_RUNNING",
        help_heading = "Limits of the service",
        value_name = "N",
        default_value_t = 4
    )]
    pub max_running: usize,
    /// Viewers (WebSockets) at the same time.
    #[arg(
        long,
        env = "SIGHTGLASS_MAX_VIEWERS",
        help_heading = "Limits of the service",
        value_name = "N",
        default_value_t = 1000
    )]
    pub max_viewers: usize,
    /// Delete finished videos and live recordings after so many days [default: keep].
    #[arg(long, env = "SIGHTGLASS_KEEP_DAYS", help_heading = "Retention", value_name = "DAYS")]
    pub keep_days: Option<f64>,
    /// Delete the oldest of them when all files together take more, e.g. 100GB [default: keep].
    #[arg(long, env = "SIGHTGLASS_KEEP_BYTES", help_heading = "Retention", value_name = "BYTES", value_parser = parse_bytes)]
    pub keep_bytes: Option<u64>,
}

/// A number of bytes: `500000`, `500MB` (decimal) or `8GiB` (binary).
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit = match text[split..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1u64,
        "k" | "kb" => 1000,
        "m" | "mb" => 1000_u64.pow(2),
        "g" | "gb" => 1000_u64.pow(3),
        "t" | "tb" => 1000_u64.pow(4),
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        other => return Err(format!("`{other}` is no unit of bytes; write 500MB or 8GiB")),
    };
    match text[..split].parse::<f64>() {
        Ok(number) => Ok((number * unit as f64) as u64),
        Err(_) => Err("write a number of bytes such as 500000, 500MB or 8GiB".into()),
    }
}

/// A time span: seconds, or `90s`, `30m`, `12h`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) if text.ends_with('s') => (number, 1.0),
        Some(number) if text.ends_with('m') => (number, 60.0),
        Some(number) => (number, 3600.0),
        None => (text, 1.0),
    };
    number
        .trim()
        .parse::<f64>()
        .ok()
        .and_then(|n| Duration::try_from_secs_f64(n * unit).ok())
        .ok_or_else(|| "write a time such as 90s, 30m or 12h".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read() {
        assert_eq!(parse_bytes("1.5 MB"), Ok(1_500_000));
        assert_eq!(parse_bytes("8GiB"), Ok(8 << 30));
        assert!(parse_bytes("8 apples").is_err() && parse_bytes("").is_err() && parse_bytes("-1").is_err());
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert!(parse_duration("-3").is_err() && parse_duration("soon").is_err());
    }
}
