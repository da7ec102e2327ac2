//! First-factor sessions, and the opaque tokens that stand for them at each site.
//!
//! A session's id is no credential: the cookie holds a token, of which only the hash is here.

use secrecy::{ExposeSecret as _, SecretSlice};

use super::transaction::within;
use super::{AuditEvent, RevocationKind, Store, StoreError, TokenHash, Tx};
use crate::ambient::UnixTime;
use crate::policy::SubjectKey;
use crate::store::seal::Place;

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
    /// What the source itself calls it.
    pub source_session: Option<String>,
    /// Sealed beside it.
    pub kept: Option<SecretSlice<u8>>,
    /// The browser as people call it.
    pub agent: String,
    pub address: Option<String>,
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
    /// When the token that it was asked for by was replaced by another.
    pub replaced: Option<UnixTime>,
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
    #[sqlx(default)]
    replaced: Option<i64>,
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
            replaced: row.replaced.map(UnixTime),
        }
    }
}

impl Store {
    /// Starts a session, with the token of the site where the person signed in. `false`: a session
    /// that still runs has this token, and nothing was begun.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn start_session(
        &self,
        session: NewSession,
        token: &str,
        site: &str,
        audit: Option<AuditEvent>,
    ) -> Result<bool, StoreError> {
        let (token, site) = (TokenHash::of(token), site.to_owned());
        let kept = session
            .kept
            .as_ref()
            .map(|kept| self.ring().seal(kept_place(&session.sid), kept.expose_secret()))
            .transpose()?;
        self.write(move |mut tx| async move {
            sqlx::query(
                "INSERT INTO sessions \
                 (sid, subject_key, source, subject, snapshot, created, last_seen, expires, \
                 source_session, kept, agent, address) \
                 VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10, $11)",
            )
            .bind(&session.sid)
            .bind(session.key.as_str())
            .bind(&session.source)
            .bind(&session.subject)
            .bind(&session.snapshot)
            .bind(session.created.0)
            .bind(session.expires.0)
            .bind(&session.source_session)
            .bind(kept)
            .bind(&session.agent)
            .bind(&session.address)
            .execute(tx.sql())
            .await?;
            if !tx.add_site_token(token, &session.sid, &site, session.created).await? {
                return Ok(false);
            }
            tx.see_person(&session.key, session.created).await?;
            tx.audit_if(audit).await?;
            tx.commit(true).await
        })
        .await
    }

    /// What the source keeps beside a session that still runs.
    ///
    /// # Errors
    /// When the database is busy or refuses, or the value does not open.
    pub async fn session_kept(&self, sid: &str) -> Result<Option<SecretSlice<u8>>, StoreError> {
        let row: Option<(Option<Vec<u8>>,)> = within(async {
            let found = sqlx::query_as("SELECT kept FROM sessions WHERE sid = $1 AND ended IS NULL")
                .bind(sid)
                .fetch_optional(self.readers())
                .await?;
            Ok(found)
        })
        .await?;
        match row {
            Some((Some(sealed),)) => Ok(Some(self.ring().open(kept_place(sid), &sealed)?)),
            _ => Ok(None),
        }
    }

    /// Replaces what the source keeps beside a session.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn keep_in_session(&self, sid: &str, kept: SecretSlice<u8>) -> Result<(), StoreError> {
        let sealed = self.ring().seal(kept_place(sid), kept.expose_secret())?;
        let sid = sid.to_owned();
        self.write(move |mut tx| async move {
            sqlx::query("UPDATE sessions SET kept = $2 WHERE sid = $1 AND ended IS NULL")
                .bind(sid)
                .bind(sealed)
                .execute(tx.sql())
                .await?;
            tx.commit(()).await
        })
        .await
    }

    /// Replaces what the identity source said of a session that still runs.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn amend_session(&self, sid: &str, snapshot: String) -> Result<(), StoreError> {
        let sid = sid.to_owned();
        self.write(move |mut tx| async move {
            sqlx::query("UPDATE sessions SET snapshot = $2 WHERE sid = $1 AND ended IS NULL")
                .bind(&sid)
                .bind(&snapshot)
                .execute(tx.sql())
                .await?;
            tx.commit(()).await
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
                 s.expires, s.ended, t.replaced FROM sessions s JOIN site_tokens t ON t.sid = s.sid \
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

fn kept_place(sid: &str) -> Place<'_> {
    Place { table: "sessions", column: "kept", row: sid.as_bytes() }
}

impl Tx {
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

impl Tx {
    /// Ends every session of a person but one, and all trust in browsers. For people whose sessions are
    /// all ours: of another source's sessions the feed would not hear.
    pub(super) async fn end_other_sessions_of(
        &mut self,
        subject: &SubjectKey,
        stays: &str,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let ended: Vec<(String,)> = sqlx::query_as(
            "UPDATE sessions SET ended = $3 WHERE subject_key = $1 AND sid <> $2 AND ended IS NULL \
             RETURNING sid",
        )
        .bind(subject.as_str())
        .bind(stays)
        .bind(now.0)
        .fetch_all(self.sql())
        .await?;
        for (sid,) in &ended {
            self.revoke(RevocationKind::Session, sid, now).await?;
        }
        self.forget_trusted_browsers(subject, now).await
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::open::tests::store;

    pub fn session(sid: &str) -> NewSession {
        NewSession {
            sid: sid.into(),
            key: SubjectKey::new("local", "alice"),
            source: "local".into(),
            subject: "alice".into(),
            snapshot: "{}".into(),
            created: UnixTime(10),
            expires: UnixTime(100),
            source_session: Some("op-1".into()),
            kept: Some(b"token".to_vec().into()),
            agent: String::new(),
            address: None,
        }
    }

    #[tokio::test]
    async fn a_token_stands_for_one_running_session_at_a_time() {
        let (_guard, store) = store().await;
        assert!(store.start_session(session("s1"), "cookie", "wiki", None).await.unwrap());
        assert!(!store.start_session(session("s2"), "cookie", "wiki", None).await.unwrap());
        assert_eq!(store.session("s2").await.unwrap(), None);
        store.end_session("s1", UnixTime(20), None).await.unwrap();
        assert!(store.start_session(session("s2"), "cookie", "wiki", None).await.unwrap());
        assert_eq!(store.session_by_token("cookie", "wiki").await.unwrap().unwrap().sid, "s2");
    }

    #[tokio::test]
    async fn a_source_finds_and_ends_its_session_by_its_own_name() {
        let (_guard, store) = store().await;
        store.start_session(session("s1"), "t1", "portal", None).await.unwrap();
        let kept = store.session_kept("s1").await.unwrap().unwrap();
        assert_eq!(kept.expose_secret(), b"token");
        store.keep_in_session("s1", b"newer".to_vec().into()).await.unwrap();
        assert_eq!(store.session_kept("s1").await.unwrap().unwrap().expose_secret(), b"newer");
        assert_eq!(store.end_source_session("local", "op-2", UnixTime(20), None).await.unwrap(), 0);
        assert_eq!(store.end_source_session("other", "op-1", UnixTime(20), None).await.unwrap(), 0);
        assert_eq!(store.end_source_session("local", "op-1", UnixTime(20), None).await.unwrap(), 1);
        assert!(store.session_kept("s1").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_token_is_good_for_its_own_site_only() {
        let (_guard, store) = store().await;
        store.start_session(session("s1"), "token", "portal", None).await.unwrap();
        assert_eq!(store.session_by_token("token", "portal").await.unwrap().unwrap().sid, "s1");
        assert_eq!(store.session_by_token("token", "wiki").await.unwrap(), None);
        assert_eq!(store.session_by_token("other", "portal").await.unwrap(), None);
        assert!(
            store
                .replace_site_token(None, "second", "s1", "wiki", UnixTime(11))
                .await
                .unwrap()
                .added
        );
        assert!(
            !store
                .replace_site_token(None, "third", "unknown", "wiki", UnixTime(11))
                .await
                .unwrap()
                .added
        );
    }

    #[tokio::test]
    async fn ending_is_told_to_the_feed_once() {
        let (_guard, store) = store().await;
        store.start_session(session("s1"), "t1", "portal", None).await.unwrap();
        store.start_session(session("s2"), "t2", "portal", None).await.unwrap();
        assert!(store.end_session("s1", UnixTime(20), None).await.unwrap());
        assert!(!store.end_session("s1", UnixTime(21), None).await.unwrap());
        assert_eq!(store.session("s1").await.unwrap().unwrap().ended, Some(UnixTime(20)));
        assert!(
            !store
                .replace_site_token(None, "late", "s1", "wiki", UnixTime(22))
                .await
                .unwrap()
                .added
        );
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
