//! The chain from a frame to detections, in this process: batches, the order of answers, measured choices.

use std::path::{Path, PathBuf};

use sightglass::{
    config::{EngineOptions, Limits, Precision, Provider},
    detector::Detector,
    event::Detection,
    frame::Frame,
    media::{self, FileSource},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn shapes() -> PathBuf {
    root().join("fixtures/models/shapes")
}

fn exact() -> EngineOptions {
    EngineOptions {
        onnxruntime: Some(root().join("deps/onnxruntime")),
        provider: Provider::Cpu,
        precision: Precision::F32,
        sessions: Some(1),
        threads: Some(1),
        ..EngineOptions::default()
    }
}

fn frames(most: usize) -> Vec<Frame> {
    media::init().unwrap();
    let limits = Limits { max_pixels: 1 << 24, max_duration: 3600.0, stall: std::time::Duration::from_secs(30) };
    let mut source = FileSource::open("test", &root().join("fixtures/numbered.mp4"), &limits).unwrap();
    std::iter::from_fn(|| source.next_frame().unwrap()).take(most).collect()
}

/// Submits all frames before it waits for the first, so that tensors pile up and go in batches.
fn all_at_once(detector: &Detector, frames: &[Frame]) -> Vec<Vec<Detection>> {
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::sync_channel(frames.len());
        scope.spawn(move || {
            for frame in frames {
                sender.send(detector.submit(frame).unwrap()).unwrap();
            }
        });
        let pending: Vec<_> = receiver.iter().collect();
        pending.into_iter().map(|pending| pending.wait(0.3).unwrap()).collect()
    })
}

/// The circle's centre, which says which frame it was.
fn circle(found: &[Detection]) -> f32 {
    let circle = found.iter().find(|detection| detection.label == "circle").expect("a circle");
    circle.bbox[0] + circle.bbox[2] / 2.0
}

#[test]
fn batches_give_what_single_frames_give() {
    let frames = frames(24);
    let single = Detector::load(&shapes(), &exact()).unwrap();
    let wanted: Vec<_> = frames.iter().map(|frame| single.detect(frame, 0.3).unwrap()).collect();
    let batched = Detector::load(&shapes(), &EngineOptions { batch: Some(8), ..exact() }).unwrap();
    assert_eq!(batched.info().batch, 8);
    let got = all_at_once(&batched, &frames);
    for (n, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
        assert_eq!(got.len(), wanted.len(), "frame {n}");
        for (got, wanted) in got.iter().zip(wanted) {
            assert_eq!((got.class_id, &got.label), (wanted.class_id, &wanted.label), "frame {n}");
            assert!((got.score - wanted.score).abs() < 1e-3, "frame {n}: {got:?} is not {wanted:?}");
            let apart = got.bbox.iter().zip(wanted.bbox).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 0.1, "frame {n}: {got:?} is not {wanted:?}");
        }
    }
}

#[test]
fn answers_belong_to_their_frames_whatever_the_sessions_do() {
    let frames = frames(60);
    let detector = Detector::load(&shapes(), &EngineOptions { sessions: Some(3), batch: Some(2), ..exact() }).unwrap();
    // Several streams at once, each of which must get its own answers.
    std::thread::scope(|scope| {
        for stream in 0..3 {
            let (detector, frames) = (&detector, &frames);
            scope.spawn(move || {
                for (n, found) in all_at_once(detector, &frames[stream * 10..stream * 10 + 30]).iter().enumerate() {
                    let wanted = 40.0 + 2.0 * (stream * 10 + n) as f32;
                    assert!((circle(found) - wanted).abs() < 4.0, "stream {stream}, frame {n}: {}", circle(found));
                }
            });
        }
    });
}

fn load_measured(cache: &Path) -> String {
    let options = EngineOptions {
        precision: Precision::F32,
        sessions: None,
        threads: None,
        cache: Some(cache.to_owned()),
        provider: Provider::Auto,
        ..exact()
    };
    let detector = Detector::load(&shapes(), &options).unwrap();
    let info = detector.info();
    assert_eq!(info.precision, "f32");
    assert!(info.sessions >= 1 && info.threads >= 1 && info.provider != "auto", "{info:?}");
    info.chosen.clone()
}

#[test]
fn a_choice_is_measured_once_and_kept() {
    let cache = tempfile::tempdir().unwrap();
    let first = load_measured(cache.path());
    assert!(first.starts_with("measured: ") && first.contains("CPU f32") && first.contains("fps"), "{first}");
    let file = cache.path().join("measured.json");
    // Where other programs kept this machine busy, the choice is measured again; here it is settled by hand.
    let mut entries: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    entries.as_object_mut().unwrap().values_mut().for_each(|entry| entry["busy"] = 0.into());
    std::fs::write(&file, entries.to_string()).unwrap();
    let second = load_measured(cache.path());
    assert_eq!(second.strip_prefix("by an earlier measurement: "), first.strip_prefix("measured: "));
    std::fs::write(&file, "{ not JSON").unwrap();
    assert!(load_measured(cache.path()).starts_with("measured: "), "a broken cache is written anew");
}

#[test]
fn flags_leave_nothing_to_measure() {
    let detector = Detector::load(&shapes(), &exact()).unwrap();
    let info = detector.info();
    assert_eq!((info.provider.as_str(), info.precision.as_str()), ("CPU", "f32"));
    assert_eq!((info.sessions, info.threads, info.batch), (1, 1, 1));
    assert_eq!(info.chosen, "as asked for");
}
