//! Tries every service that a configuration names, without sending or proving anything.
//!
//! For `stepgate check --connect`. What is not reached from here today may be reached by the server
//! tomorrow: the answer is no part of what makes a configuration good. Each service is made and tried by
//! itself and all of them at the same time, so that one that is broken or slow hides no other.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::calls::{Https, Trouble, Unwell};
use crate::config::settings::{AppWay, IdentityKind, IdentitySource, JwtKey, ProbeUrl, Question, Senders};
use crate::config::{FactorKind, FactorSet, Settings};
use crate::delivery::Delivery;
use crate::factors;
use crate::identity::oidc::Oidc;
use crate::identity::{introspection, jwt, password_sources};

/// One service.
const PATIENCE: Duration = Duration::from_secs(15);

/// One service, and what is wrong with it.
pub(super) struct Probed {
    /// `sender mail`, `factor duo`.
    service: String,
    /// Where the configuration has it: `senders.mail`.
    key: String,
    outcome: Result<(), Unwell>,
}

impl Probed {
    pub(super) const fn is_reached(&self) -> bool {
        self.outcome.is_ok()
    }

    pub(super) fn line(&self) -> String {
        let Err(Unwell { trouble, says }) = &self.outcome else {
            return format!("{}: reached", self.service);
        };
        let verdict = match trouble {
            Trouble::Unreachable => "NOT reached",
            Trouble::Untrusted => "NOT believed",
            Trouble::NotAdmitted => "reached, but it does NOT let us in",
            Trouble::Odd => "reached, but NOT as it should be",
        };
        format!("{}: {verdict}: {}\n  = look at: {}", self.service, one_line(says), self.advice(*trouble))
    }

    fn advice(&self, trouble: Trouble) -> String {
        let key = &self.key;
        match trouble {
            Trouble::Unreachable => format!(
                "address and port in `{key}`, whether it runs, and whether this machine may reach it (name, route, firewall)"
            ),
            Trouble::Untrusted => format!(
                "the certificate: it must be for the name that `{key}` has, not run out, and signed by an authority that this machine (or `authority` there) believes"
            ),
            Trouble::NotAdmitted => format!("names, ids and secrets in `{key}`"),
            Trouble::Odd => {
                format!("whether `{key}` names the right service, and what that says in its own log")
            }
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let unwell = self.outcome.as_ref().err();
        json!({
            "service": self.service,
            "key": self.key,
            "reached": self.is_reached(),
            "trouble": unwell.map(|unwell| unwell.trouble.name()),
            "says": unwell.map(|unwell| &unwell.says),
        })
    }
}

/// A service's own words stay on their line; what the verdict says already is not said twice.
fn one_line(says: &str) -> String {
    let line = says.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = line.as_str();
    while let Some(more) = ["not reached: ", "not believed: "]
        .iter()
        .find_map(|said| rest.strip_prefix(said))
    {
        rest = more;
    }
    rest.to_owned()
}

/// Probes that run, in the order in which they are told.
#[derive(Default)]
struct Probes {
    running: JoinSet<(usize, Probed)>,
    begun: usize,
}

impl Probes {
    fn begin<F>(&mut self, service: String, key: String, patience: Duration, probe: F)
    where
        F: Future<Output = Result<(), Unwell>> + Send + 'static,
    {
        let at = self.begun;
        self.begun += 1;
        self.running.spawn(async move {
            let late = || Err(Unwell::new(Trouble::Unreachable, format!("no answer within {patience:?}")));
            let outcome = timeout(patience, probe).await.unwrap_or_else(|_| late());
            (at, Probed { service, key, outcome })
        });
    }

    async fn all(self) -> Vec<Probed> {
        let mut found = self.running.join_all().await;
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, probed)| probed).collect()
    }
}

/// Something of ours that cannot even be made.
fn unfit(error: &impl std::fmt::Display) -> Unwell {
    Unwell::new(Trouble::Odd, error.to_string())
}

/// Every sender, every factor that a service judges, every identity source that asks somebody, and where
/// certificates come from; each once.
pub(super) async fn probe(settings: &Arc<Settings>) -> Vec<Probed> {
    let mut probes = Probes::default();
    senders(settings, &mut probes);
    for kind in settings.factors.enabled.iter() {
        factor(settings, kind, &mut probes);
    }
    for (at, source) in settings.identity.iter().enumerate() {
        identity(source, format!("identity[{at}]"), &mut probes);
    }
    certificates(settings, &mut probes);
    probes.all().await
}

fn senders(settings: &Arc<Settings>, probes: &mut Probes) {
    for sender in &settings.senders.list {
        let only = Senders { list: vec![sender.clone()], routes: settings.senders.routes.clone() };
        let alone = Settings { senders: only, ..Settings::clone(settings) };
        let name = &sender.name;
        // It keeps to the sender's own `timeout`, and tells where it got stuck.
        let patience = sender.timeout.saturating_add(PATIENCE);
        probes.begin(format!("sender {name}"), format!("senders.{name}"), patience, async move {
            let delivery = Delivery::new(&alone).map_err(|error| unfit(&error.why))?;
            delivery.probe_all().await.into_iter().try_for_each(|(_, outcome)| outcome)
        });
    }
}

fn factor(settings: &Arc<Settings>, kind: FactorKind, probes: &mut Probes) {
    let mut alone = Settings::clone(settings);
    alone.factors.enabled = FactorSet::EMPTY.with(kind);
    // Without the others' settings, which may be what is broken.
    if kind != FactorKind::Duo {
        alone.factors.duo = None;
    }
    let made = factors::all(&alone);
    if let Ok(factors) = &made
        && !factors.iter().any(factors::Factor::is_remote)
    {
        return;
    }
    let (service, key) = (format!("factor {}", kind.name()), format!("factors.{}", kind.section()));
    probes.begin(service, key, PATIENCE, async move {
        let factors = made.map_err(|error| unfit(&error.why))?;
        match factors.get(kind) {
            Some(factor) => factor.probe().await,
            None => Ok(()),
        }
    });
}

fn identity(source: &IdentitySource, key: String, probes: &mut Probes) {
    let service = format!("identity {}", source.name);
    let source = source.clone();
    match source.kind {
        IdentityKind::Local | IdentityKind::TrustedHeader(_) | IdentityKind::ClientCertificate(_) => {}
        IdentityKind::Oidc(oidc) => probes.begin(service, key, PATIENCE, async move {
            let provider = Oidc::new(&source.name, &oidc).map_err(|error| unfit(&error.why))?;
            provider.probe().await
        }),
        IdentityKind::Ldap(_) => probes.begin(service, key, PATIENCE, async move {
            for directory in password_sources(&[source]).map_err(|error| unfit(&error.why))? {
                directory.probe().await?;
            }
            Ok(())
        }),
        IdentityKind::Jwt(jwt) => {
            if let JwtKey::Jwks(url) = jwt.key.clone() {
                probes.begin(service, key, PATIENCE, async move { jwt::probe(&jwt, &url).await });
            }
        }
        IdentityKind::Introspection(asked) => {
            probes.begin(service, key, PATIENCE, async move { introspection::probe(&asked).await });
        }
        IdentityKind::AppSession(app) => {
            if let Some((url, authority)) = asked_app(&app.way) {
                probes.begin(service, key, PATIENCE, async move { reach(&url, authority.as_deref()).await });
            }
        }
    }
}

/// The app that is asked who somebody is, where it is not the route's own upstream.
fn asked_app(way: &AppWay) -> Option<(String, Option<String>)> {
    let question: &Question = match way {
        AppWay::Probe(probe) => &probe.question,
        AppWay::Basic(basic) => &basic.question,
        AppWay::Watch(_) | AppWay::Signed(_) => return None,
    };
    match &question.url {
        ProbeUrl::Absolute(url) => Some((url.clone(), question.authority.clone())),
        ProbeUrl::Path(_) => None,
    }
}

fn certificates(settings: &Arc<Settings>, probes: &mut Probes) {
    let Some(acme) = settings.server.tls.as_ref().and_then(|tls| tls.acme.clone()) else {
        return;
    };
    probes.begin("acme".to_owned(), "server.tls.acme".to_owned(), PATIENCE, async move {
        let read = |file: &std::path::PathBuf| {
            std::fs::read_to_string(file).map_err(|error| unfit(&format!("{}: {error}", file.display())))
        };
        let authority = acme.authority.as_ref().map(read).transpose()?;
        reach(&acme.directory, authority.as_deref()).await
    });
}

/// Whether anybody answers there whom we believe.
async fn reach(url: &str, authority: Option<&str>) -> Result<(), Unwell> {
    let https = Https::new(authority).map_err(|error| unfit(&error))?;
    https.probe(url, PATIENCE).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_where_to_mend_it() {
        let line = |trouble| {
            let outcome = Err(Unwell::new(trouble, "535 5.7.8\r\n no"));
            Probed { service: "sender mail".to_owned(), key: "senders.mail".to_owned(), outcome }.line()
        };
        assert_eq!(
            line(Trouble::NotAdmitted),
            "sender mail: reached, but it does NOT let us in: 535 5.7.8 no\n  = look at: names, ids and secrets in `senders.mail`"
        );
        assert_eq!(one_line("not reached: not believed:  a\nb"), "a b");
        for (trouble, verdict, where_to) in [
            (Trouble::Unreachable, ": NOT reached: ", "address and port"),
            (Trouble::Untrusted, ": NOT believed: ", "the certificate"),
            (Trouble::Odd, ": reached, but NOT as it should be: ", "the right service"),
        ] {
            let line = line(trouble);
            assert!(line.contains(verdict) && line.contains(where_to), "{line}");
            assert!(line.contains("`senders.mail`"), "{line}");
        }
    }
}
