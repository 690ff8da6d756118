//! Answers to a server that asks who is there: Basic (RFC 7617) and Digest (RFC 7616).

use gstreamer::glib::{self, ChecksumType};

use super::{address::Credentials, head::parameter};

/// The `Authorization` field for a request, given the `WWW-Authenticate` fields of the refusal; None when none of their
/// schemes is known.
pub fn authorization<'a>(
    challenges: impl Iterator<Item = &'a str> + Clone,
    who: &Credentials,
    method: &str,
    target: &str,
) -> Option<String> {
    // Several challenges may stand in one field, and Digest does not send the password.
    let digest = challenges.clone().filter_map(|challenge| after(challenge, "digest")).find_map(|challenge| {
        let nonce = format!("{:08x}{:08x}", glib::random_int(), glib::random_int());
        answer(challenge, who, method, target, &nonce)
    });
    let basic = || {
        challenges.clone().find_map(|challenge| after(challenge, "basic"))?;
        let pair = format!("{}:{}", who.user, who.password);
        Some(format!("Basic {}", glib::base64_encode(pair.as_bytes())))
    };
    digest.or_else(basic)
}

/// What stands behind a scheme's name in a challenge.
fn after<'a>(challenge: &'a str, scheme: &str) -> Option<&'a str> {
    let lower = challenge.to_ascii_lowercase();
    let starts = lower.match_indices(scheme).map(|(at, _)| at);
    let mut starts = starts.filter(|at| {
        let bytes = lower.as_bytes();
        let begins = *at == 0 || matches!(bytes[at - 1], b' ' | b',');
        begins && bytes.get(at + scheme.len()).is_none_or(|next| *next == b' ')
    });
    starts.next().map(|at| &challenge[at + scheme.len()..])
}

fn answer(challenge: &str, who: &Credentials, method: &str, target: &str, own: &str) -> Option<String> {
    let fields = format!(";{}", split(challenge));
    let field = |name: &str| parameter(&fields, name);
    let (realm, nonce) = (field("realm")?, field("nonce")?);
    let algorithm = field("algorithm").unwrap_or("MD5");
    let kind = match algorithm.to_ascii_uppercase().as_str() {
        "MD5" => ChecksumType::Md5,
        "SHA-256" => ChecksumType::Sha256,
        _ => return None,
    };
    let hash = |text: String| glib::compute_checksum_for_string(kind, &text).map(String::from);
    let a1 = hash(format!("{}:{realm}:{}", who.user, who.password))?;
    let a2 = hash(format!("{method}:{target}"))?;
    let by_auth = field("qop").is_some_and(|qop| qop.split([',', ' ']).any(|one| one == "auth"));
    let response = match by_auth {
        true => hash(format!("{a1}:{nonce}:00000001:{own}:auth:{a2}"))?,
        false => hash(format!("{a1}:{nonce}:{a2}"))?,
    };
    let user = who.user.replace('\\', "\\\\").replace('"', "\\\"");
    let mut field_value = format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{target}\", algorithm={algorithm}, \
         response=\"{response}\""
    );
    if let Some(opaque) = field("opaque") {
        field_value.push_str(&format!(", opaque=\"{opaque}\""));
    }
    if by_auth {
        field_value.push_str(&format!(", qop=auth, nc=00000001, cnonce=\"{own}\""));
    }
    Some(field_value)
}

/// `a="b, c", d=e` with semicolons between the fields.
fn split(fields: &str) -> String {
    let mut quoted = false;
    let separated = fields.chars().map(|c| {
        quoted ^= c == '"';
        if c == ',' && !quoted { ';' } else { c }
    });
    separated.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_that_of_the_rfcs() {
        // RFC 2617 3.5 and RFC 7616 3.9.1.
        let who = Credentials { user: "Mufasa".into(), password: "Circle Of Life".into() };
        let old = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
            nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let field = answer(after(old, "digest").expect("a challenge"), &who, "GET", "/dir/index.html", "0a4f113b");
        let field = field.expect("an answer");
        assert!(field.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{field}");
        assert!(field.contains("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\", qop=auth, nc=00000001"), "{field}");
        let who = Credentials { user: "Mufasa".into(), password: "Circle of Life".into() };
        let new = "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
            nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"";
        let field = answer(new, &who, "GET", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
        let field = field.expect("an answer");
        assert!(
            field.contains("response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""),
            "{field}"
        );
    }

    #[test]
    fn the_safer_of_two_schemes_is_taken() {
        let who = Credentials { user: "Aladdin".into(), password: "open sesame".into() };
        let answer = |fields: &[&str]| authorization(fields.iter().copied(), &who, "GET", "/");
        assert_eq!(answer(&["Basic realm=\"digest\""]).as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert!(
            answer(&["Basic realm=\"x\", Digest realm=\"y\", nonce=\"z\""]).is_some_and(|f| f.starts_with("Digest"))
        );
        assert!(answer(&["Basic", "Digest realm=\"y\", nonce=\"z\""]).is_some_and(|f| f.starts_with("Digest")));
        assert_eq!(answer(&["Negotiate"]), None);
        assert_eq!(answer(&[]), None);
    }
}
