//! "This wasn't me": the links that say so, and the people whose sign-ins are stopped because of it.
//!
//! A link is kept as a hash and counts once. Who is stopped stays so until an administrator allows it
//! again; no time ends it.

use super::transaction::within;
use super::{Store, StoreError, TokenHash, Tx};
use crate::ambient::UnixTime;
use crate::policy::SubjectKey;

/// What a link is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub subject: SubjectKey,
    /// What has happened, in the notice's words.
    pub what: String,
    pub at: UnixTime,
}

type Row = (String, String, i64);

fn report((subject, what, at): Row) -> Report {
    Report { subject: SubjectKey::from_stored(&subject), what, at: UnixTime(at) }
}

impl Store {
    /// What this link is about, while it can be used. Uses nothing up.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn report_link(&self, token: &str, now: UnixTime) -> Result<Option<Report>, StoreError> {
        within(async {
            let row: Option<Row> = sqlx::query_as(
                "SELECT subject_key, what, at FROM report_links WHERE token = $1 AND expires > $2",
            )
            .bind(TokenHash::of(token).bytes())
            .bind(now.0)
            .fetch_optional(self.readers())
            .await?;
            Ok(row.map(report))
        })
        .await
    }

    /// Whether nobody may sign in as this person.
    ///
    /// # Errors
    /// When the database is busy or refuses: then nobody may.
    pub async fn is_stopped(&self, subject: &SubjectKey) -> Result<bool, StoreError> {
        within(async {
            let row: Option<(i64,)> = sqlx::query_as("SELECT since FROM stopped WHERE subject_key = $1")
                .bind(subject.as_str())
                .fetch_optional(self.readers())
                .await?;
            Ok(row.is_some())
        })
        .await
    }
}

impl Tx {
    /// Keeps a link of a notice about `report`.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn insert_report_link(
        &mut self,
        token: &str,
        report: &Report,
        expires: UnixTime,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO report_links (token, subject_key, what, at, expires) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(TokenHash::of(token).bytes())
        .bind(report.subject.as_str())
        .bind(&report.what)
        .bind(report.at.0)
        .bind(expires.0)
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// Uses a link up: what it was about, if it could still be used.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn take_report_link(
        &mut self,
        token: &str,
        now: UnixTime,
    ) -> Result<Option<Report>, StoreError> {
        let row: Option<Row> = sqlx::query_as(
            "DELETE FROM report_links WHERE token = $1 AND expires > $2 RETURNING subject_key, what, at",
        )
        .bind(TokenHash::of(token).bytes())
        .bind(now.0)
        .fetch_optional(self.sql())
        .await?;
        Ok(row.map(report))
    }

    /// From now on nobody signs in as this person, and whoever is signed in no longer is; what was begun
    /// is gone, and no browser is trusted or known any more.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn stop_person(&mut self, subject: &SubjectKey, now: UnixTime) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO stopped (subject_key, since) VALUES ($1, $2) ON CONFLICT (subject_key) DO NOTHING",
        )
        .bind(subject.as_str())
        .bind(now.0)
        .execute(self.sql())
        .await?;
        self.drop_unfinished(subject).await?;
        self.void_report_links(subject).await?;
        self.void_invitations(subject).await?;
        self.forget_browsers(subject).await?;
        self.end_sessions_of(subject, now).await?;
        Ok(())
    }

    /// As [`Store::is_stopped`], in this transaction's view.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn is_stopped(&mut self, subject: &SubjectKey) -> Result<bool, StoreError> {
        let row: Option<(i64,)> = sqlx::query_as("SELECT since FROM stopped WHERE subject_key = $1")
            .bind(subject.as_str())
            .fetch_optional(self.sql())
            .await?;
        Ok(row.is_some())
    }

    /// Links of older notices: whoever has kept one, in a mailbox that was never theirs perhaps, must not stop
    /// the person again after an administrator has looked.
    async fn void_report_links(&mut self, subject: &SubjectKey) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM report_links WHERE subject_key = $1")
            .bind(subject.as_str())
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// Lets this person sign in again; whether they could not.
    pub(super) async fn allow_again(&mut self, subject: &SubjectKey) -> Result<bool, StoreError> {
        self.void_report_links(subject).await?;
        let done = sqlx::query("DELETE FROM stopped WHERE subject_key = $1")
            .bind(subject.as_str())
            .execute(self.sql())
            .await?;
        Ok(done.rows_affected() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::tests::store;

    #[tokio::test]
    async fn a_link_counts_once_and_who_is_stopped_stays_so_until_allowed() {
        let (_guard, store) = store().await;
        let anna = SubjectKey::new("local", "anna");
        let report = Report { subject: anna.clone(), what: "A".to_owned(), at: UnixTime(1) };
        let kept = report.clone();
        let keep = store.write(move |mut tx| async move {
            tx.insert_report_link("one", &kept, UnixTime(100)).await?;
            tx.commit(()).await
        });
        keep.await.unwrap();
        let take = async |at| {
            let taken = store.write(move |mut tx| async move {
                let taken = tx.take_report_link("one", UnixTime(at)).await?;
                if let Some(report) = &taken {
                    tx.stop_person(&report.subject, UnixTime(at)).await?;
                }
                tx.commit(taken).await
            });
            taken.await.unwrap()
        };
        assert_eq!(store.report_link("one", UnixTime(99)).await.unwrap(), Some(report.clone()));
        assert_eq!(store.report_link("one", UnixTime(100)).await.unwrap(), None);
        assert_eq!(take(100).await, None);
        assert!(!store.is_stopped(&anna).await.unwrap(), "late is never");
        assert_eq!(take(99).await, Some(report));
        assert_eq!(take(99).await, None, "one use");
        assert!(store.is_stopped(&anna).await.unwrap());
        assert!(store.unlock_person(&anna, None).await.unwrap(), "an administrator");
        assert!(!store.is_stopped(&anna).await.unwrap());
    }
}
