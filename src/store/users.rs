//! Local users: the people whose password we check ourselves.
//!
//! A name is made canonical once, here; everything else uses that spelling (security.md B08).

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization as _;

use super::transaction::within;
use super::{AuditEvent, Store, StoreError, Tx};
use crate::ambient::UnixTime;
use crate::policy::SubjectKey;

/// A local user as stored. `name` is canonical.
#[derive(Clone)]
pub struct User {
    pub name: String,
    pub display_name: Option<String>,
    pub email: Option<String>,
    pub groups: Vec<String>,
    /// PHC string of argon2id, or what another program made of it.
    pub password_hash: SecretString,
    pub disabled: bool,
    /// Whether the password has to be replaced at the next sign-in.
    pub must_change: bool,
    pub created: UnixTime,
}

/// A local user to be.
#[derive(Clone)]
pub struct NewUser {
    pub name: String,
    pub display_name: Option<String>,
    pub email: Option<String>,
    pub groups: Vec<String>,
    pub password_hash: SecretString,
    pub disabled: bool,
    /// Whether the password has to be replaced at the first sign-in.
    pub must_change: bool,
}

/// A name that cannot be a local user's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a user name has 1 to 128 characters, without spaces at its ends, control characters or ':' and ','")]
pub struct BadUserName;

/// The one spelling of a local user's name: NFKC, lower case.
///
/// # Errors
/// When the name is empty, too long, or holds what a header or a list could not carry.
pub fn canonical_user_name(typed: &str) -> Result<String, BadUserName> {
    if typed.len() > 512 {
        return Err(BadUserName);
    }
    // Lower-casing can leave NFKC (for example U+0130), so it is normalised again.
    let folded: String = typed.nfkc().collect::<String>().to_lowercase().nfkc().collect();
    let bad = |c: char| c.is_control() || matches!(c, ':' | ',') || is_invisible(c);
    let fits = (1..=128).contains(&folded.chars().count());
    if !fits || folded.trim() != folded || folded.chars().any(bad) {
        return Err(BadUserName);
    }
    Ok(folded)
}

/// Characters that make two names look the same.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    display_name: Option<String>,
    email: Option<String>,
    groups: String,
    password_hash: String,
    disabled: i64,
    must_change: i64,
    created: i64,
}

impl TryFrom<Row> for User {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.name,
            display_name: row.display_name,
            email: row.email,
            groups: serde_json::from_str(&row.groups).map_err(|_| StoreError::Corrupt("user groups"))?,
            password_hash: SecretString::from(row.password_hash),
            disabled: row.disabled != 0,
            must_change: row.must_change != 0,
            created: UnixTime(row.created),
        })
    }
}

impl Store {
    /// Adds a user whose `name` is canonical; `false` when the name is taken.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn add_user(
        &self,
        user: NewUser,
        now: UnixTime,
        audit: Option<AuditEvent>,
    ) -> Result<bool, StoreError> {
        self.write(move |mut tx| async move {
            let added = tx.insert_user(&user, now).await?;
            if added {
                tx.audit_if(audit).await?;
            }
            tx.commit(added).await
        })
        .await
    }

    /// The user with this canonical name.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        within(async {
            let row: Option<Row> = sqlx::query_as(
                "SELECT name, display_name, email, groups, password_hash, disabled, must_change, created \
                 FROM users WHERE name = $1",
            )
            .bind(name)
            .fetch_optional(self.readers())
            .await?;
            row.map(User::try_from).transpose()
        })
        .await
    }

    /// Every user by name, at most `limit`.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn users(&self, limit: u32) -> Result<Vec<User>, StoreError> {
        within(async {
            let rows: Vec<Row> = sqlx::query_as(
                "SELECT name, display_name, email, groups, password_hash, disabled, must_change, created \
                 FROM users ORDER BY name LIMIT $1",
            )
            .bind(i64::from(limit))
            .fetch_all(self.readers())
            .await?;
            rows.into_iter().map(User::try_from).collect()
        })
        .await
    }

    /// Replaces a hash by a better one of the same password; `false` when it is another by now.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn replace_password_hash(
        &self,
        name: &str,
        old: SecretString,
        better: SecretString,
        audit: AuditEvent,
    ) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(move |mut tx| async move {
            let done =
                sqlx::query("UPDATE users SET password_hash = $3 WHERE name = $1 AND password_hash = $2")
                    .bind(&name)
                    .bind(old.expose_secret())
                    .bind(better.expose_secret())
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

    /// Disables or enables a user; disabling ends every session of `subject` at once.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn set_disabled(
        &self,
        name: &str,
        subject: &SubjectKey,
        disabled: bool,
        now: UnixTime,
        audit: Option<AuditEvent>,
    ) -> Result<bool, StoreError> {
        let (name, subject) = (name.to_owned(), subject.clone());
        self.write(move |mut tx| async move {
            let done = sqlx::query("UPDATE users SET disabled = $2 WHERE name = $1")
                .bind(&name)
                .bind(i64::from(disabled))
                .execute(tx.sql())
                .await?
                .rows_affected()
                == 1;
            if done && disabled {
                tx.end_sessions_of(&subject, now).await?;
            }
            if done {
                tx.audit_if(audit).await?;
            }
            tx.commit(done).await
        })
        .await
    }
}

impl Tx {
    /// Adds a user whose `name` is canonical; `false` when the name is taken.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn insert_user(&mut self, user: &NewUser, now: UnixTime) -> Result<bool, StoreError> {
        let groups = serde_json::to_string(&user.groups).map_err(|_| StoreError::Corrupt("user groups"))?;
        let done = sqlx::query(
            "INSERT INTO users (name, display_name, email, groups, password_hash, disabled, must_change, created) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING",
        )
        .bind(&user.name)
        .bind(&user.display_name)
        .bind(&user.email)
        .bind(groups)
        .bind(user.password_hash.expose_secret())
        .bind(i64::from(user.disabled))
        .bind(i64::from(user.must_change))
        .bind(now.0)
        .execute(self.sql())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The user with this canonical name, in this transaction's view.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn user(&mut self, name: &str) -> Result<Option<User>, StoreError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT name, display_name, email, groups, password_hash, disabled, must_change, created \
             FROM users WHERE name = $1",
        )
        .bind(name)
        .fetch_optional(self.sql())
        .await?;
        row.map(User::try_from).transpose()
    }

    /// Replaces the password: every session of `subject` ends but `session`, if that is given; every link
    /// for a new password is void, and wrong passwords are forgotten. `false` when there is no such user.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn set_password(
        &mut self,
        name: &str,
        subject: &SubjectKey,
        hash: &SecretString,
        must_change: bool,
        session: Option<&str>,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE users SET password_hash = $2, must_change = $3 WHERE name = $1")
            .bind(name)
            .bind(hash.expose_secret())
            .bind(i64::from(must_change))
            .execute(self.sql())
            .await?
            .rows_affected()
            == 1;
        if done {
            self.void_password_links(name).await?;
            self.clear_password_counters(subject).await?;
            match session {
                Some(session) => self.end_other_sessions_of(subject, session, now).await?,
                None => drop(self.end_sessions_of(subject, now).await?),
            }
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::tests::store;
    use proptest::prelude::*;

    #[test]
    fn b08_one_spelling_for_every_look() {
        for typed in ["Alice", "ALICE", "ａｌｉｃｅ", "alice"] {
            assert_eq!(canonical_user_name(typed).unwrap(), "alice", "{typed}");
        }
        for bad in [
            "",
            " alice",
            "a\nb",
            "a:b",
            "a,b",
            "al\u{200b}ice",
            &"x".repeat(129),
        ] {
            assert!(canonical_user_name(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn canonical_names_are_stable(typed in "\\PC{1,40}") {
            if let Ok(name) = canonical_user_name(&typed) {
                let again = canonical_user_name(&name);
                prop_assert_eq!(again, Ok(name));
            }
        }
    }

    #[tokio::test]
    async fn a_name_is_taken_once() {
        let (_guard, store) = store().await;
        let user = NewUser {
            name: "alice".into(),
            display_name: None,
            email: None,
            groups: vec!["ops".into()],
            password_hash: SecretString::from("$argon2id$1"),
            disabled: false,
            must_change: true,
        };
        assert!(store.add_user(user.clone(), UnixTime(1), None).await.unwrap());
        assert!(!store.add_user(user, UnixTime(2), None).await.unwrap());
        let found = store.user("alice").await.unwrap().unwrap();
        assert_eq!((found.groups, found.created), (vec!["ops".to_owned()], UnixTime(1)));
        assert!(found.must_change && !found.disabled);
    }

    #[tokio::test]
    async fn a_new_password_ends_what_rested_on_the_old() {
        let (_guard, store) = store().await;
        let alice = SubjectKey::new("local", "alice");
        let user = NewUser {
            name: "alice".into(),
            display_name: None,
            email: None,
            groups: Vec::new(),
            password_hash: SecretString::from("old"),
            disabled: false,
            must_change: true,
        };
        store.add_user(user, UnixTime(1), None).await.unwrap();
        let key = alice.clone();
        let done = store.write(move |mut tx| async move {
            tx.insert_password_link("link", "alice", UnixTime(1), UnixTime(100)).await?;
            let nobody = tx
                .set_password("bob", &key, &SecretString::from("x"), false, None, UnixTime(3))
                .await?;
            let done = tx
                .set_password("alice", &key, &SecretString::from("new"), false, None, UnixTime(3))
                .await?;
            tx.commit((nobody, done)).await
        });
        assert_eq!(done.await.unwrap(), (false, true));
        let found = store.user("alice").await.unwrap().unwrap();
        assert_eq!((found.password_hash.expose_secret(), found.must_change), ("new", false));
        assert_eq!(store.password_link("link", UnixTime(4)).await.unwrap(), None);
        let feed = store.revocations_after(0).await.unwrap();
        assert!(feed.iter().any(|row| row.key == alice.as_str()), "sessions are over");

        let better = async |old: &str| {
            let event = AuditEvent::new(UnixTime(5), "user.password_rehashed", "ok");
            let (old, better) = (SecretString::from(old), SecretString::from("better"));
            store.replace_password_hash("alice", old, better, event).await.unwrap()
        };
        assert!(!better("old").await, "the password has changed since");
        assert!(better("new").await);
    }
}
