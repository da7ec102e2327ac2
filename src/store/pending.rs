//! Enrolments that wait for their confirmation, with what is shown of them until then.
//!
//! A pending enrolment proves nothing and counts nowhere: it is another kind of record than an
//! enrolment (security.md E11).

use secrecy::{ExposeSecret, SecretSlice};

use super::enrolments::{about, about_json};
use super::seal::Place;
use super::transaction::within;
use super::{Store, StoreError, Tx};
use crate::ambient::UnixTime;
use crate::config::FactorKind;
use crate::factors::Material;
use crate::policy::{Binding, Proof, SubjectKey};

/// Enrolments that may wait at once for one person; beyond that the oldest go.
const MAX_PER_PERSON: i64 = 5;

/// An enrolment that begins.
pub struct NewPending {
    pub id: String,
    pub subject: SubjectKey,
    pub binding: Binding,
    pub factor: FactorKind,
    pub name: String,
    pub material: Material,
    /// What is shown, as JSON.
    pub setup: SecretSlice<u8>,
    pub created: UnixTime,
    pub expires: UnixTime,
}

/// An enrolment that waits, or has been confirmed.
pub struct PendingRecord {
    pub factor: FactorKind,
    pub name: String,
    pub expires: UnixTime,
    /// Gone once confirmed.
    pub waiting: Option<Waiting>,
    /// The answer that confirmed it, as a keyed hash, and the proof it made, if it made one.
    pub confirmed: Option<(Vec<u8>, Option<Proof>)>,
}

/// The secret parts of an enrolment that waits.
pub struct Waiting {
    pub material: Material,
    pub setup: SecretSlice<u8>,
}

#[derive(sqlx::FromRow)]
struct Row {
    factor: String,
    name: String,
    sealed: Option<Vec<u8>>,
    setup: Option<Vec<u8>>,
    state: i64,
    about: String,
    expires: i64,
    answer_mac: Option<Vec<u8>>,
    proof: Option<String>,
}

const GET: &str = "SELECT factor, name, sealed, setup, state, about, expires, answer_mac, proof \
                   FROM pending_enrolments WHERE id = $1 AND subject_key = $2 AND binding = $3";

fn place<'a>(column: &'a str, id: &'a str) -> Place<'a> {
    Place { table: "pending_enrolments", column, row: id.as_bytes() }
}

fn record(ring: &super::seal::KeyRing, id: &str, row: Row) -> Result<PendingRecord, StoreError> {
    let waiting = match (row.sealed, row.setup) {
        (Some(secret), Some(setup)) => Some(Waiting {
            material: Material {
                secret: ring.open(place("sealed", id), &secret)?,
                state: row.state,
                about: about(&row.about)?,
            },
            setup: ring.open(place("setup", id), &setup)?,
        }),
        _ => None,
    };
    let confirmed = match (row.answer_mac, row.proof) {
        (Some(mac), Some(proof)) => {
            Some((mac, serde_json::from_str(&proof).map_err(|_| StoreError::Corrupt("stored proof"))?))
        }
        _ => None,
    };
    Ok(PendingRecord {
        factor: FactorKind::from_name(&row.factor).ok_or(StoreError::Corrupt("factor name"))?,
        name: row.name,
        expires: UnixTime(row.expires),
        waiting,
        confirmed,
    })
}

impl Store {
    /// A pending enrolment of this person in this session.
    ///
    /// # Errors
    /// When the database is busy or refuses, or the secret does not open.
    pub async fn pending(
        &self,
        subject: &SubjectKey,
        binding: &Binding,
        id: &str,
    ) -> Result<Option<PendingRecord>, StoreError> {
        within(async {
            let row: Option<Row> = sqlx::query_as(GET)
                .bind(id)
                .bind(subject.as_str())
                .bind(binding.0.to_vec())
                .fetch_optional(self.readers())
                .await?;
            row.map(|row| record(&self.ring(), id, row)).transpose()
        })
        .await
    }
}

impl Tx {
    /// As [`Store::pending`], in this transaction's view.
    ///
    /// # Errors
    /// When the database refuses, or the secret does not open.
    pub async fn pending(
        &mut self,
        subject: &SubjectKey,
        binding: &Binding,
        id: &str,
    ) -> Result<Option<PendingRecord>, StoreError> {
        let row: Option<Row> = sqlx::query_as(GET)
            .bind(id)
            .bind(subject.as_str())
            .bind(binding.0.to_vec())
            .fetch_optional(self.sql())
            .await?;
        row.map(|row| record(&self.ring(), id, row)).transpose()
    }

    /// Keeps an enrolment until it is confirmed.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn insert_pending(&mut self, pending: &NewPending) -> Result<(), StoreError> {
        let ring = self.ring();
        let sealed = ring.seal(place("sealed", &pending.id), pending.material.secret.expose_secret())?;
        let setup = ring.seal(place("setup", &pending.id), pending.setup.expose_secret())?;
        sqlx::query(
            "INSERT INTO pending_enrolments \
             (id, subject_key, binding, factor, name, sealed, setup, state, about, created, expires) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(&pending.id)
        .bind(pending.subject.as_str())
        .bind(pending.binding.0.to_vec())
        .bind(pending.factor.name())
        .bind(&pending.name)
        .bind(sealed)
        .bind(setup)
        .bind(pending.material.state)
        .bind(about_json(&pending.material.about)?)
        .bind(pending.created.0)
        .bind(pending.expires.0)
        .execute(self.sql())
        .await?;
        sqlx::query(
            // Of several that began in one second, this one stays.
            "DELETE FROM pending_enrolments WHERE id IN (SELECT id FROM pending_enrolments \
             WHERE subject_key = $1 AND id <> $3 ORDER BY created DESC, id LIMIT 1000 OFFSET $2)",
        )
        .bind(pending.subject.as_str())
        .bind(MAX_PER_PERSON - 1)
        .bind(&pending.id)
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// Marks an enrolment as confirmed by this answer; its secret parts go.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn confirm_pending(
        &mut self,
        subject: &SubjectKey,
        id: &str,
        answer_mac: &[u8],
        proof: Option<&Proof>,
    ) -> Result<bool, StoreError> {
        let proof = serde_json::to_string(&proof).map_err(|_| StoreError::Corrupt("proof"))?;
        let done = sqlx::query(
            "UPDATE pending_enrolments SET sealed = NULL, setup = NULL, answer_mac = $3, proof = $4 \
             WHERE id = $1 AND subject_key = $2 AND answer_mac IS NULL",
        )
        .bind(id)
        .bind(subject.as_str())
        .bind(answer_mac.to_vec())
        .bind(proof)
        .execute(self.sql())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Drops what a person has begun and not finished: enrolments and challenges.
    pub(super) async fn drop_unfinished(&mut self, subject: &SubjectKey) -> Result<(), StoreError> {
        for statement in [
            "DELETE FROM pending_enrolments WHERE subject_key = $1",
            "DELETE FROM challenges WHERE subject_key = $1",
            "DELETE FROM started WHERE subject_key = $1",
        ] {
            sqlx::query(statement).bind(subject.as_str()).execute(self.sql()).await?;
        }
        Ok(())
    }
}
