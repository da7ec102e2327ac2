//! Hashes of passwords that other programs' user files bring along, so that nobody has to choose a
//! new password because the gate has changed.
//!
//! Each is only ever compared with, never made, and replaced by ours when its owner signs in. What one
//! may cost is bounded before anything is computed: a hash comes from a file, and nothing in a file may
//! take all memory or all time. Never repeats a hash in an error.

use std::num::NonZeroU32;

use argon2::{Argon2, Params, PasswordHash, PasswordVerifier as _};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::alphabet::Alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD, STANDARD_NO_PAD};
use sha_crypt::ShaCrypt;
use subtle::ConstantTimeEq as _;

use super::md5_crypt;

/// KiB that one comparison may take: what Authelia's default does, and four of ours together.
pub(super) const MOST_MEMORY: u32 = 4 * Params::DEFAULT_M_COST;
/// KiB times passes of argon2 or scrypt.
const MOST_WORK: u64 = 600_000;
const MOST_BCRYPT: u32 = 14;
const MOST_SHA_ROUNDS: u32 = 1_000_000;
const MOST_PBKDF2_ROUNDS: u32 = 2_000_000;

/// Why a hash cannot be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("its kind of hash is not known here")]
    Unknown,
    #[error("its hash is damaged")]
    Damaged,
    #[error("its hash costs more than a sign-in may cost here")]
    Costly,
    #[error("a DES hash (`htpasswd -d`), which looks at eight characters only, is not taken")]
    Des,
}

/// A hash whose kind is known, with everything in it read and within bounds.
pub(super) enum Kept<'a> {
    Argon2 {
        hash: Box<PasswordHash>,
        params: Params,
    },
    Bcrypt(&'a str),
    Sha(&'a str),
    Pbkdf2 {
        algorithm: pbkdf2::Algorithm,
        rounds: NonZeroU32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Scrypt {
        params: scrypt::Params,
        memory: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    /// `magic` is `$apr1$` or `$1$`.
    Md5 {
        magic: &'static str,
        salt: &'a str,
        hash: &'a str,
    },
    /// `{SHA}` and `{SSHA}`: SHA-1 over the password and the salt.
    Sha1 {
        hash: Vec<u8>,
        salt: Vec<u8>,
    },
}

/// Without the hash.
impl std::fmt::Debug for Kept<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

impl<'a> Kept<'a> {
    /// Reads a hash by its mark.
    pub(super) fn read(text: &'a str) -> Result<Self, Unusable> {
        let text = text.strip_prefix("{CRYPT}").unwrap_or(text);
        if let Some(rest) = text.strip_prefix("{SHA}") {
            return sha1(rest, 0);
        }
        if let Some(rest) = text.strip_prefix("{SSHA}") {
            return sha1(rest, 1);
        }
        let Some(kind) = text.strip_prefix('$').and_then(|rest| rest.split('$').next()) else {
            let is_des = text.len() == 13 && text.bytes().all(is_crypt_digit);
            return Err(if is_des { Unusable::Des } else { Unusable::Unknown });
        };
        match kind {
            "argon2id" | "argon2i" | "argon2d" => argon2(text),
            "2a" | "2b" | "2y" => bcrypt(text),
            "5" | "6" => sha_crypt(text),
            "pbkdf2" => pbkdf2(text, pbkdf2::PBKDF2_HMAC_SHA1, 20),
            "pbkdf2-sha256" => pbkdf2(text, pbkdf2::PBKDF2_HMAC_SHA256, 32),
            "pbkdf2-sha384" => pbkdf2(text, pbkdf2::PBKDF2_HMAC_SHA384, 48),
            "pbkdf2-sha512" => pbkdf2(text, pbkdf2::PBKDF2_HMAC_SHA512, 64),
            "scrypt" => scrypt(text),
            "apr1" => md5(text, "$apr1$"),
            "1" => md5(text, "$1$"),
            _ => Err(Unusable::Unknown),
        }
    }

    /// KiB that a comparison takes.
    pub(super) fn memory(&self) -> u32 {
        match self {
            Self::Argon2 { params, .. } => params.m_cost(),
            Self::Scrypt { memory, .. } => *memory,
            _ => 0,
        }
    }

    /// Whether it is argon2id that costs no less than ours.
    pub(super) fn is_strong(&self) -> bool {
        let Self::Argon2 { hash, params } = self else {
            return false;
        };
        let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
        let ours = u64::from(Params::DEFAULT_M_COST) * u64::from(Params::DEFAULT_T_COST);
        hash.algorithm.as_str() == "argon2id" && params.m_cost() >= Params::DEFAULT_M_COST && work >= ours
    }

    /// Whether it is this password's. As slow as the hash wants.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2 { hash, .. } => Argon2::default().verify_password(password, &**hash).is_ok(),
            // The library, as those that made these hashes, looks at 72 bytes.
            Self::Bcrypt(hash) => !password.contains(&0) && bcrypt::verify(password, hash).unwrap_or(false),
            Self::Sha(hash) => ShaCrypt::default().verify_password(password, *hash).is_ok(),
            Self::Pbkdf2 { algorithm, rounds, salt, hash } => {
                pbkdf2::verify(*algorithm, *rounds, salt, password, hash).is_ok()
            }
            Self::Scrypt { params, salt, hash, .. } => {
                let mut made = vec![0; hash.len()];
                let done = scrypt::scrypt(password, salt, params, &mut made).is_ok();
                done && bool::from(made.ct_eq(hash))
            }
            Self::Md5 { magic, salt, hash } => {
                let made = md5_crypt::hash(password, salt.as_bytes(), magic.as_bytes());
                bool::from(made.as_bytes().ct_eq(hash.as_bytes()))
            }
            Self::Sha1 { hash, salt } => {
                let made = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[password, salt].concat());
                bool::from(made.as_ref().ct_eq(hash))
            }
        }
    }
}

fn argon2(text: &str) -> Result<Kept<'_>, Unusable> {
    let hash = PasswordHash::new(text).map_err(|_| Unusable::Damaged)?;
    let params = Params::try_from(&hash).map_err(|_| Unusable::Damaged)?;
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    let complete = hash.salt.is_some() && hash.hash.is_some();
    within(params.m_cost() <= MOST_MEMORY && work <= MOST_WORK)?;
    if complete {
        Ok(Kept::Argon2 { hash: Box::new(hash), params })
    } else {
        Err(Unusable::Damaged)
    }
}

fn bcrypt(text: &str) -> Result<Kept<'_>, Unusable> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| Unusable::Damaged)?;
    within(parts.get_cost() <= MOST_BCRYPT)?;
    Ok(Kept::Bcrypt(text))
}

fn sha_crypt(text: &str) -> Result<Kept<'_>, Unusable> {
    let mut fields = text.split('$').skip(2).peekable();
    if let Some(rounds) = fields.peek().and_then(|field| field.strip_prefix("rounds=")) {
        let rounds: u32 = rounds.parse().map_err(|_| Unusable::Damaged)?;
        within(rounds <= MOST_SHA_ROUNDS)?;
        fields.next();
    }
    let (salt, hash) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let length = if text.starts_with("$5$") { 43 } else { 86 };
    let fits = salt.len() <= 16 && hash.len() == length && hash.bytes().all(is_crypt_digit);
    if fits && fields.next().is_none() {
        Ok(Kept::Sha(text))
    } else {
        Err(Unusable::Damaged)
    }
}

/// As passlib and Authelia write it: `$pbkdf2-sha512$310000$salt$hash`.
fn pbkdf2(text: &str, algorithm: pbkdf2::Algorithm, length: usize) -> Result<Kept<'_>, Unusable> {
    let [_, _, rounds, salt, hash] = fields(text)?;
    let rounds: NonZeroU32 = rounds.parse().map_err(|_| Unusable::Damaged)?;
    within(rounds.get() <= MOST_PBKDF2_ROUNDS)?;
    // Base64 with a dot for the plus.
    let read = |field: &str| {
        Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./")
            .ok()
            .and_then(|alphabet| GeneralPurpose::new(&alphabet, NO_PAD).decode(field).ok())
            .ok_or(Unusable::Damaged)
    };
    let (salt, hash) = (read(salt)?, read(hash)?);
    if hash.len() == length {
        Ok(Kept::Pbkdf2 { algorithm, rounds, salt, hash })
    } else {
        Err(Unusable::Damaged)
    }
}

/// `$scrypt$ln=16,r=8,p=1$salt$hash`.
fn scrypt(text: &str) -> Result<Kept<'_>, Unusable> {
    let [_, _, figures, salt, hash] = fields(text)?;
    let figure = |name: &str| -> Result<u32, Unusable> {
        let own = |figure: &&str| figure.split_once('=').is_some_and(|(key, _)| key == name);
        let found = figures.split(',').find(own).and_then(|figure| figure.split_once('='));
        found.and_then(|(_, value)| value.parse().ok()).ok_or(Unusable::Damaged)
    };
    let (ln, r, p) = (figure("ln")?, figure("r")?, figure("p")?);
    within(ln <= 20 && r <= 64 && p <= 16)?;
    let memory = ((128 * u64::from(r)) << ln) >> 10;
    within(memory <= u64::from(MOST_MEMORY) && memory * u64::from(p) <= MOST_WORK)?;
    let log_n = u8::try_from(ln).map_err(|_| Unusable::Damaged)?;
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| Unusable::Damaged)?;
    let read = |field: &str| STANDARD_NO_PAD.decode(field).map_err(|_| Unusable::Damaged);
    let (salt, hash) = (read(salt)?, read(hash)?);
    if !(16..=64).contains(&hash.len()) {
        return Err(Unusable::Damaged);
    }
    Ok(Kept::Scrypt { params, memory: u32::try_from(memory).unwrap_or(MOST_MEMORY), salt, hash })
}

fn md5<'a>(text: &'a str, magic: &'static str) -> Result<Kept<'a>, Unusable> {
    let [_, _, salt, hash] = fields(text)?;
    let fits = salt.len() <= 8 && hash.len() == 22 && hash.bytes().all(is_crypt_digit);
    if fits {
        Ok(Kept::Md5 { magic, salt, hash })
    } else {
        Err(Unusable::Damaged)
    }
}

fn sha1(text: &str, least_salt: usize) -> Result<Kept<'static>, Unusable> {
    let bytes = STANDARD.decode(text).map_err(|_| Unusable::Damaged)?;
    let (hash, salt) = bytes.split_at_checked(20).ok_or(Unusable::Damaged)?;
    let most = if least_salt == 0 { 0 } else { 64 };
    if !(least_salt..=most).contains(&salt.len()) {
        return Err(Unusable::Damaged);
    }
    Ok(Kept::Sha1 { hash: hash.to_vec(), salt: salt.to_vec() })
}

/// The text between the dollars, exactly so many.
fn fields<const N: usize>(text: &str) -> Result<[&str; N], Unusable> {
    let fields: Vec<&str> = text.split('$').collect();
    fields.try_into().map_err(|_| Unusable::Damaged)
}

fn within(bound: bool) -> Result<(), Unusable> {
    if bound { Ok(()) } else { Err(Unusable::Costly) }
}

/// crypt(3)'s own base64.
fn is_crypt_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of "correct horse", by Debian's htpasswd 2.4.71, passlib 1.7.4 (whose forms Authelia writes),
    /// and for "password" from Authelia's own guide to passwords.
    const KNOWN: [(&str, &str); 15] = [
        ("correct horse", "$2y$05$2XENVoqMQwB9Zahtf0VwpOdeGAKl4XDzUGXoB8UF343ix4naCIOmi"),
        ("correct horse", "$apr1$fAOJ2sPK$sC4BDs.203wBgGalo1w85/"),
        ("correct horse", "$5$uy5GptylbjmKfjLI$D6dniwE9bDHV7YsxnM2iLV7isIJ8L0Tke78Ie765gd/"),
        (
            "correct horse",
            "$6$vCK/YYQK07Zj49aS$99hHClzVd06ggvZ.JOBIlD.H8j71GhE..yDYpDc6JOM4oWzY7H4zW7KYJdtBwhFL26OuMpJ.laR0Z/.IUDSw41",
        ),
        (
            "correct horse",
            "{CRYPT}$6$rounds=1000$KjGMi863KS.FvGox$MFnoH/gFi6jawXJ8NNaMUQK6lj73WXLIyS6MfZelS3ZvHsXAakl2qq8bU6kpEFi8w.tq9O522QR7Q8QLQ53Iz1",
        ),
        ("correct horse", "{SHA}L55TUjtiq8FBorTWAZ0jy6g129A="),
        ("correct horse", "{SSHA}xKoTiNMGg+8h1luv9iHJBbyFN3XnHEOo"),
        ("correct horse", "$1$/9PzF19p$OMZQXz5yiQSbyrkLeV3/Y1"),
        ("pässwörd that is longer than 16", "$1$mO9O93Me$i.jpR9PfRuOMcwSpjS2Gq0"),
        ("pässwörd that is longer than 16", "$apr1$GLlSV3wU$VpGNe73BfmDFys/UnnM5K/"),
        ("correct horse", "$pbkdf2$1000$8j7nPIfQute6V.o9h9CaMw$c2IUDO5.4m5Dih9CL8wA4IO4KSo"),
        (
            "correct horse",
            "$pbkdf2-sha256$1000$NsZYS6m1dk6pVSqldM7Z2w$BiJoLB9yS5OQMXtNbjhTX3s6gEfel2Bf.HN/Scr3W3w",
        ),
        (
            "correct horse",
            "$pbkdf2-sha512$1000$R2hNSYlxbk1J6d3b.z.nVA$q44SMr7DunF11EydRAL1kWLopes5mNAh9mjw3L7dgPpLy6L/Pgxd43/MKzefd01Tj.d91l/jP27ordZ8MEbDCQ",
        ),
        (
            "correct horse",
            "$scrypt$ln=10,r=8,p=1$d86Z8z4npJRyzllrbe1dCw$6VE2eCtgkV8tiI2LGND4TKdj9mKHMxLNgAK8XC8cYwE",
        ),
        (
            "password",
            "$argon2id$v=19$m=65536,t=3,p=4$Hjc8e7WYcBFcJmEDUOsS9A$ozM7RyZR1EyDR8cuyVpDDfmLrGPGFgo5E2NNqRumui4",
        ),
    ];

    #[test]
    fn hashes_of_other_programs_are_compared_with() {
        for (password, text) in KNOWN {
            let kept = Kept::read(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert!(kept.is_of(password.as_bytes()), "{text}");
            let wrong = format!("{password}x");
            assert!(!kept.is_of(wrong.as_bytes()), "{text}");
            assert!(!kept.is_of(b""), "{text}");
            assert_eq!(kept.is_strong(), text.starts_with("$argon2id$"), "{text}");
        }
    }

    #[test]
    fn what_costs_too_much_is_never_begun() {
        for text in [
            "$argon2id$v=19$m=1048576,t=1,p=8$c3BXTThiTnl0a1pmbWVMbA$WN1Dr3qKOAnQE4uzDCGdEJBFE8UkETkc2VCMCfImgjU",
            "$argon2id$v=19$m=65536,t=100,p=4$Hjc8e7WYcBFcJmEDUOsS9A$ozM7RyZR1EyDR8cuyVpDDfmLrGPGFgo5E2NNqRumui4",
            "$2y$31$2XENVoqMQwB9Zahtf0VwpOdeGAKl4XDzUGXoB8UF343ix4naCIOmi",
            "$5$rounds=99999999$uy5GptylbjmKfjLI$D6dniwE9bDHV7YsxnM2iLV7isIJ8L0Tke78Ie765gd/",
            "$pbkdf2$4000000000$8j7nPIfQute6V.o9h9CaMw$c2IUDO5.4m5Dih9CL8wA4IO4KSo",
            "$scrypt$ln=20,r=8,p=1$d86Z8z4npJRyzllrbe1dCw$6VE2eCtgkV8tiI2LGND4TKdj9mKHMxLNgAK8XC8cYwE",
            "$scrypt$ln=63,r=8,p=1$d86Z8z4npJRyzllrbe1dCw$6VE2eCtgkV8tiI2LGND4TKdj9mKHMxLNgAK8XC8cYwE",
        ] {
            assert_eq!(Kept::read(text).unwrap_err(), Unusable::Costly, "{text}");
        }
    }

    #[test]
    fn what_is_no_hash_is_told_apart() {
        for (text, why) in [
            ("S9E8PHh8rMlTE", Unusable::Des),
            ("correct horse", Unusable::Unknown),
            ("", Unusable::Unknown),
            ("$y$j9T$abc$def", Unusable::Unknown),
            ("{SHA}AAAA", Unusable::Damaged),
            ("{SHA}xKoTiNMGg+8h1luv9iHJBbyFN3XnHEOo", Unusable::Damaged),
            ("$apr1$fAOJ2sPK$sC4BDs", Unusable::Damaged),
            ("$2y$05$short", Unusable::Damaged),
            ("$argon2id$v=19$m=65536,t=3,p=4$Hjc8e7WYcBFcJmEDUOsS9A", Unusable::Damaged),
            ("$5$salt$x", Unusable::Damaged),
            ("$scrypt$ln=10$d86Z$6VE2", Unusable::Damaged),
            ("$pbkdf2$x$8j7n$c2IU", Unusable::Damaged),
        ] {
            assert_eq!(Kept::read(text).unwrap_err(), why, "{text}");
        }
    }

    #[test]
    fn only_argon2id_at_our_cost_stays() {
        let weak =
            "$argon2id$v=19$m=8192,t=2,p=1$c3RlcGdhdGUtbm9ib2R5$NvPBy0dBCuYwsg2lBQXQ3Cmlu5sQXPqB0b2yEYFxuFY";
        assert!(!Kept::read(weak).unwrap().is_strong());
        let other = weak.replace("m=8192,t=2", "m=19456,t=2").replace("argon2id", "argon2i");
        assert!(!Kept::read(&other).unwrap().is_strong());
        assert!(Kept::read(&weak.replace("m=8192,t=2", "m=19456,t=2")).unwrap().is_strong());
    }
}
