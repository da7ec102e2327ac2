//! Settings of the factors that organisations bring along: RADIUS, YubiKeys, counting tokens.

use std::time::Duration;

use secrecy::{SecretSlice, SecretString};

#[derive(Debug, Clone, Default)]
pub struct Radius {
    /// What people call it: "Company token".
    pub label: String,
    /// Asked in this order.
    pub servers: Vec<RadiusServer>,
    pub message_authenticator: MessageAuthenticator,
    /// How this gate is named to the servers.
    pub nas_identifier: String,
    /// For one server's answer, repetitions included.
    pub timeout: Duration,
}

#[derive(Debug, Clone)]
pub struct RadiusServer {
    /// `host:port`.
    pub address: String,
    pub secret: SecretString,
}

/// Whether replies must carry a Message-Authenticator (CVE-2024-3596).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageAuthenticator {
    #[default]
    Required,
    /// Whoever can change packets on the way can then say yes for the server.
    ServerIsOld,
}

#[derive(Debug, Clone, Default)]
pub struct Yubikey {
    /// As the validation service gave it out.
    pub client_id: u64,
    /// Signs requests and answers; decoded.
    pub api_key: SecretSlice<u8>,
    /// URLs of one validation service, all asked at once.
    pub servers: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Hotp {
    /// Codes that may have been made and not used.
    pub look_ahead: u32,
}

impl Default for Hotp {
    fn default() -> Self {
        Self { look_ahead: 10 }
    }
}
