//! Errors as a small page, for a person whose browser opens an address that is wrong or not allowed.
//!
//! The status and the other headers are those of the problem document (`problem.rs`) that a program gets. The page needs
//! neither scripts nor other files, because a refused name is refused those too.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use warp::{
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header},
    reply::Response,
};

/// The words of a problem, kept beside its JSON.
#[derive(Clone)]
pub struct Detail(pub String);

const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#f3f6f7;--card:#fff;--line:#d9e2e4;--text:#12201f;--quiet:#536466;--accent:#08796f}\
@media(prefers-color-scheme:dark){:root{--ground:#0b1113;--card:#12191c;--line:#263338;--text:#e6eff0;--quiet:#93a5a8;--accent:#3fd3c2}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:grid;place-content:center;padding:1rem;background:var(--ground);color:var(--text);\
font:400 16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",\"PingFang SC\",\"Microsoft YaHei\",\"Noto Sans CJK SC\",sans-serif}\
main{max-width:36rem;padding:1.75rem 2rem;background:var(--card);border:1px solid var(--line);border-radius:14px;overflow-wrap:anywhere}\
h1,h2{margin:0 0 .5rem;font-size:1.35rem;line-height:1.3}\
p{margin:.5rem 0}\
.status{margin:0;color:var(--quiet);font-weight:650}\
section+section{margin-top:1.25rem;padding-top:1.25rem;border-top:1px solid var(--line)}\
a{color:var(--accent)}";

/// This style and nothing else.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'self'; script-src 'none'; style-src 'sha256-{hash}'; object-src 'none'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).ok()
});

/// Whether a person opens an address in a browser. What lies under `/api` is for programs, whoever asks.
pub fn is_wanted<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    let is_api = path == "/api" || path.starts_with("/api/");
    matches!(*request.method(), Method::GET | Method::HEAD) && !is_api && prefers_html(request.headers())
}

/// `Accept` names HTML, and JSON not before it (RFC 9110, 12.5.1: the higher `q` is preferred).
fn prefers_html(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (mut html, mut json) = (0.0_f32, 0.0_f32);
    for range in accept.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        match kind.as_str() {
            "text/html" | "application/xhtml+xml" => html = html.max(weight),
            "application/json" | "application/problem+json" => json = json.max(weight),
            _ => {}
        }
    }
    html > 0.0 && html >= json
}

/// The page in place of a problem document; any other answer stays as it is.
pub fn instead(mut problem: Response) -> Response {
    let Some(Detail(detail)) = problem.extensions_mut().remove::<Detail>() else { return problem };
    let status = problem.status();
    *problem.body_mut() = bytes::Bytes::from(page(status, &detail)).into();
    let headers = problem.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    if let Some(policy) = POLICY.clone() {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    problem
}

fn page(status: StatusCode, detail: &str) -> String {
    let (title, title_zh, detail_zh) = words(status);
    let code = status.as_u16();
    let detail = escape(detail);
    // Who is refused by the name of the server gets no page under that name.
    let (home, home_zh) = match status {
        StatusCode::FORBIDDEN => ("", ""),
        _ => ("<p><a href=\"/\">Sightglass home</a></p>", "<p><a href=\"/\">返回首页</a></p>"),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} – Sightglass</title>\n<link rel=\"icon\" href=\"/logo.svg\" type=\"image/svg+xml\">\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<p class=\"status\">Sightglass · {code}</p>\n\
         <section>\n<h1>{title}</h1>\n<p>{detail}</p>\n{home}\n</section>\n\
         <section lang=\"zh-Hans\">\n<h2>{title_zh}</h2>\n<p>{detail_zh}</p>\n{home_zh}\n</section>\n\
         </main>\n</body>\n</html>\n"
    )
}

/// The heading in both languages, and the words for Chinese, where the problem document has none.
fn words(status: StatusCode) -> (&'static str, &'static str, &'static str) {
    match status {
        StatusCode::NOT_FOUND => {
            ("Page not found", "找不到页面", "此地址没有内容。视频在 /，摄像头在 /camera，图片在 /image。")
        }
        StatusCode::FORBIDDEN => (
            "Access refused",
            "拒绝访问",
            "此服务器不接受以该名称访问。请使用本机地址打开，或请管理员以 --token 或 --no-auth 启动服务器。",
        ),
        StatusCode::UNAUTHORIZED => ("Sign in required", "需要登录", "此服务器需要令牌，请在 /signin 登录。"),
        StatusCode::METHOD_NOT_ALLOWED => ("Method not allowed", "方法不允许", "此地址不接受这种请求。"),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            ("Server busy", "服务器繁忙", "服务器暂时无法处理请求，请稍后重试。")
        }
        status if status.is_server_error() => ("Server error", "服务器错误", "服务器出现错误，详情见服务器日志。"),
        _ => ("Request not understood", "无法处理的请求", "服务器无法理解此请求。"),
    }
}

/// Text for the inside of an element: what a request named stays text.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_page(method: Method, path: &str, accept: &str) -> bool {
        let request = Request::builder().method(method).uri(path).header(header::ACCEPT, accept);
        is_wanted(&request.body(()).expect("a request"))
    }

    #[test]
    fn a_browser_gets_a_page_and_a_program_its_json() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        assert!(is_page(Method::GET, "/nothing", browser) && is_page(Method::HEAD, "/nothing", browser));
        assert!(is_page(Method::GET, "/apiary", browser));
        for (method, path, accept) in [
            (Method::POST, "/nothing", browser),
            (Method::GET, "/api/videos/x", browser),
            (Method::GET, "/api", browser),
            (Method::GET, "/nothing", "*/*"),
            (Method::GET, "/nothing", "application/json"),
            (Method::GET, "/nothing", "application/json, text/html;q=0.5"),
            (Method::GET, "/nothing", "text/html;q=0"),
        ] {
            assert!(!is_page(method.clone(), path, accept), "{method} {path} {accept}");
        }
    }

    #[test]
    fn what_a_request_names_stays_text() {
        let page = page(StatusCode::FORBIDDEN, "not for `<script>alert('x')</script>&\"`");
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;"), "{page}");
        assert!(!page.contains("<script"), "{page}");
    }
}
