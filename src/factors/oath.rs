//! One-time passwords of OATH tokens: the value for a counter (RFC 4226), and the parameters that
//! authenticator apps and hardware tokens differ in (RFC 6238). It never decides what counts.
//!
//! A secret of twenty bytes by itself is what this program makes: SHA-1, six digits, thirty
//! seconds. Anything else was imported and is kept with its parameters before it.

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretSlice};
use zeroize::Zeroizing;

/// Bytes of a secret that is made here (RFC 4226 recommends 160 bits).
pub(super) const SECRET_LEN: usize = 20;
/// Longer than [`SECRET_LEN`], so that no secret made here is taken for an imported one.
const MARK: &[u8] = b"OATH with parameters:";
/// Bytes of a secret that is accepted from elsewhere. Many tokens have 80 bits, RFC 6238's own
/// vectors have 512.
const SECRET_BOUNDS: std::ops::RangeInclusive<usize> = 10..=128;
/// Digits there can be: fewer are guessed, more do not come out of 31 bits.
const DIGITS: std::ops::RangeInclusive<u8> = 6..=8;
/// Seconds. Longer steps would be codes that live for minutes.
const PERIODS: std::ops::RangeInclusive<u16> = 15..=300;

/// The hash under the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    /// The algorithm of that name, in any of its usual spellings.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().replace(['-', '_'], "").trim_start_matches("HMAC") {
            "SHA1" => Some(Self::Sha1),
            "SHA256" => Some(Self::Sha256),
            "SHA512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The name as it is shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha512 => "SHA-512",
        }
    }

    const fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Sha1 => 1,
            Self::Sha256 => 2,
            Self::Sha512 => 3,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Sha1),
            2 => Some(Self::Sha256),
            3 => Some(Self::Sha512),
            _ => None,
        }
    }
}

/// What tokens differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    pub algorithm: Algorithm,
    pub digits: u8,
    /// Seconds of a step; meaningless for tokens that count.
    pub period: u16,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { algorithm: Algorithm::Sha1, digits: 6, period: 30 }
    }
}

/// Why a token's secret or parameters are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    #[error("the secret has {0} bytes; 10 to 128 are accepted")]
    Secret(usize),
    #[error("{0} digits; 6 to 8 are accepted")]
    Digits(u8),
    #[error("a code every {0} seconds; 15 to 300 are accepted")]
    Period(u16),
}

/// A token: its secret and its parameters.
pub struct Token {
    pub parameters: Parameters,
    key: hmac::Key,
}

impl Token {
    /// Reads a stored secret. `None`: it is not one.
    pub(super) fn read(stored: &SecretSlice<u8>) -> Option<Self> {
        let stored = stored.expose_secret();
        let Some(rest) = stored.strip_prefix(MARK) else {
            return (stored.len() == SECRET_LEN).then(|| Self::new(Parameters::default(), stored));
        };
        let (&[algorithm, digits, high, low], secret) = rest.split_first_chunk::<4>()?;
        let algorithm = Algorithm::from_code(algorithm)?;
        Some(Self::new(
            Parameters { algorithm, digits, period: u16::from_be_bytes([high, low]) },
            secret,
        ))
    }

    fn new(parameters: Parameters, secret: &[u8]) -> Self {
        Self { parameters, key: hmac::Key::new(parameters.algorithm.hmac(), secret) }
    }

    /// The code for one counter or time step, as it is typed (RFC 4226 5.3).
    pub(super) fn code(&self, counter: u64) -> Zeroizing<String> {
        let tag = hmac::sign(&self.key, &counter.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
        let bytes = tag
            .get(offset..)
            .and_then(<[u8]>::first_chunk::<4>)
            .copied()
            .unwrap_or_default();
        let digits = usize::from(self.parameters.digits);
        let value =
            (u32::from_be_bytes(bytes) & 0x7fff_ffff) % 10_u32.pow(u32::from(self.parameters.digits.min(9)));
        Zeroizing::new(format!("{value:0digits$}"))
    }
}

/// The secret alone, to tell whether two tokens are one.
#[must_use]
pub fn secret_of(stored: &SecretSlice<u8>) -> &[u8] {
    let stored = stored.expose_secret();
    stored.strip_prefix(MARK).and_then(|rest| rest.get(4..)).unwrap_or(stored)
}

/// A secret from elsewhere with its parameters, as an enrolment keeps it.
///
/// # Errors
/// When a figure is one that no token should have.
pub fn imported(secret: &[u8], parameters: Parameters) -> Result<SecretSlice<u8>, BadToken> {
    if !SECRET_BOUNDS.contains(&secret.len()) {
        return Err(BadToken::Secret(secret.len()));
    }
    if !DIGITS.contains(&parameters.digits) {
        return Err(BadToken::Digits(parameters.digits));
    }
    if !PERIODS.contains(&parameters.period) {
        return Err(BadToken::Period(parameters.period));
    }
    if secret.len() == SECRET_LEN && parameters == Parameters::default() {
        return Ok(SecretSlice::from(secret.to_vec()));
    }
    let [high, low] = parameters.period.to_be_bytes();
    let head = [parameters.algorithm.code(), parameters.digits, high, low];
    Ok(SecretSlice::from([MARK, &head, secret].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8] = b"12345678901234567890";

    #[test]
    fn rfc_4226_vectors() {
        let token = Token::read(&SEED.to_vec().into()).unwrap();
        let codes: Vec<String> = (0..10).map(|counter| token.code(counter).to_string()).collect();
        assert_eq!(
            codes,
            [
                "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
                "520489"
            ]
        );
    }

    /// RFC 6238, appendix B: the hash and how many bytes its seed has.
    const SEEDS: [(Algorithm, usize); 3] = [
        (Algorithm::Sha1, 20),
        (Algorithm::Sha256, 32),
        (Algorithm::Sha512, 64),
    ];
    /// The codes at these times, by each of them.
    const ROWS: [(u64, [&str; 3]); 6] = [
        (59, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, ["07081804", "68084774", "25091201"]),
        (1_111_111_111, ["14050471", "67062674", "99943326"]),
        (1_234_567_890, ["89005924", "91819424", "93441116"]),
        (2_000_000_000, ["69279037", "90698825", "38618901"]),
        (20_000_000_000, ["65353130", "77737706", "47863826"]),
    ];

    #[test]
    fn oathtool_says_what_the_rfc_says() {
        for (index, (algorithm, length)) in SEEDS.into_iter().enumerate() {
            let secret: String = SEED.iter().cycle().take(length).map(|byte| format!("{byte:02x}")).collect();
            for (time, codes) in ROWS {
                let kind = format!("--totp={}", algorithm.name().replace('-', ""));
                let now = format!("--now=@{time}");
                let asked = std::process::Command::new("oathtool")
                    .args([&kind, &now, "-d8", &secret])
                    .output();
                let said = String::from_utf8(asked.unwrap().stdout).unwrap();
                assert_eq!(said.trim(), codes[index], "{algorithm:?} at {time}");
            }
        }
    }

    #[test]
    fn rfc_6238_vectors_of_every_algorithm() {
        for (index, (algorithm, length)) in SEEDS.into_iter().enumerate() {
            let secret: Vec<u8> = SEED.iter().copied().cycle().take(length).collect();
            let parameters = Parameters { algorithm, digits: 8, period: 30 };
            let token = Token::read(&imported(&secret, parameters).unwrap()).unwrap();
            assert_eq!(token.parameters, parameters);
            for (time, codes) in ROWS {
                assert_eq!(*token.code(time / 30), codes[index], "{algorithm:?} at {time}");
            }
        }
    }

    #[test]
    fn what_is_kept_is_read_as_what_it_was() {
        let ours = imported(SEED, Parameters::default()).unwrap();
        assert_eq!(ours.expose_secret(), SEED, "nothing to remember about what every app does");
        // Lengths around the mark's own, and a secret that begins like the mark.
        for secret in [
            vec![7; 10],
            vec![7; 16],
            vec![7; 21],
            MARK.to_vec(),
            [MARK, SEED].concat(),
        ] {
            let parameters = Parameters { digits: 8, ..Parameters::default() };
            let plain = Token::new(parameters, &secret);
            let kept = Token::read(&imported(&secret, parameters).unwrap()).unwrap();
            assert_eq!(plain.code(1), kept.code(1));
            assert_eq!(secret_of(&imported(&secret, parameters).unwrap()), secret);
        }
        assert!(Token::read(&vec![7; 19].into()).is_none());
    }

    #[test]
    fn odd_tokens_are_refused_by_name() {
        let refused = |length: usize, digits, period| {
            imported(&vec![1; length], Parameters { algorithm: Algorithm::Sha1, digits, period }).err()
        };
        assert_eq!(refused(9, 6, 30), Some(BadToken::Secret(9)));
        assert_eq!(refused(129, 6, 30), Some(BadToken::Secret(129)));
        assert_eq!(refused(20, 5, 30), Some(BadToken::Digits(5)));
        assert_eq!(refused(20, 9, 30), Some(BadToken::Digits(9)));
        assert_eq!(refused(20, 6, 301), Some(BadToken::Period(301)));
        assert_eq!(Algorithm::from_name("HmacSHA256"), Some(Algorithm::Sha256));
        assert_eq!(Algorithm::from_name("md5"), None);
    }

    /// The Python that `tests/run` has made, with the peers of the tests.
    fn python() -> std::process::Command {
        let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
        let python = target.join("tools/python/bin/python3");
        std::process::Command::new(if python.exists() { python } else { "python3".into() })
    }

    #[test]
    fn ten_thousand_random_tokens_agree_with_pyotp() {
        use std::io::{Read as _, Write as _};
        use std::process::Stdio;
        let (mut asked, mut ours) = (String::new(), String::new());
        for n in 0..10_000_usize {
            let [a, b, c, d, random @ ..] = crate::ambient::random_bytes::<68>();
            // pyotp takes none below 112 bits.
            let secret = &random[..14 + n % 51];
            let algorithm = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512][n % 3];
            let parameters =
                Parameters { algorithm, digits: 6 + u8::try_from(n / 3 % 3).unwrap(), period: 30 };
            let counter = u64::from(u32::from_be_bytes([a, b, c, d]));
            let token = Token::read(&imported(secret, parameters).unwrap()).unwrap();
            ours.push_str(&format!("{}\n", *token.code(counter)));
            let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            asked.push_str(&format!("{} {} {counter} {hex}\n", algorithm.name(), parameters.digits));
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/oath.py");
        let mut child = python()
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || input.write_all(asked.as_bytes()));
        let mut theirs = String::new();
        child.stdout.take().unwrap().read_to_string(&mut theirs).unwrap();
        writer.join().unwrap().unwrap();
        assert!(child.wait().unwrap().success(), "pyotp is in tests/peers/requirements.txt");
        assert!(ours == theirs, "the codes differ");
    }
}
