//! Tokens that their issuer is asked about.

use std::time::Duration;

use secrecy::SecretString;

use super::{ClaimNames, JwtPlace};

#[derive(Debug, Clone)]
pub struct Introspection {
    pub endpoint: String,
    pub client_id: String,
    pub client_secret: SecretString,
    pub client_auth: ClientAuth,
    /// PEM of the authorities that the server is believed by; `None`: the system's.
    pub authority: Option<String>,
    pub place: JwtPlace,
    pub issuer: Option<String>,
    /// One of them must be in `aud`; empty: whatever the server calls active.
    pub audiences: Vec<String>,
    pub names: ClaimNames,
    /// How long an answer is believed.
    pub remember: Duration,
    /// Whether tokens that are bound to nothing (RFC 9449) are refused.
    pub dpop: bool,
}

/// How we tell the server who asks (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    Basic,
    Post,
}
