//! `--server`: a running service does the work, so that no model is needed here.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use ureq::{
    Agent, AsSendBody, SendBody,
    http::{Request, Response, header},
    tls::{Certificate, RootCerts, TlsConfig},
};

use crate::{
    config::Token,
    error::{Error, Kind, Result},
    event::{Class, Detection, FrameEvent},
    fault,
    media::Format,
    vision::draw::Style,
};

#[derive(Clone, clap::Args)]
#[command(next_help_heading = "A running service does the work")]
pub struct ServerSettings {
    /// Let this running service do the work, e.g. http://127.0.0.1:8080; its models are meant then.
    #[arg(long, env = "SIGHTGLASS_SERVER", value_name = "URL")]
    server: Option<String>,
    /// The service's access token.
    #[arg(long, env = "SIGHTGLASS_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<Token>,
    /// Certificate that the service is checked by, as PEM: of one with a certificate of its own making.
    #[arg(long, env = "SIGHTGLASS_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// How long connecting and waiting for the first bytes of an answer may take. A picture may wait for its turn.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(300);
/// Between two questions after a video.
const POLL: Duration = Duration::from_millis(250);

#[expect(clippy::disallowed_methods, reason = "the program does nothing else, and a signal ends it")]
fn pause() {
    std::thread::sleep(POLL);
}

/// A running service.
pub struct Server {
    agent: Agent,
    base: String,
    token: Option<String>,
}

/// What was found in a picture.
#[derive(Deserialize)]
pub struct Found {
    pub width: u32,
    pub height: u32,
    pub model: String,
    #[serde(default)]
    pub detections: Vec<Detection>,
    #[serde(default)]
    pub classes: Vec<Class>,
}

/// How a video's work stands.
#[derive(Deserialize)]
struct Video {
    id: String,
    state: String,
    frames_done: u64,
    frames_total: Option<u64>,
    error: Option<String>,
    warning: Option<String>,
}

#[derive(Deserialize)]
struct Recording {
    id: String,
    state: String,
    error: Option<String>,
}

/// What goes into a request's query.
type Query<'a> = Vec<(&'a str, String)>;

impl ServerSettings {
    /// The service, if one was named.
    ///
    /// # Errors
    /// The address or the certificate cannot be used.
    pub fn connect(&self) -> Result<Option<Server>> {
        let Some(base) = &self.server else { return Ok(None) };
        let address =
            url::Url::parse(base).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if address.is_none() {
            return Err(fault!(BadRequest, "--server is an address such as http://127.0.0.1:8080, not `{base}`."));
        }
        let mut tls = TlsConfig::builder();
        if let Some(file) = &self.ca {
            let pem = std::fs::read(file)
                .map_err(|error| fault!(BadRequest, "--ca {}: it cannot be read: {error}.", file.display()))?;
            let certificate = Certificate::from_pem(&pem)
                .map_err(|error| fault!(BadRequest, "--ca {}: it is no certificate: {error}.", file.display()))?;
            tls = tls.root_certs(RootCerts::Specific(std::sync::Arc::new(vec![certificate])));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .tls_config(tls.build())
            .build()
            .new_agent();
        let token = self.token.as_ref().map(|token| token.as_str().to_owned());
        Ok(Some(Server { agent, base: base.trim_end_matches('/').to_owned(), token }))
    }
}

impl Server {
    /// # Errors
    /// The service cannot be reached, or refuses the picture, in its words.
    pub fn picture(&self, bytes: &[u8], query: Query<'_>) -> Result<Found> {
        self.read(self.send("POST", "/api/images", query, "application/octet-stream", bytes)?)
    }

    /// Uploads a video and gives each frame's event as it comes, with the number of frames that is expected. The video stays
    /// on the server until [`Upload`] is dropped.
    ///
    /// # Errors
    /// As [`Server::picture`], and what `each` says.
    pub fn video(
        &self,
        file: &Path,
        query: Query<'_>,
        mut each: impl FnMut(FrameEvent, Option<u64>) -> Result<()>,
    ) -> Result<Upload<'_>> {
        let source = std::fs::File::open(file).map_err(|error| fault!(NotFound, "It cannot be read: {error}."))?;
        let answer = self.send("POST", "/api/videos", query, "application/octet-stream", source)?;
        let mut video: Video = self.read(answer)?;
        let mut upload = Upload { server: self, id: video.id.clone(), warning: None };
        let mut next = 0;
        loop {
            let path = format!("/api/videos/{}/detections", upload.id);
            let lines = self.text(self.get(&path, vec![("from", next.to_string())])?)?;
            for line in lines.lines() {
                each(serde_json::from_str(line).map_err(|error| foreign(&error))?, video.frames_total)?;
                next += 1;
            }
            match video.state.as_str() {
                "queued" | "running" => pause(),
                "done" if next >= video.frames_done => {
                    upload.warning = video.warning;
                    return Ok(upload);
                }
                "done" => {}
                state => {
                    let words = video.error.unwrap_or_else(|| format!("the service says: {state}"));
                    return Err(fault!(Unprocessable, "{words}"));
                }
            }
            video = self.read(self.get(&format!("/api/videos/{}", upload.id), Vec::new())?)?;
        }
    }

    fn get(&self, path: &str, query: Query<'_>) -> Result<Response<ureq::Body>> {
        self.send("GET", path, query, "", SendBody::none())
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        query: Query<'_>,
        kind: &str,
        body: impl AsSendBody,
    ) -> Result<Response<ureq::Body>> {
        let mut url = url::Url::parse(&format!("{}{path}", self.base)).map_err(|error| foreign(&error))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = Request::builder().method(method).uri(url.as_str());
        if !kind.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(body).map_err(|error| foreign(&error))?;
        self.agent.run(request).map_err(|error| {
            Error::new(Kind::Unavailable, format!("The service at {} cannot be reached: {error}.", self.base))
        })
    }

    /// The text of an answer that is no refusal.
    fn text(&self, mut answer: Response<ureq::Body>) -> Result<String> {
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(u64::MAX).read_to_string().map_err(|error| foreign(&error))?;
        if status.is_success() {
            return Ok(text);
        }
        let told: Option<serde_json::Value> = serde_json::from_str(&text).ok();
        Err(match told.as_ref().and_then(|told| told["detail"].as_str()) {
            Some(detail) => fault!(Unprocessable, "{detail}"),
            None => fault!(Unavailable, "{} answered {status} and no words: is it a Sightglass service?", self.base),
        })
    }

    fn read<T: DeserializeOwned>(&self, answer: Response<ureq::Body>) -> Result<T> {
        serde_json::from_str(&self.text(answer)?).map_err(|error| foreign(&error))
    }
}

fn foreign(error: &dyn std::fmt::Display) -> Error {
    fault!(Unavailable, "The service's answer cannot be understood: is it a Sightglass service of this version?")
        .with_cause(error)
}

/// A video on the server; dropping it deletes it there.
pub struct Upload<'a> {
    server: &'a Server,
    id: String,
    /// What the service says of a file that it could not read to its end.
    pub warning: Option<String>,
}

impl Upload<'_> {
    /// Has the annotated copy made and fetches it.
    ///
    /// # Errors
    /// The service cannot make it, or the file cannot be written.
    pub fn record(&self, target: &Path, format: Format, style: Style) -> Result<()> {
        let server = self.server;
        let wish = serde_json::json!({ "format": format.as_str(), "labels": style.labels, "scores": style.scores });
        let path = format!("/api/videos/{}/recordings", self.id);
        let answer = server.send("POST", &path, Vec::new(), "application/json", wish.to_string());
        let mut recording: Recording = server.read(answer?)?;
        while !matches!(recording.state.as_str(), "done" | "failed") {
            pause();
            recording = server.read(server.get(&format!("/api/recordings/{}", recording.id), Vec::new())?)?;
        }
        if let Some(words) = recording.error {
            return Err(fault!(Unprocessable, "{words}"));
        }
        let mut answer = server.get(&format!("/api/recordings/{}/file", recording.id), Vec::new())?;
        if !answer.status().is_success() {
            return server.text(answer).map(|_| ());
        }
        let part = target.with_extension("part");
        let copied = std::fs::File::create(&part)
            .and_then(|mut file| std::io::copy(&mut answer.body_mut().as_reader(), &mut file))
            .and_then(|_| std::fs::rename(&part, target));
        if copied.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        Ok(copied?)
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        // It was sent to be looked at, not to be kept; a service that is gone keeps it.
        let _ = self.server.send("DELETE", &format!("/api/videos/{}", self.id), Vec::new(), "", SendBody::none());
    }
}
