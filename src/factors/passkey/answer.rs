//! What a browser sends back of a ceremony, taken apart once. Of it only what the library has
//! verified may ever count; the checks here are those that it leaves to its caller
//! (security.md E18, E19).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use webauthn_rs::prelude::{PublicKeyCredential, RegisterPublicKeyCredential};

/// Longer than any credential with its attestation that fits into a form.
const MAX_LENGTH: usize = 16 * 1024;
/// WebAuthn L3 5.1: a credential id has at most 1023 bytes.
const MAX_ID: usize = 1023;
/// Where the AAGUID stands in authenticator data (L3 6.1): after hash, flags and counter.
const AAGUID: std::ops::Range<usize> = 37..53;
const TRANSPORTS: [&str; 7] = ["ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"];

/// The fields that both ceremonies have.
#[derive(Deserialize)]
struct Common {
    id: String,
    #[serde(rename = "rawId")]
    raw_id: String,
    #[serde(rename = "type")]
    kind: String,
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    #[serde(default)]
    transports: Vec<String>,
}

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
    #[serde(rename = "topOrigin", default)]
    top_origin: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct AttestationObject<'a> {
    #[serde(rename = "authData", borrow)]
    auth_data: &'a [u8],
}

/// Whether this is a browser's credential at all: one id in both its spellings, of the right type,
/// made by a page that stood for itself and not in another's frame.
pub(super) fn is_credential(json: &str) -> bool {
    if json.len() > MAX_LENGTH {
        return false;
    }
    let Ok(common) = serde_json::from_str::<Common>(json) else {
        return false;
    };
    let Ok(id) = URL_SAFE_NO_PAD.decode(&common.raw_id) else {
        return false;
    };
    let one_id = common.id == common.raw_id && !id.is_empty() && id.len() <= MAX_ID;
    one_id && common.kind == "public-key" && stands_alone(&common.response.client_data)
}

/// Whether the ceremony took place in a page of its own. The library asks that of registrations
/// only.
fn stands_alone(client_data: &str) -> bool {
    URL_SAFE_NO_PAD
        .decode(client_data)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<ClientData>(&bytes).ok())
        .is_some_and(|data| !data.cross_origin && data.top_origin.is_none())
}

/// What came back of a registration.
pub(super) fn registered(json: &str) -> Option<RegisterPublicKeyCredential> {
    parsed(json)
}

/// What came back of an authentication.
pub(super) fn asserted(json: &str) -> Option<PublicKeyCredential> {
    parsed(json)
}

fn parsed<T: DeserializeOwned>(json: &str) -> Option<T> {
    if is_credential(json) {
        serde_json::from_str(json).ok()
    } else {
        None
    }
}

/// How the new credential says it is reached, as far as we know the words.
pub(super) fn transports(json: &str) -> Vec<String> {
    let said =
        serde_json::from_str::<Common>(json).map_or_else(|_| Vec::new(), |one| one.response.transports);
    let mut known: Vec<String> = TRANSPORTS
        .iter()
        .filter(|transport| said.iter().any(|one| one == *transport))
        .map(|transport| (*transport).to_owned())
        .collect();
    known.dedup();
    known
}

/// The make of the authenticator. Proved only where an attestation was asked for.
pub(super) fn aaguid(credential: &RegisterPublicKeyCredential) -> Uuid {
    serde_cbor_2::from_slice::<AttestationObject<'_>>(&credential.response.attestation_object)
        .ok()
        .and_then(|object| object.auth_data.get(AAGUID))
        .and_then(|bytes| Uuid::from_slice(bytes).ok())
        .unwrap_or_default()
}

/// The user handle that came with an assertion, where there is one.
pub(super) fn user(credential: &PublicKeyCredential) -> Option<&[u8]> {
    credential.response.user_handle.as_deref()
}
