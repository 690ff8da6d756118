//! Trained models of others on photographs: the accuracy is what others measured, and what pycocotools says.

use std::fs;

use super::{
    eval_pycocotools::{apart, eval, oracle, report},
    harness::{EXACT, temp},
};
use crate::shared::shared;

const INPUT: &str = "family = \"yolov3\"\nlabels = \"coco.names\"\n[input]\nname = \"images\"\nwidth = 320\nheight = 320\n\
    scale = 0.00392156862745098\nresize = \"stretch\"\n";

/// A model, its heads, and AP50 and AP on the 128 photographs.
const MODELS: [(&str, &str, f64, f64); 2] = [
    (
        "yolo-fastest-1.1-xl",
        "[[heads]]\noutput = \"yolo0\"\nstride = 32\nanchors = [[115, 73], [119, 199], [242, 238]]\n\
         [[heads]]\noutput = \"yolo1\"\nstride = 16\nanchors = [[12, 18], [37, 49], [52, 132]]\n",
        0.451,
        0.226,
    ),
    (
        "MobileNetV2-YOLOv3-Nano-coco",
        "[[heads]]\noutput = \"yolo0\"\nstride = 32\nscale_x_y = 1.1\nanchors = [[115, 74], [119, 199], [243, 238]]\n\
         [[heads]]\noutput = \"yolo1\"\nstride = 16\nscale_x_y = 1.05\nanchors = [[12, 18], [37, 49], [52, 132]]\n",
        0.375,
        0.166,
    ),
];

#[test]
fn trained_models_are_as_accurate_as_others_measured() {
    let Some(shared) = shared() else { return };
    let set = shared.join("eval/val2017");
    let folder = temp();
    let mut reports = Vec::new();
    for (number, (name, heads, ..)) in MODELS.into_iter().enumerate() {
        let model = folder.path().join(name);
        fs::create_dir_all(model.join("1")).unwrap();
        fs::write(model.join("model.toml"), format!("{INPUT}{heads}")).unwrap();
        fs::copy(shared.join("models/coco.names"), model.join("coco.names")).unwrap();
        fs::copy(shared.join(format!("models/onnx/{name}.onnx")), model.join("1/model.onnx")).unwrap();
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
    for ((report, wanted), (name, _, ap50, ap)) in reports.iter().zip(&oracle).zip(MODELS) {
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
