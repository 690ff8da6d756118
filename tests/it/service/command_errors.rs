//! What a person at the terminal reads when something is wrong, and what the log looks like to other programs.

use std::fs;

use serde_json::Value;

use super::{
    command_line::{ends, words},
    harness::{SHAPES, Server, detect, fixture, program, temp},
};

#[test]
fn no_structure_of_the_program_reaches_a_person() {
    let bad = ["README.md", "junk.mp4", "no-moov.mp4", "audio-only.mp4", "empty.mp4", "html.mp4", "text.mp4"];
    for name in bad.into_iter().chain(["encrypted.mp4", "damaged.mp4"]) {
        let said = words(&detect().arg(fixture(name)).output().unwrap());
        assert!(said.contains(name), "{said}");
        for sign in [" { ", " }", "None", "Some(", "Ok(", "Err("] {
            assert!(!said.contains(sign), "{name}: {said}");
        }
    }
    // What a developer wants to know of a refused file is in the log.
    let said = words(&ends(detect().args(["--log", "debug"]).arg(fixture("junk.mp4")), 1));
    assert!(said.contains("container application/octet-stream"), "{said}");
}

#[test]
fn the_log_has_no_colour_codes_off_a_terminal_and_is_json_on_request() {
    let folder = temp();
    let logged = |name: &str, flags: &[&str]| {
        let server = Server::with(&folder.path().join(name), flags);
        let id = server.upload(fixture("numbered-odd.mp4"));
        server.done(&id);
        server.get("/api/videos/none").must(404);
        server.ask_to_stop();
        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(!log.is_empty() && !log.contains('\x1b'), "{log}");
        log
    };
    assert!(logged("text", &[]).contains("INFO"));
    let log = logged("json", &["--log-format", "json", "--log", "debug"]);
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["timestamp", "level", "target", "message"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
    }
    assert!(log.lines().any(|line| line.contains("\"message\":\"model loaded\"")), "{log}");

    // The error that ends the program, too; and the environment and the file name the format as well.
    let file = folder.path().join("settings.toml");
    fs::write(&file, "log-format = \"json\"\n").unwrap();
    let mut by_environment = program();
    by_environment.env("SIGHTGLASS_LOG_FORMAT", "json").args(["serve", "--model", "nope"]);
    let mut by_file = program();
    by_file.arg("--config").arg(&file).args(["serve", "--model", "nope"]);
    for command in [&mut by_environment, &mut by_file] {
        let output = ends(command.args(["--listen", "0", "--data"]).arg(folder.path().join("none")), 1);
        let last: Value = serde_json::from_str(words(&output).lines().last().unwrap()).unwrap();
        assert!(last["level"] == "ERROR" && last["message"].as_str().unwrap().contains("nope"), "{last}");
    }
    ends(program().args(["serve", "--log-format", "xml"]), 2);
}

#[test]
fn a_serve_that_fails_leaves_no_data_folder() {
    let folder = temp();
    let data = folder.path().join("new/data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let key = folder.path().join("key.pem");
    fs::write(&key, "no key").unwrap();
    let key = key.to_str().unwrap();
    for (wrong, word) in [
        (vec!["--model", "yolov8n"], "yolov8n"),
        (vec!["--listen", &address], "another server"),
        (vec!["--tls-cert", key, "--tls-key", key], "certificate"),
        (vec!["--tls-cert", "/nowhere", "--tls-key", "/nowhere"], "certificate"),
        (vec!["--tls-cert", key], "--tls-key"),
        (vec!["--token", "12345678", "--no-auth"], "contradict"),
        (vec!["--stream-networks", "everywhere"], "everywhere"),
        (vec!["--onnxruntime", "/nowhere"], "ONNX Runtime"),
    ] {
        let mut command = program();
        command.args(["serve", "--data"]).arg(&data).args(&wrong);
        if !wrong.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if !wrong.contains(&"--model") {
            command.args(["--model", SHAPES]);
        }
        let said = words(&ends(&mut command, 1));
        assert!(said.contains(word), "{wrong:?}: {said}");
        assert!(!folder.path().join("new").exists(), "{wrong:?}");
    }
    // A folder that was there stays, with all that is in it.
    Server::with(&data, &[]).stop();
    let names = || {
        let names = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let before = names();
    let running = Server::with(&data, &[]);
    let mut second = program();
    second.args(["serve", "--listen", "127.0.0.1:0", "--model", SHAPES, "--data"]).arg(&data);
    assert!(words(&ends(&mut second, 1)).contains("used by another"));
    running.stop();
    ends(program().args(["serve", "--listen", "127.0.0.1:0", "--model", "nope", "--data"]).arg(&data), 1);
    assert_eq!(names(), before);
}

#[test]
fn an_address_to_listen_on_is_taken_as_people_write_it_or_explained() {
    let output = ends(program().args(["serve", "--listen", "nowhere"]), 2);
    assert!(words(&output).contains("127.0.0.1:8080"), "{}", words(&output));
    for wrong in [vec!["--port", "8080"], vec!["--host", "0.0.0.0"], vec!["--port=8080"], vec!["-p", "8080"]] {
        let output = ends(program().arg("serve").args(&wrong), 2);
        assert!(words(&output).contains("--listen 127.0.0.1:8080"), "{wrong:?}: {}", words(&output));
    }
    let folder = temp();
    for listen in ["0", "localhost:0"] {
        Server::on(listen, &folder.path().join("data"), &[]).stop();
    }
}

#[test]
fn help_is_in_sections_with_examples_and_fits_a_terminal() {
    for command in ["serve", "detect", "classify", "bench", "eval", "doctor", "models"] {
        let help = String::from_utf8_lossy(&ends(program().args([command, "--help"]), 0).stdout).into_owned();
        assert!(help.contains("Examples:\n  sightglass "), "{command}: {help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 100, "{command}: {line}");
        }
    }
    let help = String::from_utf8_lossy(&ends(program().args(["serve", "--help"]), 0).stdout).into_owned();
    let sections =
        ["Models:", "Limits of media:", "Live streams:", "HTTPS and access:", "Retention:", "Log and configuration:"];
    for section in sections {
        assert_eq!(help.lines().filter(|line| *line == section).count(), 1, "{section}");
    }
    // A flag stands in the section that it belongs to.
    let section_of = |flag: &str| {
        let before = help.split(&format!("--{flag} ")).next().unwrap();
        before.lines().rfind(|line| line.ends_with(':') && !line.starts_with(' ')).unwrap().to_owned()
    };
    for (flag, section) in
        [("listen", "Options:"), ("data", "Options:"), ("model", "Models:"), ("token", "HTTPS and access:")]
    {
        assert_eq!(section_of(flag), section, "{flag}");
    }
    for (flag, section) in [("max-pixels", "Limits of media:"), ("log", "Log and configuration:"), ("www", "Options:")]
    {
        assert_eq!(section_of(flag), section, "{flag}");
    }
}

#[test]
fn doctor_measures_on_demand_and_keeps_the_choice_for_the_service() {
    let folder = temp();
    let data = folder.path().join("data");
    fs::create_dir_all(data.join("cache")).unwrap();
    let kept = data.join("cache/measured.json");
    let doctor = |flags: &[&str]| {
        let mut command = program();
        command.args(["doctor", "--model", SHAPES, "--provider", "cpu", "--data"]).arg(&data).args(flags);
        command.env("XDG_CACHE_HOME", folder.path().join("other"));
        // Packages may be missing on the machine of the test: the models are what is looked at.
        String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
    };
    let first = doctor(&["--measure"]);
    if std::thread::available_parallelism().unwrap().get() == 1 {
        assert!(first.contains("the only choice"), "{first}");
        return;
    }
    assert!(first.contains("frames/s") && first.contains("CPU f32 1 × "), "{first}");
    let mut entries: Value = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    let entry = entries.as_object_mut().unwrap().values_mut().next().unwrap();
    assert!(entry["trials"].as_array().unwrap().len() > 1, "{entry}");
    // A settled choice is used as it is, and a measurement that is asked for replaces it.
    entry["busy"] = 0.into();
    entry["words"] = "words of the test".into();
    fs::write(&kept, entries.to_string()).unwrap();
    assert!(doctor(&[]).contains("words of the test"));
    assert!(doctor(&["--measure"]).contains("frames/s"));
    assert!(!fs::read_to_string(&kept).unwrap().contains("words of the test"));
    // One of a busy machine is measured again by itself.
    let mut entries: Value = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    let entry = entries.as_object_mut().unwrap().values_mut().next().unwrap();
    entry["busy"] = 1.into();
    entry["words"] = "words of the test".into();
    fs::write(&kept, entries.to_string()).unwrap();
    assert!(!doctor(&[]).contains("words of the test"));
}
