//! The lenient-reading rule against a brute-force oracle that shares no code with it: whatever
//! composition of readings reaches a protected prefix, the demand is at least that prefix's, or
//! the path is refused.

use std::collections::HashSet;
use std::sync::Arc;

use http::Method;
use http::uri::PathAndQuery;
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization as _;

use crate::ambient::UnixTime;
use crate::config::settings::EncodedSlash;
use crate::gate::canonical;
use crate::policy::tests_support::{SENSITIVE, SIGNED_IN, asks, public, route, rule, settings};
use crate::policy::{Demand, Facts, Policy};

type Step = fn(&[u8]) -> Vec<u8>;

/// The readings of security.md 1.9, on bytes, as bluntly as they can be written.
const STEPS: [Step; 13] = [
    percent,
    percent_u,
    overlong,
    |path| {
        text(path, |text| {
            text.nfkc()
                .filter(|c| !"\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}".contains(*c))
                .collect()
        })
    },
    |path| text(path, str::to_lowercase),
    |path| path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect(),
    |path| text(path, |text| (0..9).fold(text.to_owned(), |text, _| text.replace("//", "/"))),
    |path| segments(path, |segment| segment.split(';').next().unwrap().to_owned()),
    dots,
    |path| path.split(|byte| b"\0#?".contains(byte)).next().unwrap().to_vec(),
    |path| path.split(|byte| *byte == b';').next().unwrap().to_vec(),
    |path| segments(path, |segment| segment.trim_end_matches(|c: char| c == '.' || c <= ' ').to_owned()),
    |path| path.iter().copied().filter(|byte| *byte != 0).collect(),
];

fn text(path: &[u8], change: impl Fn(&str) -> String) -> Vec<u8> {
    std::str::from_utf8(path).map_or(path.to_vec(), |text| change(text).into_bytes())
}

fn segments(path: &[u8], change: impl Fn(&str) -> String) -> Vec<u8> {
    text(path, |text| text.split('/').map(&change).collect::<Vec<_>>().join("/"))
}

fn percent(path: &[u8]) -> Vec<u8> {
    let mut decoded = vec![];
    let mut at = 0;
    while at < path.len() {
        let digits = path.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if path[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(path[at]);
                at += 1;
            }
        }
    }
    decoded
}

fn percent_u(path: &[u8]) -> Vec<u8> {
    text(path, |text| {
        let mut parts = text.split("%u");
        let mut decoded = parts.next().unwrap().to_owned();
        for part in parts {
            let digits = part.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
            match digits.and_then(char::from_u32) {
                Some(c) => decoded.extend([&c.to_string(), part.get(4..).unwrap()]),
                None => decoded.extend(["%u", part]),
            }
        }
        decoded
    })
}

fn overlong(path: &[u8]) -> Vec<u8> {
    let mut decoded = vec![];
    let mut at = 0;
    while at < path.len() {
        match path[at..] {
            [0xc0 | 0xc1, low, ..] => {
                decoded.push((path[at] & 1) << 6 | low & 0x3f);
                at += 2;
            }
            [byte, ..] => {
                decoded.push(byte);
                at += 1;
            }
            [] => {}
        }
    }
    decoded
}

fn dots(path: &[u8]) -> Vec<u8> {
    text(path, |text| {
        let mut kept = vec![];
        for segment in text.split('/') {
            match segment {
                "." => {}
                ".." => {
                    kept.pop();
                }
                _ => kept.push(segment),
            }
        }
        let kept = kept.join("/");
        if kept.starts_with('/') {
            kept
        } else {
            format!("/{kept}")
        }
    })
}

/// Whether any composition of at most six readings equals the prefix or lies below it.
fn some_reading_reaches(path: &str, prefix: &str) -> bool {
    let mut known = HashSet::from([path.as_bytes().to_vec()]);
    let mut newest: Vec<Vec<u8>> = known.iter().cloned().collect();
    for _ in 0..6 {
        let mut fresh = vec![];
        for path in &newest {
            for step in STEPS {
                let reading = step(path);
                if known.len() < 3_000 && known.insert(reading.clone()) {
                    fresh.push(reading);
                }
            }
        }
        newest = fresh;
    }
    let below = format!("{prefix}/");
    known
        .iter()
        .any(|path| path == prefix.as_bytes() || path.starts_with(below.as_bytes()))
}

fn policy(slash: EncodedSlash) -> Policy {
    let mut site = route(public());
    site.encoded_slash = slash;
    site.rules = vec![
        rule(&["/free/**"], asks(&[SIGNED_IN])),
        rule(&["/admin/**"], asks(&[SENSITIVE])),
    ];
    Policy::compile(&Arc::new(settings(vec![site]))).unwrap()
}

/// `None`: refused.
fn judged(path: &str, slash: EncodedSlash) -> Option<Demand> {
    let policy = policy(slash);
    let target: PathAndQuery = path.parse().ok()?;
    assert_eq!(target.as_str(), path, "the target is what was sent");
    let host = Arc::clone(policy.known_host("app.example.com").unwrap());
    let request =
        canonical::judge(Method::GET, host, target.clone(), "192.0.2.1".parse().unwrap(), &policy).ok()?;
    assert_eq!(request.target, target);
    let route = policy.route_for("app.example.com").unwrap();
    Some(policy.demand(route, &request, &Facts { identity: None, now: UnixTime(0) }))
}

/// Bits that bypasses are made of.
fn tricky_path() -> impl Strategy<Value = String> {
    let bits = prop::sample::select(vec![
        "/",
        "/",
        "//",
        "admin",
        "Admin",
        "ADMIN",
        "adm",
        "in",
        "free",
        "x",
        ".",
        "..",
        "/../",
        "/./",
        "%2e",
        "%2E%2e",
        "%252e",
        "%61",
        "%2561",
        "%41",
        ";",
        ";x=1",
        "%3b",
        "%253B",
        "%2f",
        "%252f",
        "%5c",
        "%23",
        "%3f",
        "%253f",
        "%20",
        "%2e%20",
        "%00",
        "%2500",
        "%c0%ae",
        "%c1%a1",
        "%25u0061",
        "%25u002f",
        "\u{ff41}",
        "%EF%BD%81",
        "%EF%BC%8F",
        "\u{200b}",
        "%E2%80%8B",
        "\u{2025}",
        "\u{ff05}61",
        "\u{212a}",
        "~",
        "+",
        "@",
    ]);
    prop::collection::vec(bits, 1..9).prop_map(|bits| format!("/{}", bits.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a04_no_composition_of_readings_reaches_a_prefix_unjudged(path in tricky_path(), slash in any::<bool>()) {
        prop_assume!(path.parse::<PathAndQuery>().is_ok_and(|target| target.as_str() == path));
        let slash = if slash { EncodedSlash::Judge } else { EncodedSlash::Refuse };
        if let Some(demand) = judged(&path, slash) && some_reading_reaches(&path, "/admin") {
            prop_assert!(demand.required().contains(SENSITIVE), "{path}: {demand:?}");
        }
    }

    #[test]
    fn ordinary_paths_keep_working(segments in prop::collection::vec("[a-zA-Z0-9äöü日ß@:+~_-]([ .a-zA-Z0-9äöü日é@:+~_-]{0,8}[a-z0-9])?", 0..6)) {
        let path = format!("/{}", segments.join("/").replace(' ', "%20"));
        let demand = judged(&path, EncodedSlash::Refuse);
        let protected = segments.first().is_some_and(|first| matches!(&*first.to_lowercase(), "admin" | "free"));
        prop_assert_eq!(demand.map(|demand| demand.is_public()), Some(!protected), "{}", path);
    }

    #[test]
    fn any_path_is_judged_or_refused_without_a_panic(path in "/[ -~\u{80}-\u{2fff}]{0,40}") {
        if path.parse::<PathAndQuery>().is_ok_and(|target| target.as_str() == path) {
            let _ = judged(&path, EncodedSlash::Judge);
        }
    }
}

#[test]
fn the_oracle_finds_the_known_bypasses() {
    for path in [
        "/x/..%2fadmin",
        "/%2561dmin",
        "/admin;x/y",
        "//admin",
        "/ADMIN",
        "/x\\..\\admin",
        "/\u{ff41}dmin",
    ] {
        assert!(some_reading_reaches(path, "/admin"), "{path}");
    }
    assert!(!some_reading_reaches("/administrator", "/admin"));
}

#[test]
fn a_neighbour_of_a_protected_prefix_is_no_part_of_it() {
    for path in [
        "/administrator",
        "/admin-x",
        "/x/admin",
        "/admin.php",
        "/adm%69nistrator",
    ] {
        assert_eq!(judged(path, EncodedSlash::Refuse).map(|demand| demand.is_public()), Some(true), "{path}");
    }
}
