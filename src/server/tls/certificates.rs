//! The certificates in use: from files, obtained by ACME, and what stands in until they are.
//!
//! Every change puts a whole new table in use; what cannot be read changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::sign::CertifiedKey;

use crate::config::certificate::{self, Certificate, CertificateError};
use crate::config::settings::Tls as Settings;
use crate::observe::metrics;

use super::resolver::{Resolver, Shown, Table};

/// The certificates in use. Clones are the same.
#[derive(Clone)]
pub struct Certificates {
    resolver: Arc<Resolver>,
    parts: Arc<Mutex<Parts>>,
}

#[derive(Default)]
struct Parts {
    files: Vec<Arc<Certificate>>,
    /// By host.
    managed: BTreeMap<String, Arc<Certificate>>,
    stand_in: Option<Arc<Certificate>>,
    validations: Validations,
}

/// Answers to validations that are going on.
#[derive(Debug, Default, Clone)]
pub(super) struct Validations {
    /// TLS-ALPN-01: what is shown, by host.
    pub by_tls: HashMap<String, Arc<CertifiedKey>>,
    /// HTTP-01: host, token and what is answered.
    pub by_http: Vec<(String, String, String)>,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// When a pair cannot be used.
    pub(super) fn read(settings: &Settings) -> Result<Self, CertificateError> {
        let all = Self { resolver: Arc::new(Resolver::default()), parts: Arc::default() };
        all.reload(settings)?;
        Ok(all)
    }

    pub(super) fn resolver(&self) -> Arc<Resolver> {
        Arc::clone(&self.resolver)
    }

    pub(super) fn shown(&self, name: &str) -> Option<Shown> {
        self.resolver.shown(name)
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the files again and puts them in use, all or none.
    ///
    /// # Errors
    /// When a pair cannot be used: then everything stays as it was.
    pub(in crate::server) fn reload(&self, settings: &Settings) -> Result<(), CertificateError> {
        let read = settings
            .certificates
            .iter()
            .map(certificate::read)
            .collect::<Result<Vec<_>, _>>();
        metrics().certificates_successful.set(i64::from(read.is_ok()));
        self.parts().files = read?.into_iter().map(Arc::new).collect();
        self.use_all();
        Ok(())
    }

    /// Whether a certificate from a file is for this host.
    pub(in crate::server) fn has_file_for(&self, host: &str) -> bool {
        self.parts().files.iter().any(|certificate| certificate.covers(host))
    }

    /// What was obtained for a host.
    pub(in crate::server) fn managed(&self, host: &str) -> Option<Arc<Certificate>> {
        self.parts().managed.get(host).cloned()
    }

    /// Puts what was obtained for a host in use.
    pub(in crate::server) fn manage(&self, host: &str, certificate: Certificate) {
        self.parts().managed.insert(host.to_owned(), Arc::new(certificate));
        self.use_all();
    }

    /// Shows this where there is nothing better.
    pub(in crate::server) fn stand_in(&self, certificate: Certificate) {
        self.parts().stand_in = Some(Arc::new(certificate));
        self.use_all();
    }

    /// Answers a validation by TLS-ALPN-01.
    pub(in crate::server) fn validate_by_tls(&self, host: &str, pair: Arc<CertifiedKey>) {
        self.change_validations(|all| drop(all.by_tls.insert(host.to_owned(), pair)));
    }

    /// Answers a validation by HTTP-01.
    pub(in crate::server) fn validate_by_http(&self, host: &str, token: &str, answer: &str) {
        let answer = (host.to_owned(), token.to_owned(), answer.to_owned());
        self.change_validations(|all| all.by_http.push(answer));
    }

    /// Answers no more validations for a host.
    pub(in crate::server) fn forget_validations(&self, host: &str) {
        self.change_validations(|all| {
            all.by_tls.remove(host);
            all.by_http.retain(|(of, _, _)| of != host);
        });
    }

    /// The answer to HTTP-01, if one is asked for with this path.
    pub(in crate::server) fn validation(&self, path: &str) -> Option<String> {
        self.resolver.http_answer(path)
    }

    fn change_validations(&self, change: impl FnOnce(&mut Validations)) {
        let mut parts = self.parts();
        change(&mut parts.validations);
        self.resolver.answer(parts.validations.clone());
    }

    fn use_all(&self) {
        let parts = self.parts();
        let all: Vec<_> = parts
            .files
            .iter()
            .chain(parts.managed.values())
            .chain(&parts.stand_in)
            .collect();
        self.resolver.replace(Table::new(&all));
        metrics().certificate_expiry.clear();
        for certificate in all {
            let name = certificate.names.first().map_or("", String::as_str);
            metrics().certificate(name, certificate.not_after.0);
        }
    }
}
