//! Passkeys: WebAuthn credentials of phones, computers, password managers and security keys.
//!
//! A second factor, and with a verified user a complete sign-in. Everything about the protocol is
//! in [`relying_party`]; here it becomes a factor. It must never let the browser decide what was
//! proved.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretSlice};
use serde_json::Value;
use uuid::Uuid;
use webauthn_rs::prelude::{Url, WebauthnError};

use super::{
    About, Answer, EnrolError, Enrolling, Factor, FactorsError, Malformed, Material, NormalForm, Prompt,
    Question, Right, Setup, Shows, StartError, Started, Starting, Starts, Unavailable, Verdict,
};
use crate::config::settings::{self, UserVerification};
use crate::config::{FactorKind, Properties};
use crate::delivery::BoxFuture;

mod answer;
mod kept;
mod models;
mod relying_party;
#[cfg(test)]
mod tests;

use kept::{Authentication, Enrolled, Kept, Registration};
use relying_party::{Person, Refusal, RelyingParty, Wishes};

/// Seconds that a ceremony waits for the browser; the browser is told the same.
const LIFE: i64 = 300;

/// The factor `passkey`.
pub(super) struct Passkeys {
    party: RelyingParty,
}

/// A sign-in of somebody who is not known yet, as begun.
pub struct SignInBegun {
    /// What the browser's `navigator.credentials.get` takes.
    pub options: Value,
    /// What the answer is judged against; it must come back from where nobody can choose it.
    pub payload: SecretSlice<u8>,
}

/// A sign-in without a name: the answer says whose it is, and its user has been verified.
pub trait SignIn {
    /// Begins one.
    ///
    /// # Errors
    /// When nothing can be begun.
    fn begin(&self) -> Result<SignInBegun, Unavailable>;

    /// Handle of the enrolment that the answer names ([`About::handle`]). Judges nothing.
    fn handle(&self, answer: &NormalForm) -> Option<String>;
}

impl SignIn for Passkeys {
    fn begin(&self) -> Result<SignInBegun, Unavailable> {
        let begun = self.party.authenticate_anyone();
        let (options, state) = begun.map_err(|error| Unavailable(error.to_string()))?;
        Ok(SignInBegun { options, payload: payload(&state)? })
    }

    fn handle(&self, answer: &NormalForm) -> Option<String> {
        answer::asserted(answer.0.expose_secret()).map(|credential| handle(&credential.raw_id))
    }
}

impl Passkeys {
    pub(super) fn new(settings: &settings::Passkey) -> Result<Self, FactorsError> {
        let unfit = |why: String| FactorsError { factor: FactorKind::Passkey, why };
        let parsed = |list: &[String]| {
            let urls: Result<Vec<Url>, _> = list.iter().map(|one| Url::parse(one)).collect();
            urls.map_err(|error| unfit(error.to_string()))
        };
        let (origins, related) = (parsed(&settings.origins)?, parsed(&settings.related_origins)?);
        let own = origins.first().ok_or_else(|| unfit("the portal has no origin".to_owned()))?;
        let wishes = Wishes {
            verified: settings.user_verification == UserVerification::Required,
            models: settings.models.iter().copied().collect(),
            roots: settings.attestation_roots.clone(),
        };
        let party = RelyingParty::new(&settings.name, &settings.relying_party, own, &related, wishes);
        Ok(Self { party: party.map_err(|error| unfit(error.to_string()))? })
    }

    fn register(
        &self,
        registration: &Registration,
        user: Uuid,
        material: &Material,
        json: &str,
    ) -> Result<Right, Refusal> {
        let enrolled = self.party.registered(registration, user, json)?;
        let verified = enrolled.credential.user_verified;
        right(material, enrolled, verified)
    }

    fn authenticate(
        &self,
        enrolled: &Enrolled,
        question: &Question<'_>,
        json: &str,
    ) -> Result<Right, Refusal> {
        let begun = question.begun.ok_or(Refusal::Ours("nothing was begun"))?;
        let state: Authentication = serde_json::from_slice(begun.expose_secret())
            .map_err(|_| Refusal::Ours("what was begun cannot be read"))?;
        let (enrolled, verified) = self.party.authenticated(state, enrolled, json)?;
        right(question.material, enrolled, verified)
    }
}

impl Factor for Passkeys {
    fn kind(&self) -> FactorKind {
        FactorKind::Passkey
    }

    fn default_name(&self, material: &Material) -> String {
        self.name_where(material, "")
    }

    fn name_where(&self, material: &Material, agent: &str) -> String {
        Kept::enrolled(&material.secret)
            .map_or("Passkey", |enrolled| models::name(&enrolled, agent))
            .to_owned()
    }

    fn prompt(&self) -> Prompt {
        Prompt::Passkey
    }

    fn begin(&self, new: &Enrolling<'_>) -> Result<(Material, Setup), EnrolError> {
        let refused = |error: WebauthnError| EnrolError::Account(error.to_string());
        let known = new.enrolled.iter().filter_map(|one| Kept::enrolled(&one.secret));
        let known = known.map(|one| one.credential.cred_id).collect();
        let shown = if new.display_name.is_empty() {
            new.account
        } else {
            new.display_name
        };
        let user = Uuid::from_bytes(new.person);
        let person = Person { handle: user, account: new.account, display_name: shown };
        let (options, registration) = self.party.register(&person, known).map_err(refused)?;
        let secret = Kept::Begun { registration, user }.seal();
        let secret = secret.ok_or_else(|| refused(WebauthnError::Configuration))?;
        Ok((Material { secret, state: 0, about: About::default() }, Setup::Passkey { options }))
    }

    fn normal_form(&self, answer: &Answer) -> Result<NormalForm, Malformed> {
        match answer {
            Answer::Ceremony(json) if json.is_empty() => Err(Malformed::Empty),
            Answer::Ceremony(json) if answer::is_credential(json) => Ok(NormalForm(json.clone().into())),
            _ => Err(Malformed::NotDigits),
        }
    }

    fn check(&self, question: &Question<'_>, answer: &NormalForm) -> Verdict {
        let json = answer.0.expose_secret();
        let judged = match Kept::open(&question.material.secret) {
            Some(Kept::Begun { registration, user }) => {
                self.register(&registration, user, question.material, json)
            }
            Some(Kept::Enrolled(enrolled)) => self.authenticate(&enrolled, question, json),
            None => Err(Refusal::Ours("what is kept cannot be read")),
        };
        match judged {
            Ok(right) => Verdict::Right(right),
            Err(Refusal::Another) => Verdict::Wrong,
            Err(refusal @ Refusal::Cloned) => {
                tracing::warn!(why = %refusal, "A passkey did not count: there may be a copy of it.");
                Verdict::Cloned
            }
            Err(refusal) => {
                tracing::info!(why = %refusal, "A passkey did not count.");
                match refusal {
                    Refusal::Unfit(_) => Verdict::Unfit,
                    _ => Verdict::Wrong,
                }
            }
        }
    }

    fn asks_for_any(&self) -> bool {
        true
    }

    fn sign_in(&self) -> Option<&dyn SignIn> {
        Some(self)
    }

    fn starts(&self) -> Starts {
        Starts::WhenShown
    }

    fn start<'a>(&'a self, starting: Starting<'a>) -> BoxFuture<'a, Result<Started, StartError>> {
        Box::pin(async move {
            let enrolled: Vec<Enrolled> = std::iter::once(starting.material)
                .chain(starting.others)
                .filter_map(|one| Kept::enrolled(&one.secret))
                .collect();
            let (options, state) = self
                .party
                .authenticate(&enrolled)
                .map_err(|error| Unavailable(error.to_string()))?;
            Ok(Started {
                payload: payload(&state)?,
                shows: Shows::Passkey { options },
                send: None,
                handle: None,
                lives: LIFE,
            })
        })
    }
}

fn payload(state: &Authentication) -> Result<SecretSlice<u8>, Unavailable> {
    let json = serde_json::to_vec(state).map_err(|error| Unavailable(error.to_string()))?;
    Ok(SecretSlice::from(json))
}

fn handle(credential: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(credential)
}

/// A right answer: what is kept from now on, and what this proof has.
fn right(before: &Material, enrolled: Enrolled, verified: bool) -> Result<Right, Refusal> {
    let credential = &enrolled.credential;
    let mut lasting = Properties::PHISHING_RESISTANT;
    if !credential.backup_eligible {
        lasting = lasting.with(Properties::DEVICE_BOUND);
    }
    let with_user = lasting.with(Properties::USER_VERIFIED);
    let can_verify = verified || before.about.properties.covers(Properties::USER_VERIFIED);
    let about = About {
        note: credential.backup_eligible.then(|| SYNCED.to_owned()),
        properties: if can_verify { with_user } else { lasting },
        handle: Some(handle(&credential.cred_id)),
        ..About::default()
    };
    let state = before.state.saturating_add(1);
    let secret = Kept::Enrolled(Box::new(enrolled))
        .seal()
        .ok_or(Refusal::Ours("it cannot be kept"))?;
    Ok(Right {
        state,
        properties: if verified { with_user } else { lasting },
        material: Some(Material { secret, state, about }),
    })
}

/// What is said of a passkey that its provider copies to the person's other devices.
const SYNCED: &str = "synced";
