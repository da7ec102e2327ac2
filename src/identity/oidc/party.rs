//! Us, as a provider knows us, and what its refusals mean.
//!
//! A provider's own words stay out of the log: of its errors only the standard's names are told.

use openidconnect::core::{CoreClient, CoreClientAuthMethod, CoreErrorResponseType};
use openidconnect::{
    AuthType, ClientId, ClientSecret, ConfigurationError, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    RedirectUrl, RequestTokenError, StandardErrorResponse,
};
use secrecy::ExposeSecret as _;

use super::discovery::Metadata;
use super::{Oidc, ProviderError};
use crate::calls::CallError;

pub(super) type Party = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;
pub(super) type TokenError = RequestTokenError<CallError, StandardErrorResponse<CoreErrorResponseType>>;

impl Oidc {
    /// Us, as this provider knows us.
    pub(super) fn party(&self, metadata: &Metadata) -> Party {
        let secret = self.secret().map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let id = ClientId::new(self.settings.client_id.clone());
        let party = CoreClient::from_provider_metadata(metadata.clone(), id, secret);
        // Without a list it is `client_secret_basic` (Discovery 3).
        let ways = metadata.token_endpoint_auth_methods_supported();
        let basic = ways.is_none_or(|ways| ways.contains(&CoreClientAuthMethod::ClientSecretBasic));
        party.set_auth_type(if basic {
            AuthType::BasicAuth
        } else {
            AuthType::RequestBody
        })
    }
}

pub(super) fn redirect(url: &str) -> Result<RedirectUrl, ProviderError> {
    RedirectUrl::new(url.to_owned()).map_err(|error| ProviderError::Unavailable(error.to_string()))
}

pub(super) fn unfit(error: ConfigurationError) -> ProviderError {
    ProviderError::Unavailable(error.to_string())
}

/// An `error` of the authorization endpoint (RFC 6749 4.1.2.1, Core 3.1.2.6).
pub(super) fn refusal(error: &str) -> ProviderError {
    match error {
        "access_denied"
        | "consent_required"
        | "interaction_required"
        | "login_required"
        | "account_selection_required" => ProviderError::Declined,
        "server_error" | "temporarily_unavailable" => {
            ProviderError::Unavailable("it says that it cannot answer now".to_owned())
        }
        // A mistake in the configuration of one of the two.
        _ => ProviderError::Refused(
            "it did not understand what was asked: compare client, redirect address and scopes",
        ),
    }
}

pub(super) fn token_error(error: TokenError) -> ProviderError {
    match error {
        RequestTokenError::ServerResponse(response) => match response.error() {
            CoreErrorResponseType::InvalidGrant => {
                ProviderError::Refused("the code, or the refresh token, is not good any more")
            }
            CoreErrorResponseType::InvalidClient | CoreErrorResponseType::UnauthorizedClient => {
                ProviderError::Unavailable("it does not accept client_id and client_secret".to_owned())
            }
            other => ProviderError::Unavailable(format!("the token endpoint says {}", known(other))),
        },
        RequestTokenError::Request(error) => ProviderError::Unavailable(error.to_string()),
        RequestTokenError::Parse(..) => {
            ProviderError::Unavailable("the token endpoint's answer has another form".to_owned())
        }
        RequestTokenError::Other(_) => {
            ProviderError::Unavailable("the token endpoint's answer is empty".to_owned())
        }
    }
}

/// The code of an error, if it is one of the standard's: a provider's own words stay out of the log.
fn known(error: &CoreErrorResponseType) -> &str {
    match error {
        CoreErrorResponseType::Extension(_) => "something of its own",
        standard => standard.as_ref(),
    }
}
