//! How the process is asked to end: first gently, then at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A request to end, shared by everything that runs. Clones are the same request.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    begun: CancellationToken,
    now: CancellationToken,
}

impl Shutdown {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Follows SIGTERM and SIGINT: the first begins the drain, the second ends it. Spawns a task on
    /// the current runtime.
    ///
    /// # Errors
    /// When the signals cannot be registered with the system.
    pub fn on_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                shutdown.ask();
            }
        });
        Ok(())
    }

    /// Asks once more: the first time to drain, after that to end at once.
    pub fn ask(&self) {
        if self.begun.is_cancelled() {
            self.now.cancel();
        }
        self.begun.cancel();
    }

    /// Whether the drain has begun: the process is not ready any more.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Returns when the drain begins.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Returns when nobody wants to wait any longer.
    pub async fn at_once(&self) {
        self.now.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn r15_the_second_time_means_now() {
        let shutdown = Shutdown::new();
        assert!(!shutdown.has_begun());
        shutdown.ask();
        shutdown.begun().await;
        assert!(shutdown.has_begun() && !shutdown.now.is_cancelled());
        shutdown.ask();
        shutdown.at_once().await;
    }
}
