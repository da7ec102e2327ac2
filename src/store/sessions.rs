//! First-factor sessions, and the opaque tokens that stand for them at each site.
//!
//! A session's id is no credential: the cookie holds a token, of which only the hash is here.

use super::transaction::within;
use super::{AuditEvent, RevocationKind, Store, StoreError, TokenHash, Tx};
use crate::ambient::UnixTime;
use crate::policy::SubjectKey;

/// A session to be.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub sid: String,
    pub key: SubjectKey,
    pub source: String,
    pub subject: String,
    /// What the identity source said, as JSON of the caller's.
    pub snapshot: String,
    pub created: UnixTime,
    /// The absolute limit.
    pub expires: UnixTime,
}

/// A session as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    pub sid: String,
    pub key: SubjectKey,
    pub source: String,
    pub subject: String,
    pub snapshot: String,
    pub created: UnixTime,
    pub last_seen: UnixTime,
    pub expires: UnixTime,
    pub ended: Option<UnixTime>,
}

#[derive(sqlx::FromRow)]
struct Row {
    sid: String,
    subject_key: String,
    source: String,
    subject: String,
    snapshot: String,
    created: i64,
    last_seen: i64,
    expires: i64,
    ended: Option<i64>,
}

impl From<Row> for SessionRecord {
    fn from(row: Row) -> Self {
        Self {
            sid: row.sid,
            key: SubjectKey::from_stored(&row.subject_key),
            source: row.source,
            subject: row.subject,
            snapshot: row.snapshot,
            created: UnixTime(row.created),
            last_seen: UnixTime(row.last_seen),
            expires: UnixTime(row.expires),
            ended: row.ended.map(UnixTime),
        }
    }
}

impl Store {
    /// Starts a session, with the token of the site where the person signed in.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn start_session(
        &self,
        session: NewSession,
        token: &str,
        site: &str,
        audit: Option<AuditEvent>,
    ) -> Result<(), StoreError> {
        let (token, site) = (TokenHash::of(token), site.to_owned());
        self.write(move |mut tx| async move {
            sqlx::query(
                "INSERT INTO sessions \
                 (sid, subject_key, source, subject, snapshot, created, last_seen, expires) \
                 VALUES ($1, $2, $3, $4, $5, $6, $6, $7)",
            )
            .bind(&session.sid)
            .bind(session.key.as_str())
            .bind(&session.source)
            .bind(&session.subject)
            .bind(&session.snapshot)
            .bind(session.created.0)
            .bind(session.expires.0)
            .execute(tx.sql())
            .await?;
            tx.add_site_token(token, &session.sid, &site, session.created).await?;
            tx.see_person(&session.key, session.created).await?;
            tx.audit_if(audit).await?;
            tx.commit(()).await
        })
        .await
    }

    /// Adds the token by which `site` knows the session; `false` when the session has ended.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn add_site_token(
        &self,
        token: &str,
        sid: &str,
        site: &str,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let (token, sid, site) = (TokenHash::of(token), sid.to_owned(), site.to_owned());
        self.write(move |mut tx| async move {
            let added = tx.add_site_token(token, &sid, &site, now).await?;
            tx.commit(added).await
        })
        .await
    }

    /// The session that this token stands for at this site, whether it still runs or not.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn session_by_token(
        &self,
        token: &str,
        site: &str,
    ) -> Result<Option<SessionRecord>, StoreError> {
        within(async {
            let row: Option<Row> = sqlx::query_as(
                "SELECT s.sid, s.subject_key, s.source, s.subject, s.snapshot, s.created, s.last_seen, \
                 s.expires, s.ended FROM sessions s JOIN site_tokens t ON t.sid = s.sid \
                 WHERE t.token = $1 AND t.site = $2",
            )
            .bind(TokenHash::of(token).bytes())
            .bind(site)
            .fetch_optional(self.readers())
            .await?;
            Ok(row.map(SessionRecord::from))
        })
        .await
    }

    /// The session with this id, whether it still runs or not.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn session(&self, sid: &str) -> Result<Option<SessionRecord>, StoreError> {
        within(async {
            let row: Option<Row> = sqlx::query_as(
                "SELECT sid, subject_key, source, subject, snapshot, created, last_seen, expires, ended \
                 FROM sessions WHERE sid = $1",
            )
            .bind(sid)
            .fetch_optional(self.readers())
            .await?;
            Ok(row.map(SessionRecord::from))
        })
        .await
    }

    /// Ends one session and tells every process. `false` when it had ended or never was.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn end_session(
        &self,
        sid: &str,
        now: UnixTime,
        audit: Option<AuditEvent>,
    ) -> Result<bool, StoreError> {
        let sid = sid.to_owned();
        self.write(move |mut tx| async move {
            let ended = sqlx::query("UPDATE sessions SET ended = $2 WHERE sid = $1 AND ended IS NULL")
                .bind(&sid)
                .bind(now.0)
                .execute(tx.sql())
                .await?
                .rows_affected()
                == 1;
            if ended {
                tx.revoke(RevocationKind::Session, &sid, now).await?;
                tx.audit_if(audit).await?;
            }
            tx.commit(ended).await
        })
        .await
    }

    /// Ends every session of a person, ours and others' alike (the feed says so), and returns how
    /// many of ours were running.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn end_sessions_of(
        &self,
        subject: &SubjectKey,
        now: UnixTime,
        audit: Option<AuditEvent>,
    ) -> Result<usize, StoreError> {
        let subject = subject.clone();
        self.write(move |mut tx| async move {
            let ended = tx.end_sessions_of(&subject, now).await?;
            tx.audit_if(audit).await?;
            tx.commit(ended).await
        })
        .await
    }

    /// Writes when sessions were last seen, in one transaction; never moves a time back.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn touch_sessions(&self, seen: &[(String, UnixTime)]) -> Result<(), StoreError> {
        if seen.is_empty() {
            return Ok(());
        }
        let seen = seen.to_vec();
        self.write(move |mut tx| async move {
            for (sid, at) in seen {
                sqlx::query("UPDATE sessions SET last_seen = $2 WHERE sid = $1 AND last_seen < $2")
                    .bind(sid)
                    .bind(at.0)
                    .execute(tx.sql())
                    .await?;
            }
            tx.commit(()).await
        })
        .await
    }
}

impl Tx {
    async fn add_site_token(
        &mut self,
        token: TokenHash,
        sid: &str,
        site: &str,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let added = sqlx::query(
            "INSERT INTO site_tokens (token, sid, site, created) \
             SELECT $1, sid, $3, $4 FROM sessions WHERE sid = $2 AND ended IS NULL",
        )
        .bind(token.bytes())
        .bind(sid)
        .bind(site)
        .bind(now.0)
        .execute(self.sql())
        .await?;
        Ok(added.rows_affected() == 1)
    }

    /// Ends every session of a person, within a transaction.
    pub(super) async fn end_sessions_of(
        &mut self,
        subject: &SubjectKey,
        now: UnixTime,
    ) -> Result<usize, StoreError> {
        let ended: Vec<(String,)> = sqlx::query_as(
            "UPDATE sessions SET ended = $2 WHERE subject_key = $1 AND ended IS NULL RETURNING sid",
        )
        .bind(subject.as_str())
        .bind(now.0)
        .fetch_all(self.sql())
        .await?;
        // Named one by one too: the time in a row about the person has whole seconds, and a
        // session begun a moment later is not meant.
        for (sid,) in &ended {
            self.revoke(RevocationKind::Session, sid, now).await?;
        }
        self.forget_trusted_browsers(subject, now).await?;
        self.revoke(RevocationKind::Subject, subject.as_str(), now).await?;
        Ok(ended.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::tests::store;

    fn session(sid: &str) -> NewSession {
        NewSession {
            sid: sid.into(),
            key: SubjectKey::new("local", "alice"),
            source: "local".into(),
            subject: "alice".into(),
            snapshot: "{}".into(),
            created: UnixTime(10),
            expires: UnixTime(100),
        }
    }

    #[tokio::test]
    async fn a_token_is_good_for_its_own_site_only() {
        let (_guard, store) = store().await;
        store.start_session(session("s1"), "token", "portal", None).await.unwrap();
        assert_eq!(store.session_by_token("token", "portal").await.unwrap().unwrap().sid, "s1");
        assert_eq!(store.session_by_token("token", "wiki").await.unwrap(), None);
        assert_eq!(store.session_by_token("other", "portal").await.unwrap(), None);
        assert!(store.add_site_token("second", "s1", "wiki", UnixTime(11)).await.unwrap());
        assert!(!store.add_site_token("third", "unknown", "wiki", UnixTime(11)).await.unwrap());
    }

    #[tokio::test]
    async fn ending_is_told_to_the_feed_once() {
        let (_guard, store) = store().await;
        store.start_session(session("s1"), "t1", "portal", None).await.unwrap();
        store.start_session(session("s2"), "t2", "portal", None).await.unwrap();
        assert!(store.end_session("s1", UnixTime(20), None).await.unwrap());
        assert!(!store.end_session("s1", UnixTime(21), None).await.unwrap());
        assert_eq!(store.session("s1").await.unwrap().unwrap().ended, Some(UnixTime(20)));
        assert!(!store.add_site_token("late", "s1", "wiki", UnixTime(22)).await.unwrap());
        assert_eq!(
            store
                .end_sessions_of(&SubjectKey::new("local", "alice"), UnixTime(23), None)
                .await
                .unwrap(),
            1
        );
        let feed = store.revocations_after(0).await.unwrap();
        let kinds: Vec<_> = feed.iter().map(|r| (r.kind, r.key.as_str())).collect();
        assert_eq!(
            kinds,
            [
                (RevocationKind::Session, "s1"),
                (RevocationKind::Session, "s2"),
                (RevocationKind::Subject, "local:alice")
            ]
        );
        assert_eq!(store.revocations_after(feed[0].n).await.unwrap(), feed[1..]);
        assert_eq!(store.last_revocation().await.unwrap(), feed[2].n);
    }

    #[tokio::test]
    async fn last_seen_only_grows() {
        let (_guard, store) = store().await;
        store.start_session(session("s1"), "t1", "portal", None).await.unwrap();
        store
            .touch_sessions(&[("s1".into(), UnixTime(50)), ("gone".into(), UnixTime(50))])
            .await
            .unwrap();
        store.touch_sessions(&[("s1".into(), UnixTime(40))]).await.unwrap();
        assert_eq!(store.session("s1").await.unwrap().unwrap().last_seen, UnixTime(50));
    }
}
