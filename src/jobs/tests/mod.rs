//! The lifecycle of videos and recordings, with a scripted decoder, detector and encoder: every order of events is made,
//! not waited for.

mod end;
mod fakes;
mod follow;
mod recordings;
mod requests;
mod resume;
mod store;
