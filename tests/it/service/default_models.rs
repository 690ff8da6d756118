//! The models that ship are as good as their cards say.

use std::{fs, process::Command};

use super::{
    command_line::{ends, lines},
    eval_pycocotools::{eval, report},
    harness::{EXACT, program, root, temp},
};
use crate::shared::shared;

/// The numbers of the first row of a card that begins with these words, in order.
fn told(model: &str, row: &str) -> Vec<f64> {
    let card = fs::read_to_string(root().join("models").join(model).join("README.md")).unwrap();
    let line = card.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("{row} is not in the card"));
    let cells = line[row.len()..].split('|').map(|cell| cell.trim().trim_matches('*'));
    cells.filter_map(|cell| cell.parse().ok()).collect()
}

#[test]
fn the_detector_finds_in_cocos_photographs_what_its_card_tells() {
    const TEN: [&str; 10] = ["person", "car", "motorcycle", "bus", "truck", "cat", "dog", "horse", "sheep", "cow"];
    let Some(shared) = shared() else { return };
    let set = shared.join("eval/val2017");
    let mut command = eval(&set.join("instances.json"));
    let found =
        report(command.args(EXACT).args(["--model", "sightglass-nano"]).arg("--images").arg(set.join("images")));
    let classes = found["per_class"].as_array().unwrap();
    let of = |name: &str, key: &str| {
        classes.iter().find(|class| class["name"] == name).and_then(|class| class[key].as_f64())
    };
    let occur: Vec<&str> =
        TEN.into_iter().filter(|name| of(name, "objects").is_some_and(|count| count > 0.0)).collect();
    let mean = |key| occur.iter().map(|name| of(name, key).unwrap()).sum::<f64>() / occur.len() as f64;
    let wanted = told("sightglass-nano", "| COCO val2017, 128 pictures");
    let ours = [mean("AP50"), mean("AP"), of("person", "AP50").unwrap(), of("car", "AP50").unwrap()];
    println!("{} of the ten classes occur: {ours:?}", occur.len());
    assert_eq!(wanted.len(), ours.len(), "{wanted:?}");
    for (ours, wanted) in ours.into_iter().zip(&wanted) {
        assert!((ours - wanted).abs() < 0.003, "the card says {wanted}, found are {ours}");
    }
}

#[test]
fn the_classifier_is_right_as_often_as_its_card_tells() {
    let Some(shared) = shared() else { return };
    let folder = temp();
    let mut unpack = Command::new("tar");
    unpack.arg("-xzf").arg(shared.join("train/cifar10/cifar10_test.tar.gz")).arg("-C").arg(folder.path());
    assert!(unpack.status().unwrap().success());
    let tenth = folder.path().join("test/*/*0.jpg");
    let mut classify = program();
    classify.args(["classify", "--top-k", "1", "--model", "cifar10"]).args(EXACT).arg(tenth);
    let found = lines(&ends(&mut classify, 0));
    assert_eq!(found.len(), 1000);
    let right = |line: &&serde_json::Value| {
        let label = line["classes"][0]["label"].as_str().unwrap();
        line["source"].as_str().unwrap().contains(&format!("/test/{label}/"))
    };
    let ours = found.iter().filter(right).count() as f64 / found.len() as f64;
    let wanted = told("cifar10", "| every tenth picture (`*0.jpg`), f32")[0];
    assert!((ours - wanted).abs() < 0.002, "the card says {wanted}, right are {ours}");
}

#[test]
fn the_classifier_errs_as_its_card_shows() {
    let photographs = root().join("fixtures/photographs");
    let mut classify = program();
    classify.args(["classify", "--top-k", "1", "--model", "cifar10"]).args(EXACT).arg(&photographs);
    let found = lines(&ends(&mut classify, 0));
    let said = |name: &str| {
        let line = found.iter().find(|line| line["source"].as_str().unwrap().ends_with(name)).unwrap();
        (line["classes"][0]["label"].as_str().unwrap(), line["classes"][0]["score"].as_f64().unwrap())
    };
    for (name, label, score) in
        [("astronaut.jpg", "dog", 0.65), ("photographer.jpg", "airplane", 0.54), ("cat.jpg", "cat", 1.0)]
    {
        let (ours, sure) = said(name);
        assert!(ours == label && (sure - score).abs() < 0.02, "{name}: {ours} {sure}");
    }
}
