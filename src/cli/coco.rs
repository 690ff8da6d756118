//! Detections of many inputs as one file of COCO's results.

use std::{
    collections::HashSet,
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use super::output::can_write;
use crate::{
    error::Result,
    eval::results::{Found, Writer},
    event::FrameEvent,
    fault,
};

/// Starts a file of results.
///
/// # Errors
/// It cannot be written.
pub fn create(file: &Path) -> Result<Writer<BufWriter<File>>> {
    can_write(file)?;
    let out = File::create(file);
    let out = out.map_err(|error| fault!(BadRequest, "{}: cannot be written: {error}.", file.display()))?;
    Writer::new(BufWriter::new(out))
}

/// A file that grows picture by picture. The category of a detection is its class, counted from 0 as the model's labels are.
pub struct Results {
    writer: Writer<BufWriter<File>>,
    /// Of the images so far; an image is there once.
    ids: HashSet<i64>,
    /// Pictures and videos so far.
    inputs: HashSet<PathBuf>,
}

impl Results {
    /// # Errors
    /// As [`create`].
    pub fn create(file: &Path) -> Result<Self> {
        Ok(Self { writer: create(file)?, ids: HashSet::new(), inputs: HashSet::new() })
    }

    /// Adds what was found on a `picture`, or on the next frame of a video.
    ///
    /// # Errors
    /// Another image has the same id, or the disk is full.
    pub fn push(&mut self, input: &Path, picture: bool, event: &FrameEvent) -> Result<()> {
        self.inputs.insert(input.to_owned());
        let id = if picture { number(input).unwrap_or(self.inputs.len() as i64) } else { event.frame as i64 };
        if !self.ids.insert(id) {
            return Err(fault!(
                BadRequest,
                "Another input has the image id {id} already: write its COCO results to a file of its own."
            ));
        }
        event
            .detections
            .iter()
            .try_for_each(|detection| self.writer.push(&Found::new(id, i64::from(detection.class_id), detection)))
    }

    pub fn finish(self) -> Result<()> {
        self.writer.finish()
    }
}

/// The number that a picture is called, as COCO calls its pictures: 139 of `000000000139.jpg`.
fn number(input: &Path) -> Option<i64> {
    let name = input.file_stem()?.to_str()?;
    name.parse().ok().filter(|_| name.bytes().all(|byte| byte.is_ascii_digit()))
}
