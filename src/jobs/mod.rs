//! Work that outlives a request: videos, recordings, and the store that remembers them.
//!
//! A video is worked on by one thread ([`detect`]), a recording by another ([`record`]); [`Jobs`] starts, counts and
//! stops them ([`queue`], [`lanes`]), and does what clients ask ([`control`], [`recordings`]). Lock order: a video's claim,
//! its token's gate, then the lanes, the hub or the store; none of the last three is held while another is taken. Live streams ([`live`]) have a thread each and keep nothing but recordings. What videos' workers find goes to the [`Store`] first and is then announced through the [`Hub`]; viewers
//! read frames from the store, so a slow or late one gets the very same events and costs no memory.

mod backend;
mod clock;
mod control;
mod detect;
mod files;
mod hub;
mod kept;
mod lanes;
mod live;
mod models;
mod queue;
mod record;
mod recording;
mod recordings;
mod resume;
mod retention;
mod retry;
mod store;
mod store_deletion;
mod store_readers;
mod store_recordings;
mod store_retention;
mod store_schema;
mod store_streams;
mod store_suspects;
mod suspects;
#[cfg(test)]
mod tests;
mod timing;
mod trials;
mod upkeep;
mod video;

pub use files::{Files, free_bytes};
pub use hub::{Following, Hub, Snapshot};
pub use kept::KeptPictures;
pub use live::{
    Direct, Follower, Manner, NewNetworkStream, Shown, Stream, StreamInfo, StreamKind, StreamSettings, StreamState,
    Streams, Wishes,
};
pub use models::Models;
pub use queue::{JobSettings, Jobs};
pub use recording::{Recording, RecordingOptions, RecordingState};
pub use retention::Retention;
pub use store::{FrameRow, Store, Transition};
pub use trials::Activity;
pub use video::{Video, VideoState};

use rand::RngExt;

/// A new id: 128 random bits, URL-safe, unguessable.
pub fn new_id() -> String {
    let bits: u128 = rand::rng().random();
    format!("{bits:032x}")
}

/// Now, as RFC 3339 in UTC with milliseconds.
pub fn now() -> String {
    let now = time::OffsetDateTime::now_utc();
    let now = now.replace_millisecond(now.millisecond()).unwrap_or(now);
    now.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}
