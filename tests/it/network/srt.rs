//! SRT: the camera listens, the server calls.

use std::{
    net::UdpSocket,
    process::{Child, Command, Stdio},
};

use sightglass::media::{Arrival, cameras_are_gone};

use super::{PATIENCE, next, open, picture, refusal, says};

struct Camera(Child, u16);

impl Camera {
    fn start(options: &str) -> Self {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let pipeline = format!(
            "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=20/1 \
             ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! mpegtsmux alignment=7 \
             ! srtsink uri=srt://127.0.0.1:{port}?mode=listener wait-for-connection=false {options}"
        );
        let mut command = Command::new("gst-launch-1.0");
        let child = command.args(pipeline.split_whitespace()).stdout(Stdio::null()).spawn().expect("gst-launch-1.0");
        Self(child, port)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn an_srt_camera_is_called_with_its_options() {
    let camera = Camera::start("passphrase=s3crets3cret pbkeylen=16");
    let url = format!(
        "srt://127.0.0.1:{}?mode=caller&passphrase=s3crets3cret&pbkeylen=16&latency=60&streamid=a%20b",
        camera.1
    );
    // The camera's process may not listen yet.
    let begun = std::time::Instant::now();
    let mut source = loop {
        let mut source = open(&url, PATIENCE);
        match next(&mut source) {
            Ok(_) => break source,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{}", error.full()),
        }
    };
    let frames: Vec<_> = (0..10).map(|_| picture(&mut source)).collect();
    assert_eq!((frames[9].frame.size.width, frames[9].frame.size.height), (320, 240));
    assert!(frames.windows(2).all(|pair| pair[1].frame.tag.time > pair[0].frame.tag.time));
    says(&refusal(&url.replace("s3crets3cret", "wrongwrongwrong")), "passphrase");
    drop(camera);
    while let Ok(Arrival::Picture(_)) = next(&mut source) {}
    drop(source);
    assert!(cameras_are_gone(PATIENCE));
}

#[test]
fn an_srt_camera_that_is_not_there_is_told() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    says(&refusal(&format!("srt://127.0.0.1:{port}")), "cannot be reached");
    assert!(cameras_are_gone(PATIENCE));
}
