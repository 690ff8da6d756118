//! One stream's work: take the newest picture, detect, tell.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::sync::broadcast::{self, error::TryRecvError};

use super::{
    super::Jobs,
    stream::{Stream, StreamState, lock, text},
};
use crate::{
    detector::Detector,
    error::Result,
    event::{Detection, Event, FrameEvent, round},
    frame::Frame,
    media::{Arrival, LiveFrame, LiveSource},
    vision::mark::{self, MarkStrip},
};

/// How long one look for a picture takes while there is nothing else to do.
const LOOK: Duration = Duration::from_millis(100);
/// The status is told at least this often.
const TELL_EVERY: Duration = Duration::from_millis(900);

/// How often the counts of a network camera are stored.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// Sends an event straight to the one who sends the pictures, before any viewer; false when it could not be sent.
pub type Direct = Box<dyn FnMut(&str) -> bool + Send>;

/// What is particular to one stream's work.
#[derive(Default)]
pub struct Manner {
    /// Rows under each picture that hold a frame mark.
    pub mark: Option<MarkStrip>,
    pub direct: Option<Direct>,
    /// Each pushed picture is answered for itself, so what was skipped is not told a second time.
    pub answers: bool,
}

/// Finds objects: a [`Detector`], and in tests one whose answers are known.
pub(super) trait Detect {
    /// Pictures that it works on at once.
    fn at_once(&self) -> usize;

    /// Queues a picture; blocks while the queue is full.
    ///
    /// # Errors
    /// The engine has stopped.
    fn submit(&self, frame: &Frame) -> Result<Found>;
}

/// Waits for the detections of one picture that reach a score.
pub(super) type Found = Box<dyn FnOnce(f32) -> Result<Vec<Detection>>>;

impl Detect for Detector {
    fn at_once(&self) -> usize {
        self.setup().sessions
    }

    fn submit(&self, frame: &Frame) -> Result<Found> {
        let pending = self.submit(frame)?;
        Ok(Box::new(move |threshold| pending.wait(threshold)))
    }
}

/// An answer to one pushed picture that holds no detections.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Answer<'a> {
    Error { frame: u64, detail: &'a str },
    Dropped { frame: u64 },
}

/// What waits for its turn to be told, in the order of the pictures.
enum Flying {
    Detecting { frame: Frame, arrived: Instant, mark: Option<u32>, pending: Found },
    Told(Arc<str>),
}

/// The work on one stream, which may go through several connections of a network camera.
pub(super) struct Worker<'a> {
    jobs: &'a Jobs,
    stream: &'a Stream,
    manner: Manner,
    flying: VecDeque<Flying>,
    told: Instant,
    kept: Instant,
    /// Frame number and time (seconds) of the current connection's first picture.
    base: (u64, f64),
    /// What the next connection goes on from: frames so far, and when the first of all came.
    next_frame: u64,
    began: Option<Instant>,
    /// The newest picture's time in seconds.
    last_time: f64,
    /// All events, where the sender of the pictures gets them too.
    relay: Option<broadcast::Receiver<Arc<str>>>,
    /// Events that could not be sent to it since the last one that could.
    missed: u64,
}

impl<'a> Worker<'a> {
    /// `next_frame`: the number that the next picture has; a restart goes on with it.
    pub fn new(jobs: &'a Jobs, stream: &'a Stream, manner: Manner, next_frame: u64) -> Self {
        let told = Instant::now();
        let relay = (manner.direct.is_some() && !manner.answers).then(|| stream.follow());
        Self {
            jobs,
            stream,
            manner,
            flying: VecDeque::new(),
            told,
            kept: told,
            base: (0, 0.0),
            next_frame,
            began: None,
            last_time: -1.0,
            relay,
            missed: 0,
        }
    }

    /// Works until the source ends, breaks, or the stream is stopped.
    ///
    /// # Errors
    /// Why the source broke, or that the engine has stopped.
    pub fn run(&mut self, source: &mut dyn LiveSource, model: &dyn Detect) -> Result<()> {
        self.base = (self.next_frame, self.began.map_or(0.0, |began| began.elapsed().as_secs_f64()));
        let outcome = self.work(source, model);
        // What is still on its way is a result like any other.
        let rest = self.drain();
        self.stream.pictures.forget();
        outcome.and(rest)
    }

    fn work(&mut self, source: &mut dyn LiveSource, model: &dyn Detect) -> Result<()> {
        // As many as run at once: one more would only wait, and what waits grows old.
        let depth = model.at_once().max(1);
        while !self.stream.stop.is_cancelled() {
            if self.told.elapsed() >= TELL_EVERY {
                self.told = Instant::now();
                self.stream.tell_status();
            }
            if self.kept.elapsed() >= KEEP_EVERY {
                self.kept = Instant::now();
                self.jobs.keep_stream(self.stream);
            }
            self.relay();
            // Before the next picture is taken, not after: one that is taken too early grows old in the engine's queue.
            while self.flying.len() >= depth || matches!(self.flying.front(), Some(Flying::Told(_))) {
                self.collect()?;
            }
            let wait = if self.flying.is_empty() { LOOK } else { Duration::ZERO };
            match source.next(wait)? {
                Some(Arrival::Picture(picture)) => self.picture(picture, source, model)?,
                Some(Arrival::Broken { frame, detail }) => self.answer(&Answer::Error { frame, detail: &detail }),
                Some(Arrival::Skipped { frame }) => {
                    self.stream.change(|info| info.frames_dropped += 1);
                    self.jobs.meter.frames_dropped.inc();
                    self.answer(&Answer::Dropped { frame });
                }
                Some(Arrival::End) => return Ok(()),
                None => self.collect()?,
            }
        }
        Ok(())
    }

    fn picture(&mut self, picture: LiveFrame, source: &dyn LiveSource, model: &dyn Detect) -> Result<()> {
        let LiveFrame { mut frame, arrived, skipped } = picture;
        self.began.get_or_insert_with(Instant::now);
        frame.tag.frame += self.base.0;
        // Times rise strictly, whatever a sender's clock does: a file cannot hold two frames at once.
        frame.tag.time = round((frame.tag.time + self.base.1).max(self.last_time + 1e-3), 6);
        self.last_time = frame.tag.time;
        self.next_frame = frame.tag.frame + 1;
        if self.stream.is_paused() {
            if !self.stream.look(|info| info.state == StreamState::Paused) {
                self.stream.settle(|info| info.state = StreamState::Paused);
            }
            if self.manner.answers {
                self.answer(&Answer::Dropped { frame: frame.tag.frame });
            }
            return Ok(());
        }
        if skipped > 0 && !self.manner.answers {
            self.stream.change(|info| info.frames_dropped += skipped);
            self.jobs.meter.frames_dropped.inc_by(skipped);
            self.tell(&text(&Event::<(), ()>::Dropped { count: skipped }));
        }
        let mark = self.manner.mark.and_then(|strip| {
            let (mark, cut) = mark::read(strip, &frame);
            frame = cut;
            mark
        });
        lock(&self.stream.rates).came(1 + skipped);
        let (size, codec) = (frame.size, source.codec());
        let same = self.stream.look(|info| {
            info.state == StreamState::Live
                && (info.width, info.height) == (Some(size.width), Some(size.height))
                && info.codec == codec
        });
        if !same {
            self.stream.settle(|info| {
                info.state = StreamState::Live;
                (info.width, info.height) = (Some(size.width), Some(size.height));
                (info.codec, info.error, info.retry_at) = (codec, None, None);
            });
        }
        let pending = model.submit(&frame)?;
        self.flying.push_back(Flying::Detecting { frame, arrived, mark, pending });
        Ok(())
    }

    fn answer(&mut self, answer: &Answer<'_>) {
        self.flying.push_back(Flying::Told(text(answer)));
    }

    fn drain(&mut self) -> Result<()> {
        while !self.flying.is_empty() {
            self.collect()?;
        }
        Ok(())
    }

    /// Waits for the oldest picture's detections and tells them.
    fn collect(&mut self) -> Result<()> {
        let Some(oldest) = self.flying.pop_front() else { return Ok(()) };
        let (frame, arrived, mark, pending) = match oldest {
            Flying::Told(event) => {
                self.direct(&event);
                return Ok(());
            }
            Flying::Detecting { frame, arrived, mark, pending } => (frame, arrived, mark, pending),
        };
        let found: Arc<[Detection]> = pending(self.stream.threshold())?.into();
        if self.stream.is_paused() && !self.manner.answers {
            return Ok(());
        }
        let latency = arrived.elapsed();
        let meter = &self.jobs.meter;
        meter.detections.inc_by(found.len() as u64);
        meter.frames_live.inc();
        meter.live_seconds.observe(latency.as_secs_f64());
        lock(&self.stream.rates).done(latency);
        let event = text(&Event::<(), ()>::Frame(FrameEvent {
            frame: frame.tag.frame,
            time: frame.tag.time,
            width: frame.size.width,
            height: frame.size.height,
            detections: found.to_vec(),
            mark,
            latency_ms: Some(round(latency.as_secs_f64() * 1e3, 1)),
        }));
        let mut number = 0;
        self.stream.change(|info| {
            info.frames_done += 1;
            number = info.frames_done;
        });
        self.tell(&event);
        lock(&self.stream.recorder).push(&frame, &found);
        self.stream.pictures.show(number, frame, event);
        Ok(())
    }

    fn tell(&mut self, event: &Arc<str>) {
        if self.manner.answers {
            self.direct(event);
        }
        self.stream.tell(event);
        self.relay();
    }

    fn direct(&mut self, event: &str) -> bool {
        self.manner.direct.as_mut().is_some_and(|send| send(event))
    }

    /// Passes on what was told; what the other side is too slow for is counted, and told when it keeps up again.
    fn relay(&mut self) {
        while let Some(relay) = &mut self.relay {
            match relay.try_recv() {
                Ok(event) => {
                    if self.missed > 0 {
                        let lost = text(&Event::<(), ()>::Dropped { count: self.missed });
                        if self.direct(&lost) {
                            self.missed = 0;
                        }
                    }
                    if !self.direct(&event) {
                        self.missed += 1;
                    }
                }
                Err(TryRecvError::Lagged(events)) => self.missed += events,
                Err(_) => return,
            }
        }
    }
}
