//! Duo as configured.

use secrecy::SecretString;

#[derive(Debug, Clone)]
pub struct Duo {
    /// Host, and port where it is not 443, in lower case.
    pub api_host: String,
    pub application: DuoApplication,
    /// Whether a failed health check lets people through. Never decides alone: see
    /// `factors/duo`.
    pub fails_open: bool,
    /// Whether `DOMAIN\anna`, `anna@example.com` and `Anna` are one name.
    pub normalise_usernames: bool,
    /// Whether Duo's own exceptions (bypass status, remembered devices, trusted networks) count.
    pub accept_bypass: bool,
    /// Whether everybody has Duo, without setting it up here.
    pub automatic: bool,
    /// Whether it counts only for people who have nothing else.
    pub only_if_sole: bool,
    /// PEM: the authorities that count, instead of the system's.
    pub authority: Option<String>,
}

/// Which of Duo's applications this is, with its credentials.
#[derive(Debug, Clone)]
pub enum DuoApplication {
    /// The person goes to Duo's page and comes back.
    Universal { client_id: String, client_secret: SecretString },
    /// Push, call and passcode on our own pages.
    Api { integration_key: String, secret_key: SecretString },
}
