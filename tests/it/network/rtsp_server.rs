//! The network camera of the tests: `tests/rtsp_server.py` as a process that can be frozen, stopped and restarted.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// User and password of `/secret`, percent-encoded as they stand in an address.
pub const WHO: &str = "ann:p%40ss%3A%20w%C3%B6rd";

/// A running RTSP server on the loopback.
pub struct RtspServer {
    process: Option<Child>,
    pub port: u16,
    options: Vec<String>,
}

impl RtspServer {
    pub fn start(fps: u32) -> Self {
        Self::with(&["--fps", &fps.to_string()])
    }

    /// With options of the script.
    pub fn with(options: &[&str]) -> Self {
        let options = options.iter().map(ToString::to_string).collect();
        let mut server = Self { process: None, port: 0, options };
        server.restart();
        server
    }

    /// The address of one of its streams, e.g. `/live`.
    pub fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}{path}", self.port)
    }

    /// It stays connected and says nothing more.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Ends the process as a power cut would, but for the closed connections.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("kill");
            process.wait().expect("wait");
        }
    }

    /// Starts it, again on the port that it had.
    pub fn restart(&mut self) {
        self.stop();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rtsp_server.py");
        let mut process = Command::new("/usr/bin/python3")
            .arg(script)
            .args(["--port", &self.port.to_string()])
            .args(&self.options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("Debian's python3");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("the port");
        self.port = line.trim().parse().expect("the server does not start: are scripts/packages/test.txt installed?");
        self.process = Some(process);
    }

    fn signal(&self, signal: &str) {
        let id = self.process.as_ref().expect("running").id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().expect("kill").success());
    }
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        self.stop();
    }
}
