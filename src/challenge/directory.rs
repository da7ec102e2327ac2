//! Passwords that sources judge themselves: counted as local ones are, before the source is asked, and
//! under the person's one name (security.md B08, H02).
//!
//! A source that may have judged and was silent leaves its guess counted; one that was not reached does
//! not. It must never tell, in words or by how long it took, where a name is known.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::password::{Guess, Reserved};
use super::view::Locked;
use super::{ChallengeError, Challenges, PasswordOutcome};
use crate::identity::{Candidate, PasswordAnswer, PasswordSource, SourceDown};
use crate::policy::SubjectKey;
use crate::store::{AuditEvent, CounterKey, CounterKind, CounterRecord, Lane};

/// Refusals are told at whole multiples of this after the question.
const EVEN: Duration = Duration::from_millis(500);
/// Bytes; longer ones are refused, never cut.
const MAX_LENGTH: usize = 1024;

impl Challenges {
    /// Tells what is no welcome at even times only.
    pub(super) async fn evenly(
        &self,
        checking: impl Future<Output = Result<PasswordOutcome, ChallengeError>>,
    ) -> Result<PasswordOutcome, ChallengeError> {
        let begun = Instant::now();
        let outcome = checking.await;
        if !matches!(outcome, Ok(PasswordOutcome::Right(_) | PasswordOutcome::RightElsewhere(_))) {
            let spent = begun.elapsed();
            let steps = u32::try_from(spent.as_millis() / EVEN.as_millis()).unwrap_or(u32::MAX - 1) + 1;
            sleep_until(begun + EVEN.saturating_mul(steps)).await;
        }
        outcome
    }

    /// What the sources say; `None`: none of them knows the name.
    pub(super) async fn check_directories(
        &self,
        guess: &Guess<'_>,
    ) -> Result<Option<PasswordOutcome>, ChallengeError> {
        use secrecy::ExposeSecret as _;
        let length = guess.password.expose_secret().len();
        if length == 0 || length > MAX_LENGTH {
            return Ok(Some(PasswordOutcome::Wrong));
        }
        let (mut down, mut wrong) = (None, None);
        for source in &self.directories {
            let found = match source.find(guess.user).await {
                Ok(found) => found,
                Err(error) => {
                    // The next may know the person; if it does not, nobody can say "wrong".
                    down = Some(error);
                    continue;
                }
            };
            let Some(candidate) = found else { continue };
            match self.put_to(&**source, &*candidate, guess).await {
                Ok(PasswordOutcome::Wrong) if !candidate.is_known() => wrong = Some(PasswordOutcome::Wrong),
                Err(ChallengeError::Source(error)) if !candidate.is_known() => down = Some(error),
                decided => return decided.map(Some),
            }
        }
        match down {
            Some(error) => Err(error.into()),
            None => Ok(wrong),
        }
    }

    async fn put_to(
        &self,
        source: &dyn PasswordSource,
        candidate: &dyn Candidate,
        guess: &Guess<'_>,
    ) -> Result<PasswordOutcome, ChallengeError> {
        let subject = SubjectKey::new(source.name(), candidate.subject());
        let lane = self.lane(&subject, guess.browser).await?;
        // People type passwords into the wrong field: only a name that is somebody's is kept.
        let known = candidate.is_known() || self.store.person(&subject).await?.is_some();
        let counted = if known {
            subject
        } else {
            self.stray(source.name(), candidate.subject())
        };
        let key = CounterKey { subject: counted, kind: CounterKind::Password, lane };
        let count = match self.reserve(&key, known).await? {
            Reserved::Locked(locked) => return Ok(PasswordOutcome::Locked(locked)),
            Reserved::Counted(count) => count,
            // A template looks nobody up, so the name may be somebody's: what is not counted is not judged.
            Reserved::Full(_) => {
                let until = self.clock.now().plus(super::guesses::UNTIL_ROOM);
                return Ok(PasswordOutcome::Locked(Locked::Until(until)));
            }
        };
        match candidate.judge(guess.password.clone()).await {
            Ok(PasswordAnswer::Right(person)) => {
                self.take_back(key).await?;
                Ok(PasswordOutcome::RightElsewhere(person))
            }
            Ok(PasswordAnswer::Stopped(stop)) if stop.proved => {
                self.take_back(key.clone()).await?;
                self.note_stop(&key, guess, "proved").await?;
                Ok(PasswordOutcome::Stopped(stop))
            }
            // To strangers a locked account is a wrong password; to its owner's browser it is said.
            Ok(PasswordAnswer::Stopped(stop)) if lane == Lane::Known => {
                self.note_stop(&key, guess, "not_judged").await?;
                Ok(PasswordOutcome::Stopped(stop))
            }
            Ok(PasswordAnswer::Wrong | PasswordAnswer::Stopped(_)) => {
                self.refuse(key, &count, guess.address).await
            }
            Err(error) => Err(self.not_judged(key, count, error).await?.into()),
        }
    }

    async fn note_stop(&self, key: &CounterKey, guess: &Guess<'_>, why: &str) -> Result<(), ChallengeError> {
        let event = AuditEvent::new(self.clock.now(), "sign_in.password", "stopped")
            .who(key.subject.as_str())
            .from(guess.address)
            .with("why", why);
        Ok(self.store.append_audit(event).await?)
    }

    /// The guess was counted; it stays so where the source may have judged it.
    async fn not_judged(
        &self,
        key: CounterKey,
        counted: CounterRecord,
        error: SourceDown,
    ) -> Result<SourceDown, ChallengeError> {
        if error.asked {
            return Ok(error);
        }
        self.one_less(key, counted).await?;
        Ok(error)
    }
}
