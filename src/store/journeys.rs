//! Where a person was going, and what they were sending, while they prove more.
//!
//! The id is known to the person's browser alone and kept here hashed. A held body is sealed and
//! belongs to one person in one session; it is handed out once.

use secrecy::{ExposeSecret, SecretSlice};

use super::seal::Place;
use super::transaction::within;
use super::{Store, StoreError, TokenHash, Tx};
use crate::ambient::UnixTime;
use crate::policy::{Binding, SubjectKey};

/// Journeys kept in all; beyond that the oldest go, first those of nobody and of browsers in which
/// nobody is signed in: strangers push out strangers only.
const MAX_JOURNEYS: i64 = 10_000;
/// Journeys kept for one person.
const MAX_PER_PERSON: i64 = 100;

/// A journey to be.
#[derive(Clone)]
pub struct NewJourney {
    /// The opaque id as the browser gets it.
    pub id: String,
    pub site: String,
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    pub subject: Option<SubjectKey>,
    /// What the gate wants to remember (route, what was missing), as JSON of its own.
    pub context: String,
    pub held: Option<(HeldBody, Binding)>,
    pub created: UnixTime,
    pub expires: UnixTime,
}

/// A journey as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journey {
    pub site: String,
    pub method: String,
    pub target: String,
    pub subject: Option<SubjectKey>,
    pub context: String,
    /// Whether a body waits to be sent on.
    pub holds_body: bool,
    pub created: UnixTime,
    pub expires: UnixTime,
}

/// The body of a request that met a challenge.
#[derive(Clone)]
pub struct HeldBody {
    pub content_type: String,
    pub body: SecretSlice<u8>,
}

#[derive(sqlx::FromRow)]
struct Row {
    site: String,
    method: String,
    target: String,
    subject_key: Option<String>,
    context: String,
    holds_body: i64,
    created: i64,
    expires: i64,
}

impl Store {
    /// Keeps a journey. A body is kept only with the person it belongs to.
    ///
    /// # Errors
    /// When the database is busy or refuses, or a body comes without a person.
    pub async fn add_journey(&self, journey: NewJourney) -> Result<(), StoreError> {
        if journey.held.is_some() && journey.subject.is_none() {
            return Err(StoreError::Corrupt("held body without a person"));
        }
        self.write(|mut tx| async move {
            tx.insert_journey(&journey).await?;
            tx.drop_excess_journeys(journey.subject.as_ref()).await?;
            tx.commit(()).await
        })
        .await
    }

    /// The journey with this id, unless it has run out.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn journey(&self, id: &str, now: UnixTime) -> Result<Option<Journey>, StoreError> {
        within(async {
            let row: Option<Row> = sqlx::query_as(
                "SELECT site, method, target, subject_key, context, created, expires, \
                 (SELECT COUNT(*) FROM held_requests h WHERE h.journey = j.id) AS holds_body \
                 FROM journeys j WHERE id = $1 AND expires > $2",
            )
            .bind(TokenHash::of(id).bytes())
            .bind(now.0)
            .fetch_optional(self.readers())
            .await?;
            Ok(row.map(|row| Journey {
                site: row.site,
                method: row.method,
                target: row.target,
                subject: row.subject_key.as_deref().map(SubjectKey::from_stored),
                context: row.context,
                holds_body: row.holds_body > 0,
                created: UnixTime(row.created),
                expires: UnixTime(row.expires),
            }))
        })
        .await
    }

    /// Takes the held body, once, for exactly the person and session it was kept for.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn take_held(
        &self,
        id: &str,
        subject: &SubjectKey,
        binding: &Binding,
        now: UnixTime,
    ) -> Result<Option<HeldBody>, StoreError> {
        let (id, subject, binding) = (TokenHash::of(id), subject.clone(), *binding);
        self.write(move |mut tx| async move {
            let row: Option<(String, Vec<u8>)> = sqlx::query_as(
                "DELETE FROM held_requests WHERE journey = $1 AND subject_key = $2 AND binding = $3 \
                 AND EXISTS (SELECT 1 FROM journeys WHERE id = $1 AND expires > $4) \
                 RETURNING content_type, sealed",
            )
            .bind(id.bytes())
            .bind(subject.as_str())
            .bind(binding.0.to_vec())
            .bind(now.0)
            .fetch_optional(tx.sql())
            .await?;
            let Some((content_type, sealed)) = row else {
                return Ok(None);
            };
            let body = tx.ring().open(place(&id), &sealed)?;
            tx.commit(Some(HeldBody { content_type, body })).await
        })
        .await
    }
}

impl Store {
    /// Gives every held body of one owner to another: what a browser kept before anybody was signed
    /// in becomes the person's.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn adopt_held(
        &self,
        from: (&SubjectKey, &Binding),
        to: (&SubjectKey, &Binding),
    ) -> Result<(), StoreError> {
        let (from, to) = ((from.0.clone(), *from.1), (to.0.clone(), *to.1));
        self.write(move |mut tx| async move {
            sqlx::query(
                "UPDATE journeys SET subject_key = $3 WHERE subject_key = $1 AND id IN \
                 (SELECT journey FROM held_requests WHERE subject_key = $1 AND binding = $2)",
            )
            .bind(from.0.as_str())
            .bind(from.1.0.to_vec())
            .bind(to.0.as_str())
            .execute(tx.sql())
            .await?;
            sqlx::query(
                "UPDATE held_requests SET subject_key = $3, binding = $4 \
                 WHERE subject_key = $1 AND binding = $2",
            )
            .bind(from.0.as_str())
            .bind(from.1.0.to_vec())
            .bind(to.0.as_str())
            .bind(to.1.0.to_vec())
            .execute(tx.sql())
            .await?;
            tx.commit(()).await
        })
        .await
    }
}

fn place(id: &TokenHash) -> Place<'_> {
    Place { table: "held_requests", column: "sealed", row: &id.0 }
}

impl Tx {
    async fn insert_journey(&mut self, journey: &NewJourney) -> Result<(), StoreError> {
        let id = TokenHash::of(&journey.id);
        sqlx::query(
            "INSERT INTO journeys (id, site, method, target, subject_key, context, created, expires) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id.bytes())
        .bind(&journey.site)
        .bind(&journey.method)
        .bind(&journey.target)
        .bind(journey.subject.as_ref().map(SubjectKey::as_str))
        .bind(&journey.context)
        .bind(journey.created.0)
        .bind(journey.expires.0)
        .execute(self.sql())
        .await?;
        let (Some((held, binding)), Some(subject)) = (&journey.held, &journey.subject) else {
            return Ok(());
        };
        let sealed = self.ring().seal(place(&id), held.body.expose_secret())?;
        sqlx::query(
            "INSERT INTO held_requests (journey, subject_key, binding, content_type, sealed) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(id.bytes())
        .bind(subject.as_str())
        .bind(binding.0.to_vec())
        .bind(&held.content_type)
        .bind(sealed)
        .execute(self.sql())
        .await?;
        Ok(())
    }

    async fn drop_excess_journeys(&mut self, subject: Option<&SubjectKey>) -> Result<(), StoreError> {
        if let Some(subject) = subject {
            sqlx::query(
                "DELETE FROM journeys WHERE id IN (SELECT id FROM journeys WHERE subject_key = $1 \
                 ORDER BY created DESC, id LIMIT 1000 OFFSET $2)",
            )
            .bind(subject.as_str())
            .bind(MAX_PER_PERSON)
            .execute(self.sql())
            .await?;
        }
        let (count,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM journeys").fetch_one(self.sql()).await?;
        if count > MAX_JOURNEYS {
            sqlx::query(
                "DELETE FROM journeys WHERE id IN (SELECT id FROM journeys \
                 ORDER BY CASE WHEN subject_key IS NULL OR subject_key LIKE 'browser:%' THEN 0 ELSE 1 END, \
                 created, id LIMIT $1)",
            )
            .bind(count - MAX_JOURNEYS)
            .execute(self.sql())
            .await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::tests::store;

    fn journey(id: &str, subject: Option<&SubjectKey>, held: Option<(HeldBody, Binding)>) -> NewJourney {
        NewJourney {
            id: id.into(),
            site: "pay.example".into(),
            method: "POST".into(),
            target: "/transfer?x=1".into(),
            subject: subject.cloned(),
            context: "{}".into(),
            held,
            created: UnixTime(10),
            expires: UnixTime(100),
        }
    }

    #[tokio::test]
    async fn a_held_body_is_taken_once_by_its_owner_in_its_session() {
        let (_guard, store) = store().await;
        let alice = SubjectKey::new("local", "alice");
        let here = Binding::new("local", "alice", "s1");
        let held = HeldBody { content_type: "text/plain".into(), body: b"to=bob".to_vec().into() };
        store.add_journey(journey("j", Some(&alice), Some((held, here)))).await.unwrap();
        assert!(store.journey("j", UnixTime(20)).await.unwrap().unwrap().holds_body);
        assert_eq!(store.journey("j", UnixTime(100)).await.unwrap(), None);

        let there = Binding::new("local", "alice", "s2");
        let bob = SubjectKey::new("local", "bob");
        let now = UnixTime(20);
        assert!(store.take_held("j", &alice, &there, now).await.unwrap().is_none());
        assert!(store.take_held("j", &bob, &here, now).await.unwrap().is_none());
        assert!(store.take_held("j", &alice, &here, UnixTime(100)).await.unwrap().is_none());
        let taken = store.take_held("j", &alice, &here, now).await.unwrap().unwrap();
        assert_eq!(taken.body.expose_secret(), b"to=bob");
        assert!(store.take_held("j", &alice, &here, now).await.unwrap().is_none());
        assert!(!store.journey("j", now).await.unwrap().unwrap().holds_body);
    }

    #[tokio::test]
    async fn one_person_cannot_fill_the_table() {
        let (_guard, store) = store().await;
        let alice = SubjectKey::new("local", "alice");
        for n in 0..=MAX_PER_PERSON {
            let mut one = journey(&n.to_string(), Some(&alice), None);
            one.created = UnixTime(n);
            store.add_journey(one).await.unwrap();
        }
        assert_eq!(store.journey("0", UnixTime(1)).await.unwrap(), None);
        assert!(store.journey("1", UnixTime(1)).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn what_a_browser_kept_becomes_its_persons() {
        let (_guard, store) = store().await;
        let (browser, nonce) = (SubjectKey::new("browser", "d1"), Binding::new("browser", "n1", ""));
        let (alice, here) = (SubjectKey::new("local", "alice"), Binding::new("local", "alice", "s1"));
        let held = || HeldBody { content_type: "text/plain".into(), body: b"to=bob".to_vec().into() };
        for (id, owner) in [("mine", nonce), ("other", Binding::new("browser", "n2", ""))] {
            store
                .add_journey(journey(id, Some(&browser), Some((held(), owner))))
                .await
                .unwrap();
        }
        store.adopt_held((&browser, &nonce), (&alice, &here)).await.unwrap();
        let now = UnixTime(20);
        assert_eq!(store.journey("mine", now).await.unwrap().unwrap().subject, Some(alice.clone()));
        assert!(store.take_held("mine", &browser, &nonce, now).await.unwrap().is_none());
        assert!(store.take_held("mine", &alice, &here, now).await.unwrap().is_some());
        assert!(store.take_held("other", &alice, &here, now).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn strangers_push_out_strangers_only() {
        let (_guard, store) = store().await;
        let alice = SubjectKey::new("local", "alice");
        store.add_journey(journey("hers", Some(&alice), None)).await.unwrap();
        let flood = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
                     INSERT INTO journeys (id, site, method, target, subject_key, context, created, expires) \
                     SELECT CAST(i AS BLOB), 's', 'GET', '/', 'browser:' || i, '{}', 50, 100 FROM n";
        store
            .write(move |mut tx| async move {
                sqlx::query(flood).bind(MAX_JOURNEYS).execute(tx.sql()).await?;
                tx.commit(()).await
            })
            .await
            .unwrap();
        let stranger = SubjectKey::new("browser", "late");
        store.add_journey(journey("late", Some(&stranger), None)).await.unwrap();
        assert!(store.journey("hers", UnixTime(20)).await.unwrap().is_some());
    }
}
