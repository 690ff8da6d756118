//! Annotated copies: their formats, and videos that are written while they come.

use std::path::{Path, PathBuf};

use crate::{
    error::{Error, Result},
    fault,
    frame::{Frame, Size},
    media::{Encoder, Format, Rate},
    vision::picture,
};

/// The ending of a picture's copy: its own where such pictures are written, so that `a.jpg` and `a.png` get two copies.
pub fn picture_ending(input: &Path) -> &str {
    let own = input.extension().and_then(|ending| ending.to_str()).unwrap_or("");
    if picture::WRITTEN.contains(&own.to_ascii_lowercase().as_str()) { own } else { "jpg" }
}

/// Where a copy goes that is only looked at.
pub fn shown(input: &Path) -> PathBuf {
    let name = input.file_stem().unwrap_or_default().to_string_lossy();
    std::env::temp_dir().join(format!("sightglass-{}-{name}.jpg", std::process::id()))
}

/// The format that a video's path names.
///
/// # Errors
/// It names none.
pub fn format_of(target: &Path) -> Result<Format> {
    let ending = target.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
    ending.parse().map_err(|words| fault!(BadRequest, "A video is written as .avi or .mp4: {words}"))
}

/// The ending of a picture's path, where pictures are written in its format.
///
/// # Errors
/// They are not.
pub fn picture_format(target: &Path) -> Result<String> {
    let ending = target.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
    match picture::WRITTEN.contains(&ending.as_str()) {
        true => Ok(ending),
        false => Err(fault!(BadRequest, "A picture is written as .jpg, .png, .webp or .bmp, not as `.{ending}`.")),
    }
}

/// The error of a file that cannot be written.
pub fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    fault!(BadRequest, "Cannot write `{}`: {error}.", path.display())
}

/// Writes a picture as the format that its path names.
///
/// # Errors
/// It names none, or the file cannot be written.
pub fn write_picture(frame: &Frame, target: &Path) -> Result<()> {
    std::fs::write(target, picture::encode(frame, target)?).map_err(|error| unwritable(target, &error))
}

/// Writes frames while they come: one is held back until the next tells how long it lasts.
pub struct Writer {
    encoder: Encoder,
    avi: bool,
    rate: Rate,
    /// Frames in the file.
    written: u64,
    held: Option<Frame>,
    first: Option<f64>,
}

impl Writer {
    /// # Errors
    /// The path names no format, or the file cannot be made.
    pub fn create(target: &Path, size: Size, rate: Rate) -> Result<Self> {
        let format = format_of(target)?;
        let encoder = Encoder::create(target, format, size, rate)?;
        Ok(Self { encoder, avi: format == Format::Avi, rate, written: 0, held: None, first: None })
    }

    /// # Errors
    /// The encoder failed, or the disk is full.
    pub fn write(&mut self, frame: Frame) -> Result<()> {
        let until = frame.tag.time;
        self.first.get_or_insert(until);
        match self.held.replace(frame) {
            Some(held) => self.emit(&held, until),
            None => Ok(()),
        }
    }

    /// Writes a frame that lasts until stream time `until`.
    fn emit(&mut self, frame: &Frame, until: f64) -> Result<()> {
        let duration = until - frame.tag.time;
        let mut times = 1;
        if self.avi {
            // AVI has no time stamps: a frame that lasts long is repeated; every frame is there at least once.
            let end = ((until - self.first.unwrap_or(0.0)) * self.rate.per_second()).round() as u64;
            times = end.saturating_sub(self.written).max(1);
        }
        for _ in 0..times {
            self.encoder.push(frame, frame.tag.time, duration)?;
            self.written += 1;
        }
        Ok(())
    }

    /// # Errors
    /// As [`Writer::write`].
    pub fn finish(mut self) -> Result<()> {
        if let Some(last) = self.held.take() {
            let until = last.tag.time + 1.0 / self.rate.per_second();
            self.emit(&last, until)?;
        }
        self.encoder.finish()
    }
}
