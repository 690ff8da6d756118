//! Viewers whose browser cannot decode the file: upright JPEG pictures, each with the event of its own frame.

use opencv::{
    core::{Mat, MatTraitConst, MatTraitConstManual},
    imgcodecs,
};

use super::{
    harness::{Server, fixture, temp},
    viewer::{Viewer, Word},
};

/// Asks for one more frame; its event and its picture.
fn next(viewer: &mut Viewer) -> Option<(serde_json::Value, Vec<u8>)> {
    viewer.say(r#"{"type":"more","count":1}"#);
    let event = viewer.event();
    if event["type"] == "end" {
        return None;
    }
    match viewer.next() {
        Word::Picture(jpeg) => Some((event, jpeg)),
        other => panic!("a picture was due, but there came {other:?}"),
    }
}

/// The number that is drawn into a JPEG picture (fixtures/README.md), and its size.
pub fn read(jpeg: &[u8]) -> (u64, i32, i32) {
    let grey = imgcodecs::imdecode(&Mat::from_slice(jpeg).unwrap(), imgcodecs::IMREAD_GRAYSCALE).unwrap();
    let (levels, width) = (grey.data_bytes().unwrap(), grey.cols() as usize);
    let number = (0..16).fold(0, |number, bit| {
        let block = (4..12).flat_map(|y| (4..12).map(move |x| (x, y)));
        let sum: u32 = block.map(|(x, y)| u32::from(levels[y * width + 16 * bit + x])).sum();
        number * 2 + u64::from(sum > 128 * 64)
    });
    (number, grey.cols(), grey.rows())
}

#[test]
fn each_picture_is_of_its_event() {
    let data = temp();
    let server = Server::start(data.path());
    for (name, from, size) in [
        ("numbered-hevc.mp4", 0, (320, 240)),
        ("numbered.avi", 40, (320, 240)),
        ("numbered-rotated.mp4", 7, (288, 384)),
    ] {
        // Asked for while the work has just begun: pictures come no sooner than their detections.
        let id = server.upload(fixture(name));
        let mut viewer = server.socket(&format!("/api/videos/{id}/pictures?from={from}"), None).unwrap();
        let mut number = from;
        let mut events = Vec::new();
        while let Some((event, jpeg)) = next(&mut viewer) {
            assert_eq!(event["frame"].as_u64(), Some(number), "{name}");
            assert_eq!(read(&jpeg), (number, size.0, size.1), "{name}: the picture is of frame {number}");
            number += 1;
            events.push(event);
        }
        assert_eq!(events, server.detections(&id)[from as usize..], "{name}: to the end, the same events");
        assert!(matches!(viewer.next(), Word::Close(1000, _)));
    }
}
