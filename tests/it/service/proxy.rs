//! Behind nginx, with the file that `deploy/` gives to operators.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::json;

use super::{
    harness::{PATIENCE, Server, bytes, fixture, root, temp, wait_for},
    https::make_pair,
    tls_line,
    viewer::{frames, in_order},
};

/// Sends bytes as they are; everything that comes back until the other side closes.
pub fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut line = TcpStream::connect(address).unwrap();
    line.set_read_timeout(Some(PATIENCE)).unwrap();
    line.write_all(request).unwrap();
    String::from_utf8(tls_line::rest(&mut line)).unwrap()
}

struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody listens on at this moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// nginx with `deploy/nginx.conf`, in which only names and numbers are others; `None` where nginx is not installed.
fn nginx(folder: &Path, service: SocketAddr, http: u16, https: u16) -> Option<Nginx> {
    let (cert, key) = make_pair(folder, "localhost", "-newkey rsa:2048");
    let mut block = String::from_utf8(bytes(root().join("deploy/nginx.conf"))).unwrap();
    for (given, own) in [
        ("127.0.0.1:8080;", format!("{service};")),
        ("listen 80;", format!("listen 127.0.0.1:{http};")),
        ("listen [::]:80;", String::new()),
        ("listen 443 ssl http2;", format!("listen 127.0.0.1:{https} ssl http2;")),
        ("listen [::]:443 ssl http2;", String::new()),
        ("/etc/letsencrypt/live/sightglass.example.org/fullchain.pem", cert.display().to_string()),
        ("/etc/letsencrypt/live/sightglass.example.org/privkey.pem", key.display().to_string()),
        ("server_name sightglass.example.org;", "server_name localhost;".into()),
    ] {
        assert!(block.contains(given), "deploy/nginx.conf has no {given}");
        block = block.replace(given, &own);
    }
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|what| format!("{what}_temp_path tmp-{what};"));
    let all = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr; events {{}}\nhttp {{ access_log off; {}\n{block}\n}}\n",
        temporary.join(" ")
    );
    std::fs::write(folder.join("nginx.conf"), all).unwrap();
    let mut command = Command::new("nginx");
    command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
    command.arg("-p").arg(folder).arg("-c").arg("nginx.conf").args(["-e", "stderr"]).stdin(Stdio::null());
    let mut nginx = match command.spawn() {
        Ok(child) => Nginx(child),
        Err(error) => {
            eprintln!("not tested, nginx cannot be started (scripts/packages/test.txt): {error}");
            return None;
        }
    };
    wait_for("nginx to listen", || {
        assert!(nginx.0.try_wait().unwrap().is_none(), "nginx does not take deploy/nginx.conf");
        TcpStream::connect(("127.0.0.1", https)).ok()
    });
    Some(nginx)
}

#[test]
fn the_service_works_behind_nginx() {
    let (data, folder) = (temp(), temp());
    let flags = ["--token", "behind-a-proxy", "--trusted-proxy", "127.0.0.1"];
    let mut server = Server::with(data.path(), &flags);
    let (http, https) = (free_port(), free_port());
    let Some(_nginx) = nginx(folder.path(), server.address, http, https) else { return };
    // From here on everything goes through nginx.
    server.base = format!("https://localhost:{https}");
    server.address = ([127, 0, 0, 1], https).into();

    let answer =
        raw(([127, 0, 0, 1], http).into(), b"GET /x?y=1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 308 ") && answer.contains("https://localhost/x?y=1"), "{answer}");
    server.get("/api/videos").must(401);
    let own = server.base.clone();
    let body = json!({"token": "behind-a-proxy"}).to_string();
    let answer = server.send("POST", "/api/session", &[("origin", &own)], body).must(204);
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();

    // More than the 1 MB that nginx takes by itself.
    let mut video = bytes(fixture("numbered.mp4"));
    video.extend_from_slice(&(5u32 << 20).to_be_bytes());
    video.extend_from_slice(b"free");
    video.resize(video.len() - 8 + (5 << 20), 0);
    let headers = [("cookie", cookie), ("origin", own.as_str()), ("content-type", "video/mp4")];
    let answer = server.send("POST", "/api/videos", &headers, video.as_slice()).must(201).json();
    assert_eq!(answer["bytes"], video.len() as u64);
    let path = format!("/api/videos/{}/events", answer["id"].as_str().unwrap());
    let viewer = server.socket_with(&path, &[("cookie", cookie), ("origin", &own)]).unwrap();
    in_order(&frames(&viewer.all()), 0, 90);
    assert_eq!(server.socket_with(&path, &[("cookie", cookie), ("origin", "https://evil.example")]).err(), Some(403));
    // Guesses are counted by the address that nginx saw, whatever the guesser writes.
    let statuses: Vec<u16> = (0..8)
        .map(|n| {
            let own = format!("198.51.100.{n}");
            let headers = [("authorization", "Bearer a-wrong-one"), ("x-forwarded-for", own.as_str())];
            server.send("GET", "/api/models", &headers, ureq::SendBody::none()).status
        })
        .collect();
    assert!(statuses.contains(&429), "{statuses:?}");
}
