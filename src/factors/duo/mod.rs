//! Duo Security: its Universal Prompt (the person goes to Duo's page and comes back) or its Auth API
//! (push, call and passcode on our own pages).
//!
//! Duo judges; what it says counts only when every check of the two protocols holds. It must never
//! open on an error: only a failed health check, before anybody is asked, can be waived, by explicit
//! choice (`on_failure: open`), and even then the challenge room decides whether the level allows it.

mod auth_api;
mod inside;
mod polls;
mod service;
mod signature;
mod token;
mod universal;

use secrecy::{ExposeSecret as _, SecretSlice};

use super::{
    Answer, Asking, EnrolError, Enrolling, Factor, Malformed, Material, NormalForm, Prompt, Right, Setup,
    Shows, StartError, Started, Starting, Starts, Unavailable, Verdict,
};
use crate::ambient::{Clock, UnixTime};
use crate::calls::{HttpsError, Unwell};
use crate::config::FactorKind;
use crate::config::settings::{self, DuoApplication};
use crate::delivery::BoxFuture;

use auth_api::AuthApi;
use inside::Inside;
use service::{CallFailed, Service};
use universal::{Sent, Universal};

/// Seconds that a person has at Duo's page: as long as what we sign for it holds.
const AT_DUO: i64 = 300;
/// What Duo takes as a name.
const LONGEST_NAME: usize = 256;
/// Duo's own codes have about forty characters.
const LONGEST_CODE: usize = 512;

/// The factor `duo`.
pub(super) struct Duo {
    application: Application,
    fails_open: bool,
    automatic: bool,
    only_if_sole: bool,
}

enum Application {
    Universal(Box<Universal>),
    Inside(Inside),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Allowed,
    /// Not a code that Duo has given out.
    Wrong,
    Denied,
    /// The person says that it was not them.
    Fraud,
    /// Nobody answered in time.
    Lapsed,
    /// Duo has locked the person out.
    Barred,
    /// Not decided yet.
    Waiting,
}

impl Duo {
    /// # Errors
    /// When there is no authority to believe.
    pub(super) fn new(settings: &settings::Duo) -> Result<Self, HttpsError> {
        let service = Service::new(&settings.api_host, settings.authority.as_deref())?;
        let application = match settings.application.clone() {
            DuoApplication::Universal { client_id, client_secret } => {
                Application::Universal(Box::new(Universal {
                    service,
                    client_id,
                    client_secret,
                    normalise_usernames: settings.normalise_usernames,
                    accept_bypass: settings.accept_bypass,
                }))
            }
            DuoApplication::Api { integration_key, secret_key } => {
                let api = AuthApi { service, integration_key, secret_key };
                Application::Inside(Inside::new(api, settings.accept_bypass))
            }
        };
        if settings.fails_open {
            tracing::warn!("factors.duo.on_failure is open: people get through while Duo cannot be reached");
        }
        Ok(Self {
            application,
            fails_open: settings.fails_open,
            automatic: settings.automatic,
            only_if_sole: settings.only_if_sole,
        })
    }

    async fn health_check(&self, now: UnixTime) -> Result<(), CallFailed> {
        match &self.application {
            Application::Universal(universal) => universal.health_check(now).await,
            Application::Inside(inside) => inside.api.check(now).await,
        }
    }

    async fn begun(&self, starting: Starting<'_>) -> Result<Started, StartError> {
        if let Err(failed) = self.health_check(starting.now).await {
            tracing::warn!(why = %failed, open = self.fails_open, "Duo's health check failed");
            // A refusal is no outage: it never opens.
            if self.fails_open && failed.is_outage() {
                return Err(StartError::Waived);
            }
            return Err(unavailable(&failed).into());
        }
        let username = username(starting.material)?;
        match &self.application {
            Application::Universal(universal) => {
                let leaving = universal
                    .leave(&username, starting.return_url, starting.now)
                    .map_err(|failed| unavailable(&failed))?;
                Ok(Started {
                    payload: sealed(&leaving.sent)?,
                    shows: Shows::Redirect { url: leaving.url },
                    send: None,
                    handle: Some(leaving.state),
                    lives: AT_DUO,
                })
            }
            Application::Inside(inside) => inside.begin(&username, &starting).await,
        }
    }

    async fn judged(&self, asking: Asking<'_>) -> Result<Judgement, CallFailed> {
        let answer = asking.answer.0.expose_secret();
        match &self.application {
            Application::Universal(universal) => {
                if answer.is_empty() {
                    // Duo sent the person back with an error.
                    return Ok(Judgement::Denied);
                }
                let Some(sent) = asking.begun.and_then(read::<Sent>) else {
                    return Ok(Judgement::Wrong);
                };
                universal.judge(&sent, answer, asking.now).await
            }
            Application::Inside(inside) => match username(asking.material) {
                Ok(username) => inside.judge(&username, &asking).await,
                Err(_) => Ok(Judgement::Denied),
            },
        }
    }
}

impl Factor for Duo {
    fn kind(&self) -> FactorKind {
        FactorKind::Duo
    }

    fn default_name(&self, _material: &Material) -> String {
        "Duo".to_owned()
    }

    fn prompt(&self) -> Prompt {
        match self.application {
            Application::Universal(_) => Prompt::Redirect,
            Application::Inside(_) => Prompt::Approve,
        }
    }

    fn is_automatic(&self) -> bool {
        self.automatic
    }

    fn is_last_resort(&self) -> bool {
        self.only_if_sole
    }

    fn begin(&self, new: &Enrolling<'_>) -> Result<(Material, Setup), EnrolError> {
        let name = new.account.trim();
        if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(EnrolError::Account("Duo could not know it".to_owned()));
        }
        let setup = match self.application {
            Application::Universal(_) => Setup::Redirect,
            Application::Inside(_) => Setup::Approve,
        };
        // No secret, but the name that is proved: what Duo is asked about is what was enrolled.
        Ok((Material::new(name.as_bytes().to_vec(), 0), setup))
    }

    fn replaces_others(&self) -> bool {
        true
    }

    fn normal_form(&self, answer: &Answer) -> Result<NormalForm, Malformed> {
        match (&self.application, answer) {
            (Application::Universal(_), Answer::Return { error, .. }) if !error.is_empty() => {
                Ok(NormalForm(String::new().into()))
            }
            (Application::Universal(_), Answer::Return { code, .. }) => {
                let fits = !code.is_empty()
                    && code.len() <= LONGEST_CODE
                    && code.bytes().all(|b| b.is_ascii_graphic());
                fits.then(|| NormalForm(code.clone().into())).ok_or(Malformed::Empty)
            }
            (Application::Inside(_), Answer::Ask) => Ok(NormalForm(inside::ASK.to_owned().into())),
            (Application::Inside(_), Answer::Code(typed)) => inside::passcode(typed),
            _ => Err(Malformed::Empty),
        }
    }

    fn starts(&self) -> Starts {
        Starts::OnRequest
    }

    fn needs_start(&self, answer: &Answer) -> bool {
        // A passcode is asked about without anything before it.
        !matches!(answer, Answer::Code(_))
    }

    fn choices(&self) -> &'static [&'static str] {
        match self.application {
            Application::Universal(_) => &[],
            Application::Inside(_) => &inside::CHOICES,
        }
    }

    fn start<'a>(&'a self, starting: Starting<'a>) -> BoxFuture<'a, Result<Started, StartError>> {
        Box::pin(self.begun(starting))
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn ask<'a>(&'a self, asking: Asking<'a>) -> BoxFuture<'a, Result<Verdict, Unavailable>> {
        Box::pin(async move {
            let right = Right::once_more(asking.material);
            // What another site sends a person back with cannot be guessed; a passcode can, and whoever
            // holds answers back must not guess for nothing.
            let guessable = matches!(self.application, Application::Inside(_));
            Ok(match self.judged(asking).await {
                Ok(Judgement::Allowed) => Verdict::Right(right),
                Ok(Judgement::Wrong) => Verdict::Wrong,
                Ok(Judgement::Denied) => Verdict::Denied,
                Ok(Judgement::Fraud) => Verdict::Fraud,
                Ok(Judgement::Lapsed) => Verdict::Lapsed,
                Ok(Judgement::Barred) => Verdict::Barred,
                Ok(Judgement::Waiting) => Verdict::Waiting,
                Err(failed) if guessable && failed.may_have_judged() => Verdict::Silent(failed.to_string()),
                Err(failed) => return Err(unavailable(&failed)),
            })
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Unwell>> {
        let now = Clock::system().now();
        Box::pin(async move { self.health_check(now).await.map_err(Unwell::from) })
    }
}

/// For the log alone.
fn unavailable(failed: &CallFailed) -> Unavailable {
    Unavailable(failed.to_string())
}

/// The name that was enrolled.
fn username(material: &Material) -> Result<String, Unavailable> {
    String::from_utf8(material.secret.expose_secret().to_vec())
        .map_err(|_| Unavailable("the enrolled name cannot be read".to_owned()))
}

/// What is begun, as the challenge room keeps it.
fn sealed(begun: &impl serde::Serialize) -> Result<SecretSlice<u8>, Unavailable> {
    serde_json::to_vec(begun)
        .map(Into::into)
        .map_err(|_| Unavailable("what was begun cannot be kept".to_owned()))
}

fn read<T: serde::de::DeserializeOwned>(begun: &SecretSlice<u8>) -> Option<T> {
    serde_json::from_slice(begun.expose_secret()).ok()
}

#[cfg(test)]
mod tests;
