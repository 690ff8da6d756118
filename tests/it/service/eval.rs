//! `sightglass eval` and `detect --save-coco`: figures, files, and words for what is wrong.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use sightglass::{frame::Size, vision::picture};

use super::{
    command_line::{ends, words},
    eval_pycocotools::{FIGURES, apart, eval, oracle, report},
    harness::{EXACT, SHAPES, bytes, detect, fixture, program, temp},
};

const SCENES: [&str; 3] = ["scene.jpg", "scene.png", "scene-exif6.jpg"];

/// What the drawn scenes show, as COCO annotates it. `name`: how a category is called.
fn annotations(folder: &Path, name: impl Fn(&str) -> String) -> PathBuf {
    let scene: Value = serde_json::from_slice(&bytes(fixture("scene.json"))).unwrap();
    let labels = ["circle", "star", "triangle", "heart", "cross", "arrow", "square"];
    let categories = labels.iter().enumerate().map(|(id, label)| json!({ "id": id + 10, "name": name(label) }));
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    for (image, file) in SCENES.iter().enumerate() {
        images.push(json!({ "id": image, "file_name": file, "width": 480, "height": 360 }));
        for object in scene["objects"].as_array().unwrap() {
            let [left, top, right, bottom] = [0, 1, 2, 3].map(|at| object["box"][at].as_f64().unwrap());
            let bbox = [left, top, right - left, bottom - top];
            let category = 10 + labels.iter().position(|label| object["label"] == *label).unwrap();
            annotations.push(json!({ "id": annotations.len() + 1, "image_id": image, "category_id": category,
                "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0 }));
        }
    }
    let categories: Vec<Value> = categories.collect();
    let file = folder.join("0.annotations.json");
    let all = json!({ "images": images, "categories": categories, "annotations": annotations });
    fs::write(&file, all.to_string()).unwrap();
    file
}

fn on_scenes(annotations: &Path) -> Command {
    let mut command = eval(annotations);
    command.args(["--model", SHAPES]).args(EXACT).arg("--images").arg(fixture(""));
    command
}

#[test]
fn a_model_is_measured_on_drawn_scenes() {
    let folder = temp();
    let annotations = annotations(folder.path(), |label| label.to_uppercase());
    let (results, curves) = (folder.path().join("0.results.json"), folder.path().join("curves.png"));
    let mut command = on_scenes(&annotations);
    let output = ends(command.arg("--save-coco").arg(&results).arg("--curves").arg(&curves), 0);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    println!("{found}");
    assert!(found["AP50"].as_f64().unwrap() > 0.8, "{found}");
    assert!(apart(&found, &oracle(folder.path())[0]) < 1e-9);
    assert_eq!((found["images"].as_u64(), found["objects"].as_u64()), (Some(3), Some(18)));
    assert_eq!(found["settings"]["multi_label"], true);
    assert_eq!((found["model"]["name"].as_str(), found["model"]["precision"].as_str()), (Some("shapes"), Some("f32")));
    assert!(found["speed"]["ms_per_image"].as_f64().unwrap() > 0.0);
    // The model's label that nobody annotated, and the category that the scenes do not show.
    assert_eq!(found["dropped_labels"], json!(["ring"]));
    assert!(
        words(&output).contains("labels of the model that are no category, dropped (1): ring"),
        "{}",
        words(&output)
    );
    let square = found["per_class"].as_array().unwrap().iter().find(|class| class["name"] == "SQUARE").unwrap();
    assert_eq!((square["objects"].as_u64(), square["AP"].as_f64()), (Some(0), Some(-1.0)));
    let picture = picture::read(&bytes(&curves), u64::MAX).unwrap();
    assert_eq!(picture.size, Size::new(1280, 800));

    // The same detections from their file: the same figures. And the same for people.
    let again = report(eval(&annotations).arg("--detections").arg(&results));
    for key in FIGURES.iter().chain(&["per_class", "detections", "objects"]) {
        assert_eq!(found[key], again[key], "{key}");
    }
    assert!(again["model"].is_null() && again["speed"].is_null());
    let mut command = program();
    let output = ends(command.args(["eval", "--annotations"]).arg(&annotations).arg("--detections").arg(&results), 0);
    let text = String::from_utf8_lossy(&output.stdout);
    let first = format!("maxDets=100 ] = {:.3}", found["AP"].as_f64().unwrap());
    assert_eq!(text.lines().filter(|line| line.starts_with(" Average ")).count(), 12, "{text}");
    assert!(text.lines().next().is_some_and(|line| line.ends_with(&first)), "{text}");
    assert!(text.contains("\nCIRCLE ") && !text.contains("\nSQUARE "), "{text}");
}

#[test]
fn flags_change_what_counts() {
    let folder = temp();
    let annotations = annotations(folder.path(), |label| if label == "heart" { "spleen".into() } else { label.into() });
    let all = on_scenes(&annotations).output().unwrap();
    let words_of = String::from_utf8_lossy(&all.stderr).into_owned();
    assert!(
        words_of.contains("categories that the model does not know") && words_of.contains("(1): spleen"),
        "{words_of}"
    );
    let all: Value = serde_json::from_slice(&all.stdout).unwrap();
    assert_eq!(all["unknown_categories"], json!(["spleen"]));
    let of = |args: &[&str]| report(on_scenes(&annotations).args(args));
    let known = of(&["--only-known"]);
    assert_eq!(known["per_class"].as_array().unwrap().len(), 6);
    // Of six categories with objects one has AP 0, and without it the mean is over five.
    let (ap, known_ap) = (all["AP"].as_f64().unwrap(), known["AP"].as_f64().unwrap());
    assert!((known_ap - ap * 6.0 / 5.0).abs() < 1e-9, "{ap} and {known_ap}");
    let two = of(&["--categories", "Star,CIRCLE"]);
    assert_eq!((two["per_class"][0]["name"].as_str(), two["per_class"].as_array().unwrap().len()), (Some("circle"), 2));
    let few = of(&["--score", "0.5", "--max-detections", "4", "--best-class-only", "--iou", "0.7"]);
    assert_eq!(
        (few["settings"]["multi_label"].as_bool(), few["settings"]["max_detections"].as_u64()),
        (Some(false), Some(4))
    );
    assert!(few["detections"].as_u64().unwrap() <= 12 && few["AR100"].as_f64() < all["AR100"].as_f64(), "{few}");
}

#[test]
fn what_is_wrong_is_said_in_words() {
    let folder = temp();
    let good = annotations(folder.path(), str::to_owned);
    let changed = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_slice(&fs::read(&good).unwrap()).unwrap();
        change(&mut value);
        let file = folder.path().join(name);
        fs::write(&file, value.to_string()).unwrap();
        file
    };
    let said = |command: &mut Command| {
        let output = ends(command, 1);
        assert!(output.stdout.is_empty());
        words(&output)
    };
    let text = folder.path().join("text.json");
    fs::write(&text, "These are no annotations.").unwrap();
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    fs::copy(fixture("scene.jpg"), pictures.join("scene.jpg")).unwrap();
    fs::write(pictures.join("scene.png"), "This is no picture.").unwrap();

    for (file, wanted) in [
        (folder.path().join("missing.json"), "missing.json: cannot be read"),
        (text.clone(), "text.json: These are no annotations as COCO writes them"),
        (changed("1.json", &|value| value["annotations"] = json!([])), "has no `annotations`"),
        (changed("2.json", &|value| value["annotations"][3]["bbox"] = json!(["a", 1, 2, 3])), "expected f64"),
        (changed("3.json", &|value| value["annotations"][3]["bbox"][2] = json!(-7)), "with the id 4: the box"),
        (changed("4.json", &|value| value["categories"][1]["name"] = json!("Circle")), "have the same name"),
        (changed("5.json", &|value| value["categories"][1]["id"] = json!(10)), "have the same `id`"),
        (
            changed("6.json", &|value| {
                value["categories"].as_array_mut().unwrap().iter_mut().for_each(|one| {
                    one["name"] = json!(format!("kind {}", one["id"]));
                });
            }),
            "labels is a category",
        ),
        (
            changed("7.json", &|value| value["images"][0]["file_name"] = json!("../fixtures/scene.jpg")),
            "1 of 3 pictures",
        ),
        (changed("8.json", &|value| value["images"][0]["file_name"] = json!("/etc/hostname")), "1 of 3 pictures"),
    ] {
        let words = said(&mut on_scenes(&file));
        assert!(words.contains(wanted), "{}: {words}", file.display());
    }
    let with = |images: &Path| said(eval(&good).args(["--model", SHAPES]).args(EXACT).arg("--images").arg(images));
    assert!(with(&folder.path().join("nowhere")).contains("no such folder"));
    let missing = with(&pictures);
    assert!(missing.contains("1 of 3 pictures are not in") && missing.contains("(1): scene-exif6.jpg"), "{missing}");
    fs::copy(fixture("scene-exif6.jpg"), pictures.join("scene-exif6.jpg")).unwrap();
    let broken = with(&pictures);
    assert!(broken.contains("scene.png: This is no picture"), "{broken}");

    let results = folder.path().join("results.json");
    for (list, wanted) in [
        ("{}", "results.json: This is no list"),
        (r#"[{"image_id": 77, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]"#, "name the image 77"),
    ] {
        fs::write(&results, list).unwrap();
        let words = said(eval(&good).arg("--detections").arg(&results));
        assert!(words.contains(wanted), "{words}");
    }
    let nowhere = folder.path().join("nowhere/results.json");
    assert!(said(on_scenes(&good).arg("--save-coco").arg(&nowhere)).contains("does not exist"));
    assert!(said(on_scenes(&good).args(["--categories", "robot"])).contains("no category `robot`, but: circle"));
    for wrong in [
        vec![],
        vec!["--images", "x", "--score", "7"],
        vec!["--images", "x", "--iou", "0"],
        vec!["--images", "x", "--curves", "curves.pdf"],
    ] {
        ends(eval(&good).args(wrong), 2);
    }
}

#[test]
fn detections_are_written_as_coco_results() {
    let folder = temp();
    let (numbered, other) = (folder.path().join("000000000139.jpg"), folder.path().join("dog.png"));
    fs::copy(fixture("scene.jpg"), &numbered).unwrap();
    fs::copy(fixture("scene.png"), &other).unwrap();
    let results = folder.path().join("results.json");
    let detect = || {
        let mut command = detect();
        command.arg("--save-coco").arg(&results);
        command
    };
    let ids = |inputs: &[&Path]| {
        let output = ends(detect().args(inputs), 0);
        let list: Vec<Value> = serde_json::from_slice(&fs::read(&results).unwrap()).unwrap();
        let mut found = list.iter();
        // The very numbers that the events have.
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            for detection in event["detections"].as_array().unwrap() {
                let one = found.next().unwrap();
                assert_eq!((&one["bbox"], &one["score"]), (&detection["box"], &detection["score"]));
                assert_eq!(one["category_id"], detection["class_id"]);
            }
        }
        assert!(found.next().is_none() && !list.is_empty());
        let mut ids: Vec<i64> = list.iter().map(|one| one["image_id"].as_i64().unwrap()).collect();
        ids.dedup();
        ids
    };
    assert_eq!(ids(&[&numbered, &other]), [139, 2]);
    assert_eq!(ids(&[&other, &numbered]), [1, 139]);
    assert_eq!(ids(&[&fixture("numbered-odd.mp4")]), (0..60).collect::<Vec<_>>());
    // Two pictures of the same number, or two videos, cannot be told apart.
    let same = folder.path().join("139.png");
    fs::copy(&other, &same).unwrap();
    let output = ends(detect().args([&numbered, &same]), 1);
    assert!(words(&output).contains("139.png: Another input has the image id 139"), "{}", words(&output));
    let list: Vec<Value> = serde_json::from_slice(&fs::read(&results).unwrap()).unwrap();
    assert!(!list.is_empty(), "the file is whole");
}
