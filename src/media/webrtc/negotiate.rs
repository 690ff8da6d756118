//! The steps from an offer to an answer.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_sdp::SDPMessage;
use gstreamer_webrtc::{WebRTCICEGatheringState, WebRTCRTPTransceiver, WebRTCSDPType, WebRTCSessionDescription};

use super::{WebRtcOptions, answer, ice::Candidates, offer::Offer};
use crate::{
    error::{Error, Result},
    fault,
};

/// Each step is some milliseconds; making the certificate's key may take longer on a busy machine.
const STEP: Duration = Duration::from_secs(5);
/// STUN and TURN servers that have not answered by then are gone without. The machine's own addresses are there at once.
const GATHERING: Duration = Duration::from_secs(3);

/// Bits per second, of which RTCP gets a twentieth.
const SESSION_BANDWIDTH: f64 = 4e6;
/// The least time between two regular reports.
const FEEDBACK: Duration = Duration::from_millis(50);

/// Takes the offer and returns the answer; `webrtc` runs already.
pub fn negotiate(webrtc: &gst::Element, offer: &Offer, options: &WebRtcOptions) -> Result<String> {
    // Packets that were lost are asked for again. The transceivers come up when the offer is answered.
    webrtc.connect("on-new-transceiver", false, |arguments| {
        let transceiver = arguments.get(1)?.get::<WebRTCRTPTransceiver>().ok()?;
        transceiver.set_property("do-nack", true);
        None
    });
    let candidates = Arc::new(Candidates::default());
    let found = candidates.clone();
    webrtc.connect("on-ice-candidate", false, move |arguments| {
        found.add(arguments.get(2)?.get::<&str>().ok()?);
        None
    });
    let (changed, gathering) = mpsc::sync_channel(1);
    webrtc.connect_notify(Some("ice-gathering-state"), move |_, _| {
        let _ = changed.try_send(());
    });

    describe(webrtc, "set-remote-description", WebRTCSDPType::Offer, offer.clean())?;
    let reply = step(|promise| webrtc.emit_by_name::<()>("create-answer", &[&None::<gst::Structure>, promise]))?;
    let own = reply
        .and_then(|reply| reply.get::<WebRTCSessionDescription>("answer").ok())
        .and_then(|own| own.sdp().as_text().ok())
        .ok_or_else(|| broken("no answer"))?;
    tracing::trace!(%own, "webrtcbin's answer");
    describe(webrtc, "set-local-description", WebRTCSDPType::Answer, &answer::local(offer, &own)?)?;

    hasten_feedback(webrtc);
    let until = Instant::now() + GATHERING;
    while webrtc.property::<WebRTCICEGatheringState>("ice-gathering-state") != WebRTCICEGatheringState::Complete {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || gathering.recv_timeout(left).is_err() {
            break;
        }
    }
    let told = candidates.told(options.public_ip);
    if told.is_empty() {
        return Err(nowhere(options));
    }
    answer::full(offer, &own, &told, options.public_ip.is_some())
}

/// Lets RTCP ask for lost packets and key frames at once. By itself `rtpbin` allows for it a share of the bandwidth that it
/// measured so far (RFC 3550, 6.2), which holds requests back for hundreds of milliseconds on a stream that begins.
fn hasten_feedback(webrtc: &gst::Element) {
    let rtpbin = webrtc.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("rtpbin"));
    let session =
        rtpbin.and_then(|rtpbin| rtpbin.emit_by_name::<Option<gst::glib::Object>>("get-internal-session", &[&0u32]));
    let Some(session) = session else {
        tracing::debug!("there is no RTP session whose feedback could be hastened");
        return;
    };
    session.set_property("bandwidth", SESSION_BANDWIDTH);
    session.set_property("rtcp-min-interval", FEEDBACK.as_nanos() as u64);
}

/// Why there is no candidate.
fn nowhere(options: &WebRtcOptions) -> Error {
    match &options.udp_ports {
        Some(ports) => fault!(
            Busy,
            "All of this server's UDP ports for WebRTC ({}-{}) are taken: try again later, or allow more of them with \
             --udp-ports.",
            ports.start(),
            ports.end()
        ),
        None => fault!(Unavailable, "This server found no network address that it could offer for WebRTC."),
    }
}

fn describe(webrtc: &gst::Element, signal: &str, kind: WebRTCSDPType, text: &str) -> Result<()> {
    let message = SDPMessage::parse_buffer(text.as_bytes()).map_err(broken)?;
    let description = WebRTCSessionDescription::new(kind, message);
    let reply = step(|promise| webrtc.emit_by_name::<()>(signal, &[&description, promise]))?;
    match reply.and_then(|reply| reply.get::<gst::glib::Error>("error").ok()) {
        Some(error) => Err(fault!(Unprocessable, "The offer cannot be answered: it contradicts itself.")
            .with_cause(format!("{signal}: {error}"))),
        None => Ok(()),
    }
}

/// Waits for the reply to a promise.
fn step(ask: impl FnOnce(&gst::Promise)) -> Result<Option<gst::Structure>> {
    let (reply, replied) = mpsc::sync_channel(1);
    let promise = gst::Promise::with_change_func(move |outcome| {
        let _ = reply.send(outcome.map(|reply| reply.map(ToOwned::to_owned)));
    });
    ask(&promise);
    match replied.recv_timeout(STEP) {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(_)) => Err(broken("the pipeline ended before it replied")),
        Err(_) => Err(broken("no reply")),
    }
}

fn broken(why: impl std::fmt::Display) -> Error {
    Error::internal("The server could not answer the offer; its log says more.", why)
}
