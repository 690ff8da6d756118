//! What a person sees whose browser opens an address that is wrong or not allowed; a program gets its problem document.

use ureq::SendBody;

use super::{
    harness::{Answer, Server, temp},
    problem::{problem, secured},
};

/// What browsers send with a navigation.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

fn open(server: &Server, path: &str, host: Option<&str>, accept: &str) -> Answer {
    let mut headers = vec![("accept", accept)];
    headers.extend(host.map(|host| ("host", host)));
    server.send("GET", path, &headers, SendBody::none())
}

/// Asserts that an answer is a page in both languages that works under its own policy; returns it.
#[track_caller]
fn page(answer: Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    secured(&answer);
    let html = answer.text();
    assert!(html.contains("<html lang=\"en\">") && html.contains("<section lang=\"zh-Hans\">"), "{html}");
    // The policy lets exactly this style through, and no script at all.
    let (_, style) = html.split_once("<style>").unwrap();
    let (style, _) = style.split_once("</style>").unwrap();
    let policy = answer.header("content-security-policy");
    let hash = policy.split_once("'sha256-").unwrap().1.split_once('\'').unwrap().0;
    let sum = sha256(style);
    assert_eq!(hash, sum, "{policy}");
    assert!(policy.contains("script-src 'none'") && !html.contains("<script"), "{policy}");
    html
}

/// In base64, by another implementation than the server's.
fn sha256(text: &str) -> String {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };
    let line = "openssl dgst -sha256 -binary | openssl base64 -A";
    let mut shell = Command::new("sh").args(["-c", line]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    String::from_utf8(shell.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn an_unknown_address_is_a_page_for_a_browser_and_a_problem_for_a_program() {
    let data = temp();
    let server = Server::start(data.path());
    for path in ["/no/such/page", "/models2", "/camera/", "/index.htm", "/%3Cscript%3E"] {
        let html = page(open(&server, path, None, BROWSER), 404);
        assert!(
            html.contains("Page not found") && html.contains("找不到页面") && html.contains("href=\"/\""),
            "{html}"
        );
        problem(open(&server, path, None, "application/json"), 404);
        problem(open(&server, path, None, "*/*"), 404);
        assert_eq!(server.send("HEAD", path, &[("accept", BROWSER)], SendBody::none()).status, 404);
    }
    // The interface of programs answers as one, whoever asks.
    for path in ["/api/nothing", "/api/videos/none", "/api/recordings/none/file"] {
        problem(open(&server, path, None, BROWSER), 404);
    }
    // Pages that are there are what they were.
    assert!(open(&server, "/", None, BROWSER).must(200).text().contains("sg-upload"));
    server.stop();
}

#[test]
fn a_refused_name_is_a_page_that_says_why() {
    let data = temp();
    let server = Server::start(data.path());
    for path in ["/", "/camera", "/nothing"] {
        let html = page(open(&server, path, Some("evil.example"), BROWSER), 403);
        assert!(html.contains("`evil.example`") && html.contains("--no-auth"), "{html}");
        problem(open(&server, path, Some("evil.example"), "*/*"), 403);
    }
    server.stop();
}
