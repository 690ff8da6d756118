use crate::{error::Result, frame::Frame};
pub fn read(_bytes: &[u8], _max_pixels: u64) -> Result<Frame> { todo!() }
pub fn encode(_frame: &Frame, _target: &std::path::Path) -> Result<Vec<u8>> { todo!() }
