//! What a stranger's address must not reach: each hole is tried, and a trap beside it counts who comes.

use std::{io::Write, net::TcpStream};

use sightglass::{
    error::{Error, Kind},
    media::StreamAddress,
};

use super::{
    breaking, open, refusal, rules_with, says,
    web_server::{Server, path, reply},
};

fn parse(url: &str) -> Result<StreamAddress, Error> {
    StreamAddress::parse(url, &rules_with(&[]))
}

#[test]
fn addresses_of_inner_networks_are_refused_at_once() {
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "0177.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::7f00:1]",
        "[fe80::1]",
        "0.0.0.0",
        "[::]",
        "%31%32%37.0.0.1",
    ] {
        for scheme in ["http", "https", "rtsp", "rtsps", "srt"] {
            let error = parse(&format!("{scheme}://{host}:8554/x")).expect_err(host);
            assert_eq!(error.kind, Kind::Forbidden, "{scheme}://{host}: {error}");
        }
    }
    for url in ["file:///etc/passwd", "ftp://8.8.8.8/x", "rtp://8.8.8.8:5004", "javascript:1", "gopher://8.8.8.8/"] {
        assert_eq!(parse(url).expect_err(url).kind, Kind::Forbidden, "{url}");
    }
    for url in [
        "",
        "x",
        "rtsp://",
        "rtsp:///x",
        "rtsp://a b/",
        "http://",
        "rtsp://cam:99999/",
        "rtsp://cam:0/",
        "rtsp://cam\r\nX: y/",
        "rtsp://a:b%0d%0a@8.8.8.8/",
        "rtsp://a:%ff@8.8.8.8/",
        "rtsp://ca$m/",
        "srt://8.8.8.8",
        "srt://8.8.8.8:9000?mode=listener",
        "srt://8.8.8.8:9000?mode=rendezvous",
        "srt://:9000",
        "srt://8.8.8.8:9000?localport=80",
        "srt://8.8.8.8:9000?passphrase=short",
        "srt://8.8.8.8:9000?latency=-1",
        "srt://8.8.8.8:9000?pbkeylen=17",
    ] {
        assert_eq!(parse(url).expect_err(url).kind, Kind::BadRequest, "{url}");
    }
    assert_eq!(parse(&format!("rtsp://cam/{}", "x".repeat(5000))).expect_err("long").kind, Kind::BadRequest);
}

#[test]
fn no_secret_of_an_address_is_shown() {
    for (url, shown) in [
        ("rtsp://ann:s3cret@cam.example:554/live", "rtsp://cam.example:554/live"),
        (
            "rtsp://cam.example/cam/realmonitor?channel=1&subtype=0",
            "rtsp://cam.example/cam/realmonitor?channel=1&subtype=0",
        ),
        ("http://CAM.example/video?s3cret&token=s3cret&fps=5#s3cret", "http://cam.example/video?…&token=…&fps=5"),
        ("http://cam.example/mjpg?width=s3%63ret%20", "http://cam.example/mjpg?width=…"),
        ("rtsp://cam.example/user=admin&password=s3cret&channel=1&stream=0.sdp?", "rtsp://cam.example/…"),
        (
            "srt://cam.example:9000?streamid=s3cret&passphrase=s3crets3cret&latency=80",
            "srt://cam.example:9000?streamid=…&passphrase=…&latency=80",
        ),
        ("https://s3cret@cam.example/", "https://cam.example/"),
    ] {
        let address = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(address.shown(), shown);
        for text in [format!("{address}"), format!("{address:?}"), format!("{address:#?}")] {
            assert!(text.contains(shown) && !text.contains("s3c"), "{text}");
        }
        assert_eq!(parse(address.secret()).expect("again"), address, "what is stored is the same address");
    }
    let error = parse("rtsp://ann:s3cret@cam.example:0/s3cret").expect_err("a port");
    assert!(!error.full().contains("s3cret"), "{}", error.full());
}

#[test]
fn names_are_checked_by_what_they_stand_for() {
    // Every machine resolves this one to its loopback, which is not allowed here.
    let rules = rules_with(&["10.0.0.0/8"]);
    for url in ["rtsp://localhost:554/x", "http://localhost/x", "srt://localhost:9000"] {
        sightglass::media::init().unwrap();
        let address = StreamAddress::parse(url, &rules).expect("names are not asked for yet");
        let source =
            sightglass::media::NetworkSource::open("x", &address, &rules, &crate::media::LIMITS, super::PATIENCE);
        let error = breaking(&mut source.unwrap());
        assert_eq!(error.kind, Kind::Forbidden, "{url}");
        assert!(!error.detail.contains("127.") && !error.detail.contains("::1"), "the name's address is told: {error}");
    }
    says(&refusal("rtsp://nobody.invalid/x"), "no host named nobody.invalid");
}

#[test]
fn http_redirects_lead_to_no_other_network() {
    let trap = Server::trap();
    let at = trap.at;
    for place in [
        format!("http://{at}/video"),
        format!("//{at}/video"),
        format!("https://{at}/video"),
        format!("rtsp://{at}/video"),
        "http://169.254.169.254/latest/meta-data/".into(),
        "http://localhost.:1/".into(),
        "file:///etc/passwd".into(),
    ] {
        let to = place.clone();
        let server = Server::start("127.0.0.1", move |_, stream| {
            reply(stream, "302 Found", &format!("Location: {to}\r\n"), b"");
        });
        let error = refusal(&server.url("/video"));
        assert!([Kind::Forbidden, Kind::Unavailable].contains(&error.kind), "{place}: {}", error.full());
        assert!(error.kind == Kind::Forbidden || place.contains("localhost"), "{place}: {}", error.full());
    }
    let server = Server::start("127.0.0.1", |_, stream| reply(stream, "302 Found", "Location: /again\r\n", b""));
    says(&refusal(&server.url("/again")), "without end");
    assert_eq!(trap.calls(), 0, "somebody followed");
}

#[test]
fn playlists_lead_to_no_other_network() {
    let trap = Server::trap();
    let at = trap.at;
    for list in [
        format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://{at}/a.m3u8\n"),
        format!("#EXTM3U\n#EXTINF:1,\nhttp://{at}/a.ts\n#EXT-X-ENDLIST\n"),
        format!("#EXTM3U\n#EXT-X-MAP:URI=\"http://{at}/a.mp4\"\n#EXTINF:1,\n/b.mp4\n#EXT-X-ENDLIST\n"),
        "#EXTM3U\n#EXTINF:1,\nhttp://169.254.169.254/a.ts\n#EXT-X-ENDLIST\n".into(),
        "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n".into(),
    ] {
        let text = list.clone();
        let server = Server::start("127.0.0.1", move |head, stream| {
            assert_eq!(path(head), "/live.m3u8");
            reply(stream, "200 OK", "Content-Type: application/vnd.apple.mpegurl\r\n", text.as_bytes());
        });
        let error = refusal(&server.url("/live.m3u8"));
        assert_eq!(error.kind, Kind::Forbidden, "{list}: {}", error.full());
    }
    // A key is not even asked for; and a list that hides behind another type is no video.
    let encrypted = format!("#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"http://{at}/k\"\n#EXTINF:1,\n/b.ts\n");
    for (kind, words) in [("application/x-mpegurl", "encrypted"), ("video/mp2t", "no video stream")] {
        let text = encrypted.clone();
        let server = Server::start("127.0.0.1", move |_, stream| {
            reply(stream, "200 OK", &format!("Content-Type: {kind}\r\n"), text.as_bytes());
        });
        says(&refusal(&server.url("/live")), words);
    }
    assert_eq!(trap.calls(), 0, "somebody followed");
}

/// A camera that answers each RTSP request in its own way.
fn rtsp(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    Server::start("127.0.0.1", move |head, stream: &mut TcpStream| {
        let sequence = head.lines().find(|line| line.starts_with("CSeq")).unwrap_or("CSeq: 1");
        let method = head.split(' ').next().unwrap();
        let text = answer(method).replacen("\r\n", &format!("\r\n{sequence}\r\n"), 1);
        let _ = stream.write_all(text.as_bytes());
    })
}

fn described(control: &str, host: &str) -> String {
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=x\r\nc=IN IP4 {host}\r\nt=0 0\r\na=control:{control}\r\n\
         m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:{control}\r\n"
    );
    format!(
        "RTSP/1.0 200 OK\r\nContent-Base: {control}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

#[test]
fn an_rtsp_server_leads_to_no_other_network() {
    let trap = Server::trap();
    let at = trap.at;
    let url = |server: &Server| format!("rtsp://{}/live", server.at);
    for place in [format!("rtsp://{at}/live"), "rtsp://169.254.169.254/x".into(), "http://127.0.0.2/".into()] {
        for stage in ["OPTIONS", "DESCRIBE"] {
            let to = place.clone();
            let server = rtsp(move |method| match method == stage {
                true => format!("RTSP/1.0 302 Moved\r\nLocation: {to}\r\n\r\n"),
                false => "RTSP/1.0 200 OK\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n".into(),
            });
            let error = refusal(&url(&server));
            says(&error, "sends on");
            assert!(!error.detail.contains("127.0.0.2"), "{error}");
        }
    }
    // What may be reached is told, and not followed either.
    let server = rtsp(|_| "RTSP/1.0 302 Moved\r\nLocation: rtsp://u:s3cret@127.0.0.1:1/other\r\n\r\n".into());
    says(&refusal(&url(&server)), "sends on to rtsp://127.0.0.1:1/other: use that address");
    let server = rtsp(move |_| format!("RTSP/1.0 200 OK\r\n\r\nREDIRECT * RTSP/1.0\r\nLocation: rtsp://{at}/\r\n\r\n"));
    says(&refusal(&url(&server)), "sends on");
    // Another host's control address, base and session address: nobody calls it.
    for transport in
        ["RTP/AVP/TCP;unicast;interleaved=0-1", "RTP/AVP;unicast;destination=127.0.0.2;server_port=5000-5001"]
    {
        let server = rtsp(move |method| match method {
            "DESCRIBE" => described(&format!("rtsp://{at}/live/"), "127.0.0.2"),
            "SETUP" => format!("RTSP/1.0 200 OK\r\nSession: 1\r\nTransport: {transport};source=127.0.0.2\r\n\r\n"),
            _ => "RTSP/1.0 200 OK\r\nPublic: DESCRIBE, SETUP, PLAY\r\nSession: 1\r\n\r\n".into(),
        });
        let mut source = open(&url(&server), std::time::Duration::from_secs(3));
        let error = breaking(&mut source);
        says(&error, if transport.contains("TCP") { "no picture within 3 s" } else { "over TCP" });
    }
    assert_eq!(trap.calls(), 0, "somebody followed");
}
