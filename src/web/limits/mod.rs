//! Limits that keep one client from taking the server from all others.
//!
//! Every connection and every request body that is still arriving belongs to a peer. [`Shares`] bounds how many a peer may
//! hold. At a limit a newcomer is not refused while something waits for its client: what has waited longest is closed
//! instead ([`Activity`]). So a client that holds thousands of half-sent requests displaces its own, and a client that sends
//! a whole request is answered. [`Exchange`] tells who has to act next on a request.

mod activity;
mod shares;
mod transfer;

pub use activity::{Activity, Exchange, IDLE};
pub use shares::{Share, Shares};
pub use transfer::{BodyLimits, RequestBody, ResponseBody};
