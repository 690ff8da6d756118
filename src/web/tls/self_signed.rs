//! A certificate of the server's own making, for the names and addresses of this machine; kept, so that who trusts it is
//! asked once.

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::certificate;
use crate::{
    error::{Error, Result},
    web::{private_file, reach},
};

/// As long as browsers take public ones; iOS takes 825 days.
const VALID: Duration = Duration::days(397);
/// It begins in the past: a phone whose clock is behind must not find it "not yet valid".
const EARLIER: Duration = Duration::days(1);
/// Made anew when less is left.
const RENEWED: Duration = Duration::days(30);

/// What stands beside the certificate: what it is for.
#[derive(Serialize, Deserialize)]
struct Made {
    names: Vec<String>,
    /// Seconds since 1970.
    until: i64,
}

/// The kept certificate, or a new one if there is none, it ends soon, or this machine has other names or addresses.
pub fn ready(folder: &Path, further: &[String]) -> Result<CertifiedKey> {
    let mut names: Vec<String> = reach::own_names();
    names.extend(reach::own_addresses().iter().map(ToString::to_string));
    names.extend(further.iter().cloned());
    names.sort();
    names.dedup();
    if let Some(kept) = kept(folder, &names) {
        return Ok(kept);
    }
    let made = make(&names).map_err(|error| Error::internal("A certificate cannot be made.", error))?;
    private_file::write(&folder.join("self-signed.key"), &made.key)?;
    private_file::write(&folder.join("self-signed.crt"), &made.cert)?;
    let about =
        serde_json::to_string(&Made { names, until: now() + (VALID - EARLIER).whole_seconds() }).unwrap_or_default();
    private_file::write(&folder.join("self-signed.json"), &about)?;
    certificate::parse(made.cert.as_bytes(), made.key.as_bytes())
}

/// The kept certificate, if it is still good. IPv6 addresses come and go by themselves (RFC 8981): a new one alone is no
/// reason to ask everybody again.
fn kept(folder: &Path, names: &[String]) -> Option<CertifiedKey> {
    let about: Made = serde_json::from_slice(&fs::read(folder.join("self-signed.json")).ok()?).ok()?;
    let holds = |name: &String| about.names.contains(name) || name.contains(':');
    if !names.iter().all(holds) || about.until - now() < RENEWED.whole_seconds() {
        return None;
    }
    certificate::read(&folder.join("self-signed.crt"), &folder.join("self-signed.key")).ok()
}

struct Pair {
    cert: String,
    key: String,
}

fn make(names: &[String]) -> Result<Pair, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "Sightglass");
    params.distinguished_name.push(DnType::OrganizationName, "made by this server for itself");
    params.not_before = OffsetDateTime::now_utc() - EARLIER;
    params.not_after = params.not_before + VALID;
    // iOS lets a person trust only what says that it is an authority. Without the right to sign certificates it is none.
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let cert = params.self_signed(&key)?;
    Ok(Pair { cert: cert.pem(), key: key.serialize_pem() })
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_until_a_name_is_new_or_it_ends_soon() {
        let folder = std::env::temp_dir().join(format!("sightglass-own-{}", crate::jobs::new_id()));
        let names = |more: &str| vec![more.to_owned()];
        let shown = |key: CertifiedKey| key.cert[0].to_vec();
        let first = shown(ready(&folder, &names("a.example")).expect("a certificate"));
        assert_eq!(shown(ready(&folder, &names("a.example")).expect("it")), first);
        assert_eq!(shown(ready(&folder, &names("2001:db8::1")).expect("it")), first, "a new IPv6 address alone");
        let second = shown(ready(&folder, &names("b.example")).expect("a certificate"));
        assert_ne!(second, first);
        let about = folder.join("self-signed.json");
        let mut made: Made = serde_json::from_slice(&fs::read(&about).expect("it")).expect("JSON");
        made.until = now() + (RENEWED - Duration::hours(1)).whole_seconds();
        fs::write(&about, serde_json::to_vec(&made).expect("JSON")).expect("written");
        let third = shown(ready(&folder, &names("b.example")).expect("a certificate"));
        assert_ne!(third, second, "it ended soon");
        fs::write(folder.join("self-signed.key"), "damaged").expect("written");
        assert_ne!(shown(ready(&folder, &names("b.example")).expect("a certificate")), third);
        fs::remove_dir_all(folder).expect("removed");
    }
}
