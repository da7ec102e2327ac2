//! How many connections each client address has: bounded, so that no one address takes all there are.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

/// Connections by client address, over all workers.
#[derive(Debug)]
pub(super) struct Census {
    most: usize,
    counts: DashMap<IpAddr, usize>,
}

/// A connection that is counted; dropping it takes it off.
#[derive(Debug)]
pub(super) struct Counted {
    census: Arc<Census>,
    address: IpAddr,
}

impl Census {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, counts: DashMap::new() })
    }

    /// Counts one more; `None` when that address has as many as it may.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Counted> {
        let address = bucket(address);
        let mut count = self.counts.entry(address).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Counted { census: Arc::clone(self), address })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.census.counts.entry(self.address) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// One client: an IPv4 address, or an IPv6 /64, which is what one subscriber has at least.
fn bucket(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_its_bound_and_others_have_theirs() {
        let census = Census::new(2);
        let admit = |address: &str| census.admit(address.parse().unwrap());
        let one = admit("203.0.113.9");
        let two = admit("::ffff:203.0.113.9");
        assert!(one.is_some() && two.is_some() && admit("203.0.113.9").is_none());
        assert!(admit("203.0.113.10").is_some());
        drop(one);
        assert!(admit("203.0.113.9").is_some());
        drop(two);
        let held = (admit("2001:db8::1"), admit("2001:db8::2"));
        assert!(held.1.is_some() && admit("2001:db8::3").is_none() && admit("2001:db8:0:1::3").is_some());
        drop(held);
        assert!(census.counts.is_empty(), "nobody is remembered who is not here");
    }
}
