//! Makes an AVI whole that was cut off while it was written: its index is made anew.

use std::{path::Path, time::Duration};

use gstreamer::{self as gst, prelude::*};

use super::{Format, Template, Value, decode::utf8};
use crate::{error::Result, fault};

/// No recording takes so long: its packets are only copied.
const PATIENCE: Duration = Duration::from_secs(300);

/// Copies the pictures that are there into a whole file. MP4 has no index before its end, so it cannot be mended.
///
/// # Errors
/// [`Unprocessable`](crate::error::Kind::Unprocessable) when the file cannot be read, or is none that can be mended.
pub fn mend_avi(part: &Path, file: &Path, format: Format) -> Result<()> {
    let broken = || fault!(Unprocessable, "The recording was cut off, and the file cannot be mended.");
    if format != Format::Avi {
        return Err(broken());
    }
    let values = [("part", Value::Str(utf8(part)?)), ("file", Value::Str(utf8(file)?))];
    let pipeline = Template::get("mend-avi")?.build(&values)?;
    let bus = pipeline.bus().ok_or_else(broken)?;
    let started = pipeline.set_state(gst::State::Playing);
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let patience = gst::ClockTime::from_seconds(PATIENCE.as_secs());
    let end = started.ok().and_then(|_| bus.timed_pop_filtered(patience, &wanted));
    bus.set_flushing(true);
    let _ = pipeline.set_state(gst::State::Null);
    match end.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => Ok(()),
        Some(gst::MessageView::Error(error)) => Err(broken().with_cause(error.error())),
        _ => Err(broken().with_cause("it took too long")),
    }
}
