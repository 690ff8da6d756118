//! docs/guide/images-over-http.md, run: each block against a live server, in both languages of the page.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use sightglass::{frame::Size, vision::picture};

use super::harness::{Server, bytes, fixture, root, temp};

/// The code blocks of a page: language and text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("docs/guide").join(page)).unwrap();
    let parts: Vec<&str> = text.split("```").collect();
    assert_eq!(parts.len() % 2, 1, "{page}: a block that is not closed");
    let inside = parts.iter().skip(1).step_by(2);
    inside.map(|part| part.split_once('\n').map(|(language, code)| (language.into(), code.into())).unwrap()).collect()
}

/// What a block's program says, run in a folder that holds `photo.jpg`.
fn run(folder: &Path, language: &str, code: &str) -> Output {
    let (program, ending) = match language {
        "sh" => ("bash", "sh"),
        // Debian's own, for which its python3-requests is.
        "python" => ("/usr/bin/python3", "py"),
        "js" => ("node", "mjs"),
        other => panic!("nothing runs `{other}`"),
    };
    let file = folder.join(format!("block.{ending}"));
    fs::write(&file, code).unwrap();
    let mut command = Command::new(program);
    if language == "js" {
        command.arg("--import").arg(root().join("tests/it/service/wx.mjs"));
    }
    let proxies = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    for name in proxies {
        command.env_remove(name);
    }
    let output = command.arg(&file).current_dir(folder).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; it is among the packages of the tests"))
}

#[test]
fn every_block_of_the_page_does_what_it_says() {
    let data = temp();
    let server = Server::start(data.path());
    let pages = ["images-over-http.md", "images-over-http.zh-CN.md"].map(blocks);
    let code = |page: &[(String, String)]| -> Vec<String> {
        // Comments are the only thing in code that is translated.
        page.iter().map(|(_, code)| code.lines().filter(|line| !line.starts_with("//")).collect()).collect()
    };
    assert_eq!(code(&pages[0]), code(&pages[1]), "both languages show the same");
    let mut ran = 0;
    for (language, code) in pages.iter().flatten() {
        if language == "json" {
            // An answer: as ours is.
            let shown: Value = serde_json::from_str(code).unwrap();
            let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            let ours = server.send("POST", "/api/images", &[], bytes(fixture("scene.jpg")).as_slice()).must(200).json();
            assert_eq!((keys(&shown), keys(&shown["detections"][0])), (keys(&ours), keys(&ours["detections"][0])));
            continue;
        }
        let folder = temp();
        fs::copy(fixture("scene.jpg"), folder.path().join("photo.jpg")).unwrap();
        assert!(code.contains("http://127.0.0.1:8080/"), "{code}");
        let output = run(folder.path(), language, &code.replace("http://127.0.0.1:8080", &server.base));
        let said = String::from_utf8_lossy(&output.stdout);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{code}\n{said}{words}");
        let drawn = folder.path().join("drawn.jpg");
        if code.contains("drawn.jpg") {
            let drawn = picture::read(&bytes(&drawn), u64::MAX).unwrap();
            assert_eq!(drawn.size, Size::new(480, 360), "{code}");
            assert_ne!(bytes(folder.path().join("drawn.jpg")), bytes(fixture("scene.jpg")), "{code}");
        }
        // Whatever does not go to a file is said.
        if !code.contains("output=image") {
            assert!(["circle", "star", "heart"].iter().all(|label| said.contains(label)), "{code}\n{said}{words}");
        }
        ran += 1;
    }
    assert_eq!(ran, 20, "ten blocks in two languages");
}
