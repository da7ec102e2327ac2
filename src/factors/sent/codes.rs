//! The codes that were sent for one question, as they are kept: a random key of the question's own
//! and, under it, the HMAC-SHA-256 of each, with the time it runs out. No code is kept in clear.
//!
//! The last two count, because messages overtake each other and people type the one they see.

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::ambient::{UnixTime, random_bytes};

const KEY_LEN: usize = 32;
const MAC_LEN: usize = 32;
const TIME_LEN: usize = 8;
/// Codes that count at a time.
const KEPT: usize = 2;

/// What is kept.
pub(super) struct Codes {
    key: Zeroizing<[u8; KEY_LEN]>,
    /// Oldest first.
    sent: Vec<Sent>,
}

struct Sent {
    mac: [u8; MAC_LEN],
    expires: UnixTime,
}

/// `digits` random digits. The remainder favours none of them by more than one in ten thousand
/// million.
pub(super) fn new_code(digits: u8) -> SecretString {
    let range = 10_u64.pow(u32::from(digits.min(18)));
    let number = u64::from_be_bytes(random_bytes()) % range;
    format!("{number:0width$}", width = usize::from(digits)).into()
}

impl Codes {
    /// None was sent yet.
    pub(super) fn none() -> Self {
        Self { key: Zeroizing::new(random_bytes()), sent: Vec::new() }
    }

    /// What [`Codes::written`] wrote.
    pub(super) fn read(payload: &SecretSlice<u8>) -> Option<Self> {
        let (key, rest) = payload.expose_secret().split_first_chunk::<KEY_LEN>()?;
        let records = rest.chunks_exact(MAC_LEN + TIME_LEN);
        if !records.remainder().is_empty() {
            return None;
        }
        let sent = records.take(KEPT).map(|record| {
            let (mac, time) = record.split_first_chunk::<MAC_LEN>()?;
            let (time, _) = time.split_first_chunk::<TIME_LEN>()?;
            Some(Sent { mac: *mac, expires: UnixTime(i64::from_be_bytes(*time)) })
        });
        Some(Self { key: Zeroizing::new(*key), sent: sent.collect::<Option<_>>()? })
    }

    /// As it is kept, sealed, beside the question.
    pub(super) fn written(&self) -> SecretSlice<u8> {
        let mut bytes = self.key.to_vec();
        for sent in &self.sent {
            bytes.extend_from_slice(&sent.mac);
            bytes.extend_from_slice(&sent.expires.0.to_be_bytes());
        }
        SecretSlice::from(bytes)
    }

    /// One more that counts, for `life` seconds; the one before the last counts no more.
    pub(super) fn add(&mut self, code: &SecretString, now: UnixTime, life: i64) {
        let mac = self.mac(code.expose_secret());
        self.sent.push(Sent { mac, expires: now.plus(life) });
        let gone = self.sent.len().saturating_sub(KEPT);
        self.sent.drain(..gone);
    }

    /// Whether `code` is one of those that count. All are compared, whichever it is.
    pub(super) fn holds(&self, code: &str, now: UnixTime) -> bool {
        let typed = self.mac(code);
        let mut any = Choice::from(0);
        for sent in &self.sent {
            let counts = Choice::from(u8::from(sent.expires > now));
            any |= sent.mac.ct_eq(&typed) & counts;
        }
        any.into()
    }

    fn mac(&self, code: &str) -> [u8; MAC_LEN] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*self.key);
        let mut mac = [0; MAC_LEN];
        mac.copy_from_slice(hmac::sign(&key, code.as_bytes()).as_ref());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UnixTime {
        UnixTime(1_800_000_000 + seconds)
    }

    fn code(text: &str) -> SecretString {
        text.to_owned().into()
    }

    #[test]
    fn codes_have_their_digits_and_are_not_twice_the_same() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let code = new_code(8);
            let text = code.expose_secret().to_owned();
            assert!(text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()), "{text}");
            seen.insert(text);
        }
        assert!(seen.len() > 990, "{}", seen.len());
        assert!(seen.iter().any(|code| code.starts_with('0')), "the first digit may be nought");
        assert_eq!(new_code(6).expose_secret().len(), 6);
    }

    #[test]
    fn the_last_two_count_until_each_runs_out() {
        let mut codes = Codes::none();
        codes.add(&code("00000001"), at(0), 300);
        codes.add(&code("00000002"), at(60), 300);
        let codes = Codes::read(&codes.written()).unwrap();
        let counts = |code, seconds| codes.holds(code, at(seconds));
        assert!(counts("00000001", 61) && counts("00000002", 61));
        assert!(counts("00000001", 299) && !counts("00000001", 300));
        assert!(counts("00000002", 359) && !counts("00000002", 360));
        assert!(!counts("00000003", 61) && !counts("", 61));
        let mut codes = codes;
        codes.add(&code("00000003"), at(120), 300);
        let codes = Codes::read(&codes.written()).unwrap();
        let counting = ["00000001", "00000002", "00000003"].map(|code| codes.holds(code, at(121)));
        assert_eq!(counting, [false, true, true]);
    }

    #[test]
    fn what_is_kept_says_nothing_and_belongs_to_one_question() {
        let mut codes = Codes::none();
        codes.add(&code("12345678"), at(0), 300);
        let written = codes.written();
        let bytes = written.expose_secret();
        assert!(!bytes.windows(8).any(|window| window == b"12345678"));
        let mut other = Codes::none();
        other.add(&code("12345678"), at(0), 300);
        assert_ne!(bytes, other.written().expose_secret());
    }

    #[test]
    fn what_was_not_written_here_is_not_read() {
        for bytes in [vec![], vec![0; 31], vec![0; 33], vec![0; 32 + 41]] {
            assert!(Codes::read(&SecretSlice::from(bytes)).is_none());
        }
        assert!(!Codes::read(&SecretSlice::from(vec![0; 32])).unwrap().holds("", at(0)));
    }
}
