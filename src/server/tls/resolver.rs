//! Which certificate is shown: by the name that the client asks for, before anything else is known.
//!
//! The table is swapped whole, so that a handshake sees the old certificates or the new ones.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::Request;
use http::header::HOST;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::certificate::Certificate;

use super::ACME_ALPN;
use super::certificates::Validations;

/// Where HTTP-01 asks (RFC 8555, 8.3).
const HTTP_01: &str = "/.well-known/acme-challenge/";

/// Certificates by name.
#[derive(Debug, Default)]
pub(super) struct Table {
    pairs: Vec<Arc<CertifiedKey>>,
    exact: HashMap<Box<str>, usize>,
    /// By what follows `*.`.
    wild: HashMap<Box<str>, usize>,
}

impl Table {
    /// Where two have the same name, the first counts.
    pub(super) fn new(certificates: &[&Arc<Certificate>]) -> Self {
        let mut table = Self::default();
        for (index, certificate) in certificates.iter().enumerate() {
            for name in &certificate.names {
                match name.strip_prefix("*.") {
                    Some(parent) => table.wild.entry(parent.into()).or_insert(index),
                    None => table.exact.entry(name.as_str().into()).or_insert(index),
                };
            }
            table.pairs.push(Arc::clone(&certificate.pair));
        }
        table
    }

    /// An exact name, then a wildcard, else the first. `host` is lower case.
    fn choose(&self, host: &str) -> usize {
        let wild = || self.wild.get(host.split_once('.')?.1);
        self.exact.get(host).or_else(wild).copied().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(super) struct Resolver {
    table: ArcSwap<Table>,
    validations: ArcSwap<Validations>,
}

impl Resolver {
    pub(super) fn answer(&self, validations: Validations) {
        self.validations.store(Arc::new(validations));
    }

    pub(super) fn http_answer(&self, path: &str) -> Option<String> {
        let asked = path.strip_prefix(HTTP_01)?;
        let validations = self.validations.load();
        let found = validations.by_http.iter().find(|(_, token, _)| token == asked);
        found.map(|(_, _, answer)| answer.clone())
    }

    pub(super) fn replace(&self, table: Table) {
        self.table.store(Arc::new(table));
    }

    /// What a connection for `name` was shown; `None` where there is only one certificate to show.
    pub(super) fn shown(&self, name: &str) -> Option<Shown> {
        let table = self.table.load_full();
        (table.pairs.len() > 1).then(|| Shown { name: name.into(), index: table.choose(name), table })
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        if hello
            .alpn()
            .is_some_and(|mut protocols| protocols.any(|protocol| protocol == ACME_ALPN))
        {
            return self.validations.load().by_tls.get(name?).cloned();
        }
        let table = self.table.load();
        let index = name.map(|name| table.choose(name)).unwrap_or_default();
        table.pairs.get(index).cloned()
    }
}

/// Which certificate a connection was shown.
#[derive(Debug, Clone)]
pub(in crate::server) struct Shown {
    name: Box<str>,
    index: usize,
    table: Arc<Table>,
}

impl Shown {
    /// Whether this is the certificate that the host of a request would have been shown. A browser
    /// may use one connection for several hosts of one certificate, never for those of another.
    pub(in crate::server) fn fits<B>(&self, request: &Request<B>) -> bool {
        let header = || request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let host = request.uri().authority().map(http::uri::Authority::as_str).or_else(header);
        // Without a host there is nothing to compare, and the gate refuses it.
        let Some(host) = host else { return true };
        let host = without_port(host);
        if host.eq_ignore_ascii_case(&self.name) {
            return true;
        }
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        self.table.choose(&host) == self.index
    }
}

fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.split_inclusive(']').next().unwrap_or(host);
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}
