//! Names and passwords that come with requests to an app and are judged there: counted like those that
//! are typed on our own page, in the same pair of counters (decision 18, security.md H02).
//!
//! None is judged that is not counted. A name and password that were right before count in the lane that
//! strangers do not reach; in theirs there are waits but no stop, since nobody can be told to come by a
//! known browser. What an app may have judged and kept to itself stays counted.

use super::Challenges;
use super::password::Reserved;
use super::view::Locked;
use crate::identity::IdentityError;
use crate::identity::guesses::{Guess, Guesses, Judging};
use crate::policy::SubjectKey;
use crate::store::{CounterKey, CounterKind, CounterRecord, Lane, StoreError, Tx};

/// Seconds after which to try again what only an administrator can help with.
const FOR_LONG: i64 = 24 * 3600;
/// Seconds after which there may be room for one more counter.
pub(super) const UNTIL_ROOM: i64 = 60;

impl Guesses for Challenges {
    fn counted<'a>(&'a self, guess: Guess<'a>, judging: Judging<'a>) -> Judging<'a> {
        Box::pin(async move {
            let subject = SubjectKey::new(guess.source, guess.subject);
            // People type passwords into the wrong field: only a name that is somebody's is kept.
            let known = self.store.person(&subject).await.map_err(unavailable)?.is_some();
            let counted = if known {
                subject
            } else {
                self.stray(guess.source, guess.subject)
            };
            let (lane, figures) = if guess.was_right {
                (Lane::Known, self.figures())
            } else {
                (Lane::Other, self.figures().without_stop())
            };
            let key = CounterKey { subject: counted, kind: CounterKind::Password, lane };
            let count = match self.reserve_by(figures, &key, known).await.map_err(unavailable)? {
                Reserved::Counted(count) => count,
                Reserved::Full(_) => return Err(IdentityError::Locked(UNTIL_ROOM)),
                Reserved::Locked(Locked::Hard | Locked::Stopped) => {
                    return Err(IdentityError::Locked(FOR_LONG));
                }
                Reserved::Locked(Locked::Until(until)) => {
                    return Err(IdentityError::Locked(until.since(self.clock.now()).max(1)));
                }
            };
            match judging.await {
                Ok(Some(person)) => {
                    self.take_back(key).await.map_err(unavailable)?;
                    Ok(Some(person))
                }
                Ok(None) => {
                    self.refuse(key, &count, guess.client).await.map_err(unavailable)?;
                    Ok(None)
                }
                Err(error @ IdentityError::NotReached(_)) => {
                    self.one_less(key, count).await.map_err(unavailable)?;
                    Err(error)
                }
                Err(error) => Err(error),
            }
        })
    }
}

impl Challenges {
    /// The guess was counted and not judged.
    pub(super) async fn one_less(&self, key: CounterKey, counted: CounterRecord) -> Result<(), StoreError> {
        let figures = self.figures();
        self.store
            .write(move |mut tx: Tx| async move {
                let count = tx.counter(&key).await?;
                if count.in_a_row >= counted.in_a_row.min(1) {
                    tx.set_counter(&key, figures.taken_back(&count)).await?;
                }
                tx.commit(()).await
            })
            .await
    }
}

fn unavailable(error: impl std::fmt::Display) -> IdentityError {
    IdentityError::Unavailable(error.to_string())
}
