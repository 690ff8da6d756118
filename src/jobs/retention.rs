//! Forgets finished videos and recordings of live streams by age and by size; off unless the operator asks for it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Jobs, clock, store_retention::Kept};
use crate::error::{Error, Result};

/// So many are looked up at once; there may be many thousands.
const PAGE: usize = 100;

/// What may be kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retention {
    /// Finished videos and live recordings older than this are deleted.
    pub age: Option<Duration>,
    /// When all files together take more bytes, the oldest of them are deleted.
    pub bytes: Option<u64>,
}

impl Jobs {
    /// Deletes what is beyond the limits; returns how many.
    ///
    /// # Errors
    /// The store or the disk fails. A full disk is no error: deleting makes room.
    pub fn apply_retention(self: &Arc<Self>) -> Result<usize> {
        self.files.kept.forget_old();
        let now = SystemTime::now();
        let trusted = self.upkeep.clock().is_trusted(now, clock::steady());
        self.files.mark_used(now);
        let limits = self.settings.retention;
        let mut deleted = 0;
        if let Some(age) = limits.age.filter(|_| trusted) {
            // Beyond the calendar nothing is that old.
            let oldest = time::Duration::try_from(age).ok().and_then(|age| {
                let oldest = time::OffsetDateTime::from(now).checked_sub(age)?;
                oldest.format(&time::format_description::well_known::Rfc3339).ok()
            });
            while let Some(oldest) = &oldest {
                let page = self.store.kept_since_before(oldest, PAGE)?;
                for kept in &page {
                    self.forget(kept, "age")?;
                    deleted += 1;
                }
                if page.len() < PAGE {
                    break;
                }
            }
        }
        let Some(most) = limits.bytes else { return Ok(deleted) };
        let mut total = self.store.bytes_kept()?;
        while total > most {
            let page = self.store.kept_longest(PAGE)?;
            for kept in &page {
                if total <= most {
                    break;
                }
                self.forget(kept, "size")?;
                total = total.saturating_sub(kept.bytes);
                deleted += 1;
            }
            if page.len() < PAGE {
                break;
            }
        }
        Ok(deleted)
    }

    fn forget(self: &Arc<Self>, kept: &Kept, limit: &str) -> Result<()> {
        let Kept { id, live, bytes } = kept;
        let gone = if *live { self.delete_recording(id) } else { self.delete(id) };
        match gone {
            // Somebody was faster.
            Err(Error { kind: crate::error::Kind::NotFound, .. }) => return Ok(()),
            gone => gone?,
        }
        tracing::info!(id, live, bytes, limit, "deleted a video or a live recording by retention");
        Ok(())
    }
}
