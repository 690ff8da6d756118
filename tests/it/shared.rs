//! Where the test data lies that is too large, or not ours, to be part of the repository.

use std::path::PathBuf;

/// The folder of shared test data: `SIGHTGLASS_SHARED`, or `../shared` beside the checkout.
///
/// None, and a line that says so, where there is none; on a build server (`CI=true`) that is a failure, so
/// that a test is never skipped unseen.
pub fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("SIGHTGLASS_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI=true, but there is no shared test data in {folder:?}");
    println!("skipped: no shared test data; set SIGHTGLASS_SHARED to its folder");
    None
}
