//! The lenient-reading rule of security.md 1.9 as an oracle: everything that some back end might take
//! a path to mean, written as bluntly as it can be.
//!
//! Shares no code with what it checks. Used by the unit tests of the readings and, against what really
//! arrives at an upstream, by the end-to-end tests.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization as _;

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
pub(crate) fn some_reading_reaches(path: &str, prefix: &str) -> bool {
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

/// Bits that bypasses are made of.
pub(crate) const BITS: [&str; 49] = [
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
];
