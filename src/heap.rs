//! Gives memory back to the system.
//!
//! glibc keeps freed memory in an arena for each of many threads. Each live stream brings threads of GStreamer's that come
//! and go, so after some hundred sessions the process would hold much that nobody uses.

/// Memory pools of glibc's allocator; its own choice is eight for each core.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS: i32 = 4;
/// `M_ARENA_MAX` of glibc's malloc.h.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const M_ARENA_MAX: i32 = -8;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    unsafe extern "C" {
        pub safe fn mallopt(parameter: i32, value: i32) -> i32;
        pub safe fn malloc_trim(pad: usize) -> i32;
    }
}

/// Limits the number of pools; before other threads are started.
pub fn limit() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::mallopt(M_ARENA_MAX, ARENAS);
}

/// Gives back what is free; some milliseconds of work.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::malloc_trim(0);
}
