//! Sightglass: every frame of a video with the boxes of exactly that frame.
//!
//! The map of the crate, from the outside in; a module uses only those that stand below it:
//!
//! | module | what it is |
//! |---|---|
//! | [`cli`] | the command line: one file per subcommand |
//! | [`app`] | the only file that knows everybody: builds, connects, stops in order |
//! | [`web`] | HTTP and WebSocket: one file per resource |
//! | [`jobs`] | work that outlives a request: videos, recordings, and the store |
//! | [`detector`] | a frame in, detections out: the one chain that everything uses |
//! | [`media`], [`models`], [`engine`] | GStreamer · what a model's numbers mean · running tensors; none knows another |
//! | [`eval`] | how right a detector is, by COCO's measure |
//! | [`vision`] | pure functions on plain values: geometry, letterbox to tensor, NMS, drawing |
//! | [`still`], [`frame`], [`event`], [`config`], [`error`], [`cancel`], [`meter`], [`heap`] | the words that all of them share |
//!
//! `docs/ARCHITECTURE.md` follows one frame through it.

pub mod app;
pub mod cancel;
pub mod cli;
pub mod config;
pub mod detector;
pub mod engine;
pub mod error;
pub mod eval;
pub mod event;
pub mod frame;
pub mod heap;
pub mod jobs;
pub mod media;
pub mod meter;
pub mod models;
pub mod still;
pub mod vision;
pub mod web;
