//! A camera of the tests: `webrtcbin` that offers a drawn video and a data channel, as a WHIP client does.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_sdp::SDPMessage;
use gstreamer_webrtc::{
    WebRTCDataChannel, WebRTCDataChannelState, WebRTCICEGatheringState, WebRTCSDPType, WebRTCSessionDescription,
};

use crate::media::{BITS, BLOCK};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A sender that is taken away when it is dropped.
pub struct Pusher {
    pipeline: gst::Pipeline,
    webrtc: gst::Element,
    channel: WebRTCDataChannel,
    messages: Arc<Mutex<Vec<String>>>,
    /// Of 1000 packets so many are lost in the network, where they can be sent again.
    loss: Arc<AtomicU32>,
    /// So many of the next packets never leave the sender.
    torn: Arc<AtomicU32>,
    /// What the server asks for is not heard.
    deaf: Arc<AtomicBool>,
}

/// The encoder and payloader of a codec.
fn encoder(codec: &str) -> &'static str {
    match codec {
        "H264" => {
            "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=3000 bitrate=1500 \
             ! video/x-h264,profile=constrained-baseline ! rtph264pay pt=102 aggregate-mode=zero-latency \
             ! application/x-rtp,media=video,encoding-name=H264,payload=102,clock-rate=90000"
        }
        "VP8" => {
            "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=3000 target-bitrate=1500000 ! rtpvp8pay pt=96 \
             ! application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000"
        }
        "VP9" => {
            "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=3000 target-bitrate=1500000 ! rtpvp9pay pt=98 \
             ! application/x-rtp,media=video,encoding-name=VP9,payload=98,clock-rate=90000"
        }
        "AV1" => "fakesrc ! application/x-rtp,media=video,encoding-name=AV1,payload=45,clock-rate=90000",
        other => panic!("no encoder for {other}"),
    }
}

impl Pusher {
    /// A sender of a moving pattern of 320x240 at 30 frames a second, and its offer with all candidates.
    pub fn new(codec: &str) -> (Self, String) {
        Self::of("videotestsrc name=source is-live=true pattern=ball ! video/x-raw,format=I420,framerate=30/1", codec)
    }

    /// A sender of what `source` gives as raw video.
    pub fn of(source: &str, codec: &str) -> (Self, String) {
        gst::init().unwrap();
        let launch = format!(
            "webrtcbin name=webrtc bundle-policy=max-bundle {source} ! videoconvert ! videoscale \
             ! capsfilter name=size caps=video/x-raw,format=I420,width=320,height=240 \
             ! queue max-size-buffers=2 leaky=downstream ! {} ! identity name=packets ! webrtc.",
            encoder(codec)
        );
        let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
        let webrtc = pipeline.by_name("webrtc").unwrap();
        let agent = webrtc.property::<gst::Object>("ice-agent").property::<gst::glib::Object>("agent");
        agent.set_property("upnp", false);
        let transceiver = webrtc.emit_by_name::<gst::glib::Object>("get-transceiver", &[&0i32]);
        transceiver.set_property("do-nack", true);
        transceiver.set_property("direction", gstreamer_webrtc::WebRTCRTPTransceiverDirection::Sendonly);
        // A clip has its own numbers.
        if let Some(source) = pipeline.by_name("source") {
            draw_numbers(&source);
        }
        let (loss, torn) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let deaf = Arc::new(AtomicBool::new(false));
        lose_in_network(&webrtc, &loss, &deaf);
        let (left, packets) = (Arc::clone(&torn), pipeline.by_name("packets").unwrap().static_pad("src").unwrap());
        packets.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            let torn = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left: u32| left.checked_sub(1));
            if torn.is_ok() { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }
        });
        pipeline.set_state(gst::State::Ready).unwrap();
        let channel =
            webrtc.emit_by_name::<WebRTCDataChannel>("create-data-channel", &[&"detections", &None::<gst::Structure>]);
        let messages = Arc::new(Mutex::new(Vec::new()));
        let heard = messages.clone();
        channel.connect_on_message_string(move |_, text| heard.lock().unwrap().extend(text.map(str::to_owned)));
        pipeline.set_state(gst::State::Playing).unwrap();

        // The offer needs the encoder's caps.
        wait("the first packet", || packets.current_caps().is_some());
        let offer = promise(|promise| {
            webrtc.emit_by_name::<()>("create-offer", &[&None::<gst::Structure>, promise]);
        });
        let offer = offer.unwrap().get::<WebRTCSessionDescription>("offer").unwrap();
        promise(|promise| webrtc.emit_by_name::<()>("set-local-description", &[&offer, promise]));
        wait("the candidates", || {
            webrtc.property::<WebRTCICEGatheringState>("ice-gathering-state") == WebRTCICEGatheringState::Complete
        });
        let offer = webrtc.property::<WebRTCSessionDescription>("local-description").sdp().as_text().unwrap();
        (Self { pipeline, webrtc, channel, messages, loss, torn, deaf }, offer)
    }

    /// Takes the server's answer; from now on it connects and sends.
    pub fn accept(&self, answer: &str) {
        let answer = SDPMessage::parse_buffer(answer.as_bytes()).unwrap();
        let answer = WebRTCSessionDescription::new(WebRTCSDPType::Answer, answer);
        let reply = promise(|promise| {
            self.webrtc.emit_by_name::<()>("set-remote-description", &[&answer, promise]);
        });
        let error = reply.and_then(|reply| reply.get::<gst::glib::Error>("error").ok());
        assert!(error.is_none(), "{error:?}");
    }

    /// Sends text, once the data channel is open.
    pub fn send(&self, text: &str) {
        wait("the data channel", || self.channel.ready_state() == WebRTCDataChannelState::Open);
        self.channel.send_string_full(Some(text)).unwrap();
    }

    /// What came on the data channel.
    pub fn messages(&self) -> Vec<String> {
        self.messages.lock().unwrap().clone()
    }

    /// Changes the size of the pictures from now on.
    pub fn resize(&self, width: i32, height: i32) {
        let caps = gst::Caps::builder("video/x-raw").field("format", "I420").field("width", width);
        self.pipeline.by_name("size").unwrap().set_property("caps", caps.field("height", height).build());
    }

    /// From now on so many of 1000 packets are lost in the network.
    pub fn lose(&self, per_mille: u32) {
        self.loss.store(per_mille, Ordering::Relaxed);
    }

    /// The next packets are lost for ever.
    pub fn tear(&self, packets: u32) {
        self.torn.store(packets, Ordering::Relaxed);
    }

    /// Whether requests of the server (for packets, for key frames) get lost.
    pub fn set_deaf(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::Relaxed);
    }

    /// Sends nothing more and stays connected, as a telephone that sleeps.
    pub fn freeze(&self) {
        self.tear(u32::MAX);
    }

    /// Hangs up: says goodbye by DTLS, as browsers do. `webrtcbin` that is only stopped would fall silent.
    pub fn stop(&self) {
        let elements = self.webrtc.downcast_ref::<gst::Bin>().unwrap().iterate_all_by_element_factory_name("dtlsenc");
        for element in elements.into_iter().flatten() {
            let (pad, (left, leaves)) = (element.static_pad("src").unwrap(), mpsc::sync_channel(1));
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                let first = info.buffer().and_then(|buffer| buffer.map_readable().ok()?.first().copied());
                // A record of DTLS that is an alert (RFC 6347, 4.1); others may leave at the same time.
                if first == Some(21) {
                    let _ = left.try_send(());
                }
                gst::PadProbeReturn::Ok
            });
            element.sink_pads()[0].send_event(gst::event::Eos::new());
            leaves.recv_timeout(PATIENCE).expect("a goodbye");
            // Idle is a pad whose last buffer was taken: before that, stopping would throw it away.
            let (taken, is_taken) = mpsc::sync_channel(1);
            pad.add_probe(gst::PadProbeType::IDLE, move |_, _| {
                let _ = taken.try_send(());
                gst::PadProbeReturn::Remove
            });
            is_taken.recv_timeout(PATIENCE).expect("that it is sent");
        }
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Draws the number of each picture into it, as fixtures/README.md says.
fn draw_numbers(source: &gst::Element) {
    let count = AtomicU32::new(0);
    source.static_pad("src").unwrap().add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let stride = pad.current_caps().unwrap().structure(0).unwrap().get::<i32>("width").unwrap() as usize;
        let buffer = info.buffer_mut().unwrap().make_mut();
        let mut luma = buffer.map_writable().unwrap();
        for y in 0..BLOCK {
            for x in 0..BLOCK * BITS {
                let bit = number >> (BITS - 1 - x / BLOCK) & 1;
                luma[y * stride + x] = if bit == 1 { 235 } else { 16 };
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// Loses packets where `webrtcbin` hands them to ICE and gets them from there, as told.
fn lose_in_network(webrtc: &gst::Element, loss: &Arc<AtomicU32>, deaf: &Arc<AtomicBool>) {
    let (loss, deaf) = (loss.clone(), deaf.clone());
    webrtc.downcast_ref::<gst::Bin>().unwrap().connect_deep_element_added(move |_, _, element| {
        let factory = element.factory().map(|factory| factory.name().to_string());
        let (loss, deaf, random) = (loss.clone(), deaf.clone(), AtomicU64::new(0x2545_F491_4F6C_DD1D));
        let pad = match factory.as_deref() {
            Some("nicesink") => element.static_pad("sink"),
            Some("nicesrc") => element.static_pad("src"),
            _ => return,
        };
        let outward = factory.as_deref() == Some("nicesink");
        pad.unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            // Xorshift: the same packets each time.
            let mut next = random.load(Ordering::Relaxed);
            next ^= next << 13;
            next ^= next >> 7;
            next ^= next << 17;
            random.store(next, Ordering::Relaxed);
            let head = info.buffer().unwrap().map_readable().unwrap().first().copied();
            // SRTP's and SRTCP's first byte (RFC 7983).
            let media = head.is_some_and(|byte| (128..192).contains(&byte));
            let lost = if outward {
                next % 1000 < u64::from(loss.load(Ordering::Relaxed))
            } else {
                deaf.load(Ordering::Relaxed)
            };
            if !(media && lost) {
                return gst::PadProbeReturn::Ok;
            }
            info.data.take();
            gst::PadProbeReturn::Handled
        });
    });
}

/// Waits for the reply to a promise.
fn promise(ask: impl FnOnce(&gst::Promise)) -> Option<gst::Structure> {
    let (reply, replied) = mpsc::sync_channel(1);
    let promise = gst::Promise::with_change_func(move |outcome| {
        let _ = reply.send(outcome.unwrap().map(ToOwned::to_owned));
    });
    ask(&promise);
    replied.recv_timeout(PATIENCE).expect("a reply")
}

/// Waits until something is so.
pub fn wait(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
