//! Decoding and encoding end early when they are cancelled, and leave nothing behind.

use std::fs;

use sightglass::{
    cancel::{CancelToken, Reason},
    error::Kind,
    frame::Size,
    media::{Encoder, FileSource, Format, init},
};

use crate::{
    media::{LIMITS, fixture},
    media_encode::{RATE, picture, temporary},
};

#[test]
fn a_cancelled_source_gives_no_more_frames() {
    init().unwrap();
    let cancel = CancelToken::default();
    let mut source = FileSource::open_with("file", &fixture("numbered.mp4"), &LIMITS, &cancel).unwrap();
    for _ in 0..3 {
        source.next_frame().unwrap().unwrap();
    }
    cancel.cancel(Reason::Shutdown);
    assert_eq!(source.next_frame().unwrap_err().kind, Kind::Unavailable);
    drop(source);
    let error = FileSource::open_with("file", &fixture("numbered.mp4"), &LIMITS, &cancel).err().expect("cancelled");
    assert_eq!(error.kind, Kind::Unavailable);
}

#[test]
fn a_cancelled_encoder_leaves_no_file() {
    init().unwrap();
    let size = Size::new(320, 240);
    for format in [Format::Avi, Format::Mp4] {
        for finish in [false, true] {
            let (folder, path) = temporary(&format!("out.{format}"));
            let cancel = CancelToken::default();
            let mut encoder = Encoder::create(&path, format, size, RATE).unwrap();
            encoder.set_cancel(cancel.clone());
            for n in 0..5 {
                encoder.push(&picture(n, size), n as f64 / 30.0, 1.0 / 30.0).unwrap();
            }
            cancel.cancel(Reason::Cancelled);
            let error = if finish {
                encoder.finish().unwrap_err()
            } else {
                let refused = encoder.push(&picture(5, size), 5.0 / 30.0, 1.0 / 30.0).unwrap_err();
                drop(encoder);
                refused
            };
            assert_eq!(error.kind, Kind::Unavailable, "{}", error.full());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{format}");
        }
    }
}
