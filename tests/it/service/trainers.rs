//! The trainers of models/train run from pictures to model folders, and this program reads those as they are.

use std::process::Command;

use serde_json::Value;

use super::{
    command_line::{ends, lines},
    eval_pycocotools::{eval, report},
    harness::{EXACT, program, root, temp},
};

#[test]
fn what_the_trainers_write_runs_here_with_the_figures_that_they_told() {
    let packages = root().join("deps/onnxruntime-python");
    assert!(
        packages.is_dir(),
        "deps/onnxruntime-python is missing: make test-setup, or scripts/wheels.sh onnxruntime-python"
    );
    let place = temp();
    let folder = place.path().join("trained");
    let mut smoke = Command::new("/usr/bin/python3");
    let output = ends(smoke.arg(root().join("models/train/smoke.py")).arg(&folder).env("PYTHONPATH", packages), 0);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(told["ap50"].as_f64().unwrap() > 0.2, "too little was found for the figures to say anything: {told}");

    let (photos, models) = (folder.join("photos"), folder.join("models"));
    let mut command = eval(&photos.join("heldout.json"));
    command.arg("--images").arg(photos.join("heldout/images")).arg("--model").arg(models.join("nano"));
    let found = report(command.arg("--clip").args(EXACT));
    println!("{told} {} {}", found["AP50"], found["AP"]);
    for (ours, theirs) in [("AP50", "ap50"), ("AP", "ap")] {
        let apart = (found[ours].as_f64().unwrap() - told[theirs].as_f64().unwrap()).abs();
        assert!(apart < 0.05, "{ours}: {found} {told}");
    }

    let mut inspect = program();
    let output = ends(inspect.args(["models", "inspect", "--json"]).arg(models.join("people")), 0);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["family"], &told["labels"]), (&"yolov3".into(), &serde_json::json!(["person"])));

    let mut classify = program();
    classify.args(["classify", "--top-k", "10", "--model"]).arg(models.join("cifar10")).args(EXACT);
    let found = lines(&ends(classify.arg(photos.join("heldout/images/0.jpg")), 0));
    assert_eq!(found[0]["classes"].as_array().map(Vec::len), Some(10), "{found:?}");
}
