//! Pure functions on plain values: geometry, letterbox to tensor, NMS, drawing, still pictures.
//!
//! OpenCV lives here and nowhere else, and so does the reader of GIF, which OpenCV has not.

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
