//! `otpauth://` URIs, one a line: what every authenticator app reads, and some can write.

use url::Url;

use super::label;
use super::rows::{Row, Rows, algorithm, base32, kind, number};
use crate::config::FactorKind;
use crate::factors::Parameters;

/// Reads the lines; empty ones and those after `#` say nothing.
pub(super) fn read(text: &str) -> Rows {
    let mut rows = Rows::default();
    for (index, line) in text.lines().enumerate() {
        let text = line.trim();
        if !text.is_empty() && !text.starts_with('#') {
            rows.push(index + 1, row(index + 1, text));
        }
    }
    rows
}

fn row(line: usize, text: &str) -> Result<Row, String> {
    let url = Url::parse(text).map_err(|_| "this is no URI".to_owned())?;
    if url.scheme() != "otpauth" {
        return Err("this does not begin with `otpauth://`".to_owned());
    }
    let kind = kind(url.host_str().unwrap_or_default())?;
    let path = url.path().trim_start_matches('/');
    let label = percent_encoding::percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| "the label is not text")?;
    let (mut issuer, subject) = label::split(&label);
    if subject.is_empty() {
        return Err("the label names no account".to_owned());
    }
    let (mut secret, mut counter) = (None, None);
    let mut parameters = Parameters::default();
    for (name, value) in url.query_pairs() {
        match &*name {
            "secret" if secret.is_some() => return Err("there are two secrets".to_owned()),
            "secret" => secret = Some(base32(&value)?),
            "algorithm" => parameters.algorithm = algorithm(&value)?,
            "digits" => parameters.digits = number("digits", &value)?,
            "period" => parameters.period = number("period", &value)?,
            "counter" => counter = Some(number("counter", &value)?),
            "issuer" => issuer = label::some(&value).or(issuer),
            // Pictures, colours and the like.
            _ => {}
        }
    }
    let secret = secret.ok_or("there is no secret")?;
    if kind == FactorKind::Hotp && counter.is_none() {
        return Err("a token that counts needs its `counter`".to_owned());
    }
    let counter = counter.unwrap_or_default();
    Ok(Row { line, subject, issuer, kind, secret, parameters, counter, serial: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factors::Algorithm;

    #[test]
    fn every_figure_is_read() {
        let text = "# exported\n\notpauth://totp/ACME%20Co:%20anna%40example.com?secret=GEZDGNBVGY3TQOJQ&issuer=ACME%20Co&algorithm=SHA256&digits=8&period=60&image=x\n\
                    otpauth://hotp/bob?secret=GEZDGNBVGY3TQOJQ&counter=42\n";
        let rows = read(text);
        assert!(rows.wrong.is_empty());
        let [anna, bob] = rows.taken.as_slice() else {
            panic!("two rows")
        };
        assert_eq!(
            (anna.line, anna.subject.as_str(), anna.issuer.as_deref()),
            (3, "anna@example.com", Some("ACME Co"))
        );
        assert_eq!(anna.parameters, Parameters { algorithm: Algorithm::Sha256, digits: 8, period: 60 });
        assert_eq!(anna.describe(), "totp, SHA-256, 8 digits, every 60 s");
        assert_eq!((bob.kind, bob.counter, bob.parameters), (FactorKind::Hotp, 42, Parameters::default()));
        assert_eq!(bob.describe(), "hotp, SHA-1, 6 digits, from counter 42");
        assert_eq!(read(text).of_issuer(Some("ACME Co")).skipped, 1);
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_never_repeated() {
        for (text, expected) in [
            ("https://totp/anna?secret=GEZDGNBV", "this does not begin with `otpauth://`"),
            ("otpauth://push/anna?secret=GEZDGNBV", "a token is `totp` or `hotp`"),
            ("otpauth://totp/anna", "there is no secret"),
            ("otpauth://totp/?secret=GEZDGNBV", "the label names no account"),
            ("otpauth://totp/anna?secret=188018801880", "the secret is not base32"),
            ("otpauth://totp/anna?secret=GEZDGNBV&secret=GEZDGNBW", "there are two secrets"),
            (
                "otpauth://totp/anna?secret=GEZDGNBV&algorithm=MD5",
                "the algorithm is SHA1, SHA256 or SHA512",
            ),
            ("otpauth://totp/anna?secret=GEZDGNBV&digits=many", "`digits` is not a number in its range"),
            ("otpauth://hotp/anna?secret=GEZDGNBV", "a token that counts needs its `counter`"),
        ] {
            let rows = read(&format!("\n{text}"));
            assert_eq!((rows.wrong[0].line, rows.wrong[0].what.as_str()), (2, expected));
        }
    }
}
