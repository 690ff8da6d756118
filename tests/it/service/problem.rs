//! What every refusal looks like.

use super::harness::Answer;

/// Asserts that an answer is a problem document (RFC 9457) with words for a person; returns them.
#[track_caller]
pub fn problem(answer: Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["status"], status, "{body}");
    assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()), "{body}");
    let detail = body["detail"].as_str().unwrap().to_owned();
    for_a_person(&detail);
    secured(&answer);
    detail
}

/// Asserts that a text is a sentence, and says nothing of the server's inside.
#[track_caller]
pub fn for_a_person(detail: &str) {
    assert!(detail.len() > 15 && detail.contains(' ') && detail.ends_with('.'), "no sentence: {detail}");
    let inside =
        ["/tmp", "/home", "/usr", "/work", "/root", "/var", ".rs:", "sightglass-test-", "Error {", "Gst", "gst"];
    for word in inside {
        assert!(!detail.contains(word), "tells of the inside ({word}): {detail}");
    }
    assert!(!detail.contains(env!("CARGO_MANIFEST_DIR")), "tells a path: {detail}");
}

/// Asserts that the headers are there that keep a browser from being misled.
#[track_caller]
pub fn secured(answer: &Answer) {
    for (name, value) in [
        ("content-security-policy", "default-src 'self'"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert!(answer.header(name).starts_with(value), "{name}: {:?} ({})", answer.header(name), answer.status);
    }
}
