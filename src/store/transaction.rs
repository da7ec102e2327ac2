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
        let slot = Arc::clone(&self.inner.waiting)
            .try_acquire_owned()
            .map_err(|_| StoreError::Busy)?;
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move {
            let _slot = slot;
            within(async move {
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
    match tokio::time::timeout(DEADLINE, call).await {
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
