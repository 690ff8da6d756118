//! Frames to JPEG pictures.

use std::time::Duration;

use bytes::Bytes;
use gstreamer::{self as gst, prelude::*};

use super::{
    Rate, Template,
    lockstep::{Lockstep, Outcome},
    shape,
};
use crate::{
    error::{Error, Result},
    frame::{Frame, Range, Size},
};

/// An encoder that takes longer for a picture is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pictures come when they come.
const RATE: Rate = Rate { num: 0, den: 1 };

/// Encodes frames as JPEG pictures for viewers. Dropping it stops everything.
pub struct JpegEncoder {
    max_width: u32,
    pipeline: Lockstep,
    /// What the frames are.
    caps: Option<gst::Caps>,
}

impl JpegEncoder {
    /// Pictures that are wider than `max_width` pixels are scaled down, to even sizes; others keep theirs.
    ///
    /// # Errors
    /// [`Unavailable`](crate::error::Kind::Unavailable) when an element is not installed.
    pub fn new(max_width: u32) -> Result<Self> {
        Ok(Self { max_width, pipeline: start()?, caps: None })
    }

    /// The frame as a JPEG. Size and colours may be others than those of the frame before.
    ///
    /// # Errors
    /// [`Internal`](crate::error::Kind::Internal) when the encoder fails; the next frame may be encoded again.
    pub fn encode(&mut self, frame: &Frame) -> Result<Bytes> {
        let encoded = self.attempt(frame);
        if encoded.is_err() {
            self.pipeline = start()?;
            self.caps = None;
        }
        encoded
    }

    fn attempt(&mut self, frame: &Frame) -> Result<Bytes> {
        let broken = |why: &str| Error::internal("The server could not make a picture for the viewers.", why);
        // What a JPEG always is; videoconvert changes the matrix where it must.
        let frame = &shape::ranged(frame, Range::Full);
        let caps = shape::input(frame, RATE);
        if self.caps.as_ref() != Some(&caps) {
            let size = scaled(frame.size, self.max_width);
            let size = gst::Caps::builder("video/x-raw")
                .field("width", size.width as i32)
                .field("height", size.height as i32)
                .build();
            let filter = self.pipeline.element("size").ok_or_else(|| broken("no capsfilter named size"))?;
            filter.set_property("caps", size);
            self.pipeline.set_caps(&caps);
            self.caps = Some(caps);
        }
        self.pipeline.push(shape::buffer(frame)?);
        match self.pipeline.outcome(PATIENCE) {
            Some(Outcome::Sample(sample)) => {
                let map = sample.buffer().ok_or_else(|| broken("no buffer"))?.map_readable();
                // Copied, because jpegenc's buffer is as large as the raw picture.
                Ok(Bytes::copy_from_slice(&map.map_err(|_| broken("not readable"))?))
            }
            Some(Outcome::Nothing) => Err(broken("no picture came out")),
            Some(Outcome::Failed(why)) => Err(broken(&why)),
            None => Err(broken("the encoder stopped working")),
        }
    }
}

fn start() -> Result<Lockstep> {
    Lockstep::start(Template::get("jpeg")?.build(&[])?)
}

/// The size that is not wider than `most`.
fn scaled(size: Size, most: u32) -> Size {
    if size.width <= most {
        return size;
    }
    let even = |length: f64| ((length / 2.0).round() as u32 * 2).max(2);
    let width = (most / 2 * 2).max(2);
    Size::new(width, even(f64::from(size.height) * f64::from(width) / f64::from(size.width)))
}
