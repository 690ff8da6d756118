//! `sightglass models pull`: from a server of the test's own that does what servers do.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    harness::{program, temp},
    import_onnx::tiny,
};
use crate::network::web_server::{Server, reply};

/// A list of one small model, whose file is what the server should give.
struct Published {
    folder: tempfile::TempDir,
    file: Vec<u8>,
}

impl Published {
    fn new() -> Self {
        let folder = temp();
        let file = tiny(&[1, 3, 32, 64]).write().unwrap();
        fs::create_dir(folder.path().join("mirror")).unwrap();
        fs::write(folder.path().join("mirror/tiny.onnx"), &file).unwrap();
        fs::write(folder.path().join("labels.txt"), "cat\ndog\n").unwrap();
        let this = Self { folder, file };
        this.list(&[], true);
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn list(&self, urls: &[String], digest: bool) {
        let sha256 = Command::new("sha256sum").arg(self.path("mirror/tiny.onnx")).output().unwrap().stdout;
        let sha256 = format!("sha256 = \"{}\"\n", String::from_utf8(sha256[..64].to_vec()).unwrap());
        let (labels, bytes, sha256) = (self.path("labels.txt"), self.file.len(), if digest { &*sha256 } else { "" });
        let text = format!(
            "[[model]]\nname = \"tiny\"\ndescription = \"Small\"\nlicence = \"ours\"\nlabels = {labels:?}\n\
            [[model.files]]\nrole = \"onnx\"\nname = \"tiny.onnx\"\nbytes = {bytes}\n{sha256}urls = {urls:?}\n"
        );
        fs::write(self.path("list.toml"), text).unwrap();
    }

    fn pull(&self, flags: &[&str]) -> Output {
        let mut command = program();
        command.env("XDG_CACHE_HOME", self.path("cache")).args(["models", "pull", "tiny", "--list"]);
        command.arg(self.path("list.toml")).arg("--models").arg(self.path("models")).args(flags).output().unwrap()
    }

    /// It is there and whole, and nothing else is left.
    #[track_caller]
    fn is_there(&self, output: &Output) -> String {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(fs::read(self.path("models/tiny/1/model.onnx")).unwrap(), self.file);
        assert!(self.kept().is_empty(), "{:?}", self.kept());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// It is not there, nor anything half of it.
    #[track_caller]
    fn is_not(&self, output: &Output) -> String {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && !words.contains("panicked"), "{words}");
        assert!(!self.path("models").exists(), "{words}");
        words
    }

    /// What waits for the next time.
    fn kept(&self) -> Vec<(String, u64)> {
        let entries = fs::read_dir(self.path("cache/sightglass/fetch")).into_iter().flatten().flatten();
        let mut kept: Vec<_> =
            entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())).collect();
        kept.sort();
        kept
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Gives `file`; the first `cuts` answers end in the middle of what is left. Keeps what was asked for.
fn cutting(file: Vec<u8>, cuts: usize, tag: &'static str, asked: Arc<std::sync::Mutex<Vec<String>>>) -> Server {
    let answers = AtomicUsize::new(0);
    Server::start("127.0.0.1", move |head, stream| {
        let range = field(head, "range").map(|range| range.trim_start_matches("bytes=").trim_end_matches('-'));
        asked.lock().unwrap().push(format!("{} {}", range.unwrap_or("all"), field(head, "if-range").unwrap_or("")));
        let from: usize = range.map_or(0, |range| range.parse().unwrap());
        let left = &file[from..];
        let told = match range {
            None => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{tag}\r\n", left.len()),
            Some(_) => format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{}\r\nContent-Length: {}\r\n\r\n",
                file.len() - 1,
                file.len(),
                left.len()
            ),
        };
        let length = if answers.fetch_add(1, Ordering::SeqCst) < cuts { left.len() / 2 } else { left.len() };
        let _ = stream.write_all(told.as_bytes());
        let _ = stream.write_all(&left[..length]);
        let _ = stream.shutdown(std::net::Shutdown::Both);
    })
}

#[test]
fn a_model_is_fetched_checked_and_imported() {
    let published = Published::new();
    let asked = Arc::<std::sync::Mutex<Vec<String>>>::default();
    let server = cutting(published.file.clone(), 0, "", asked.clone());
    // The first address has moved.
    let gone = Server::start("127.0.0.1", |_, stream| reply(stream, "404 Not Found", "", b"gone"));
    published.list(&[gone.url("/tiny.onnx"), server.url("/there/tiny.onnx")], true);
    let said = published.is_there(&published.pull(&[]));
    assert!(said.contains("as listed") && said.contains("family   yolox"), "{said}");
    let labels = fs::read_to_string(published.path("models/tiny/labels.txt")).unwrap();
    assert_eq!((labels.as_str(), asked.lock().unwrap().len()), ("cat\ndog\n", 1));
    let again = published.pull(&[]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("--force"));
    assert_eq!(asked.lock().unwrap().len(), 1, "a name that is taken is told before anything is fetched");
    // From a folder, without a network.
    let mirror = published.path("mirror");
    published.is_there(&published.pull(&["--force", "--from", mirror.to_str().unwrap()]));
    // The file that was given is not taken away.
    assert!(mirror.join("tiny.onnx").is_file());
}

#[test]
fn what_was_cut_off_goes_on() {
    let published = Published::new();
    let half = published.file.len() / 2;
    let asked = Arc::<std::sync::Mutex<Vec<String>>>::default();
    let server = cutting(published.file.clone(), 2, "ETag: \"v1\"\r\n", asked.clone());
    published.is_there(&published.pull(&["--from", &server.url("")]));
    let asked = asked.lock().unwrap().clone();
    assert_eq!((asked.len(), &*asked[0], &*asked[1]), (3, "all ", &*format!("{half} \"v1\"")));
    assert!(asked[2].ends_with("\"v1\""));
}

#[test]
fn what_has_come_is_kept_for_the_next_time() {
    let published = Published::new();
    let half = published.file.len() / 2;
    let file = published.file.clone();
    let dying = Server::start("127.0.0.1", move |head, stream| {
        if field(head, "range").is_none() {
            let told = format!("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: {}\r\n\r\n", file.len());
            let _ = stream.write_all(&[told.as_bytes(), &file[..half]].concat());
        }
        let _ = stream.shutdown(std::net::Shutdown::Both);
    });
    let words = published.is_not(&published.pull(&["--from", &dying.url("")]));
    assert!(words.contains("run it again"), "{words}");
    assert_eq!(published.kept()[0], ("tiny.onnx.part".to_owned(), half as u64));
    drop(dying);
    let asked = Arc::<std::sync::Mutex<Vec<String>>>::default();
    let server = cutting(published.file.clone(), 0, "", asked.clone());
    published.is_there(&published.pull(&["--from", &server.url("/")]));
    assert_eq!(*asked.lock().unwrap(), [format!("{half} \"v1\"")]);
}

#[test]
fn the_rest_of_another_file_is_not_taken() {
    let published = Published::new();
    let folder = published.path("cache/sightglass/fetch");
    fs::create_dir_all(&folder).unwrap();
    // Without a validator, and with the first half of something else.
    fs::write(folder.join("tiny.onnx.part"), vec![7; published.file.len() / 2]).unwrap();
    let asked = Arc::<std::sync::Mutex<Vec<String>>>::default();
    let server = cutting(published.file.clone(), 0, "", asked.clone());
    published.is_there(&published.pull(&["--from", &server.url("")]));
    assert_eq!(asked.lock().unwrap().len(), 2, "from the middle, and then all of it");
    // Where no digest would tell, all of it at once.
    fs::write(folder.join("tiny.onnx.part"), vec![7; published.file.len() / 2]).unwrap();
    published.list(&[], false);
    let said = published.is_there(&published.pull(&["--force", "--from", &server.url("")]));
    assert!(asked.lock().unwrap()[2].starts_with("all") && said.contains("only the size"), "{said}");
}

#[test]
fn wrong_answers_leave_nothing() {
    let published = Published::new();
    let file = published.file.clone();
    let other: Vec<u8> = file.iter().map(|byte| byte ^ 1).collect();
    let longer = [&file[..], b"more"].concat();
    let page = "Content-Type: text/html; charset=utf-8\r\n";
    for (what, status, fields, body, wanted) in [
        ("other bytes", "200 OK", "", &other[..], "sha256"),
        ("too long", "200 OK", "", &longer, "another file"),
        ("too short", "200 OK", "", &file[1..], "another file"),
        ("page", "200 OK", page, b"<html>", "web page"),
        ("gone", "404 Not Found", "", b"", "not there"),
        ("closed", "503 Service Unavailable", "", b"", "503"),
        ("other range", "206 Partial Content", "Content-Range: bytes 0-3/4\r\n", b"1234", "another file"),
        ("unsafe", "302 Found", "Location: http://127.0.0.1:1/tiny.onnx\r\n", b"", "https:// only"),
        ("strange", "302 Found", "Location: file:///etc/passwd\r\n", b"", "https:// only"),
    ] {
        let (fields, body) = (fields.to_owned(), body.to_vec());
        let server = Server::start("127.0.0.1", move |_, stream| reply(stream, status, &fields, &body));
        let words = published.is_not(&published.pull(&["--from", &server.url("")]));
        assert!(words.contains(wanted), "{what}: {words}");
        assert!(published.kept().is_empty(), "{what} left {:?}", published.kept());
    }
    let gone = Server::start("127.0.0.1", |_, _| {});
    let url = gone.url("");
    drop(gone);
    let words = published.is_not(&published.pull(&["--from", &url]));
    assert!(words.contains("cannot be fetched") && words.contains("--from DIR"), "{words}");
    assert!(published.is_not(&published.pull(&["--from", "ftp://127.0.0.1"])).contains("http"));
    let empty = published.path("nowhere");
    assert!(published.is_not(&published.pull(&["--from", empty.to_str().unwrap()])).contains("cannot be read"));
    fs::write(published.path("mirror/tiny.onnx"), other).unwrap();
    let mirror = published.path("mirror");
    assert!(published.is_not(&published.pull(&["--from", mirror.to_str().unwrap()])).contains("sha256"));
}

#[test]
fn the_list_is_shown() {
    let run = |args: &[&str]| program().args(["models", "pull"]).args(args).output().unwrap();
    let shown = String::from_utf8(run(&[]).stdout).unwrap();
    for name in ["yolov3 ", "yolov3-tiny", "yolov3-12-int8", "248.0 MB"] {
        assert!(shown.contains(name), "{shown}");
    }
    let words =
        String::from_utf8(run(&["yolov99", "--models", Path::new("/nowhere").to_str().unwrap()]).stderr).unwrap();
    assert!(words.contains("not in the list") && words.contains("yolov3-12"), "{words}");
}
