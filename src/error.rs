//! Errors that a person may read, and what kind they are. No message holds a path of the server.

/// Result of the crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as one sentence that says what to do, and of which kind it is.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    pub kind: Kind,
    pub detail: String,
    /// What the operator's log gets besides; never shown to a client.
    pub cause: Option<String>,
}

/// What a client of the server reads where a file of the server could not be read or written.
pub const FILES_FAILED: &str = "The server could not read or write its files; its log says more.";

/// The kinds, each with one HTTP status (see `web::problem`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 400: the request's words are off.
    BadRequest,
    /// 401: a token is asked for.
    Unauthorized,
    /// 403: not from there.
    Forbidden,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 408: the request did not arrive in time.
    Timeout,
    /// 409: not in this state.
    Conflict,
    /// 413: larger than the limit.
    TooLarge,
    /// 415: no media at all.
    NotMedia,
    /// 416
    RangeNotSatisfiable,
    /// 422: media, but broken, unsupported or beyond a limit.
    Unprocessable,
    /// 426: the address is for WebSockets.
    UpgradeRequired,
    /// 429: over capacity for now.
    Busy,
    /// 503: not ready or stopping.
    Unavailable,
    /// 507: the disk is full.
    DiskFull,
    /// 500
    Internal,
}

impl Error {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), cause: None }
    }

    /// An error that is the server's own fault; `cause` goes to the log only.
    pub fn internal(detail: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self { kind: Kind::Internal, detail: detail.into(), cause: Some(cause.to_string()) }
    }

    pub fn with_cause(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Detail and cause for logs and the terminal.
    pub fn full(&self) -> String {
        match &self.cause {
            Some(cause) => format!("{} ({cause})", self.detail),
            None => self.detail.clone(),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Error::new(
                Kind::DiskFull,
                "The server's disk is full: free some space or delete old videos, then try again.",
            ),
            _ => Error::internal(FILES_FAILED, error),
        }
    }
}

/// Shorthand for the usual case of an error with a kind and words.
#[macro_export]
macro_rules! fault {
    ($kind:ident, $($words:tt)*) => { $crate::error::Error::new($crate::error::Kind::$kind, format!($($words)*)) };
}
