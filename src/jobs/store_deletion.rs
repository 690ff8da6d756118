//! The store's part for deleting videos.

use rusqlite::{OptionalExtension, params};

use super::store::{DELETED, Store, transact};
use crate::error::Result;

impl Store {
    /// Forgets a video and its recordings; false if there is none. On disk before this returns. Its frames are many: they
    /// are removed by [`Store::purge`], a few at a time.
    pub fn delete_video(&self, id: &str) -> Result<bool> {
        self.write_durably(|transaction| {
            transaction.execute("DELETE FROM recordings WHERE video=?1", [id])?;
            Ok(transaction.execute("UPDATE videos SET state=?2 WHERE id=?1 AND state<>?2", [id, DELETED])? > 0)
        })
    }

    /// Removes up to `most` frames of videos that were deleted; false when nothing is left of such.
    pub fn purge(&self, most: usize) -> Result<bool> {
        transact(&mut self.write(), |transaction| {
            let mut next = transaction.prepare_cached("SELECT seq FROM videos WHERE state=?1 ORDER BY seq LIMIT 1")?;
            let Some(video) = next.query_row([DELETED], |row| row.get::<_, i64>(0)).optional()? else {
                return Ok(false);
            };
            let mut delete = transaction.prepare_cached(
                "DELETE FROM frames WHERE video=?1 AND frame IN
                 (SELECT frame FROM frames WHERE video=?1 ORDER BY frame LIMIT ?2)",
            )?;
            if delete.execute(params![video, most as i64])? < most {
                transaction.execute("DELETE FROM videos WHERE seq=?1", [video])?;
            }
            Ok(true)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::FrameRow;

    #[test]
    fn a_deleted_video_is_gone_at_once_and_its_frames_little_by_little() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("db")).expect("a store");
        let row = |frame| FrameRow { frame, time: 0.0, width: 8, height: 8, detections: "[]".into() };
        let video = |id: &str| {
            let sql =
                "INSERT INTO videos (id, name, state, model, threshold, width, height, bytes, content_type, created_at)
                       VALUES (?1, 'clip.mp4', 'running', 'shapes', 0.5, 8, 8, 9, 'video/mp4', '2026-11-01T00:00:00Z')";
            store.write().execute(sql, [id]).expect("stored");
            let video = store.video(id).expect("readable").expect("stored");
            store.append_frames(video.seq, &(0..50).map(row).collect::<Vec<_>>()).expect("stored");
            video
        };
        let (gone, stays) = (video("gone"), video("stays"));
        assert!(!store.purge(10).expect("readable"), "nothing was deleted yet");
        assert!(store.delete_video("gone").expect("deleted"));
        assert!(!store.delete_video("gone").expect("deleted"), "it is not there any more");
        assert!(store.video("gone").expect("readable").is_none());
        assert_eq!(store.videos(None, 10).expect("readable").len(), 1);
        // A thread that had read it before does not bring it back.
        store.update_video(&gone).expect("stored");
        assert!(store.video("gone").expect("readable").is_none());
        for left in [40, 30, 20, 10, 0] {
            assert!(store.purge(10).expect("purged"));
            assert_eq!(store.frames(gone.seq, 0, 100).expect("readable").len(), left);
        }
        assert!(store.purge(10).expect("purged"), "the row goes last");
        assert!(!store.purge(10).expect("purged"));
        assert_eq!(store.frames(stays.seq, 0, 100).expect("readable").len(), 50);
    }
}
