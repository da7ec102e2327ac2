//! Sessions by the names that their source has for them: it says which of them have ended.
//!
//! A word that counts once is used up in the transaction that obeys it. It must never be used up without:
//! whoever sent it would send it again, be told that it came twice, and the session would live on.

use super::transaction::within;
use super::{AuditEvent, RevocationKind, Store, StoreError, TokenHash, Tx};
use crate::ambient::UnixTime;
use crate::policy::SubjectKey;

/// A source's word that somebody has left there.
#[derive(Debug)]
pub struct Departure {
    pub source: String,
    /// The source's name of the session.
    pub session: Option<String>,
    /// Whose sessions end, all of them, where no session is named or the source's name was never heard here.
    pub subject: Option<SubjectKey>,
    /// The word counts once.
    pub once: TokenHash,
    /// When it cannot be used anyway.
    pub expires: UnixTime,
}

impl Store {
    /// Ends the sessions that a source knows by this name of its own, and tells every process. Returns
    /// how many were running. Strangers may say such names: one that ends nothing is read and not written.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn end_source_session(
        &self,
        source: &str,
        source_session: &str,
        now: UnixTime,
        audit: Option<AuditEvent>,
    ) -> Result<usize, StoreError> {
        if !self.runs_source_session(source, source_session).await? {
            return Ok(0);
        }
        let (source, source_session) = (source.to_owned(), source_session.to_owned());
        self.write(move |mut tx| async move {
            let ended = tx.end_source_session(&source, &source_session, now).await?;
            tx.audit_if(audit.filter(|_| ended > 0)).await?;
            tx.commit(ended).await
        })
        .await
    }

    async fn runs_source_session(&self, source: &str, source_session: &str) -> Result<bool, StoreError> {
        within(async {
            let running: Option<(String,)> = sqlx::query_as(
                "SELECT sid FROM sessions \
                 WHERE source = $1 AND source_session = $2 AND ended IS NULL LIMIT 1",
            )
            .bind(source)
            .bind(source_session)
            .fetch_optional(self.readers())
            .await?;
            Ok(running.is_some())
        })
        .await
    }

    /// Uses up what a source says and ends what it means, both or neither. Returns how many sessions were
    /// running; `None`: it was used up before, and nothing has ended.
    ///
    /// # Errors
    /// When the database is busy or refuses: the word still counts.
    pub async fn depart(
        &self,
        departure: Departure,
        now: UnixTime,
        audit: AuditEvent,
    ) -> Result<Option<usize>, StoreError> {
        self.write(move |mut tx| async move {
            if !tx.use_ceremony(&departure.once, departure.expires).await? {
                return Ok(None);
            }
            let named = match &departure.session {
                Some(session) if tx.knows_source_session(&departure.source, session).await? => {
                    Some(tx.end_source_session(&departure.source, session, now).await?)
                }
                _ => None,
            };
            let (ended, all) = match (named, &departure.subject) {
                (Some(ended), _) => (ended, false),
                (None, Some(subject)) => (tx.end_sessions_of(subject, now).await?, true),
                (None, None) => (0, false),
            };
            tx.audit_if(Some(audit).filter(|_| all || ended > 0)).await?;
            tx.commit(Some(ended)).await
        })
        .await
    }
}

impl Tx {
    /// Whether a session was ever begun under this name, ended or not.
    async fn knows_source_session(&mut self, source: &str, source_session: &str) -> Result<bool, StoreError> {
        let known: Option<(String,)> =
            sqlx::query_as("SELECT sid FROM sessions WHERE source = $1 AND source_session = $2 LIMIT 1")
                .bind(source)
                .bind(source_session)
                .fetch_optional(self.sql())
                .await?;
        Ok(known.is_some())
    }

    async fn end_source_session(
        &mut self,
        source: &str,
        source_session: &str,
        now: UnixTime,
    ) -> Result<usize, StoreError> {
        let ended: Vec<(String,)> = sqlx::query_as(
            "UPDATE sessions SET ended = $3 \
             WHERE source = $1 AND source_session = $2 AND ended IS NULL RETURNING sid",
        )
        .bind(source)
        .bind(source_session)
        .bind(now.0)
        .fetch_all(self.sql())
        .await?;
        for (sid,) in &ended {
            self.revoke(RevocationKind::Session, sid, now).await?;
        }
        Ok(ended.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::NewSession;
    use crate::store::open::tests::store;
    use crate::store::sessions::tests::session;

    const NOW: UnixTime = UnixTime(20);

    fn word(once: &str, session: Option<&str>, subject: Option<&str>) -> Departure {
        Departure {
            source: "local".into(),
            session: session.map(str::to_owned),
            subject: subject.map(|subject| SubjectKey::new("local", subject)),
            once: TokenHash::of(once),
            expires: UnixTime(100),
        }
    }

    fn audit() -> AuditEvent {
        AuditEvent::new(NOW, "session.ended", "signed_out_at_provider")
    }

    #[tokio::test]
    async fn a_word_that_could_not_be_obeyed_is_not_used_up() {
        let (_guard, store) = store().await;
        store.start_session(session("s1"), "t1", "portal", None).await.unwrap();
        let run = |sql: &'static str| {
            store.write(move |mut tx| async move {
                sqlx::query(sql).execute(tx.sql()).await?;
                tx.commit(()).await
            })
        };
        run("CREATE TRIGGER full BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'full'); END")
            .await
            .unwrap();
        assert!(store.depart(word("one", Some("op-1"), None), NOW, audit()).await.is_err());
        run("DROP TRIGGER full").await.unwrap();
        let again = || store.depart(word("one", Some("op-1"), None), NOW, audit());
        assert_eq!(again().await.unwrap(), Some(1), "sent again, it counts");
        assert_eq!(again().await.unwrap(), None, "and only once");
    }

    #[tokio::test]
    async fn a_name_that_ends_nothing_waits_for_no_writer() {
        let (_guard, store) = store().await;
        store.start_session(session("s1"), "t1", "portal", None).await.unwrap();
        let (begun, writing) = tokio::sync::oneshot::channel();
        let (done, finish) = tokio::sync::oneshot::channel::<()>();
        let writer = store.clone();
        let busy = tokio::spawn(async move {
            writer
                .write_patiently(Duration::from_mins(1), move |tx| async move {
                    begun.send(()).unwrap();
                    finish.await.unwrap();
                    tx.commit(()).await
                })
                .await
        });
        writing.await.unwrap();
        let ended = store.end_source_session("local", "made-up", NOW, None).await;
        done.send(()).unwrap();
        assert_eq!(ended.unwrap(), 0);
        busy.await.unwrap().unwrap();
        assert_eq!(store.end_source_session("local", "op-1", NOW, None).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_name_never_heard_ends_all_of_the_person_and_a_known_one_only_its_own() {
        let (_guard, store) = store().await;
        store.start_session(session("s1"), "t1", "portal", None).await.unwrap();
        let other = NewSession { source_session: Some("op-2".into()), ..session("s2") };
        store.start_session(other, "t2", "portal", None).await.unwrap();
        let depart = |word| store.depart(word, NOW, audit());
        let alice = Some("alice");
        assert_eq!(depart(word("1", Some("op-1"), alice)).await.unwrap(), Some(1));
        assert_eq!(depart(word("2", Some("op-1"), alice)).await.unwrap(), Some(0), "it has ended already");
        assert_eq!(depart(word("3", Some("op-9"), None)).await.unwrap(), Some(0), "nobody is known");
        assert_eq!(depart(word("4", Some("op-9"), Some("ben"))).await.unwrap(), Some(0));
        assert!(store.session("s2").await.unwrap().unwrap().ended.is_none());
        assert_eq!(depart(word("5", Some("op-9"), alice)).await.unwrap(), Some(1));
        assert!(store.session("s2").await.unwrap().unwrap().ended.is_some());
    }
}
