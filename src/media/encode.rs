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
impl Format { pub fn as_str(self) -> &'static str { match self { Self::Avi => "avi", Self::Mp4 => "mp4" } } }
impl serde::Serialize for Format { fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> { s.serialize_str(self.as_str()) } }
impl<'de> serde::Deserialize<'de> for Format { fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> { let s = String::deserialize(d)?; match s.as_str() { "avi" => Ok(Self::Avi), "mp4" => Ok(Self::Mp4), _ => Err(serde::de::Error::custom("format is avi or mp4")) } } }
impl Format { pub fn mime(self) -> &'static str { match self { Self::Avi => "video/x-msvideo", Self::Mp4 => "video/mp4" } } }
impl std::str::FromStr for Format { type Err = String; fn from_str(s: &str) -> std::result::Result<Self, String> { match s { "avi" => Ok(Self::Avi), "mp4" => Ok(Self::Mp4), o => Err(format!("`{o}` is neither avi nor mp4")) } } }
