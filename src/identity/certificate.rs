//! A client certificate, as our own TLS has verified it.
//!
//! It says which key the client holds; what that means is for the sources and the policy.

/// A client certificate that one of the configured authorities has signed and that is valid now. Put
/// into the extensions of every request of its connection, in an `Arc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Distinguished names as text: `CN=laptop-7, O=Example`.
    pub subject: String,
    pub issuer: String,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub public_key: [u8; 32],
}
