//! A provider that cannot be proven to run is not reported as one that does.

use super::harness::{SHAPES, fixture, program, temp};

/// What `detect` says when it must use OpenVINO, with temporary files in `folder`.
fn detect_by_openvino(folder: &std::path::Path) -> (bool, String) {
    let mut command = program();
    command.args(["detect", "--model", SHAPES, "--provider", "openvino", "--sessions", "1", "--threads", "1"]);
    let output = command.arg(fixture("numbered-odd.mp4")).env("TMPDIR", folder).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn without_a_profile_a_provider_is_refused_by_name() {
    let folder = temp();
    let (runs, said) = detect_by_openvino(folder.path());
    // `make setup` brings it, for this architecture alone.
    let must = cfg!(target_arch = "x86_64") && std::env::var("CI").as_deref() == Ok("true");
    if !runs && !must {
        println!("skipped: OpenVINO does not run here: {said}");
        return;
    }
    assert!(runs, "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the profile is gone");
    let (runs, said) = detect_by_openvino(&folder.path().join("missing"));
    assert!(!runs && said.contains("profile") && said.contains("OpenVINO"), "{said}");
}
