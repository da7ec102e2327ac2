//! An SMS centre. Values only; what they mean is `delivery`'s.

use secrecy::SecretString;

/// An SMS centre that speaks SMPP 3.4.
#[derive(Debug, Clone)]
pub struct Smpp {
    /// A name, or an address without brackets.
    pub host: String,
    pub port: u16,
    pub tls: bool,
    /// PEM of the authorities that count; `None`: the system's.
    pub authority: Option<String>,
    /// At most 15 characters of ASCII.
    pub system_id: String,
    /// At most 8 characters of ASCII.
    pub password: SecretString,
    /// At most 12 characters of ASCII; often empty.
    pub system_type: String,
    /// A number, a short code, or a name of at most 11 characters.
    pub from: String,
    pub alphabet: SmppAlphabet,
}

/// How texts are written to an SMS centre. What does not fit goes as UCS-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmppAlphabet {
    /// The GSM default alphabet, `data_coding` 0.
    Gsm,
    /// ISO 8859-1, `data_coding` 3.
    Latin1,
    Ucs2,
}
