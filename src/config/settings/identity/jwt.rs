//! Signed tokens.

use std::collections::BTreeMap;

use secrecy::SecretString;

#[derive(Debug, Clone)]
pub struct Jwt {
    pub place: JwtPlace,
    pub algorithm: JwtAlgorithm,
    pub key: JwtKey,
    pub issuer: String,
    pub audience: String,
    /// Claim that names the person; default `sub`.
    pub user: String,
    pub groups: String,
    pub email: String,
    pub name: String,
    /// Claim that identifies the first-factor session; default `sid`.
    pub session: String,
    pub attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
pub enum JwtPlace {
    Header(String),
    Cookie(String),
}

/// Chosen by configuration, never by the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtAlgorithm {
    Hs256,
    Rs256,
    Es256,
    EdDsa,
}

#[derive(Debug, Clone)]
pub enum JwtKey {
    /// Shared secret for HS256.
    Secret(SecretString),
    /// PEM public key.
    Public(String),
    /// JWKS URL; http only on loopback.
    Jwks(String),
}
