//! Buffers of one length that go round: a fresh megabyte for each frame would cost more than filling it.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

/// Unused buffers of one length. It never holds more than were in use at the same time.
#[derive(Debug)]
pub struct Pool {
    len: usize,
    free: Mutex<Vec<Vec<f32>>>,
}

impl Pool {
    pub fn new(len: usize) -> Arc<Self> {
        Arc::new(Self { len, free: Mutex::new(Vec::new()) })
    }

    /// A buffer with values of its last use, or zeros.
    pub fn take(self: &Arc<Self>) -> Buffer {
        let used = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Buffer { values: used.unwrap_or_else(|| vec![0.0; self.len]), pool: self.clone() }
    }
}

/// Values that go back to their pool when they are dropped.
#[derive(Debug)]
pub struct Buffer {
    values: Vec<f32>,
    pool: Arc<Pool>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
        self.pool.free.lock().unwrap_or_else(PoisonError::into_inner).push(values);
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}
