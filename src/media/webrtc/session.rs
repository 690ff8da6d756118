//! A running session: the newest picture out, until the sender is gone.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use gstreamer_webrtc::{WebRTCDataChannel, WebRTCICEConnectionState, WebRTCPeerConnectionState};

use super::{
    Channel, OnMessage, WebRtcOptions,
    arrivals::{self, Arrivals},
    channel,
    codecs::Codec,
    ice, negotiate,
    offer::Offer,
};
use crate::{
    error::{Error, Result},
    fault,
    frame::FrameTag,
    media::{
        autoplug::Watch,
        live::{Arrival, LiveFrame, LiveSource},
        running::lend_strides,
        sample,
        template::Template,
    },
};

/// How long one look at the appsink takes; the states are read in between.
const LOOK: Duration = Duration::from_millis(50);
/// From the answer to the first packet.
const CONNECTING: Duration = Duration::from_secs(15);

/// Pictures are at least so many seconds apart.
const LEAST_STEP: f64 = 0.001;

/// What GStreamer's threads write and the reader reads.
struct Shared {
    arrivals: Arrivals,
    codec: Option<Codec>,
}

/// One sender. Dropping it closes the connection, which takes some milliseconds and must not happen on an async thread.
pub struct WebRtcSource {
    source: Arc<str>,
    pipeline: gst::Pipeline,
    webrtc: gst::Element,
    bus: gst::Bus,
    /// Where RTP comes in.
    entry: gst::Element,
    sink: gst_app::AppSink,
    watch: Watch,
    shared: Arc<Mutex<Shared>>,
    channel: Channel,
    silence: Duration,
    max_pixels: u64,
    begun: Instant,
    connected: bool,
    ended: bool,
    /// Time stamp of the first picture.
    first: Option<Duration>,
    /// The newest picture that was taken.
    last: Option<FrameTag>,
}

impl Drop for WebRtcSource {
    fn drop(&mut self) {
        self.channel.close();
        self.bus.set_flushing(true);
        if self.pipeline.set_state(gst::State::Null).is_err() {
            tracing::warn!("a pipeline did not stop");
        }
    }
}

impl WebRtcSource {
    /// Answers an offer. Blocks until the ways through the network are known: some milliseconds, or up to three seconds
    /// when STUN or TURN servers are slow.
    ///
    /// # Errors
    /// As [`Offer::read`]; [`crate::error::Kind::Busy`] when no UDP port is free.
    pub fn answer(source: &str, offer: &str, options: &WebRtcOptions, on_message: OnMessage) -> Result<(Self, String)> {
        let offer = Offer::read(offer, |address| options.rules.allows_candidate(address, options.peer))?;
        let pipeline = Template::get("webrtc")?.build(&[])?;
        let missing = || Error::internal("A media pipeline of the server is broken.", "an element is missing");
        let webrtc = pipeline.by_name("webrtc").ok_or_else(missing)?;
        let sink = pipeline.by_name("sink").and_then(|sink| sink.downcast::<gst_app::AppSink>().ok());
        let session = Self {
            source: source.into(),
            bus: pipeline.bus().ok_or_else(missing)?,
            entry: pipeline.by_name("rtp").ok_or_else(missing)?,
            sink: sink.ok_or_else(missing)?,
            watch: Watch::default(),
            shared: Arc::new(Mutex::new(Shared { arrivals: Arrivals::new(), codec: None })),
            channel: Channel::default(),
            silence: options.silence,
            max_pixels: options.max_pixels,
            begun: Instant::now(),
            connected: false,
            ended: false,
            first: None,
            last: None,
            pipeline,
            webrtc,
        };
        lend_strides(&session.sink);
        session.follow_media().ok_or_else(missing)?;
        session.follow_channels(on_message);
        ice::configure(&session.webrtc, options)?;
        session
            .pipeline
            .set_state(gst::State::Playing)
            .map_err(|error| Error::internal("The server could not take the camera; its log says more.", error))?;
        let answer = negotiate::negotiate(&session.webrtc, &offer, options)?;
        Ok((session, answer))
    }

    /// The sender's data channel; it may be used from any thread, also when the session is over.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Links what comes, and looks at it on its way. None when the pipeline lacks an element.
    fn follow_media(&self) -> Option<()> {
        // Weak: the pipeline must not own itself through its signal handlers.
        let entry = self.entry.downgrade();
        self.webrtc.connect_pad_added(move |_, pad| link(pad, entry.upgrade()));

        let (pipeline, shared) = (self.pipeline.downgrade(), self.shared.clone());
        self.pipeline.by_name("payloads")?.connect_pad_added(move |_, pad| {
            let caps = pad.current_caps();
            let name = caps.as_ref().and_then(|caps| caps.structure(0)?.get::<&str>("encoding-name").ok());
            // The answer names no other.
            let Some(codec) = name.and_then(Codec::named) else {
                return;
            };
            lock(&shared).codec = Some(codec);
            link(pad, pipeline.upgrade().and_then(|pipeline| pipeline.by_name(codec.entry())));
        });

        self.probe("waiting", "sink", |arrivals, packet| arrivals.packet(packet))?;
        for codec in ["h264", "vp8", "vp9"] {
            self.probe(&format!("{codec}-depay"), "src", |arrivals, picture| arrivals.encoded(picture))?;
            let decoder = self.pipeline.by_name(&format!("{codec}-decoder"))?;
            self.watch.guard(&decoder.static_pad("sink")?, self.max_pixels);
        }
        self.probe("convert", "sink", |arrivals, picture| arrivals.decoded(picture))?;
        self.watch.guard(&self.pipeline.by_name("convert")?.static_pad("sink")?, self.max_pixels);
        Some(())
    }

    /// Looks at each buffer that goes through a pad. None when there is no such pad.
    fn probe(&self, element: &str, pad: &str, look: fn(&mut Arrivals, &mut gst::BufferRef)) -> Option<()> {
        let (pad, shared) = (self.pipeline.by_name(element)?.static_pad(pad)?, self.shared.clone());
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(buffer) = info.buffer_mut() {
                look(&mut lock(&shared).arrivals, buffer.make_mut());
            }
            gst::PadProbeReturn::Ok
        });
        Some(())
    }

    fn follow_channels(&self, on_message: OnMessage) {
        let (own, shared, on_message) = (self.channel.clone(), self.shared.clone(), Arc::new(on_message));
        self.webrtc.connect("on-data-channel", false, move |arguments| {
            let channel = arguments.get(1)?.get::<WebRTCDataChannel>().ok()?;
            if channel.label().as_deref() != Some(channel::LABEL) {
                channel.close();
                return None;
            }
            let (shared, on_message) = (shared.clone(), on_message.clone());
            channel.connect_on_message_string(move |_, text| {
                lock(&shared).arrivals.heard();
                if let Some(text) = text {
                    on_message(text);
                }
            });
            own.open(channel);
            None
        });
    }

    /// Looks whether the other side is still there.
    ///
    /// # Errors
    /// When it never came, is gone without a word, or sends what cannot be decoded.
    fn check(&mut self) -> Result<()> {
        let peer = self.webrtc.property::<WebRTCPeerConnectionState>("connection-state");
        let ice = self.webrtc.property::<WebRTCICEConnectionState>("ice-connection-state");
        if !self.connected && (peer == WebRTCPeerConnectionState::Connected || self.codec().is_some()) {
            self.connected = true;
            lock(&self.shared).arrivals.heard();
        }
        self.read_bus()?;
        if let Some(size) = self.watch.lock().too_large {
            return Err(fault!(
                Unprocessable,
                "The camera's picture of {size} pixels is larger than the {} pixels that this server takes: choose a \
                 smaller one.",
                self.max_pixels
            ));
        }
        let gone = self.said_goodbye()
            || matches!(ice, WebRTCICEConnectionState::Failed | WebRTCICEConnectionState::Closed)
            || matches!(peer, WebRTCPeerConnectionState::Failed | WebRTCPeerConnectionState::Closed);
        self.ended |= self.connected && gone;
        if !self.connected && (gone || self.begun.elapsed() > CONNECTING) {
            return Err(fault!(
                Unavailable,
                "The camera could not be reached by WebRTC: the network between lets no UDP through. Try another \
                 network, or ask the operator for a TURN server."
            ));
        }
        let (silent, stuck) = {
            let arrivals = &mut lock(&self.shared).arrivals;
            (arrivals.silent_for(), arrivals.is_stuck())
        };
        if self.connected && !self.ended && silent > self.silence {
            return Err(fault!(
                Unavailable,
                "The camera sent nothing for {} s and was taken for gone: connect it again.",
                self.silence.as_secs_f64()
            ));
        }
        if stuck {
            let ask = gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build();
            self.entry.send_event(ask);
        }
        Ok(())
    }

    fn read_bus(&mut self) -> Result<()> {
        while let Some(message) = self.bus.pop() {
            let gst::MessageView::Error(error) = message.view() else {
                continue;
            };
            tracing::debug!(error = %error.error(), debug = ?error.debug(), "pipeline error");
            // The data channel's transport says so when the other side closes; others decode.
            let closed = error.src().is_some_and(|source| source.name().starts_with("sctp"));
            if !(self.connected && closed) {
                return Err(fault!(
                    Unprocessable,
                    "The camera's video cannot be decoded any further: connect it again."
                )
                .with_cause(error.error()));
            }
            self.ended = true;
        }
        Ok(())
    }

    /// Did the other side close DTLS? GStreamer 1.22's `webrtcbin` keeps that to itself.
    fn said_goodbye(&self) -> bool {
        let Some(bin) = self.webrtc.downcast_ref::<gst::Bin>().filter(|_| self.connected) else {
            return false;
        };
        bin.iterate_all_by_element_factory_name("dtlsdec").into_iter().flatten().any(|element| {
            let state = element.property_value("connection-state");
            gst::glib::EnumValue::from_value(&state).is_some_and(|(_, state)| state.nick() == "closed")
        })
    }

    fn picture(&mut self, sample: &gst::Sample) -> Result<LiveFrame> {
        let buffer = sample.buffer().ok_or_else(|| Error::internal("The decoder gave no picture.", "no buffer"))?;
        let last = self.last.as_ref();
        let next = last.map_or(0, |last| last.frame + 1);
        let number = arrivals::number(buffer).unwrap_or(next);
        let stamp = arrivals::stamp(buffer).unwrap_or_default();
        let first = *self.first.get_or_insert(stamp);
        let time = stamp.saturating_sub(first).as_secs_f64();
        // A sender whose clock stands still or jumps back does not make two pictures of one time.
        let time = last.map_or(time, |last| time.max(last.time + LEAST_STEP));
        let tag = FrameTag { source: self.source.clone(), frame: number, time };
        let frame = sample::frame(sample, tag.clone())?;
        self.last = Some(tag);
        let arrived = lock(&self.shared).arrivals.of(buffer).unwrap_or_else(Instant::now);
        Ok(LiveFrame { frame, arrived, skipped: number.saturating_sub(next) })
    }
}

impl LiveSource for WebRtcSource {
    fn next(&mut self, wait: Duration) -> Result<Option<Arrival>> {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let look = gst::ClockTime::from_nseconds(left.min(LOOK).as_nanos() as u64);
            let sample = self.sink.try_pull_sample(look);
            // Also while pictures come: the bus must not fill up.
            self.check()?;
            if let Some(sample) = sample {
                return self.picture(&sample).map(|frame| Some(Arrival::Picture(frame)));
            }
            if self.ended {
                return Ok(Some(Arrival::End));
            }
            if left.is_zero() {
                return Ok(None);
            }
        }
    }

    fn codec(&self) -> Option<String> {
        lock(&self.shared).codec.map(|codec| codec.name().to_owned())
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Links a pad that came up to a funnel.
fn link(pad: &gst::Pad, funnel: Option<gst::Element>) {
    let entry = funnel.and_then(|funnel| funnel.request_pad_simple("sink_%u"));
    if let Some(entry) = entry
        && let Err(error) = pad.link(&entry)
    {
        tracing::debug!(%error, "what came could not be linked");
    }
}
