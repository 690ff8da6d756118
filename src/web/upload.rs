//! `POST /api/videos`: a file comes in, streamed to disk, is looked into, and becomes a video.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use bytes::Buf;
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use warp::{
    Filter, Reply,
    filters::{BoxedFilter, multipart::FormData},
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

use super::{
    Web, blocking,
    problem::{Problem, answer},
    query::Query,
    with,
};
use crate::{
    error::{Error, Result},
    event::Task,
    fault,
    jobs::{Video, new_id},
    media::FileSource,
};

/// An uploader that sends nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the rest of a refused upload is read.
const LINGER: Duration = Duration::from_secs(60);
/// The room on the disk is looked at again after so many bytes.
const CHECK_EVERY: u64 = 16 << 20;
/// A name is cut after so many characters.
const MAX_NAME: usize = 200;

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    let base = |web: &Arc<Web>| {
        warp::path!("api" / "videos")
            .and(warp::post())
            .and(with(web))
            .and(warp::query::<HashMap<String, String>>())
            .and(warp::header::optional::<u64>("content-length"))
    };
    let form = base(web)
        .and(is_form(true))
        // The limit is kept while the part is read: what counts is the file, not the form around it.
        .and(warp::multipart::form().max_length(None))
        .and_then(|web, query, length, form| answer(create_from_form(web, Query(query), length, form)));
    let raw = base(web)
        .and(is_form(false))
        .and(warp::body::stream())
        .and_then(|web, query, length, body| answer(create(web, Query(query), length, body)));
    form.or(raw).unify().boxed()
}

/// Passes forms that can be read, or everything else.
pub(super) fn is_form(wanted: bool) -> impl Filter<Extract = (), Error = warp::Rejection> + Clone {
    warp::header::optional::<String>("content-type")
        .and_then(move |kind: Option<String>| async move {
            let form = kind.is_some_and(|kind| {
                let kind = kind.to_ascii_lowercase();
                kind.starts_with("multipart/form-data") && kind.contains("boundary=")
            });
            if form == wanted { Ok(()) } else { Err(warp::reject::not_found()) }
        })
        .untuple_one()
}

/// Uploads a video: the file's bytes as the body, or a form with a part `file`.
#[utoipa::path(post, path = "/api/videos", tag = "videos",
    params(("name" = Option<String>, Query), ("model" = Option<String>, Query), ("threshold" = Option<f32>, Query, description = "keep detections from this score on")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "video/*, application/octet-stream, or multipart/form-data with a part `file`"),
    responses((status = 201, body = Video, headers(("Location" = String))), (status = 400, body = Problem), (status = 404, body = Problem, description = "No such model"),
        (status = 413, body = Problem), (status = 415, body = Problem, description = "No media"), (status = 422, body = Problem, description = "Media, but broken or unsupported"),
        (status = 429, body = Problem), (status = 507, body = Problem)))]
pub async fn create<S, B>(web: Arc<Web>, query: Query, length: Option<u64>, body: S) -> Result<Response>
where
    S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
    B: Buf + Send,
{
    let mut body = Box::pin(body);
    let taken = async {
        let wish = Wish::new(&web, &query, length).await?;
        let name = query.text("name").unwrap_or("video").to_owned();
        finish(web.clone(), wish, name, &mut body).await
    }
    .await;
    if taken.is_err() {
        let rest = async move { while body.next().await.is_some_and(|chunk| chunk.is_ok()) {} };
        read_on(web, rest);
    }
    taken
}

/// Reads what is still coming of a refused upload, for a while: most uploaders, browsers among them, look for the answer
/// only when they have sent everything, and read a broken connection instead of words if nobody takes it.
pub(super) fn read_on(web: Arc<Web>, rest: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::time::timeout(LINGER, rest) => {}
            () = web.shutdown.cancelled() => {}
        }
    });
}

async fn create_from_form(web: Arc<Web>, query: Query, length: Option<u64>, mut form: FormData) -> Result<Response> {
    let taken = take_form(web.clone(), query, length, &mut form).await;
    if taken.is_err() {
        let rest = async move { while form.next().await.is_some_and(|part| part.is_ok()) {} };
        read_on(web, rest);
    }
    taken
}

async fn take_form(web: Arc<Web>, query: Query, length: Option<u64>, form: &mut FormData) -> Result<Response> {
    let mut wish = Wish::new(&web, &query, length).await?;
    while let Some(part) = form.next().await {
        let part = part.map_err(|error| fault!(BadRequest, "The form cannot be read: {error}."))?;
        let named = part.name().to_owned();
        match named.as_str() {
            "file" => {
                let name = query.text("name").or(part.filename()).unwrap_or("video").to_owned();
                return finish(web, wish, name, Box::pin(part.stream())).await;
            }
            "model" | "threshold" => {
                let text = small_text(part).await?;
                // A page's form sends fields that nobody filled in.
                if text.is_empty() {
                    continue;
                }
                let query = Query(HashMap::from([(named, text)]));
                let state = web.clone();
                wish = blocking(move || wish.change(&state, &query)).await?;
            }
            _ => {}
        }
    }
    Err(fault!(BadRequest, "The form has no part named `file` that holds the video."))
}

/// A short field of a form.
pub(super) async fn small_text(part: warp::multipart::Part) -> Result<String> {
    let mut text = Vec::new();
    let mut body = Box::pin(part.stream());
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk.map_err(|error| fault!(BadRequest, "The form cannot be read: {error}."))?;
        text.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining().min(1024)));
        if text.len() > 1000 {
            return Err(fault!(BadRequest, "A field of the form is too long."));
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// What was asked for besides the file; checked before the first byte is read.
struct Wish {
    model: String,
    threshold: f32,
}

impl Wish {
    async fn new(web: &Arc<Web>, query: &Query, length: Option<u64>) -> Result<Self> {
        let (web, query) = (web.clone(), query.clone());
        blocking(move || Self::check(&web, &query, length)).await
    }

    fn check(web: &Web, query: &Query, length: Option<u64>) -> Result<Self> {
        web.jobs.check_capacity()?;
        let model = web.jobs.model(query.text("model"), Task::Detect)?.info();
        let threshold = query.threshold()?.unwrap_or(model.threshold);
        let length = length.unwrap_or(0);
        check_size(web, length)?;
        if web.jobs.files.free_bytes()? < length.saturating_add(web.keep_free) {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into());
        }
        Ok(Self { model: model.name.clone(), threshold })
    }

    fn change(mut self, web: &Web, query: &Query) -> Result<Self> {
        if let Some(name) = query.text("model") {
            self.model = web.jobs.model(Some(name), Task::Detect)?.info().name.clone();
        }
        if let Some(threshold) = query.threshold()? {
            self.threshold = threshold;
        }
        Ok(self)
    }
}

fn check_size(web: &Web, bytes: u64) -> Result<()> {
    if bytes > web.max_upload {
        let megabytes = web.max_upload as f64 / 1e6;
        return Err(fault!(TooLarge, "The file is larger than the {megabytes:.0} MB that this server takes."));
    }
    Ok(())
}

/// A file that is removed unless it is kept.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // After it was kept it has another name, and this finds nothing.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn finish<B: Buf>(
    web: Arc<Web>,
    wish: Wish,
    name: String,
    body: impl Stream<Item = Result<B, warp::Error>> + Unpin,
) -> Result<Response> {
    let id = new_id();
    let part = Part(web.jobs.files.upload(&id));
    let (bytes, sha256) = receive(&web, &part.0, body).await?;
    if bytes == 0 {
        return Err(fault!(NotMedia, "The upload is empty: choose a video file."));
    }
    let probe = web.probes.clone().acquire_owned().await;
    let probe = probe.map_err(|error| Error::internal("The server is stopping.", error))?;
    let jobs = web.jobs.clone();
    let video = blocking(move || {
        // Held as long as the file is looked into, even where the uploader has gone; opening a file ends in time whatever
        // it holds.
        let _probe = probe;
        let activity = jobs.begin_probe(&sha256)?;
        let probed = FileSource::open(&id, &part.0, &jobs.settings().limits).map(|source| source.info().clone());
        activity.finish();
        let info = probed?;
        jobs.add_video(Video::new(id, clean_name(&name), wish.model, wish.threshold, bytes, info))
    })
    .await?;
    let mut response = warp::reply::json(&video).into_response();
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::from_str(&format!("/api/videos/{}", video.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Writes a body to a file as it comes; memory does not grow with it. Returns its bytes, and their SHA-256 in hexadecimal.
async fn receive<B: Buf>(
    web: &Web,
    path: &std::path::Path,
    mut body: impl Stream<Item = Result<B, warp::Error>> + Unpin,
) -> Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut file = tokio::io::BufWriter::with_capacity(1 << 20, tokio::fs::File::create(path).await?);
    let mut bytes = 0u64;
    let mut checked = 0u64;
    loop {
        let chunk = tokio::select! {
            chunk = tokio::time::timeout(PATIENCE, body.next()) => chunk,
            () = web.shutdown.cancelled() => return Err(fault!(Unavailable, "The server is stopping: try again in a minute.")),
        };
        let chunk = chunk.map_err(|_| fault!(BadRequest, "The upload stopped coming in: try again."))?;
        let Some(chunk) = chunk else { break };
        let mut chunk =
            chunk.map_err(|error| fault!(BadRequest, "The upload broke off: try again.").with_cause(error))?;
        bytes += chunk.remaining() as u64;
        check_size(web, bytes)?;
        if bytes - checked > CHECK_EVERY {
            checked = bytes;
            let jobs = web.jobs.clone();
            if blocking(move || jobs.files.free_bytes()).await? < web.keep_free {
                return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into());
            }
        }
        while chunk.has_remaining() {
            let piece = chunk.chunk();
            let length = piece.len();
            web.meter.upload_bytes.inc_by(length as u64);
            hash.update(piece);
            file.write_all(piece).await?;
            chunk.advance(length);
        }
    }
    file.flush().await?;
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((bytes, sha256))
}

/// A file name for display: no folders, no control characters, not endless.
fn clean_name(name: &str) -> String {
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let clean: String = base.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    if clean.trim().is_empty() { "video".into() } else { clean.trim().into() }
}
