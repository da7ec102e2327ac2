//! To the provider and back: the authorization request, and what is made of its answer.
//!
//! Whoever calls [`Oidc::arrive`] has opened and used up the [`Pending`] that the answer's `state` belongs to;
//! everything else is checked here, in the order in which it could be somebody else's answer.

use std::borrow::Cow;

use openidconnect::core::{CoreAuthPrompt, CoreAuthenticationFlow, CoreTokenResponse};
use openidconnect::{
    AuthenticationContextClass, AuthenticationFlow, AuthorizationCode, CsrfToken, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, Scope, TokenResponse as _,
};
use secrecy::ExposeSecret as _;

use super::discovery::{Caller, Waiting};
use super::id_token::{self, Expected, IdToken, SKEW};
use super::party::{redirect, refusal, token_error, unfit};
use super::pending::Pending;
use super::{Kept, Oidc, ProviderError, claims};
use crate::ambient::UnixTime;
use crate::config::settings::Prompt;
use crate::observe::metrics::metrics;
use crate::session::NewPerson;

/// Providers' codes are far shorter.
const LONGEST_CODE: usize = 4096;

/// Where to send the browser, and what it has to keep.
pub struct Leaving {
    pub url: String,
    pub pending: Pending,
}

/// What the browser came back with, as it stands in the query.
#[derive(Default)]
pub struct WayBack {
    pub state: String,
    pub code: String,
    /// RFC 9207.
    pub issuer: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// Somebody has signed in.
pub struct Arrived {
    pub person: NewPerson,
    /// How the provider says that they were authenticated.
    pub acr: Option<String>,
}

impl Oidc {
    /// Begins a sign-in. `redirect_uri` is where the provider sends the browser back to, `onward` where the
    /// person goes then.
    ///
    /// # Errors
    /// When the provider has never been reached.
    pub async fn leave(
        &self,
        redirect_uri: &str,
        onward: &str,
        now: UnixTime,
    ) -> Result<Leaving, ProviderError> {
        let metadata = self.discovery.known().await?;
        let party = self.party(&metadata);
        let back = redirect(redirect_uri)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let pending = Pending::new(onward, verifier.into_secret(), now);
        let (state, nonce) = (pending.state.clone(), pending.nonce.clone());
        let flow: CoreAuthenticationFlow = AuthenticationFlow::AuthorizationCode;
        let scopes = self.settings.scopes.iter().filter(|scope| *scope != "openid");
        let mut request = party
            .authorize_url(flow, move || CsrfToken::new(state), move || Nonce::new(nonce))
            .add_scopes(scopes.cloned().map(Scope::new))
            .set_pkce_challenge(challenge)
            .set_redirect_uri(Cow::Owned(back));
        for acr in &self.settings.acr_values {
            request = request.add_auth_context_value(AuthenticationContextClass::new(acr.clone()));
        }
        if let Some(max_age) = self.settings.max_age {
            request = request.set_max_age(max_age);
        }
        if let Some(prompt) = self.settings.prompt {
            request = request.add_prompt(match prompt {
                Prompt::Login => CoreAuthPrompt::Login,
                Prompt::Consent => CoreAuthPrompt::Consent,
                Prompt::SelectAccount => CoreAuthPrompt::SelectAccount,
            });
        }
        let (url, _, _) = request.url();
        Ok(Leaving { url: url.into(), pending })
    }

    /// Judges what the browser came back with.
    ///
    /// # Errors
    /// [`ProviderError`]; nobody is signed in then.
    pub async fn arrive(
        &self,
        pending: &Pending,
        back: WayBack,
        redirect_uri: &str,
        now: UnixTime,
    ) -> Result<Arrived, ProviderError> {
        let arrived = self.judge(pending, back, redirect_uri, now).await;
        let result = match &arrived {
            Ok(_) => "known",
            Err(ProviderError::Declined) => "nobody",
            Err(ProviderError::Refused(_)) => "refused",
            Err(ProviderError::Unavailable(_)) => "unavailable",
        };
        metrics().source_asked(&self.source, result);
        arrived
    }

    async fn judge(
        &self,
        pending: &Pending,
        back: WayBack,
        redirect_uri: &str,
        now: UnixTime,
    ) -> Result<Arrived, ProviderError> {
        if !pending.is_of(&back.state) {
            return Err(ProviderError::Refused("it belongs to another sign-in"));
        }
        let metadata = self.discovery.known().await?;
        let says_issuer = metadata.additional_metadata().authorization_response_iss_parameter_supported;
        match &back.issuer {
            Some(issuer) if issuer != self.issuer() => {
                return Err(ProviderError::Refused("the answer comes from another issuer"));
            }
            None if says_issuer => {
                return Err(ProviderError::Refused("the answer does not say where it comes from"));
            }
            _ => {}
        }
        if let Some(error) = &back.error {
            return Err(refusal(error));
        }
        if back.code.is_empty() || back.code.len() > LONGEST_CODE {
            return Err(ProviderError::Refused("there is no code in it"));
        }
        let party = self.party(&metadata).set_redirect_uri(redirect(redirect_uri)?);
        let caller = Caller(self.https.clone());
        let verifier = PkceCodeVerifier::new(pending.verifier().expose_secret().to_owned());
        let request = party.exchange_code(AuthorizationCode::new(back.code)).map_err(unfit)?;
        let asking: Waiting<'_, _> = Box::pin(request.set_pkce_verifier(verifier).request_async(&caller));
        let answer = asking.await.map_err(token_error)?;
        let arrived = self.person(&answer, Some(&pending.nonce), None, now).await?;
        self.authenticated_as_asked(&arrived, now)?;
        Ok(arrived)
    }

    /// Whether the provider did what it was asked for: it may answer with less (Core 3.1.2.1, 5.5.1.1).
    fn authenticated_as_asked(&self, arrived: &Arrived, now: UnixTime) -> Result<(), ProviderError> {
        let asked = &self.settings.acr_values;
        if !asked.is_empty() && !arrived.acr.as_ref().is_some_and(|acr| asked.contains(acr)) {
            return Err(ProviderError::Refused("the person was not authenticated as it was asked for"));
        }
        if let Some(max_age) = self.settings.max_age {
            let limit = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX).saturating_add(SKEW);
            let at = arrived.person.authenticated_at;
            if !at.is_some_and(|at| now.since(at) <= limit && at.since(now) <= SKEW) {
                return Err(ProviderError::Refused("the person was authenticated too long ago"));
            }
        }
        Ok(())
    }

    /// Whom the tokens of an answer are about.
    pub(super) async fn person(
        &self,
        answer: &CoreTokenResponse,
        nonce: Option<&str>,
        before: Option<&Kept>,
        now: UnixTime,
    ) -> Result<Arrived, ProviderError> {
        let access_token = answer.access_token().secret();
        let id_token = answer.id_token().map(ToString::to_string);
        let subject = before.map(|kept| kept.subject.as_str());
        let read = match &id_token {
            Some(token) => {
                let expected = Expected {
                    issuer: self.issuer(),
                    client_id: &self.settings.client_id,
                    nonce,
                    subject,
                    access_token,
                    now,
                };
                self.judged(|metadata| id_token::read(token, metadata, &expected)).await?
            }
            // A refresh need not bring one (Core 12.2); its userinfo is about the same person or nobody.
            None => IdToken::about(subject.ok_or(ProviderError::Refused("there is no ID token"))?),
        };
        let mut said = read.claims;
        if claims::are_incomplete(&self.settings, &said)
            && let Some(further) = self.userinfo(access_token, &read.subject).await?
        {
            claims::complete(&mut said, further);
        }
        let mut person = claims::person(&self.source, &self.settings, &said)?;
        let refresh_token = answer.refresh_token().map(|token| token.secret().clone());
        let kept = Kept {
            subject: read.subject,
            id_token: id_token
                .or_else(|| before.map(|kept| kept.id_token.clone()))
                .unwrap_or_default(),
            // Providers that do not rotate give none at a refresh: the one there is stays good.
            refresh_token: refresh_token.or_else(|| before.and_then(|kept| kept.refresh_token.clone())),
            at: now,
        };
        person.kept = kept.write();
        person.source_session = read.session;
        person.authenticated_at = read.authenticated_at;
        Ok(Arrived { person, acr: read.acr })
    }
}
