//! Network cameras: servers of the tests' own, and what the sources make of them.

pub mod rtsp_server;
