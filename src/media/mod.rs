//! GStreamer lives here and nowhere else: pipelines as data, decoding, encoding, JPEG pictures, live sources.

mod allowed;
mod autoplug;
mod boxes;
mod container;
mod decode;
mod ebml;
mod encode;
mod failures;
mod foreign;
mod jpeg;
mod live;
mod lockstep;
mod mend;
mod moov;
mod network;
mod pictures;
mod pushed;
mod running;
mod sample;
mod shape;
mod stopping;
mod template;
mod transport;
mod verdict;
mod webrtc;

use std::time::Duration;

use gstreamer as gst;

pub use crate::config::Limits;
pub use decode::{FileSource, MediaInfo};
pub use encode::{Encoder, Format};
pub use jpeg::JpegEncoder;
pub use live::{Arrival, LiveFrame, LiveSource};
pub use mend::mend_avi;
pub use network::{NetworkRules, NetworkSource, StreamAddress, cameras_are_gone};
pub use pictures::{FilePictures, Picture};
pub use pushed::{PushedSource, Pusher, pushed};
pub use stopping::{has_room, stuck_pipelines};
pub use template::{Parameter, ParameterType, PipelineKind, TEMPLATES, Template, Value};
pub use webrtc::{Channel, OnMessage, WebRtcOptions, WebRtcSource};

use crate::{error::Result, fault};

/// A frame rate as a fraction, frames per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub num: u32,
    pub den: u32,
}

impl Rate {
    pub fn per_second(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

/// Starts GStreamer; call once, before anything else here.
///
/// # Errors
/// [`Kind::Unavailable`] when GStreamer itself does not start.
pub fn init() -> Result<()> {
    gst::init().map_err(|error| {
        fault!(Unavailable, "GStreamer does not start; `sightglass doctor` says more.").with_cause(error)
    })
}

/// For `doctor`, each element that the pipelines need: (element, what for, Debian package, there?).
pub fn elements() -> Vec<(&'static str, &'static str, &'static str, bool)> {
    const CORE: &str = "libgstreamer1.0-0";
    const BASE: &str = "gstreamer1.0-plugins-base";
    const GOOD: &str = "gstreamer1.0-plugins-good";
    const BAD: &str = "gstreamer1.0-plugins-bad";
    const UGLY: &str = "gstreamer1.0-plugins-ugly";
    const LIBAV: &str = "gstreamer1.0-libav";
    const NICE: &str = "gstreamer1.0-nice";
    [
        ("filesrc", "reading files", CORE),
        ("decodebin", "finding the right decoder", BASE),
        ("videoconvert", "colours", BASE),
        ("videoscale", "square pixels", BASE),
        ("appsink", "handing out frames", BASE),
        ("videotestsrc", "the self-test", BASE),
        ("videoflip", "turning upright", GOOD),
        ("qtdemux", "MP4 and MOV files", GOOD),
        ("matroskademux", "MKV and WebM files", GOOD),
        ("avidemux", "AVI files", GOOD),
        ("tsdemux", "MPEG-TS files", BAD),
        ("webrtcbin", "cameras by WebRTC", BAD),
        ("nicesrc", "WebRTC through the network (ICE)", NICE),
        ("dtlssrtpdec", "WebRTC's encryption", BAD),
        ("srtpdec", "WebRTC's encryption", BAD),
        ("sctpdec", "WebRTC's data channel", BAD),
        ("rtph264depay", "cameras by WebRTC", GOOD),
        ("rtpvp8depay", "cameras by WebRTC", GOOD),
        ("rtpvp9depay", "cameras by WebRTC", GOOD),
        ("vp9parse", "cameras by WebRTC", BAD),
        ("rtspsrc", "RTSP cameras", GOOD),
        ("rtpjitterbuffer", "RTSP cameras", GOOD),
        ("srtsrc", "SRT cameras", BAD),
        ("appsrc", "HTTP cameras", BASE),
        ("h264parse", "H.264", BAD),
        ("avdec_h264", "decoding H.264", LIBAV),
        ("avdec_h265", "decoding H.265", LIBAV),
        ("avdec_mpeg4", "decoding MPEG-4 part 2", LIBAV),
        ("vp8dec", "decoding VP8", GOOD),
        ("vp9dec", "decoding VP9", GOOD),
        ("jpegdec", "decoding motion JPEG", GOOD),
        ("pngdec", "PNG pictures of cameras", GOOD),
        ("webpdec", "WebP pictures of cameras", BAD),
        ("jpegenc", "pictures for browsers that cannot decode the file", GOOD),
        ("avenc_mpeg4", "recording AVI", LIBAV),
        ("avimux", "recording AVI", GOOD),
        ("x264enc", "recording MP4", UGLY),
        ("mp4mux", "recording MP4", GOOD),
    ]
    .map(|(element, purpose, package)| (element, purpose, package, has_element(element)))
    .into()
}

/// Is there an element of this name?
pub fn has_element(name: &str) -> bool {
    gst::ElementFactory::find(name).is_some()
}

/// GStreamer's version, as it says it.
pub fn version() -> String {
    gst::version_string().to_string()
}

/// Encodes and decodes a drawn pattern, some milliseconds of work: readiness means that pictures can be
/// decoded.
///
/// # Errors
/// [`Kind::Unavailable`](crate::error::Kind::Unavailable) when an element is missing or no picture comes out.
pub fn probe_decoder() -> Result<()> {
    let limits = Limits { max_pixels: 1 << 20, max_duration: 60.0, stall: Duration::from_secs(5) };
    let pipeline = Template::get("test-pattern")?.build(&[])?;
    let mut run = running::Running::start(pipeline, &limits, false, gst::State::Playing)?;
    let mut pictures = 0;
    while run.pull()?.is_some() {
        pictures += 1;
    }
    match (pictures, run.error()) {
        (1.., None) => Ok(()),
        (_, error) => Err(fault!(Unavailable, "No video can be decoded; `sightglass doctor` says what is missing.")
            .with_cause(error.map_or_else(|| "no picture came out".to_owned(), ToString::to_string))),
    }
}
