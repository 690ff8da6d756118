use std::path::Path;
use super::{Limits, Rate};
use crate::{error::Result, frame::{Frame, Size}};
/// What a file says of itself, upright and with square pixels.
#[derive(Clone, Debug)]
pub struct MediaInfo {
    pub size: Size,
    /// None where the container gives none.
    pub rate: Option<Rate>,
    /// Seconds.
    pub duration: Option<f64>,
    /// duration x rate, rounded: an estimate.
    pub frames: Option<u64>,
    pub container: Option<String>,
    pub codec: Option<String>,
    /// MIME type of the file, e.g. `video/mp4`.
    pub mime: &'static str,
}
pub struct FileSource;
impl FileSource {
    /// Opens a file and waits for its first frame.
    pub fn open(_source: &str, _path: &Path, _limits: &Limits) -> Result<Self> { todo!() }
    pub fn info(&self) -> &MediaInfo { todo!() }
    /// The next frame, None at the end.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> { todo!() }
    /// After the end: why frames may be missing.
    pub fn warning(&self) -> Option<String> { todo!() }
}
