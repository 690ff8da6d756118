//! Network cameras: what comes, what is refused, and that everything ends.

use std::time::{Duration, Instant};

use sightglass::{
    error::{Error, Result},
    media::{self, Arrival, LiveFrame, LiveSource, NetworkRules, NetworkSource, StreamAddress},
};

use crate::{
    media::LIMITS,
    network::rtsp_server::{RtspServer, WHO},
};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn rules() -> NetworkRules {
    NetworkRules::new(&words(&["rtsp", "rtsps", "http", "https", "srt"]), &words(&["127.0.0.0/8"])).unwrap()
}

fn open(url: &str, silence: Duration) -> NetworkSource {
    media::init().unwrap();
    let address = StreamAddress::parse(url, &rules()).unwrap();
    NetworkSource::open("camera", &address, &rules(), &LIMITS, silence).unwrap()
}

/// The next arrival, whenever it comes.
fn next(source: &mut NetworkSource) -> Result<Arrival> {
    let begun = Instant::now();
    while begun.elapsed() < 2 * PATIENCE {
        if let Some(arrival) = source.next(Duration::from_millis(500))? {
            return Ok(arrival);
        }
    }
    panic!("neither a picture nor an error came");
}

fn picture(source: &mut NetworkSource) -> LiveFrame {
    match next(source) {
        Ok(Arrival::Picture(frame)) => frame,
        Ok(other) => panic!("{other:?} came"),
        Err(error) => panic!("{}", error.full()),
    }
}

fn refusal(url: &str) -> Error {
    next(&mut open(url, PATIENCE)).err().unwrap_or_else(|| panic!("{url} gave something"))
}

#[test]
fn an_rtsp_camera_gives_its_pictures_in_order() {
    let server = RtspServer::start(20);
    for (path, codec) in [
        ("/live", "H.264"),
        ("/numbered", "H.264"),
        ("/h265", "H.265"),
        ("/jpeg", "JPEG"),
        ("/mpeg4", "MPEG-4"),
        ("/vp8", "VP8"),
        ("/vp9", "VP9"),
        ("/both", "H.264"),
    ] {
        let mut source = open(&server.url(path), PATIENCE);
        let frames: Vec<_> = (0..10).map(|_| picture(&mut source)).collect();
        assert_eq!(source.codec().as_deref(), Some(codec), "{path}");
        assert_eq!((frames[0].frame.tag.time, &*frames[0].frame.tag.source), (0.0, "camera"));
        for pair in frames.windows(2) {
            let (before, after) = (&pair[0].frame.tag, &pair[1].frame.tag);
            assert_eq!(after.frame, before.frame + 1 + pair[1].skipped, "{path}: skipped pictures are counted");
            assert!(after.time > before.time && pair[1].arrived >= pair[0].arrived, "{path}: times rise");
        }
        let (first, last) = (&frames[0].frame, &frames[9].frame);
        assert_eq!((last.size.width, last.size.height), (320, 240), "{path}");
        let rate = (last.tag.frame - first.tag.frame) as f64 / last.tag.time;
        assert!((15.0..40.0).contains(&rate), "{path}: {rate} pictures a second");
    }
}

#[test]
fn user_and_password_open_an_rtsp_camera() {
    for auth in ["basic", "digest"] {
        let server = RtspServer::with(&["--auth", auth]);
        let with = |who: &str| server.url("/secret").replace("127.0.0.1", &format!("{who}@127.0.0.1"));
        picture(&mut open(&with(WHO), PATIENCE));
        for url in [with("ann:wrong"), server.url("/secret")] {
            let error = refusal(&url);
            assert!(error.detail.contains("user or the password"), "{auth}: {}", error.full());
        }
    }
}
