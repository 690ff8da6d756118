//! Opens a picture in the viewer of the desktop.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// Hands the picture to the desktop's viewer, or says that there is none: looking is not the work.
pub fn show(picture: &Path) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let desktop = cfg!(target_os = "macos")
        || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|set| !set.is_empty()));
    let opened = desktop
        && Command::new(program)
            .arg(picture)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .is_ok();
    if !opened {
        eprintln!("There is no viewer here; the picture is {}.", picture.display());
    }
}
