//! HTTPS: HTTP/1.1, HTTP/2 and WebSockets over it, where its certificate comes from, and what is no TLS.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    harness::{PATIENCE, Server, bytes, fixture, program, temp, wait_for},
    problem::{problem, secured},
    tls_line,
    viewer::{frames, in_order},
};

const OWN: [&str; 1] = ["--tls-self-signed"];

/// A certificate for `name` and its key, made by OpenSSL with these arguments, e.g. `-newkey rsa:2048`.
pub fn make_pair(folder: &Path, name: &str, key: &str) -> (PathBuf, PathBuf) {
    let (cert_file, key_file) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-nodes", "-days", "30", "-subj", &format!("/CN={name}")]);
    command.args(["-addext", &format!("subjectAltName=DNS:{name}")]).args(key.split(' '));
    command.arg("-keyout").arg(&key_file).arg("-out").arg(&cert_file);
    assert!(command.stderr(Stdio::null()).status().unwrap().success(), "openssl");
    (cert_file, key_file)
}

fn flags(pair: &(PathBuf, PathBuf)) -> [&str; 4] {
    ["--tls-cert", pair.0.to_str().unwrap(), "--tls-key", pair.1.to_str().unwrap()]
}

/// The certificate of a PEM file as DER, by OpenSSL.
fn der(pem: &Path) -> Vec<u8> {
    let command = Command::new("openssl").args(["x509", "-outform", "der", "-in"]).arg(pem).output().unwrap();
    assert!(command.status.success());
    command.stdout
}

fn curl(server: &Server, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--insecure", "--noproxy", "*", "--max-time", "120"]).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "curl: {}\n{}", String::from_utf8_lossy(&output.stderr), server.log());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn both_versions_of_http_and_sockets_go_over_tls() {
    let data = temp();
    let server = Server::with(data.path(), &OWN);
    assert!(server.base.starts_with("https://"), "{}", server.base);
    let url = format!("{}/healthz", server.base);
    let version = ["--output", "/dev/null", "--write-out", "%{http_version} %{http_code}"];
    assert_eq!(curl(&server, &[&["--http2", &url][..], &version[..]].concat()), "2 200");
    assert_eq!(curl(&server, &[&["--http1.1", &url][..], &version[..]].concat()), "1.1 200");
    assert_eq!(curl(&server, &[&["--tls-max", "1.2", &url][..], &version[..]].concat()), "2 200");

    let id = server.upload(fixture("numbered.mp4"));
    let events = server.viewer(&id, 0).all();
    in_order(&frames(&events), 0, 90);
    let page = server.get("/").must(200);
    secured(&page);
    // Safari before 15.5 wants the sockets named.
    let host = server.base.strip_prefix("https://").unwrap();
    let policy = page.header("content-security-policy");
    assert!(policy.ends_with(&format!("connect-src 'self' ws://{host} wss://{host}")), "{policy}");
    assert!(page.header("permissions-policy").contains("camera=(self)"));
    assert_eq!(page.header("strict-transport-security"), "");

    // A page that came by plain HTTP is not this server's, though its host and port are.
    let path = format!("/api/videos/{id}/events");
    assert!(server.socket(&path, Some(&server.base)).is_ok());
    assert_eq!(server.socket(&path, Some(&server.base.replace("https", "http"))).err(), Some(403));

    // A goodbye comes over TLS too, and the server ends well.
    let long = server.upload(fixture("numbered.mp4"));
    let viewer = server.viewer(&long, 0);
    server.stop();
    let (_, last) = viewer.last_words();
    assert!(matches!(last, super::viewer::Word::Close(1000 | 1001, _)), "{last:?}");
}

#[test]
fn plain_http_is_sent_on() {
    let data = temp();
    let server = Server::with(data.path(), &OWN);
    let host = server.base.strip_prefix("https://").unwrap();
    let ask = |request: &str| {
        let mut line = TcpStream::connect(server.address).unwrap();
        line.set_read_timeout(Some(PATIENCE)).unwrap();
        line.write_all(request.as_bytes()).unwrap();
        String::from_utf8(tls_line::rest(&mut line)).unwrap()
    };
    let answer = ask(&format!("GET /api/videos?limit=1 HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    assert!(answer.contains(&format!("\r\nlocation: https://{host}/api/videos?limit=1\r\n")), "{answer}");
    // A body is not waited for.
    let answer = ask(&format!("POST /api/videos HTTP/1.1\r\nhost: {host}\r\ncontent-length: 99999999\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    for request in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nhost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\u{e9}/..\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: \r\n\r\n",
    ] {
        let answer = ask(request);
        assert!(answer.contains(" 400 ") && answer.contains("speaks HTTPS"), "{request}: {answer}");
    }
    // What is neither gets no answer that helps, and the server lives on.
    ask("\0\0\0\0 what is this\r\n\r\n");
    server.get("/healthz").must(200);
}

#[test]
fn connections_that_say_nothing_are_ended() {
    let data = temp();
    let server = Server::with(data.path(), &OWN);
    let plain = Server::start(&data.path().join("plain"));
    let silent = |server: &Server, bytes: &[u8]| {
        let mut line = TcpStream::connect(server.address).unwrap();
        line.set_read_timeout(Some(PATIENCE)).unwrap();
        line.write_all(bytes).unwrap();
        line
    };
    // Nothing at all, the beginning of a handshake, the head of a request without its end, HTTP/2 that never begins.
    let mut lines: Vec<Box<dyn Read>> = Vec::new();
    for _ in 0..20 {
        lines.push(Box::new(silent(&server, b"")));
        lines.push(Box::new(silent(&server, &[0x16, 3, 1, 2, 0])));
        lines.push(Box::new(silent(&plain, b"")));
        lines.push(Box::new(silent(&plain, b"GET / HTTP/1.1\r\nhost: x\r\n")));
    }
    lines.push(Box::new(tls_line::over(silent(&server, b""), &[b"h2"])));
    lines.push(Box::new(tls_line::over(silent(&server, b""), &[b"http/1.1"])));
    // Others are served meanwhile, and the silent ones end by themselves.
    server.get("/healthz").must(200);
    plain.get("/healthz").must(200);
    for line in &mut lines {
        tls_line::rest(line);
    }
}

#[test]
fn the_own_certificate_is_kept_and_is_for_this_machine() {
    let data = temp();
    let server = Server::with(data.path(), &OWN);
    let said = server.said("SHA-256: ");
    let shown = tls_line::certificate(server.address);
    let folder = data.path().join("tls");
    assert_eq!(der(&folder.join("self-signed.crt")), shown);
    for file in ["self-signed.key", "self-signed.crt"] {
        let mode = folder.join(file).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let openssl = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-text", "-in"])
        .arg(folder.join("self-signed.crt"))
        .output()
        .unwrap();
    let text = String::from_utf8(openssl.stdout).unwrap();
    let fingerprint = text.lines().find_map(|line| line.split_once("Fingerprint=")).unwrap().1;
    assert!(said.contains(fingerprint), "{said}\n{text}");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for name in ["DNS:localhost", &format!("DNS:{}", host.trim()), "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1"]
    {
        assert!(text.contains(name), "{name}: {text}");
    }
    // Whoever trusts it is not warned.
    let trusting = Command::new("curl")
        .args(["--silent", "--noproxy", "*", "--cacert"])
        .arg(folder.join("self-signed.crt"))
        .arg(format!("https://localhost:{}/healthz", server.address.port()))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&trusting.stdout), "alive\n");
    // A phone takes it from here.
    let taken = server.get("/certificate.crt").must(200);
    assert_eq!((taken.header("content-type"), &taken.body), ("application/x-x509-ca-cert", &shown));
    server.stop();
    let server = Server::with(data.path(), &OWN);
    assert_eq!(tls_line::certificate(server.address), shown, "kept over a restart");
    server.stop();
    let server = Server::with(data.path(), &["--tls-self-signed", "--public-ip", "203.0.113.7"]);
    assert_ne!(tls_line::certificate(server.address), shown, "this machine has a new address");
}

#[test]
fn a_certificate_is_changed_while_the_server_runs() {
    let (data, folder) = (temp(), temp());
    let first = make_pair(folder.path(), "first", "-newkey rsa:2048");
    let second = make_pair(folder.path(), "second", "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1");
    let (used, second_der) = (make_pair(folder.path(), "used", "-newkey rsa:2048"), der(&second.0));
    std::fs::copy(&first.0, &used.0).unwrap();
    std::fs::copy(&first.1, &used.1).unwrap();
    let server = Server::with(data.path(), &flags(&used));
    assert_eq!(tls_line::certificate(server.address), der(&first.0));
    server.get("/certificate.crt").must(404);
    let id = server.upload(fixture("numbered.mp4"));
    let viewer = server.viewer(&id, 0);

    // The certificate alone: it does not fit the key, so the old pair goes on.
    std::fs::copy(&second.0, &used.0).unwrap();
    wait_for("words on the pair that does not fit", || server.log().contains("not taken").then_some(()));
    assert_eq!(tls_line::certificate(server.address), der(&first.0));
    std::fs::copy(&second.1, &used.1).unwrap();
    wait_for("the new certificate", || (tls_line::certificate(server.address) == second_der).then_some(()));
    // Broken, then gone: the last good one goes on.
    std::fs::write(&used.0, "no certificate").unwrap();
    wait_for("words on the broken one", || (server.log().matches("not taken").count() == 2).then_some(()));
    std::fs::remove_file(&used.0).unwrap();
    wait_for("words on the missing one", || (server.log().matches("not taken").count() == 3).then_some(()));
    assert_eq!(tls_line::certificate(server.address), second_der);
    // Who was connected has noticed nothing.
    in_order(&frames(&viewer.all()), 0, 90);
}

#[test]
fn every_usual_key_is_taken() {
    let folder = temp();
    let rsa = make_pair(folder.path(), "rsa", "-newkey rsa:2048");
    let ec = make_pair(folder.path(), "ec", "-newkey ec -pkeyopt ec_paramgen_curve:secp384r1");
    let ed = make_pair(folder.path(), "ed", "-newkey ed25519");
    let convert = |arguments: &[&str], from: &Path, to: &str| {
        let to = folder.path().join(to);
        let status =
            Command::new("openssl").args(arguments).arg("-in").arg(from).arg("-out").arg(&to).output().unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
        to
    };
    let pkcs1 = (rsa.0.clone(), convert(&["rsa", "-traditional"], &rsa.1, "pkcs1.key"));
    let sec1 = (ec.0.clone(), convert(&["ec"], &ec.1, "sec1.key"));
    assert!(String::from_utf8(bytes(&pkcs1.1)).unwrap().contains("BEGIN RSA PRIVATE KEY"));
    assert!(String::from_utf8(bytes(&sec1.1)).unwrap().contains("BEGIN EC PRIVATE KEY"));
    for (name, pair) in [("rsa", rsa), ("ec", ec), ("ed", ed), ("pkcs1", pkcs1), ("sec1", sec1)] {
        // A chain has more than one; what is shown first is the server's own.
        let chain = [bytes(&pair.0), bytes(folder.path().join("ed.crt"))].concat();
        std::fs::write(folder.path().join("chain.crt"), chain).unwrap();
        let server = Server::with(&folder.path().join(name), &flags(&(folder.path().join("chain.crt"), pair.1)));
        assert_eq!(tls_line::certificate(server.address), der(&pair.0), "{name}");
    }
}

#[test]
fn what_cannot_work_is_told_at_the_start() {
    let folder = temp();
    let one = make_pair(folder.path(), "one", "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1");
    let other = make_pair(folder.path(), "other", "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1");
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("empty"), "").unwrap();
    std::fs::write(file("text"), "-----BEGIN CERTIFICATE-----\nno base64 &&&\n-----END CERTIFICATE-----\n").unwrap();
    let (cert, key) = (one.0.to_str().unwrap(), one.1.to_str().unwrap());
    let (missing, empty, text) = (file("missing"), file("empty"), file("text"));
    for (flags, words) in [
        (vec!["--tls-cert", cert], "give --tls-cert and --tls-key together"),
        (vec!["--tls-cert", cert, "--tls-key", key, "--tls-self-signed"], "not both"),
        (vec!["--tls-cert", &missing, "--tls-key", key], "missing cannot be read"),
        (vec!["--tls-cert", cert, "--tls-key", &missing], "missing cannot be read"),
        (vec!["--tls-cert", &empty, "--tls-key", key], "no certificate in the certificate file"),
        (vec!["--tls-cert", key, "--tls-key", key], "no certificate in the certificate file"),
        (vec!["--tls-cert", &text, "--tls-key", key], "certificate file is not PEM"),
        (vec!["--tls-cert", cert, "--tls-key", cert], "no private key in the key file"),
        (vec!["--tls-cert", cert, "--tls-key", other.1.to_str().unwrap()], "is not the certificate's"),
    ] {
        let mut command = program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data", &file("data")]).args(&flags);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{flags:?}: {said}");
        assert!(said.contains(words), "{flags:?}: {said}");
    }
}

#[test]
fn a_large_upload_over_tls_takes_no_memory() {
    let (data, folder) = (temp(), temp());
    let server = Server::with(data.path(), &[&OWN[..], &["--max-upload", "1GiB"]].concat());
    let file = folder.path().join("large.mp4");
    // A good video and 200 MB behind it that no reader looks at: a `free` box of that size (ISO 14496-12, 8.1.2).
    let size = 200u32 << 20;
    let mut video = bytes(fixture("numbered.mp4"));
    video.extend_from_slice(&size.to_be_bytes());
    video.extend_from_slice(b"free");
    std::fs::write(&file, &video).unwrap();
    let whole = video.len() as u64 + u64::from(size) - 8;
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(whole).unwrap();
    server.get("/healthz").must(200);
    let before = server.memory();
    for version in ["--http2", "--http1.1"] {
        let (url, body) = (format!("{}/api/videos", server.base), format!("@{}", file.display()));
        let header = "content-type: video/mp4";
        let answer =
            curl(&server, &[version, "--header", header, "--upload-file", &body[1..], "--request", "POST", &url]);
        let video: serde_json::Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"));
        assert_eq!(video["bytes"], whole, "{video}");
        server.done(video["id"].as_str().unwrap());
    }
    let grown = server.memory().saturating_sub(before) >> 20;
    assert!(grown < 100, "{grown} MiB more for 400 MB of uploads");
}

#[test]
fn requests_are_refused_over_tls_as_they_are_without() {
    let data = temp();
    let server = Server::with(data.path(), &OWN);
    problem(server.get("/api/videos/none"), 404);
    problem(server.send_video(b"this is no video at all, whatever it is called", ""), 415);
}
