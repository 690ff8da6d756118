//! The only file that knows everybody: builds the parts, connects them, and stops them in order.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::Semaphore};
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
    web::{self, Access, DecoderCheck, Room, Tls, Web},
};

/// How long work in progress may take to put itself away when the server stops.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// How long sockets and requests in flight may take.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(5);
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

/// Runs the service until SIGINT or SIGTERM.
pub async fn serve(settings: ServeSettings) -> Result<()> {
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
    let stream_settings = StreamSettings { most: live.max_streams, rules, silence: live.silence };
    let streams = Streams::new(jobs.clone(), stream_settings);
    streams.mend_recordings()?;
    streams.resume()?;
    let webrtc = WebRtcOptions {
        ice_servers: live.ice_server.clone(),
        udp_ports: live.udp_ports.clone(),
        public_ip: live.public_ip,
        max_pixels: limits.max_pixels,
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
        viewers: Arc::new(Semaphore::new(settings.max_viewers)),
        probes: Arc::new(Semaphore::new(4)),
        pictures: Arc::new(Semaphore::new(16)),
        decoder: DecoderCheck::default(),
    });
    // Before anybody is told that it is ready: a signal that nobody listens to ends the process on the spot.
    let mut signals = Signals::listen()?;
    let server = tokio::spawn(web::run(listener, web.clone()));
    let keeper = tokio::spawn(keep_retention(jobs.clone()));
    println!("{}", web::welcome(&web, address));

    signals.come().await;
    keeper.abort();
    stop(web, jobs, server).await;
    Ok(())
}

/// The one order of stopping: accept nothing new, end the work, let the engines run empty, say goodbye to viewers, let requests finish.
async fn stop(web: Arc<Web>, jobs: Arc<Jobs>, server: tokio::task::JoinHandle<Result<()>>) {
    tracing::info!("stopping: no new connections; viewers are told");
    web.shutdown.cancel();
    web.sockets.close();
    tracing::info!("stopping: work in progress is put away");
    let streams = web.streams.clone();
    let end = move || {
        let stopped = jobs.shut_down(STOP_PATIENCE);
        let ended = streams.shut_down(STOP_PATIENCE) && stopped;
        if !media::cameras_are_gone(GOODBYE_PATIENCE) {
            tracing::warn!("a network camera did not let go in time");
        }
        jobs.stop_models();
        ended
    };
    let ended = tokio::task::spawn_blocking(end).await.unwrap_or(false);
    if !ended {
        tracing::warn!("some work did not end in time; it goes on from its last stored frame at the next start");
    }
    let _ = tokio::time::timeout(GOODBYE_PATIENCE, web.sockets.wait()).await;
    let _ = tokio::time::timeout(GOODBYE_PATIENCE, server).await;
    tracing::info!("stopped");
}

async fn keep_retention(jobs: Arc<Jobs>) {
    let mut ticks = tokio::time::interval(RETENTION_EVERY);
    loop {
        ticks.tick().await;
        let jobs = jobs.clone();
        match tokio::task::spawn_blocking(move || jobs.apply_retention()).await {
            Ok(Err(error)) => tracing::warn!(error = %error.full(), "retention failed"),
            Err(error) => tracing::warn!(%error, "retention failed"),
            Ok(Ok(_)) => {}
        }
    }
}

/// What a person or a service manager ends the program by.
struct Signals([tokio::signal::unix::Signal; 2]);

impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
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
