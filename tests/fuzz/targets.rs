//! What must hold whatever bytes come: one function for each reader of hostile bytes, run with the seeds
//! beside it and mutations of them by every `cargo test`, and for hours by `cargo fuzz`.
//!
//! Not part of the product. A function here panics when its property is broken and never otherwise.
#![allow(
    clippy::missing_panics_doc,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is the finding"
)]

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::header::{COOKIE, HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Version};
use ipnet::IpNet;

use crate::ambient::UnixTime;
use crate::config::factor_kind::FactorKind;
use crate::config::{Environment, Sources, load};
use crate::gate::canonical;
use crate::lenient::{BITS, some_reading_reaches};
use crate::policy::{Binding, EnrolmentId, Facts, Policy, Proof, Reserved};
use crate::session::{Claim, CookieMode, KeyRing};

/// Panics when what is to hold of these bytes does not.
pub type Target = fn(&[u8]);

/// Every target by name, as `cargo fuzz` calls them.
pub const TARGETS: [(&str, Target); 7] = [
    ("path", path),
    ("path_of_bits", path_of_bits),
    ("request", request),
    ("headers", headers),
    ("cookies", cookies),
    ("claim", claim),
    ("configuration", configuration),
];

const NOW: UnixTime = UnixTime(1_800_000_000);
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// A public site with a protected prefix, and the same where encoded slashes are judged.
const SITES: &str = "
version: 1
server: { public_url: https://mfa.example.com }
routes:
  - { host: app.example.com, upstream: \"http://a:1\", require: public, rules: [{ path: /admin/**, require: sensitive }] }
  - host: judge.example.com
    upstream: \"http://a:1\"
    require: public
    encoded_slash: judge
    rules: [{ path: /admin/**, require: sensitive }]
";

fn policy() -> &'static Policy {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(|| {
        let loaded = load(&Sources::text("sites.yaml", SITES), &Environment::default());
        Policy::compile(&loaded.settings.expect("the sites are fine")).expect("and compile")
    })
}

/// The bytes as a target: refused, or judged at least as strictly as any lenient reading of them, and never
/// changed on the way ("policy saw path P and upstream is asked for path P").
pub fn path(bytes: &[u8]) {
    let Ok(target) = PathAndQuery::try_from(bytes) else {
        return;
    };
    for host in ["app.example.com", "judge.example.com"] {
        let host = Arc::clone(policy().known_host(host).expect("a site of ours"));
        judged(&host, &target);
    }
}

fn judged(host: &Arc<str>, target: &PathAndQuery) {
    let Ok(request) = canonical::judge(Method::GET, Arc::clone(host), target.clone(), CLIENT, policy())
    else {
        return;
    };
    assert_eq!(request.target.as_str().as_bytes(), target.as_str().as_bytes(), "judged is what is sent");
    let route = policy().route_for(host).expect("a site of ours");
    let demand = policy().demand(route, &request, &Facts { identity: None, now: NOW });
    let path = target.path();
    assert!(
        !demand.is_public() || !some_reading_reaches(path, "/admin"),
        "{path:?} is public, and some back end reads a protected path"
    );
    assert!(
        request.reserved("/.stepgate") != Reserved::Outside || !some_reading_reaches(path, "/.stepgate"),
        "{path:?} goes to the app, and some back end reads a path of ours"
    );
}

/// Each byte is one of the bits that bypasses are made of: finds deep compositions sooner.
pub fn path_of_bits(bytes: &[u8]) {
    let mut target = "/".to_owned();
    for byte in bytes.iter().take(12) {
        target.push_str(BITS[usize::from(*byte) % BITS.len()]);
    }
    path(target.as_bytes());
}

/// The first line is the target, the second the method and the peer's trust, the others are fields: one host,
/// one client, the target as it came, or a refusal.
pub fn request(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let (target, kind) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let method = Method::from_bytes(kind.get(1..).unwrap_or(b"GET")).unwrap_or(Method::GET);
    let version = if kind.first().is_some_and(|byte| byte & 1 == 1) {
        Version::HTTP_2
    } else {
        Version::HTTP_11
    };
    let Ok(request) = Request::builder().method(method).uri(target).version(version).body(()) else {
        return;
    };
    let (mut parts, ()) = request.into_parts();
    parts.headers = fields(lines);
    let all = |text: &str| text.parse::<IpNet>().into_iter().collect::<Vec<_>>();
    let strange = canonical::read(&parts, CLIENT, &[], policy());
    let trusted = canonical::read(&parts, CLIENT, &all("192.0.2.0/24"), policy());
    assert_eq!(strange.is_ok(), trusted.is_ok(), "whom a request is from does not make it readable");
    let Ok(read) = strange else { return };
    assert_eq!(read.client, CLIENT, "nobody is trusted");
    assert!(read.method != Method::CONNECT && read.method != Method::TRACE);
    assert!(read.target.as_str().starts_with('/') && Some(&read.target) == parts.uri.path_and_query());
    let host = read.host.as_bytes();
    assert!(!host.is_empty() && !host.iter().any(u8::is_ascii_uppercase) && !host.ends_with(b"."));
    // What was read is its own meaning: reading it again changes nothing.
    parts.headers = HeaderMap::new();
    parts
        .headers
        .insert(HOST, HeaderValue::from_str(&read.host).expect("a host is a value"));
    parts.uri = read.target.as_str().parse().expect("a target is a URI");
    parts.version = Version::HTTP_11;
    let again = canonical::read(&parts, CLIENT, &[], policy()).expect("what was read can be read");
    assert_eq!((&again.host, again.target.as_str()), (&read.host, read.target.as_str()));
}

/// Lines of `name: value`; those that the library does not take are left out, as it leaves them out.
fn fields<'a>(lines: impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in lines.take(100) {
        let at = line
            .iter()
            .skip(1)
            .position(|byte| *byte == b':')
            .map_or(line.len(), |at| at + 1);
        let (name, value) = line.split_at(at);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
}

/// Names that end at this hop, speak for a proxy, or say who somebody is; folded.
const NOT_FOR_CLIENTS: [&str; 12] = [
    "remote-user",
    "x-auth-email",
    "connection",
    "te",
    "trailer",
    "transfer-encoding",
    "content-length",
    "upgrade",
    "keep-alive",
    "forwarded",
    "x-real-ip",
    "x-http-method-override",
];

/// Nothing that a client may not say is left, in no spelling, and everything else is, as it was.
pub fn headers(bytes: &[u8]) {
    let sent = fields(bytes.split(|byte| *byte == b'\n'));
    let nominated: Vec<String> = (sent.get_all("connection").iter())
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b','))
        .map(|token| String::from_utf8_lossy(token).trim().to_ascii_lowercase())
        .collect();
    let mut left = sent.clone();
    crate::upstream::cleaned(&mut left, &["Remote-User", "X-Auth_Email"]);
    let doomed = |name: &HeaderName| {
        let letter = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        };
        let folded: String = name.as_str().chars().map(letter).collect();
        let prefixes = ["stepgate-", "x-forwarded", "x-original-", "x-rewrite-"];
        NOT_FOR_CLIENTS.contains(&&*folded) || prefixes.iter().any(|prefix| folded.starts_with(prefix))
    };
    for name in left.keys() {
        assert!(!doomed(name), "{name} is left");
        assert!(!nominated.contains(&name.as_str().to_owned()), "{name} ends here, by `Connection`");
    }
    let known = ["accept", "x-kept", "content-type", "authorization", "host"];
    for name in known.iter().filter(|name| !nominated.iter().any(|token| token == *name)) {
        let values = |map: &HeaderMap| map.get_all(*name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(values(&sent), values(&left), "{name}");
    }
    for field in left.get_all(COOKIE) {
        assert_eq!(named(field.as_bytes(), "stepgate"), 0, "a cookie of ours is left in {field:?}");
        assert_eq!(named(field.as_bytes(), "__Host-stepgate-id"), 0, "a cookie of ours is left in {field:?}");
    }
    assert!(left.get_all(COOKIE).iter().count() <= 1 || sent.get_all(COOKIE).iter().count() == 0);
}

/// How many pairs of a `Cookie` field have exactly this name.
fn named(field: &[u8], name: &str) -> usize {
    let pairs = field.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    pairs
        .filter(|pair| pair.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")))
        .count()
}

/// Each line is a `Cookie` field. What is read stands there once, by exactly that name.
pub fn cookies(bytes: &[u8]) {
    let mut map = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(20) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            map.append(COOKIE, value);
        }
    }
    for (mode, prefix) in [(CookieMode::Secure, "__Host-"), (CookieMode::Loopback, "")] {
        let carried = mode.read(&map);
        for (value, name) in [
            (carried.id, "stepgate-id"),
            (carried.claim, "stepgate"),
            (carried.browser, "stepgate-browser"),
            (carried.held, "stepgate-held"),
        ] {
            let Some(value) = value else { continue };
            let name = format!("{prefix}{name}");
            let times: usize = map.get_all(COOKIE).iter().map(|field| named(field.as_bytes(), &name)).sum();
            assert_eq!(times, 1, "{name} counts and stands there {times} times");
            let pair = format!("{name}={value}");
            let stands =
                |field: &HeaderValue| field.as_bytes().windows(pair.len()).any(|w| w == pair.as_bytes());
            assert!(map.get_all(COOKIE).iter().any(stands), "{pair} was not sent");
        }
    }
}

/// A ring and a claim that it signed.
fn signed() -> &'static (KeyRing, String) {
    static SIGNED: OnceLock<(KeyRing, String)> = OnceLock::new();
    SIGNED.get_or_init(|| {
        let ring = KeyRing::in_memory("https://mfa.example.com", NOW);
        let claim = Claim {
            site: "app.example.com".to_owned(),
            subject: "local:anna".to_owned(),
            session: "s1".to_owned(),
            issued_at: NOW,
            expires_at: NOW.plus(3600),
            binding: Binding::new("local", "anna", "s1"),
            proofs: vec![Proof::new(FactorKind::Totp, EnrolmentId("e1".into()), NOW)],
        };
        let token = ring.sign_claim(&claim).expect("a claim can be signed");
        (ring, token)
    })
}

/// No bytes are a claim, and no change of a claim is one: the bytes alone, then laid over a good one at the
/// place that the first of them says.
pub fn claim(bytes: &[u8]) {
    let (ring, good) = signed();
    let refused = |token: &str| token == good || ring.verify_claim(token, NOW).is_err();
    assert!(refused(&String::from_utf8_lossy(bytes)), "{bytes:?} is a claim");
    let [at, over @ ..] = bytes else { return };
    let mut changed = good.clone().into_bytes();
    let at = usize::from(*at) * changed.len() / 256;
    for (place, byte) in changed.iter_mut().skip(at).zip(over) {
        *place = *byte;
    }
    let changed = String::from_utf8_lossy(&changed).into_owned();
    assert!(refused(&changed), "{changed} is a claim");
    let cut = good.get(..at).unwrap_or_default();
    assert!(refused(&format!("{cut}{}", String::from_utf8_lossy(over))), "{cut} and more is a claim");
}

/// Settings exactly when there is no error; settings that load make a policy.
pub fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let loaded = load(&Sources::text("fuzz.yaml", &text), &Environment::default());
    assert_eq!(loaded.settings.is_none(), loaded.diagnostics.has_errors());
    let _ = (loaded.diagnostics.to_text(false), loaded.diagnostics.to_json());
    if let Some(settings) = loaded.settings {
        assert!(Policy::compile(&settings).is_ok(), "what is accepted can be used");
    }
}

#[cfg(test)]
mod short;
