//! What clients ask of a video: how it stands, to follow, cancel, retry and delete it.

use std::sync::Arc;

use super::{
    Following, Jobs, Transition, Video, VideoState,
    lanes::{Kind, Work},
    now, suspects,
};
use crate::{
    cancel::{CancelToken, Reason},
    error::{Error, Result},
    fault,
    meter::StateLabel,
};

impl Jobs {
    /// A video as it stands now.
    ///
    /// # Errors
    /// There is none, or the store cannot be read.
    pub fn video(&self, id: &str) -> Result<Video> {
        if let Some(video) = self.hub.latest(id) {
            return Ok((*video).clone());
        }
        self.store.video(id)?.ok_or_else(no_video)
    }

    /// A video as it stands now, and its changes from now on.
    ///
    /// # Errors
    /// As [`Jobs::video`].
    pub fn follow(&self, id: &str) -> Result<Following> {
        // A video that is deleted in between would be announced as alive for ever.
        let _claim = self.claims.claim(id);
        self.hub.follow(id, || {
            let video = self.video(id)?;
            let recordings = self.store.recordings_of(id)?.into_iter().filter(|r| !r.state.is_final()).collect();
            Ok((video, recordings))
        })
    }

    /// Stops work on a video; what was found stays.
    ///
    /// # Errors
    /// There is none, no work is left to be done on it, or the store cannot be written: then the work goes on.
    pub fn cancel(self: &Arc<Self>, id: &str) -> Result<Video> {
        let _claim = self.claims.claim(id);
        let video = self.interrupt(&Work::Video(id.to_owned()), Reason::Cancelled, || {
            let mut video = self.video(id)?;
            if video.state.is_final() {
                return Err(nothing_to_cancel(&video));
            }
            video.state = VideoState::Cancelled;
            video.finished_at = Some(now());
            if self.store.update_video(&video)? == Transition::Rejected {
                return Err(nothing_to_cancel(&self.store.video(id)?.ok_or_else(no_video)?));
            }
            self.hub.publish_video(&video);
            Ok(video)
        })?;
        self.meter.videos_ended.get_or_create(&StateLabel { state: video.state.as_str() }).inc();
        self.dispatch();
        Ok(video)
    }

    /// Goes on with a failed or cancelled video from its last stored frame.
    ///
    /// # Errors
    /// There is none, it is neither failed nor cancelled, or as many wait as may.
    pub fn retry(self: &Arc<Self>, id: &str) -> Result<Video> {
        let place = self.reserve(Kind::Video)?;
        let _claim = self.claims.claim(id);
        let mut video = self.video(id)?;
        let again = matches!(video.state, VideoState::Failed | VideoState::Cancelled);
        let before = video.state;
        video.state = VideoState::Queued;
        (video.error, video.warning, video.finished_at) = (None, None, None);
        if !again || self.store.requeue_video(&video)? == Transition::Rejected {
            return Err(fault!(
                Conflict,
                "The video is {}: only a failed or cancelled one can be tried again.",
                before.as_str()
            ));
        }
        self.trials.forgive(&self.store, &suspects::video(id));
        self.hub.publish_video(&video);
        place.fill(id.to_owned());
        self.dispatch();
        Ok(video)
    }

    /// Cancels all work on a video and removes everything of it.
    ///
    /// # Errors
    /// There is none, or it cannot be removed from the store: then the work goes on.
    pub fn delete(self: &Arc<Self>, id: &str) -> Result<()> {
        let _claim = self.claims.claim(id);
        let recordings = self.store.recordings_of(id)?;
        self.interrupt(&Work::Video(id.to_owned()), Reason::Deleted, || {
            self.forget_video(id)?;
            self.hub.remove(id);
            Ok(())
        })?;
        for recording in recordings {
            // Gone with the video: the store takes nothing more of them.
            let (_, running) = self.lock().withdraw(&Work::Recording(recording.id));
            if let Some(token) = running {
                token.cancel(Reason::Deleted);
            }
        }
        self.dispatch();
        let removed = self.files.remove_video(id);
        self.start_purge();
        removed
    }

    /// Takes work out of the line and does `act`, which stores and announces that it ends, while its thread stores and
    /// announces nothing. If `act` fails the work goes on as before.
    ///
    /// # Errors
    /// Those of `act`.
    pub(super) fn interrupt<T>(
        self: &Arc<Self>,
        work: &Work,
        reason: Reason,
        act: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let (waited, running) = self.lock().withdraw(work);
        // An idle token where no thread works on it.
        let token: CancelToken = running.unwrap_or_default();
        let done = token.cancel_after(reason, act);
        if done.is_err() && waited {
            self.lock().lane(work.kind()).waiting.push_front(work.id().to_owned());
            self.dispatch();
        }
        done
    }
}

fn no_video() -> Error {
    fault!(NotFound, "There is no such video; it may have been deleted.")
}

fn nothing_to_cancel(video: &Video) -> Error {
    fault!(Conflict, "The video is {} already: there is nothing to cancel.", video.state.as_str())
}
