//! What stands in a token's header: which key, and nothing that the token may choose itself.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as STRICT;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use crate::config::settings::JwtContract;
use crate::identity::claims::{Claims, text};

/// AWS load balancers leave the padding in, and sign it.
const PADDED: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Fields by which a token would name its own key, or that we would have to understand (F04).
const OWN_KEYS: [&str; 5] = ["jku", "jwk", "x5u", "x5c", "crit"];

/// What an ordinary token calls itself, if anything (RFC 7519 section 5.1, RFC 9068 section 2.1). Others are
/// signed with the same keys and are no tokens of a person: logout and security events, proofs, our own (F04).
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// The header fields of an ordinary token that are read. Any that names a key source or must be
/// understood refuses the token, because the field is not listed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    #[serde(rename = "alg")]
    _alg: String,
    #[serde(rename = "typ")]
    typ: Option<String>,
    #[serde(rename = "cty")]
    _cty: Option<String>,
    #[serde(rename = "x5t")]
    _x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    _x5t_s256: Option<String>,
    kid: Option<String>,
}

/// What a header says that matters before the signature is checked.
pub(super) struct Header {
    pub kid: Option<String>,
    /// All fields, for contracts that say something there.
    pub fields: Claims,
}

/// The header, if it is one that we read under this contract.
pub(super) fn read(token: &str, contract: &JwtContract) -> Option<Header> {
    let first = token.split('.').next()?;
    match contract {
        JwtContract::Standard => {
            let bytes = STRICT.decode(first).ok()?;
            let listed: Listed = serde_json::from_slice(&bytes).ok()?;
            listed
                .typ
                .as_deref()
                .is_none_or(is_ordinary)
                .then(|| Header { kid: listed.kid, fields: Claims::new() })
        }
        JwtContract::AwsAlb { signer } => {
            let fields: Claims = serde_json::from_slice(&PADDED.decode(first).ok()?).ok()?;
            let foreign = OWN_KEYS.iter().any(|name| fields.contains_key(*name));
            let ours = !foreign
                && text(&fields, "alg") == Some("ES256")
                && text(&fields, "signer").is_some_and(|said| signer.iter().any(|one| one == said));
            let kid = text(&fields, "kid").map(str::to_owned);
            ours.then_some(Header { kid, fields })
        }
    }
}

/// Media types are told apart without case, and may be written without `application/` (RFC 7515 section 4.1.9).
fn is_ordinary(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    TYPES.contains(&typ.strip_prefix("application/").unwrap_or(&typ))
}

/// The claims of a token that this key has signed with this algorithm.
pub(super) fn verified(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
    contract: &JwtContract,
) -> Option<Claims> {
    if let JwtContract::AwsAlb { .. } = contract {
        return padded(token, key, algorithm);
    }
    let mut validation = Validation::new(algorithm);
    // Dates, issuer and audience are judged apart, with the types they must have (F05).
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Claims>(token, key, &validation)
        .ok()
        .map(|data| data.claims)
}

fn padded(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<Claims> {
    let (signed, signature) = token.rsplit_once('.')?;
    let bare = signature.trim_end_matches('=');
    if !jsonwebtoken::crypto::verify(bare, signed.as_bytes(), key, algorithm).ok()? {
        return None;
    }
    let (_, payload) = signed.split_once('.')?;
    match serde_json::from_slice(&PADDED.decode(payload).ok()?).ok()? {
        Value::Object(claims) => Some(claims),
        _ => None,
    }
}
