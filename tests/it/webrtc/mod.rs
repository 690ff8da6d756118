//! A camera of the tests: `webrtcbin` that offers a drawn video and a data channel, as a WHIP client does.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_sdp::SDPMessage;
use gstreamer_webrtc::{
    WebRTCDataChannel, WebRTCDataChannelState, WebRTCICEGatheringState, WebRTCSDPType, WebRTCSessionDescription,
};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A sender that is taken away when it is dropped.
pub struct Pusher {
    pipeline: gst::Pipeline,
    webrtc: gst::Element,
    channel: WebRTCDataChannel,
    messages: Arc<Mutex<Vec<String>>>,
    /// Of 1000 packets so many are lost on the way.
    loss: Arc<AtomicU32>,
}

/// The encoder and payloader of a codec.
fn encoder(codec: &str) -> &'static str {
    match codec {
        "H264" => {
            "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=600 bitrate=1500 \
             ! video/x-h264,profile=constrained-baseline ! rtph264pay pt=102 aggregate-mode=zero-latency \
             ! application/x-rtp,media=video,encoding-name=H264,payload=102,clock-rate=90000"
        }
        "VP8" => {
            "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=600 target-bitrate=1500000 ! rtpvp8pay pt=96 \
             ! application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000"
        }
        "VP9" => {
            "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=600 target-bitrate=1500000 ! rtpvp9pay pt=98 \
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
             ! queue max-size-buffers=2 leaky=downstream ! {} ! identity name=loss ! webrtc.",
            encoder(codec)
        );
        let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
        let webrtc = pipeline.by_name("webrtc").unwrap();
        let transceiver = webrtc.emit_by_name::<gst::glib::Object>("get-transceiver", &[&0i32]);
        transceiver.set_property("do-nack", true);
        transceiver.set_property("direction", gstreamer_webrtc::WebRTCRTPTransceiverDirection::Sendonly);
        let loss = Arc::new(AtomicU32::new(0));
        let (per_mille, mut random) = (loss.clone(), 0x2545_F491_4F6C_DD1Du64);
        let random = Mutex::new(move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % 1000) as u32
        });
        // Behind the payloader and not behind the transport: what is lost here cannot be sent again, as after a burst.
        let pad = pipeline.by_name("loss").unwrap().static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            let lost = (random.lock().unwrap())() < per_mille.load(Ordering::Relaxed);
            if lost { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }
        });
        pipeline.set_state(gst::State::Ready).unwrap();
        let channel =
            webrtc.emit_by_name::<WebRTCDataChannel>("create-data-channel", &[&"detections", &None::<gst::Structure>]);
        let messages = Arc::new(Mutex::new(Vec::new()));
        let heard = messages.clone();
        channel.connect_on_message_string(move |_, text| heard.lock().unwrap().extend(text.map(str::to_owned)));
        pipeline.set_state(gst::State::Playing).unwrap();

        // The offer needs the encoder's caps.
        let payloader = pipeline.by_name("loss").unwrap().static_pad("src").unwrap();
        wait("the first packet", || payloader.current_caps().is_some());
        let offer = promise(|promise| {
            webrtc.emit_by_name::<()>("create-offer", &[&None::<gst::Structure>, promise]);
        });
        let offer = offer.unwrap().get::<WebRTCSessionDescription>("offer").unwrap();
        promise(|promise| webrtc.emit_by_name::<()>("set-local-description", &[&offer, promise]));
        wait("the candidates", || {
            webrtc.property::<WebRTCICEGatheringState>("ice-gathering-state") == WebRTCICEGatheringState::Complete
        });
        let offer = webrtc.property::<WebRTCSessionDescription>("local-description").sdp().as_text().unwrap();
        (Self { pipeline, webrtc, channel, messages, loss }, offer)
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

    /// Loses so many of 1000 packets from now on.
    pub fn lose(&self, per_mille: u32) {
        self.loss.store(per_mille, Ordering::Relaxed);
    }

    /// Sends nothing more and stays connected, as a telephone that sleeps.
    pub fn freeze(&self) {
        self.lose(1000);
    }

    /// Hangs up: says goodbye by DTLS, as browsers do. `webrtcbin` that is only stopped would fall silent.
    pub fn stop(&self) {
        let elements = self.webrtc.downcast_ref::<gst::Bin>().unwrap().iterate_all_by_element_factory_name("dtlsenc");
        for element in elements.into_iter().flatten() {
            let (left, leaves) = mpsc::sync_channel(1);
            element.static_pad("src").unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                let _ = left.try_send(());
                gst::PadProbeReturn::Ok
            });
            element.sink_pads()[0].send_event(gst::event::Eos::new());
            leaves.recv_timeout(PATIENCE).expect("a goodbye");
        }
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
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
