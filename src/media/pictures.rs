use std::path::Path;
use bytes::Bytes;
use super::Limits;
use crate::error::Result;
/// One frame as an upright JPEG.
pub struct Picture { pub time: f64, pub jpeg: Bytes }
pub struct FilePictures;
impl FilePictures {
    /// From stream time `from` (seconds) on; pictures are scaled down to `max_width`.
    pub fn open(_path: &Path, _limits: &Limits, _from: f64, _max_width: u32) -> Result<Self> { todo!() }
    pub fn next_picture(&mut self) -> Result<Option<Picture>> { todo!() }
}
