//! OpenID Connect: a provider signs people in and tells us who they are (code flow with PKCE).
//!
//! The portal sends the browser to the provider with `state`, `nonce` and a code challenge, and takes it back
//! once. What the provider says counts only after every check of Core 3.1.3.7 and RFC 9207; then a session of
//! our own begins, so that requests are recognised without the provider. It must never take a key, an address
//! or an algorithm from a token, and a provider that cannot be asked signs nobody in. Of the library it uses
//! discovery, keys, signatures, PKCE and the token endpoint; tokens are judged here, by our one clock.

mod back_channel;
mod claims;
mod code_flow;
mod discovery;
mod id_token;
mod party;
mod pending;
mod probe;
mod refresh;
mod signed;
mod source;
#[cfg(test)]
mod tests;
mod userinfo;

use openidconnect::IssuerUrl;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};

use self::discovery::{Discovery, Metadata};
use self::signed::BadToken;
use super::{IdentityError, SourceError};
use crate::ambient::UnixTime;
use crate::calls::Https;
use crate::config::settings;

pub use self::back_channel::LoggedOut;
pub use self::code_flow::{Arrived, Leaving, WayBack};
pub use self::pending::{LIFE, Pending, id_of};
pub use self::source::OidcSource;

/// One provider.
pub struct Oidc {
    source: Box<str>,
    settings: settings::Oidc,
    issuer: IssuerUrl,
    https: Https,
    discovery: Discovery,
}

/// Why a provider signed nobody in. The texts are for the log.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It cannot be asked, or does not speak as it should: another time perhaps.
    #[error("the identity provider cannot be asked: {0}")]
    Unavailable(String),
    /// What came does not hold.
    #[error("what the identity provider said does not count: {0}")]
    Refused(&'static str),
    /// The person, or the provider for them, said no.
    #[error("the identity provider was told no")]
    Declined,
}

/// What is kept, sealed, beside a session that a provider began.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// `sub`, which need not be what names the person here.
    subject: String,
    id_token: String,
    refresh_token: Option<String>,
    /// When the provider last said who it is.
    at: UnixTime,
}

impl Oidc {
    /// # Errors
    /// When there is no authority to believe, or the issuer is no address.
    pub fn new(source: &str, settings: &settings::Oidc) -> Result<Self, SourceError> {
        let bad = |why: String| SourceError { name: source.to_owned(), why };
        let issuer = IssuerUrl::new(settings.issuer.clone()).map_err(|error| bad(error.to_string()))?;
        let https = Https::new(settings.authority.as_deref()).map_err(|error| bad(error.to_string()))?;
        Ok(Self {
            source: source.into(),
            settings: settings.clone(),
            discovery: Discovery::new(issuer.clone(), https.clone()),
            issuer,
            https,
        })
    }

    /// The configured name of the source.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What people know it by.
    #[must_use]
    pub fn label(&self) -> &str {
        self.settings.label.as_deref().unwrap_or(&self.source)
    }

    /// Exactly as the provider spells it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// The name of the person whom `sub` means, if that alone tells.
    #[must_use]
    pub fn subject_of<'a>(&self, sub: &'a str) -> Option<&'a str> {
        (self.settings.user == "sub").then_some(sub)
    }

    /// What `judge` reads of a token; once more with new keys, if it is signed by an unknown one.
    async fn judged<T>(&self, judge: impl Fn(&Metadata) -> Result<T, BadToken>) -> Result<T, ProviderError> {
        let known = self.discovery.known().await?;
        let judged = match judge(&known) {
            Err(BadToken::UnknownKey) => judge(&*self.discovery.renewed().await?),
            judged => judged,
        };
        judged.map_err(|bad| match bad {
            BadToken::UnknownKey => ProviderError::Refused("its key is not one that the provider publishes"),
            BadToken::Refused(why) => ProviderError::Refused(why),
        })
    }

    /// Where the browser signs out at the provider, which sends it back to `after` (RP-Initiated Logout
    /// 1.0). `None`: it offers no such place, or is away. There is no `state`: nothing of ours hangs on
    /// the way back, which shows a page and no more.
    pub async fn sign_out_url(&self, kept: &SecretSlice<u8>, after: &str) -> Option<String> {
        let kept = Kept::read(kept)?;
        let metadata = self.discovery.known().await.ok()?;
        let mut url =
            url::Url::parse(metadata.additional_metadata().end_session_endpoint.as_deref()?).ok()?;
        url.query_pairs_mut()
            .append_pair("id_token_hint", &kept.id_token)
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("post_logout_redirect_uri", after);
        Some(url.into())
    }

    fn secret(&self) -> Option<&SecretString> {
        self.settings.client_secret.as_ref()
    }
}

impl Kept {
    fn read(sealed: &SecretSlice<u8>) -> Option<Self> {
        serde_json::from_slice(sealed.expose_secret()).ok()
    }

    fn write(&self) -> Option<SecretSlice<u8>> {
        serde_json::to_vec(self).ok().map(SecretSlice::from)
    }
}

impl From<IdentityError> for ProviderError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Refused(why) => Self::Refused(why),
            IdentityError::Unavailable(why) | IdentityError::NotReached(why) => Self::Unavailable(why),
            locked @ IdentityError::Locked(_) => Self::Unavailable(locked.to_string()),
        }
    }
}
