//! What the command line takes and where it writes: folders of all kinds of files, animations, cameras, copies.

use std::fs;

use super::{
    command_line::{ends, lines, words},
    harness::{CIFAR10, EXACT, Server, detect, fixture, program, temp},
    media::ReadBack,
};

/// A GIF of so many pictures of 40 x 30 pixels.
fn gif(pictures: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, 40, 30, &[0, 0, 0, 255, 255, 255]).unwrap();
    encoder.set_repeat(gif::Repeat::Infinite).unwrap();
    for picture in 0..pictures {
        let levels = vec![(picture % 2) as u8; 40 * 30];
        encoder.write_frame(&gif::Frame::from_indexed_pixels(40, 30, levels, None)).unwrap();
    }
    drop(encoder);
    bytes
}

#[test]
fn a_folder_gives_its_pictures_and_videos_and_names_the_rest() {
    let folder = temp();
    let inputs = folder.path().join("in");
    fs::create_dir_all(inputs.join("deeper")).unwrap();
    for name in ["scene.jpg", "numbered-odd.mp4", "numbered.avi", "numbered-vfr.mp4"] {
        fs::copy(fixture(name), inputs.join(name)).unwrap();
    }
    // Its name says nothing, its first bytes do.
    fs::copy(fixture("scene.png"), inputs.join("picture")).unwrap();
    fs::copy(fixture("numbered-odd.mp4"), inputs.join("numbered.mp4")).unwrap();
    fs::write(inputs.join("notes.txt"), "neither").unwrap();
    let out = folder.path().join("out");
    let output = ends(detect().arg(&inputs).arg("-o").arg(&out), 0);
    let found = lines(&output);
    let count = |name: &str| found.iter().filter(|line| line["source"].as_str().unwrap().ends_with(name)).count();
    for (name, frames) in
        [("/scene.jpg", 1), ("/picture", 1), ("-odd.mp4", 60), ("/numbered.avi", 90), ("-vfr.mp4", 60)]
    {
        assert_eq!(count(name), frames, "{name}");
    }
    let said = words(&output);
    assert!(said.contains("notes.txt") && said.contains("deeper"), "{said}");
    assert!(said.contains("wrote 2 pictures and 4 videos to"), "{said}");
    // Two inputs of one name have a copy each.
    assert_eq!(ReadBack::open(&out.join("numbered.avi")).len(), 90);
    assert_eq!(ReadBack::open(&out.join("numbered.mp4.avi")).len(), 60);
    for name in ["scene.jpg", "picture.jpg", "numbered-odd.avi"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    // A classifier takes pictures, and names the videos with the rest.
    let mut classify = program();
    classify.args(["classify", "--model", CIFAR10]).args(EXACT).arg(&inputs);
    let output = ends(&mut classify, 0);
    assert!(lines(&output).len() == 2 && words(&output).contains("numbered-odd.mp4"), "{}", words(&output));
}

#[test]
fn an_animation_is_used_for_its_first_picture_which_is_said() {
    let folder = temp();
    for (pictures, said) in [(1, false), (3, true)] {
        let file = folder.path().join(format!("{pictures}.gif"));
        fs::write(&file, gif(pictures)).unwrap();
        let output = ends(detect().arg(&file), 0);
        assert_eq!(lines(&output).len(), 1);
        assert_eq!(words(&output).contains("only its first picture"), said, "{}", words(&output));
    }
    // The same where a service does the work.
    let server = Server::start(&folder.path().join("data"));
    let output = ends(program().args(["detect", "--server", &server.base]).arg(folder.path().join("3.gif")), 0);
    assert!(words(&output).contains("only its first picture"), "{}", words(&output));
}

#[test]
fn cameras_and_addresses_are_explained_before_a_model_is_loaded() {
    for input in ["rtsp://127.0.0.1/live", "https://example.org/video.mp4", "0", "nope.mp4"] {
        for command in ["detect", "classify"] {
            // No such model: it would be the first thing to fail.
            let said = words(&ends(program().args([command, "--model", "nope", input]), 1));
            assert!(said.contains(input) && !said.contains("model"), "{said}");
            assert_eq!(said.contains("sightglass serve"), input != "nope.mp4", "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
    // A bad file of several, too; but a model that cannot be loaded ends the work once.
    let said = words(&ends(program().args(["detect", "--model", "nope"]).arg(fixture("junk.mp4")), 1));
    assert!(said.contains("not a video") && !said.contains("nope"), "{said}");
    let both = [fixture("scene.jpg"), fixture("scene.png")];
    let said = words(&ends(program().args(["detect", "--model", "nope"]).args(&both), 1));
    assert_eq!(said.matches("nope").count(), 1, "{said}");
}

#[test]
fn what_cannot_be_written_is_said_before_the_work_and_without_a_server() {
    let folder = temp();
    let none = folder.path().join("none");
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let quiet_of_servers = |command: &mut std::process::Command, part: &str| {
        let output = ends(command, 1);
        let said = words(&output);
        assert!(output.stdout.is_empty(), "before the work");
        assert!(said.contains(part), "{said}");
        for word in ["server", "OpenCV", "Gst", "os error 2)"] {
            assert!(!said.contains(word), "{said}");
        }
    };
    let (scene, video) = (fixture("scene.jpg"), fixture("numbered-odd.mp4"));
    for (input, name) in [(&video, "x.avi"), (&video, "x.mp4"), (&scene, "x.jpg"), (&scene, "x.png")] {
        quiet_of_servers(detect().arg(input).arg("-o").arg(none.join(name)), "does not exist");
        quiet_of_servers(detect().arg(input).arg("-o").arg(file.join(name)), "Cannot write");
    }
    quiet_of_servers(detect().arg(&scene).arg("-o").arg(file.join("folder")), "is a file");
    quiet_of_servers(detect().arg(&video).arg("-o").arg(folder.path().join("x.jpg")), ".avi");
    quiet_of_servers(detect().arg(&scene).arg("-o").arg(folder.path().join("x.avi")), ".jpg");
    quiet_of_servers(detect().arg(&scene).arg("--save-coco").arg(none.join("x.json")), "does not exist");
    let mut classify = program();
    classify.args(["classify", "--model", CIFAR10]).args(EXACT).arg(&scene);
    quiet_of_servers(classify.arg("-o").arg(none.join("x.jpg")), "does not exist");
    let annotations = folder.path().join("annotations.json");
    fs::write(&annotations, r#"{"images":[{"id":1,"width":8,"height":8,"file_name":"1.jpg"}],"annotations":[{"id":1,"image_id":1,"category_id":1,"bbox":[0,0,4,4],"area":16,"iscrowd":0}],"categories":[{"id":1,"name":"circle"}]}"#).unwrap();
    for flag in ["--curves", "--save-coco"] {
        let mut eval = program();
        eval.args(["eval", "--annotations"]).arg(&annotations).arg("--images").arg(folder.path());
        quiet_of_servers(eval.arg(flag).arg(none.join("x.png")), "does not exist");
    }
    assert!(!none.exists() && fs::read(&file).unwrap() == b"in the way");

    // What is there stays until the work is done, and what was written is said.
    let copy = folder.path().join("copy.avi");
    fs::write(&copy, "as it was").unwrap();
    ends(detect().arg(fixture("junk.mp4")).arg("-o").arg(&copy), 1);
    assert_eq!(fs::read(&copy).unwrap(), b"as it was");
    let output = ends(detect().arg(&video).arg("-o").arg(&copy), 0);
    assert!(words(&output).contains(&format!("wrote {} (60 frames)", copy.display())), "{}", words(&output));
    let output = ends(detect().arg("-q").arg(&video).arg("-o").arg(&copy), 0);
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{}", words(&output));
}
