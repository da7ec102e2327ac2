//! Passwords: of local users, argon2id, counted in a pair of counters of their own (decision 18).
//!
//! An attempt is counted before it is compared and taken back when it was right, so that no number
//! of parallel posts gets past the limit. A name that nobody bears costs the same and counts the
//! same. Passwords never lock factors.

use std::sync::Arc;
use std::time::Duration;

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unicode_normalization::UnicodeNormalization as _;

use super::view::Locked;
use super::{ChallengeError, Challenges};
use crate::ambient::random_bytes;
use crate::config::settings::{IdentityKind, Settings};
use crate::identity::Stop;
use crate::policy::SubjectKey;
use crate::session::NewPerson;
use crate::store::{
    AuditEvent, CounterKey, CounterKind, CounterRecord, Lane, StoreError, Tx, User, canonical_user_name,
};

/// Hashes at a time, 19 MiB each.
const PARALLEL: usize = 4;
/// Hashes that may wait for their turn, and for how long.
const WAITING: usize = 64;
const PATIENCE: Duration = Duration::from_secs(5);
/// Counters of passwords there may be before names that nobody bears are counted no more.
const MAX_COUNTERS: i64 = 50_000;
/// Bytes; longer ones are refused, never cut.
const MAX_LENGTH: usize = 1024;
/// Characters (NIST SP 800-63B-4 3.1.1.2).
const MIN_LENGTH: usize = 8;

/// What an unknown name is compared with: argon2id at our cost of a password nobody knows.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c3RlcGdhdGUtbm9ib2R5$\
                      NvPBy0dBCuYwsg2lBQXQ3Cmlu5sQXPqB0b2yEYFxuFY";

/// What became of a user name and a password.
pub enum PasswordOutcome {
    /// A local user's.
    Right(Box<User>),
    /// A person's of a source that judges passwords itself.
    RightElsewhere(Box<NewPerson>),
    /// Wrong, unknown and disabled are one answer.
    Wrong,
    /// A source lets this person in with no password at all.
    Stopped(Stop),
    Locked(Locked),
}

/// What somebody typed, and where.
pub(super) struct Guess<'a> {
    pub(super) user: &'a str,
    pub(super) password: SecretString,
    pub(super) browser: Option<&'a str>,
    pub(super) address: std::net::IpAddr,
}

/// A password that cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum BadPassword {
    #[error("a password has at least 8 characters and at most 1024 bytes")]
    Length,
    #[error("the password could not be hashed")]
    Hash,
}

/// Bounds how many passwords are hashed and how many wait.
#[derive(Clone)]
pub(super) struct Hashing {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Hashing {
    pub(super) fn new() -> Self {
        Self {
            running: Arc::new(Semaphore::new(PARALLEL)),
            waiting: Arc::new(Semaphore::new(PARALLEL + WAITING)),
        }
    }

    async fn turn(&self) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), ChallengeError> {
        let busy = |_| ChallengeError::Busy;
        let place = Arc::clone(&self.waiting)
            .try_acquire_owned()
            .map_err(|_| ChallengeError::Busy)?;
        let running = Arc::clone(&self.running).acquire_owned();
        let turn = tokio::time::timeout(PATIENCE, running).await.map_err(busy)?;
        Ok((place, turn.map_err(|_| ChallengeError::Busy)?))
    }
}

/// Hashes a new password with argon2id (19 MiB, two passes). Takes tens of milliseconds.
///
/// # Errors
/// When it is too short or too long.
pub fn hash_password(password: &SecretString) -> Result<SecretString, BadPassword> {
    let normal = normal_form(password).ok_or(BadPassword::Length)?;
    if normal.expose_secret().chars().count() < MIN_LENGTH {
        return Err(BadPassword::Length);
    }
    let salt: [u8; 16] = random_bytes();
    let hash = Argon2::default()
        .hash_password_with_salt(normal.expose_secret().as_bytes(), &salt)
        .map_err(|_| BadPassword::Hash)?;
    Ok(SecretString::from(hash.to_string()))
}

/// NFKC, so that one password is one password on every keyboard.
fn normal_form(password: &SecretString) -> Option<SecretString> {
    let typed = password.expose_secret();
    (typed.len() <= MAX_LENGTH).then(|| SecretString::from(typed.nfkc().collect::<String>()))
}

fn is_right(password: &SecretString, hash: &SecretString) -> bool {
    let normal = normal_form(password).unwrap_or_default();
    let verified = Argon2::default().verify_password(normal.expose_secret().as_bytes(), hash.expose_secret());
    verified.is_ok() && !normal.expose_secret().is_empty()
}

impl Settings {
    /// Name of the identity source whose passwords we check, if there is one.
    #[must_use]
    pub fn local_source(&self) -> Option<&str> {
        self.identity
            .iter()
            .find(|source| matches!(source.kind, IdentityKind::Local))
            .map(|source| source.name.as_str())
    }
}

impl Challenges {
    /// Checks a password, counted by person and by whether the browser is known: a local user's, else
    /// at the sources that judge passwords themselves, in their order. The first that knows the name
    /// decides.
    ///
    /// # Errors
    /// [`ChallengeError::Busy`] when too many are being checked; else when the store or a source
    /// cannot be asked. In either case nothing was told about the password.
    pub async fn check_password(
        &self,
        user: &str,
        password: SecretString,
        browser: Option<&str>,
        address: std::net::IpAddr,
    ) -> Result<PasswordOutcome, ChallengeError> {
        let guess = Guess { user, password, browser, address };
        if self.directories.is_empty() {
            return self.check_local(guess, None).await;
        }
        self.evenly(self.check_everywhere(guess)).await
    }

    async fn check_everywhere(&self, guess: Guess<'_>) -> Result<PasswordOutcome, ChallengeError> {
        let local = match (self.settings.local_source(), canonical_user_name(guess.user)) {
            (Some(_), Ok(name)) => self.store.user(&name).await?,
            _ => None,
        };
        if local.is_some() {
            return self.check_local(guess, local).await;
        }
        match self.check_directories(&guess).await? {
            Some(outcome) => Ok(outcome),
            None => self.check_local(guess, None).await,
        }
    }

    /// `found`: who bears the name, if it has been looked up already.
    async fn check_local(
        &self,
        guess: Guess<'_>,
        found: Option<User>,
    ) -> Result<PasswordOutcome, ChallengeError> {
        let Guess { user, password, browser, address } = guess;
        let _turn = self.hashing.turn().await?;
        let (source, local) = match (self.settings.local_source(), self.directories.first()) {
            (Some(source), _) => (source, true),
            (None, Some(directory)) => (directory.name(), false),
            (None, None) => return Ok(PasswordOutcome::Wrong),
        };
        let Ok(name) = canonical_user_name(user) else {
            self.compare(password, NOBODY.to_owned().into()).await;
            return Ok(PasswordOutcome::Wrong);
        };
        let found = match found {
            None if local => self.store.user(&name).await?,
            found => found,
        };
        let subject = match &found {
            Some(user) => SubjectKey::new(source, &user.name),
            None => self.stray(source, &name),
        };
        let lane = self.lane(&subject, browser).await?;
        let key = CounterKey { subject, kind: CounterKind::Password, lane };
        let count = match self.reserve(&key, found.is_some()).await? {
            Reserved::Locked(locked) => return Ok(PasswordOutcome::Locked(locked)),
            Reserved::Counted(count) => count,
        };
        let hash = found
            .as_ref()
            .map_or_else(|| NOBODY.to_owned().into(), |user| user.password_hash.clone());
        let right = self.compare(password, hash).await;
        match found.filter(|user| right && !user.disabled) {
            Some(user) => {
                self.take_back(key).await?;
                Ok(PasswordOutcome::Right(Box::new(user)))
            }
            None => self.refuse(key, &count, address).await,
        }
    }

    /// What counts for a name that nobody bears. People type passwords into the wrong field, so
    /// such a name is neither kept nor logged.
    pub(super) fn stray(&self, source: &str, name: &str) -> SubjectKey {
        let mac = self.store.ring().mac("stray name", &[name.as_bytes()]);
        SubjectKey::new(source, &format!("?{}", URL_SAFE_NO_PAD.encode(mac)))
    }

    async fn compare(&self, password: SecretString, hash: SecretString) -> bool {
        tokio::task::spawn_blocking(move || is_right(&password, &hash))
            .await
            .unwrap_or(false)
    }

    /// Counts the attempt as wrong before anything is compared.
    pub(super) async fn reserve(&self, key: &CounterKey, exists: bool) -> Result<Reserved, StoreError> {
        let (key, figures, now) = (key.clone(), self.figures(), self.clock.now());
        self.store
            .write(move |mut tx: Tx| async move {
                let count = tx.counter(&key).await?;
                if let Some(locked) = figures.lock(&count, now) {
                    return Ok(Reserved::Locked(locked));
                }
                let next = figures.after_wrong(&count, now);
                let is_new = count == CounterRecord::default();
                // A flood of invented names is answered as wrong and fills nothing; who has a
                // counter keeps it (security.md E06).
                if exists || !is_new || tx.count_counters(CounterKind::Password).await? < MAX_COUNTERS {
                    tx.set_counter(&key, next).await?;
                }
                tx.commit(Reserved::Counted(next)).await
            })
            .await
    }

    /// The attempt was right: this lane counts from zero again.
    pub(super) async fn take_back(&self, key: CounterKey) -> Result<(), StoreError> {
        self.store
            .write(move |mut tx| async move {
                tx.set_counter(&key, CounterRecord::default()).await?;
                tx.commit(()).await
            })
            .await
    }

    pub(super) async fn refuse(
        &self,
        key: CounterKey,
        count: &CounterRecord,
        address: std::net::IpAddr,
    ) -> Result<PasswordOutcome, ChallengeError> {
        let now = self.clock.now();
        let lane = if key.lane == Lane::Known { "known" } else { "other" };
        let event = AuditEvent::new(now, "sign_in.password", "wrong")
            .who(key.subject.as_str())
            .from(address)
            .with("lane", lane)
            .with("wrong_in_a_row", count.in_a_row.to_string());
        self.store.append_audit(event).await?;
        Ok(match self.figures().lock(count, now) {
            Some(locked) => PasswordOutcome::Locked(locked),
            None => PasswordOutcome::Wrong,
        })
    }
}

pub(super) enum Reserved {
    Locked(Locked),
    Counted(CounterRecord),
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::PasswordHash;
    use argon2::password_hash::Error;

    #[test]
    fn e24_nobody_is_compared_at_the_same_cost_as_somebody() {
        let ours = hash_password(&SecretString::from("correct horse")).unwrap();
        let cost = |hash: &str| {
            let parsed = PasswordHash::new(hash).unwrap();
            (parsed.algorithm.to_string(), parsed.params.to_string(), parsed.hash.unwrap().len())
        };
        assert_eq!(cost(NOBODY), cost(ours.expose_secret()));
        let compared = Argon2::default().verify_password(b"x", NOBODY);
        assert_eq!(compared, Err(Error::PasswordInvalid));
    }

    #[test]
    fn passwords_are_one_on_every_keyboard_and_never_cut() {
        let hash = hash_password(&SecretString::from("pässwörd lang")).unwrap();
        assert!(is_right(&SecretString::from("pa\u{308}sswo\u{308}rd lang"), &hash));
        assert!(matches!(hash_password(&SecretString::from("7 chars")), Err(BadPassword::Length)));
        let long = SecretString::from("x".repeat(1025));
        assert!(matches!(hash_password(&long), Err(BadPassword::Length)));
        assert!(!is_right(&long, &hash));
    }
}
