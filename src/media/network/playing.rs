//! A pipeline of a network camera: watched, guarded, and stopped in a time that has an end.

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;

use super::{
    super::{Limits, autoplug::Watch, running::lend_strides, verdict},
    goodbyes::Goodbye,
    lines::{Lines, stopped},
    newest::Newest,
    srt,
};
use crate::{
    error::{Error, Result},
    fault,
    frame::Size,
};

/// How long a pipeline may say goodbye to its camera before its connections are cut.
const GOODBYE: Duration = Duration::from_secs(1);

/// The pipeline of one source, from connecting until it is stopped.
pub struct Playing {
    stage: Mutex<Stage>,
    pub newest: Arc<Newest>,
    pub lines: Arc<Lines>,
    limits: Limits,
}

enum Stage {
    Connecting,
    Playing(gst::Pipeline, Watch),
    Stopped,
}

impl Playing {
    pub fn new(newest: Newest, lines: Arc<Lines>, limits: &Limits) -> Arc<Self> {
        let newest = Arc::new(newest);
        Arc::new(Self { stage: Mutex::new(Stage::Connecting), newest, lines, limits: limits.clone() })
    }

    /// Starts a built pipeline with a `decodebin name=decode` and an `appsink name=sink`, whose pictures then come.
    /// `door`: the caps name of what the source gives, which only here may be opened.
    ///
    /// # Errors
    /// [`Unavailable`](crate::error::Kind::Unavailable) when the source was stopped.
    pub fn start(&self, pipeline: gst::Pipeline, door: Option<&'static str>) -> Result<()> {
        let broken = |why: &str| Error::internal("A media pipeline of the server is broken.", why);
        let sink = pipeline.by_name("sink").and_then(|sink| sink.downcast::<gst_app::AppSink>().ok());
        let sink = sink.ok_or_else(|| broken("no appsink named sink"))?;
        let bus = pipeline.bus().ok_or_else(|| broken("no bus"))?;
        let watch = Watch::attach(&pipeline, self.limits.max_pixels, false, door);
        lend_strides(&sink);
        hand_out(&sink, &self.newest);
        if let Some(decode) = pipeline.by_name("decode").and_then(|decode| decode.downcast::<gst::Bin>().ok()) {
            watch_decoders(&decode, &self.newest);
        }
        let newest = self.newest.clone();
        let max_pixels = self.limits.max_pixels;
        let found = watch.clone();
        bus.set_sync_handler(move |_, message| {
            read(message, &newest, &found, max_pixels);
            gst::BusSyncReply::Drop
        });
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*stage, Stage::Stopped) {
            return Err(stopped());
        }
        *stage = Stage::Playing(pipeline.clone(), watch);
        // A failure is told in detail on the bus.
        if let Err(error) = pipeline.set_state(gst::State::Playing) {
            tracing::debug!(%error, "a camera's pipeline did not start");
        }
        Ok(())
    }

    /// # Errors
    /// [`Unprocessable`](crate::error::Kind::Unprocessable) for a picture that is larger than the limit.
    pub fn check_size(&self, size: Option<Size>) -> Result<()> {
        match size.filter(|size| size.pixels() > self.limits.max_pixels) {
            Some(size) => Err(too_large(size, self.limits.max_pixels)),
            None => Ok(()),
        }
    }

    /// Tells of what can never give a picture, which GStreamer has no error for.
    pub fn look(&self) {
        // While the pipeline is being started or stopped there is nothing to see.
        let Ok(stage) = self.stage.try_lock() else {
            return;
        };
        let Stage::Playing(_, watch) = &*stage else {
            return;
        };
        let (hopeless, exposed) = {
            let found = watch.lock();
            (found.hopeless(), found.exposed)
        };
        // An error that decodebin kept to itself never comes to the bus.
        if hopeless || (!exposed && watch.failure().is_some()) {
            self.newest.end(Err(words(watch, &self.newest, self.limits.max_pixels)));
        }
    }

    /// Stops everything without waiting for it: in order if that is quick, and else by cutting the connections.
    pub fn stop(self: Arc<Self>) {
        let stopping = self.clone();
        let (done, is_done) = mpsc::sync_channel::<()>(1);
        let goodbye = Goodbye::begin();
        let quiet = move || {
            stopping.set_null();
            drop(done);
            drop(goodbye);
        };
        let watched = move || {
            if thread::Builder::new().name("camera-goodbye".into()).spawn(quiet).is_ok() {
                // Ends early when `done` is dropped.
                let _ = is_done.recv_timeout(GOODBYE);
            }
            self.lines.cut();
        };
        if let Err(error) = thread::Builder::new().name("camera-stop".into()).spawn(watched) {
            tracing::warn!(%error, "no thread to stop a camera");
        }
    }

    fn set_null(&self) {
        let stage = std::mem::replace(&mut *self.stage.lock().unwrap_or_else(PoisonError::into_inner), Stage::Stopped);
        if let Stage::Playing(pipeline, _) = stage {
            if pipeline.set_state(gst::State::Null).is_err() {
                tracing::warn!("a camera's pipeline did not stop");
            }
            if let Some(bus) = pipeline.bus() {
                bus.unset_sync_handler();
            }
        }
    }
}

/// Gives each decoded picture to `newest`.
fn hand_out(sink: &gst_app::AppSink, newest: &Arc<Newest>) {
    let newest = newest.clone();
    let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        newest.decoded(&sample).map_err(|error| {
            newest.end(Err(error));
            gst::FlowError::Error
        })?;
        Ok(gst::FlowSuccess::Ok)
    });
    sink.set_callbacks(callbacks.build());
}

/// Notes when each encoded picture comes to its decoder, and how it is encoded; keeps decoders from holding pictures
/// back.
fn watch_decoders(decode: &gst::Bin, newest: &Arc<Newest>) {
    let newest = newest.clone();
    decode.connect_element_added(move |_, element| {
        let class = element.factory().and_then(|factory| factory.metadata("klass").map(str::to_owned));
        if !class.is_some_and(|class| ["Decoder/Video", "Decoder/Image"].iter().any(|kind| class.contains(kind))) {
            return;
        }
        // With threads for whole pictures a decoder is as many pictures late as it has threads.
        if element.find_property("max-threads").is_some() {
            element.set_property("max-threads", 1);
        }
        // Who joins between two key frames sees grey smears until the next: nothing to detect on.
        if element.find_property("output-corrupt").is_some() {
            element.set_property("output-corrupt", false);
        }
        let Some(pad) = element.static_pad("sink") else {
            return;
        };
        let newest = newest.clone();
        pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(buffer) = info.buffer() {
                newest.arrived(buffer.pts());
            } else if let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view())
                && let Some(stream) = event.caps().structure(0)
            {
                newest.set_codec(codec(stream));
            }
            gst::PadProbeReturn::Ok
        });
    });
}

/// A person's name for a stream's codec.
fn codec(stream: &gst::StructureRef) -> String {
    match (stream.name().as_str(), stream.get::<i32>("mpegversion")) {
        ("image/jpeg", _) => "JPEG".into(),
        ("video/mpeg", Ok(4)) => "MPEG-4".into(),
        ("video/mpeg", Ok(version)) => format!("MPEG-{version}"),
        (name, _) => verdict::codec_name(name).into(),
    }
}

/// What the bus says of the end. Runs in GStreamer's threads.
fn read(message: &gst::Message, newest: &Newest, watch: &Watch, max_pixels: u64) {
    match message.view() {
        gst::MessageView::Eos(_) => newest.end(Ok(())),
        gst::MessageView::Error(message) => {
            let error = message.error();
            // The debug text is not logged: it may hold the address.
            tracing::debug!(%error, "camera pipeline error");
            let debug = message.debug().unwrap_or_default();
            let exposed = watch.lock().exposed;
            let words = match exposed {
                true => broken(&error),
                false => refused(&error, &debug, newest, watch, max_pixels),
            };
            newest.end(Err(words.with_cause(&error)));
        }
        _ => {}
    }
}

/// Why a stream that gave pictures gives no more.
fn broken(error: &gst::glib::Error) -> Error {
    if error.matches(gst::StreamError::Decode) || error.matches(gst::StreamError::Format) {
        return fault!(Unavailable, "The camera's stream is damaged: its pictures cannot be decoded any more.");
    }
    fault!(Unavailable, "The connection to the camera broke.")
}

/// Why a stream never gave a picture.
fn refused(error: &gst::glib::Error, debug: &str, newest: &Newest, watch: &Watch, max_pixels: u64) -> Error {
    if let Some(refusal) = newest.refusal().or_else(|| srt::refusal(debug)) {
        return refusal;
    }
    if error.matches(gst::ResourceError::NotAuthorized) {
        return super::newest::refusal(401);
    }
    if error.matches(gst::ResourceError::NotFound) {
        return super::newest::refusal(404);
    }
    if error.matches(gst::StreamError::TypeNotFound) {
        return fault!(Unprocessable, "What comes from the address is no video stream that this server knows.");
    }
    if error.matches(gst::ResourceError::OpenRead) || error.matches(gst::ResourceError::Read) {
        return fault!(Unavailable, "The camera broke the connection before the first picture.");
    }
    words(watch, newest, max_pixels)
}

/// Why no picture can come, from what was found in the stream.
fn words(watch: &Watch, newest: &Newest, max_pixels: u64) -> Error {
    let found = watch.lock().clone();
    if let Some(size) = found.too_large {
        return too_large(size, max_pixels);
    }
    if found.many_scans {
        return fault!(
            Unprocessable,
            "The camera's pictures are JPEGs of so many scans that no camera writes them: switch the camera to H.264."
        );
    }
    if let Some(codec) = &found.undecodable {
        let codec = verdict::codec_name(codec);
        return fault!(
            Unprocessable,
            "The camera's stream is in a format ({codec}) that this server has no decoder for: switch the camera to \
             H.264."
        );
    }
    if found.encrypted {
        return fault!(Unprocessable, "The camera's stream is encrypted (DRM): the server cannot see its pictures.");
    }
    if newest.codec().is_some() {
        return fault!(Unprocessable, "The camera's stream is damaged: not one picture of it could be decoded.");
    }
    match &found.refused {
        Some(kind) if kind.starts_with("image/") => {
            fault!(
                Unprocessable,
                "The address gives a still picture, not a stream: use the address of the camera's video."
            )
        }
        Some(_) if !found.sound => {
            fault!(Unprocessable, "What comes from the address is no video stream that this server knows.")
        }
        _ => fault!(Unprocessable, "The address gives no video."),
    }
}

fn too_large(size: Size, max_pixels: u64) -> Error {
    fault!(
        Unprocessable,
        "The camera's picture of {size} pixels is larger than the {max_pixels} pixels that this server takes: choose a \
         smaller resolution in the camera."
    )
}
