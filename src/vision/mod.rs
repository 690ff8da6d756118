//! Pure functions on plain values: geometry, letterbox to tensor, NMS, drawing.
pub mod draw;
pub mod picture;
