//! What a new password has to be (NIST SP 800-63B-4 3.1.1.2): long enough, and nothing that somebody
//! who knows the person, the service or the lists of stolen passwords tries first.
//!
//! No rules about kinds of characters and no expiry: both make passwords worse. Never asked when
//! somebody signs in, so that a list that has grown locks nobody out.

use std::sync::{Arc, LazyLock};

use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;

use super::breached::{BadList, Breached, Words};
use super::hash::{self, MAX_LENGTH};
use crate::config::Settings;

/// Characters that must be left when names are taken out.
const OWN_PART: usize = 6;
/// Shorter words are in too many others.
const SHORTEST_WORD: usize = 4;
/// Different characters.
const DIFFERENT: usize = 4;

/// The lists that come with the program.
static COMMON: LazyLock<Words> = LazyLock::new(|| Words::of(include_str!("common.txt").lines()));

/// The rules of a configuration. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rules {
    /// In characters.
    least: usize,
    /// Names of this service, in lower case.
    service: Arc<[String]>,
    breached: Option<Arc<Breached>>,
}

/// Whose password it is to be.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    pub name: &'a str,
    pub display_name: Option<&'a str>,
    pub email: Option<&'a str>,
}

/// A password that cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    #[error("a password has at least {least} characters")]
    Short { least: usize },
    #[error("a password has at most {MAX_LENGTH} bytes")]
    Long,
    #[error("the password is one character again and again, or a row of the keyboard or the alphabet")]
    Simple,
    #[error("the password is hardly more than the person's name or address")]
    Personal,
    #[error("the password is hardly more than the name of this service")]
    Service,
    #[error("the password is one of those that are tried first, or was stolen elsewhere")]
    Known,
    #[error("the new password is the old one")]
    Same,
    /// The list could not be read: nobody knows.
    #[error("the list of stolen passwords cannot be read")]
    Unchecked,
    #[error("the password could not be hashed")]
    Hash,
}

impl Rules {
    /// The rules of these settings.
    ///
    /// # Errors
    /// When the list of the configuration cannot be used.
    pub fn of(settings: &Settings) -> Result<Self, BadList> {
        let breached = settings.passwords.breach_list.as_deref().map(Breached::open).transpose()?;
        let hosts = settings.server.public_url.host.split('.');
        let routes = settings.routes.iter().map(|route| route.name.as_str());
        let brand = settings.branding.name.as_str();
        let service = words([brand].into_iter().chain(hosts).chain(routes));
        Ok(Self {
            least: settings.passwords.min_length,
            service: service.into(),
            breached: breached.map(Arc::new),
        })
    }

    /// Judges a new password. May read the disk: not on a thread that carries requests.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge(&self, password: &SecretString, owner: &Owner<'_>) -> Result<(), BadPassword> {
        let typed = password.expose_secret();
        if typed.len() > MAX_LENGTH {
            return Err(BadPassword::Long);
        }
        let normal = SecretString::from(typed.nfkc().collect::<String>());
        let normal = normal.expose_secret();
        if normal.chars().count() < self.least {
            return Err(BadPassword::Short { least: self.least });
        }
        let folded = SecretString::from(normal.to_lowercase());
        let folded = folded.expose_secret();
        if is_simple(folded) {
            return Err(BadPassword::Simple);
        }
        if !has_own_part(folded, &owner.words()) {
            return Err(BadPassword::Personal);
        }
        if !has_own_part(folded, &self.service) {
            return Err(BadPassword::Service);
        }
        if COMMON.contains(folded) {
            return Err(BadPassword::Known);
        }
        match self.breached.as_ref().map(|list| list.contains(normal)) {
            None | Some(Ok(false)) => Ok(()),
            Some(Ok(true)) => Err(BadPassword::Known),
            Some(Err(error)) => {
                tracing::error!(%error, "The list of stolen passwords cannot be read.");
                Err(BadPassword::Unchecked)
            }
        }
    }

    /// Judges a new password and hashes it. Takes tens of milliseconds.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn hash(&self, password: &SecretString, owner: &Owner<'_>) -> Result<SecretString, BadPassword> {
        self.judge(password, owner)?;
        hash::hash(password).map_err(|_| BadPassword::Hash)
    }

    /// Characters that a password has at least.
    #[must_use]
    pub fn least(&self) -> usize {
        self.least
    }
}

impl Owner<'_> {
    /// Names and their parts; of the address the whole and what stands before the `@`.
    fn words(&self) -> Vec<String> {
        let local = self.email.and_then(|email| email.split('@').next());
        let parts = words([Some(self.name), self.display_name, local].into_iter().flatten());
        self.email.map(str::to_lowercase).into_iter().chain(parts).collect()
    }
}

/// Each text and its parts, in lower case, the long ones first.
fn words<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut words: Vec<String> = texts
        .flat_map(|text| {
            let folded = text.nfkc().collect::<String>().to_lowercase();
            let parts: Vec<String> =
                folded.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect();
            parts.into_iter().chain([folded])
        })
        .filter(|word| word.chars().count() >= SHORTEST_WORD)
        .collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.dedup();
    words
}

/// Whether enough is left without these words, forwards and backwards.
fn has_own_part(password: &str, words: &[String]) -> bool {
    let mut rest = SecretString::from(password.to_owned());
    let mut found = false;
    for word in words {
        for word in [word.clone(), word.chars().rev().collect()] {
            if rest.expose_secret().contains(&word) {
                found = true;
                rest = SecretString::from(rest.expose_secret().replace(&word, ""));
            }
        }
    }
    !found || rest.expose_secret().chars().filter(|c| c.is_alphanumeric()).count() >= OWN_PART
}

/// Few different characters, or each the next of the last.
fn is_simple(password: &str) -> bool {
    const ROWS: [&str; 4] = ["qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop"];
    let mut different: Vec<char> = password.chars().collect();
    different.sort_unstable();
    different.dedup();
    let steps: Vec<i64> = password
        .chars()
        .zip(password.chars().skip(1))
        .map(|(one, next)| i64::from(u32::from(next)) - i64::from(u32::from(one)))
        .collect();
    // "90" goes on from "89", and so in most rows of digits.
    let in_a_row = |step: i64, turn: i64| steps.iter().all(|one| *one == step || *one == turn);
    let backwards: String = password.chars().rev().collect();
    different.len() < DIFFERENT
        || in_a_row(1, -9)
        || in_a_row(-1, 9)
        || ROWS.iter().any(|row| row.starts_with(password) || row.starts_with(&backwards))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: Owner<'_> = Owner {
        name: "anna.karenina",
        display_name: Some("Anna Karenina"),
        email: Some("ak1877@example.com"),
    };

    fn rules() -> Rules {
        let service = words(["Example Ltd", "mfa", "example", "com", "wiki"].into_iter());
        Rules { least: 8, service: service.into(), breached: None }
    }

    fn judge(password: &str) -> Result<(), BadPassword> {
        rules().judge(&SecretString::from(password), &ANNA)
    }

    #[test]
    fn what_is_wrong_is_said() {
        let short = Err(BadPassword::Short { least: 8 });
        for (password, judged) in [
            ("7 chars", short),
            ("", short),
            ("aaaaaaaaaaaa", Err(BadPassword::Simple)),
            ("abababababab", Err(BadPassword::Simple)),
            ("23456789", Err(BadPassword::Simple)),
            ("1234567890123", Err(BadPassword::Simple)),
            ("hgfedcba", Err(BadPassword::Simple)),
            ("qwertyuio", Err(BadPassword::Simple)),
            ("Karenina1877", Err(BadPassword::Personal)),
            ("aninerak!!!!", Err(BadPassword::Personal)),
            ("Anna-Karenina", Err(BadPassword::Personal)),
            ("ak1877@example.com", Err(BadPassword::Personal)),
            ("Example2026!", Err(BadPassword::Service)),
            ("wikiwiki-wiki", Err(BadPassword::Service)),
            ("Password1", Err(BadPassword::Known)),
            ("ILOVEYOU1", Err(BadPassword::Known)),
            ("ｐａｓｓｗｏｒｄ１", Err(BadPassword::Known)),
        ] {
            assert_eq!(judge(password), judged, "{password}");
        }
        assert_eq!(judge(&"x1y2z".repeat(205)), Err(BadPassword::Long));
    }

    #[test]
    fn nothing_else_is_asked_of_a_password() {
        for password in [
            "correct horse battery",
            "annas yellow submarine",
            "lower case only",
            "日本語のパスワード",
            "8 chars.",
            "vqxjzkwp",
        ] {
            assert_eq!(judge(password), Ok(()), "{password}");
        }
        assert_eq!(judge(&"long pass phrase ".repeat(60)), Ok(()), "1020 bytes");
    }

    #[test]
    fn the_operators_list_counts_and_one_that_breaks_is_no_yes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // Of "correct horse battery".
        std::fs::write(file.path(), "98DECC62ECE399A22ED30D490EF333BE7FDE7385:1\n").unwrap();
        let list = Breached::open(file.path()).unwrap();
        let rules = Rules { breached: Some(Arc::new(list)), ..rules() };
        let judge = |password: &str| rules.judge(&SecretString::from(password), &ANNA);
        assert_eq!(judge("correct horse battery"), Err(BadPassword::Known));
        assert_eq!(judge("correct horse batterie"), Ok(()));
        std::fs::write(file.path(), "x".repeat(400)).unwrap();
        assert_eq!(judge("correct horse battery"), Err(BadPassword::Unchecked));
    }

    #[test]
    fn the_list_that_comes_along_is_long_enough() {
        let lines = include_str!("common.txt").lines().filter(|line| !line.starts_with("# "));
        assert!(lines.clone().count() >= 3000, "ASVS 6.2.4");
        assert!(lines.clone().all(|line| line.len() >= 8 && COMMON.contains(line)));
    }
}
