//! Who may speak for others: the peers in `trusted_proxies`, as of the newest configuration.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use tokio::time::{Duration, Instant};

/// Shared by all workers and whoever reloads.
#[derive(Debug, Clone)]
pub struct Trust(Arc<ArcSwap<Vec<IpNet>>>);

impl Trust {
    pub(super) fn new(networks: &[IpNet]) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(networks.to_vec())))
    }

    /// Puts other networks in force, for connections that begin from now on.
    pub(super) fn replace(&self, networks: &[IpNet]) {
        self.0.store(Arc::new(networks.to_vec()));
    }

    pub(super) fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.load().iter().any(|network| network.contains(&address))
    }
}

/// Lets something happen at most once a minute: what strangers can cause must not fill the log.
#[derive(Debug, Default)]
pub(super) struct Seldom(std::sync::Mutex<Option<Instant>>);

impl Seldom {
    const APART: Duration = Duration::from_secs(60);

    /// Whether it is time again.
    pub(super) fn now(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= Self::APART);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_are_themselves_and_unix_peers_are_nobody_else() {
        let trust = Trust::new(&["10.0.0.0/8".parse().unwrap()]);
        assert!(trust.holds("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!trust.holds("::".parse().unwrap()) && !trust.holds("0.0.0.0".parse().unwrap()));
        trust.replace(&["::/128".parse().unwrap()]);
        assert!(trust.holds("::".parse().unwrap()) && !trust.holds("10.1.2.3".parse().unwrap()));
    }

    #[tokio::test(start_paused = true)]
    async fn once_a_minute() {
        let seldom = Seldom::default();
        assert!(seldom.now() && !seldom.now());
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(seldom.now());
    }
}
