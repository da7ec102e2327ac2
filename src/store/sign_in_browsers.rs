//! Browsers that somebody has signed in from before. They are worth nothing, and only keep people from being
//! told again and again of what they know.

use super::{StoreError, TokenHash, Tx};
use crate::ambient::UnixTime;
use crate::policy::SubjectKey;

/// Kept for one person; beyond that the one unused for longest goes.
const MAX_PER_PERSON: i64 = 50;

impl Tx {
    /// Notes that this person has signed in from this browser; `true` if they had before.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn note_sign_in_browser(
        &mut self,
        subject: &SubjectKey,
        browser: &str,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let browser = TokenHash::of(browser).bytes();
        let known: Option<(i64,)> =
            sqlx::query_as("SELECT last_used FROM sign_in_browsers WHERE subject_key = $1 AND browser = $2")
                .bind(subject.as_str())
                .bind(&browser)
                .fetch_optional(self.sql())
                .await?;
        sqlx::query(
            "INSERT INTO sign_in_browsers (browser, subject_key, last_used) VALUES ($1, $2, $3) \
             ON CONFLICT (subject_key, browser) DO UPDATE SET last_used = excluded.last_used",
        )
        .bind(browser)
        .bind(subject.as_str())
        .bind(now.0)
        .execute(self.sql())
        .await?;
        if known.is_none() {
            sqlx::query(
                "DELETE FROM sign_in_browsers WHERE subject_key = $1 AND browser IN \
                 (SELECT browser FROM sign_in_browsers WHERE subject_key = $1 \
                 ORDER BY last_used DESC, browser LIMIT 1000 OFFSET $2)",
            )
            .bind(subject.as_str())
            .bind(MAX_PER_PERSON)
            .execute(self.sql())
            .await?;
        }
        Ok(known.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::tests::store;

    #[tokio::test]
    async fn a_browser_is_new_once_for_each_person() {
        let (_guard, store) = store().await;
        let note = |name: &str, browser: &'static str| {
            let (store, key) = (store.clone(), SubjectKey::new("local", name));
            async move {
                let known = store.write(move |mut tx| async move {
                    let known = tx.note_sign_in_browser(&key, browser, UnixTime(1)).await?;
                    tx.commit(known).await
                });
                known.await.unwrap()
            }
        };
        assert!(!note("alice", "b1").await);
        assert!(note("alice", "b1").await);
        assert!(!note("alice", "b2").await && !note("ben", "b1").await);
    }
}
