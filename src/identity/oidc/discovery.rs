//! What a provider says about itself: its addresses and its keys, fetched when they are first needed.
//!
//! The issuer comes from the configuration only, and what it publishes must name that very issuer
//! (OpenID Connect Discovery 4.3). Every answer is cut at 256 KiB and 3 s (security.md A18), one question at
//! a time. A provider that is away keeps what was known of it; its keys never come from a token.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AsyncHttpClient, DiscoveryError, HttpRequest, HttpResponse, IssuerUrl,
    ProviderMetadata,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::ProviderError;
use crate::calls::{CallError, Https, is_allowed};

/// For one question and its answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// Asked anew after so long, so that a withdrawn key stops counting.
const FRESH: Duration = Duration::from_secs(600);
/// A token by an unknown key asks anew at most this often.
const BETWEEN_RENEWALS: Duration = Duration::from_secs(30);
/// Who comes so soon after a failure gets the same answer: a provider that is down is not hammered.
const BETWEEN_TRIES: Duration = Duration::from_secs(2);

/// The members beside those of OpenID Connect Discovery that are read.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Further {
    /// RP-Initiated Logout 1.0.
    pub(super) end_session_endpoint: Option<String>,
    /// RFC 9207.
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Further {}

pub(super) type Metadata = ProviderMetadata<
    Further,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// One provider's own word, and when it was asked for.
pub(super) struct Discovery {
    issuer: IssuerUrl,
    https: Https,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<Arc<Metadata>>,
    fetched: Option<Instant>,
    failed: Option<Instant>,
    renewed: Option<Instant>,
}

impl Discovery {
    pub(super) fn new(issuer: IssuerUrl, https: Https) -> Self {
        Self { issuer, https, state: Mutex::default() }
    }

    /// What is known of the provider, asking it when that is too old.
    pub(super) async fn known(&self) -> Result<Arc<Metadata>, ProviderError> {
        let mut state = self.state.lock().await;
        if let (Some(known), Some(fetched)) = (&state.known, state.fetched)
            && fetched.elapsed() < FRESH
        {
            return Ok(Arc::clone(known));
        }
        self.fetch(&mut state).await
    }

    /// The same after a token came by a key that nobody knows: keys may have been changed.
    pub(super) async fn renewed(&self) -> Result<Arc<Metadata>, ProviderError> {
        let mut state = self.state.lock().await;
        if let Some(known) = &state.known
            && state.renewed.is_some_and(|at| at.elapsed() < BETWEEN_RENEWALS)
        {
            return Ok(Arc::clone(known));
        }
        state.renewed = Some(Instant::now());
        self.fetch(&mut state).await
    }

    async fn fetch(&self, state: &mut State) -> Result<Arc<Metadata>, ProviderError> {
        let failed_just_now = state.failed.is_some_and(|at| at.elapsed() < BETWEEN_TRIES);
        let outcome = if failed_just_now {
            Err(ProviderError::Unavailable("it did not answer a moment ago".to_owned()))
        } else {
            self.discover().await
        };
        match (outcome, &state.known) {
            (Ok(metadata), _) => {
                let known = Arc::new(metadata);
                *state = State {
                    known: Some(Arc::clone(&known)),
                    fetched: Some(Instant::now()),
                    failed: None,
                    renewed: state.renewed,
                };
                Ok(known)
            }
            (Err(error), known) => {
                if !failed_just_now {
                    state.failed = Some(Instant::now());
                    tracing::warn!(issuer = self.issuer.as_str(), %error, "The identity provider cannot be asked.");
                }
                // What was known counts on while the provider is away.
                known.clone().ok_or(error)
            }
        }
    }

    async fn discover(&self) -> Result<Metadata, ProviderError> {
        let caller = Caller(self.https.clone());
        let discovering: Waiting<'_, _> = Box::pin(Metadata::discover_async(self.issuer.clone(), &caller));
        let metadata = discovering.await.map_err(|error| {
            let text = match error {
                DiscoveryError::Request(error) => error.to_string(),
                DiscoveryError::Parse(error) => format!("it describes itself in another form: {error}"),
                error => error.to_string(),
            };
            ProviderError::Unavailable(text)
        })?;
        let endpoints = [
            Some(metadata.authorization_endpoint().as_str()),
            metadata.token_endpoint().map(|url| url.as_str()),
            metadata.userinfo_endpoint().map(|url| url.as_str()),
            metadata.additional_metadata().end_session_endpoint.as_deref(),
        ];
        let is_fit = |url: &str| url.parse::<Uri>().is_ok_and(|uri| is_allowed(&uri));
        if !endpoints.into_iter().flatten().all(is_fit) {
            return Err(ProviderError::Unavailable("one of its addresses is not https".to_owned()));
        }
        if metadata.token_endpoint().is_none() {
            return Err(ProviderError::Unavailable("it names no token endpoint".to_owned()));
        }
        Ok(metadata)
    }
}

/// Our own client, as the library asks for one: bounded, and without following redirects.
pub(super) struct Caller(pub(super) Https);

/// Something of the library's that waits.
pub(super) type Waiting<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<'c> AsyncHttpClient<'c> for Caller {
    type Error = CallError;
    type Future = Waiting<'c, Result<HttpResponse, CallError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move { Ok(self.0.call(request, PATIENCE).await?.map(|body| body.to_vec())) })
    }
}

/// The algorithms that count: those the provider names, of those with a public key. Never a shared secret,
/// never none, whatever a token or a provider says (security.md F04).
pub(super) fn algorithms(metadata: &Metadata) -> Vec<CoreJwsSigningAlgorithm> {
    use CoreJwsSigningAlgorithm as Jws;
    let acceptable = |algorithm: &&Jws| {
        matches!(
            algorithm,
            Jws::RsaSsaPkcs1V15Sha256
                | Jws::RsaSsaPkcs1V15Sha384
                | Jws::RsaSsaPkcs1V15Sha512
                | Jws::RsaSsaPssSha256
                | Jws::RsaSsaPssSha384
                | Jws::RsaSsaPssSha512
                | Jws::EcdsaP256Sha256
                | Jws::EcdsaP384Sha384
                | Jws::EdDsa
        )
    };
    let named = metadata.id_token_signing_alg_values_supported();
    named.iter().filter(acceptable).cloned().collect()
}
