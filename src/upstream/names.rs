//! Names of upstreams to socket addresses: remembered for a while, looked up one at a time.
//!
//! What is remembered belongs to one name; another name is never a substitute (security.md R29).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::error::{Fault, UpstreamError};

/// How long an answer is used. The system's resolver does not tell us its own limit.
const FRESH: Duration = Duration::from_secs(30);
/// How long no answer is taken for an answer: many requests must not become many questions.
const FAILED: Duration = Duration::from_millis(500);
/// How long one question may take: where something is known already, and where nothing is.
const ASKED_AGAIN: Duration = Duration::from_secs(2);
const NOTHING_KNOWN: Duration = Duration::from_secs(10);

/// One name and what it stands for.
pub(super) struct Name {
    host: Box<str>,
    port: u16,
    known: Mutex<Known>,
    /// One question at a time: the others wait for its answer.
    asking: tokio::sync::Mutex<()>,
    turn: AtomicUsize,
}

#[derive(Default)]
struct Known {
    addresses: Arc<[SocketAddr]>,
    until: Option<Instant>,
}

impl Name {
    pub(super) fn new(host: &str, port: u16) -> Self {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        Self {
            host: bare.into(),
            port,
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Its addresses, in the order to try them: each connection begins with another one.
    pub(super) async fn addresses(&self) -> Result<Vec<SocketAddr>, UpstreamError> {
        let known = self.known().await;
        if known.is_empty() {
            return Err(UpstreamError::unsent(Fault::Unresolved));
        }
        Ok(in_turn(&known, self.turn.fetch_add(1, Ordering::Relaxed)))
    }

    async fn known(&self) -> Arc<[SocketAddr]> {
        if let Some(known) = self.fresh() {
            return known;
        }
        let _turn = self.asking.lock().await;
        match self.fresh() {
            Some(known) => known,
            None => self.ask().await,
        }
    }

    /// Looks it up again next time, because what is known led nowhere.
    pub(super) fn doubt(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let soon = Instant::now() + FAILED;
        known.until = known.until.map(|until| until.min(soon));
    }

    fn fresh(&self) -> Option<Arc<[SocketAddr]>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .until
            .is_some_and(|until| Instant::now() < until)
            .then(|| Arc::clone(&known.addresses))
    }

    /// How long to wait for the system. Where something is known already, everybody else goes on with it
    /// meanwhile, also if whoever asks gives up.
    fn patience(&self) -> Duration {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.addresses.is_empty() {
            return NOTHING_KNOWN;
        }
        known.until = Some(Instant::now() + ASKED_AGAIN);
        ASKED_AGAIN
    }

    /// Asks the system. Where it does not know, what it said last stays good.
    async fn ask(&self) -> Arc<[SocketAddr]> {
        let asked = timeout(self.patience(), tokio::net::lookup_host((&*self.host, self.port)));
        let found: Option<Arc<[SocketAddr]>> = asked.await.ok().and_then(Result::ok).map(Iterator::collect);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let valid = match found.filter(|found| !found.is_empty()) {
            Some(found) => {
                known.addresses = found;
                FRESH
            }
            None => FAILED,
        };
        known.until = Some(Instant::now() + valid);
        Arc::clone(&known.addresses)
    }
}

/// Addresses of the system's preferred family first, beginning with another one each `turn`; those
/// of the other family between them, so that a family that leads nowhere costs one attempt.
fn in_turn(known: &[SocketAddr], turn: usize) -> Vec<SocketAddr> {
    let six = known.first().is_some_and(SocketAddr::is_ipv6);
    let (mut usual, other): (Vec<_>, Vec<_>) = known.iter().partition(|address| address.is_ipv6() == six);
    let by = turn.checked_rem(usual.len()).unwrap_or(0);
    usual.rotate_left(by);
    let mut other = other.into_iter();
    let mut order = Vec::with_capacity(known.len());
    for address in usual {
        order.push(address);
        order.extend(other.next());
    }
    order.extend(other);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn each_connection_begins_with_another_address_of_the_usual_family() {
        let known = addresses(&["1.1.1.1:1", "2.2.2.2:1", "[::1]:1"]);
        assert_eq!(in_turn(&known, 0), addresses(&["1.1.1.1:1", "[::1]:1", "2.2.2.2:1"]));
        assert_eq!(in_turn(&known, 1), addresses(&["2.2.2.2:1", "[::1]:1", "1.1.1.1:1"]));
        assert_eq!(in_turn(&known, 2), in_turn(&known, 0));
        assert!(in_turn(&[], 7).is_empty());
    }

    #[tokio::test]
    async fn r29_a_name_is_looked_up_again_and_never_replaced_by_another() {
        let name = Name::new("localhost", 7);
        assert!(!name.addresses().await.unwrap().is_empty());
        assert!(name.fresh().is_some());
        name.known.lock().unwrap().until = Some(Instant::now());
        assert!(name.fresh().is_none() && !name.addresses().await.unwrap().is_empty());
        let nobody = Name::new("nobody.invalid", 7);
        assert_eq!(nobody.addresses().await.unwrap_err().fault, Fault::Unresolved);
        assert!(nobody.fresh().is_some(), "no answer counts for a moment too");
    }
}
