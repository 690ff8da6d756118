//! Real models, where the shared test data is: recognised by one run, and the dog, the bicycle and the car found.

use std::path::Path;

use sightglass::{
    engine::{Engine, Network},
    frame::Size,
    models::import::{Seen, SeenOutput},
    vision::picture,
};

use super::{exact, load, manifest, proposals};
use crate::shared::shared;

const BICYCLE: u32 = 1;
const CAR: u32 = 2;
const TRUCK: u32 = 7;
const DOG: u32 = 16;

/// What a run on noise shows.
fn look(file: &Path, input: &str, side: usize) -> Seen {
    let network = Network {
        file: file.to_owned(),
        half_file: None,
        input: input.into(),
        shape: [3, side, side],
        constants: Vec::new(),
    };
    let engine = Engine::open(&network, &exact()).unwrap();
    let mut picture = engine.input();
    let mut noise = 1_u32;
    picture.iter_mut().for_each(|value| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = (noise >> 8) as f32 / 16_777_216.0;
    });
    let ran = engine.submit(picture).unwrap().wait().unwrap();
    let outputs = engine.signature().outputs.iter().zip(&ran).map(|((name, _), tensor)| SeenOutput {
        name: name.clone(),
        shape: tensor.shape.to_vec(),
        values: tensor.values.to_vec(),
    });
    Seen {
        input: input.into(),
        size: Size::new(side as u32, side as u32),
        layout: Default::default(),
        bytes: false,
        others: Vec::new(),
        outputs: outputs.collect(),
        metadata: Default::default(),
        producer: String::new(),
        labels: Some(80),
    }
}

#[test]
fn real_models_are_recognised_and_find_the_dog_and_the_cars() {
    let Some(shared) = shared() else { return };
    let dog = picture::read(&std::fs::read(shared.join("media/images/dog.jpg")).unwrap(), 1 << 24).unwrap();
    for (name, input, side, family, threshold) in [
        ("yolox_nano", "images", 416, "yolox", 0.25),
        ("nanodet_m_320", "input.1", 320, "nanodet", 0.35),
        ("FastestDet", "input.1", 352, "fastestdet", 0.6),
        ("yolo-fastest-1.1-xl-decoded", "images", 320, "yolov3", 0.25),
    ] {
        let file = shared.join(format!("models/onnx/{name}.onnx"));
        let seen = look(&file, input, side);
        let mut claimed = proposals(&seen);
        assert_eq!(claimed.len(), 1, "{name}: {:?}", claimed.iter().map(|(name, _)| name).collect::<Vec<_>>());
        let (found, proposal) = claimed.remove(0);
        assert!(found == family && proposal.certain && proposal.classes == 80, "{name}: {found}");
        let detector = load(&manifest(&seen, family, &proposal), &std::fs::read(&file).unwrap()).unwrap();
        let found = detector.detect(&dog, threshold).unwrap();
        // Where they are on this well-known picture, by its labels: corner and size.
        for (classes, place) in [
            (vec![DOG], [130.0, 219.0, 180.0, 324.0]),
            (vec![BICYCLE], [117.0, 124.0, 452.0, 307.0]),
            (vec![CAR, TRUCK], [466.0, 74.0, 228.0, 96.0]),
        ] {
            let fits = found.iter().any(|one| classes.contains(&one.class_id) && overlap(one.bbox, place) > 0.5);
            assert!(fits, "{name} does not find {classes:?} at {place:?}: {found:?}");
        }
    }
    for name in ["yolo-fastest-1.1-xl", "MobileNetV2-YOLOv3-Nano-coco"] {
        let claimed = proposals(&look(&shared.join(format!("models/onnx/{name}.onnx")), "images", 320));
        let claimed: Vec<_> = claimed.iter().map(|(name, one)| (*name, one.certain, one.classes)).collect();
        assert_eq!(claimed, [("yolov3", false, 80)], "{name}");
    }
}

/// Intersection over union of two boxes, by corner and size.
fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let shared = |axis: usize| ((a[axis] + a[axis + 2]).min(b[axis] + b[axis + 2]) - a[axis].max(b[axis])).max(0.0);
    let both = shared(0) * shared(1);
    both / (a[2] * a[3] + b[2] * b[3] - both)
}
