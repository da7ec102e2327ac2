//! OpenID Connect providers.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

#[derive(Debug, Clone)]
pub struct Oidc {
    /// Exactly as the provider spells it; https, or http on this machine.
    pub issuer: String,
    pub client_id: String,
    /// `None`: a public client.
    pub client_secret: Option<SecretString>,
    /// `openid` is always among them.
    pub scopes: Vec<String>,
    /// What people know it by.
    pub label: Option<String>,
    /// Claim that names the person; default `sub`.
    pub user: String,
    pub groups: String,
    pub email: String,
    pub name: String,
    /// Further attributes: attribute name to claim name.
    pub attributes: BTreeMap<String, String>,
    /// Whether its addresses count without `email_verified`.
    pub emails_are_verified: bool,
    /// How old what it said may be before it is asked again, where it gave a refresh token.
    pub refresh: Duration,
    /// How people shall be authenticated there; its answer must be one of these (`acr`). Empty: as it likes.
    pub acr_values: Vec<String>,
    /// How long ago that may have been.
    pub max_age: Option<Duration>,
    /// What its pages shall do in any case.
    pub prompt: Option<Prompt>,
    /// PEM: the authorities that count, instead of the system's.
    pub authority: Option<String>,
}

/// OpenID Connect Core 3.1.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    Login,
    Consent,
    SelectAccount,
}
