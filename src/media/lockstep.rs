//! A pipeline in lockstep with its caller: one buffer in, and at once it is known what came of it.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::Duration,
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;

use crate::error::{Error, Result};

/// The event that follows each buffer.
const FOLLOWS: &str = "sightglass-follows";
/// Words that wait at most: only the first matters.
const WORDS: usize = 4;

/// What came of a buffer.
pub enum Outcome {
    Sample(gst::Sample),
    /// The buffer was worked off without a sample.
    Nothing,
    /// The pipeline broke, in GStreamer's words, and takes no more buffers.
    Failed(String),
}

enum Word {
    WorkedOff,
    Failed(String),
}

/// A running pipeline from an `appsrc name=source` to an `appsink name=sink`, with no queue in between. Dropping it
/// stops it.
pub struct Lockstep {
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    sink: gst_app::AppSink,
    words: Receiver<Word>,
}

impl Lockstep {
    /// Starts a built pipeline.
    ///
    /// # Errors
    /// [`Internal`](crate::error::Kind::Internal) when the pipeline is not as described above.
    pub fn start(pipeline: gst::Pipeline) -> Result<Self> {
        let broken = |why: &str| Error::internal("A media pipeline of the server is broken; its log says more.", why);
        let source = pipeline
            .by_name("source")
            .and_then(|source| source.downcast::<gst_app::AppSrc>().ok())
            .ok_or_else(|| broken("no appsrc named source"))?;
        let sink = pipeline
            .by_name("sink")
            .and_then(|sink| sink.downcast::<gst_app::AppSink>().ok())
            .ok_or_else(|| broken("no appsink named sink"))?;
        let bus = pipeline.bus().ok_or_else(|| broken("no bus"))?;
        let (say, words) = sync_channel(WORDS);
        watch(&bus, say.clone());
        // Without a queue a buffer's push returns when all that comes of it lies in the appsink; only then the event
        // behind it is pushed.
        source.static_pad("src").ok_or_else(|| broken("no pad"))?.add_probe(
            gst::PadProbeType::EVENT_DOWNSTREAM,
            move |_, info| {
                if info.event().and_then(|event| event.structure()).is_some_and(|told| told.name() == FOLLOWS) {
                    let _ = say.try_send(Word::WorkedOff);
                    return gst::PadProbeReturn::Handled;
                }
                gst::PadProbeReturn::Ok
            },
        );
        super::running::lend_strides(&sink);
        let lockstep = Self { pipeline, source, sink, words };
        // A failure is told in detail on the bus, where `outcome` finds it.
        if let Err(error) = lockstep.pipeline.set_state(gst::State::Playing) {
            tracing::debug!(%error, "a pipeline did not start");
        }
        Ok(lockstep)
    }

    /// An element of the pipeline, to set its properties between two buffers.
    pub fn element(&self, name: &str) -> Option<gst::Element> {
        self.pipeline.by_name(name)
    }

    /// Says what the buffers are from now on.
    pub fn set_caps(&self, caps: &gst::Caps) {
        self.source.set_caps(Some(caps));
    }

    /// Gives a buffer; the next one may follow when [`Lockstep::outcome`] has told what came of this one.
    pub fn push(&self, buffer: gst::Buffer) {
        // A pipeline that takes nothing has told why on its bus.
        let _ = self.source.push_buffer(buffer);
        self.source.send_event(gst::event::CustomDownstream::new(gst::Structure::new_empty(FOLLOWS)));
    }

    /// What came of the buffer; None when that is not known within `wait`.
    pub fn outcome(&self, wait: Duration) -> Option<Outcome> {
        Some(match self.words.recv_timeout(wait).ok()? {
            Word::WorkedOff => match self.sink.try_pull_sample(gst::ClockTime::ZERO) {
                Some(sample) => Outcome::Sample(sample),
                None => Outcome::Nothing,
            },
            Word::Failed(why) => Outcome::Failed(why),
        })
    }
}

/// GStreamer's words on an error, with the place in its code where they come with one.
fn failure(message: &gst::message::Error) -> String {
    match message.debug() {
        Some(debug) => format!("{} ({debug})", message.error()),
        None => message.error().to_string(),
    }
}

/// Passes errors on, and keeps nothing else.
fn watch(bus: &gst::Bus, say: SyncSender<Word>) {
    bus.set_sync_handler(move |_, message| {
        match message.view() {
            gst::MessageView::Error(message) => {
                let _ = say.try_send(Word::Failed(failure(message)));
            }
            gst::MessageView::Warning(message) => {
                tracing::debug!(warning = %message.error(), debug = ?message.debug(), "pipeline warning")
            }
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
}

impl Drop for Lockstep {
    fn drop(&mut self) {
        if self.pipeline.set_state(gst::State::Null).is_err() {
            tracing::warn!("a pipeline did not stop");
        }
    }
}
