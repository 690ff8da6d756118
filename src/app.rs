//! The only file that knows everybody: builds the parts, connects them, and stops them in order.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::{JoinError, JoinHandle},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{ModelSettings, ServeSettings},
    detector::Detector,
    error::{Error, Result},
    event::Task,
    fault,
    jobs::{Files, JobSettings, Jobs, Retention, Store, StreamSettings, Streams},
    media::{self, NetworkRules, WebRtcOptions},
    meter::Meter,
    web::{self, Access, DecoderCheck, Room, Shares, Tls, Web},
};

/// Stopping takes no longer than this in total, whatever hangs: each step gets what the steps before it have left.
/// `deploy/` gives the process more than this and [`RUNTIME_PATIENCE`] before it kills it.
const STOP_DEADLINE: Duration = Duration::from_secs(28);
/// The part of it that work in progress leaves to cameras and engines.
const ENGINE_RESERVE: Duration = Duration::from_secs(6);
/// How long sockets, requests in flight and cameras may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// How long the runtime's blocking threads may take after that.
pub const RUNTIME_PATIENCE: Duration = Duration::from_secs(2);
/// Exit status when something did not end in time, and the process ends without waiting for it.
const UNCLEAN_STATUS: i32 = 1;
const RETENTION_EVERY: Duration = Duration::from_secs(60);

/// Loads the models that were asked for, or else those that ship for the task, or for all; the first of each task is its
/// default.
pub fn load_models(settings: &ModelSettings, task: Option<Task>, cache: Option<PathBuf>) -> Result<Vec<Arc<Detector>>> {
    let options = settings.engine_options(cache);
    let mut models: Vec<Arc<Detector>> = Vec::new();
    for folder in crate::models::asked_for(&settings.model, task, settings.models.as_deref())? {
        let model = Detector::load(&folder, &options)?;
        let info = model.info();
        if models.iter().any(|other| other.info().name == info.name) {
            return Err(fault!(BadRequest, "Two models are called `{}`: rename one of the folders.", info.name));
        }
        tracing::info!(
            model = %info.name, version = %info.version, provider = %info.provider, precision = %info.precision,
            sessions = info.sessions, threads = info.threads, chosen = %info.chosen, "model loaded"
        );
        models.push(Arc::new(model));
    }
    Ok(models)
}

/// Runs the service until SIGINT or SIGTERM; a second signal ends the process at once. `on_ready` is called once, before
/// the first connection is answered.
///
/// # Errors
/// It cannot start, or the web server ended by itself; running work is saved first.
pub async fn serve(settings: ServeSettings, on_ready: impl FnOnce()) -> Result<()> {
    media::init()?;
    let live = settings.live;
    let rules = NetworkRules::new(&live.stream_schemes, &live.stream_networks)?;
    let files = Files::open(&settings.data)?;
    let store = Store::open(&files.database())?;
    // The port is taken before the models are loaded: that takes seconds, and a taken port should say so at once.
    let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
        Error::internal(
            format!(
                "Cannot listen on {}: {error}. Is another server running there? Choose one with --listen.",
                settings.listen
            ),
            error,
        )
    })?;
    let address = listener.local_addr()?;
    let access = Access::open(&settings.secure, &settings.allow_origin, address, &settings.data)?;
    let further = live.public_ip.iter().map(ToString::to_string).collect();
    let tls = Tls::open(settings.secure.tls()?, &settings.data, further)?;
    let (model_settings, cache) = (settings.models.clone(), files.cache());
    let models = tokio::task::spawn_blocking(move || load_models(&model_settings, None, Some(cache)))
        .await
        .map_err(|error| Error::internal("Loading the model ended unexpectedly.", error))??;

    let mut meter = Meter::new();
    meter.describe_models(models.iter().map(|model| {
        let info = model.info();
        let labels = [
            ("name", &info.name),
            ("version", &info.version),
            ("provider", &info.provider),
            ("precision", &info.precision),
        ];
        labels.map(|(key, value)| (key, value.clone())).to_vec()
    }));
    let meter = Arc::new(meter);
    let retention = Retention {
        age: settings.keep_days.map(|days| Duration::from_secs_f64((days * 86400.0).max(0.0))),
        bytes: settings.keep_bytes,
    };
    let limits = settings.media.limits();
    let job_settings = JobSettings {
        limits: limits.clone(),
        max_queue: settings.max_queue,
        max_running: settings.max_running.max(1),
        keep_free: settings.keep_free,
        retention,
    };
    let jobs = Jobs::new(files, store, models, meter.clone(), job_settings);
    jobs.resume()?;
    let stream_settings = StreamSettings { most: live.max_streams, rules: rules.clone(), silence: live.silence };
    let streams = Streams::new(jobs.clone(), stream_settings);
    streams.mend_recordings()?;
    streams.resume()?;
    let webrtc = WebRtcOptions {
        ice_servers: live.ice_server.clone(),
        udp_ports: live.udp_ports.clone(),
        public_ip: live.public_ip,
        max_pixels: limits.max_pixels,
        rules,
        peer: None,
        silence: live.silence,
    };

    let web = Arc::new(Web {
        jobs: jobs.clone(),
        streams,
        live,
        webrtc,
        meter,
        images: Room::new(limits.max_pixels),
        limits,
        max_upload: settings.max_upload,
        keep_free: settings.keep_free,
        access,
        connections: settings.connections,
        tls,
        allow_origin: settings.allow_origin,
        www: settings.www,
        shutdown: CancellationToken::new(),
        sockets: TaskTracker::new(),
        viewers: Shares::of_viewers(settings.max_viewers),
        probes: Arc::new(Semaphore::new(4)),
        pictures: Arc::new(Semaphore::new(16)),
        decoder: DecoderCheck::default(),
    });
    // Before anybody is told that it is ready: a signal that nobody listens to ends the process on the spot.
    let mut signals = Signals::listen()?;
    let mut server = tokio::spawn(web::run(listener, web.clone()));
    let keeper = tokio::spawn(keep_retention(jobs.clone()));
    on_ready();
    println!("{}", web::welcome(&web, address));

    let ended = run_until(signals.come(), &mut server).await;
    if let Err(error) = &ended {
        tracing::error!(error = %error.full(), "the web server ended by itself: stopping");
    }
    keeper.abort();
    if !stop(web, jobs, ended.is_ok().then_some(server)).await {
        tracing::warn!("stopped, not waiting for what hangs");
        // Destructors and exit handlers would wait for it too, or take apart what it still uses.
        signal_hook::low_level::exit(UNCLEAN_STATUS);
    }
    tracing::info!("stopped");
    ended
}

/// Waits for a signal to stop.
///
/// # Errors
/// The web server ended before that: the process would serve nothing.
async fn run_until(signal: impl Future<Output = ()>, server: &mut JoinHandle<Result<()>>) -> Result<()> {
    tokio::select! {
        () = signal => Ok(()),
        ended = server => Err(match ended {
            Ok(Err(error)) => error,
            Ok(Ok(())) => Error::internal("The web server ended unexpectedly.", "it returned without being asked to"),
            Err(error) => Error::internal("The web server ended unexpectedly.", error),
        }),
    }
}

/// The one order of stopping: accept nothing new; end all work, close sockets and answer requests, side by side; then
/// cameras and engines. False if work or engines did not end in time.
async fn stop(web: Arc<Web>, jobs: Arc<Jobs>, server: Option<JoinHandle<Result<()>>>) -> bool {
    let deadline = Instant::now() + STOP_DEADLINE;
    let left = move || deadline.saturating_duration_since(Instant::now());
    tracing::info!("stopping: no new connections; running work is saved; a second signal ends the process at once");
    web.shutdown.cancel();
    web.sockets.close();
    let patience = left().saturating_sub(ENGINE_RESERVE);
    let (work, streams) = (jobs.clone(), web.streams.clone());
    let (work, streams, sockets, requests) = tokio::join!(
        within(left(), move || work.shut_down(patience)),
        within(left(), move || streams.shut_down(patience)),
        timeout(CLOSE_PATIENCE, web.sockets.wait()),
        timeout(CLOSE_PATIENCE, async {
            if let Some(server) = server {
                report_server(server.await);
            }
        }),
    );
    let put_away = work == Some(true) && streams == Some(true);
    if !put_away {
        tracing::warn!("some work did not end in time; it goes on from its last stored frame at the next start");
    }
    if sockets.is_err() || requests.is_err() {
        tracing::warn!("some connections did not end in time");
    }
    let patience = left().min(CLOSE_PATIENCE);
    if within(left(), move || media::cameras_are_gone(patience)).await != Some(true) {
        tracing::warn!("a network camera did not let go in time");
    }
    let engines = within(left(), move || jobs.stop_models(left())).await;
    if engines != Some(true) {
        tracing::warn!("an engine did not end in time");
    }
    put_away && engines == Some(true)
}

/// Runs what blocks on a thread that may, and waits for it no longer than `patience`: None when it takes longer.
async fn within<T: Send + 'static>(patience: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match timeout(patience, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => Some(done),
        Ok(Err(error)) => {
            tracing::error!(%error, "a step of stopping failed");
            None
        }
        Err(_) => None,
    }
}

fn report_server(ended: std::result::Result<Result<()>, JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(error = %error.full(), "the web server failed while stopping"),
        Err(error) => tracing::error!(%error, "the web server failed while stopping"),
    }
}

async fn keep_retention(jobs: Arc<Jobs>) {
    let mut ticks = tokio::time::interval(RETENTION_EVERY);
    loop {
        ticks.tick().await;
        let jobs = jobs.clone();
        match tokio::task::spawn_blocking(move || jobs.keep_up()).await {
            Ok(Err(error)) => tracing::warn!(error = %error.full(), "retention failed"),
            Err(error) => tracing::warn!(%error, "retention failed"),
            Ok(Ok(_)) => {}
        }
    }
}

/// What a person or a service manager ends the program by.
struct Signals([tokio::signal::unix::Signal; 2]);

impl Signals {
    /// From now on a first signal is reported by [`Signals::come`], and a second one ends the process at once with the
    /// status that shells give a process ended by it: 128 and the signal's number.
    fn listen() -> std::io::Result<Self> {
        use signal_hook::{
            consts::{SIGINT, SIGTERM},
            flag,
        };
        use tokio::signal::unix::{SignalKind, signal};
        let asked = Arc::new(AtomicBool::new(false));
        for number in [SIGTERM, SIGINT] {
            // In this order: the handler looks at the flag before it raises it.
            flag::register_conditional_shutdown(number, 128 + number, asked.clone())?;
            flag::register(number, asked.clone())?;
        }
        Ok(Self([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?]))
    }

    async fn come(&mut self) {
        let [terminate, interrupt] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn the_end_of_the_web_server_is_noticed() {
        let mut failed = tokio::spawn(async { Err(fault!(Internal, "TLS cannot be set up.")) });
        assert_eq!(run_until(pending(), &mut failed).await.expect_err("failed").detail, "TLS cannot be set up.");
        let mut panicked = tokio::spawn(async { panic!("the test's own panic") });
        let error = run_until(pending(), &mut panicked).await.expect_err("panicked");
        assert!(error.full().contains("the test's own panic"), "{}", error.full());
        let mut returned = tokio::spawn(async { Ok(()) });
        assert!(run_until(pending(), &mut returned).await.is_err());
        let mut serving = tokio::spawn(pending());
        assert!(run_until(ready(()), &mut serving).await.is_ok());
    }

    #[tokio::test]
    async fn a_step_of_stopping_that_hangs_is_left_behind() {
        let (hold, held) = std::sync::mpsc::sync_channel::<()>(0);
        assert_eq!(within(Duration::ZERO, move || held.recv().is_err()).await, None);
        drop(hold);
        assert_eq!(within(Duration::from_secs(60), || 1).await, Some(1));
        assert_eq!(within(Duration::from_secs(60), || -> u8 { panic!("the test's own panic") }).await, None);
    }

    #[test]
    fn deployments_give_the_process_time_to_stop() {
        let seconds = |text: &str, key: &str| {
            let value = text.lines().find_map(|line| line.trim().strip_prefix(key)).expect("it is set");
            Duration::from_secs(value.trim().trim_end_matches('s').parse().expect("seconds"))
        };
        let needed = STOP_DEADLINE + RUNTIME_PATIENCE + Duration::from_secs(5);
        for (file, key) in [
            (include_str!("../deploy/sightglass.service"), "TimeoutStopSec="),
            (include_str!("../deploy/compose.yaml"), "stop_grace_period:"),
        ] {
            assert!(seconds(file, key) >= needed, "{key} is less than {needed:?}");
        }
        assert!(ENGINE_RESERVE + CLOSE_PATIENCE < STOP_DEADLINE);
    }
}
