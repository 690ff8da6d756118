//! The integration tests: one binary, so that the crate is linked once.

mod media;
mod media_bad;
mod media_encode;
mod media_encode_bad;
mod media_hard;
mod media_pictures;
mod media_shared;
mod media_template;
mod shared;
