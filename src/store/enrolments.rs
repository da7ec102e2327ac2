//! Registered factors. Every query names the person (security.md E15); the secret is sealed.

use std::sync::Arc;

use secrecy::ExposeSecret;

use super::seal::Place;
use super::transaction::within;
use super::{AuditEvent, RevocationKind, Store, StoreError, TokenHash, Tx};
use crate::ambient::{UnixTime, random_bytes};
use crate::config::{FactorKind, Properties};
use crate::factors::{About, Material};
use crate::policy::{EnrolmentId, SubjectKey};

/// A factor to be registered.
pub struct NewEnrolment {
    pub factor: FactorKind,
    pub name: String,
    pub material: Material,
}

/// A registered factor, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolmentRecord {
    pub id: EnrolmentId,
    pub factor: FactorKind,
    pub name: String,
    /// See [`Material::state`].
    pub state: i64,
    pub about: About,
    pub created: UnixTime,
    pub last_used: Option<UnixTime>,
    /// "Firefox on Linux".
    pub last_used_by: Option<String>,
    /// The known browser in which it was last used.
    pub last_browser: Option<TokenHash>,
}

impl EnrolmentRecord {
    /// The most that a proof by it can be worth.
    #[must_use]
    pub fn properties(&self) -> Properties {
        self.about.properties.union(self.factor.always())
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    factor: String,
    name: String,
    state: i64,
    about: String,
    created: i64,
    last_used: Option<i64>,
    last_used_by: Option<String>,
    last_browser: Option<Vec<u8>>,
}

impl TryFrom<Row> for EnrolmentRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: EnrolmentId(row.id.into()),
            factor: FactorKind::from_name(&row.factor).ok_or(StoreError::Corrupt("factor name"))?,
            name: row.name,
            state: row.state,
            about: about(&row.about)?,
            created: UnixTime(row.created),
            last_used: row.last_used.map(UnixTime),
            last_used_by: row.last_used_by,
            last_browser: row.last_browser.and_then(|b| b.try_into().ok()).map(TokenHash),
        })
    }
}

const LIST: &str = "SELECT id, factor, name, state, about, created, last_used, last_used_by, last_browser \
                    FROM enrolments WHERE subject_key = $1 ORDER BY created, id";

pub(super) fn about(json: &str) -> Result<About, StoreError> {
    serde_json::from_str(json).map_err(|_| StoreError::Corrupt("what is known of a factor"))
}

pub(super) fn about_json(about: &About) -> Result<String, StoreError> {
    serde_json::to_string(about).map_err(|_| StoreError::Corrupt("what is known of a factor"))
}

fn place(id: &EnrolmentId) -> Place<'_> {
    Place { table: "enrolments", column: "sealed", row: id.0.as_bytes() }
}

/// A fresh id: short, random, no secret.
fn new_id() -> EnrolmentId {
    use base64::Engine as _;
    let id = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random_bytes::<8>());
    EnrolmentId(Arc::from(id))
}

impl Store {
    /// Every enrolment of a person, oldest first.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn enrolments(&self, subject: &SubjectKey) -> Result<Vec<EnrolmentRecord>, StoreError> {
        within(async {
            let rows: Vec<Row> =
                sqlx::query_as(LIST).bind(subject.as_str()).fetch_all(self.readers()).await?;
            rows.into_iter().map(EnrolmentRecord::try_from).collect()
        })
        .await
    }

    /// Registers a factor without a confirmation: for the command line and the demo, which know
    /// that the secret has arrived.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn add_enrolment(
        &self,
        subject: &SubjectKey,
        enrolment: NewEnrolment,
        now: UnixTime,
        audit: Option<AuditEvent>,
    ) -> Result<EnrolmentId, StoreError> {
        let subject = subject.clone();
        self.write(move |mut tx| async move {
            let id = tx.insert_enrolment(&subject, &enrolment, now).await?;
            tx.audit_if(audit).await?;
            tx.commit(id).await
        })
        .await
    }

    /// Registers a factor that everybody has, unless the person has one of its kind by now.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn add_enrolment_of_kind(
        &self,
        subject: &SubjectKey,
        enrolment: NewEnrolment,
        now: UnixTime,
        audit: AuditEvent,
    ) -> Result<(), StoreError> {
        let subject = subject.clone();
        self.write(move |mut tx| async move {
            let has = tx.enrolments(&subject).await?;
            if has.iter().all(|one| one.factor != enrolment.factor) {
                tx.insert_enrolment(&subject, &enrolment, now).await?;
                tx.audit(audit).await?;
            }
            tx.commit(()).await
        })
        .await
    }

    /// Gives an enrolment another name; `false` when the person has no such enrolment.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn rename_enrolment(
        &self,
        subject: &SubjectKey,
        id: &EnrolmentId,
        name: &str,
        audit: Option<AuditEvent>,
    ) -> Result<bool, StoreError> {
        let (subject, id, name) = (subject.clone(), id.clone(), name.to_owned());
        self.write(move |mut tx| async move {
            let done = sqlx::query("UPDATE enrolments SET name = $3 WHERE id = $1 AND subject_key = $2")
                .bind(&*id.0)
                .bind(subject.as_str())
                .bind(name)
                .execute(tx.sql())
                .await?
                .rows_affected()
                == 1;
            if done {
                tx.audit_if(audit).await?;
            }
            tx.commit(done).await
        })
        .await
    }

    /// Removes an enrolment and tells every process; `false` when the person has no such enrolment.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn remove_enrolment(
        &self,
        subject: &SubjectKey,
        id: &EnrolmentId,
        now: UnixTime,
        audit: Option<AuditEvent>,
    ) -> Result<bool, StoreError> {
        let (subject, id) = (subject.clone(), id.clone());
        self.write(move |mut tx| async move {
            let done = tx.remove_enrolment(&subject, &id, now).await?;
            if done {
                tx.audit_if(audit).await?;
            }
            tx.commit(done).await
        })
        .await
    }

    /// Removes everything a person could prove more with, ends their sessions and invitations,
    /// clears their counters and forgets their browsers. Returns how many enrolments there were.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn reset_person(
        &self,
        subject: &SubjectKey,
        now: UnixTime,
        audit: Option<AuditEvent>,
    ) -> Result<usize, StoreError> {
        let subject = subject.clone();
        self.write(move |mut tx| async move {
            let all = tx.enrolments(&subject).await?;
            for one in &all {
                tx.remove_enrolment(&subject, &one.id, now).await?;
            }
            tx.drop_unfinished(&subject).await?;
            tx.void_invitations(&subject).await?;
            tx.forget_browsers(&subject).await?;
            tx.clear_counters(&subject).await?;
            tx.end_sessions_of(&subject, now).await?;
            tx.audit_if(audit).await?;
            tx.commit(all.len()).await
        })
        .await
    }
}

impl Tx {
    /// As [`Store::enrolments`], in this transaction's view.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn enrolments(&mut self, subject: &SubjectKey) -> Result<Vec<EnrolmentRecord>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(LIST).bind(subject.as_str()).fetch_all(self.sql()).await?;
        rows.into_iter().map(EnrolmentRecord::try_from).collect()
    }

    /// The secret and state of one enrolment of this person.
    ///
    /// # Errors
    /// When the database refuses, or the secret does not open.
    pub async fn material(
        &mut self,
        subject: &SubjectKey,
        id: &EnrolmentId,
    ) -> Result<Option<Material>, StoreError> {
        let row: Option<(Vec<u8>, i64, String)> =
            sqlx::query_as("SELECT sealed, state, about FROM enrolments WHERE id = $1 AND subject_key = $2")
                .bind(&*id.0)
                .bind(subject.as_str())
                .fetch_optional(self.sql())
                .await?;
        let Some((sealed, state, json)) = row else {
            return Ok(None);
        };
        let secret = self.ring().open(place(id), &sealed)?;
        Ok(Some(Material { secret, state, about: about(&json)? }))
    }

    /// Puts other material in the place of an enrolment's; its state is moved by [`Tx::advance`] alone.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn replace_material(
        &mut self,
        subject: &SubjectKey,
        id: &EnrolmentId,
        material: &Material,
    ) -> Result<(), StoreError> {
        let sealed = self.ring().seal(place(id), material.secret.expose_secret())?;
        sqlx::query("UPDATE enrolments SET sealed = $3, about = $4 WHERE id = $1 AND subject_key = $2")
            .bind(&*id.0)
            .bind(subject.as_str())
            .bind(sealed)
            .bind(about_json(&material.about)?)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// Whose this handle is ([`About::handle`]), if anybody has enrolled it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn holder(&mut self, handle: &str) -> Result<Option<(SubjectKey, EnrolmentId)>, StoreError> {
        let row: Option<(String, String)> =
            sqlx::query_as("SELECT subject_key, id FROM enrolments WHERE handle = $1")
                .bind(handle)
                .fetch_optional(self.sql())
                .await?;
        Ok(row.map(|(subject, id)| (SubjectKey::from_stored(&subject), EnrolmentId(id.into()))))
    }

    /// Registers a factor, marks the person as enrolled and tells every process.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn insert_enrolment(
        &mut self,
        subject: &SubjectKey,
        enrolment: &NewEnrolment,
        now: UnixTime,
    ) -> Result<EnrolmentId, StoreError> {
        let id = new_id();
        let sealed = self.ring().seal(place(&id), enrolment.material.secret.expose_secret())?;
        sqlx::query(
            "INSERT INTO enrolments (id, subject_key, factor, name, sealed, state, about, handle, created) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&*id.0)
        .bind(subject.as_str())
        .bind(enrolment.factor.name())
        .bind(&enrolment.name)
        .bind(sealed)
        .bind(enrolment.material.state)
        .bind(about_json(&enrolment.material.about)?)
        .bind(&enrolment.material.about.handle)
        .bind(now.0)
        .execute(self.sql())
        .await?;
        self.mark_enrolled(subject, now).await?;
        self.void_invitations(subject).await?;
        self.revoke(RevocationKind::Enrolled, subject.as_str(), now).await?;
        Ok(id)
    }

    /// Moves the state from `old` to the larger `new`; `false` when somebody else moved it first:
    /// then the answer did not count.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn advance(
        &mut self,
        subject: &SubjectKey,
        id: &EnrolmentId,
        old: i64,
        new: i64,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE enrolments SET state = $4 WHERE id = $1 AND subject_key = $2 AND state = $3 AND state < $4",
        )
        .bind(&*id.0)
        .bind(subject.as_str())
        .bind(old)
        .bind(new)
        .execute(self.sql())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Notes when and in which browser an enrolment was last used.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn note_use(
        &mut self,
        subject: &SubjectKey,
        id: &EnrolmentId,
        now: UnixTime,
        agent: &str,
        browser: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE enrolments SET last_used = $3, last_used_by = $4, \
             last_browser = COALESCE($5, last_browser) WHERE id = $1 AND subject_key = $2",
        )
        .bind(&*id.0)
        .bind(subject.as_str())
        .bind(now.0)
        .bind(agent)
        .bind(browser.map(|token| TokenHash::of(token).bytes()))
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// Removes one enrolment of this person and tells every process.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn remove_enrolment(
        &mut self,
        subject: &SubjectKey,
        id: &EnrolmentId,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM enrolments WHERE id = $1 AND subject_key = $2")
            .bind(&*id.0)
            .bind(subject.as_str())
            .execute(self.sql())
            .await?
            .rows_affected()
            == 1;
        if done {
            sqlx::query(
                "UPDATE people SET default_enrolment = NULL WHERE subject_key = $1 AND default_enrolment = $2",
            )
            .bind(subject.as_str())
            .bind(&*id.0)
            .execute(self.sql())
            .await?;
            self.forget_trusted_browsers(subject, now).await?;
            self.revoke(RevocationKind::Enrolment, &id.0, now).await?;
            self.revoke(RevocationKind::Enrolled, subject.as_str(), now).await?;
        }
        Ok(done)
    }
}
