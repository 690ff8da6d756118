//! Recordings that cannot be written end with words, and leave nothing behind.

use std::{fs, path::Path};

use sightglass::{
    error::{Error, Kind},
    frame::Size,
    media::{Encoder, Format, init},
};

use crate::media_encode::{RATE, encode, numbers, picture, temporary};

#[test]
fn sizes_that_a_format_does_not_take_are_refused() {
    init().unwrap();
    for (format, width, height, words) in [
        (Format::Avi, 15, 400, "too small"),
        (Format::Mp4, 400, 2, "too small"),
        (Format::Avi, 5120, 2880, "save as MP4"),
        (Format::Mp4, 16_386, 16, "scale the video down"),
    ] {
        let (folder, path) = temporary("out");
        let error = match Encoder::create(&path, format, Size::new(width, height), RATE) {
            Ok(_) => panic!("{format} took {width}x{height}"),
            Err(error) => error,
        };
        assert_eq!(error.kind, Kind::Unprocessable, "{}", error.full());
        assert!(error.detail.contains(words) && error.detail.contains(&width.to_string()), "{}", error.detail);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
    }
    // The largest that both take.
    for format in [Format::Avi, Format::Mp4] {
        let (_folder, path) = temporary(&format!("out.{format}"));
        encode(&path, format, Size::new(4096, 16), RATE, 2, |n| n as f64 / 30.0);
        assert_eq!(numbers(&path, Size::new(4096, 16)), [0, 1], "{format}");
    }
}

/// Pushes until the encoder complains.
fn until_error(path: &Path, format: Format) -> Error {
    init().unwrap();
    let size = Size::new(640, 480);
    let mut encoder = match Encoder::create(path, format, size, RATE) {
        Ok(encoder) => encoder,
        Err(error) => return error,
    };
    for n in 0..2000 {
        if let Err(error) = encoder.push(&picture(n, size), n as f64 / 30.0, 1.0 / 30.0) {
            return error;
        }
    }
    encoder.finish().expect_err("it was written to a full disk")
}

#[test]
fn full_disk() {
    for format in [Format::Avi, Format::Mp4] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("out.{format}"));
        // Links, so that the encoder removes only them, never the device, when it gives up.
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        if format == Format::Mp4 {
            std::os::unix::fs::symlink("/dev/full", folder.path().join("out.mp4.faststart")).unwrap();
        }
        let error = until_error(&path, format);
        assert_eq!(error.kind, Kind::DiskFull, "{format}: {}", error.full());
        assert!(error.detail.contains("disk is full") && error.detail.contains("free some space"), "{}", error.detail);
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "what was written is removed, but not {left:?}");
    }
}

#[test]
fn unwritable_place() {
    for format in [Format::Avi, Format::Mp4] {
        let folder = tempfile::tempdir().unwrap();
        let error = until_error(&folder.path().join("missing").join("out"), format);
        assert_eq!(error.kind, Kind::Internal, "{}", error.full());
        assert!(error.detail.contains("could not") && !error.detail.contains('/'), "{}", error.detail);
    }
}

#[test]
fn abandoned_files_are_removed() {
    for format in [Format::Avi, Format::Mp4] {
        let (folder, path) = temporary(&format!("out.{format}"));
        init().unwrap();
        let mut encoder = Encoder::create(&path, format, Size::new(320, 240), RATE).unwrap();
        for n in 0..30 {
            encoder.push(&picture(n, Size::new(320, 240)), n as f64 / 30.0, 1.0 / 30.0).unwrap();
        }
        drop(encoder);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{format}");
    }
}

#[test]
fn no_frame_is_an_error() {
    let (folder, path) = temporary("out.avi");
    init().unwrap();
    let encoder = Encoder::create(&path, Format::Avi, Size::new(320, 240), RATE).unwrap();
    assert!(encoder.finish().unwrap_err().detail.contains("no picture"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
