//! Pure functions on plain values: geometry, letterbox to tensor, NMS, drawing, still pictures.
//!
//! OpenCV lives here and nowhere else, and so do the readers of GIF and HEIF, which OpenCV has not, and the drawing of
//! text.

pub mod draw;
pub mod geometry;
pub mod mark;
pub mod nms;
pub mod picture;
pub mod plot;
pub mod tensor;

mod animation;
mod canvas;
mod gif;
mod heif;
mod hershey;
mod label;
mod shaped;
