//! One change, whole or not at all: the write transaction, and the deadline on everything.
//!
//! A handler can be dropped at any await (its client went away). A change therefore runs in a
//! task of its own, which finishes; the handler only waits for the answer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{SqliteConnection, Transaction};

use super::seal::KeyRing;
use super::{AuditEvent, Db, Store, StoreError};

/// How long any call may take, waiting for the writer included (security.md R11).
pub(super) const DEADLINE: Duration = Duration::from_secs(2);

/// An open write transaction. Dropped without [`Tx::commit`], nothing has happened.
pub struct Tx {
    inner: Transaction<'static, Db>,
    ring: Arc<KeyRing>,
    /// Told to the log when the transaction is durable, never before.
    pub(super) audited: Vec<AuditEvent>,
}

impl Tx {
    pub(super) fn sql(&mut self) -> &mut SqliteConnection {
        &mut self.inner
    }

    /// The keys that seal what this transaction writes.
    #[must_use]
    pub fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring)
    }

    /// Makes everything durable, then hands `value` back.
    ///
    /// # Errors
    /// When the commit fails; then nothing of the transaction counts.
    pub async fn commit<T>(self, value: T) -> Result<T, StoreError> {
        self.inner.commit().await?;
        self.audited.iter().for_each(AuditEvent::log);
        Ok(value)
    }
}

impl Store {
    /// Runs `act` in a write transaction of its own task. `act` commits; when it does not,
    /// everything is rolled back.
    ///
    /// # Errors
    /// [`StoreError::Busy`] after two seconds or when too many changes wait, else what `act` met.
    pub async fn write<T, F, Fut>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, StoreError>> + Send,
    {
        self.write_patiently(DEADLINE, act).await
    }

    /// As [`Store::write`], for a command that writes much at once and may take longer. Nobody else
    /// can write meanwhile.
    ///
    /// # Errors
    /// As for [`Store::write`], after `patience`.
    pub async fn write_patiently<T, F, Fut>(&self, patience: Duration, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, StoreError>> + Send,
    {
        let slot = Arc::clone(&self.inner.waiting)
            .try_acquire_owned()
            .map_err(|_| StoreError::Busy)?;
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move {
            let _slot = slot;
            within_time(patience, async move {
                let transaction = inner.writer.begin_with("BEGIN IMMEDIATE").await?;
                let ring = Arc::clone(&inner.ring);
                act(Tx { inner: transaction, ring, audited: Vec::new() }).await
            })
            .await
        });
        // A task fails to join only when it panicked or the runtime ends: nothing was acknowledged.
        task.await.unwrap_or(Err(StoreError::Busy))
    }

    /// The pool for reading.
    pub(super) fn readers(&self) -> &super::Pool {
        &self.inner.readers
    }

    /// The keys that seal and authenticate what is stored.
    #[must_use]
    pub fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.inner.ring)
    }
}

/// Puts the deadline on a call.
pub(super) async fn within<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    within_time(DEADLINE, call).await
}

async fn within_time<T>(
    patience: Duration,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(patience, call).await {
        Ok(Err(StoreError::Unavailable(error))) if is_busy(&error) => Err(StoreError::Busy),
        Ok(result) => result,
        Err(_) => Err(StoreError::Busy),
    }
}

/// Whether waiting longer could have helped.
fn is_busy(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut => true,
        // SQLITE_BUSY and its extended codes share the low byte 5; 6 is SQLITE_LOCKED.
        sqlx::Error::Database(error) => error
            .code()
            .and_then(|code| code.parse::<u32>().ok())
            .is_some_and(|code| matches!(code & 0xff, 5 | 6)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::UnixTime;
    use crate::policy::SubjectKey;
    use crate::store::RevocationKind;
    use crate::store::open::tests::store;

    fn anna() -> SubjectKey {
        SubjectKey::new("local", "anna")
    }

    #[tokio::test]
    async fn nothing_happens_without_a_commit() {
        let (_guard, store) = store().await;
        let uncommitted =
            store.write(|mut tx| async move { tx.revoke(RevocationKind::Keys, "k", UnixTime(0)).await });
        uncommitted.await.unwrap();
        assert_eq!(store.last_revocation().await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_change_whose_caller_went_away_is_whole() {
        let (_guard, store) = store().await;
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (go_on, may_go_on) = tokio::sync::oneshot::channel();
        let change = store.write(move |mut tx| async move {
            tx.revoke(RevocationKind::Keys, "k", UnixTime(0)).await?;
            let _ = begun.send(());
            let _ = may_go_on.await;
            tx.commit(()).await
        });
        let mut change = Box::pin(change);
        tokio::select! {
            _ = &mut change => panic!("it waits"),
            _ = has_begun => drop(change),
        }
        go_on.send(()).unwrap();
        // The next change waits for the one before it.
        store.revoke(RevocationKind::Keys, "k", UnixTime(0)).await.unwrap();
        assert_eq!(store.revocations_after(0).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn r11_a_writer_that_hangs_costs_two_seconds_and_reading_goes_on() {
        let (_guard, store) = store().await;
        let hanging = store.inner.writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let began = tokio::time::Instant::now();
        let late = store.see_person(&anna(), UnixTime(0)).await;
        assert!(matches!(late, Err(StoreError::Busy)), "{late:?}");
        assert!(began.elapsed() < DEADLINE + Duration::from_millis(500));
        assert_eq!(store.person(&anna()).await.unwrap(), None);
        drop(hanging);
        assert_eq!(store.see_person(&anna(), UnixTime(7)).await.unwrap(), UnixTime(7));
    }

    #[tokio::test]
    async fn r08_a_full_disk_refuses_and_recovers() {
        let (_guard, store) = store().await;
        let limit = async |pages: &'static str| {
            sqlx::query(pages).fetch_one(&store.inner.writer).await.unwrap();
        };
        limit("PRAGMA max_page_count = 1").await;
        let large = "x".repeat(100_000);
        let refused = store.revoke(RevocationKind::Keys, &large, UnixTime(0)).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert_eq!(store.last_revocation().await.unwrap(), 0);
        limit("PRAGMA max_page_count = 1000000").await;
        store.revoke(RevocationKind::Keys, &large, UnixTime(0)).await.unwrap();
    }
}
