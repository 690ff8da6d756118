//! The integration tests: one binary, so that it is linked once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test that waits for another process may sleep"
)]

mod darknet;
mod detector;
mod families;
mod media;
mod media_bad;
mod media_cancel;
mod media_encode;
mod media_encode_bad;
mod media_hard;
mod media_hostile;
mod media_jpeg;
mod media_network;
mod media_pictures;
mod media_pushed;
mod media_pushed_bad;
mod media_real;
mod media_shared;
mod media_template;
mod media_webrtc;
mod network;
mod service;
mod shared;
mod tidy;
mod vision;
mod vision_heif;
mod vision_mark;
mod vision_still;
mod webrtc;
