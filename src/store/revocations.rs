//! The revocation feed: numbered rows that tell every process what no longer counts (decision 13).
//!
//! A row is written in the transaction of the act itself; processes poll for rows they have not
//! seen. Rows are kept for longer than any claim lives.

use super::transaction::within;
use super::{Store, StoreError, Tx};
use crate::ambient::UnixTime;

/// What a row is about; `key` says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RevocationKind {
    /// `key` is a session id: its claims and site tokens count no more.
    Session,
    /// `key` is a subject key: every session and claim made up to `at` counts no more. Sessions of
    /// our own are named in rows of their own as well, so that one begun in the very second of
    /// `at` can be told apart.
    Subject,
    /// `key` is the id of an enrolment, or of a trusted browser: proofs that rest on it count no more.
    Enrolment,
    /// `key` is a subject key: which factors the person has enrolled has changed.
    Enrolled,
    /// `key` names the hash of a token that was replaced by another.
    Token,
    /// The claim keys have changed; `key` is the new newest `kid`.
    Keys,
}

impl RevocationKind {
    const ALL: [Self; 6] = [
        Self::Session,
        Self::Subject,
        Self::Enrolment,
        Self::Enrolled,
        Self::Token,
        Self::Keys,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Subject => "subject",
            Self::Enrolment => "enrolment",
            Self::Enrolled => "enrolled",
            Self::Token => "token",
            Self::Keys => "keys",
        }
    }
}

/// One row of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    pub n: i64,
    pub kind: RevocationKind,
    pub key: String,
    pub at: UnixTime,
}

impl Tx {
    /// Adds a row to the feed.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn revoke(
        &mut self,
        kind: RevocationKind,
        key: &str,
        now: UnixTime,
    ) -> Result<i64, StoreError> {
        let (n,): (i64,) =
            sqlx::query_as("INSERT INTO revocations (kind, key, at) VALUES ($1, $2, $3) RETURNING n")
                .bind(kind.name())
                .bind(key)
                .bind(now.0)
                .fetch_one(self.sql())
                .await?;
        Ok(n)
    }
}

impl Store {
    /// Adds one row to the feed on its own.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn revoke(&self, kind: RevocationKind, key: &str, now: UnixTime) -> Result<i64, StoreError> {
        let key = key.to_owned();
        self.write(move |mut tx| async move {
            let n = tx.revoke(kind, &key, now).await?;
            tx.commit(n).await
        })
        .await
    }

    /// Rows after number `n`, oldest first, at most 1,000: ask again until none come.
    ///
    /// # Errors
    /// When the database is busy or refuses, or a row has a kind this version does not know:
    /// then nothing may be assumed.
    pub async fn revocations_after(&self, n: i64) -> Result<Vec<Revocation>, StoreError> {
        within(async {
            let rows: Vec<(i64, String, String, i64)> =
                sqlx::query_as("SELECT n, kind, key, at FROM revocations WHERE n > $1 ORDER BY n LIMIT 1000")
                    .bind(n)
                    .fetch_all(self.readers())
                    .await?;
            rows.into_iter().map(revocation).collect()
        })
        .await
    }

    /// Number of the newest row; 0 when there is none.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn last_revocation(&self) -> Result<i64, StoreError> {
        within(async {
            let (n,): (i64,) = sqlx::query_as("SELECT COALESCE(MAX(n), 0) FROM revocations")
                .fetch_one(self.readers())
                .await?;
            Ok(n)
        })
        .await
    }
}

fn revocation((n, kind, key, at): (i64, String, String, i64)) -> Result<Revocation, StoreError> {
    let kind = RevocationKind::ALL
        .into_iter()
        .find(|known| known.name() == kind)
        .ok_or(StoreError::Corrupt("revocation kind"))?;
    Ok(Revocation { n, kind, key, at: UnixTime(at) })
}
