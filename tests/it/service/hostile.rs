//! Clients that send half of something, or something that is no HTTP: others are answered meanwhile.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use super::{
    harness::{PATIENCE, Server, bytes, fixture, temp, wait_for},
    images::send,
    proxy::raw,
    tls_line,
};

const HALF_A_SIGN_IN: &str =
    "POST /api/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
const HALF_A_FORM: &str = "POST /api/images HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=x\r\n\
                           content-length: 1000\r\n\r\n--x\r\n";
const HALF_A_HEAD: &str = "GET /api/models HTTP/1.1\r\nhost: x\r\n";

/// A connection from an address of this machine on which something was sent.
fn sent(from: [u8; 4], to: SocketAddr, bytes: &str) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let line = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    line.set_nonblocking(false).unwrap();
    line.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut line = line;
    line.write_all(bytes.as_bytes()).unwrap();
    line
}

#[test]
fn an_address_that_holds_too_much_displaces_its_own() {
    let data = temp();
    let flags = ["--token", "open-sesame.42", "--max-connections", "64", "--max-connections-per-peer", "16"];
    let server = Server::with(data.path(), &flags);
    for half in [HALF_A_SIGN_IN, HALF_A_HEAD, ""] {
        let mut held = Vec::new();
        for _ in 0..10 {
            held.extend((0..20).map(|_| sent([127, 0, 0, 1], server.address, half)));
            server.get("/healthz").must(200);
        }
        // The oldest were closed for the newer ones, long before any of them would have ended by itself.
        held.drain(..100).for_each(|mut line| drop(tls_line::rest(&mut line)));
    }
}

#[test]
fn an_address_that_holds_every_place_gives_way_to_others() {
    let data = temp();
    let server = Server::with(data.path(), &["--max-connections", "32", "--max-connections-per-peer", "32"]);
    let mut held: Vec<TcpStream> = (0..32).map(|_| sent([127, 0, 0, 2], server.address, HALF_A_SIGN_IN)).collect();
    for _ in 0..10 {
        held.push(sent([127, 0, 0, 2], server.address, HALF_A_SIGN_IN));
        server.get("/healthz").must(200);
    }
}

#[test]
fn forms_that_stop_hold_no_place_of_a_picture() {
    let data = temp();
    let server = Server::start(data.path());
    let file = bytes(fixture("scene.jpg"));
    let mut held = Vec::new();
    for _ in 0..5 {
        held.extend((0..40).map(|_| sent([127, 0, 0, 1], server.address, HALF_A_FORM)));
        send(&server, "", &file).must(200);
    }
    // Those that gave way are told so.
    let answer = String::from_utf8(tls_line::rest(&mut held[0])).unwrap();
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("retry-after"), "{answer}");
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let data = temp();
    let server = Server::start(data.path());
    for half in [HALF_A_SIGN_IN, HALF_A_FORM] {
        let answer = String::from_utf8(tls_line::rest(&mut sent([127, 0, 0, 1], server.address, half))).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("application/problem+json"), "{answer}");
    }
}

/// Status and problem of a raw answer.
#[track_caller]
fn refusal(answer: &str) -> u16 {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {answer:?}"));
    assert!(head.contains("content-type: application/problem+json"), "{answer}");
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(body["status"], status);
    status
}

#[test]
fn heads_that_break_the_rules_are_refused() {
    let data = temp();
    let server = Server::start(data.path());
    let ask = |lines: &str| raw(server.address, format!("{lines}\r\nconnection: close\r\n\r\n").as_bytes());
    for (head, status) in [
        ("GET /healthz HTTP/1.1", 400),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\nhost: a", 400),
        ("GET /healthz HTTP/1.0\r\nhost: a\r\nhost: b", 400),
        ("GET /healthz HTTP/1.1\r\nhost: a b", 400),
        ("GET /api/models HTTP/1.1\r\nhost: a\r\norigin: http://a\r\norigin: http://b", 400),
        ("GET /api/camera HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nsec-websocket-key: c2hvcnQ=", 400),
        ("POST /api/session HTTP/1.1\r\nhost: a\r\ncontent-length: 18446744073709551615", 413),
        ("POST /api/session HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999999", 400),
        ("GET /%zz\u{1} HTTP/1.1\r\nhost: a", 400),
        ("NOTHING", 400),
    ] {
        let answer = ask(head);
        assert_eq!(refusal(&answer), status, "{head}: {answer}");
    }
    let many: String = (0..200).map(|n| format!("\r\nx-{n}: y")).collect();
    assert_eq!(refusal(&ask(&format!("GET /healthz HTTP/1.1\r\nhost: a{many}"))), 431);
    assert!(ask("GET /healthz HTTP/1.0").starts_with("HTTP/1.0 200 "), "HTTP/1.0 knows no Host");
    // HTTP/2 is for TLS, where client and server agree on it.
    let answer = raw(server.address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert!(answer.is_empty() || refusal(&answer) == 400, "{answer}");
}

#[test]
fn methods_are_told_and_head_is_answered() {
    let data = temp();
    let server = Server::start(data.path());
    for (method, path, allow) in [
        ("PUT", "/api/models", "GET, HEAD"),
        ("TRACE", "/healthz", "GET, HEAD"),
        ("DELETE", "/api/videos", "GET, HEAD, POST"),
        ("GET", "/api/videos/x/cancel", "POST"),
        ("POST", "/", "GET, HEAD"),
        ("PUT", "/main.js", "GET, HEAD"),
    ] {
        let answer = server.ask(method, path);
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
        super::problem::problem(answer, 405);
    }
    for path in ["/api/nothing", "/nothing.html", "/api/videos/a/b"] {
        super::problem::problem(server.ask("POST", path), 404);
    }
    for path in ["/api/models", "/api/videos", "/healthz", "/", "/api/session"] {
        let (head, get) = (server.ask("HEAD", path).must(200), server.get(path).must(200));
        assert!(head.body.is_empty());
        for name in ["content-type", "content-length"] {
            assert_eq!(head.header(name), get.header(name), "{path}");
        }
    }
    // A WebSocket's address says by which protocol it is asked.
    let answer = server.get("/api/camera");
    assert_eq!((answer.header("upgrade"), answer.header("sec-websocket-version")), ("websocket", "13"));
    super::problem::problem(answer, 426);
}

#[test]
fn a_decoder_is_not_tried_for_each_question() {
    let data = temp();
    let server = Server::start(data.path());
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..32).map(|_| scope.spawn(|| server.get("/readyz").must(200))).collect();
        asked.into_iter().for_each(|asked| drop(asked.join().unwrap()));
    });
    let threads = || std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap().count();
    // Nothing of it is left running.
    let before = wait_for("the threads to settle", || Some(threads()).filter(|count| *count < 64));
    (0..32).for_each(|_| drop(server.get("/readyz").must(200)));
    assert!(threads() <= before + 4, "{before} threads, then {}", threads());
    let mut line = sent([127, 0, 0, 1], server.address, "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    line.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "));
}
