//! Tries every service that a configuration names, without sending or proving anything.
//!
//! For `stepgate check --connect`. What is not reached from here today may be reached by the server
//! tomorrow: the answer is no part of what makes a configuration good.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::calls::Https;
use crate::config::Settings;
use crate::config::settings::{IdentityKind, JwtKey};
use crate::delivery::Delivery;
use crate::factors;
use crate::identity::oidc::Oidc;
use crate::identity::password_sources;

/// One service of a factor.
const PATIENCE: Duration = Duration::from_secs(15);

/// One service, and what is wrong with it.
pub(super) struct Probed {
    /// `sender mail`, `factor duo`.
    service: String,
    outcome: Result<(), String>,
}

impl Probed {
    pub(super) const fn is_reached(&self) -> bool {
        self.outcome.is_ok()
    }

    pub(super) fn line(&self) -> String {
        match &self.outcome {
            Ok(()) => format!("{}: reached", self.service),
            Err(why) => format!("{}: NOT reached: {why}", self.service),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "service": self.service,
            "reached": self.is_reached(),
            "says": self.outcome.as_ref().err(),
        })
    }
}

/// Every source that judges passwords: its servers, and the account that looks for people.
async fn directories(settings: &Settings) -> Vec<Probed> {
    let sources = match password_sources(&settings.identity) {
        Ok(sources) => sources,
        Err(error) => {
            return vec![Probed { service: format!("identity {}", error.name), outcome: Err(error.why) }];
        }
    };
    let mut found = Vec::new();
    for source in sources {
        let probed = timeout(PATIENCE, source.probe()).await;
        let late = || Err(format!("no answer within {PATIENCE:?}"));
        let outcome = probed.map_or_else(|_| late(), |probed| probed.map_err(|error| error.why));
        found.push(Probed { service: format!("identity {}", source.name()), outcome });
    }
    found
}

/// Every sender, every source of passwords, every factor that a service judges and every OpenID provider,
/// each once; senders all at the same time.
pub(super) async fn probe(settings: &Settings) -> Vec<Probed> {
    let mut found = match Delivery::new(settings) {
        Ok(delivery) => delivery
            .probe_all()
            .await
            .into_iter()
            .map(|(name, outcome)| Probed { service: format!("sender {name}"), outcome })
            .collect(),
        Err(error) => vec![Probed { service: format!("sender {}", error.name), outcome: Err(error.why) }],
    };
    found.extend(directories(settings).await);
    match factors::all(settings) {
        Ok(factors) => {
            for factor in factors.iter().filter(|factor| factor.is_remote()) {
                let service = format!("factor {}", factor.kind().name());
                let probed = timeout(PATIENCE, factor.probe()).await;
                let outcome = probed.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
                found.push(Probed { service, outcome });
            }
        }
        Err(error) => {
            let service = format!("factor {}", error.factor.name());
            found.push(Probed { service, outcome: Err(error.why) });
        }
    }
    found.extend(providers(settings).await);
    found.extend(issuers(settings).await);
    found
}

/// Whether OpenID providers describe themselves as they are configured.
async fn providers(settings: &Settings) -> Vec<Probed> {
    let mut found = Vec::new();
    for source in &settings.identity {
        let IdentityKind::Oidc(oidc) = &source.kind else {
            continue;
        };
        let outcome = match Oidc::new(&source.name, oidc) {
            Ok(provider) => provider.probe().await,
            Err(error) => Err(error.why),
        };
        found.push(Probed { service: format!("identity {}", source.name), outcome });
    }
    found
}

/// Whether those who are asked about tokens can be reached.
async fn issuers(settings: &Settings) -> Vec<Probed> {
    let mut found = Vec::new();
    for source in &settings.identity {
        if let Some((url, authority)) = asked_of(&source.kind) {
            let outcome = reach(url, authority).await;
            found.push(Probed { service: format!("identity {}", source.name), outcome });
        }
    }
    found
}

/// Whom an identity source asks over HTTPS, and the authorities that it is believed by.
fn asked_of(kind: &IdentityKind) -> Option<(&str, Option<&str>)> {
    match kind {
        IdentityKind::Jwt(jwt) => match &jwt.key {
            JwtKey::Jwks(url) => Some((url.as_str(), jwt.authority.as_deref())),
            JwtKey::Secret(_) | JwtKey::Public(_) => None,
        },
        IdentityKind::Introspection(asked) => Some((asked.endpoint.as_str(), asked.authority.as_deref())),
        _ => None,
    }
}

async fn reach(url: &str, authority: Option<&str>) -> Result<(), String> {
    let https = Https::new(authority).map_err(|error| error.to_string())?;
    https.probe(url, PATIENCE).await
}
