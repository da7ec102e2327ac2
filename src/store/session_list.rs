//! Which sessions somebody has, for them to see and to end.

use super::transaction::within;
use super::{AuditEvent, RevocationKind, Store, StoreError};
use crate::ambient::UnixTime;
use crate::policy::SubjectKey;

/// Sessions listed at most, those seen last.
const LISTED: i64 = 200;

/// A session as its person recognises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSession {
    pub sid: String,
    pub source: String,
    pub subject: String,
    /// The browser as people call it; may be empty.
    pub agent: String,
    /// Where it began.
    pub address: Option<String>,
    pub created: UnixTime,
    pub last_seen: UnixTime,
    pub expires: UnixTime,
}

#[derive(sqlx::FromRow)]
struct Row {
    sid: String,
    source: String,
    subject: String,
    agent: String,
    address: Option<String>,
    created: i64,
    last_seen: i64,
    expires: i64,
}

impl From<Row> for ListedSession {
    fn from(row: Row) -> Self {
        Self {
            sid: row.sid,
            source: row.source,
            subject: row.subject,
            agent: row.agent,
            address: row.address,
            created: UnixTime(row.created),
            last_seen: UnixTime(row.last_seen),
            expires: UnixTime(row.expires),
        }
    }
}

impl Store {
    /// The sessions of a person that have neither ended nor expired, the last seen first. Those that were
    /// idle for too long are among them.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn sessions_of(
        &self,
        subject: &SubjectKey,
        now: UnixTime,
    ) -> Result<Vec<ListedSession>, StoreError> {
        within(async {
            let rows: Vec<Row> = sqlx::query_as(
                "SELECT sid, source, subject, agent, address, created, last_seen, expires FROM sessions \
                 WHERE subject_key = $1 AND ended IS NULL AND expires > $2 \
                 ORDER BY last_seen DESC, sid LIMIT $3",
            )
            .bind(subject.as_str())
            .bind(now.0)
            .bind(LISTED)
            .fetch_all(self.readers())
            .await?;
            Ok(rows.into_iter().map(ListedSession::from).collect())
        })
        .await
    }

    /// Ends every session of a person but those named, and tells every process. Returns how many were
    /// running.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn end_sessions_but(
        &self,
        subject: &SubjectKey,
        kept: &[String],
        now: UnixTime,
        audit: Option<AuditEvent>,
    ) -> Result<usize, StoreError> {
        let (subject, kept) = (subject.clone(), kept.to_vec());
        self.write(move |mut tx| async move {
            let running: Vec<(String,)> =
                sqlx::query_as("SELECT sid FROM sessions WHERE subject_key = $1 AND ended IS NULL")
                    .bind(subject.as_str())
                    .fetch_all(tx.sql())
                    .await?;
            let others: Vec<String> = running
                .into_iter()
                .map(|(sid,)| sid)
                .filter(|sid| !kept.contains(sid))
                .collect();
            for sid in &others {
                sqlx::query("UPDATE sessions SET ended = $2 WHERE sid = $1")
                    .bind(sid)
                    .bind(now.0)
                    .execute(tx.sql())
                    .await?;
                tx.revoke(RevocationKind::Session, sid, now).await?;
            }
            tx.audit_if(audit.filter(|_| !others.is_empty())).await?;
            tx.commit(others.len()).await
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::tests::store;
    use crate::store::sessions::tests::session;

    #[tokio::test]
    async fn somebody_sees_and_ends_their_own_sessions_alone() {
        let (_guard, store) = store().await;
        for sid in ["s1", "s2", "s3"] {
            store.start_session(session(sid), sid, "portal", None).await.unwrap();
        }
        let ben = SubjectKey::new("local", "ben");
        let bens = crate::store::NewSession { key: ben.clone(), subject: "ben".into(), ..session("s4") };
        store.start_session(bens, "t4", "portal", None).await.unwrap();
        store.touch_sessions(&[("s2".into(), UnixTime(50))]).await.unwrap();
        store.end_session("s3", UnixTime(20), None).await.unwrap();
        let alice = SubjectKey::new("local", "alice");
        let of = |now| {
            let (store, alice) = (store.clone(), alice.clone());
            async move {
                let all = store.sessions_of(&alice, UnixTime(now)).await.unwrap();
                all.into_iter().map(|one| one.sid).collect::<Vec<_>>()
            }
        };
        assert_eq!(of(60).await, ["s2", "s1"], "the last seen first, without what has ended");
        assert_eq!(of(100).await, Vec::<String>::new(), "nor what has expired");
        let ended = store.end_sessions_but(&alice, &["s1".to_owned()], UnixTime(60), None).await;
        assert_eq!((ended.unwrap(), of(60).await), (1, vec!["s1".to_owned()]));
        assert_eq!(store.sessions_of(&ben, UnixTime(60)).await.unwrap().len(), 1);
        let told = store.revocations_after(0).await.unwrap();
        assert_eq!(told.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["s3", "s2"]);
    }
}
