//! What every format is read into.

use base64::Engine as _;
use totp_rs::Secret;
use zeroize::Zeroizing;

use crate::config::FactorKind;
use crate::factors::{Algorithm, Parameters};

/// One token of a file.
pub(super) struct Row {
    pub(super) line: usize,
    /// Whose it is, as the file names the person.
    pub(super) subject: String,
    pub(super) issuer: Option<String>,
    /// `totp` or `hotp`.
    pub(super) kind: FactorKind,
    pub(super) secret: Zeroizing<Vec<u8>>,
    pub(super) parameters: Parameters,
    /// The next counter of a token that counts.
    pub(super) counter: u64,
    pub(super) serial: Option<String>,
}

/// Why a line cannot be taken. Never holds a secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) what: String,
}

/// A file, read.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) taken: Vec<Row>,
    pub(super) wrong: Vec<Wrong>,
    /// Of other issuers.
    pub(super) skipped: usize,
}

impl Rows {
    pub(super) fn push(&mut self, line: usize, row: Result<Row, String>) {
        match row {
            Ok(row) => self.taken.push(row),
            Err(what) => self.wrong.push(Wrong { line, what }),
        }
    }

    /// Leaves out what another issuer gave out.
    pub(super) fn of_issuer(mut self, issuer: Option<&str>) -> Self {
        let Some(issuer) = issuer else {
            return self;
        };
        let before = self.taken.len();
        self.taken.retain(|row| row.issuer.as_deref() == Some(issuer));
        self.skipped = before - self.taken.len();
        self
    }
}

impl Row {
    /// What it is, without its secret.
    pub(super) fn describe(&self) -> String {
        let Parameters { algorithm, digits, period } = self.parameters;
        let how = match self.kind {
            FactorKind::Hotp => format!("from counter {}", self.counter),
            _ => format!("every {period} s"),
        };
        let serial = self
            .serial
            .as_ref()
            .map(|serial| format!(", serial {serial}"))
            .unwrap_or_default();
        format!("{}, {}, {digits} digits, {how}{serial}", self.kind.name(), algorithm.name())
    }
}

/// The kind of that name.
pub(super) fn kind(name: &str) -> Result<FactorKind, String> {
    match name.to_ascii_lowercase().as_str() {
        "totp" => Ok(FactorKind::Totp),
        "hotp" => Ok(FactorKind::Hotp),
        _ => Err("a token is `totp` or `hotp`".to_owned()),
    }
}

pub(super) fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(name).ok_or_else(|| "the algorithm is SHA1, SHA256 or SHA512".to_owned())
}

pub(super) fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{name}` is not a number in its range"))
}

/// A secret in base32 as people write it: groups, dashes, lower case, padding.
pub(super) fn base32(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let plain: Zeroizing<String> = Zeroizing::new(
        text.chars()
            .filter(|c| !c.is_whitespace() && *c != '-' && *c != '=')
            .map(|c| c.to_ascii_uppercase())
            .collect(),
    );
    let secret = Secret::try_from_base32(&plain).map_err(|_| "the secret is not base32".to_owned())?;
    Ok(Zeroizing::new(secret.as_ref().to_vec()))
}

/// A secret in hexadecimal digits.
pub(super) fn hex(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let wrong = || "the secret is not hexadecimal".to_owned();
    let digits: Zeroizing<Vec<u8>> = Zeroizing::new(
        text.chars()
            .filter(|c| !c.is_whitespace() && *c != '-' && *c != ':')
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or_else(wrong))
            .collect::<Result<_, _>>()?,
    );
    let (pairs, []) = digits.as_chunks::<2>() else {
        return Err(wrong());
    };
    Ok(Zeroizing::new(pairs.iter().map(|[high, low]| high << 4 | low).collect()))
}

/// base64 in either alphabet, padded or not, as it stands in links.
pub(super) fn base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    use base64::alphabet::STANDARD;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let plain: String = text
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    GeneralPurpose::new(&STANDARD, config).decode(plain).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_as_people_write_them() {
        for text in [
            "GEZDGNBVGY3TQOJQ",
            "gezd gnbv gy3t qojq",
            "GEZD-GNBV-GY3T-QOJQ",
            "GEZDGNBVGY3TQOJQ====",
        ] {
            assert_eq!(base32(text).unwrap().as_slice(), b"1234567890", "{text}");
        }
        assert_eq!(hex("3132 33:34-35").unwrap().as_slice(), b"12345");
        for (outcome, secret) in [(base32("1889"), "1889"), (hex("3g"), "3g"), (hex("313"), "313")] {
            assert!(!outcome.unwrap_err().contains(secret), "a secret is never repeated");
        }
        assert_eq!(base64("-_8").unwrap().as_slice(), [0xfb, 0xff]);
        assert_eq!(base64("+/8=").unwrap().as_slice(), [0xfb, 0xff]);
    }
}
