//! What Google Authenticator exports: `otpauth-migration://offline?data=…`, base64 of a protocol
//! buffer. A large export is several such links; all of them must be there.

use std::collections::BTreeMap;

use prost::Message;
use url::Url;
use zeroize::Zeroizing;

use super::label;
use super::rows::{Row, Rows, base64};
use crate::config::FactorKind;
use crate::factors::{Algorithm, Parameters};

/// `MigrationPayload` of the app.
#[derive(Clone, PartialEq, Message)]
struct Payload {
    #[prost(message, repeated, tag = "1")]
    tokens: Vec<Token>,
    #[prost(int32, tag = "3")]
    batch_size: i32,
    #[prost(int32, tag = "4")]
    batch_index: i32,
    #[prost(int32, tag = "5")]
    batch_id: i32,
}

/// `OtpParameters` of the app.
#[derive(Clone, PartialEq, Message)]
struct Token {
    #[prost(bytes = "vec", tag = "1")]
    secret: Vec<u8>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    issuer: String,
    #[prost(int32, tag = "4")]
    algorithm: i32,
    #[prost(int32, tag = "5")]
    digits: i32,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(int64, tag = "7")]
    counter: i64,
}

/// Reads the lines; empty ones and those after `#` say nothing.
pub(super) fn read(text: &str) -> Rows {
    let mut rows = Rows::default();
    // By export: the first line, how many links it has, and which are there.
    let mut exports: BTreeMap<i32, (usize, i32, Vec<i32>)> = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let (number, text) = (index + 1, line.trim());
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match payload(text) {
            Ok(payload) => {
                let export =
                    exports
                        .entry(payload.batch_id)
                        .or_insert((number, payload.batch_size, Vec::new()));
                export.2.push(payload.batch_index);
                payload
                    .tokens
                    .into_iter()
                    .for_each(|token| rows.push(number, row(number, token)));
            }
            Err(what) => rows.push(number, Err(what)),
        }
    }
    for (line, size, there) in exports.into_values() {
        let missing = (0..size.min(100)).filter(|index| !there.contains(index)).count();
        if missing > 0 {
            rows.push(line, Err(format!("the export has {size} parts, and {missing} are not in this file")));
        }
    }
    rows
}

fn payload(text: &str) -> Result<Payload, String> {
    let wrong = || "this is no `otpauth-migration://offline?data=…`".to_owned();
    // A plus sign that was never encoded is no space.
    let url = Url::parse(&text.replace('+', "%2B")).map_err(|_| wrong())?;
    if url.scheme() != "otpauth-migration" {
        return Err(wrong());
    }
    let (_, data) = url.query_pairs().find(|(name, _)| name == "data").ok_or_else(wrong)?;
    let bytes = base64(&data).ok_or_else(wrong)?;
    Payload::decode(bytes.as_slice()).map_err(|_| "the data of this link is damaged".to_owned())
}

fn row(line: usize, token: Token) -> Result<Row, String> {
    let secret = Zeroizing::new(token.secret);
    let (from_label, subject) = label::split(&token.name);
    if subject.is_empty() {
        return Err("a token names no account".to_owned());
    }
    let algorithm = match token.algorithm {
        0 | 1 => Algorithm::Sha1,
        2 => Algorithm::Sha256,
        3 => Algorithm::Sha512,
        _ => return Err(format!("{subject}: the algorithm is not SHA1, SHA256 or SHA512")),
    };
    let digits = match token.digits {
        0 | 1 => 6,
        2 => 8,
        _ => return Err(format!("{subject}: a code has neither 6 nor 8 digits")),
    };
    let kind = match token.kind {
        1 => FactorKind::Hotp,
        0 | 2 => FactorKind::Totp,
        _ => return Err(format!("{subject}: a token is `totp` or `hotp`")),
    };
    Ok(Row {
        line,
        subject,
        issuer: label::some(&token.issuer).or(from_label),
        kind,
        secret,
        parameters: Parameters { algorithm, digits, ..Parameters::default() },
        counter: u64::try_from(token.counter).unwrap_or_default(),
        serial: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the format's own descriptions: one token, "Hello!\xde\xad\xbe\xef".
    const PUBLISHED: &str = "otpauth-migration://offline?data=CjEKCkhlbGxvId6tvu8SGEV4YW1wbGU6YWxpY2VAZ29vZ2xlLmNvbRoHRXhhbXBsZTAC";

    fn link(payload: &Payload) -> String {
        use ::base64::Engine as _;
        let data = ::base64::engine::general_purpose::STANDARD.encode(payload.encode_to_vec());
        let data: String = url::form_urlencoded::byte_serialize(data.as_bytes()).collect();
        format!("otpauth-migration://offline?data={data}")
    }

    fn token(name: &str, kind: i32) -> Token {
        Token {
            secret: b"1234567890".to_vec(),
            name: name.into(),
            issuer: "ACME".into(),
            algorithm: 1,
            digits: 1,
            kind,
            counter: 5,
        }
    }

    #[test]
    fn the_published_example() {
        let rows = read(PUBLISHED);
        assert_eq!(rows.wrong, []);
        let [alice] = rows.taken.as_slice() else {
            panic!("one token")
        };
        assert_eq!((alice.subject.as_str(), alice.issuer.as_deref()), ("alice@google.com", Some("Example")));
        assert_eq!(alice.secret.as_slice(), b"Hello!\xde\xad\xbe\xef");
        assert_eq!((alice.kind, alice.parameters), (FactorKind::Totp, Parameters::default()));
    }

    #[test]
    fn all_parts_of_an_export_must_be_there() {
        let part = |index: i32, kind| Payload {
            tokens: vec![token("anna", kind)],
            batch_size: 2,
            batch_index: index,
            batch_id: -7,
        };
        let (first, second) = (link(&part(0, 2)), link(&part(1, 1)));
        let whole = read(&format!("{first}\n{second}\n"));
        assert_eq!(whole.wrong, []);
        assert_eq!((whole.taken[1].kind, whole.taken[1].counter), (FactorKind::Hotp, 5));
        let half = read(&format!("\n{second}\n"));
        assert_eq!(half.wrong[0].what, "the export has 2 parts, and 1 are not in this file");
    }

    #[test]
    fn what_is_wrong_is_named_by_line() {
        let wrong = |text: &str| {
            read(&format!("\n{text}"))
                .wrong
                .into_iter()
                .next()
                .map(|one| (one.line, one.what))
        };
        for text in [
            "otpauth://totp/a?secret=GEZDGNBV",
            "otpauth-migration://offline?data=%%%",
            "otpauth-migration://offline",
        ] {
            assert!(wrong(text).unwrap().1.starts_with("this is no"), "{text}");
        }
        assert!(wrong("otpauth-migration://offline?data=CjEK").unwrap().1.contains("damaged"));
        let mut odd = token("anna", 2);
        odd.algorithm = 4;
        let odd = link(&Payload { tokens: vec![odd], batch_size: 1, batch_index: 0, batch_id: 1 });
        assert_eq!(wrong(&odd), Some((2, "anna: the algorithm is not SHA1, SHA256 or SHA512".into())));
    }
}
