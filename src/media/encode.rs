use std::path::Path;
use super::Rate;
use crate::{error::Result, frame::{Frame, Size}};
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format { Avi, Mp4 }
pub struct Encoder;
impl Encoder {
    pub fn create(_path: &Path, _format: Format, _size: Size, _rate: Rate) -> Result<Self> { todo!() }
    /// Queues one picture, blocking while the encoder is behind. `time` in seconds; ignored for AVI.
    pub fn push(&mut self, _frame: &Frame, _time: f64, _duration: f64) -> Result<()> { todo!() }
    /// Writes what is left and closes the file; dropping an encoder without this abandons the file.
    pub fn finish(self) -> Result<()> { todo!() }
}
