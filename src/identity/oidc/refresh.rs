//! What a provider says of somebody now, asked with the refresh token of their sign-in.
//!
//! Rotating refresh tokens are good once: whoever asks holds the session's turn ([`super::source`]).

use openidconnect::RefreshToken;
use secrecy::SecretSlice;

use super::discovery::{Caller, Waiting};
use super::party::{token_error, unfit};
use super::{Kept, Oidc, ProviderError};
use crate::ambient::UnixTime;
use crate::observe::metrics::metrics;
use crate::session::NewPerson;

/// What came of it.
pub(super) enum Refreshed {
    /// This is what the provider says of the person now.
    Still(Box<NewPerson>),
    /// Somebody else has asked since then.
    Already,
    /// There is nothing to ask with.
    Never,
}

impl Oidc {
    /// Asks, unless what is kept was got after `due`.
    ///
    /// # Errors
    /// [`ProviderError::Refused`] where the provider does not stand by the sign-in any more.
    pub(super) async fn refresh(
        &self,
        kept: &SecretSlice<u8>,
        due: UnixTime,
        now: UnixTime,
    ) -> Result<Refreshed, ProviderError> {
        let Some(kept) = Kept::read(kept) else {
            return Ok(Refreshed::Never);
        };
        let Some(token) = kept.refresh_token.clone() else {
            return Ok(Refreshed::Never);
        };
        if kept.at > due {
            return Ok(Refreshed::Already);
        }
        let person = self.refreshed(&kept, RefreshToken::new(token), now).await;
        let result = match &person {
            Ok(_) => "known",
            Err(ProviderError::Unavailable(_)) => "unavailable",
            Err(_) => "refused",
        };
        metrics().source_asked(&self.source, result);
        Ok(Refreshed::Still(Box::new(person?)))
    }

    async fn refreshed(
        &self,
        kept: &Kept,
        token: RefreshToken,
        now: UnixTime,
    ) -> Result<NewPerson, ProviderError> {
        let metadata = self.discovery.known().await?;
        let party = self.party(&metadata);
        let caller = Caller(self.https.clone());
        let request = party.exchange_refresh_token(&token).map_err(unfit)?;
        let asking: Waiting<'_, _> = Box::pin(request.request_async(&caller));
        let answer = asking.await.map_err(token_error)?;
        Ok(self.person(&answer, None, Some(kept), now).await?.person)
    }
}
