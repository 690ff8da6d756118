//! Trained models of others on photographs: the accuracy is what others measured, and what pycocotools says.

use std::fs;

use super::{
    command_line::ends,
    eval_pycocotools::{apart, eval, oracle, report},
    harness::{EXACT, program, temp},
};
use crate::shared::shared;

/// A model as it came, and AP50 and AP on the 128 photographs.
const MODELS: [(&str, f64, f64); 4] = [
    ("darknet/yolo-fastest-1.1-xl", 0.451, 0.226),
    ("darknet/MobileNetV2-YOLOv3-Nano-coco", 0.375, 0.166),
    ("darknet/yolo-fastest-1.1", 0.369, 0.165),
    ("onnx/yolox_nano", 0.504, 0.335),
];

#[test]
fn trained_models_are_as_accurate_as_others_measured() {
    let Some(shared) = shared() else { return };
    let set = shared.join("eval/val2017");
    let folder = temp();
    let mut reports = Vec::new();
    for (number, (name, ..)) in MODELS.into_iter().enumerate() {
        let file = |ending: &str| shared.join("models").join(format!("{name}.{ending}"));
        let mut import = program();
        import.args(["models", "import", &number.to_string()]).arg("--models").arg(folder.path());
        import.arg("--labels").arg(shared.join("models/coco.names"));
        match name.starts_with("darknet/") {
            true => import.arg("--cfg").arg(file("cfg")).arg("--weights").arg(file("weights")),
            false => import.arg("--onnx").arg(file("onnx")),
        };
        ends(&mut import, 0);
        let model = folder.path().join(number.to_string());
        let (annotations, results) = (set.join("instances.json"), folder.path().join(format!("{number}.results.json")));
        let mut command = eval(&annotations);
        command.args(EXACT).arg("--model").arg(&model).arg("--images").arg(set.join("images"));
        reports.push(report(command.arg("--save-coco").arg(&results)));
        // What was written says the same as what was found.
        let again = report(eval(&annotations).arg("--detections").arg(&results));
        for key in ["AP", "AP50", "ARl", "detections", "objects"] {
            assert_eq!(reports[number][key], again[key], "{name}: {key}");
        }
        fs::copy(&annotations, folder.path().join(format!("{number}.annotations.json"))).unwrap();
    }
    let oracle = oracle(folder.path());
    for ((report, wanted), (name, ap50, ap)) in reports.iter().zip(&oracle).zip(MODELS) {
        assert!(apart(report, wanted) < 1e-9, "{name}: {report} is not {wanted}");
        let (ours, speed) = (["AP50", "AP"].map(|key| report[key].as_f64().unwrap()), &report["speed"]);
        println!("{name}: AP50 {:.4}, AP {:.4}; {speed}", ours[0], ours[1]);
        assert!((ours[0] - ap50).abs() < 0.003 && (ours[1] - ap).abs() < 0.003, "{name}: {ours:?}");
        assert_eq!(
            (report["images"].as_u64(), report["unknown_categories"].as_array().map(Vec::len)),
            (Some(128), Some(0))
        );
    }
}
