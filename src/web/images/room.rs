//! How much of single pictures is in memory at once: so many of them, so many bytes of bodies, so many pixels.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    error::{Error, Result},
    fault,
};

/// Pictures in hand: read, waiting or worked on. One more is told to come back.
const MOST_PICTURES: usize = 64;
/// Bytes of all bodies in hand.
const MOST_BYTES: usize = 256 << 20;
/// Pixels of all pictures being worked on: so many pictures of the largest size,
const MOST_LARGEST: u64 = 2;
/// and in any case so many pixels. A pixel costs up to 15 bytes: decoded, turned, drawn, and a progressive JPEG's own.
const LEAST_PIXELS: u64 = 16_000_000;

/// The room that there is.
pub struct Room {
    pictures: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    pixels: Arc<Semaphore>,
    most_pixels: u32,
}

/// A picture's place, given back when it is dropped.
pub(super) struct Place {
    _picture: OwnedSemaphorePermit,
    bytes: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Room for pictures of at most `max_pixels` each.
    pub fn new(max_pixels: u64) -> Self {
        let pixels = max_pixels.saturating_mul(MOST_LARGEST).max(LEAST_PIXELS);
        let most_pixels = u32::try_from(pixels).unwrap_or(u32::MAX);
        Self {
            pictures: Arc::new(Semaphore::new(MOST_PICTURES)),
            bytes: Arc::new(Semaphore::new(MOST_BYTES)),
            pixels: Arc::new(Semaphore::new(most_pixels as usize)),
            most_pixels,
        }
    }

    /// Takes a place for one more picture.
    ///
    /// # Errors
    /// [`Busy`](crate::error::Kind::Busy): there is none.
    pub(super) fn enter(&self) -> Result<Place> {
        let picture = self.pictures.clone().try_acquire_owned().map_err(|_| full())?;
        Ok(Place { _picture: picture, bytes: self.bytes.clone(), held: None })
    }

    /// Waits, first come first served, until so many pixels may be worked on.
    pub(super) async fn pixels(&self, count: u64) -> Result<OwnedSemaphorePermit> {
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(self.most_pixels);
        let pixels = self.pixels.clone().acquire_many_owned(count).await;
        pixels.map_err(|error| Error::internal("The server is stopping.", error))
    }
}

impl Place {
    /// Takes room for so many more bytes of the body.
    pub fn hold(&mut self, bytes: usize) -> Result<()> {
        let count = u32::try_from(bytes).unwrap_or(u32::MAX);
        let permit = self.bytes.clone().try_acquire_many_owned(count).map_err(|_| full())?;
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        Ok(())
    }
}

fn full() -> Error {
    fault!(Busy, "The server has as many pictures in hand as it can take: try again in a moment.")
}
