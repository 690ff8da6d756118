//! Starts the program, talks to it, ends it in every way there is.

use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{client::IntoClientRequest, http};
use ureq::{AsSendBody, SendBody};

use super::{tls_line, viewer::Viewer};

/// Nothing of these tests takes so long, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn fixture(name: &str) -> PathBuf {
    root().join("fixtures").join(name)
}

pub fn bytes(path: impl AsRef<Path>) -> Vec<u8> {
    std::fs::read(path.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

pub fn temp() -> TempDir {
    tempfile::Builder::new().prefix("sightglass-test-").tempdir().unwrap()
}

/// The program without what the person who runs the tests has set.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sightglass"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SIGHTGLASS_")) {
        command.env_remove(name);
    }
    command.current_dir(root());
    command
}

/// The detector of drawn shapes: where they are in the tests' pictures is known exactly.
pub const SHAPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/models/shapes");
pub const CIFAR10: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/cifar10");

/// `sightglass detect` of drawn shapes.
pub fn detect() -> Command {
    let mut command = program();
    command.args(["detect", "--model", SHAPES]).args(EXACT);
    command
}

/// The flags by which results are the same on every machine and in every run.
pub const EXACT: [&str; 8] = ["--provider", "cpu", "--precision", "f32", "--sessions", "2", "--threads", "1"];

/// What `check` gives, as soon as it gives something; asked again and again, because the other side is a process.
pub fn wait_for<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// An answer, read to its end.
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The answer, which must have this status.
    #[track_caller]
    pub fn must(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// A running server; killed when it is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    pub base: String,
    agent: ureq::Agent,
    said: Arc<Mutex<String>>,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts it on a data folder and waits until it says that it is ready.
    pub fn start(data: &Path) -> Self {
        Self::with(data, &[])
    }

    /// The same with further flags; without `--model` among them, with the detector of shapes and the classifier.
    pub fn with(data: &Path, flags: &[&str]) -> Self {
        Self::on("127.0.0.1:0", data, flags)
    }

    /// The same on an address.
    pub fn on(listen: &str, data: &Path, flags: &[&str]) -> Self {
        let mut command = program();
        command.args(["serve", "--listen", listen, "--data"]).arg(data).args(EXACT).args(flags);
        if !flags.contains(&"--model") {
            command.args(["--model", SHAPES, "--model", CIFAR10]);
        }
        match Self::spawn(command) {
            Ok(server) => server,
            Err(words) => panic!("the server did not start: {words}"),
        }
    }

    /// Runs a command that runs the server; what it wrote if it ended before it was ready.
    pub fn spawn(mut command: Command) -> Result<Self, String> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (err, kept) = (child.stderr.take().unwrap(), log.clone());
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let keep = move || {
            for line in BufReader::new(err).lines().map_while(Result::ok) {
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        };
        let mut readers = vec![std::thread::spawn(keep)];
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("Sightglass is ready: open ").and_then(|url| url.strip_suffix('/'));
        let address = url.and_then(|url| url.split_once("://")?.1.parse().ok());
        let (Some(base), Some(address)) = (url.map(str::to_owned), address) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("{line}{}", log.lock().unwrap()));
        };
        let said = Arc::new(Mutex::new(line));
        let kept = said.clone();
        let listen = move || out.lines().map_while(Result::ok).for_each(|line| *kept.lock().unwrap() += &(line + "\n"));
        readers.push(std::thread::spawn(listen));
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
        // A connection each: the server may close one after an answer, which is no matter of these tests.
        let config = config.max_idle_connections(0).max_redirects(0).proxy(None);
        // Which certificate is shown is looked at where it matters (tls_line.rs).
        let tls = ureq::tls::TlsConfig::builder().disable_verification(true).build();
        let agent = config.tls_config(tls).build().new_agent();
        Ok(Self { child, address, base, agent, said, log, readers })
    }

    /// Has the process ended?
    pub fn is_gone(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// What it printed for the person who started it, once it holds this.
    pub fn said(&self, what: &str) -> String {
        wait_for(what, || Some(self.said.lock().unwrap().clone()).filter(|said| said.contains(what)))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// `kill -9`: nothing of the process runs after this.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, without waiting.
    pub fn ask_to_stop(&self) {
        let status = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.pid())]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end; what it wrote is complete then.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let child = &mut self.child;
        let status = wait_for("the end of the server", || child.try_wait().unwrap());
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        (status, self.log())
    }

    /// Stops it by SIGTERM; it must end well.
    pub fn stop(self) {
        self.ask_to_stop();
        let (status, log) = self.wait();
        assert_eq!(status.code(), Some(0), "{log}");
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl AsSendBody) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.agent.run(request.body(body).unwrap());
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log()));
        let mut body = Vec::new();
        answer.body_mut().as_reader().read_to_end(&mut body).unwrap();
        Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body }
    }

    pub fn ask(&self, method: &str, path: &str) -> Answer {
        self.send(method, path, &[], SendBody::none())
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path)
    }

    /// The answer's JSON, if the server lives long enough to give it.
    pub fn try_get(&self, path: &str) -> Option<Value> {
        let request = ureq::http::Request::builder().uri(format!("{}{path}", self.base));
        let mut answer = self.agent.run(request.body(SendBody::none()).unwrap()).ok()?;
        let mut body = Vec::new();
        answer.body_mut().as_reader().read_to_end(&mut body).ok()?;
        serde_json::from_slice(&body).ok()
    }

    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string())
    }

    /// Sends a video as a plain body; `query` such as `?threshold=0.3` or empty.
    pub fn send_video(&self, bytes: &[u8], query: &str) -> Answer {
        self.send("POST", &format!("/api/videos{query}"), &[("content-type", "video/mp4")], bytes)
    }

    /// Uploads a file, which must be taken; returns its id.
    pub fn upload(&self, file: impl AsRef<Path>) -> String {
        let answer = self.send_video(&bytes(file), "").must(201);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    pub fn video(&self, id: &str) -> Value {
        self.get(&format!("/api/videos/{id}")).must(200).json()
    }

    /// The video once no more work is done on it.
    pub fn ended(&self, id: &str) -> Value {
        wait_for("the end of a video", || {
            let video = self.video(id);
            ["done", "failed", "cancelled"].contains(&video["state"].as_str().unwrap()).then_some(video)
        })
    }

    /// The video, which must come to a good end.
    pub fn done(&self, id: &str) -> Value {
        let video = self.ended(id);
        assert_eq!(video["state"], "done", "{video}");
        video
    }

    /// The frame events so far, by NDJSON.
    pub fn detections(&self, id: &str) -> Vec<Value> {
        let answer = self.get(&format!("/api/videos/{id}/detections")).must(200);
        assert_eq!(answer.header("content-type"), "application/x-ndjson");
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Asks for a recording and waits for its end.
    pub fn record(&self, id: &str, options: &Value) -> Value {
        let answer = self.post_json(&format!("/api/videos/{id}/recordings"), options).must(202);
        self.recorded(answer.header("location"))
    }

    /// The recording at an address, once it is ended; it must have come to a good end.
    pub fn recorded(&self, location: &str) -> Value {
        let recording = self.recording_ended(location);
        assert_eq!(recording["state"], "done", "{recording}");
        recording
    }

    /// The recording at an address, once no more work is done on it.
    pub fn recording_ended(&self, location: &str) -> Value {
        wait_for("the end of a recording", || {
            let recording = self.get(location).must(200).json();
            ["done", "failed"].contains(&recording["state"].as_str().unwrap()).then_some(recording)
        })
    }

    /// Follows a video from frame `from` on.
    pub fn viewer(&self, id: &str, from: u64) -> Viewer {
        self.socket(&format!("/api/videos/{id}/events?from={from}"), None).unwrap()
    }

    /// Follows a video on a connection that takes next to nothing on its own.
    pub fn narrow_viewer(&self, id: &str) -> Viewer {
        let request = format!("ws://{}/api/videos/{id}/events", self.address).into_client_request().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(32 << 10).unwrap();
            socket.connect(self.address).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Viewer::open(stream, request).unwrap()
    }

    /// Opens a WebSocket; the status of the refusal if it is refused.
    pub fn socket(&self, path: &str, origin: Option<&str>) -> Result<Viewer, u16> {
        let origin = origin.map(|origin| ("origin", origin));
        self.socket_with(path, origin.as_slice())
    }

    /// The same with headers.
    pub fn socket_with(&self, path: &str, headers: &[(&'static str, &str)]) -> Result<Viewer, u16> {
        let url = format!("{}{path}", self.base.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        match self.base.starts_with("https") {
            true => Viewer::open(tls_line::over(stream, &[b"http/1.1"]), request),
            false => Viewer::open(stream, request),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}---", self.log());
        }
    }
}
