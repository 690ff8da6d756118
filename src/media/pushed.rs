//! Pictures that a client pushes one by one.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use gstreamer::{self as gst, prelude::*};

use super::{
    Arrival, Limits, LiveFrame, LiveSource, Template,
    lockstep::{Lockstep, Outcome},
    sample,
};
use crate::{
    error::{Error, Result},
    fault,
    frame::FrameTag,
    still::{Still, StillFormat},
};

/// Pictures that wait at most; the oldest gives way.
const WAITING: usize = 2;
/// Pictures, most of them skipped, whose arrival was not asked for yet.
const UNANSWERED: usize = 1000;
/// What can be pushed, and what decodes it.
const PIPELINES: [(StillFormat, &str); 3] =
    [(StillFormat::Jpeg, "pushed-jpeg"), (StillFormat::Png, "pushed-png"), (StillFormat::Webp, "pushed-webp")];
/// A picture that takes longer to decode is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A source of pushed pictures, and the end at which they are pushed. `source` becomes every frame's source.
pub fn pushed(source: &str, limits: &Limits) -> (Pusher, PushedSource) {
    let line = Arc::new(Line::default());
    let taken = PushedSource {
        line: line.clone(),
        source: source.into(),
        max_pixels: limits.max_pixels,
        patience: limits.stall.min(PATIENCE),
        decoder: None,
        current: None,
        skipped: 0,
    };
    (Pusher { line }, taken)
}

/// The line in which pictures wait.
#[derive(Default)]
struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Pushed>,
    /// Pictures so far.
    count: u64,
    /// When the first came.
    first: Option<Instant>,
    closed: bool,
}

struct Pushed {
    frame: u64,
    arrived: Instant,
    /// Seconds since the first.
    time: f64,
    /// None: it gave way.
    bytes: Option<Bytes>,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }
}

/// Where pictures are pushed. Dropping it closes the source.
pub struct Pusher {
    line: Arc<Line>,
}

impl Pusher {
    /// Pushes an encoded picture; never waits. Pictures are numbered from 0. Two wait at most: when there is a third, the
    /// oldest gives way and becomes [`Arrival::Skipped`].
    ///
    /// False: it was not taken and got no number, because too many arrivals were not asked for yet, or because the
    /// source is closed.
    pub fn push(&self, bytes: Bytes) -> bool {
        let mut state = self.line.lock();
        if state.closed || state.waiting.len() >= UNANSWERED {
            return false;
        }
        let arrived = Instant::now();
        let first = *state.first.get_or_insert(arrived);
        let frame = state.count;
        state.count += 1;
        let time = arrived.duration_since(first).as_secs_f64();
        state.waiting.push_back(Pushed { frame, arrived, time, bytes: Some(bytes) });
        if let Some(late) = state.waiting.iter_mut().rev().nth(WAITING) {
            late.bytes = None;
        }
        drop(state);
        self.line.changed.notify_one();
        true
    }

    /// No more pictures will come; those that wait are given still.
    pub fn close(&self) {
        self.line.close();
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        self.close();
    }
}

/// Decodes pushed pictures: each gives exactly one arrival, in order. Dropping it frees all, and pictures pushed
/// afterwards are refused.
pub struct PushedSource {
    line: Arc<Line>,
    source: Arc<str>,
    max_pixels: u64,
    patience: Duration,
    /// For the format of the newest picture.
    decoder: Option<(StillFormat, Lockstep)>,
    /// The picture in the decoder, and since when.
    current: Option<(Pushed, Instant)>,
    skipped: u64,
}

impl LiveSource for PushedSource {
    fn next(&mut self, wait: Duration) -> Result<Option<Arrival>> {
        let begun = Instant::now();
        if self.current.is_none() {
            let mut pushed = match self.take(wait) {
                (Some(pushed), _) => pushed,
                (None, closed) => return Ok(closed.then_some(Arrival::End)),
            };
            let frame = pushed.frame;
            let Some(bytes) = pushed.bytes.take() else {
                self.skipped += 1;
                return Ok(Some(Arrival::Skipped { frame }));
            };
            match look(&bytes, self.max_pixels) {
                Ok((still, template)) => self.decode(&still, template, bytes)?,
                Err(Error { detail, .. }) => return Ok(Some(Arrival::Broken { frame, detail })),
            }
            self.current = Some((pushed, Instant::now()));
        }
        self.finish(wait.saturating_sub(begun.elapsed()))
    }

    fn codec(&self) -> Option<String> {
        self.decoder.as_ref().map(|(format, _)| format.name().to_owned())
    }
}

impl PushedSource {
    /// The oldest picture that waits, and whether no more will be pushed.
    fn take(&self, wait: Duration) -> (Option<Pushed>, bool) {
        let idle = |state: &mut State| state.waiting.is_empty() && !state.closed;
        let waited = self.line.changed.wait_timeout_while(self.line.lock(), wait, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (state.waiting.pop_front(), state.closed)
    }

    fn decode(&mut self, still: &Still, template: &str, bytes: Bytes) -> Result<()> {
        let decoder = match self.decoder.take() {
            Some((format, decoder)) if format == still.format => decoder,
            _ => Lockstep::start(Template::get(template)?.build(&[])?)?,
        };
        if let Some(upright) = decoder.element("upright") {
            upright.set_property_from_str("video-direction", turn(still.orientation));
        }
        decoder.push(gst::Buffer::from_slice(bytes.slice(..still.end)));
        self.decoder = Some((still.format, decoder));
        Ok(())
    }

    /// Waits for what comes of the picture in the decoder.
    fn finish(&mut self, wait: Duration) -> Result<Option<Arrival>> {
        let (Some((format, decoder)), Some((pushed, since))) = (&self.decoder, &self.current) else {
            return Err(Error::internal("The server lost a picture.", "no picture is being decoded"));
        };
        let (name, frame) = (format.name(), pushed.frame);
        let detail = match decoder.outcome(wait) {
            None if since.elapsed() < self.patience => return Ok(None),
            Some(Outcome::Sample(sample)) => {
                let tag = FrameTag { source: self.source.clone(), frame, time: pushed.time };
                match sample::frame(&sample, tag) {
                    Ok(frame) => {
                        let (arrived, skipped) = (pushed.arrived, std::mem::take(&mut self.skipped));
                        self.current = None;
                        return Ok(Some(Arrival::Picture(LiveFrame { frame, arrived, skipped })));
                    }
                    Err(error) => error.detail,
                }
            }
            Some(Outcome::Nothing) => format!("The {name} picture is damaged and cannot be decoded."),
            Some(Outcome::Failed(why)) => {
                tracing::debug!(why, "a pushed picture could not be decoded");
                self.decoder = None;
                format!("The {name} picture is damaged and cannot be decoded.")
            }
            None => {
                self.decoder = None;
                format!("Decoding the {name} picture took too long: send smaller ones.")
            }
        };
        self.current = None;
        Ok(Some(Arrival::Broken { frame, detail }))
    }
}

/// Looks at a picture, and finds the pipeline that decodes it.
fn look(bytes: &[u8], max_pixels: u64) -> Result<(Still, &'static str)> {
    let still = Still::look(bytes, &PIPELINES.map(|(format, _)| format), max_pixels)?;
    let name = still.format.name();
    if let Some(what) = still.unusual {
        return Err(fault!(Unprocessable, "{what} cannot be read: send a plain {name} picture."));
    }
    let template = PIPELINES.iter().find(|(format, _)| *format == still.format);
    template
        .map(|(_, template)| (still, *template))
        .ok_or_else(|| fault!(NotMedia, "A {name} picture is not read here."))
}

/// EXIF's orientation as a `video-direction` of videoflip.
const fn turn(orientation: u8) -> &'static str {
    match orientation {
        2 => "horiz",
        3 => "180",
        4 => "vert",
        5 => "ul-lr",
        6 => "90r",
        7 => "ur-ll",
        8 => "90l",
        _ => "identity",
    }
}

impl Drop for PushedSource {
    fn drop(&mut self) {
        let mut state = self.line.lock();
        state.closed = true;
        state.waiting.clear();
    }
}
