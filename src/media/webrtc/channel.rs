//! The data channel `detections`: text to and from the sender.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gstreamer_webrtc::{WebRTCDataChannel, WebRTCDataChannelState};

/// What is done with a text that came. It must not block: GStreamer's thread calls it.
pub type OnMessage = Box<dyn Fn(&str) + Send + Sync>;

/// The one label that is served.
pub const LABEL: &str = "detections";
/// More than this many bytes on their way mean that the other side is too slow.
const MOST_BUFFERED: u64 = 256 << 10;

/// A way to the sender that outlives its session: then it sends nothing.
#[derive(Clone, Default)]
pub struct Channel(Arc<Mutex<Option<WebRTCDataChannel>>>);

impl Channel {
    /// Sends text; false when the channel is not open or the other side is too slow.
    pub fn send(&self, text: &str) -> bool {
        // The lock is held while sending, so that nothing is sent once `close` has returned.
        let channel = self.lock();
        let open = channel.as_ref().filter(|channel| {
            channel.ready_state() == WebRTCDataChannelState::Open
                && channel.buffered_amount().saturating_add(text.len() as u64) <= MOST_BUFFERED
        });
        open.is_some_and(|channel| channel.send_string_full(Some(text)).is_ok())
    }

    /// Takes the sender's channel; the first of its label is the one.
    pub(super) fn open(&self, channel: WebRTCDataChannel) {
        self.lock().get_or_insert(channel);
    }

    /// Nothing more is sent.
    pub(super) fn close(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<WebRTCDataChannel>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
