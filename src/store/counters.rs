//! Wrong answers, counted per person in two lanes (decision 18). What the counts mean is decided
//! in the challenge room; here they are only kept, and never dropped for want of room.

use super::transaction::within;
use super::{AuditEvent, Store, StoreError, Tx};
use crate::policy::SubjectKey;

/// What was answered wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterKind {
    Factor,
    Password,
}

/// From where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// A browser in which the person has succeeded before.
    Known,
    Other,
}

/// Which counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CounterKey {
    pub subject: SubjectKey,
    pub kind: CounterKind,
    pub lane: Lane,
}

impl CounterKey {
    const fn kind(&self) -> &'static str {
        match self.kind {
            CounterKind::Factor => "factor",
            CounterKind::Password => "password",
        }
    }

    const fn lane(&self) -> &'static str {
        match self.lane {
            Lane::Known => "known",
            Lane::Other => "other",
        }
    }
}

/// The count itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct CounterRecord {
    /// Wrong answers since the last right one.
    pub in_a_row: i64,
    /// Unix seconds at which the window began.
    pub window_start: i64,
    pub in_window: i64,
    /// Waits imposed so far: each doubles the next.
    pub waits: i64,
    /// Unix seconds.
    pub locked_until: i64,
    /// Unix seconds.
    pub last_wrong: i64,
    /// What the wrong answers were for, a bit for each kind of factor; none for passwords.
    pub kinds: i64,
}

const GET: &str = "SELECT in_a_row, window_start, in_window, waits, locked_until, last_wrong, kinds \
                   FROM counters WHERE subject_key = $1 AND kind = $2 AND lane = $3";

impl Store {
    /// A counter as it stands; all zero when nothing was counted.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn counter(&self, key: &CounterKey) -> Result<CounterRecord, StoreError> {
        within(async {
            let row = sqlx::query_as(GET)
                .bind(key.subject.as_str())
                .bind(key.kind())
                .bind(key.lane())
                .fetch_optional(self.readers())
                .await?;
            Ok(row.unwrap_or_default())
        })
        .await
    }

    /// Sets every counter of a person back to zero: an administrator's act. Returns whether there
    /// was anything counted.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn unlock_person(
        &self,
        subject: &SubjectKey,
        audit: Option<AuditEvent>,
    ) -> Result<bool, StoreError> {
        let subject = subject.clone();
        self.write(move |mut tx| async move {
            let counted = tx.clear_counters(&subject).await?;
            let any = tx.allow_again(&subject).await? || counted;
            tx.audit_if(audit).await?;
            tx.commit(any).await
        })
        .await
    }
}

impl Tx {
    /// As [`Store::counter`], in this transaction's view.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn counter(&mut self, key: &CounterKey) -> Result<CounterRecord, StoreError> {
        let row = sqlx::query_as(GET)
            .bind(key.subject.as_str())
            .bind(key.kind())
            .bind(key.lane())
            .fetch_optional(self.sql())
            .await?;
        Ok(row.unwrap_or_default())
    }

    /// Writes a counter.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn set_counter(&mut self, key: &CounterKey, count: CounterRecord) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO counters (subject_key, kind, lane, in_a_row, window_start, in_window, waits, \
             locked_until, last_wrong, kinds) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (subject_key, kind, lane) DO UPDATE SET in_a_row = $4, window_start = $5, \
             in_window = $6, waits = $7, locked_until = $8, last_wrong = $9, kinds = $10",
        )
        .bind(key.subject.as_str())
        .bind(key.kind())
        .bind(key.lane())
        .bind(count.in_a_row)
        .bind(count.window_start)
        .bind(count.in_window)
        .bind(count.waits)
        .bind(count.locked_until)
        .bind(count.last_wrong)
        .bind(count.kinds)
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// How many counters of this kind there are: names that nobody bears may not fill the table.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn count_counters(&mut self, kind: CounterKind) -> Result<i64, StoreError> {
        let name = match kind {
            CounterKind::Factor => "factor",
            CounterKind::Password => "password",
        };
        let (count,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM counters WHERE kind = $1")
            .bind(name)
            .fetch_one(self.sql())
            .await?;
        Ok(count)
    }

    /// Wrong passwords of a person, in both lanes: there is a new one.
    pub(super) async fn clear_password_counters(&mut self, subject: &SubjectKey) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM counters WHERE subject_key = $1 AND kind = 'password'")
            .bind(subject.as_str())
            .execute(self.sql())
            .await?;
        Ok(())
    }

    pub(super) async fn clear_counters(&mut self, subject: &SubjectKey) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM counters WHERE subject_key = $1")
            .bind(subject.as_str())
            .execute(self.sql())
            .await?;
        Ok(done.rows_affected() > 0)
    }
}
