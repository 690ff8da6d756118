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

use crate::media::number;
use crate::webrtc::{PATIENCE, Pusher, wait};

fn options() -> WebRtcOptions {
    WebRtcOptions {
        ice_servers: Vec::new(),
        udp_ports: None,
        public_ip: None,
        max_pixels: 1920 * 1080,
        rules: crate::network::rules(),
        peer: None,
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
    // A goodbye is one datagram, which may be lost; the silence that follows is an end, too, but not three times.
    let ended = (0..3).any(|_| {
        let mut camera = connect("VP8", &options());
        camera.picture();
        camera.pusher.stop();
        camera.end().is_ok()
    });
    assert!(ended);
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

/// Each picture carries its number: one that is grey, smeared or a mix of two would carry another.
fn numbers_rise(camera: &mut Connected, pictures: usize) -> Vec<u64> {
    let numbers: Vec<_> = (0..pictures).map(|_| number(&camera.picture().frame)).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1] && pair[1] < pair[0] + 200), "{numbers:?}");
    numbers
}

#[test]
fn webrtc_lost_packets_are_sent_again() {
    let mut camera = connect("VP8", &options());
    numbers_rise(&mut camera, 10);
    camera.pusher.lose(50);
    let numbers = numbers_rise(&mut camera, 150);
    // Each loss that is not repaired costs all pictures up to the next key frame, which is asked for: about ten.
    let missing = numbers[numbers.len() - 1] - numbers[0] + 1 - numbers.len() as u64;
    assert!(missing < 50, "{numbers:?}");
}

#[test]
fn webrtc_pictures_come_back_after_a_loss() {
    for codec in ["H264", "VP8", "VP9"] {
        let mut camera = connect(codec, &options());
        let mut numbers = numbers_rise(&mut camera, 10);
        camera.pusher.tear(3);
        numbers.extend(numbers_rise(&mut camera, 60));
        assert!(numbers.windows(2).any(|pair| pair[1] > pair[0] + 1), "{codec}: nothing was lost: {numbers:?}");
    }
}

#[test]
fn webrtc_a_key_frame_is_asked_for_until_it_comes() {
    for codec in ["H264", "VP8"] {
        let mut camera = connect(codec, &options());
        numbers_rise(&mut camera, 10);
        camera.pusher.set_deaf(true);
        camera.pusher.tear(3);
        // Until the pictures have stopped; what is asked for now nobody hears.
        let begun = Instant::now();
        let mut last = Instant::now();
        while last.elapsed() < Duration::from_millis(1500) {
            if let Some(Arrival::Picture(_)) = camera.source.next(Duration::from_millis(100)).unwrap() {
                last = Instant::now();
            }
            assert!(begun.elapsed() < PATIENCE, "{codec}: the pictures never stopped");
        }
        camera.pusher.set_deaf(false);
        numbers_rise(&mut camera, 10);
    }
}

#[test]
fn webrtc_pictures_that_are_too_large_are_an_end_with_words() {
    for codec in ["H264", "VP8", "VP9"] {
        let mut camera = connect(codec, &WebRtcOptions { max_pixels: 320 * 240, ..options() });
        camera.picture();
        camera.pusher.resize(640, 360);
        let error = camera.end().unwrap_err();
        assert_eq!(error.kind, Kind::Unprocessable, "{}", error.full());
        assert!(error.detail.contains("640x360"), "{}", error.detail);
    }
}

#[test]
fn webrtc_a_sender_that_never_connects_is_an_error_with_words() {
    media::init().unwrap();
    let offer = offer("safari-like.sdp");
    let (mut source, _) = WebRtcSource::answer("camera", &offer, &options(), Box::new(|_| ())).unwrap();
    let begun = Instant::now();
    let error = loop {
        match source.next(Duration::from_millis(100)) {
            Ok(None) => assert!(begun.elapsed() < 2 * PATIENCE, "it waits for ever"),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.detail.contains("TURN"), "{}", error.detail);
}

/// The offers of fixtures/offers, as they come over the network.
fn offer(name: &str) -> String {
    std::fs::read_to_string(crate::media::fixture("offers").join(name)).unwrap().replace('\n', "\r\n")
}

fn answer(offer: &str) -> Result<String, Error> {
    media::init().unwrap();
    WebRtcSource::answer("camera", offer, &options(), Box::new(|_| ())).map(|(_, answer)| answer)
}

#[test]
fn webrtc_answers_fit_the_offers_of_browsers() {
    let cases = [
        ("chromium-camera-and-sound.sdp", vec!["audio", "video", "application"]),
        ("chromium-canvas-vp8.sdp", vec!["video", "application"]),
        ("chromium-h264.sdp", vec!["video", "application"]),
        ("firefox-like.sdp", vec!["audio", "video", "application"]),
        ("safari-like.sdp", vec!["video", "application"]),
        ("obs-like.sdp", vec!["audio", "video"]),
    ];
    for (name, kinds) in cases {
        let answer = answer(&offer(name)).unwrap_or_else(|error| panic!("{name}: {}", error.full()));
        let sections: Vec<&str> = answer.split("\r\nm=").skip(1).collect();
        assert_eq!(
            sections.iter().map(|section| section.split(' ').next().unwrap()).collect::<Vec<_>>(),
            kinds,
            "{name}"
        );
        let video = sections.iter().find(|section| section.starts_with("video")).unwrap();
        assert!(video.contains("\r\na=recvonly\r\n") && video.contains("\r\na=candidate:"), "{name}: {answer}");
        assert!(video.contains("a=rtcp-fb") && video.contains(" nack pli\r\n"), "{name}: {answer}");
        for section in sections.iter().filter(|section| section.starts_with("audio")) {
            assert!(section.contains("\r\na=inactive\r\n"), "{name}: {answer}");
        }
        for unwanted in ["AV1", "H265", "red/", "ulpfec", "profile-id=2"] {
            assert!(!answer.contains(unwanted), "{name}: {unwanted} in {answer}");
        }
        for line in answer.lines() {
            assert!(line.as_bytes().get(1) == Some(&b'='), "{name}: {line}");
        }
    }
}

#[test]
fn webrtc_offers_that_cannot_be_taken_are_refused_with_words() {
    let error = answer(&offer("chromium-av1.sdp")).unwrap_err();
    assert_eq!(error.kind, Kind::Unprocessable);
    assert!(error.detail.contains("H.264"), "{}", error.detail);
    assert_eq!(answer("hello").unwrap_err().kind, Kind::NotMedia);
    let silent = offer("safari-like.sdp").replace("a=sendonly", "a=recvonly");
    assert_eq!(answer(&silent).unwrap_err().kind, Kind::Unprocessable);
}

#[test]
fn webrtc_sessions_share_the_ports_and_say_when_none_is_free() {
    media::init().unwrap();
    // A few ports for each of the machine's addresses; how many a session takes depends on these.
    let options = WebRtcOptions { udp_ports: Some(47000..=47007), ..options() };
    let offer = offer("safari-like.sdp");
    let mut sessions = Vec::new();
    let error = loop {
        match WebRtcSource::answer("camera", &offer, &options, Box::new(|_| ())) {
            Ok((session, answer)) => {
                let candidates = answer.lines().filter(|line| line.starts_with("a=candidate"));
                for port in candidates.map(|line| line.split(' ').nth(5).unwrap().parse::<u16>().unwrap()) {
                    assert!((47000..=47007).contains(&port), "{answer}");
                }
                sessions.push(session);
            }
            Err(error) => break error,
        }
        assert!(sessions.len() <= 8, "more sessions than ports");
    };
    assert!(sessions.len() >= 2, "only {} sessions", sessions.len());
    assert_eq!(error.kind, Kind::Busy, "{}", error.full());
    assert!(error.detail.contains("47000-47007"), "{}", error.detail);
    // What one session leaves the next one takes.
    sessions.pop();
    WebRtcSource::answer("camera", &offer, &options, Box::new(|_| ())).unwrap();
}

#[test]
fn webrtc_a_public_address_is_told_alone() {
    media::init().unwrap();
    let options = WebRtcOptions { public_ip: Some("203.0.113.7".parse().unwrap()), ..options() };
    let (_, answer) = WebRtcSource::answer("camera", &offer("safari-like.sdp"), &options, Box::new(|_| ())).unwrap();
    let candidates: Vec<_> = answer.lines().filter(|line| line.starts_with("a=candidate")).collect();
    assert!(!candidates.is_empty());
    assert!(candidates.iter().all(|line| line.contains(" 203.0.113.7 ")), "{candidates:?}");
    assert!(answer.contains("\r\na=ice-lite\r\n"), "{answer}");
}

/// Threads, descriptors and resident memory in KB of this process.
fn resources() -> (usize, usize, usize) {
    let entries = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    (entries("/proc/self/task"), entries("/proc/self/fd"), memory.trim().trim_end_matches(" kB").parse().unwrap())
}

/// Runs alone in a process of its own: `SIGHTGLASS_CYCLES` sessions are opened and torn away in all ways.
#[test]
#[ignore = "is run by webrtc_sessions_leave_nothing_behind"]
fn webrtc_cycles() {
    let cycles = std::env::var("SIGHTGLASS_CYCLES").map_or(30, |cycles| cycles.parse().unwrap());
    let mut before = (0, 0, 0);
    for cycle in 0..cycles + 6 {
        if cycle == 6 {
            // Pools of threads and caches have been filled.
            before = resources();
        }
        let mut camera = connect(["VP8", "H264", "VP9"][cycle % 3], &options());
        if cycle % 2 == 0 {
            camera.picture();
        }
        if cycle % 4 == 0 {
            camera.pusher.stop();
        }
        drop(camera);
        if cycle % 20 == 0 {
            println!("{cycle}: {:?}", resources());
        }
    }
    wait("the threads", || resources().0 <= before.0 + 4);
    wait("the descriptors", || resources().1 <= before.1 + 8);
    println!("before {before:?}, after {:?}", resources());
}

#[test]
fn webrtc_sessions_leave_nothing_behind() {
    let own = std::env::current_exe().unwrap();
    let run = std::process::Command::new(own)
        .args(["--exact", "media_webrtc::webrtc_cycles", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
}
