//! Passwords: of local users, counted in a pair of counters of their own (decision 18).
//!
//! An attempt is counted before it is compared and taken back when it was right, so that no number
//! of parallel posts gets past the limit. A name that nobody bears costs the same and counts the
//! same. A hash that is weaker than ours is replaced while its password is at hand. Passwords never
//! lock factors.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

use super::hashing::Turn;
use super::limits::Figures;
use super::view::Locked;
use super::{ChallengeError, Challenges};
use crate::config::settings::{IdentityKind, Settings};
use crate::identity::Stop;
use crate::identity::local::{self, Comparison, NOBODY};
use crate::policy::SubjectKey;
use crate::session::NewPerson;
use crate::store::{
    AuditEvent, CounterKey, CounterKind, CounterRecord, Lane, StoreError, Tx, User, canonical_user_name,
};

/// Counters of passwords there may be before names that nobody bears are counted no more.
pub(super) const MAX_COUNTERS: i64 = if cfg!(test) { 50 } else { 50_000 };

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
        let turn = self.turn(user, browser).await?;
        let (source, local) = match (self.settings.local_source(), self.directories.first()) {
            (Some(source), _) => (source, true),
            (None, Some(directory)) => (directory.name(), false),
            (None, None) => return Ok(PasswordOutcome::Wrong),
        };
        let Ok(name) = canonical_user_name(user) else {
            let nobody = NOBODY.to_owned().into();
            turn.run(1, move || local::compare(&password, &nobody)).await?;
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
        self.compare_local(&turn, key, found, password, address).await
    }

    /// A place in the line, and the turn that it leads to. Where strangers have filled theirs, there are
    /// some for browsers that have been here before.
    pub(super) async fn turn(&self, user: &str, browser: Option<&str>) -> Result<Turn, ChallengeError> {
        if let Some(place) = self.hashing.place() {
            return self.hashing.turn(place).await;
        }
        let (Some(source), Some(browser), Ok(name)) =
            (self.settings.local_source(), browser, canonical_user_name(user))
        else {
            return Err(ChallengeError::Busy);
        };
        let place = self.hashing.kept_place().ok_or(ChallengeError::Busy)?;
        if !self.store.is_known_browser(&SubjectKey::new(source, &name), browser).await? {
            return Err(ChallengeError::Busy);
        }
        self.hashing.turn(place).await
    }

    /// Counts, compares, and takes the count back when it was right.
    pub(super) async fn compare_local(
        &self,
        turn: &Turn,
        key: CounterKey,
        found: Option<User>,
        password: SecretString,
        address: std::net::IpAddr,
    ) -> Result<PasswordOutcome, ChallengeError> {
        let count = match self.reserve(&key, found.is_some()).await? {
            Reserved::Locked(locked) => return Ok(PasswordOutcome::Locked(locked)),
            Reserved::Counted(count) | Reserved::Full(count) => count,
        };
        let kept = found
            .as_ref()
            .map_or_else(|| NOBODY.to_owned().into(), |user| user.password_hash.clone());
        let compare = move || {
            let comparison = local::compare(&password, &kept);
            let better = (comparison == Comparison::Outdated).then(|| local::hash(&password).ok());
            (comparison, better.flatten())
        };
        let weight = found.as_ref().map_or(1, |user| local::weight(&user.password_hash));
        let (comparison, better) = turn.run(weight, compare).await?;
        match found.filter(|user| comparison != Comparison::Wrong && !user.disabled) {
            Some(user) => {
                self.take_back(key.clone()).await?;
                let password_hash = match better {
                    Some(better) => self.improve(&key.subject, &user, better).await,
                    None => user.password_hash.clone(),
                };
                Ok(PasswordOutcome::Right(Box::new(User { password_hash, ..user })))
            }
            None => self.refuse(key, &count, address).await,
        }
    }

    /// Keeps a better hash of the same password, unless the password has changed in the meantime. Nobody
    /// is kept from signing in when that fails. Returns the hash that is kept.
    async fn improve(&self, subject: &SubjectKey, user: &User, better: SecretString) -> SecretString {
        let event = AuditEvent::new(self.clock.now(), "user.password_rehashed", "ok").who(subject.as_str());
        let old = user.password_hash.clone();
        let replaced = self.store.replace_password_hash(&user.name, old.clone(), better.clone(), event);
        match replaced.await {
            Ok(true) => better,
            Ok(false) => old,
            Err(error) => {
                tracing::warn!(%error, who = subject.as_str(), "A better hash of a password was not kept.");
                old
            }
        }
    }

    /// What counts for a name that nobody bears. People type passwords into the wrong field, so
    /// such a name is neither kept nor logged.
    pub(super) fn stray(&self, source: &str, name: &str) -> SubjectKey {
        let mac = self.store.ring().mac("stray name", &[name.as_bytes()]);
        SubjectKey::new(source, &format!("?{}", URL_SAFE_NO_PAD.encode(mac)))
    }

    /// Counts the attempt as wrong before anything is compared.
    pub(super) async fn reserve(&self, key: &CounterKey, exists: bool) -> Result<Reserved, StoreError> {
        self.reserve_by(self.figures(), key, exists).await
    }

    /// As [`Challenges::reserve`], by other figures.
    pub(super) async fn reserve_by(
        &self,
        figures: Figures,
        key: &CounterKey,
        exists: bool,
    ) -> Result<Reserved, StoreError> {
        let (key, now) = (key.clone(), self.clock.now());
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
                if !exists && is_new && tx.count_counters(CounterKind::Password).await? >= MAX_COUNTERS {
                    return Ok(Reserved::Full(next));
                }
                tx.set_counter(&key, next).await?;
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
    /// Not counted: there are too many counters for one more, of a name that nobody is known to bear.
    Full(CounterRecord),
}
