//! What all live sources have in common: they give the newest picture, and count what gave way to it.

use std::time::{Duration, Instant};

use crate::{error::Result, frame::Frame};

/// One picture of a live source. Its tag's frame number counts all pictures that were decoded, those that were skipped
/// too; its time is in seconds since the source's first picture.
#[derive(Clone, Debug)]
pub struct LiveFrame {
    pub frame: Frame,
    /// When the whole encoded picture had arrived at this process: from here latency is measured.
    pub arrived: Instant,
    /// Pictures since the one before that were not taken in time.
    pub skipped: u64,
}

/// What a live source gives.
#[derive(Debug)]
pub enum Arrival {
    Picture(LiveFrame),
    /// A pushed picture that cannot be read, with words for who sent it.
    Broken {
        frame: u64,
        detail: String,
    },
    /// A pushed picture that gave way to newer ones.
    Skipped {
        frame: u64,
    },
    /// The other side hung up in order; nothing more will come.
    End,
}

/// A source that is asked for its newest picture by one thread.
pub trait LiveSource: Send {
    /// What came next; None when nothing came within `wait`. Pictures that came while nobody asked give way to the
    /// newest one. Never blocks for much longer than `wait`.
    ///
    /// # Errors
    /// The source broke and will give nothing more; in words for a person.
    fn next(&mut self, wait: Duration) -> Result<Option<Arrival>>;

    /// The name of the video's codec for people (`H.264`, `VP8`, `JPEG`), once it is known.
    fn codec(&self) -> Option<String>;
}
