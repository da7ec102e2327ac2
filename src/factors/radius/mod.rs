//! Whatever a RADIUS server asks for: a code of a token, a PIN with it, a word that starts a push.
//!
//! The person types an answer, the server judges it, and may ask once more (Access-Challenge). Kept
//! is nothing but that the person has proved it once: the server knows its people by their account
//! name. This factor compares nothing itself and never takes silence for an answer.

mod client;
mod packet;
#[cfg(test)]
mod tests;

use secrecy::{ExposeSecret as _, SecretSlice};
use serde::{Deserialize, Serialize};

use self::client::{Client, Question as Asked, Said, Unheard};
use self::packet::{MAX_PASSWORD, Reply};
use super::{
    Answer, Asking, EnrolError, Enrolling, Factor, Malformed, Material, NormalForm, Prompt, Right, Setup,
    Shows, Started, Unavailable, Verdict,
};
use crate::calls::Unwell;
use crate::config::{FactorKind, settings};
use crate::delivery::BoxFuture;

/// Characters of a server's words that people are shown.
const MAX_SAYS: usize = 200;
/// Seconds that a server's question waits: as long as a challenge.
const CHALLENGE_LIFE: i64 = 300;

/// The factor `radius`.
pub(super) struct Radius {
    label: String,
    client: Client,
}

/// What is kept of a server's challenge until it is answered.
#[derive(Serialize, Deserialize)]
struct Challenged {
    server: String,
    state: Vec<u8>,
}

impl Radius {
    pub(super) fn new(settings: &settings::Radius) -> Self {
        Self { label: settings.label.clone(), client: Client::new(settings) }
    }

    async fn judge(&self, asking: &Asking<'_>) -> Result<Verdict, Unavailable> {
        // What was begun is what a server asked; anything else there would be a fault of ours.
        let challenged: Option<Challenged> = asking
            .begun
            .and_then(|begun| serde_json::from_slice(begun.expose_secret()).ok());
        let asked = Asked {
            user: asking.account,
            password: &asking.answer.0,
            client: asking.client,
            challenged_by: challenged.as_ref().map(|one| (one.server.as_str(), one.state.as_slice())),
        };
        let Said { server, reply } = match self.client.ask(&asked, asking.now).await {
            Ok(said) => said,
            Err(Unheard::NotAsked(why)) => return Err(Unavailable(why)),
            Err(Unheard::NotAnswered(why)) => return Ok(Verdict::Silent(why)),
        };
        match reply {
            Reply::Accept => Ok(Verdict::Right(Right::once_more(asking.material))),
            Reply::Reject { message } => {
                // A server may repeat what it was sent.
                let message = message.replace(asking.answer.0.expose_secret(), "…");
                if let Some(says) = presentable(&message) {
                    tracing::info!(server, %says, "the RADIUS server refused");
                }
                Ok(Verdict::Wrong)
            }
            Reply::Challenge { state, message } => again(server, state, &message),
        }
    }
}

/// The server asks something more.
fn again(server: &str, state: Vec<u8>, message: &str) -> Result<Verdict, Unavailable> {
    let challenged = Challenged { server: server.to_owned(), state };
    let payload =
        serde_json::to_vec(&challenged).map_err(|_| Unavailable("the server's state".to_owned()))?;
    Ok(Verdict::Again(Box::new(Started {
        payload: SecretSlice::from(payload),
        shows: Shows::Question { says: presentable(message) },
        send: None,
        handle: None,
        lives: CHALLENGE_LIFE,
    })))
}

/// A server's words as they may stand on a page.
fn presentable(message: &str) -> Option<String> {
    let plain: String = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_SAYS)
        .collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    (!plain.is_empty()).then_some(plain)
}

impl Factor for Radius {
    fn kind(&self) -> FactorKind {
        FactorKind::Radius
    }

    fn default_name(&self, _material: &Material) -> String {
        self.label.clone()
    }

    fn prompt(&self) -> Prompt {
        Prompt::OneTimePassword
    }

    fn begin(&self, _new: &Enrolling<'_>) -> Result<(Material, Setup), EnrolError> {
        Ok((Material::new(Vec::new(), 0), Setup::OneTimePassword))
    }

    /// The server knows one token, or many, under one name: there is nothing to tell two apart.
    fn replaces_others(&self) -> bool {
        true
    }

    fn normal_form(&self, answer: &Answer) -> Result<NormalForm, Malformed> {
        let Answer::Code(typed) = answer else {
            return Err(Malformed::NotDigits);
        };
        let typed = typed.trim();
        match typed.len() {
            0 => Err(Malformed::Empty),
            length if length > MAX_PASSWORD => Err(Malformed::Length {
                expected: u8::try_from(MAX_PASSWORD).unwrap_or(u8::MAX),
                got: length,
            }),
            _ if typed.chars().any(char::is_control) => Err(Malformed::NotDigits),
            _ => Ok(NormalForm(typed.to_owned().into())),
        }
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn ask<'a>(&'a self, asking: Asking<'a>) -> BoxFuture<'a, Result<Verdict, Unavailable>> {
        Box::pin(async move { self.judge(&asking).await })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Unwell>> {
        Box::pin(self.client.probe())
    }
}
