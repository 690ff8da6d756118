//! How much of single pictures is in memory at once: so many of them, so many bytes of bodies, so many pixels.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    error::{Error, Result},
    fault,
    web::visitor::peer_network,
};

/// Pictures that have arrived: waiting or in progress. Further ones are rejected with 429.
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
    /// Bytes of the bodies of each visitor; no zeros.
    of_visitors: Arc<Mutex<HashMap<IpAddr, usize>>>,
    pixels: Arc<Semaphore>,
    most_pixels: u32,
}

/// The part of [`MOST_BYTES`] that one visitor may hold.
const MOST_BYTES_OF_ONE: usize = MOST_BYTES / 4 * 3;

/// Memory that a body takes while it arrives and afterwards, given back when this is dropped.
pub(super) struct Held {
    bytes: Arc<Semaphore>,
    of_visitors: Arc<Mutex<HashMap<IpAddr, usize>>>,
    visitor: IpAddr,
    count: usize,
}

/// The place of a picture that has arrived, given back when it is dropped.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Room {
    /// Room for pictures of at most `max_pixels` each.
    pub fn new(max_pixels: u64) -> Self {
        let pixels = max_pixels.saturating_mul(MOST_LARGEST).max(LEAST_PIXELS);
        let most_pixels = u32::try_from(pixels).unwrap_or(u32::MAX);
        Self {
            pictures: Arc::new(Semaphore::new(MOST_PICTURES)),
            bytes: Arc::new(Semaphore::new(MOST_BYTES)),
            of_visitors: Arc::default(),
            pixels: Arc::new(Semaphore::new(most_pixels as usize)),
            most_pixels,
        }
    }

    /// Memory for a body that is about to arrive; none is taken yet. So a body that never ends holds no picture's place.
    pub(super) fn body(&self, visitor: IpAddr) -> Held {
        let visitor = peer_network(visitor);
        Held { bytes: self.bytes.clone(), of_visitors: self.of_visitors.clone(), visitor, count: 0 }
    }

    /// Takes a place for a picture that has arrived.
    ///
    /// # Errors
    /// [`Busy`](crate::error::Kind::Busy): there is none.
    pub(super) fn enter(&self) -> Result<Place> {
        let permit = self.pictures.clone().try_acquire_owned().map_err(|_| full())?;
        Ok(Place { _permit: permit })
    }

    /// Waits, first come first served, until so many pixels may be worked on.
    pub(super) async fn pixels(&self, count: u64) -> Result<OwnedSemaphorePermit> {
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(self.most_pixels);
        let pixels = self.pixels.clone().acquire_many_owned(count).await;
        pixels.map_err(|error| Error::internal("The server is stopping.", error))
    }
}

impl Held {
    /// Takes so many more bytes.
    ///
    /// # Errors
    /// [`Busy`](crate::error::Kind::Busy): all bodies together hold what they may, or those of this visitor do.
    pub fn hold(&mut self, bytes: usize) -> Result<()> {
        let mut visitors = self.of_visitors.lock().unwrap_or_else(PoisonError::into_inner);
        let own = visitors.get(&self.visitor).copied().unwrap_or_default() + bytes;
        let count = u32::try_from(bytes).unwrap_or(u32::MAX);
        if own > MOST_BYTES_OF_ONE {
            return Err(full());
        }
        // Given back by `drop`.
        self.bytes.try_acquire_many(count).map_err(|_| full())?.forget();
        visitors.insert(self.visitor, own);
        self.count += bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.bytes.add_permits(self.count);
        let mut visitors = self.of_visitors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = visitors.get_mut(&self.visitor) {
            *own -= self.count;
            if *own == 0 {
                visitors.remove(&self.visitor);
            }
        }
    }
}

fn full() -> Error {
    fault!(Busy, "The server has as many pictures in hand as it can take: try again in a moment.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_hold_memory_and_no_place() {
        let room = Room::new(1);
        let [one, other]: [IpAddr; 2] = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        let mut bodies: Vec<Held> = (0..10 * MOST_PICTURES).map(|_| room.body(one)).collect();
        let place = room.enter().expect("a place, however many bodies arrive");
        bodies[0].hold(MOST_BYTES_OF_ONE).expect("room");
        assert!(bodies[1].hold(1).is_err(), "one visitor leaves room to others");
        let mut of_other = room.body(other);
        of_other.hold(MOST_BYTES - MOST_BYTES_OF_ONE).expect("room");
        assert!(of_other.hold(1).is_err(), "it is all in use");
        bodies.clear();
        drop((of_other, place));
        assert_eq!(room.bytes.available_permits(), MOST_BYTES);
        assert_eq!(room.pictures.available_permits(), MOST_PICTURES);
        assert!(room.of_visitors.lock().expect("no panic").is_empty());
        let _full: Vec<Place> = (0..MOST_PICTURES).map(|_| room.enter().expect("a place")).collect();
        assert!(room.enter().is_err());
    }
}
