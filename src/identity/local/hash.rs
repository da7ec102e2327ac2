//! How passwords are kept: argon2id at 19 MiB and two passes, over one normal form.
//!
//! A hash that another program made is compared with as it is, and the outcome says when it is weaker
//! than ours, so that it can be replaced while the password is at hand. Everything here computes for
//! tens of milliseconds or more: never on a thread that carries requests.

use argon2::{Argon2, Params, PasswordHasher as _};
use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;

use super::foreign::{Kept, MOST_MEMORY, Unusable};
use crate::ambient::random_bytes;

/// Bytes; longer ones are refused, never cut.
pub const MAX_LENGTH: usize = 1024;

/// What an unknown name is compared with: argon2id at our cost of a password nobody knows.
pub const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c3RlcGdhdGUtbm9ib2R5$\
                          NvPBy0dBCuYwsg2lBQXQ3Cmlu5sQXPqB0b2yEYFxuFY";

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Right,
    /// Right, and the hash is weaker than ours.
    Outdated,
    Wrong,
}

/// The password could not be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct NotHashed;

/// Hashes a password, whatever it is: what it has to be is [`super::rules`]' business.
///
/// # Errors
/// When it is too long, or the library refuses.
pub fn hash(password: &SecretString) -> Result<SecretString, NotHashed> {
    let normal = normal_form(password).ok_or(NotHashed)?;
    let salt: [u8; 16] = random_bytes();
    let hash = Argon2::default()
        .hash_password_with_salt(normal.expose_secret().as_bytes(), &salt)
        .map_err(|_| NotHashed)?;
    Ok(SecretString::from(hash.to_string()))
}

/// Compares a password with what is kept. A hash from elsewhere was made of what was typed there, and
/// not of our normal form, so both are tried where they differ. A hash that cannot be compared with is
/// nobody's password. A wrong password costs at least what it costs for a name that nobody bears.
#[must_use]
pub fn compare(password: &SecretString, kept: &SecretString) -> Comparison {
    compare_or_else(password, kept, NOBODY)
}

/// With what is computed in place of a hash that cannot be read. Whatever comes of that is wrong.
fn compare_or_else(password: &SecretString, kept: &SecretString, instead: &str) -> Comparison {
    let read = Kept::read(kept.expose_secret());
    let readable = read.is_ok();
    let kept = read.or_else(|_| Kept::read(instead));
    let (Some(normal), Ok(kept)) = (normal_form(password), kept) else {
        return Comparison::Wrong;
    };
    let (typed, normal) = (password.expose_secret(), normal.expose_secret());
    if typed.is_empty() {
        return Comparison::Wrong;
    }
    let same = kept.is_of(normal.as_bytes()) || (normal != typed && kept.is_of(typed.as_bytes()));
    match (same && readable, kept.is_strong()) {
        (true, true) => Comparison::Right,
        (true, false) => Comparison::Outdated,
        (false, true) => Comparison::Wrong,
        (false, false) => {
            // Many of these take no time at all.
            let _ = Kept::read(NOBODY).is_ok_and(|nobody| nobody.is_of(normal.as_bytes()));
            Comparison::Wrong
        }
    }
}

/// In how many comparisons of ours one with this hash weighs, by its memory: 1 to 4.
#[must_use]
pub fn weight(kept: &SecretString) -> u32 {
    let memory = Kept::read(kept.expose_secret()).map_or(0, |kept| kept.memory());
    memory.min(MOST_MEMORY).div_ceil(Params::DEFAULT_M_COST).max(1)
}

/// Whether a hash from another program can be taken over.
///
/// # Errors
/// Why it cannot.
pub fn usable(text: &str) -> Result<(), Unusable> {
    Kept::read(text).map(|_| ())
}

/// NFKC, so that one password is one password on every keyboard.
fn normal_form(password: &SecretString) -> Option<SecretString> {
    let typed = password.expose_secret();
    (typed.len() <= MAX_LENGTH).then(|| SecretString::from(typed.nfkc().collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::Error;
    use argon2::{PasswordHash, PasswordVerifier as _};

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn e24_nobody_is_compared_at_the_same_cost_as_somebody() {
        let ours = hash(&secret("correct horse")).unwrap();
        let cost = |hash: &str| {
            let parsed = PasswordHash::new(hash).unwrap();
            (parsed.algorithm.to_string(), parsed.params.to_string(), parsed.hash.unwrap().len())
        };
        assert_eq!(cost(NOBODY), cost(ours.expose_secret()));
        let compared = Argon2::default().verify_password(b"x", NOBODY);
        assert_eq!(compared, Err(Error::PasswordInvalid));
        assert_eq!((weight(&ours), weight(&secret(NOBODY))), (1, 1));
    }

    #[test]
    fn passwords_are_one_on_every_keyboard_and_never_cut() {
        let kept = hash(&secret("pässwörd lang")).unwrap();
        assert_eq!(compare(&secret("pa\u{308}sswo\u{308}rd lang"), &kept), Comparison::Right);
        let long = secret(&"x".repeat(1025));
        assert_eq!(hash(&long).unwrap_err(), NotHashed);
        assert_eq!(compare(&long, &kept), Comparison::Wrong);
        assert_eq!(compare(&secret(""), &kept), Comparison::Wrong);
    }

    #[test]
    fn a_weaker_hash_says_so_only_when_the_password_is_right() {
        let sha = secret("{SHA}L55TUjtiq8FBorTWAZ0jy6g129A=");
        assert_eq!(compare(&secret("correct horse"), &sha), Comparison::Outdated);
        assert_eq!(compare(&secret("correct house"), &sha), Comparison::Wrong);
        assert_eq!(compare(&secret("plain"), &secret("plain")), Comparison::Wrong, "text is no hash");
    }

    #[test]
    fn a_hash_that_cannot_be_read_is_of_no_password_at_all() {
        let (password, unreadable) = (secret("correct horse"), secret("$argon2id$v=19$broken"));
        let ours = hash(&password).unwrap();
        let compared = compare_or_else(&password, &unreadable, ours.expose_secret());
        assert_eq!(compared, Comparison::Wrong, "though what is computed instead fits");
        assert_eq!(compare_or_else(&password, &ours, NOBODY), Comparison::Right);
    }

    #[test]
    fn what_other_programs_hashed_is_found_as_it_was_typed() {
        // htpasswd -bnBC 4: of "pa", U+0308, "ss", which is not our normal form.
        let typed = "pa\u{308}ss1234";
        let kept = secret(&bcrypt::hash(typed, 4).unwrap());
        assert_eq!(compare(&secret(typed), &kept), Comparison::Outdated);
    }

    #[test]
    fn a_hash_weighs_by_its_memory() {
        let authelia = "$argon2id$v=19$m=65536,t=3,p=4$Hjc8e7WYcBFcJmEDUOsS9A$ozM7RyZR1EyDR8cuyVpDDfmLrGPGFgo5E2NNqRumui4";
        assert_eq!(weight(&secret(authelia)), 4);
        assert_eq!(weight(&secret("{SHA}L55TUjtiq8FBorTWAZ0jy6g129A=")), 1);
    }
}
