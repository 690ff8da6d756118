//! A network camera as a live source.

use std::{sync::Arc, thread, time::Duration};

use gstreamer::{self as gst, prelude::*};

use super::{
    super::{Arrival, Limits, LiveSource, Template, Value},
    address::{Protocol, StreamAddress},
    lines::Lines,
    newest::Newest,
    playing::Playing,
    relay::Relay,
    rules::NetworkRules,
    srt, web,
};
use crate::error::{Error, Result};

/// How long one wait for a picture takes; what only looks can find is looked for in between.
const LOOK: Duration = Duration::from_millis(200);

/// A network camera. It connects by itself, gives its newest picture, and breaks with words; whoever wants it back opens
/// it anew. Dropping it returns at once; what it holds is gone within two seconds.
pub struct NetworkSource {
    playing: Arc<Playing>,
    silence: Duration,
}

impl NetworkSource {
    /// Starts to connect and returns at once. `source` becomes every frame's source. A camera that gives no picture for
    /// `silence` is taken for gone.
    ///
    /// # Errors
    /// [`Internal`](crate::error::Kind::Internal) when the system has no thread left.
    pub fn open(
        source: &str,
        address: &StreamAddress,
        rules: &NetworkRules,
        limits: &Limits,
        silence: Duration,
    ) -> Result<Self> {
        let playing = Playing::new(Newest::new(source), Lines::new(rules.clone()), limits);
        let (worker, address) = (playing.clone(), address.clone());
        let work = move || {
            if let Err(error) = connect(&worker, &address) {
                worker.newest.end(Err(error));
            }
        };
        thread::Builder::new()
            .name("camera".into())
            .spawn(work)
            .map_err(|error| Error::internal("The server could not start a thread for the camera.", error))?;
        Ok(Self { playing, silence })
    }
}

impl Drop for NetworkSource {
    fn drop(&mut self) {
        self.playing.clone().stop();
    }
}

impl LiveSource for NetworkSource {
    fn next(&mut self, wait: Duration) -> Result<Option<Arrival>> {
        let mut left = wait;
        loop {
            let now = left.min(LOOK);
            if let Some(arrival) = self.playing.newest.next(now)? {
                return Ok(Some(arrival));
            }
            self.playing.look();
            self.playing.newest.check_silence(self.silence)?;
            left -= now;
            if left.is_zero() {
                return Ok(None);
            }
        }
    }

    fn codec(&self) -> Option<String> {
        self.playing.newest.codec()
    }
}

/// Connects and serves the pipeline until the source is stopped or breaks.
fn connect(playing: &Playing, address: &StreamAddress) -> Result<()> {
    match address.protocol {
        Protocol::Rtsp => rtsp(playing, address),
        Protocol::Http => web::serve(playing, address),
        Protocol::Srt => srt::start(playing, address),
    }
}

fn rtsp(playing: &Playing, address: &StreamAddress) -> Result<()> {
    let lines = &playing.lines;
    let (stream, to) = lines.connect(&address.host, address.port)?;
    let wire = Relay::wire(address, stream, to, lines)?;
    let relay = Relay::open(address, to, lines, &playing.newest)?;
    let (user, password) = address.credentials.as_ref().map_or(("", ""), |who| (&who.user, &who.password));
    let pipeline = Template::get("rtsp")?.build(&[
        ("location", Value::Str(&relay.location())),
        ("user", Value::Str(user)),
        ("password", Value::Str(password)),
    ])?;
    if let Some(source) = pipeline.by_name("source") {
        select_video(&source);
    }
    playing.start(pipeline, Some("application/x-rtp"))?;
    relay.serve(wire)
}

/// Asks the camera for its first video only: sound and descriptions are not even sent.
fn select_video(source: &gst::Element) {
    let chosen = std::sync::atomic::AtomicBool::new(false);
    source.connect("select-stream", false, move |arguments| {
        let caps = arguments.get(2).and_then(|caps| caps.get::<gst::Caps>().ok());
        let video =
            caps.as_ref().and_then(|caps| caps.structure(0)).is_some_and(|s| s.get::<&str>("media") == Ok("video"));
        Some((video && !chosen.swap(true, std::sync::atomic::Ordering::Relaxed)).to_value())
    });
}
