//! Who is let in: nothing without the token, everything with it, and no way to guess it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use serde_json::json;
use ureq::SendBody;

use super::{
    harness::{Answer, Server, bytes, fixture, program, temp},
    problem::{problem, secured},
    viewer::{frames, in_order},
};

const TOKEN: &str = "open-sesame.42";
const ASKED: [&str; 2] = ["--token", TOKEN];

fn sign_in(server: &Server, token: &str) -> Answer {
    server.post_json("/api/session", &json!({"token": token}))
}

/// The cookie of a good sign-in as a browser sends it back, and its attributes.
fn cookie(answer: &Answer) -> (String, String) {
    let (pair, attributes) = answer.header("set-cookie").split_once("; ").unwrap();
    (pair.to_owned(), attributes.to_owned())
}

fn get(server: &Server, path: &str, header: (&str, &str)) -> Answer {
    server.send("GET", path, &[header], SendBody::none())
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[test]
fn every_call_asks_for_the_token() {
    let data = temp();
    let server = Server::with(data.path(), &ASKED);
    let document = sightglass::web::openapi_document();
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!((&schemes["token"]["scheme"], &schemes["session"]["in"]), (&"bearer".into(), &"cookie".into()));
    let mut open = Vec::new();
    for (path, calls) in document["paths"].as_object().unwrap() {
        for (method, call) in calls.as_object().unwrap() {
            let asked = path.replace("{id}", "7d0a9c3e51f24b8896e1b2c4d5f60718");
            let answer = server.ask(&method.to_uppercase(), &asked);
            if call["security"] == json!([]) {
                assert_ne!(answer.status, 401, "{method} {path}");
                open.push(format!("{method} {path}"));
                continue;
            }
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{method} {path}");
            assert!(call["responses"]["401"].is_object(), "{method} {path}: 401 is not described");
            problem(answer, 401);
        }
    }
    open.sort();
    assert_eq!(open, ["delete /api/session", "get /api/session", "get /healthz", "post /api/session"]);
    // What is not described is asked for too: pages, what is not there, and what is written strangely.
    for path in ["/", "/main.js", "/sample.mp4", "/nothing", "/api", "/api/", "//healthz", "/healthz/", "/Signin"] {
        problem(server.get(path), 401);
    }
    problem(get(&server, "/api/%76ideos", ("cookie", "sightglass=1.2")), 401);
    problem(get(&server, "/api/models", ("authorization", "Basic b3Blbi1zZXNhbWUuNDI6")), 401);
    // Sockets, before they are opened.
    for path in ["/api/videos/x/events", "/api/videos/x/pictures", "/api/camera", "/api/streams/x/events"] {
        assert_eq!(server.socket(path, Some(&server.base)).err(), Some(401), "{path}");
    }
    let offer = server.send("POST", "/api/streams/whip", &[("content-type", "application/sdp")], "v=0\r\n".as_bytes());
    problem(offer, 401);
    // An upload is not taken in first.
    let head = format!("POST /api/videos HTTP/1.1\r\nhost: {}\r\ncontent-length: 999999999\r\n\r\n", server.address);
    let mut line = TcpStream::connect(server.address).unwrap();
    line.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    line.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    // A browser that is in the middle of one hears why, instead of a broken connection.
    problem(server.send_video(&vec![0; 64 << 20], ""), 401);
}

#[test]
fn what_signing_in_needs_is_open_and_nothing_else() {
    let data = temp();
    let server = Server::with(data.path(), &ASKED);
    server.get("/healthz").must(200);
    let page = server.get("/signin").must(200);
    secured(&page);
    // Everything that the page and its scripts name.
    let (mut asked, mut names) = (Vec::new(), vec![page.text()]);
    while let Some(text) = names.pop() {
        for name in text.split(['"', '\'']).filter(|name| [".js", ".css", ".svg"].iter().any(|end| name.ends_with(end)))
        {
            let path = format!("/{}", name.trim_start_matches(['.', '/']));
            if !asked.contains(&path) {
                let answer = server.get(&path);
                assert_eq!(answer.status, 200, "{path}");
                names.push(answer.text());
                asked.push(path);
            }
        }
    }
    assert!(asked.contains(&"/signin.js".into()) && asked.contains(&"/words-zh.js".into()), "{asked:?}");
    assert_eq!(server.get("/api/session").must(200).json(), json!({"access": "token", "signed_in": false}));
}

#[test]
fn a_person_is_led_to_the_sign_in_page() {
    let data = temp();
    let server = Server::with(data.path(), &ASKED);
    let browser = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    for (path, place) in [
        ("/", "/signin"),
        ("/?video=7d0a&lang=zh", "/signin?next=/%3Fvideo%3D7d0a%26lang%3Dzh"),
        ("/camera", "/signin?next=/camera"),
        ("/metrics", "/signin?next=/metrics"),
        ("//evil.example/%0d%0aset-cookie:x", "/signin?next=//evil.example/%250d%250aset-cookie%3Ax"),
    ] {
        let answer = get(&server, path, browser).must(303);
        secured(&answer);
        assert_eq!((answer.header("location"), answer.header("cache-control")), (place, "no-store"), "{path}");
    }
    // A call is told, and so is who wants to change something.
    problem(get(&server, "/api/videos", browser), 401);
    problem(server.send("POST", "/", &[browser], SendBody::none()), 401);
}

#[test]
fn the_token_opens_everything_by_header_and_by_cookie() {
    let data = temp();
    let server = Server::with(data.path(), &ASKED);
    let header = bearer(TOKEN);
    let program = [("authorization", header.as_str()), ("content-type", "video/mp4")];
    let video =
        server.send("POST", "/api/videos", &program, bytes(fixture("numbered.mp4")).as_slice()).must(201).json();
    let events = format!("/api/videos/{}/events", video["id"].as_str().unwrap());
    let viewer = server.socket_with(&events, &[("authorization", &header)]).unwrap();
    in_order(&frames(&viewer.all()), 0, 90);
    get(&server, "/api/models", ("authorization", &format!("bearer  {TOKEN}"))).must(200);

    let answer = sign_in(&server, TOKEN).must(204);
    let (cookie, attributes) = cookie(&answer);
    assert_eq!(attributes, "Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax");
    assert!(!cookie.contains(TOKEN) && !cookie.contains("c2VzYW1l"), "{cookie}");
    let browser = ("cookie", cookie.as_str());
    let session = get(&server, "/api/session", ("cookie", &format!("a=b; {cookie}; c=d"))).must(200);
    assert_eq!(session.json(), json!({"access": "token", "signed_in": true}));
    for path in ["/", "/api/videos", "/metrics", "/openapi.json", "/readyz"] {
        get(&server, path, browser).must(200);
    }
    let source = format!("/api/videos/{}/source", video["id"].as_str().unwrap());
    assert_eq!(get(&server, &source, browser).must(200).body, bytes(fixture("numbered.mp4")));
    let own = server.base.clone();
    let viewer = server.socket_with(&events, &[browser_header(&cookie), ("origin", &own)]).unwrap();
    in_order(&frames(&viewer.all()), 0, 90);
    // Signed in or not, pages of other sites stay out, of signing in and out too.
    let evil = ("origin", "https://evil.example");
    assert_eq!(server.socket_with(&events, &[browser_header(&cookie), evil]).err(), Some(403));
    problem(server.send("DELETE", "/api/session", &[browser, evil], SendBody::none()), 403);
    // Nobody but a trusted proxy says that the visitor came by HTTPS (proxy.rs).
    let body = json!({"token": TOKEN}).to_string();
    let answer = server.send("POST", "/api/session", &[("x-forwarded-proto", "https")], body).must(204);
    assert!(!answer.header("set-cookie").contains("Secure"));

    let out = server.send("DELETE", "/api/session", &[browser], SendBody::none()).must(204);
    assert!(out.header("set-cookie").starts_with("sightglass=; Path=/; Max-Age=0; "), "{}", out.header("set-cookie"));
    // The session has ended on the server, for whoever has its cookie; others go on.
    problem(get(&server, "/api/videos", browser), 401);
    assert_eq!(server.socket_with(&events, &[browser_header(&cookie)]).err(), Some(401));
    let (second, _) = self::cookie(&answer);
    get(&server, "/api/videos", ("cookie", &second)).must(200);
    // A cookie that someone made.
    for made in ["0".repeat(32), String::new(), second.trim_start_matches("sightglass=")[1..].to_owned()] {
        problem(get(&server, "/api/videos", ("cookie", &format!("sightglass={made}"))), 401);
    }
    for body in ["", "{}", "[]", "{\"token\":1}", &format!("{{\"token\":\"{}\"}}", "x".repeat(100_000))] {
        let answer = server.send("POST", "/api/session", &[], body);
        assert!([400, 413].contains(&answer.status), "{}", answer.text());
        assert!(!answer.text().contains("xxx"));
    }
    assert!(!server.log().contains(TOKEN) && !server.said("ready").contains(TOKEN));
}

fn browser_header(cookie: &str) -> (&'static str, &str) {
    ("cookie", cookie)
}

#[test]
fn a_session_lasts_over_a_restart_and_ends_with_the_token() {
    let data = temp();
    let server = Server::with(data.path(), &ASKED);
    let (ended, _) = cookie(&sign_in(&server, TOKEN).must(204));
    let (cookie, _) = cookie(&sign_in(&server, TOKEN).must(204));
    server.send("DELETE", "/api/session", &[("cookie", &ended)], SendBody::none()).must(204);
    server.stop();
    let server = Server::with(data.path(), &ASKED);
    get(&server, "/api/videos", ("cookie", &cookie)).must(200);
    problem(get(&server, "/api/videos", ("cookie", &ended)), 401);
    server.stop();
    let server = Server::with(data.path(), &["--token", "another-one"]);
    problem(get(&server, "/api/videos", ("cookie", &cookie)), 401);
    server.stop();
    let elsewhere = temp();
    let server = Server::with(elsewhere.path(), &ASKED);
    problem(get(&server, "/api/videos", ("cookie", &cookie)), 401);
}

#[test]
fn wrong_tokens_are_slowed_and_nobody_else_is() {
    let data = temp();
    let server = Server::with(data.path(), &[ASKED[0], ASKED[1], "--trusted-proxy", "127.0.0.0/8"]);
    let (signed_in, _) = cookie(&sign_in(&server, TOKEN).must(204));
    let from = |address: &str, token: &str| {
        let body = json!({"token": token}).to_string();
        server.send("POST", "/api/session", &[("x-forwarded-for", address)], body)
    };
    // What a visitor writes there itself stands before what the proxy adds.
    for n in 0..5 {
        problem(from(&format!("198.51.100.{n}, 192.0.2.1"), "a-wrong-one"), 401);
    }
    let held = from("192.0.2.1", TOKEN);
    let pause: u64 = held.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&pause), "{pause}");
    let words = problem(held, 429);
    assert!(words.contains("try again in"), "{words}");
    get(&server, "/api/models", ("authorization", &bearer(TOKEN))).must(200);
    from("192.0.2.2", TOKEN).must(204);
    // Who is signed in goes on, from there too.
    let both = [("x-forwarded-for", "192.0.2.1"), ("cookie", signed_in.as_str())];
    server.send("GET", "/api/models", &both, SendBody::none()).must(200);
    // After the pause the right one is looked at again.
    super::harness::wait_for("the pause to end", || (from("192.0.2.1", TOKEN).status == 204).then_some(()));
    // Tokens in headers are guessed as slowly, and what was shown is in no log.
    let statuses: Vec<u16> =
        (0..8).map(|_| get(&server, "/api/models", ("authorization", "Bearer a-wrong-one")).status).collect();
    assert_eq!(statuses[..5], [401; 5]);
    assert!(statuses[5..].contains(&429), "{statuses:?}");
    let log = server.log();
    assert!(log.contains("a wrong token was shown") && log.contains("192.0.2.1"), "{log}");
    assert!(!log.contains("a-wrong-one") && !log.contains(TOKEN), "{log}");
}

#[test]
fn a_guesser_cannot_name_other_addresses() {
    let data = temp();
    let server = Server::with(data.path(), &ASKED);
    let looked_at = (0..50)
        .map(|n| {
            let body = json!({"token": format!("wrong-{n}")}).to_string();
            let own = format!("203.0.113.{n}");
            let headers = [("x-forwarded-for", own.as_str()), ("forwarded", "for=192.0.2.1")];
            server.send("POST", "/api/session", &headers, body).status
        })
        .filter(|status| *status == 401)
        .count();
    assert!(looked_at < 15, "{looked_at} of 50 wrong tokens were looked at");
    assert!(server.log().contains("--trusted-proxy"), "the log names the flag to set: {}", server.log());
}

/// The token that a server made, from what it printed.
fn made(server: &Server) -> String {
    let said = server.said("#token=");
    let line = said.lines().find(|line| line.contains("#token=")).unwrap();
    let (url, token) = line.trim().split_once("#token=").unwrap();
    assert!(url.contains("http") && url.ends_with("/signin"), "{line}");
    token.to_owned()
}

#[test]
fn beyond_this_machine_a_token_is_made_and_kept() {
    let data = temp();
    let server = Server::on("0.0.0.0:0", data.path(), &[]);
    let token = made(&server);
    assert!(token.len() >= 32, "128 bits");
    problem(server.get("/api/videos"), 401);
    get(&server, "/api/videos", ("authorization", &bearer(&token))).must(200);
    for file in ["token", "key"] {
        let mode = data.path().join("access").join(file).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert!(!server.log().contains(&token));
    server.stop();
    let server = Server::on("[::]:0", data.path(), &["--tls-self-signed"]);
    assert_eq!(made(&server), token, "kept");
    let answer = sign_in(&server, &token).must(204);
    assert!(cookie(&answer).1.ends_with("; Secure"), "{}", answer.header("set-cookie"));
    server.stop();
    // On this machine alone none is asked for, though one was made.
    let server = Server::start(data.path());
    assert_eq!(server.get("/api/session").must(200).json()["access"], "open");
    server.get("/api/videos").must(200);
    sign_in(&server, "anything").must(204);
    server.stop();
    let server = Server::on("0.0.0.0:0", data.path(), &["--no-auth"]);
    server.get("/api/videos").must(200);
    assert!(server.log().contains("--no-auth"), "{}", server.log());
    get(&server, "/api/videos", ("host", "any.example")).must(200);
}

#[test]
fn a_page_whose_name_points_here_is_no_page_of_this_machine() {
    let data = temp();
    let server = Server::with(data.path(), &["--allow-origin", "https://friend.example:8443"]);
    let port = server.address.port();
    for name in ["localhost", "LOCALHOST.", "box", "box.localhost", "127.0.0.1", "[::1]", "192.0.2.9", "friend.example"]
    {
        for host in [name.to_owned(), format!("{name}:{port}")] {
            assert_eq!(get(&server, "/api/videos", ("host", &host)).status, 200, "{host}");
        }
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:80"] {
        let words = problem(get(&server, "/api/videos", ("host", host)), 403);
        assert!(words.contains("--token"), "{words}");
        assert_eq!(server.socket_with("/api/videos/x/events", &[("host", host)]).err(), Some(403), "{host}");
    }
    // With a token the name does not matter: a foreign name gets no cookie.
    let server = Server::with(&data.path().join("other"), &ASKED);
    server
        .send("GET", "/api/videos", &[("host", "any.example"), ("authorization", &bearer(TOKEN))], SendBody::none())
        .must(200);
}

#[test]
fn settings_that_let_in_too_many_are_refused() {
    let folder = temp();
    let ends = |flags: &[&str], file: Option<&str>| {
        let mut command = program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data")).args(flags);
        if let Some(text) = file {
            let path = folder.path().join("sightglass.toml");
            std::fs::write(&path, text).unwrap();
            command.arg("--config").arg(path);
        }
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(ends(&["--token", TOKEN, "--no-auth"], None).contains("contradict"));
    // One of them from the file, where the command line's own rules do not look.
    assert!(ends(&["--token", TOKEN], Some("no-auth = true\n")).contains("contradict"));
    assert!(ends(&["--no-auth"], Some(&format!("token = \"{TOKEN}\"\n"))).contains("contradict"));
    assert!(ends(&["--token", "short"], None).contains("at least 8"));
    empty_token_file(folder.path());
}

fn empty_token_file(folder: &Path) {
    std::fs::create_dir_all(folder.join("data/access")).unwrap();
    std::fs::write(folder.join("data/access/token"), "\n").unwrap();
    let mut command = program();
    command.args(["serve", "--listen", "0.0.0.0:0", "--data"]).arg(folder.join("data"));
    let output = command.output().unwrap();
    assert!(!output.status.success(), "an empty token lets everybody in");
    assert!(String::from_utf8_lossy(&output.stderr).contains("is empty"));
}
