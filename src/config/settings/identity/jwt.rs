//! Signed tokens.

use std::collections::BTreeMap;

use secrecy::SecretString;

#[derive(Debug, Clone)]
pub struct Jwt {
    pub place: JwtPlace,
    pub algorithm: JwtAlgorithm,
    pub key: JwtKey,
    /// PEM of the authorities that the keys' server is believed by; `None`: the system's.
    pub authority: Option<String>,
    /// One of them must be `iss`.
    pub issuers: Vec<String>,
    /// One of them must be in `aud`.
    pub audiences: Vec<String>,
    pub contract: JwtContract,
    /// Headers beside the token that say the same without a signature. They are not read, and must not
    /// reach an app that believes them.
    pub companions: &'static [&'static str],
    pub names: ClaimNames,
    /// Whether tokens that are bound to nothing (RFC 9449) are refused.
    pub dpop: bool,
}

/// Where a token says what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtContract {
    /// RFC 7519.
    Standard,
    /// As AWS load balancers write it; `signer`: the ARNs of ours.
    AwsAlb { signer: Vec<String> },
}

/// Which claims tell what; a name that begins with `/` is a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    pub user: String,
    pub groups: String,
    pub email: String,
    pub name: String,
    /// What identifies the first-factor session (decision 12).
    pub session: String,
    /// Further attributes: attribute name to claim.
    pub attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
pub enum JwtPlace {
    Header(String),
    Cookie(String),
}

impl JwtPlace {
    /// The header that says who somebody is and nothing else. A bearer token may be the app's own: it
    /// says nothing without being verified.
    #[must_use]
    pub fn own_header(&self) -> Option<&str> {
        match self {
            Self::Header(name) if !name.eq_ignore_ascii_case("authorization") => Some(name),
            Self::Header(_) | Self::Cookie(_) => None,
        }
    }
}

/// Chosen by configuration, never by the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtAlgorithm {
    Hs256,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Es256,
    Es384,
    EdDsa,
}

#[derive(Debug, Clone)]
pub enum JwtKey {
    /// Shared secret for HS256.
    Secret(SecretString),
    /// PEM public key.
    Public(String),
    /// URL of a JWKS, or of the place where keys are by their names; http only on loopback.
    Jwks(String),
}
