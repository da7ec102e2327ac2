//! Whether a provider is there, is what it should be, and knows us, for `stepgate check --connect`.
//!
//! It signs nobody in: the one question at the token endpoint is about a token that nobody has.

use openidconnect::core::CoreErrorResponseType;
use openidconnect::{RefreshToken, RequestTokenError};

use super::Oidc;
use super::discovery::{Caller, PATIENCE, Waiting};
use crate::calls::{Trouble, Unwell};

/// A refresh token that no provider has given out.
const NOBODYS: &str = "stepgate-check";

impl Oidc {
    /// # Errors
    /// What is wrong, for the operator.
    pub async fn probe(&self) -> Result<(), Unwell> {
        let odd = |why: String| Unwell::new(Trouble::Odd, why);
        // By hand first, since the library does not tell a certificate from a dead host.
        let issuer = self.issuer.as_str().trim_end_matches('/');
        let place = format!("{issuer}/.well-known/openid-configuration");
        self.https.probe(&place, PATIENCE).await?;
        let metadata = self.discovery.known().await.map_err(|error| odd(error.to_string()))?;
        let party = self.party(&metadata);
        let (caller, token) = (Caller(self.https.clone()), RefreshToken::new(NOBODYS.to_owned()));
        let request = party.exchange_refresh_token(&token).map_err(|error| odd(error.to_string()))?;
        let asking: Waiting<'_, _> = Box::pin(request.request_async(&caller));
        match asking.await {
            Err(RequestTokenError::ServerResponse(said))
                if *said.error() == CoreErrorResponseType::InvalidClient =>
            {
                Err(Unwell::new(Trouble::NotAdmitted, "its token endpoint answers invalid_client"))
            }
            Err(RequestTokenError::Request(error)) => Err(error.into()),
            // Whatever else it says of that token, it has let us ask.
            _ => Ok(()),
        }
    }
}
