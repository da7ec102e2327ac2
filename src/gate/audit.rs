//! Decisions on their way to the audit log: durable before the answer leaves, many in one commit.
//!
//! Requests that are turned away come in bursts, and a commit per request would let strangers slow
//! the disk. One task takes whatever waits and writes it together; each caller hears when its own
//! record is safe. The queue is bounded: when it is full the caller fails, and answers "not now".

use tokio::sync::{mpsc, oneshot};

use crate::observe::metrics;
use crate::store::{AuditEvent, Store};

/// Records that may wait.
const QUEUE: usize = 4096;
/// Records in one commit at most.
const BATCH: usize = 256;

type Waiting = (AuditEvent, oneshot::Sender<bool>);

/// The way into the audit log. Cheap to clone.
#[derive(Clone)]
pub struct AuditQueue {
    sender: mpsc::Sender<Waiting>,
}

/// The record could not be made durable.
#[derive(Debug, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct NotRecorded;

impl AuditQueue {
    /// Starts the writing task on the current runtime; it ends with the last clone.
    #[must_use]
    pub fn start(store: Store) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(write(store, receiver));
        Self { sender }
    }

    /// Returns when the record is durable.
    ///
    /// # Errors
    /// When the queue is full or the store refuses.
    pub async fn record(&self, event: AuditEvent) -> Result<(), NotRecorded> {
        let (done, safe) = oneshot::channel();
        let queued = self.sender.try_send((event, done)).is_ok();
        if queued && safe.await == Ok(true) {
            return Ok(());
        }
        metrics().audit_lost.inc();
        Err(NotRecorded)
    }
}

async fn write(store: Store, mut receiver: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut batch, BATCH).await > 0 {
        let (events, callers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        let written = store.append_audits(events).await;
        if let Err(error) = &written {
            tracing::error!(%error, "the audit log cannot be written");
        }
        for caller in callers {
            // A caller that went away does not need to hear.
            let _ = caller.send(written.is_ok());
        }
    }
}
