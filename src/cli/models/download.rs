//! One file over HTTP: gone on with where it was cut off, kept only if it is the right one.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use indicatif::ProgressBar;
use ureq::{Agent, Body, http::Response};
use url::Url;

use crate::{error::Result, fault, models::fetch::Source};

/// A server that is silent for so long is given up.
const PATIENCE: Duration = Duration::from_secs(60);
const MOST_REDIRECTS: usize = 6;
/// How often a transfer that was cut off is gone on with, while each attempt brings something.
const MOST_ATTEMPTS: usize = 6;

/// Why an attempt did not bring the file.
enum Trouble {
    /// The connection ended or there was none: more may come from the same address.
    Cut { gained: u64, words: String },
    /// The address does not give this file.
    Wrong(String),
    /// Nothing that an address can help with.
    Own(crate::error::Error),
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Trouble::Own(error.into())
    }
}

/// Fetches a file into `folder` from the first address that gives it. What has come when it fails stays there as
/// `NAME.part` for the next time.
///
/// # Errors
/// No address gives it, with what each said.
pub fn fetch(source: &Source, addresses: &[String], folder: &Path, bar: &ProgressBar) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let target = folder.join(&source.name);
    if target.is_file() && source.check(&target).is_ok() {
        return Ok(target);
    }
    let config = Agent::config_builder()
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .user_agent(concat!("sightglass/", env!("CARGO_PKG_VERSION")));
    let mut part = Part::open(source, folder, config.build().new_agent())?;
    let mut said = Vec::new();
    for address in addresses {
        for _ in 0..MOST_ATTEMPTS {
            match part.attempt(address, bar) {
                Ok(()) => {
                    std::fs::rename(&part.path, &target)?;
                    let _ = std::fs::remove_file(&part.tag);
                    return Ok(target);
                }
                Err(Trouble::Cut { gained: 1.., .. }) => {}
                Err(Trouble::Cut { words, .. } | Trouble::Wrong(words)) => {
                    said.push(format!("{address}: {words}"));
                    break;
                }
                Err(Trouble::Own(error)) => return Err(error),
            }
        }
    }
    let come = part.file.metadata()?.len();
    let kept = match come {
        0 => {
            part.discard()?;
            let _ = std::fs::remove_file(&part.path);
            String::new()
        }
        come => format!("\n{come} of {} bytes have come and are kept: run it again to go on.", source.bytes),
    };
    if said.is_empty() {
        said.push("every connection was cut off".into());
    }
    Err(fault!(
        Unavailable,
        "`{}` cannot be fetched:\n  {}{kept}\nWithout a network, fetch the file elsewhere and name its folder: --from DIR.",
        source.name,
        said.join("\n  ")
    ))
}

/// A file that is on its way.
struct Part<'a> {
    source: &'a Source,
    agent: Agent,
    path: PathBuf,
    file: File,
    /// Holds the server's validator of what has come: its ETag or the time of its last change.
    tag: PathBuf,
}

impl<'a> Part<'a> {
    fn open(source: &'a Source, folder: &Path, agent: Agent) -> Result<Self> {
        let path = folder.join(format!("{}.part", source.name));
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path)?;
        file.try_lock().map_err(|_| fault!(Conflict, "`{}` is being fetched already.", source.name))?;
        Ok(Self { source, agent, path, file, tag: folder.join(format!("{}.part.tag", source.name)) })
    }

    fn discard(&self) -> std::io::Result<()> {
        let _ = std::fs::remove_file(&self.tag);
        self.file.set_len(0)
    }

    /// Fetches what is missing, and checks the whole.
    fn attempt(&mut self, address: &str, bar: &ProgressBar) -> Result<(), Trouble> {
        let wanted = self.source.bytes;
        let mut have = self.file.metadata()?.len();
        let tag = std::fs::read_to_string(&self.tag).ok();
        // Without a validator the digest tells whether both halves are of one file.
        if have > wanted || (have > 0 && tag.is_none() && self.source.sha256.is_none()) {
            self.discard()?;
            have = 0;
        }
        let resumed = have > 0;
        if have < wanted {
            let response = self.ask(address, have, tag.as_deref())?;
            have = self.accept(&response, have)?;
            bar.set_position(have);
            self.take(response, have, bar)?;
        }
        match self.source.check(&self.path) {
            Ok(_) => Ok(()),
            Err(words) => {
                self.discard()?;
                // What came before may have been of another file: once more from the start.
                Err(if resumed { Trouble::Cut { gained: 1, words } } else { Trouble::Wrong(words) })
            }
        }
    }

    /// Asks for the bytes from `have` on, along redirects, which may lead to https only.
    fn ask(&self, address: &str, have: u64, tag: Option<&str>) -> Result<Response<Body>, Trouble> {
        let mut url = Url::parse(address).map_err(|error| Trouble::Wrong(format!("it is no address ({error})")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Trouble::Wrong("only http:// and https:// are fetched from".into()));
        }
        for _ in 0..MOST_REDIRECTS {
            // Packed on the way, a file would have another length.
            let mut request = self.agent.get(url.as_str()).header("accept-encoding", "identity");
            if have > 0 {
                request = request.header("range", format!("bytes={have}-"));
                if let Some(tag) = tag {
                    request = request.header("if-range", tag.trim());
                }
            }
            let response = request.call().map_err(|error| Trouble::Cut { gained: 0, words: error.to_string() })?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let next = url.join(field(&response, "location"));
            url = next.map_err(|error| Trouble::Wrong(format!("it leads to no address ({error})")))?;
            if url.scheme() != "https" {
                return Err(Trouble::Wrong(format!(
                    "it leads to {}://, and redirects to https:// only are followed",
                    url.scheme()
                )));
            }
        }
        Err(Trouble::Wrong("it leads from one address to the next without end".into()))
    }

    /// Is the answer the file, and from which byte on?
    fn accept(&mut self, response: &Response<Body>, have: u64) -> Result<u64, Trouble> {
        let wanted = self.source.bytes;
        let status = response.status().as_u16();
        if field(response, "content-type").starts_with("text/html") && status < 400 {
            return Err(Trouble::Wrong("it answers with a web page and not with the file".into()));
        }
        match status {
            206 => {
                let range = field(response, "content-range").trim_start_matches("bytes ");
                let (from, total) = range.split_once('/').unwrap_or_default();
                if from.split('-').next().and_then(|from| from.parse().ok()) != Some(have)
                    || total.parse() != Ok(wanted)
                {
                    return Err(Trouble::Wrong(format!("it answers with the bytes {range} of another file")));
                }
                Ok(have)
            }
            200 => {
                let length = field(response, "content-length").parse::<u64>().ok();
                if let Some(length) = length.filter(|length| *length != wanted) {
                    return Err(Trouble::Wrong(format!("it has {length} bytes and not {wanted}: it is another file")));
                }
                self.discard()?;
                let tag = [field(response, "etag"), field(response, "last-modified")];
                // A weak ETag does not promise the same bytes.
                if let Some(tag) = tag.into_iter().find(|tag| !tag.is_empty() && !tag.starts_with("W/")) {
                    std::fs::write(&self.tag, tag)?;
                }
                Ok(0)
            }
            416 => {
                self.discard()?;
                Err(Trouble::Cut { gained: 1, words: String::new() })
            }
            404 | 410 => Err(Trouble::Wrong(format!("it is not there ({status})"))),
            status => Err(Trouble::Wrong(format!("it answers with the status {status}"))),
        }
    }

    fn take(&mut self, response: Response<Body>, mut have: u64, bar: &ProgressBar) -> Result<(), Trouble> {
        let (start, wanted) = (have, self.source.bytes);
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        self.file.seek(SeekFrom::End(0))?;
        loop {
            let cut = |words: String| Trouble::Cut { gained: have - start, words };
            let count = body.read(&mut buffer).map_err(|error| cut(error.to_string()))?;
            if count == 0 && have < wanted {
                return Err(cut(format!("it ended after {have} of {wanted} bytes")));
            }
            if count == 0 {
                return Ok(self.file.sync_all()?);
            }
            have += count as u64;
            if have > wanted {
                self.discard()?;
                return Err(Trouble::Wrong(format!("it has more than {wanted} bytes: it is another file")));
            }
            self.file.write_all(&buffer[..count])?;
            bar.set_position(have);
        }
    }
}

fn field<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}
