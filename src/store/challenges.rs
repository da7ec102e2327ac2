//! Challenges as stored: whose, in which session, for what, and how they ended.

use super::transaction::within;
use super::{Store, StoreError, Tx};
use crate::ambient::UnixTime;
use crate::policy::{Accepted, Binding, Proof, SubjectKey};

/// Challenges kept for one person; beyond that the oldest go.
const MAX_PER_PERSON: i64 = 20;

/// A challenge to be.
#[derive(Clone, Debug)]
pub struct NewChallenge {
    pub id: String,
    pub subject: SubjectKey,
    pub binding: Binding,
    /// The journey's opaque id; empty without one.
    pub journey: String,
    /// What it is for, as JSON of the challenge room.
    pub purpose: String,
    pub accepted: Accepted,
    pub opened: UnixTime,
    pub expires: UnixTime,
}

/// How far a challenge has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Open,
    Passed,
    /// Ended by a lock (security.md E17).
    Locked,
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Passed => "passed",
            Self::Locked => "locked",
        }
    }
}

/// A challenge as stored.
#[derive(Clone, Debug)]
pub struct ChallengeRecord {
    pub id: String,
    pub journey: Option<String>,
    pub purpose: String,
    pub accepted: Accepted,
    pub expires: UnixTime,
    pub stage: Stage,
    /// The answer that passed it, as a keyed hash, and the proof it made.
    pub passed: Option<(Vec<u8>, Proof)>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    journey: String,
    purpose: String,
    accepted: String,
    expires: i64,
    stage: String,
    answer_mac: Option<Vec<u8>>,
    proof: Option<String>,
}

impl TryFrom<Row> for ChallengeRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let stage = [Stage::Open, Stage::Passed, Stage::Locked]
            .into_iter()
            .find(|stage| stage.name() == row.stage)
            .ok_or(StoreError::Corrupt("challenge stage"))?;
        let passed = match (row.answer_mac, row.proof) {
            (Some(mac), Some(proof)) => {
                Some((mac, serde_json::from_str(&proof).map_err(|_| StoreError::Corrupt("stored proof"))?))
            }
            _ => None,
        };
        Ok(Self {
            id: row.id,
            journey: Some(row.journey).filter(|journey| !journey.is_empty()),
            purpose: row.purpose,
            accepted: Accepted::from_stored(&row.accepted).ok_or(StoreError::Corrupt("accepted factors"))?,
            expires: UnixTime(row.expires),
            stage,
            passed,
        })
    }
}

const GET: &str = "SELECT id, journey, purpose, accepted, expires, stage, answer_mac, proof \
                   FROM challenges WHERE id = $1 AND subject_key = $2 AND binding = $3";

impl Store {
    /// A challenge of this person in this session.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn challenge(
        &self,
        subject: &SubjectKey,
        binding: &Binding,
        id: &str,
    ) -> Result<Option<ChallengeRecord>, StoreError> {
        within(async {
            let row: Option<Row> = sqlx::query_as(GET)
                .bind(id)
                .bind(subject.as_str())
                .bind(binding.0.to_vec())
                .fetch_optional(self.readers())
                .await?;
            row.map(ChallengeRecord::try_from).transpose()
        })
        .await
    }

    /// The caller's open challenge for the same journey and purpose that lasts beyond `until`, so
    /// that two tabs share one.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn open_challenge(
        &self,
        like: &NewChallenge,
        until: UnixTime,
    ) -> Result<Option<ChallengeRecord>, StoreError> {
        within(async {
            let row: Option<Row> = sqlx::query_as(
                "SELECT id, journey, purpose, accepted, expires, stage, answer_mac, proof FROM challenges \
                 WHERE subject_key = $1 AND binding = $2 AND journey = $3 AND purpose = $4 \
                 AND accepted = $5 AND stage = 'open' AND expires > $6 ORDER BY opened DESC, id LIMIT 1",
            )
            .bind(like.subject.as_str())
            .bind(like.binding.0.to_vec())
            .bind(&like.journey)
            .bind(&like.purpose)
            .bind(like.accepted.to_string())
            .bind(until.0)
            .fetch_optional(self.readers())
            .await?;
            row.map(ChallengeRecord::try_from).transpose()
        })
        .await
    }

    /// How many challenges for this journey the person has passed in this session, of those opened after
    /// `since`.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn challenges_passed(
        &self,
        subject: &SubjectKey,
        binding: &Binding,
        journey: &str,
        since: UnixTime,
    ) -> Result<usize, StoreError> {
        within(async {
            let count: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM challenges WHERE subject_key = $1 AND binding = $2 \
                 AND journey = $3 AND stage = 'passed' AND opened > $4",
            )
            .bind(subject.as_str())
            .bind(binding.0.to_vec())
            .bind(journey)
            .bind(since.0)
            .fetch_one(self.readers())
            .await?;
            Ok(usize::try_from(count).unwrap_or_default())
        })
        .await
    }

    /// Opens a challenge.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn insert_challenge(&self, challenge: NewChallenge) -> Result<(), StoreError> {
        self.write(|mut tx| async move {
            tx.insert_challenge(&challenge).await?;
            tx.commit(()).await
        })
        .await
    }
}

impl Tx {
    /// As [`Store::challenge`], in this transaction's view.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn challenge(
        &mut self,
        subject: &SubjectKey,
        binding: &Binding,
        id: &str,
    ) -> Result<Option<ChallengeRecord>, StoreError> {
        let row: Option<Row> = sqlx::query_as(GET)
            .bind(id)
            .bind(subject.as_str())
            .bind(binding.0.to_vec())
            .fetch_optional(self.sql())
            .await?;
        row.map(ChallengeRecord::try_from).transpose()
    }

    async fn insert_challenge(&mut self, challenge: &NewChallenge) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO challenges \
             (id, subject_key, binding, journey, purpose, accepted, opened, expires, stage) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open')",
        )
        .bind(&challenge.id)
        .bind(challenge.subject.as_str())
        .bind(challenge.binding.0.to_vec())
        .bind(&challenge.journey)
        .bind(&challenge.purpose)
        .bind(challenge.accepted.to_string())
        .bind(challenge.opened.0)
        .bind(challenge.expires.0)
        .execute(self.sql())
        .await?;
        sqlx::query(
            // Of several that were opened in one second, this one stays.
            "DELETE FROM challenges WHERE id IN (SELECT id FROM challenges WHERE subject_key = $1 \
             AND id <> $3 ORDER BY opened DESC, id LIMIT 1000 OFFSET $2)",
        )
        .bind(challenge.subject.as_str())
        .bind(MAX_PER_PERSON - 1)
        .bind(&challenge.id)
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// Lets an open challenge run until `until`, if that is later than it would have ended, but never longer
    /// than `longest` seconds in all.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn prolong_challenge(
        &mut self,
        subject: &SubjectKey,
        id: &str,
        until: UnixTime,
        longest: i64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE challenges SET expires = MAX(expires, MIN($3, opened + $4)) \
             WHERE id = $1 AND subject_key = $2 AND stage = 'open'",
        )
        .bind(id)
        .bind(subject.as_str())
        .bind(until.0)
        .bind(longest)
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// Ends an open challenge as passed by this answer; `false` when it was not open any more.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn pass_challenge(
        &mut self,
        subject: &SubjectKey,
        id: &str,
        answer_mac: &[u8],
        proof: &Proof,
    ) -> Result<bool, StoreError> {
        let proof = serde_json::to_string(proof).map_err(|_| StoreError::Corrupt("proof"))?;
        let done = sqlx::query(
            "UPDATE challenges SET stage = 'passed', answer_mac = $3, proof = $4 \
             WHERE id = $1 AND subject_key = $2 AND stage = 'open'",
        )
        .bind(id)
        .bind(subject.as_str())
        .bind(answer_mac.to_vec())
        .bind(proof)
        .execute(self.sql())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends every open challenge of a person's session by a lock.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn lock_challenges(
        &mut self,
        subject: &SubjectKey,
        binding: &Binding,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE challenges SET stage = 'locked' \
             WHERE subject_key = $1 AND binding = $2 AND stage = 'open'",
        )
        .bind(subject.as_str())
        .bind(binding.0.to_vec())
        .execute(self.sql())
        .await?;
        Ok(())
    }
}
