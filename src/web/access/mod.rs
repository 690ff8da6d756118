//! Who may use the server: everyone who reaches it, or who shows the token.
//!
//! [`Access::refuse`] stands before all routes (`web::run`), so no route can be forgotten; what is open without a token
//! stands in [`OPEN`].

pub mod session;
mod sessions;
mod tries;

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Instant,
};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use warp::{
    http::{HeaderMap, HeaderValue, Method, Request, header, uri::Authority},
    reply::Response,
};

use self::{
    sessions::Sessions,
    tries::{Outcome, Tries},
};
use super::{private_file, problem, visitor::Visitor};
use crate::{
    config::{SecureSettings, Token},
    error::Result,
    fault,
    jobs::new_id,
};

/// What answers without a token: that the process lives, and what signing in needs.
const OPEN: &[&str] = &[
    "/healthz",
    "/api/session",
    "/certificate.crt",
    "/globe.svg",
    "/i18n.js",
    "/logo.svg",
    "/said-zh.js",
    "/said.js",
    "/signin",
    "/signin.css",
    "/signin.js",
    "/style.css",
    "/widgets.css",
    "/words-en.js",
    "/words-zh.js",
];

/// The rule of this server.
pub struct Access {
    rule: Rule,
    tries: Tries,
}

enum Rule {
    /// Everyone; `hosts`: only under these names and under addresses in numbers.
    Open { hosts: Option<Vec<String>> },
    Token {
        /// SHA-256: comparing two of these takes equally long whatever was sent.
        digest: [u8; 32],
        sessions: Arc<Sessions>,
        /// Made here, so that nobody knows it who is not told.
        made: Option<String>,
    },
}

impl Access {
    /// The rule for a server that listens on `address`; tokens and keys are kept in `folder`.
    ///
    /// # Errors
    /// The settings contradict each other, or the folder cannot be written.
    pub fn open(
        settings: &SecureSettings,
        allow_origin: &[String],
        address: SocketAddr,
        folder: &Path,
    ) -> Result<Self> {
        let folder = folder.join("access");
        let chosen = settings.chosen_token()?.map(Token::as_str);
        let local = address.ip().to_canonical().is_loopback();
        let rule = match chosen {
            None if settings.no_auth => {
                if !local {
                    tracing::warn!(
                        "--no-auth: everyone who can reach {address} can use this server and see its videos"
                    );
                }
                Rule::Open { hosts: None }
            }
            None if local => {
                let named = allow_origin.iter().filter_map(|origin| origin.split_once("://")?.1.parse().ok());
                Rule::Open { hosts: Some(named.map(|host: Authority| host.host().to_ascii_lowercase()).collect()) }
            }
            chosen => {
                let made = match chosen {
                    Some(_) => None,
                    None => Some(private_file::read_or_make(&folder.join("token"), new_id)?.trim().to_owned()),
                };
                let token = chosen.or(made.as_deref()).unwrap_or_default();
                if token.is_empty() {
                    return Err(fault!(
                        Internal,
                        "The file {} is empty: delete it, and the next start makes a new token.",
                        folder.join("token").display()
                    ));
                }
                let secret = private_file::read_or_make(&folder.join("key"), || new_id() + &new_id())?;
                let digest = Sha256::digest(token).into();
                let sessions = Arc::new(Sessions::open(secret.trim(), token, folder.join("sessions")));
                Rule::Token { digest, sessions, made }
            }
        };
        Ok(Self { rule, tries: Tries::default() })
    }

    /// Whether visitors must show a token.
    pub fn asks_for_token(&self) -> bool {
        matches!(self.rule, Rule::Token { .. })
    }

    /// The token, where this server made it.
    pub fn made_token(&self) -> Option<&str> {
        match &self.rule {
            Rule::Token { made, .. } => made.as_deref(),
            Rule::Open { .. } => None,
        }
    }

    /// The answer to a request that may not go on. Its body is not touched.
    pub fn refuse<B>(&self, visitor: Visitor, host: Option<&Authority>, request: &Request<B>) -> Option<Response> {
        let Rule::Token { sessions, .. } = &self.rule else {
            return self.refuse_host(host);
        };
        let headers = request.headers();
        if OPEN.contains(&request.uri().path()) || session::cookie(headers, sessions).is_some() {
            return None;
        }
        match bearer(headers) {
            Some(token) => self.refuse_token(visitor, token),
            None if wants_page(request) => Some(to_sign_in(request)),
            None => Some(problem::response(&fault!(
                Unauthorized,
                "This server asks for its token: sign in at /signin, or send `Authorization: Bearer TOKEN`."
            ))),
        }
    }

    /// On this machine alone everyone is let in, but a page of the web whose name was made to point here (DNS rebinding) is
    /// not: its requests carry that name. Nobody far away has names without a dot, or makes an address in numbers point here.
    fn refuse_host(&self, host: Option<&Authority>) -> Option<Response> {
        let (Rule::Open { hosts: Some(hosts) }, Some(host)) = (&self.rule, host) else {
            return None;
        };
        let name = host.host().trim_end_matches('.').to_ascii_lowercase();
        let number = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        if number || !name.contains('.') || name.ends_with(".localhost") || hosts.contains(&name) {
            return None;
        }
        Some(problem::response(&fault!(
            Forbidden,
            "This server is for its own machine, not for `{name}`: its operator opens it with --token, or with --no-auth."
        )))
    }

    /// Looks at a token that was shown; the answer to a wrong one, or to one that comes too soon after wrong ones.
    fn refuse_token(&self, visitor: Visitor, token: &str) -> Option<Response> {
        let Rule::Token { digest, .. } = &self.rule else {
            return None;
        };
        let who = visitor.address;
        let is_right = || bool::from(Sha256::digest(token).as_slice().ct_eq(digest));
        match self.tries.attempt(who, Instant::now(), is_right) {
            Outcome::Right => None,
            Outcome::Wrong => {
                tracing::warn!(address = %who, "a wrong token was shown");
                Some(problem::response(&fault!(Unauthorized, "This is not the token of this server.")))
            }
            Outcome::TooSoon(left) => {
                let seconds = left.as_secs() + 1;
                let words = fault!(Busy, "Too many wrong tokens came from your address: try again in {seconds} s.");
                let mut response = problem::response(&words);
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                Some(response)
            }
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// A person who opens a page, and not a program or a script that calls.
fn wants_page<B>(request: &Request<B>) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    reads && accept.contains("text/html") && !request.uri().path().starts_with("/api")
}

/// To the sign-in page, which leads back here.
fn to_sign_in<B>(request: &Request<B>) -> Response {
    let wanted = request.uri().path_and_query().map_or("/", |wanted| wanted.as_str());
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
    let next: String =
        wanted.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect();
    let place = if wanted == "/" { "/signin".to_owned() } else { format!("/signin?next={next}") };
    let mut response = Response::default();
    *response.status_mut() = warp::http::StatusCode::SEE_OTHER;
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
