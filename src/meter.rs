//! What the service counts, as Prometheus text on `/metrics`.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StateLabel {
    pub state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StatusLabel {
    pub status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct OutcomeLabel {
    pub outcome: &'static str,
}

/// The counters; cheap to clone and to count with from any thread.
pub struct Meter {
    registry: Registry,
    pub http_requests: Family<StatusLabel, Counter>,
    pub upload_bytes: Counter,
    pub frames_detected: Counter,
    pub frames_encoded: Counter,
    /// Pictures sent one by one; `done`, `refused`, `busy` or `failed`.
    pub images: Family<OutcomeLabel, Counter>,
    /// From a picture's last byte to its answer, seconds.
    pub image_seconds: Histogram,
    pub detections: Counter,
    pub videos_ended: Family<StateLabel, Counter>,
    pub recordings_ended: Family<StateLabel, Counter>,
    pub videos_running: Gauge,
    pub videos_queued: Gauge,
    pub viewers: Gauge,
    pub streams: Gauge,
    pub frames_live: Counter,
    pub frames_dropped: Counter,
    /// Frames of live streams that are missing in their recordings.
    pub recording_frames_dropped: Counter,
    /// Live streams: from a picture's arrival to its detections, seconds.
    pub live_seconds: Histogram,
    /// From the decoded frame to its stored detections, seconds.
    pub frame_seconds: Histogram,
    /// Pipelines that were stopped and still run, because a decoder does not return.
    pub stuck_pipelines: Gauge,
    resident: Gauge,
    descriptors: Gauge,
    threads: Gauge,
    cpu_seconds: Gauge<f64, AtomicU64>,
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

impl Meter {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("sightglass");
        macro_rules! metric {
            ($name:literal, $help:literal) => {
                metric!($name, $help, Default::default())
            };
            ($name:literal, $help:literal, $new:expr) => {{
                let metric = $new;
                registry.register($name, $help, Clone::clone(&metric));
                metric
            }};
        }
        let http_requests = metric!("http_requests", "Answers by HTTP status", Family::default());
        let upload_bytes = metric!("upload_bytes", "Bytes received in uploads", Counter::default());
        let frames_detected = metric!("frames_detected", "Frames whose detections were stored", Counter::default());
        let frames_encoded = metric!("frames_encoded", "Frames written into annotated files", Counter::default());
        let detections = metric!("detections", "Objects found", Counter::default());
        let videos_ended = metric!("videos_ended", "Videos by their last state", Family::default());
        let recordings_ended = metric!("recordings_ended", "Recordings by their last state", Family::default());
        let videos_running = metric!("videos_running", "Videos being worked on", Gauge::default());
        let videos_queued = metric!("videos_queued", "Videos that wait", Gauge::default());
        let viewers = metric!("viewers", "Open viewer sockets", Gauge::default());
        let streams = metric!("streams", "Live streams", Gauge::default());
        let frames_live = metric!("frames_live", "Frames of live streams that were detected", Counter::default());
        let frames_dropped =
            metric!("frames_dropped", "Frames of live streams that gave way to newer ones", Counter::default());
        let recording_frames_dropped = metric!(
            "recording_frames_dropped",
            "Frames of live streams that are missing in their recordings",
            Counter::default()
        );
        let buckets = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
        let frame_seconds = Histogram::new(buckets);
        registry.register_with_unit(
            "frame",
            "Time from a decoded frame to its stored detections",
            Unit::Seconds,
            frame_seconds.clone(),
        );
        let live_seconds = Histogram::new(buckets);
        registry.register_with_unit(
            "live_latency",
            "Time from the arrival of a live stream's picture to its detections",
            Unit::Seconds,
            live_seconds.clone(),
        );
        let images = metric!("images", "Pictures sent to /api/images by what came of them", Family::default());
        let image_seconds = Histogram::new(buckets);
        registry.register_with_unit(
            "image",
            "Time from the last byte of a picture sent to /api/images to its answer",
            Unit::Seconds,
            image_seconds.clone(),
        );
        let stuck_pipelines =
            metric!("stuck_pipelines", "Stopped pipelines whose decoder does not return", Gauge::default());
        let resident = metric!("resident_memory_bytes", "Resident memory of the process", Gauge::default());
        let descriptors = metric!("open_descriptors", "Open file descriptors of the process", Gauge::default());
        let threads = metric!("threads", "Threads of the process", Gauge::default());
        let cpu_seconds: Gauge<f64, AtomicU64> =
            metric!("cpu_seconds", "Processor time that the process has used", Gauge::default());
        Self {
            registry,
            http_requests,
            upload_bytes,
            frames_detected,
            frames_encoded,
            images,
            image_seconds,
            detections,
            videos_ended,
            recordings_ended,
            videos_running,
            videos_queued,
            viewers,
            streams,
            frames_live,
            frames_dropped,
            recording_frames_dropped,
            live_seconds,
            frame_seconds,
            stuck_pipelines,
            resident,
            descriptors,
            threads,
            cpu_seconds,
        }
    }

    /// Says which model runs how, as `sightglass_model_info`; call before the meter is shared.
    pub fn describe_models(&mut self, models: impl Iterator<Item = Vec<(&'static str, String)>>) {
        // A gauge that is always 1: a metric of the type info cannot have several sets of labels here.
        let family = Family::<Vec<(&'static str, String)>, Gauge>::default();
        for labels in models {
            family.get_or_create(&labels).set(1);
        }
        self.registry.register("model_info", "A loaded model, its provider and precision", family);
    }

    /// All metrics in Prometheus' (OpenMetrics) text format.
    pub fn text(&self) -> String {
        let process = Process::read();
        self.resident.set(process.resident);
        self.descriptors.set(process.descriptors);
        self.threads.set(process.threads);
        self.cpu_seconds.set(process.cpu_seconds);
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// What the process takes of the machine, read from `/proc` (zeros elsewhere).
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Bytes.
    pub resident: i64,
    pub descriptors: i64,
    pub threads: i64,
    /// User and system time of all threads.
    pub cpu_seconds: f64,
}

impl Process {
    pub fn read() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse::<i64>().ok()).unwrap_or(0)
        };
        Self {
            resident: field("VmRSS:") * 1024,
            threads: field("Threads:"),
            descriptors: std::fs::read_dir("/proc/self/fd").map_or(0, |fds| fds.count() as i64),
            cpu_seconds: cpu_seconds(),
        }
    }
}

/// User and system time of all threads of this process.
pub fn cpu_seconds() -> f64 {
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    cpu.tv_sec as f64 + cpu.tv_nsec as f64 * 1e-9
}
