//! RTSP cameras: what comes, what is refused, and that everything ends.

use std::{
    collections::BTreeMap,
    io::Write,
    net::{TcpListener, UdpSocket},
    process::Command,
    time::{Duration, Instant},
};

use sightglass::media::LiveSource;

use crate::network::{
    PATIENCE, all, breaking, next, open, picture, refusal,
    rtsp_server::{RtspServer, WHO},
    says,
    web_server::Server,
};

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
        let tag = &frames[0].frame.tag;
        assert_eq!((tag.time == 0.0, tag.frame, &*tag.source), (tag.frame == 0, frames[0].skipped, "camera"));
        for pair in frames.windows(2) {
            let (before, after) = (&pair[0].frame.tag, &pair[1].frame.tag);
            assert_eq!(after.frame, before.frame + 1 + pair[1].skipped, "{path}: skipped pictures are counted");
            assert!(after.time > before.time && pair[1].arrived >= pair[0].arrived, "{path}: times rise");
        }
        let (first, last) = (&frames[0].frame, &frames[9].frame);
        assert_eq!((last.size.width, last.size.height), (320, 240), "{path}");
        let rate = (last.tag.frame - first.tag.frame) as f64 / (last.tag.time - first.tag.time);
        // Made 25 times a second; a busy machine makes fewer.
        assert!(rate > 0.0 && rate < 40.0, "{path}: {rate} pictures a second");
    }
}

#[test]
fn the_newest_picture_is_given_and_the_others_are_counted() {
    let server = RtspServer::start(20);
    let mut source = open(&server.url("/live"), PATIENCE);
    let first = picture(&mut source);
    std::thread::sleep(Duration::from_secs(1));
    let late = picture(&mut source);
    assert!(late.skipped >= 5, "{} were skipped in a second", late.skipped);
    assert_eq!(late.frame.tag.frame, first.frame.tag.frame + 1 + late.skipped);
    assert!(late.arrived.elapsed() < Duration::from_millis(900), "it is not the newest");
}

#[test]
fn the_size_may_change_in_the_middle() {
    let server = RtspServer::start(20);
    let mut source = open(&server.url("/turn"), PATIENCE);
    let mut sizes = Vec::new();
    while sizes.len() < 3 {
        let size = picture(&mut source).frame.size;
        if !sizes.contains(&(size.width, size.height)) {
            sizes.push((size.width, size.height));
        }
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [(240, 320), (320, 240), (640, 360)]);
}

#[test]
fn a_stream_that_ends_says_so() {
    let server = RtspServer::start(20);
    let frames = all(&mut open(&server.url("/short"), PATIENCE));
    // A busy machine passes over some of them.
    let last = &frames.last().unwrap().frame.tag;
    assert!(last.frame >= 20, "{last:?}");
}

#[test]
fn user_and_password_open_an_rtsp_camera() {
    for auth in ["basic", "digest"] {
        let server = RtspServer::with(&["--auth", auth]);
        let with = |who: &str| server.url("/secret").replace("127.0.0.1", &format!("{who}@127.0.0.1"));
        picture(&mut open(&with(WHO), PATIENCE));
        for url in [with("ann:wrong"), server.url("/secret")] {
            says(&refusal(&url), "user or the password");
        }
    }
}

#[test]
fn a_camera_in_an_allowed_network_may_sign_its_own_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("both.pem");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=camera"])
        .args(["-keyout".as_ref(), file.as_os_str(), "-out".as_ref(), folder.path().join("certificate").as_os_str()])
        .output()
        .expect("openssl");
    assert!(made.status.success());
    let both = std::fs::read(&file).unwrap();
    let certificate = std::fs::read(folder.path().join("certificate")).unwrap();
    std::fs::write(&file, [both, certificate].concat()).unwrap();
    let server = RtspServer::with(&["--certificate", file.to_str().unwrap()]);
    let url = server.url("/live").replace("rtsp:", "rtsps:");
    let mut source = open(&url, PATIENCE);
    (0..20).for_each(|_| drop(picture(&mut source)));
    let secret = server.url("/secret").replace("rtsp://", &format!("rtsps://{WHO}@"));
    picture(&mut open(&secret, PATIENCE));
    // A camera without TLS.
    let plain = RtspServer::start(20);
    says(&refusal(&plain.url("/live").replace("rtsp:", "rtsps:")), "does not speak TLS");
}

#[test]
fn what_an_rtsp_camera_refuses_is_told_in_words() {
    let server = RtspServer::start(20);
    says(&refusal(&server.url("/nothing")), "no stream at this path");
    says(&refusal(&server.url("/sound")), "no video");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    says(&refusal(&format!("rtsp://{closed}/live")), "refuses the connection");
    // Who connects and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for scheme in ["rtsp", "rtsps", "http", "https"] {
        let url = format!("{scheme}://{}/live", silent.local_addr().unwrap());
        says(&breaking(&mut open(&url, Duration::from_secs(1))), "no picture within 1 s");
    }
}

#[test]
fn a_camera_that_freezes_or_dies_is_told_and_comes_back() {
    let mut server = RtspServer::start(20);
    let mut source = open(&server.url("/live"), Duration::from_secs(2));
    picture(&mut source);
    server.freeze();
    says(&breaking(&mut source), "no picture for 2 s");
    drop(source);
    server.thaw();
    let mut source = open(&server.url("/live"), PATIENCE);
    picture(&mut source);
    server.stop();
    // The connection ends in order, as the system closes it.
    let begun = Instant::now();
    while !matches!(next(&mut source), Err(_) | Ok(sightglass::media::Arrival::End)) {
        assert!(begun.elapsed() < PATIENCE, "it does not end");
    }
    says(&refusal(&server.url("/live")), "refuses the connection");
    server.restart();
    picture(&mut open(&server.url("/live"), PATIENCE));
}

/// Threads by name, and open descriptors.
fn held() -> (BTreeMap<String, usize>, usize) {
    let mut threads = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        // A thread may end meanwhile.
        if let Ok(name) = std::fs::read_to_string(task.path().join("comm")) {
            *threads.entry(name.trim().to_owned()).or_default() += 1;
        }
    }
    (threads, std::fs::read_dir("/proc/self/fd").unwrap().count())
}

/// Waits until there are no more threads and descriptors than before. Threads of GLib's and GStreamer's pools (named
/// after their last work, or `task…`) wait some time for other work, so they are counted apart.
fn settles(before: &(BTreeMap<String, usize>, usize), what: &str) {
    let ours = |threads: &BTreeMap<String, usize>| -> usize {
        threads.iter().filter(|(name, _)| name.starts_with("camera")).map(|(_, count)| count).sum()
    };
    let total = |threads: &BTreeMap<String, usize>| -> usize { threads.values().sum() };
    let begun = Instant::now();
    loop {
        let now = held();
        let (quick, slow) = (ours(&now.0) == ours(&before.0) && now.1 <= before.1, total(&now.0) <= total(&before.0));
        if quick && slow {
            return;
        }
        let limit = Duration::from_secs(if quick { 60 } else { 5 });
        assert!(begun.elapsed() < limit, "{what}:\n{before:?} before,\n{now:?} now");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs the rest of a test in a process of its own, where nobody else has threads and descriptors.
fn alone(test: &str) -> bool {
    if std::env::var_os("SIGHTGLASS_ALONE").is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let done = command.args(["--exact", test, "--nocapture"]).env("SIGHTGLASS_ALONE", "1").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    false
}

/// A camera that sends the same picture by HTTP without end.
fn motion_jpeg() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.jpg");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=160x120", "-frames:v", "1"]).arg(&file);
    assert!(ffmpeg.status().expect("ffmpeg").success());
    let picture = std::fs::read(&file).unwrap();
    Server::start("127.0.0.1", move |_, stream| {
        let kind = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n";
        let mut sent = stream.write_all(kind.as_bytes());
        while sent.is_ok() {
            sent = stream.write_all(&[b"--b\r\n\r\n", &picture[..]].concat());
            std::thread::sleep(Duration::from_millis(40));
        }
    })
}

#[test]
fn nothing_is_left_of_sources_that_were_dropped() {
    if !alone("media_network::nothing_is_left_of_sources_that_were_dropped") {
        return;
    }
    let server = RtspServer::start(20);
    let live = |path: &str| open(&server.url(path), PATIENCE);
    let (web, nobody) = (motion_jpeg(), UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    // Every second source is dropped while it connects.
    let rounds = |count: usize| {
        for round in 0..count {
            let mut sources = [live("/live"), live("/jpeg"), open(&web.url("/"), PATIENCE)];
            drop(open(&format!("srt://{nobody}"), PATIENCE));
            if round % 2 == 0 {
                sources.iter_mut().for_each(|source| drop(picture(source)));
            }
        }
    };
    // GStreamer loads its plugins once, and its pools of threads have their size.
    rounds(3);
    std::thread::sleep(Duration::from_secs(3));
    let before = held();
    rounds(10);
    settles(&before, "after 40 sources");

    // Frozen while it plays, while it is asked for its stream, and before the connection is accepted.
    let (mut playing, silent) = (live("/live"), TcpListener::bind("127.0.0.1:0").unwrap());
    let before = (before.0, before.1 + 1);
    picture(&mut playing);
    server.freeze();
    let asking = live("/live");
    let others: Vec<_> = ["rtsp", "rtsps", "http", "https", "srt"]
        .map(|scheme| open(&format!("{scheme}://{}/x", silent.local_addr().unwrap()), PATIENCE))
        .into();
    std::thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    drop((playing, asking, others));
    assert!(begun.elapsed() < Duration::from_secs(1), "dropping waits");
    settles(&before, "after frozen sources");
    server.thaw();
}
