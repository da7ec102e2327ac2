//! What a provider has signed: ID tokens and logout tokens go through this one strict reader.
//!
//! The key is looked up among the provider's published ones, the algorithm must be one that counts and the
//! key's own, and a header that names a key source or must be understood refuses the token (security.md F04,
//! F05, F11; RFC 8725). What is read out is what the signature covers, byte for byte; what it means is
//! judged elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use openidconnect::core::{CoreJsonWebKey, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKey, JsonWebKeyAlgorithm, JsonWebKeyUse, JwsSigningAlgorithm as _};
use serde::Deserialize;

use super::discovery::{Metadata, algorithms};
use crate::identity::claims::{self, Claims};

/// Longer tokens are refused before anything is decoded (D10).
const LONGEST_TOKEN: usize = 32 * 1024;
/// Longer key ids are refused (F11).
const LONGEST_KID: usize = 256;

/// The header fields that are read. Any other refuses the token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: CoreJwsSigningAlgorithm,
    kid: Option<String>,
    typ: Option<String>,
    #[serde(rename = "x5t")]
    _x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    _x5t_s256: Option<String>,
}

/// A token whose signature is the provider's.
pub(super) struct Signed {
    pub(super) claims: Claims,
    key: CoreJsonWebKey,
    algorithm: CoreJwsSigningAlgorithm,
}

/// Why a token counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadToken {
    /// It names a key, or needs one, that the provider did not publish when it was last asked.
    UnknownKey,
    Refused(&'static str),
}

/// What `token` says. `types`: the `typ` values that its header may have, in lower case.
pub(super) fn read(token: &str, metadata: &Metadata, types: &[&str]) -> Result<Signed, BadToken> {
    let malformed = || BadToken::Refused("it is no signed token");
    if token.len() > LONGEST_TOKEN {
        return Err(BadToken::Refused("it is too long"));
    }
    let (covered, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
    let (header, payload) = covered.split_once('.').ok_or_else(malformed)?;
    let decode = |part: &str| BASE64.decode(part).map_err(|_| malformed());
    let header: Header = serde_json::from_slice(&decode(header)?)
        .map_err(|_| BadToken::Refused("its header is not one that is read"))?;
    if !algorithms(metadata).contains(&header.alg) {
        return Err(BadToken::Refused("it is signed by an algorithm that does not count"));
    }
    let is_type = |typ: &String| types.contains(&typ.to_ascii_lowercase().as_str());
    if !header.typ.as_ref().is_none_or(is_type) {
        return Err(BadToken::Refused("it is a token of another kind"));
    }
    let key = key(metadata, header.kid.as_deref(), &header.alg)?;
    let signature = decode(signature)?;
    key.verify_signature(&header.alg, covered.as_bytes(), &signature)
        .map_err(|_| BadToken::Refused("its signature is wrong"))?;
    let claims: Claims = serde_json::from_slice(&decode(payload)?).map_err(|_| malformed())?;
    Ok(Signed { claims, key: key.clone(), algorithm: header.alg })
}

/// The published key with this id; without an id, the only one that fits.
fn key<'a>(
    metadata: &'a Metadata,
    kid: Option<&str>,
    algorithm: &CoreJwsSigningAlgorithm,
) -> Result<&'a CoreJsonWebKey, BadToken> {
    if kid.is_some_and(|kid| kid.len() > LONGEST_KID) {
        return Err(BadToken::Refused("its key id is too long"));
    }
    let fits = |key: &&CoreJsonWebKey| {
        key.key_use().is_none_or(JsonWebKeyUse::allows_signature)
            && algorithm.key_type().as_ref() == Some(key.key_type())
            && match key.signing_alg() {
                JsonWebKeyAlgorithm::Unspecified => true,
                JsonWebKeyAlgorithm::Algorithm(own) => own == algorithm,
                JsonWebKeyAlgorithm::Unsupported => false,
            }
    };
    let keys = metadata.jwks().keys();
    let mut fitting = keys
        .iter()
        .filter(fits)
        .filter(|key| kid.is_none_or(|kid| key.key_id().is_some_and(|id| id.as_str() == kid)));
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key),
        (Some(_), Some(_)) => Err(BadToken::Refused("it does not say which key signed it")),
        (None, _) => Err(BadToken::UnknownKey),
    }
}

impl Signed {
    /// The claim, if it is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// The claim as whole seconds (RFC 7519 NumericDate; a fraction is cut off).
    pub(super) fn time(&self, name: &str) -> Option<i64> {
        claims::number(&self.claims, name)
    }

    /// Whether `hash` is the left half of the token's hash (`at_hash`, Core 3.1.3.6).
    pub(super) fn is_hash_of(&self, hash: &str, token: &str) -> bool {
        let Ok(whole) = self.key.hash_bytes(token.as_bytes(), &self.algorithm) else {
            return false;
        };
        let half = whole.get(..whole.len() / 2).unwrap_or_default();
        BASE64.encode(half) == hash
    }
}
