//! Certificates by ACME (RFC 8555): obtained for each host, kept in the state directory, renewed in
//! time.
//!
//! Runs beside the requests and holds nothing up. Whatever goes wrong, the certificate that is in use
//! stays in use; keys never leave the state directory.

mod order;
mod place;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::ambient::{Clock, UnixTime};
use crate::config::Settings;
use crate::config::certificate::Certificate;
use crate::config::settings::Acme as AcmeSettings;
use crate::observe::metrics;

use super::tls::Certificates;
use super::whole::Live;
use order::Orders;
use place::Place;

/// Longest that one certificate may take to be obtained.
const LONGEST: Duration = Duration::from_secs(300);
/// After a failure; doubled each time, because directories count failures too.
const FIRST_PAUSE: i64 = 120;
const LONGEST_PAUSE: i64 = 12 * 3600;
/// How often to look whether something is due.
const LOOK: Duration = Duration::from_secs(30);

/// Why a certificate was not obtained.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    #[error("the directory: {0}")]
    Directory(#[from] instant_acme::Error),
    #[error(
        "the directory offers no way to prove this host that works here (TLS-ALPN-01, or HTTP-01 with a listener without TLS)"
    )]
    NoChallenge,
    #[error("the order is {0}")]
    Order(String),
    #[error("what was obtained cannot be served with: {0}")]
    Unfit(String),
    #[error("{path}: {why}")]
    File { path: String, why: String },
    #[error("it took longer than {} s", LONGEST.as_secs())]
    Slow,
}

/// The task that obtains and renews.
pub(super) struct Acme {
    orders: Orders,
    place: Place,
    certificates: Certificates,
    live: Live,
    clock: Clock,
    /// Failures in a row, and when to try again, by host.
    pauses: HashMap<String, (u32, UnixTime)>,
}

impl Acme {
    /// Takes what an earlier run has obtained into use, and a placeholder for the rest.
    pub(super) fn new(settings: &AcmeSettings, certificates: Certificates, live: Live, clock: Clock) -> Self {
        let all = live.settings();
        let place = Place::new(&all.storage.state_directory);
        let plain = all.server.listen.iter().any(|listen| !listen.tls);
        let encrypted = all.server.listen.iter().any(|listen| listen.tls);
        let acme = Self {
            orders: Orders::new(settings, certificates.clone(), encrypted, plain),
            place,
            certificates,
            live,
            clock,
            pauses: HashMap::new(),
        };
        acme.begin(&all);
        acme
    }

    fn begin(&self, settings: &Settings) {
        let mut without = Vec::new();
        for host in self.hosts(settings) {
            match self.place.read(&host) {
                Some(certificate) => self.certificates.manage(&host, certificate),
                None => without.push(host),
            }
        }
        if without.is_empty() {
            return;
        }
        match order::placeholder(&without) {
            Ok(placeholder) => self.certificates.stand_in(placeholder),
            Err(error) => tracing::error!(%error, "no placeholder certificate could be made"),
        }
        tracing::warn!(
            hosts = without.join(", "),
            "no certificate has been obtained for these hosts yet; until then a self-signed one is shown, which browsers refuse"
        );
    }

    /// Every host that is to have a certificate and has none from a file.
    fn hosts(&self, settings: &Settings) -> Vec<String> {
        let mut hosts = settings.acme_hosts();
        hosts.retain(|host| !self.certificates.has_file_for(host));
        hosts
    }

    /// Runs until the process ends.
    pub(super) async fn run(mut self) {
        loop {
            let settings = self.live.settings();
            for host in self.hosts(&settings) {
                self.look_after(&host).await;
            }
            sleep(LOOK).await;
        }
    }

    async fn look_after(&mut self, host: &str) {
        let now = self.clock.now();
        let due = self.certificates.managed(host).is_none_or(|held| renewal(&held) <= now);
        let paused = self.pauses.get(host).is_some_and(|(_, until)| *until > now);
        if !due || paused {
            return;
        }
        let tries = self.pauses.get(host).map_or(0, |(failures, _)| *failures);
        let obtained = timeout(LONGEST, self.orders.obtain(host, tries, &self.place)).await;
        self.certificates.forget_validations(host);
        match obtained.unwrap_or(Err(AcmeError::Slow)) {
            Ok(certificate) => {
                metrics().acme("obtained");
                tracing::info!(host, not_after = certificate.not_after.0, "a certificate has been obtained");
                self.pauses.remove(host);
                self.certificates.manage(host, certificate);
            }
            Err(error) => self.on_failure(host, &error),
        }
    }

    fn on_failure(&mut self, host: &str, error: &AcmeError) {
        metrics().acme("failed");
        let failures = self.pauses.get(host).map_or(0, |(failures, _)| *failures);
        let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(12)).min(LONGEST_PAUSE);
        self.pauses
            .insert(host.to_owned(), (failures.saturating_add(1), self.clock.now().plus(pause)));
        tracing::error!(host, %error, again_in_seconds = pause, "no certificate was obtained; what is in use stays");
    }
}

/// When two thirds of its life are over.
fn renewal(certificate: &Arc<Certificate>) -> UnixTime {
    let life = certificate.not_after.since(certificate.not_before);
    certificate.not_before.plus(life / 3 * 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewed_after_two_thirds_of_its_life() {
        let mut certificate = order::placeholder(&["a.example".to_owned()]).unwrap();
        certificate.not_before = UnixTime(1_000);
        certificate.not_after = UnixTime(1_000 + 90 * 86_400);
        assert_eq!(renewal(&Arc::new(certificate)), UnixTime(1_000 + 60 * 86_400));
    }
}
