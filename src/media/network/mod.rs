//! Network cameras: RTSP, HTTP (motion JPEG, HLS, files) and SRT, from addresses that strangers wrote.
//!
//! GStreamer resolves no name and connects to nobody on its own: names are resolved and checked in `lines`, RTSP goes
//! through `relay`, HTTP is spoken by `http`, and SRT gets an address that was checked. Why: docs/design/0012.

mod address;
mod auth;
mod caller;
mod goodbyes;
mod head;
mod hls;
mod http;
mod lines;
mod names;
mod newest;
mod parts;
mod playing;
mod relay;
mod rules;
mod source;
mod srt;
mod tls;
mod web;

pub use address::StreamAddress;
pub(super) use goodbyes::Goodbye;
pub use goodbyes::cameras_are_gone;
pub use rules::NetworkRules;
pub use source::NetworkSource;
