//! What was begun for a challenge or for an enrolment that waits: a code that was sent, a ceremony,
//! a question to a service. Sealed whole, and gone with what it belongs to.

use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize};

use super::seal::Place;
use super::transaction::within;
use super::{Store, StoreError, TokenHash, Tx};
use crate::ambient::UnixTime;
use crate::factors::Shows;
use crate::policy::{EnrolmentId, SubjectKey};

/// Things begun and not run out that are kept for one person; beyond that the oldest go. More than the
/// challenges and waiting enrolments of a person, with a few ways each.
const MAX_PER_PERSON: i64 = 60;

/// Something that begins.
pub struct NewStarted {
    /// Id of the challenge, or of the enrolment that waits.
    pub question: String,
    /// `None` for an enrolment that waits.
    pub enrolment: Option<EnrolmentId>,
    pub subject: SubjectKey,
    pub payload: SecretSlice<u8>,
    pub shows: Shows,
    /// Where the person goes on, as the portal knows it; nothing here reads it.
    pub onward: String,
    /// What another site sends the person back with.
    pub handle: Option<String>,
    pub at: UnixTime,
    pub expires: UnixTime,
}

/// Something that has begun.
pub struct StartedRecord {
    pub question: String,
    pub enrolment: Option<EnrolmentId>,
    pub payload: SecretSlice<u8>,
    pub shows: Shows,
    pub onward: String,
    pub at: UnixTime,
    pub expires: UnixTime,
}

impl StartedRecord {
    /// The same once more, for the person it belongs to. It leads to no other site: that way was used.
    #[must_use]
    pub fn again(self, subject: SubjectKey) -> NewStarted {
        NewStarted {
            question: self.question,
            enrolment: self.enrolment,
            subject,
            payload: self.payload,
            shows: self.shows,
            onward: self.onward,
            handle: None,
            at: self.at,
            expires: self.expires,
        }
    }
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    payload: Vec<u8>,
    shows: Shows,
    onward: String,
}

impl Drop for Sealed {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.payload);
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    question: String,
    enrolment: String,
    sealed: Vec<u8>,
    at: i64,
    expires: i64,
}

const ALL: &str = "SELECT question, enrolment, sealed, at, expires FROM started \
                   WHERE question = $1 AND subject_key = $2";
const BY_HANDLE: &str = "SELECT question, enrolment, sealed, at, expires FROM started \
                         WHERE handle = $1 AND subject_key = $2";
const ONE: &str = "SELECT question, enrolment, sealed, at, expires FROM started \
                   WHERE question = $1 AND enrolment = $2 AND subject_key = $3";

/// Neither id has a space in it.
fn row_name(question: &str, enrolment: &str) -> String {
    format!("{question} {enrolment}")
}

fn place(row: &str) -> Place<'_> {
    Place { table: "started", column: "sealed", row: row.as_bytes() }
}

fn record(ring: &super::seal::KeyRing, row: Row) -> Result<StartedRecord, StoreError> {
    let opened = ring.open(place(&row_name(&row.question, &row.enrolment)), &row.sealed)?;
    let mut sealed: Sealed =
        serde_json::from_slice(opened.expose_secret()).map_err(|_| StoreError::Corrupt("what was begun"))?;
    Ok(StartedRecord {
        payload: SecretSlice::from(std::mem::take(&mut sealed.payload)),
        shows: sealed.shows.clone(),
        onward: std::mem::take(&mut sealed.onward),
        enrolment: Some(row.enrolment).filter(|id| !id.is_empty()).map(|id| EnrolmentId(id.into())),
        question: row.question,
        at: UnixTime(row.at),
        expires: UnixTime(row.expires),
    })
}

impl Store {
    /// Everything that was begun for one question of this person.
    ///
    /// # Errors
    /// When the database is busy or refuses, or what is stored does not open.
    pub async fn started(
        &self,
        subject: &SubjectKey,
        question: &str,
    ) -> Result<Vec<StartedRecord>, StoreError> {
        within(async {
            let rows: Vec<Row> = sqlx::query_as(ALL)
                .bind(question)
                .bind(subject.as_str())
                .fetch_all(self.readers())
                .await?;
            rows.into_iter().map(|row| record(&self.ring(), row)).collect()
        })
        .await
    }

    /// What this person has begun that another site sends them back for with this handle.
    ///
    /// # Errors
    /// As [`Store::started`].
    pub async fn started_by_handle(
        &self,
        subject: &SubjectKey,
        handle: &str,
    ) -> Result<Option<StartedRecord>, StoreError> {
        within(async {
            let row: Option<Row> = sqlx::query_as(BY_HANDLE)
                .bind(TokenHash::of(handle).bytes())
                .bind(subject.as_str())
                .fetch_optional(self.readers())
                .await?;
            row.map(|row| record(&self.ring(), row)).transpose()
        })
        .await
    }
}

impl Tx {
    /// What was begun for one question and one enrolment (`None`: the one that waits).
    ///
    /// # Errors
    /// When the database refuses, or what is stored does not open.
    pub async fn started(
        &mut self,
        subject: &SubjectKey,
        question: &str,
        enrolment: Option<&EnrolmentId>,
    ) -> Result<Option<StartedRecord>, StoreError> {
        let row: Option<Row> = sqlx::query_as(ONE)
            .bind(question)
            .bind(enrolment.map_or("", |id| &*id.0))
            .bind(subject.as_str())
            .fetch_optional(self.sql())
            .await?;
        row.map(|row| record(&self.ring(), row)).transpose()
    }

    /// Keeps what begins, in the place of what was begun before for the same.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn put_started(&mut self, new: &NewStarted) -> Result<(), StoreError> {
        let sealed = Sealed {
            payload: new.payload.expose_secret().to_vec(),
            shows: new.shows.clone(),
            onward: new.onward.clone(),
        };
        let json = zeroize::Zeroizing::new(
            serde_json::to_vec(&sealed).map_err(|_| StoreError::Corrupt("what was begun"))?,
        );
        let enrolment = new.enrolment.as_ref().map_or("", |id| &*id.0);
        let sealed = self.ring().seal(place(&row_name(&new.question, enrolment)), &json)?;
        sqlx::query(
            "INSERT INTO started (question, enrolment, subject_key, sealed, handle, at, expires) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (question, enrolment) DO UPDATE \
             SET sealed = $4, handle = $5, at = $6, expires = $7 WHERE started.subject_key = $3",
        )
        .bind(&new.question)
        .bind(enrolment)
        .bind(new.subject.as_str())
        .bind(sealed)
        .bind(new.handle.as_deref().map(|handle| TokenHash::of(handle).bytes()))
        .bind(new.at.0)
        .bind(new.expires.0)
        .execute(self.sql())
        .await?;
        sqlx::query(
            "DELETE FROM started WHERE (question, enrolment) IN (SELECT question, enrolment FROM started \
             WHERE subject_key = $1 AND question <> $3 ORDER BY at DESC, question LIMIT 1000 OFFSET $2)",
        )
        .bind(new.subject.as_str())
        .bind(MAX_PER_PERSON - 1)
        .bind(&new.question)
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// Forgets what was begun for a question: all of it, or for one enrolment alone.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn drop_started(
        &mut self,
        subject: &SubjectKey,
        question: &str,
        only: Option<&EnrolmentId>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM started WHERE question = $1 AND subject_key = $2 AND ($3 IS NULL OR enrolment = $3)",
        )
        .bind(question)
        .bind(subject.as_str())
        .bind(only.map(|id| &*id.0))
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
    async fn what_one_person_begins_is_bounded_and_the_newest_stays() {
        let (_guard, store) = store().await;
        let anna = SubjectKey::new("local", "anna");
        for n in 0..MAX_PER_PERSON + 5 {
            let new = NewStarted {
                question: format!("q{n}"),
                enrolment: None,
                subject: anna.clone(),
                payload: SecretSlice::from(vec![1]),
                shows: Shows::Question { says: None },
                onward: String::new(),
                handle: None,
                at: UnixTime(n),
                expires: UnixTime(1000),
            };
            let kept = store.write(move |mut tx| async move {
                tx.put_started(&new).await?;
                tx.commit(()).await
            });
            kept.await.unwrap();
        }
        let kept = async |n: i64| !store.started(&anna, &format!("q{n}")).await.unwrap().is_empty();
        assert!(!kept(4).await && kept(5).await && kept(MAX_PER_PERSON + 4).await);
    }
}
