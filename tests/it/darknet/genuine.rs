//! The genuine cfgs of YOLOv3, whose weights are 35 and 248 MB: random ones of that length take their place.

use super::{network, random::weights, run};
use crate::shared::shared;

#[test]
fn genuine_cfgs_convert_to_the_shapes_that_they_must_have() {
    let Some(shared) = shared() else { return };
    let genuine = [("yolov3-tiny", 416, 35_434_956, vec![32, 16]), ("yolov3", 608, 248_007_048, vec![32, 16, 8])];
    for (name, side, length, strides) in genuine {
        let cfg = std::fs::read_to_string(shared.join(format!("models/darknet/{name}.cfg"))).unwrap();
        assert_eq!(weights(&cfg, 1).len(), length, "{name}.weights");
        let converted = network(&cfg, 1);
        assert_eq!((converted.size.width, converted.size.height, converted.classes), (side, side, 80));
        let found: Vec<usize> = converted.heads.iter().map(|head| head.stride).collect();
        assert_eq!(found, strides);
        let outputs = run(&converted, &[vec![0.5; 3 * (side * side) as usize]], 1).remove(0);
        for (output, stride) in outputs.iter().zip(&strides) {
            assert_eq!(*output.shape, [255, side as usize / stride, side as usize / stride], "{name}");
            assert!(output.values.iter().all(|value| value.is_finite()));
        }
        assert_eq!(outputs.len(), strides.len());
    }
}
