//! Labels in saved pictures and videos: in any script where fonts are installed, and readable where none is.

use std::{fs, path::Path, process::Command};

use super::{
    command_line::{ends, words},
    harness::{EXACT, SHAPES, bytes, fixture, program, temp},
    media::ReadBack,
};

/// The detector of shapes with other names for its classes.
fn model(folder: &Path, name: &str, labels: [&str; 3]) -> std::path::PathBuf {
    let model = folder.join(name);
    ends(Command::new("cp").arg("-r").arg(SHAPES).arg(&model), 0);
    let file = model.join("model.toml");
    let text = fs::read_to_string(&file).unwrap();
    let named: Vec<String> = (0..8).map(|class| format!("\"{}{class}\"", labels[class % 3])).collect();
    let line = |line: &str| match line.starts_with("labels = ") {
        true => format!("labels = [{}]\n", named.join(", ")),
        false => format!("{line}\n"),
    };
    fs::write(file, text.lines().map(line).collect::<String>()).unwrap();
    model
}

#[test]
fn labels_of_any_script_are_drawn_in_pictures_and_videos() {
    let folder = temp();
    let drawn = |name: &str, labels: [&str; 3], input: &str, ending: &str| {
        let copy = folder.path().join(format!("{name}.{ending}"));
        let model = model(folder.path(), name, labels);
        let mut detect = program();
        detect.arg("detect").arg("--model").arg(model).args(EXACT).arg("-q").arg(fixture(input)).arg("-o").arg(&copy);
        let output = ends(&mut detect, 0);
        assert!(output.stderr.is_empty(), "{}", words(&output));
        copy
    };
    let numbers = bytes(drawn("numbers", ["#", "#", "#"], "scene.png", "png"));
    let pictures = [
        drawn("chinese", ["汽车", "行人", "红绿灯"], "scene.png", "png"),
        drawn("japanese", ["じどうしゃ", "歩行者", "信号"], "scene.png", "png"),
        drawn("urdu", ["گاڑی", "آدمی", "اشارہ"], "scene.png", "png"),
        drawn("hindi", ["गाड़ी", "आदमी", "संकेत"], "scene.png", "png"),
    ];
    let pictures = pictures.map(bytes);
    for (place, picture) in pictures.iter().enumerate() {
        assert_ne!(*picture, numbers);
        assert!(pictures[..place].iter().all(|other| other != picture));
    }
    let video = drawn("video", ["汽车", "行人", "红绿灯"], "numbered-odd.mp4", "avi");
    assert_eq!(ReadBack::open(&video).len(), 60);
}

#[test]
fn without_any_font_labels_are_plain_letters_or_numbers_and_a_warning() {
    let folder = temp();
    let config = folder.path().join("fonts.conf");
    let empty = folder.path().join("fonts");
    fs::create_dir(&empty).unwrap();
    fs::write(&config, format!("<fontconfig><dir>{}</dir></fontconfig>", empty.display())).unwrap();
    let drawn = |name: &str, labels: [&str; 3]| {
        let copy = folder.path().join(format!("{name}.png"));
        let model = model(folder.path(), name, labels);
        let mut detect = program();
        detect.env("FONTCONFIG_FILE", &config).env("HOME", &empty);
        detect.arg("detect").arg("--model").arg(model).args(EXACT).arg("-q").arg(fixture("scene.png"));
        let output = ends(detect.arg("-o").arg(&copy), 0);
        assert_eq!(words(&output).matches("no fonts are installed").count(), 1, "{}", words(&output));
        bytes(copy)
    };
    let [chinese, arabic] = [drawn("chinese", ["汽车"; 3]), drawn("arabic", ["سيارة"; 3])];
    assert_eq!(chinese, arabic, "both are numbers");
    assert_ne!(drawn("english", ["car"; 3]), chinese);
}
