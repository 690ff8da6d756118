//! Cameras that are pushed by WebRTC: pictures of every codec, the data channel, and all ways to end.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use sightglass::{
    error::{Error, Kind},
    frame::Size,
    media::{self, Arrival, LiveFrame, LiveSource, WebRtcOptions, WebRtcSource},
};

use crate::webrtc::{PATIENCE, Pusher, wait};

fn options() -> WebRtcOptions {
    WebRtcOptions {
        ice_servers: Vec::new(),
        udp_ports: None,
        public_ip: None,
        max_pixels: 1920 * 1080,
        silence: Duration::from_secs(10),
    }
}

/// A camera that is connected, and what came from it on the data channel.
struct Connected {
    pusher: Pusher,
    source: WebRtcSource,
    messages: Arc<Mutex<Vec<String>>>,
}

fn connect(codec: &str, options: &WebRtcOptions) -> Connected {
    media::init().unwrap();
    let (pusher, offer) = Pusher::new(codec);
    let messages = Arc::new(Mutex::new(Vec::new()));
    let heard = messages.clone();
    let on_message = Box::new(move |text: &str| heard.lock().unwrap().push(text.to_owned()));
    let (source, answer) = WebRtcSource::answer("camera", &offer, options, on_message)
        .unwrap_or_else(|error| panic!("{}\n{offer}", error.full()));
    pusher.accept(&answer);
    Connected { pusher, source, messages }
}

impl Connected {
    /// The next picture.
    fn picture(&mut self) -> LiveFrame {
        let begun = Instant::now();
        loop {
            match self.source.next(Duration::from_millis(100)) {
                Ok(Some(Arrival::Picture(frame))) => return frame,
                Ok(None) => assert!(begun.elapsed() < PATIENCE, "no picture came"),
                other => panic!("instead of a picture: {other:?}"),
            }
        }
    }

    /// How it ends.
    fn end(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            match self.source.next(Duration::from_millis(100))? {
                Some(Arrival::End) => return Ok(()),
                _ => assert!(begun.elapsed() < PATIENCE, "it never ended"),
            }
        }
    }
}

fn pictures_arrive(codec: &str, name: &str) {
    let mut camera = connect(codec, &options());
    let first = camera.picture();
    assert_eq!(first.frame.size, Size::new(320, 240));
    assert_eq!(first.frame.tag.time, 0.0);
    assert_eq!(&*first.frame.tag.source, "camera");
    assert_eq!(camera.source.codec().as_deref(), Some(name));
    let mut last = first.frame.tag;
    for _ in 0..30 {
        let next = camera.picture();
        assert_eq!(next.frame.tag.frame, last.frame + 1 + next.skipped);
        println!("{codec} {:?} {:?} {}", next.frame.tag, next.arrived.elapsed(), next.skipped);
        assert!(next.frame.tag.time > last.time);
        assert!(next.arrived.elapsed() < PATIENCE);
        last = next.frame.tag;
    }
}

#[test]
fn webrtc_h264_arrives() {
    pictures_arrive("H264", "H.264");
}

#[test]
fn webrtc_vp8_arrives() {
    pictures_arrive("VP8", "VP8");
}

#[test]
fn webrtc_vp9_arrives() {
    pictures_arrive("VP9", "VP9");
}

#[test]
fn webrtc_the_data_channel_goes_both_ways() {
    let mut camera = connect("VP8", &options());
    camera.picture();
    let channel = camera.source.channel();
    wait("the server's side", || channel.send("first"));
    camera.pusher.send("hello");
    wait("hello", || *camera.messages.lock().unwrap() == ["hello"]);
    wait("first", || camera.pusher.messages() == ["first"]);
    drop(camera.source);
    assert!(!channel.send("too late"));
}

#[test]
fn webrtc_hanging_up_is_the_end() {
    let mut camera = connect("VP8", &options());
    camera.picture();
    camera.pusher.stop();
    camera.end().unwrap();
}

#[test]
fn webrtc_silence_is_an_end_with_words() {
    let mut camera = connect("VP8", &WebRtcOptions { silence: Duration::from_secs(1), ..options() });
    camera.picture();
    camera.pusher.freeze();
    let error = camera.end().unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable, "{}", error.full());
    assert!(error.detail.contains("sent nothing"), "{}", error.detail);
}

#[test]
fn webrtc_pictures_may_change_their_size() {
    for codec in ["H264", "VP8"] {
        let mut camera = connect(codec, &options());
        camera.picture();
        camera.pusher.resize(640, 360);
        wait("the new size", || camera.picture().frame.size == Size::new(640, 360));
    }
}
