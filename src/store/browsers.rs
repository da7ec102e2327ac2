//! Browsers in which a person has succeeded before: they count wrong answers in a lane of their own.
//!
//! A known browser is no proof of anything; it only keeps strangers from locking a person out.

use super::transaction::within;
use super::{Store, StoreError, TokenHash, Tx};
use crate::ambient::UnixTime;
use crate::policy::SubjectKey;

/// Browsers kept for one person; beyond that the one unused for longest goes.
const MAX_PER_PERSON: i64 = 20;

impl Store {
    /// Whether this person has succeeded in this browser before.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn is_known_browser(&self, subject: &SubjectKey, token: &str) -> Result<bool, StoreError> {
        within(async {
            let row: Option<(i64,)> =
                sqlx::query_as("SELECT created FROM browsers WHERE token = $1 AND subject_key = $2")
                    .bind(TokenHash::of(token).bytes())
                    .bind(subject.as_str())
                    .fetch_optional(self.readers())
                    .await?;
            Ok(row.is_some())
        })
        .await
    }
}

impl Tx {
    /// As [`Store::is_known_browser`], in this transaction's view.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn is_known_browser(&mut self, subject: &SubjectKey, token: &str) -> Result<bool, StoreError> {
        let row: Option<(i64,)> =
            sqlx::query_as("SELECT created FROM browsers WHERE token = $1 AND subject_key = $2")
                .bind(TokenHash::of(token).bytes())
                .bind(subject.as_str())
                .fetch_optional(self.sql())
                .await?;
        Ok(row.is_some())
    }

    /// Remembers that this person succeeded in this browser.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn remember_browser(
        &mut self,
        subject: &SubjectKey,
        token: &str,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO browsers (token, subject_key, created, last_used) VALUES ($1, $2, $3, $3) \
             ON CONFLICT (token) DO UPDATE SET last_used = $3 WHERE browsers.subject_key = $2",
        )
        .bind(TokenHash::of(token).bytes())
        .bind(subject.as_str())
        .bind(now.0)
        .execute(self.sql())
        .await?;
        sqlx::query(
            "DELETE FROM browsers WHERE token IN (SELECT token FROM browsers WHERE subject_key = $1 \
             ORDER BY last_used DESC, token LIMIT 1000 OFFSET $2)",
        )
        .bind(subject.as_str())
        .bind(MAX_PER_PERSON)
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// Forgets every browser of a person.
    pub(super) async fn forget_browsers(&mut self, subject: &SubjectKey) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM browsers WHERE subject_key = $1")
            .bind(subject.as_str())
            .execute(self.sql())
            .await?;
        Ok(())
    }
}
