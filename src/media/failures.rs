//! Errors of decodebin's elements that decodebin keeps to itself.
//!
//! While decodebin 1.22 tries an element it holds back that element's errors, and when the element has reached PAUSED it
//! throws away what it held back (`remove_error_filter` in gstdecodebin2.c). A demuxer's thread runs by then: an error
//! that it posts before the filter is gone never reaches the pipeline's bus, no end of stream follows, and whoever waits
//! for the pipeline waits for nothing. So each element gets a bus of its own, which notes errors and passes everything on.

use std::sync::{Arc, Mutex, PoisonError};

use gstreamer::{self as gst, prelude::*};

/// More are not kept: one is enough to end the pipeline.
const MOST: usize = 16;

/// The errors that elements posted, with who posted them.
#[derive(Clone, Default)]
pub struct Failures(Arc<Mutex<Vec<Failure>>>);

type Failure = (gst::glib::WeakRef<gst::Element>, gst::glib::Error);

impl Failures {
    /// Notes the errors of an element that was just added to a bin and does nothing yet.
    pub fn listen(&self, element: &gst::Element) {
        let Some(bus) = element.bus() else {
            return;
        };
        let own = gst::Bus::new();
        let (failures, source) = (self.clone(), element.downgrade());
        own.set_sync_handler(move |_, message| {
            if let gst::MessageView::Error(message) = message.view() {
                failures.note(&source, message.error());
            }
            // The bin's bus handles it at once, in this thread, as if the element had posted it there.
            let _ = bus.post(message.clone());
            gst::BusSyncReply::Drop
        });
        element.set_bus(Some(&own));
    }

    fn note(&self, source: &gst::glib::WeakRef<gst::Element>, error: gst::glib::Error) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() < MOST {
            noted.push((source.clone(), error));
        }
    }

    /// The first error of an element that is in use. An element that decodebin only tried stays below PAUSED and is taken
    /// out again: its errors do not count, because another one may follow.
    pub fn first(&self) -> Option<gst::glib::Error> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.iter().find_map(|(source, error)| {
            let element = source.upgrade()?;
            (element.parent().is_some() && element.current_state() >= gst::State::Paused).then(|| error.clone())
        })
    }
}
