//! The newest frame of a stream as JPEG, for as many viewers as there are, encoded once for each size.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::watch;

use super::stream::lock;
use crate::{error::Result, frame::Frame, media::JpegEncoder};

/// Widths that viewers may ask for: a tile of a wall, and a page.
const WIDTHS: [u32; 2] = [480, 1280];
/// The encoding thread looks this often whether anybody still watches.
const LOOK: Duration = Duration::from_millis(500);

/// A frame's event and its picture.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Counts the frames that were detected, so that a viewer knows how many it missed.
    pub number: u64,
    pub event: Arc<str>,
    pub jpeg: Bytes,
}

/// Encodes while somebody watches; a stream that nobody watches costs nothing.
#[derive(Default)]
pub struct Pictures {
    slot: Mutex<Slot>,
    came: Condvar,
    outlets: [Outlet; WIDTHS.len()],
}

#[derive(Default)]
struct Slot {
    newest: Option<(u64, Frame, Arc<str>)>,
    fresh: bool,
    /// A thread encodes.
    running: bool,
    closed: bool,
}

struct Outlet {
    viewers: AtomicUsize,
    sender: watch::Sender<Option<Arc<Shown>>>,
}

impl Default for Outlet {
    fn default() -> Self {
        Self { viewers: AtomicUsize::new(0), sender: watch::Sender::new(None) }
    }
}

/// One viewer's way to the pictures.
pub struct Follower {
    pub shown: watch::Receiver<Option<Arc<Shown>>>,
    pictures: Arc<Pictures>,
    outlet: usize,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.pictures.outlets[self.outlet].viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pictures {
    /// Shows a frame; only the newest is encoded. `number` counts the frames that were detected.
    pub(super) fn show(&self, number: u64, frame: Frame, event: Arc<str>) {
        let mut slot = lock(&self.slot);
        slot.newest = Some((number, frame, event));
        slot.fresh = true;
        self.came.notify_one();
    }

    /// Gives the last frame's memory back to the decoder, whose pool is about to go; viewers keep what they have.
    pub(super) fn forget(&self) {
        lock(&self.slot).newest = None;
    }

    /// No more pictures will come; viewers are told by the end of their channel's thread.
    pub(super) fn close(&self) {
        let mut slot = lock(&self.slot);
        slot.closed = true;
        slot.newest = None;
        self.came.notify_one();
    }

    /// Pictures of at most `width` pixels' width, from the newest on.
    ///
    /// # Errors
    /// The encoder's thread does not start.
    pub fn follow(self: &Arc<Self>, width: u32) -> Result<Follower> {
        let outlet = WIDTHS.iter().rposition(|known| *known <= width).unwrap_or(0);
        self.outlets[outlet].viewers.fetch_add(1, Ordering::Relaxed);
        let follower = Follower { shown: self.outlets[outlet].sender.subscribe(), pictures: self.clone(), outlet };
        let mut slot = lock(&self.slot);
        slot.fresh = true;
        if !slot.running && !slot.closed {
            let pictures = self.clone();
            std::thread::Builder::new()
                .name("pictures".into())
                .spawn(move || pictures.serve(JpegEncoders::default()))?;
            slot.running = true;
        }
        self.came.notify_one();
        drop(slot);
        Ok(follower)
    }

    fn watched(&self) -> bool {
        self.outlets.iter().any(|outlet| outlet.viewers.load(Ordering::Relaxed) > 0)
    }

    /// Encodes until nobody watches, also past an encoder that panics: that frame is lost, and no other.
    fn serve<E: Encode>(&self, mut encoders: E) {
        while catch_unwind(AssertUnwindSafe(|| self.encode(&mut encoders))).is_err() {
            tracing::error!("the encoder of a stream's pictures panicked; it is started again");
            encoders = E::default();
        }
    }

    /// Encodes the newest frame again and again until nobody watches.
    fn encode(&self, encoders: &mut impl Encode) {
        loop {
            let (number, frame, event) = {
                let slot = lock(&self.slot);
                let waiting = |slot: &mut Slot| !(slot.closed || slot.fresh && slot.newest.is_some());
                let (mut slot, _) = self
                    .came
                    .wait_timeout_while(slot, LOOK, waiting)
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                if slot.closed || !self.watched() {
                    slot.running = false;
                    return;
                }
                let Some(newest) = slot.newest.clone().filter(|_| slot.fresh) else { continue };
                slot.fresh = false;
                newest
            };
            for (at, outlet) in self.outlets.iter().enumerate() {
                if outlet.viewers.load(Ordering::Relaxed) == 0 {
                    continue;
                }
                match encoders.encode(at, &frame) {
                    Ok(jpeg) => {
                        outlet.sender.send_replace(Some(Arc::new(Shown { number, event: event.clone(), jpeg })));
                    }
                    Err(error) => {
                        tracing::warn!(error = %error.full(), "a picture for viewers could not be encoded");
                    }
                }
            }
        }
    }
}

/// Encoders of all widths; in tests, ones that fail.
trait Encode: Default {
    /// Encodes a frame at the width `WIDTHS[at]`.
    fn encode(&mut self, at: usize, frame: &Frame) -> Result<Bytes>;
}

/// One encoder for each width that is watched.
#[derive(Default)]
struct JpegEncoders([Option<JpegEncoder>; WIDTHS.len()]);

impl Encode for JpegEncoders {
    fn encode(&mut self, at: usize, frame: &Frame) -> Result<Bytes> {
        let encoder = match &mut self.0[at] {
            Some(encoder) => encoder,
            none => none.insert(JpegEncoder::new(WIDTHS[at])?),
        };
        // One that failed is not used again.
        encoder.encode(frame).inspect_err(|_| self.0[at] = None)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::fakes::frame, *};

    /// Panics on frames of odd numbers.
    #[derive(Default)]
    struct Panics;

    impl Encode for Panics {
        fn encode(&mut self, _: usize, frame: &Frame) -> Result<Bytes> {
            assert!(frame.tag.frame.is_multiple_of(2), "a frame that cannot be encoded");
            Ok(Bytes::from(frame.tag.frame.to_string()))
        }
    }

    #[test]
    fn viewers_go_on_after_an_encoder_panicked() {
        let pictures = Arc::<Pictures>::default();
        // As `follow`, with another encoder.
        lock(&pictures.slot).running = true;
        let mut follower = pictures.follow(WIDTHS[0]).expect("a follower");
        let encoding = {
            let pictures = pictures.clone();
            std::thread::spawn(move || pictures.serve(Panics))
        };
        let shown = |follower: &mut Follower, number: u64| {
            while follower.shown.borrow_and_update().as_ref().is_none_or(|shown| shown.number != number) {
                futures_wait(&mut follower.shown);
            }
        };
        for number in 0..3 {
            pictures.show(2 * number, frame(2 * number, 0.0), Arc::from(""));
            shown(&mut follower, 2 * number);
            pictures.show(2 * number + 1, frame(2 * number + 1, 0.0), Arc::from(""));
            // Taken, and lost.
            while lock(&pictures.slot).fresh {
                std::thread::yield_now();
            }
        }
        drop(follower);
        encoding.join().expect("it ends when nobody watches");
        assert!(!lock(&pictures.slot).running, "another viewer starts it again");
    }

    fn futures_wait(shown: &mut watch::Receiver<Option<Arc<Shown>>>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(shown.changed()).expect("pictures come");
    }
}
