//! Rows that have run out go, in small batches, so that no table grows without bound.
//!
//! What counts wrong answers or says that a person was once enrolled is never dropped here.

use super::{Store, StoreError};
use crate::ambient::UnixTime;

/// The feed must outlive every claim it could end: the longest session is 24 h.
const FEED_KEPT: i64 = 25 * 3600;
/// Audit records are kept for this long: 400 days.
const AUDIT_KEPT: i64 = 400 * 86_400;
/// A browser not used for this long is a stranger again: 400 days, as long as its cookie may live.
const BROWSER_KEPT: i64 = 400 * 86_400;
/// Wrong passwords for names that are nobody's, after the last one: one day.
const STRAY_KEPT: i64 = 86_400;
/// No cap on messages looks back further: one day.
const SENDS_KEPT: i64 = 86_400;

/// Each deletes at most 1,000 rows older than `$1`.
const STATEMENTS: [(&str, i64); 20] = [
    (
        "DELETE FROM report_links WHERE token IN \
         (SELECT token FROM report_links WHERE expires <= $1 LIMIT 1000)",
        0,
    ),
    (
        "DELETE FROM hand_offs WHERE code IN (SELECT code FROM hand_offs WHERE expires <= $1 LIMIT 1000)",
        0,
    ),
    (
        "DELETE FROM calls WHERE token IN (SELECT token FROM calls WHERE expires <= $1 LIMIT 1000)",
        0,
    ),
    ("DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE expires <= $1 LIMIT 1000)", 0),
    (
        "DELETE FROM journeys WHERE id IN (SELECT id FROM journeys WHERE expires <= $1 LIMIT 1000)",
        0,
    ),
    (
        "DELETE FROM challenges WHERE id IN (SELECT id FROM challenges WHERE expires <= $1 LIMIT 1000)",
        86_400,
    ),
    (
        "DELETE FROM started WHERE question IN (SELECT question FROM started WHERE expires <= $1 LIMIT 1000) \
         AND expires <= $1",
        0,
    ),
    (
        "DELETE FROM used_ceremonies WHERE id IN \
         (SELECT id FROM used_ceremonies WHERE expires <= $1 LIMIT 1000)",
        0,
    ),
    (
        "DELETE FROM pending_enrolments WHERE id IN \
         (SELECT id FROM pending_enrolments WHERE expires <= $1 LIMIT 1000)",
        0,
    ),
    (
        "DELETE FROM invitations WHERE token IN (SELECT token FROM invitations WHERE expires <= $1 LIMIT 1000)",
        0,
    ),
    (
        "DELETE FROM password_links WHERE token IN \
         (SELECT token FROM password_links WHERE expires <= $1 LIMIT 1000)",
        0,
    ),
    (
        "DELETE FROM sessions WHERE sid IN (SELECT sid FROM sessions WHERE expires <= $1 LIMIT 1000)",
        86_400,
    ),
    (
        "DELETE FROM site_tokens WHERE token IN \
         (SELECT token FROM site_tokens WHERE replaced <= $1 LIMIT 1000)",
        3600,
    ),
    (
        "DELETE FROM trusted_browsers WHERE id IN \
         (SELECT id FROM trusted_browsers WHERE expires <= $1 LIMIT 1000)",
        0,
    ),
    (
        "DELETE FROM browsers WHERE token IN (SELECT token FROM browsers WHERE last_used <= $1 LIMIT 1000)",
        BROWSER_KEPT,
    ),
    (
        "DELETE FROM sign_in_browsers WHERE (subject_key, browser) IN \
         (SELECT subject_key, browser FROM sign_in_browsers WHERE last_used <= $1 LIMIT 1000)",
        BROWSER_KEPT,
    ),
    (
        "DELETE FROM revocations WHERE n IN (SELECT n FROM revocations WHERE at <= $1 ORDER BY n LIMIT 1000)",
        FEED_KEPT,
    ),
    (
        "DELETE FROM audit WHERE n IN (SELECT n FROM audit WHERE at <= $1 ORDER BY n LIMIT 1000)",
        AUDIT_KEPT,
    ),
    (
        "DELETE FROM sends WHERE id IN (SELECT id FROM sends WHERE at <= $1 LIMIT 1000)",
        SENDS_KEPT,
    ),
    (
        // Local subjects are `local source:name`; a stray is one that never signed in from anywhere.
        "DELETE FROM counters WHERE kind = 'password' AND last_wrong <= $1 AND NOT EXISTS \
         (SELECT 1 FROM people WHERE people.subject_key = counters.subject_key) AND NOT EXISTS \
         (SELECT 1 FROM users WHERE counters.subject_key LIKE '%:' || users.name)",
        STRAY_KEPT,
    ),
];

impl Store {
    /// Deletes what has run out by `now`. Cheap; meant to be called every few minutes.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn purge(&self, now: UnixTime) -> Result<u64, StoreError> {
        let mut gone = 0;
        for (statement, kept) in STATEMENTS {
            let before = now.plus(-kept).0;
            gone += self
                .write(move |mut tx| async move {
                    let done = sqlx::query(statement).bind(before).execute(tx.sql()).await?;
                    tx.commit(done.rows_affected()).await
                })
                .await?;
        }
        Ok(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::SubjectKey;
    use crate::store::open::tests::store;
    use crate::store::{AuditEvent, CounterKey, CounterKind, CounterRecord, Lane, RevocationKind};

    #[tokio::test]
    async fn drops_what_ran_out_and_keeps_what_counts() {
        let (_guard, store) = store().await;
        let key = |kind, name: &str| CounterKey {
            subject: SubjectKey::new("local", name),
            kind,
            lane: Lane::Other,
        };
        let (factor, stray) = (key(CounterKind::Factor, "alice"), key(CounterKind::Password, "nobody"));
        let count = CounterRecord { in_a_row: 50, ..CounterRecord::default() };
        let keys = [factor.clone(), stray.clone()];
        store
            .write(move |mut tx| async move {
                for key in &keys {
                    tx.set_counter(key, count).await?;
                }
                tx.audit(AuditEvent::new(UnixTime(0), "users.add", "ok")).await?;
                tx.commit(()).await
            })
            .await
            .unwrap();
        store.revoke(RevocationKind::Keys, "k1", UnixTime(0)).await.unwrap();

        store.purge(UnixTime(24 * 3600)).await.unwrap();
        assert_eq!(store.revocations_after(0).await.unwrap().len(), 1);
        store.purge(UnixTime(25 * 3600)).await.unwrap();
        assert_eq!(store.revocations_after(0).await.unwrap().len(), 0);
        assert_eq!(store.audit_after(0, 10).await.unwrap().len(), 1);
        store.purge(UnixTime(401 * 86_400)).await.unwrap();
        assert_eq!(store.audit_after(0, 10).await.unwrap().len(), 0);
        assert_eq!(store.counter(&factor).await.unwrap().in_a_row, 50);
        assert_eq!(store.counter(&stray).await.unwrap().in_a_row, 0);
    }

    #[tokio::test]
    async fn numbers_of_the_feed_are_never_used_twice() {
        let (_guard, store) = store().await;
        let first = store.revoke(RevocationKind::Keys, "k1", UnixTime(0)).await.unwrap();
        store.purge(UnixTime(26 * 3600)).await.unwrap();
        let second = store.revoke(RevocationKind::Keys, "k2", UnixTime(1)).await.unwrap();
        assert!(second > first);
    }
}
