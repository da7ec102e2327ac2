//! Credentials of apps that people are signed in to by us: sealed, one for each person and route.
//!
//! They open only where they were sealed, and are given to nobody but the app.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::seal::Place;
use super::transaction::within;
use super::{AuditEvent, Store, StoreError};
use crate::ambient::UnixTime;
use crate::policy::SubjectKey;

/// Credentials of one person at most.
const MAX_PER_PERSON: u32 = 200;

/// What somebody is called by an app, and the password there. Has no `Debug`.
#[derive(Clone)]
pub struct AppCredential {
    pub username: String,
    pub password: SecretString,
    /// Whether the app has refused it: it is not tried again.
    pub refused: bool,
}

#[derive(Serialize, Deserialize)]
struct Plain {
    username: String,
    password: String,
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.password.zeroize();
    }
}

/// The row's name: both parts, told apart by their length.
fn row(subject: &SubjectKey, route: &str) -> Vec<u8> {
    format!("{}:{}:{route}", subject.as_str().len(), subject.as_str()).into_bytes()
}

const fn place(row: &[u8]) -> Place<'_> {
    Place { table: "app_credentials", column: "credential", row }
}

impl Store {
    /// What this person is signed in with on this route.
    ///
    /// # Errors
    /// When the database is busy or refuses, or the record does not open.
    pub async fn app_credential(
        &self,
        subject: &SubjectKey,
        route: &str,
    ) -> Result<Option<AppCredential>, StoreError> {
        let found: Option<(Vec<u8>, Option<i64>)> = within(async {
            let query =
                "SELECT credential, refused FROM app_credentials WHERE subject_key = $1 AND route = $2";
            let row = sqlx::query_as(query).bind(subject.as_str()).bind(route);
            Ok(row.fetch_optional(self.readers()).await?)
        })
        .await?;
        let Some((sealed, refused)) = found else {
            return Ok(None);
        };
        let plain = self.ring().open(place(&row(subject, route)), &sealed)?;
        let mut plain: Plain = serde_json::from_slice(plain.expose_secret())
            .map_err(|_| StoreError::Corrupt("credential of an app"))?;
        Ok(Some(AppCredential {
            username: std::mem::take(&mut plain.username),
            password: std::mem::take(&mut plain.password).into(),
            refused: refused.is_some(),
        }))
    }

    /// The routes that this person is signed in to by us, with whether the app has refused.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn app_credentials(&self, subject: &SubjectKey) -> Result<Vec<(String, bool)>, StoreError> {
        within(async {
            let query =
                "SELECT route, refused FROM app_credentials WHERE subject_key = $1 ORDER BY route LIMIT $2";
            let rows: Vec<(String, Option<i64>)> = sqlx::query_as(query)
                .bind(subject.as_str())
                .bind(MAX_PER_PERSON)
                .fetch_all(self.readers())
                .await?;
            Ok(rows.into_iter().map(|(route, refused)| (route, refused.is_some())).collect())
        })
        .await
    }

    /// Keeps a credential in the place of the one before.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn put_app_credential(
        &self,
        (subject, route): (&SubjectKey, &str),
        username: &str,
        password: &SecretString,
        now: UnixTime,
        event: AuditEvent,
    ) -> Result<(), StoreError> {
        let plain = Plain { username: username.to_owned(), password: password.expose_secret().to_owned() };
        let text = serde_json::to_vec(&plain).map_err(|_| StoreError::Corrupt("credential of an app"))?;
        let sealed = self.ring().seal(place(&row(subject, route)), &Zeroizing::new(text))?;
        let (subject, route) = (subject.clone(), route.to_owned());
        self.write(move |mut tx| async move {
            sqlx::query(
                "INSERT INTO app_credentials (subject_key, route, credential, created) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (subject_key, route) DO UPDATE SET credential = $3, refused = NULL, created = $4",
            )
            .bind(subject.as_str())
            .bind(route)
            .bind(sealed)
            .bind(now.0)
            .execute(tx.sql())
            .await?;
            tx.audit(event).await?;
            tx.commit(()).await
        })
        .await
    }

    /// The app does not take it: it is not tried again until there is another.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn refuse_app_credential(
        &self,
        subject: &SubjectKey,
        route: &str,
        now: UnixTime,
        event: AuditEvent,
    ) -> Result<(), StoreError> {
        let (subject, route) = (subject.clone(), route.to_owned());
        self.write(move |mut tx| async move {
            sqlx::query("UPDATE app_credentials SET refused = $3 WHERE subject_key = $1 AND route = $2")
                .bind(subject.as_str())
                .bind(route)
                .bind(now.0)
                .execute(tx.sql())
                .await?;
            tx.audit(event).await?;
            tx.commit(()).await
        })
        .await
    }

    /// Forgets it; `false` when there was none.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn forget_app_credential(
        &self,
        subject: &SubjectKey,
        route: &str,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let (subject, route) = (subject.clone(), route.to_owned());
        self.write(move |mut tx| async move {
            let done = sqlx::query("DELETE FROM app_credentials WHERE subject_key = $1 AND route = $2")
                .bind(subject.as_str())
                .bind(route)
                .execute(tx.sql())
                .await?
                .rows_affected()
                == 1;
            if done {
                tx.audit(event).await?;
            }
            tx.commit(done).await
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::store;
    use super::*;

    fn event(what: &str) -> AuditEvent {
        AuditEvent::new(UnixTime(1), what, "ok")
    }

    #[tokio::test]
    async fn a_credential_opens_for_its_person_and_route_alone() {
        let (_directory, store) = store().await;
        let (anna, ben) = (SubjectKey::new("local", "anna"), SubjectKey::new("local", "ben"));
        let password = SecretString::from("hunter two");
        let put = (&anna, "wiki");
        store
            .put_app_credential(put, "a.smith", &password, UnixTime(1), event("app_credential.saved"))
            .await
            .unwrap();
        let found = store.app_credential(&anna, "wiki").await.unwrap().unwrap();
        assert_eq!((found.username.as_str(), found.password.expose_secret()), ("a.smith", "hunter two"));
        assert!(!found.refused);
        assert!(store.app_credential(&anna, "payroll").await.unwrap().is_none());
        assert!(store.app_credential(&ben, "wiki").await.unwrap().is_none());

        // In the clear it stands nowhere, and moved to another person it does not open.
        let moved = sqlx::query(
            "INSERT INTO app_credentials SELECT 'local:ben', route, credential, refused, created FROM app_credentials",
        );
        store
            .write(|mut tx| async move {
                moved.execute(tx.sql()).await?;
                tx.commit(()).await
            })
            .await
            .unwrap();
        assert!(matches!(store.app_credential(&ben, "wiki").await, Err(StoreError::Sealed(_))));
    }

    #[tokio::test]
    async fn one_that_was_refused_stays_so_until_there_is_another() {
        let (_directory, store) = store().await;
        let anna = SubjectKey::new("local", "anna");
        let put = async |password: &str| {
            let password = SecretString::from(password);
            let saved = event("app_credential.saved");
            store
                .put_app_credential((&anna, "wiki"), "a", &password, UnixTime(1), saved)
                .await
                .unwrap();
        };
        put("old").await;
        store
            .refuse_app_credential(&anna, "wiki", UnixTime(2), event("app_credential.refused"))
            .await
            .unwrap();
        assert!(store.app_credential(&anna, "wiki").await.unwrap().unwrap().refused);
        assert_eq!(store.app_credentials(&anna).await.unwrap(), [("wiki".to_owned(), true)]);
        put("new").await;
        assert!(!store.app_credential(&anna, "wiki").await.unwrap().unwrap().refused);
        assert!(
            store
                .forget_app_credential(&anna, "wiki", event("app_credential.removed"))
                .await
                .unwrap()
        );
        assert!(
            !store
                .forget_app_credential(&anna, "wiki", event("app_credential.removed"))
                .await
                .unwrap()
        );
        assert!(store.app_credential(&anna, "wiki").await.unwrap().is_none());
    }
}
