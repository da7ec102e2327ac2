//! The second, looser layer of limits: per client network, in memory.
//!
//! The counters that protect people are durable and live in the challenge room; this one only
//! keeps a single network from keeping the process busy.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{Quota, RateLimiter};

use crate::observe::metrics;
use crate::observe::metrics::LimitLabels;

/// IPv4 /32, IPv6 /64.
type Network = u128;

/// Asked too often from one network; seconds to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    pub retry_after: u32,
}

/// One bucket per client network.
pub struct NetworkLimit {
    name: &'static str,
    limiter: RateLimiter<Network, governor::state::keyed::DashMapStateStore<Network>, DefaultClock>,
}

impl NetworkLimit {
    /// `per_minute` requests a minute, all of them at once if need be.
    #[must_use]
    pub fn new(name: &'static str, per_minute: u32) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        Self { name, limiter: RateLimiter::dashmap(quota) }
    }

    /// Counts one request.
    ///
    /// # Errors
    /// When the network has used up its share.
    pub fn admit(&self, address: IpAddr) -> Result<(), TooMany> {
        self.limiter.check_key(&network(address)).map_err(|until| {
            metrics().limited.get_or_create(&LimitLabels { limit: self.name }).inc();
            let wait = until.wait_time_from(DefaultClock::default().now());
            TooMany { retry_after: u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1) }
        })
    }

    /// Forgets networks that have been quiet long enough to have their whole share again.
    pub fn sweep(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

fn network(address: IpAddr) -> Network {
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        // A /64 is one household; its lower half says nothing. Distinct from every IPv4 key.
        IpAddr::V6(v6) => v6.to_bits() >> 64 << 64 | 1 << 32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_one_share() {
        let limit = NetworkLimit::new("test", 2);
        let ask = |address: &str| limit.admit(address.parse().unwrap());
        assert!(ask("192.0.2.1").is_ok() && ask("192.0.2.1").is_ok());
        let refused = ask("::ffff:192.0.2.1").unwrap_err();
        assert!((1..=60).contains(&refused.retry_after), "{refused:?}");
        assert!(ask("192.0.2.2").is_ok(), "another address has its own");
        assert!(ask("2001:db8::1").is_ok() && ask("2001:db8::ffff").is_ok());
        assert!(ask("2001:db8::2").is_err(), "one /64 is one network");
        assert!(ask("2001:db8:0:1::2").is_ok());
    }
}
