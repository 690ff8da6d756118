//! The shared clips, frame for frame as ffprobe sees them, and the broken ones with words.

use std::path::{Path, PathBuf};

use sightglass::{
    error::Kind,
    media::{FileSource, init},
};

use crate::{
    media::{LIMITS, assert_times, decode, ffprobe_times},
    shared::shared,
};

/// No video at all, or none that can be decoded.
const REFUSED: &[(&str, Kind)] = &[
    ("audio_only.mp4", Kind::Unprocessable),
    ("empty.mp4", Kind::NotMedia),
    ("no_moov_car.mp4", Kind::Unprocessable),
    ("random_bytes.mp4", Kind::NotMedia),
];
/// Readers may differ in how many frames they save from these: at least so many.
const CUT: &[(&str, usize)] = &[("truncated_half_car-detection.mp4", 170)];

fn videos(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut videos: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end.len() <= 4)).collect();
    videos.sort();
    assert!(!videos.is_empty(), "{folder:?} holds no video");
    videos
}

fn check(path: &Path) {
    let name = path.file_name().unwrap().to_str().unwrap();
    if let Some((_, kind)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        init().unwrap();
        let error = FileSource::open(name, path, &LIMITS).err().unwrap_or_else(|| panic!("{name} was opened"));
        assert_eq!(error.kind, *kind, "{name}: {}", error.full());
        return;
    }
    let clip = decode(path, &LIMITS, |_| {}).unwrap_or_else(|error| panic!("{name}: {}", error.full()));
    assert!(clip.seen.windows(2).all(|pair| pair[0].time < pair[1].time), "{name}: times rise");
    if let Some((_, least)) = CUT.iter().find(|(cut, _)| *cut == name) {
        assert!(clip.seen.len() >= *least, "{name}: {} frames", clip.seen.len());
        assert!(clip.warning.is_some_and(|warning| warning.contains("cut off")), "{name}");
        return;
    }
    let wanted = ffprobe_times(path);
    if name.ends_with(".ts") {
        let relative: Vec<_> = wanted.iter().map(|time| time - wanted[0]).collect();
        assert_times(&clip.times(), &relative, name);
    } else if [".avi", ".h264"].iter().any(|end| name.ends_with(end)) {
        // These hold no time stamps: readers count, from 0 or from the first frame's delay on.
        let frames: usize = clip.seen.len();
        assert_eq!(frames, crate::media_hard::ffprobe_frames(path), "{name}: number of frames");
    } else {
        assert_times(&clip.times(), &wanted, name);
    }
}

#[test]
fn videos_are_decoded_as_ffprobe_sees_them() {
    let Some(shared) = shared() else { return };
    videos(&shared.join("media/videos")).iter().for_each(|path| check(path));
}

#[test]
fn tricky_files_are_decoded_or_refused() {
    let Some(shared) = shared() else { return };
    videos(&shared.join("media/tricky")).iter().for_each(|path| check(path));
}
