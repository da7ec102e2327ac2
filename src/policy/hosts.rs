//! Which route a host belongs to.
//!
//! Hosts come in canonical spelling; nothing here lower-cases or trims.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::route::Route;

/// Only the configuration puts keys in, so nobody can choose colliding ones, and the hash may be cheap.
type Table = HashMap<Arc<str>, Arc<Route>, FixedState>;

/// The table of hosts. Looked up by key only, never iterated.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    exact: Table,
    /// `example.com` for `*.example.com`.
    below: Table,
    any: Option<Arc<Route>>,
}

impl Hosts {
    /// Adds a host; false if it is there already.
    pub(super) fn add(&mut self, host: &str, route: &Arc<Route>) -> bool {
        let route = Arc::clone(route);
        if host == "*" {
            return self.any.replace(route).is_none();
        }
        match host.strip_prefix("*.") {
            Some(parent) => self.below.insert(parent.into(), route).is_none(),
            None => self.exact.insert(host.into(), route).is_none(),
        }
    }

    /// Exact, then the longest wildcard, then `*`.
    pub(super) fn route(&self, host: &str) -> Option<&Arc<Route>> {
        self.named(host).or(self.any.as_ref())
    }

    /// The route that names this host, itself or by a name above it: `*` names nobody.
    pub(super) fn named(&self, host: &str) -> Option<&Arc<Route>> {
        if let Some(route) = self.exact.get(host) {
            return Some(route);
        }
        let mut rest = host;
        while let Some((label, parent)) = rest.split_once('.') {
            match self.below.get(parent) {
                Some(route) if !label.is_empty() => return Some(route),
                _ => rest = parent,
            }
        }
        None
    }

    pub(super) fn name(&self, host: &str) -> Option<&Arc<str>> {
        self.exact.get_key_value(host).map(|(name, _)| name)
    }
}
