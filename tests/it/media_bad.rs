//! Files that are no video, or a broken one, end with words for a person; what can be seen of them is used.

use std::{fs, path::Path};

use sightglass::{
    error::{Error, Kind},
    media::{FilePictures, FileSource, Limits, init},
};

use crate::media::{LIMITS, decode, fixture, run};

fn refused(path: &Path, limits: &Limits, kind: Kind, words: &[&str]) -> Error {
    init().unwrap();
    let error = match FileSource::open("bad", path, limits) {
        Ok(source) => panic!("{path:?} was opened: {:?}", source.info()),
        Err(error) => error,
    };
    assert_eq!(error.kind, kind, "{path:?}: {}", error.full());
    for word in words {
        assert!(error.detail.contains(word), "{path:?}: {word:?} is not in {:?}", error.detail);
    }
    assert!(!error.detail.contains('/'), "no path of the server: {}", error.detail);
    error
}

fn bad(name: &str, kind: Kind, words: &[&str]) {
    let path = fixture(name);
    let error = refused(&path, &LIMITS, kind, words);
    // Pictures of the same file are refused alike.
    match FilePictures::open(&path, &LIMITS, 0.0, 640) {
        Ok(_) => panic!("{name}: pictures were opened"),
        Err(other) => assert_eq!((other.kind, other.detail), (error.kind, error.detail), "{name}"),
    }
}

#[test]
fn junk() {
    bad("junk.mp4", Kind::NotMedia, &["not a video", "choose an MP4"]);
}

#[test]
fn html() {
    bad("html.mp4", Kind::NotMedia, &["not a video", "choose an MP4"]);
}

#[test]
fn text() {
    bad("text.mp4", Kind::NotMedia, &["not a video", "choose an MP4"]);
}

#[test]
fn empty() {
    bad("empty.mp4", Kind::NotMedia, &["empty", "send it again"]);
}

#[test]
fn no_moov() {
    bad("no-moov.mp4", Kind::Unprocessable, &["no index (moov atom)", "Send it again"]);
}

#[test]
fn audio_only() {
    bad("audio-only.mp4", Kind::Unprocessable, &["only sound", "no video track", "choose a file"]);
}

#[test]
fn encrypted() {
    bad("encrypted.mp4", Kind::Unprocessable, &["encrypted", "unprotected copy"]);
}

#[test]
fn pictures_are_no_videos() {
    bad("scene.jpg", Kind::Unprocessable, &["still picture", "send it as an image"]);
    bad("scene.png", Kind::Unprocessable, &["still picture", "send it as an image"]);
}

/// A list of addresses must never make the server fetch them, nor open another of its files.
#[test]
fn playlists_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let clip = fixture("numbered.mp4");
    let clip = clip.to_str().unwrap();
    let playlist = format!("#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile://{clip}\n#EXT-X-ENDLIST\n");
    let manifest = "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\"></MPD>";
    let uri = format!("text/uri-list\nfile://{clip}\n");
    for (name, text) in [("a.mp4", playlist.as_str()), ("b.mp4", manifest), ("c.mp4", &uri)] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        refused(&path, &LIMITS, Kind::NotMedia, &["not a video"]);
    }
}

#[test]
fn missing_file() {
    let error = refused(&fixture("nowhere.mp4"), &LIMITS, Kind::Internal, &["could not read"]);
    assert!(error.cause.is_some());
}

#[test]
fn truncated() {
    let clip = decode(&fixture("truncated.mp4"), &LIMITS, |_| {}).unwrap();
    let frames = clip.seen.len() as u64;
    assert!((30..=50).contains(&frames), "{frames} frames");
    assert_eq!(clip.numbers(), (0..frames).collect::<Vec<_>>());
    let warning = clip.warning.unwrap();
    assert!(warning.contains("cut off") && warning.contains("it says 3.0 s"), "{warning}");
}

/// Cut in the middle, each container keeps its first half and says that the rest is missing.
#[test]
fn truncated_in_other_containers() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.avi", "b.mkv"] {
        let path = folder.path().join(name);
        let source = fixture("numbered.mp4");
        let codec = if name == "a.avi" { "mpeg4" } else { "copy" };
        run("ffmpeg", ["-v", "error", "-i", source.to_str().unwrap(), "-c:v", codec, path.to_str().unwrap()]);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let clip = decode(&path, &LIMITS, |_| {}).unwrap_or_else(|error| panic!("{name}: {}", error.full()));
        let frames = clip.seen.len() as u64;
        assert!((25..70).contains(&frames), "{name}: {frames} frames");
        assert_eq!(clip.numbers(), (0..frames).collect::<Vec<_>>(), "{name}");
        let warning = clip.warning.unwrap_or_else(|| panic!("{name}: no warning"));
        assert!(warning.contains("cut off") || warning.contains("end of the file is missing"), "{name}: {warning}");
    }
}

#[test]
fn damaged() {
    let clip = decode(&fixture("damaged.mp4"), &LIMITS, |_| {}).unwrap();
    assert!((70..=90).contains(&clip.seen.len()), "{} frames", clip.seen.len());
    assert_eq!((clip.numbers()[0], clip.numbers().last()), (0, Some(&89)), "what is whole is used, to the end");
    let warning = clip.warning.unwrap();
    assert!(warning.contains("damaged around 1."), "{warning}");
}

#[test]
fn too_many_pixels() {
    let limits = Limits { max_pixels: 320 * 240 - 1, ..LIMITS };
    for name in ["numbered.mp4", "numbered.avi", "numbered-hevc.mp4", "numbered-resize.ts"] {
        let words = ["320x240", "76799 pixels", "scale it down"];
        refused(&fixture(name), &limits, Kind::Unprocessable, &words);
    }
    decode(&fixture("numbered.mp4"), &Limits { max_pixels: 320 * 240, ..LIMITS }, |_| {}).unwrap();
}

/// 320x240 stored pixels are 427x240 square ones.
#[test]
fn too_many_square_pixels() {
    let limits = Limits { max_pixels: 320 * 240, ..LIMITS };
    refused(&fixture("numbered-par.mp4"), &limits, Kind::Unprocessable, &["427x240", "scale it down"]);
}

#[test]
fn too_many_pixels_in_mid_stream() {
    init().unwrap();
    let limits = Limits { max_pixels: 320 * 240, ..LIMITS };
    let mut source = FileSource::open("grows", &fixture("numbered-resize.ts"), &limits).unwrap();
    let mut frames = 0;
    let error = loop {
        match source.next_frame() {
            Ok(Some(frame)) => assert!(frame.size.pixels() <= limits.max_pixels),
            Ok(None) => panic!("ended without words after {frames} frames"),
            Err(error) => break error,
        }
        frames += 1;
    };
    assert_eq!(error.kind, Kind::Unprocessable);
    assert!(error.detail.contains("400x300") && error.detail.contains("76800"), "{}", error.detail);
    assert!(frames <= 45, "{frames} frames");
}

#[test]
fn too_long() {
    let limits = Limits { max_duration: 2.5, ..LIMITS };
    refused(&fixture("numbered.mp4"), &limits, Kind::Unprocessable, &["longer than the 2.5 s", "cut it"]);
}

/// A stream that does not say how long it is, is stopped where the limit lies.
#[test]
fn too_long_without_saying_so() {
    init().unwrap();
    let limits = Limits { max_duration: 1.0, ..LIMITS };
    let mut source = FileSource::open("long", &fixture("numbered-resize.ts"), &limits).unwrap();
    assert_eq!(source.info().duration, None, "or this tests nothing");
    let error = loop {
        match source.next_frame() {
            Ok(frame) => assert!(frame.expect("an error before the end").tag.time <= 1.0),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, Kind::Unprocessable);
    assert!(error.detail.contains("longer than the 1 s"), "{}", error.detail);
}

/// Dropped in mid-stream, with frames still lent out, a source ends and the frames stay readable.
#[test]
fn dropped_in_mid_stream() {
    init().unwrap();
    let mut source = FileSource::open("dropped", &fixture("numbered.mp4"), &LIMITS).unwrap();
    let kept: Vec<_> = (0..3).map(|_| source.next_frame().unwrap().unwrap()).collect();
    drop(source);
    assert_eq!(kept.iter().map(crate::media::number).collect::<Vec<_>>(), [0, 1, 2]);
}
