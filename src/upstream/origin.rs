//! An upstream as it is compiled: addresses, TLS and protocol, ready to be dialled.
//!
//! Made when a configuration is loaded and shared by all workers; their connections to it are their
//! own. An upstream that a reload leaves as it is stays the same one, with its connections.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls_pki_types::ServerName;

use crate::config::settings::{Address, Endpoint, Protocol, Upstream};

use super::names::Name;
use super::tls::{self, SystemRoots, Tls, TlsError};

/// Why an upstream cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("upstream {upstream}: {why}")]
pub struct OriginError {
    upstream: String,
    why: TlsError,
}

/// One upstream with all its addresses.
pub(super) struct Origin {
    /// Never used for another one.
    pub(super) id: u64,
    /// At least one.
    pub(super) targets: Box<[Arc<Target>]>,
    settings: Arc<Upstream>,
}

/// One address of it.
pub(super) struct Target {
    /// For the log.
    pub(super) name: String,
    pub(super) reach: Reach,
    pub(super) protocol: Protocol,
    pub(super) tls: Option<(Tls, ServerName<'static>)>,
}

/// What is connected to.
pub(super) enum Reach {
    Tcp(Name),
    Unix(PathBuf),
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Origin").field(&self.settings.audience()).finish()
    }
}

impl Target {
    /// Whether it speaks HTTP/2, or may.
    pub(super) const fn may_multiplex(&self) -> bool {
        match self.protocol {
            Protocol::Auto => self.tls.is_some(),
            Protocol::Http1 => false,
            Protocol::Http2 => true,
        }
    }
}

impl Origin {
    /// Whether it speaks HTTP/2, or may.
    pub(super) fn may_multiplex(&self) -> bool {
        self.targets.iter().any(|target| target.may_multiplex())
    }

    fn new(settings: &Arc<Upstream>, system: &mut SystemRoots) -> Result<Self, TlsError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let tls = settings
            .tls
            .as_ref()
            .map(|tls| Tls::new(tls, settings.protocol, system))
            .transpose()?;
        let target = |address: &Address| {
            let tls = match (&address.endpoint, &settings.tls, &tls) {
                (Endpoint::Tcp { host, .. }, Some(settings), Some(tls)) => {
                    Some((tls.clone(), tls::server_name(settings, host)?))
                }
                _ => None,
            };
            Ok(Arc::new(Target {
                name: address.to_string(),
                reach: match &address.endpoint {
                    Endpoint::Tcp { host, port } => Reach::Tcp(Name::new(host, *port)),
                    Endpoint::Unix(path) => Reach::Unix(path.clone()),
                },
                protocol: settings.protocol,
                tls,
            }))
        };
        let targets = settings.addresses.iter().map(target).collect::<Result<_, TlsError>>()?;
        Ok(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            targets,
            settings: Arc::clone(settings),
        })
    }
}

/// The upstreams of a configuration. Routes with equal settings share one.
#[derive(Debug, Default)]
pub(super) struct Origins(HashMap<String, Vec<Arc<Origin>>>);

impl Origins {
    /// The upstream with these settings: one that is here, else one of `before`, else a new one.
    pub(super) fn get(
        &mut self,
        settings: &Arc<Upstream>,
        before: Option<&Self>,
        system: &mut SystemRoots,
    ) -> Result<Arc<Origin>, OriginError> {
        let audience = settings.audience();
        let find = |origins: &Self| {
            let same = |origin: &&Arc<Origin>| origin.settings == *settings;
            origins.0.get(&audience).and_then(|list| list.iter().find(same).cloned())
        };
        if let Some(origin) = find(self) {
            return Ok(origin);
        }
        let origin = match before.and_then(find) {
            Some(origin) => origin,
            None => Arc::new(
                Origin::new(settings, system)
                    .map_err(|why| OriginError { upstream: audience.clone(), why })?,
            ),
        };
        self.0.entry(audience).or_default().push(Arc::clone(&origin));
        Ok(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_settings_share_an_upstream_also_over_a_reload() {
        let mut system = SystemRoots::default();
        let (app, other) = (Arc::new(Upstream::plain("app", 80)), Arc::new(Upstream::plain("app", 81)));
        let mut first = Origins::default();
        let a = first.get(&app, None, &mut system).unwrap();
        assert_eq!(first.get(&Arc::new(Upstream::plain("app", 80)), None, &mut system).unwrap().id, a.id);
        assert_ne!(first.get(&other, None, &mut system).unwrap().id, a.id);
        let mut second = Origins::default();
        assert_eq!(second.get(&app, Some(&first), &mut system).unwrap().id, a.id);
        let changed = Arc::new(Upstream { protocol: Protocol::Http2, ..Upstream::plain("app", 80) });
        assert_ne!(second.get(&changed, Some(&first), &mut system).unwrap().id, a.id);
    }
}
