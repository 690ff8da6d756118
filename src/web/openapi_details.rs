//! What the annotations of the handlers leave open in the description of the interface: the limits of parameters, errors that
//! every call may answer with, and which calls ask for the token. And which methods an address takes.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use warp::http::StatusCode;

/// Media type of errors (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// Completes a description. `token`: this server asks for its token.
pub fn complete(document: &mut Value, token: bool) {
    if !token {
        document["security"] = json!([]);
    }
    for (path, operations) in entries(&mut document["paths"]) {
        for (method, operation) in entries(operations) {
            let socket = operation["responses"].get("101").is_some();
            // The handlers' own names are not unique.
            operation["operationId"] = json!(name(&method, &path));
            parameters(&path, operation);
            body(&path, operation);
            let open = operation.get("security").is_some();
            if open {
                operation["security"] = json!([]);
            }
            errors(&path, &method, socket, open || !token, operation);
        }
    }
    schemas(&mut document["components"]["schemas"]);
}

fn entries(value: &mut Value) -> impl Iterator<Item = (String, &mut Value)> {
    value.as_object_mut().into_iter().flatten().map(|(name, value)| (name.clone(), value))
}

/// Such as `get_videos_id_source`.
fn name(method: &str, path: &str) -> String {
    let words =
        path.trim_start_matches("/api").split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// The exact schemas of parameters; a name means the same in every call.
fn parameters(path: &str, operation: &mut Value) {
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        let schema = match parameter["name"].as_str().unwrap_or_default() {
            "id" => json!({"type": "string", "pattern": "^[0-9A-Za-z_-]+$"}),
            "threshold" => json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
            "limit" | "top_k" | "width" => json!({"type": "integer", "minimum": 1}),
            "from" => json!({"type": "integer", "minimum": 0}),
            "quality" => json!({"type": "integer", "minimum": 1, "maximum": 100}),
            "task" => json!({"type": "string", "enum": ["detect", "classify"]}),
            "output" => json!({"type": "string", "enum": ["json", "image", "base64", "url"]}),
            // The id of a stream, or the number of a row; an empty one is the first page's.
            "cursor" if path == "/api/streams" => json!({"type": "string", "pattern": "^[0-9A-Za-z_-]{0,64}$"}),
            "cursor" => json!({"type": "string", "pattern": "^[0-9]{0,18}$"}),
            "mark" => json!({"type": "string", "pattern": "^[1-9][0-9]{0,3}/[1-9][0-9]{0,4}$"}),
            _ => continue,
        };
        parameter["schema"] = schema;
    }
}

/// Bodies that are not JSON.
fn body(path: &str, operation: &mut Value) {
    let bytes = || json!({"schema": {"type": "string", "format": "binary", "minLength": 1}});
    let Some(body) = operation.get_mut("requestBody") else { return };
    // An empty one stands for the usual options.
    body["required"] = json!(!path.ends_with("/recordings"));
    let content = &mut body["content"];
    for (kind, media) in entries(content) {
        if kind == "application/octet-stream" || kind == "image/*" || kind == "video/*" {
            *media = bytes();
        }
    }
    let mut form = Map::from_iter([("file".to_owned(), json!({"type": "string", "format": "binary"}))]);
    let known = operation["parameters"].as_array().into_iter().flatten();
    let fields = known.filter_map(|parameter| Some((parameter["name"].as_str()?.to_owned(), &parameter["schema"])));
    form.extend(fields.filter(|(name, _)| name != "name").map(|(name, schema)| (name, schema.clone())));
    if path == "/api/videos" || path == "/api/images" {
        let form = json!({"type": "object", "required": ["file"], "properties": form});
        operation["requestBody"]["content"]["multipart/form-data"] = json!({"schema": form});
    }
}

/// Every error is a problem document; some may come from every call.
fn errors(path: &str, method: &str, socket: bool, open: bool, operation: &mut Value) {
    let with_body = operation.get("requestBody").is_some();
    let in_api = path.starts_with("/api/");
    let general = [
        ("400", true, "The request is not understood"),
        ("401", !open, "This server asks for its token"),
        ("403", in_api || method != "get", "Pages of this site, or names of this server, are not allowed"),
        ("404", path.contains('{'), "There is no such thing"),
        ("405", path.contains("{id}/"), "Without the id this is another address; with Allow"),
        ("408", with_body, "The body arrived too slowly"),
        ("413", with_body, "The body is too large"),
        ("426", socket, "This address is for WebSockets"),
        ("429", with_body || !open, "Too many requests, or too many wrong tokens; with Retry-After"),
        ("500", true, "Something went wrong in the server"),
        ("503", true, "The server is starting or stopping; with Retry-After"),
        ("507", method != "get", "The server's disk is full"),
    ];
    let responses = &mut operation["responses"];
    for (status, _, description) in general.iter().filter(|(_, applies, _)| *applies) {
        if responses.get(*status).is_none() {
            responses[*status] = json!({"description": description});
        }
    }
    if open && path != "/api/session" {
        responses.as_object_mut().map(|responses| responses.remove("401"));
    }
    // A part of a file has the file's type.
    if let Some(whole) = responses["200"].get("content").cloned()
        && let Some(part) = responses.get_mut("206")
    {
        part["content"] = whole;
    }
    for (status, response) in entries(responses) {
        for (kind, media) in response.get_mut("content").into_iter().flat_map(entries) {
            if kind.starts_with("image/") || kind.starts_with("video/") {
                *media = json!({"schema": {"type": "string", "format": "binary"}});
            }
        }
        if response.get("description").is_none() {
            let reason = StatusCode::from_bytes(status.as_bytes()).ok().and_then(|status| status.canonical_reason());
            response["description"] = json!(reason.unwrap_or("As its content says"));
        }
        if status.as_str() >= "400" {
            response["content"] = json!({PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}});
        }
    }
}

/// The limits of fields that clients send.
fn schemas(schemas: &mut Value) {
    let mut limit = |schema: &str, field: &str, limits: Value| {
        if let (Some(field), Some(limits)) =
            (schemas.pointer_mut(&format!("/{schema}/properties/{field}")), limits.as_object())
        {
            limits.iter().for_each(|(name, value)| field[name] = value.clone());
        }
    };
    let score = json!({"exclusiveMinimum": 0, "exclusiveMaximum": 1});
    limit("NewNetworkStream", "threshold", score.clone());
    limit("NewNetworkStream", "url", json!({"pattern": "^(rtsps?|https?|srt)://", "maxLength": 4096}));
    limit("RecordingOptions", "threshold", json!({"minimum": 0, "maximum": 1}));
    limit("RecordingOptions", "format", json!({"enum": ["avi", "mp4"]}));
    limit("RecordingOptions", "classes", json!({"items": {"type": "integer", "minimum": 0, "maximum": u32::MAX}}));
    limit("Picture", "threshold", score);
    limit("Picture", "task", json!({"enum": ["detect", "classify", null]}));
    limit("Picture", "output", json!({"enum": ["json", "image", "base64", "url", null]}));
    limit("Picture", "quality", json!({"minimum": 1, "maximum": 100}));
    limit("Picture", "top_k", json!({"minimum": 1, "maximum": u32::MAX}));
    limit("Picture", "image", json!({"minLength": 1}));
}

/// The addresses of the interface and the methods that each takes, in upper case.
static METHODS: LazyLock<Vec<(String, Vec<String>)>> = LazyLock::new(|| {
    let document = super::openapi::document(true);
    let paths = document["paths"].as_object().into_iter().flatten();
    let methods = |operations: &Value| {
        let operations = operations.as_object().into_iter().flatten();
        let mut methods: Vec<String> = operations.map(|(method, _)| method.to_ascii_uppercase()).collect();
        if methods.iter().any(|method| method == "GET") {
            methods.push("HEAD".into());
        }
        methods
    };
    paths.map(|(path, operations)| (path.clone(), methods(operations))).collect()
});

/// The methods that an address of the interface takes, as `Allow` lists them; `None`: there is no such address.
pub fn allowed(path: &str) -> Option<String> {
    let fits = |template: &str| {
        let (mut asked, mut known) = (path.split('/'), template.split('/'));
        loop {
            match (asked.next(), known.next()) {
                (None, None) => return true,
                (Some(asked), Some(known)) if asked == known || known.starts_with('{') && !asked.is_empty() => {}
                _ => return false,
            }
        }
    };
    // `/api/streams/whip` is an address of its own and looks like a stream, too: it takes the methods of both.
    let mut all: Vec<&str> = Vec::new();
    for (_, methods) in METHODS.iter().filter(|(template, _)| fits(template)) {
        all.extend(methods.iter().map(String::as_str).filter(|method| !all.contains(method)).collect::<Vec<_>>());
    }
    if path == "/api/streams/whip" {
        all.push("OPTIONS");
    }
    all.sort_unstable();
    (!all.is_empty()).then(|| all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_tell_their_methods() {
        assert_eq!(allowed("/api/models").as_deref(), Some("GET, HEAD"));
        assert_eq!(allowed("/api/videos/7d0a").as_deref(), Some("DELETE, GET, HEAD"));
        assert_eq!(allowed("/api/videos/7d0a/cancel").as_deref(), Some("POST"));
        let whip = allowed("/api/streams/whip").expect("an address");
        assert!(["POST", "OPTIONS", "GET"].iter().all(|method| whip.contains(method)), "{whip}");
        for unknown in ["/", "/api", "/api/videos/", "/api/videos/a/b", "/api/nothing"] {
            assert_eq!(allowed(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn open_servers_describe_no_security() {
        let [open, closed] = [false, true].map(super::super::openapi::document);
        assert_eq!(open["security"], json!([]));
        assert!(open["paths"]["/api/models"]["get"]["responses"].get("401").is_none());
        assert!(closed["paths"]["/api/models"]["get"]["responses"].get("401").is_some());
        assert_eq!(closed["paths"]["/healthz"]["get"]["security"], json!([]));
    }

    #[test]
    fn names_of_calls_are_unique() {
        let document = super::super::openapi::document(true);
        let operations = document["paths"].as_object().into_iter().flatten().flat_map(|(_, path)| path.as_object());
        let mut names: Vec<_> = operations.flatten().filter_map(|(_, call)| call["operationId"].as_str()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(names.contains(&"get_videos_id_source"));
    }

    #[test]
    fn every_error_is_a_problem_document() {
        let document = super::super::openapi::document(true);
        let operations = document["paths"].as_object().into_iter().flatten().flat_map(|(_, path)| path.as_object());
        for (_, operation) in operations.flatten() {
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                assert!(response["description"].is_string(), "{operation}");
                let kinds: Vec<_> =
                    response["content"].as_object().into_iter().flatten().map(|(kind, _)| kind).collect();
                assert_eq!(status.as_str() >= "400", kinds == [PROBLEM], "{operation}");
            }
        }
    }
}
