//! What is remembered of a person from any source: when first seen, when first enrolled.
//!
//! Both times are durable, so that grace cannot be had twice and open enrolment not after a reset.

use super::transaction::within;
use super::{AuditEvent, Store, StoreError, Tx};
use crate::ambient::UnixTime;
use crate::policy::{EnrolmentId, SubjectKey};

/// One person, from whichever source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub first_seen: UnixTime,
    /// Set once, by the first enrolment ever; survives removals and resets.
    pub first_enrolled: Option<UnixTime>,
    /// The way this person wants to be asked for first.
    pub default_enrolment: Option<EnrolmentId>,
}

impl Store {
    /// The person, if ever seen.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn person(&self, subject: &SubjectKey) -> Result<Option<Person>, StoreError> {
        within(async {
            let row: Option<(i64, Option<i64>, Option<String>)> = sqlx::query_as(
                "SELECT first_seen, first_enrolled, default_enrolment FROM people WHERE subject_key = $1",
            )
            .bind(subject.as_str())
            .fetch_optional(self.readers())
            .await?;
            Ok(row.map(|(seen, enrolled, default)| Person {
                first_seen: UnixTime(seen),
                first_enrolled: enrolled.map(UnixTime),
                default_enrolment: default.map(|id| EnrolmentId(id.into())),
            }))
        })
        .await
    }

    /// When this person was first seen; now, if never before. Writes only the first time.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn see_person(&self, subject: &SubjectKey, now: UnixTime) -> Result<UnixTime, StoreError> {
        if let Some(person) = self.person(subject).await? {
            return Ok(person.first_seen);
        }
        let key = subject.clone();
        self.write(move |mut tx| async move {
            let first = tx.see_person(&key, now).await?;
            tx.commit(first).await
        })
        .await
    }

    /// Chooses the way to be asked for first; only one of the person's own. `false`: it is not.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn set_default_enrolment(
        &self,
        subject: &SubjectKey,
        id: &EnrolmentId,
        audit: AuditEvent,
    ) -> Result<bool, StoreError> {
        let (subject, id) = (subject.clone(), id.clone());
        self.write(move |mut tx| async move {
            let done = sqlx::query(
                "UPDATE people SET default_enrolment = $2 WHERE subject_key = $1 AND EXISTS \
                 (SELECT 1 FROM enrolments WHERE id = $2 AND subject_key = $1)",
            )
            .bind(subject.as_str())
            .bind(&*id.0)
            .execute(tx.sql())
            .await?
            .rows_affected()
                == 1;
            if done {
                tx.audit(audit).await?;
            }
            tx.commit(done).await
        })
        .await
    }
}

impl Tx {
    pub(super) async fn see_person(
        &mut self,
        subject: &SubjectKey,
        now: UnixTime,
    ) -> Result<UnixTime, StoreError> {
        let (first,): (i64,) = sqlx::query_as(
            "INSERT INTO people (subject_key, first_seen) VALUES ($1, $2) \
             ON CONFLICT (subject_key) DO UPDATE SET first_seen = people.first_seen RETURNING first_seen",
        )
        .bind(subject.as_str())
        .bind(now.0)
        .fetch_one(self.sql())
        .await?;
        Ok(UnixTime(first))
    }

    /// Whether this person has ever had a factor, in this transaction's view.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn ever_enrolled(&mut self, subject: &SubjectKey) -> Result<bool, StoreError> {
        let row: Option<(Option<i64>,)> =
            sqlx::query_as("SELECT first_enrolled FROM people WHERE subject_key = $1")
                .bind(subject.as_str())
                .fetch_optional(self.sql())
                .await?;
        Ok(row.is_some_and(|(enrolled,)| enrolled.is_some()))
    }

    pub(super) async fn mark_enrolled(
        &mut self,
        subject: &SubjectKey,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        self.see_person(subject, now).await?;
        sqlx::query(
            "UPDATE people SET first_enrolled = $2 WHERE subject_key = $1 AND first_enrolled IS NULL",
        )
        .bind(subject.as_str())
        .bind(now.0)
        .execute(self.sql())
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::tests::store;

    #[tokio::test]
    async fn first_seen_never_moves() {
        let (_guard, store) = store().await;
        let alice = SubjectKey::new("local", "alice");
        assert_eq!(store.see_person(&alice, UnixTime(10)).await.unwrap(), UnixTime(10));
        assert_eq!(store.see_person(&alice, UnixTime(99)).await.unwrap(), UnixTime(10));
        assert_eq!(store.person(&SubjectKey::new("jwt", "alice")).await.unwrap(), None);
    }
}
