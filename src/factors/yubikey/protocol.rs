//! The validation protocol, version 2.0: a signed query, and the judgement on a signed answer.
//!
//! The signature is base64 of an HMAC-SHA-1 over the parameters, sorted and not encoded. An answer
//! counts only if its signature is right and it repeats the password and the nonce of this query.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretSlice};

use super::otp::Otp;

/// One question to a validation service.
pub(super) struct Query<'a> {
    pub(super) client_id: u64,
    pub(super) api_key: &'a SecretSlice<u8>,
    pub(super) otp: &'a Otp,
    /// 16 to 40 letters and digits, the same for all servers of one service: they tell a copy of the
    /// question from a second use of the password by it.
    pub(super) nonce: &'a str,
}

/// What a server made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    /// With the key's own counter, where the server tells it: it only grows.
    Right {
        counter: Option<i64>,
    },
    Wrong,
    Replayed,
    /// Nothing was decided. The words are for the log.
    Undecided(String),
}

impl Query<'_> {
    /// The query string, signed.
    pub(super) fn encoded(&self) -> String {
        let id = self.client_id.to_string();
        let parameters = BTreeMap::from([
            ("id", id.as_str()),
            ("nonce", self.nonce),
            ("otp", self.otp.text()),
            ("timestamp", "1"),
        ]);
        let signature = sign(self.api_key, &parameters);
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&parameters)
            .append_pair("h", &signature)
            .finish()
    }

    /// Judges the body of an answer.
    pub(super) fn judge(&self, body: &[u8]) -> Judgement {
        let undecided = |words: &str| Judgement::Undecided(words.to_owned());
        let Ok(body) = std::str::from_utf8(body) else {
            return undecided("an answer that is not text");
        };
        let mut fields = BTreeMap::new();
        for (key, value) in body.lines().filter_map(|line| line.trim().split_once('=')) {
            if fields.insert(key, value).is_some() {
                return undecided("an answer that says something twice");
            }
        }
        let status = fields.get("status").copied().unwrap_or("no status").to_owned();
        if !self.is_signed(&mut fields) {
            return Judgement::Undecided(format!("{} without a signature by our key", shown(&status)));
        }
        let echoed = fields.get("otp") == Some(&self.otp.text()) && fields.get("nonce") == Some(&self.nonce);
        match status.as_str() {
            "OK" | "REPLAYED_OTP" if !echoed => undecided("an answer to another question"),
            "OK" => Judgement::Right { counter: counter(&fields) },
            "REPLAYED_OTP" => Judgement::Replayed,
            "BAD_OTP" => Judgement::Wrong,
            other => Judgement::Undecided(shown(other)),
        }
    }

    fn is_signed(&self, fields: &mut BTreeMap<&str, &str>) -> bool {
        let Some(given) = fields.remove("h").and_then(|given| STANDARD.decode(given).ok()) else {
            return false;
        };
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.api_key.expose_secret());
        hmac::verify(&key, signed(fields).as_bytes(), &given).is_ok()
    }
}

/// A status as it may stand in the log.
fn shown(status: &str) -> String {
    status.chars().filter(char::is_ascii_graphic).take(40).collect()
}

/// How often the key was plugged in, and touched since.
fn counter(fields: &BTreeMap<&str, &str>) -> Option<i64> {
    let number = |name: &str, most: i64| {
        let value = fields.get(name)?.parse::<i64>().ok()?;
        (0..=most).contains(&value).then_some(value)
    };
    Some((number("sessioncounter", 0xffff)? << 8) | number("sessionuse", 0xff)?)
}

fn sign(key: &SecretSlice<u8>, parameters: &BTreeMap<&str, &str>) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.expose_secret());
    STANDARD.encode(hmac::sign(&key, signed(parameters).as_bytes()))
}

/// What a signature is over: sorted, and not encoded.
fn signed(parameters: &BTreeMap<&str, &str>) -> String {
    let pairs: Vec<String> = parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the validation protocol's own documentation.
    const KEY: &str = "mG5be6ZJU1qBGz24yPh/ESM3UdU=";
    const OTP: &str = "vvungrrdhvtklknvrtvuvbbkeidikkvgglrvdgrfcdft";
    const NONCE: &str = "jrFwbaYFhn0HoxZIsd9LQ6w2ceU";

    fn key() -> SecretSlice<u8> {
        STANDARD.decode(KEY).unwrap().into()
    }

    fn judge(lines: &[(&str, &str)], signature: Option<&str>) -> Judgement {
        let (api_key, otp) = (key(), Otp::read(OTP).unwrap());
        let fields: BTreeMap<&str, &str> = lines.iter().copied().collect();
        let signature = signature.map_or_else(|| sign(&api_key, &fields), str::to_owned);
        let mut body = format!("h={signature}\r\n");
        for (key, value) in lines {
            body.push_str(&format!("{key}={value}\r\n"));
        }
        Query { client_id: 1, api_key: &api_key, otp: &otp, nonce: NONCE }.judge(body.as_bytes())
    }

    const ECHO: [(&str, &str); 2] = [("otp", OTP), ("nonce", NONCE)];

    #[test]
    fn the_documented_signature() {
        let parameters = BTreeMap::from([("id", "1"), ("nonce", NONCE), ("otp", OTP)]);
        assert_eq!(sign(&key(), &parameters), "+ja8S3IjbX593/LAgTBixwPNGX4=");
    }

    #[test]
    fn a_query_is_signed_and_encoded() {
        let (api_key, otp) = (key(), Otp::read(OTP).unwrap());
        let query = Query { client_id: 1, api_key: &api_key, otp: &otp, nonce: NONCE }.encoded();
        let (plain, signature) = query.rsplit_once("&h=").unwrap();
        assert_eq!(plain, format!("id=1&nonce={NONCE}&otp={OTP}&timestamp=1"));
        assert!(!signature.contains(['+', '/', '=']) || signature.contains('%'), "{signature}");
    }

    #[test]
    fn only_a_signed_answer_to_this_very_question_counts() {
        let ok = [
            ("status", "OK"),
            ECHO[0],
            ECHO[1],
            ("sessioncounter", "19"),
            ("sessionuse", "17"),
        ];
        assert_eq!(judge(&ok, None), Judgement::Right { counter: Some(0x13_11) });
        assert_eq!(judge(&ok[..3], None), Judgement::Right { counter: None });
        for signature in ["", "AAAA", "+ja8S3IjbX593/LAgTBixwPNGX4="] {
            assert!(matches!(judge(&ok, Some(signature)), Judgement::Undecided(_)), "{signature}");
        }
        for echo in [
            ("otp", "ccccccccccccccccccccccccccccccccccccccccccc"),
            ("nonce", "another"),
        ] {
            let others: Vec<_> = ECHO.into_iter().filter(|(key, _)| *key != echo.0).collect();
            let answer = [("status", "OK"), others[0], echo];
            assert!(matches!(judge(&answer, None), Judgement::Undecided(_)), "{echo:?}");
        }
        assert!(matches!(judge(&[("status", "OK")], None), Judgement::Undecided(_)));
        assert!(matches!(judge(&[ok[0], ok[1], ok[2], ("status", "OK")], None), Judgement::Undecided(_)));
    }

    #[test]
    fn every_status_has_its_meaning() {
        let status = |status| judge(&[("status", status), ECHO[0], ECHO[1]], None);
        assert_eq!(status("BAD_OTP"), Judgement::Wrong);
        assert_eq!(status("REPLAYED_OTP"), Judgement::Replayed);
        for undecided in [
            "REPLAYED_REQUEST",
            "NOT_ENOUGH_ANSWERS",
            "BACKEND_ERROR",
            "NO_SUCH_CLIENT",
            "BAD_SIGNATURE",
            "",
        ] {
            assert_eq!(status(undecided), Judgement::Undecided(undecided.into()));
        }
    }
}
