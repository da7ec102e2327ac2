//! The key ring: signing keys for claims and for assertions, and the secret behind form tokens.
//!
//! Made on first start, kept in one file with mode 0600 in the state directory. The newest key
//! of each purpose signs; older ones verify until the last claim they can have signed has expired.
//! Nothing outside this file sees a private key.

use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::claim::{Claim, ClaimError, LONGEST_TOKEN, Wire};
use super::key_file;
use crate::ambient::{self, UnixTime};

/// `typ` of a session claim.
const CLAIM_TYPE: &str = "stepgate-claim+jwt";
/// `typ` of an assertion for an upstream.
const ASSERTION_TYPE: &str = "stepgate-assertion+jwt";

/// What a key signs. A key of one purpose never verifies the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    Claim,
    Assertion,
}

/// One key as the file keeps it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredKey {
    purpose: Purpose,
    kid: String,
    created: UnixTime,
    /// PKCS#8, base64.
    private: Hidden,
}

/// The whole file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredRing {
    /// Newest first.
    keys: Vec<StoredKey>,
    forms: Hidden,
}

/// A secret that can be written to its file and nowhere else.
#[derive(Clone)]
pub(super) struct Hidden(SecretString);

impl Serialize for Hidden {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

struct Key {
    purpose: Purpose,
    kid: String,
    created: UnixTime,
    signing: EncodingKey,
    verifying: DecodingKey,
    public: Vec<u8>,
}

/// The keys of one process, read from the file.
pub struct KeyRing {
    issuer: String,
    keys: Vec<Key>,
    forms: aws_lc_rs::hmac::Key,
}

/// A key as `stepgate keys list` shows it.
#[derive(Debug, Serialize)]
pub struct KeyInfo {
    pub purpose: Purpose,
    pub kid: String,
    pub created: UnixTime,
    /// Whether this is the one that signs.
    pub signs: bool,
}

/// Why there is no key ring.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{0} is readable by other users; `chmod 0600` it")]
    Open(PathBuf),
    #[error(
        "{0} is not a key ring: restore it from a backup, or remove it to make new keys (everyone proves again)"
    )]
    Broken(PathBuf),
}

impl KeyRing {
    /// Reads the ring, or makes it on first start.
    ///
    /// # Errors
    /// When the file cannot be read, made or understood.
    pub fn open(state: &Path, issuer: String, now: UnixTime) -> Result<Self, KeyError> {
        let stored = key_file::read_or_make(state, || StoredRing::new(now))?;
        Self::from_stored(&stored, issuer).ok_or_else(|| KeyError::Broken(key_file::path(state)))
    }

    /// Puts a new key of each purpose in front and drops those that nothing valid can be signed
    /// with any more: created before a successor that is itself older than `longest_claim` seconds.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn rotate(state: &Path, now: UnixTime, longest_claim: i64) -> Result<Vec<KeyInfo>, KeyError> {
        let mut stored = key_file::read_or_make(state, || StoredRing::new(now))?;
        for purpose in [Purpose::Assertion, Purpose::Claim] {
            stored.keys.insert(0, StoredKey::new(purpose, now));
        }
        stored.forget_old(now.plus(-longest_claim));
        key_file::replace(state, &stored)?;
        Ok(stored.infos())
    }

    /// What the file holds.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn list(state: &Path, now: UnixTime) -> Result<Vec<KeyInfo>, KeyError> {
        Ok(key_file::read_or_make(state, || StoredRing::new(now))?.infos())
    }

    /// A ring that no file keeps.
    #[cfg(any(test, fuzzing))]
    #[expect(clippy::expect_used, reason = "for tests alone")]
    pub(crate) fn in_memory(issuer: &str, now: UnixTime) -> Self {
        Self::from_stored(&StoredRing::new(now), issuer.to_owned()).expect("what was made can be read")
    }

    fn from_stored(stored: &StoredRing, issuer: String) -> Option<Self> {
        let keys: Option<Vec<Key>> = stored.keys.iter().map(Key::from_stored).collect();
        let keys = keys?;
        let complete = [Purpose::Claim, Purpose::Assertion]
            .iter()
            .all(|p| keys.iter().any(|k| k.purpose == *p));
        let forms = BASE64
            .decode(stored.forms.0.expose_secret())
            .ok()
            .filter(|bytes| bytes.len() == 32)?;
        complete.then(|| Self {
            issuer,
            keys,
            forms: aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &forms),
        })
    }

    /// Origin of the portal, the `iss` of everything signed here.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    fn newest(&self, purpose: Purpose) -> Option<&Key> {
        self.keys.iter().find(|key| key.purpose == purpose)
    }

    /// Signs a claim with the newest key.
    ///
    /// # Errors
    /// When signing fails, which only a broken key could cause.
    pub fn sign_claim(&self, claim: &Claim) -> Result<String, ClaimError> {
        self.sign(Purpose::Claim, CLAIM_TYPE, &claim.to_wire(&self.issuer))
    }

    /// Signs what an upstream is told.
    ///
    /// # Errors
    /// As for [`KeyRing::sign_claim`].
    pub fn sign_assertion<T: Serialize>(&self, payload: &T) -> Result<String, ClaimError> {
        self.sign(Purpose::Assertion, ASSERTION_TYPE, payload)
    }

    fn sign<T: Serialize>(&self, purpose: Purpose, typ: &str, payload: &T) -> Result<String, ClaimError> {
        let key = self.newest(purpose).ok_or(ClaimError::BadSignature)?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(typ.to_owned());
        header.kid = Some(key.kid.clone());
        jsonwebtoken::encode(&header, payload, &key.signing).map_err(|_| ClaimError::BadSignature)
    }

    /// Verifies a claim's form, signature and dates. Site and binding are the caller's to check,
    /// on every request.
    ///
    /// # Errors
    /// When it is not a claim that counts now.
    pub fn verify_claim(&self, token: &str, now: UnixTime) -> Result<Claim, ClaimError> {
        let wire: Wire = self.verify(Purpose::Claim, CLAIM_TYPE, token)?;
        Claim::from_wire(wire, &self.issuer, now)
    }

    /// Algorithm, type and key come from the ring; a header that names any other source is refused (F04, F11).
    fn verify<T: DeserializeOwned>(&self, purpose: Purpose, typ: &str, token: &str) -> Result<T, ClaimError> {
        if token.len() > LONGEST_TOKEN || token.split('.').count() != 3 {
            return Err(ClaimError::Malformed);
        }
        let header: StrictHeader = token
            .split('.')
            .next()
            .and_then(|part| BASE64.decode(part).ok())
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or(ClaimError::Malformed)?;
        if header.typ != typ || header.alg != "EdDSA" {
            return Err(ClaimError::Malformed);
        }
        let key = self
            .keys
            .iter()
            .find(|key| key.purpose == purpose && key.kid == header.kid)
            .ok_or(ClaimError::BadSignature)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        // Dates and audience are judged by our own clock and by the caller.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        jsonwebtoken::decode::<T>(token, &key.verifying, &validation)
            .map(|data| data.claims)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => ClaimError::BadSignature,
                _ => ClaimError::Malformed,
            })
    }

    /// Whether the ring holds the key that a token names: an unknown one is a reason to read the
    /// file again.
    #[must_use]
    pub fn knows_key_of(&self, token: &str) -> bool {
        jsonwebtoken::decode_header(token)
            .ok()
            .and_then(|header| header.kid)
            .is_none_or(|kid| self.keys.iter().any(|key| key.kid == kid))
    }

    /// HMAC over length-prefixed parts, for form tokens.
    #[must_use]
    pub fn form_token(&self, parts: &[&str]) -> String {
        let mut context = aws_lc_rs::hmac::Context::with_key(&self.forms);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        BASE64.encode(context.sign())
    }

    /// The public keys as a JWKS document (RFC 7517), each with its `use` of `sig`.
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        let keys: Vec<_> = self
            .keys
            .iter()
            .map(|key| {
                serde_json::json!({
                    "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                    "kid": key.kid, "x": BASE64.encode(&key.public),
                })
            })
            .collect();
        serde_json::json!({ "keys": keys })
    }

    /// Seconds since the key that signs claims was made.
    #[must_use]
    pub fn signing_key_age(&self, now: UnixTime) -> i64 {
        self.newest(Purpose::Claim).map_or(0, |key| now.since(key.created))
    }
}

/// The only header there is; `jku`, `jwk`, `x5c`, `crit` and anything else is an unknown field.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictHeader {
    typ: String,
    alg: String,
    kid: String,
}

impl Key {
    fn from_stored(stored: &StoredKey) -> Option<Self> {
        let der = BASE64.decode(stored.private.0.expose_secret()).ok()?;
        let pair = Ed25519KeyPair::from_pkcs8(&der).ok()?;
        let public = pair.public_key().as_ref().to_vec();
        Some(Self {
            purpose: stored.purpose,
            kid: stored.kid.clone(),
            created: stored.created,
            signing: EncodingKey::from_ed_der(&der),
            verifying: DecodingKey::from_ed_der(&public),
            public,
        })
    }
}

impl StoredKey {
    #[expect(clippy::expect_used, reason = "key generation fails only without system randomness")]
    fn new(purpose: Purpose, now: UnixTime) -> Self {
        let pair = Ed25519KeyPair::generate().expect("the operating system gives randomness");
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("a fresh key has an encoding");
        let secret = SecretString::from(BASE64.encode(der.as_ref()));
        let kid = BASE64.encode(ambient::random_bytes::<6>());
        Self { purpose, kid, created: now, private: Hidden(secret) }
    }
}

impl StoredRing {
    fn new(now: UnixTime) -> Self {
        Self {
            keys: vec![
                StoredKey::new(Purpose::Claim, now),
                StoredKey::new(Purpose::Assertion, now),
            ],
            forms: Hidden(BASE64.encode(ambient::random_bytes::<32>()).into()),
        }
    }

    /// Keeps of each purpose the newest, and every key whose successor is younger than `limit`.
    fn forget_old(&mut self, limit: UnixTime) {
        let mut successor = [None; 2];
        self.keys.retain(|key| {
            let Some(slot) = successor.get_mut(key.purpose as usize) else {
                return true;
            };
            let keep = slot.is_none_or(|newer: UnixTime| newer > limit);
            *slot = Some(key.created);
            keep
        });
    }

    fn infos(&self) -> Vec<KeyInfo> {
        let mut signing = [true; 2];
        self.keys
            .iter()
            .map(|key| {
                let signs = signing
                    .get_mut(key.purpose as usize)
                    .is_some_and(|s| std::mem::replace(s, false));
                KeyInfo { purpose: key.purpose, kid: key.kid.clone(), created: key.created, signs }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FactorKind, Properties};
    use crate::policy::{Binding, EnrolmentId, Proof};

    const NOW: UnixTime = UnixTime(1_700_000_000);
    const PORTAL: &str = "https://mfa.example";

    fn ring(state: &Path) -> KeyRing {
        KeyRing::open(state, PORTAL.to_owned(), NOW).unwrap()
    }

    fn claim() -> Claim {
        Claim {
            site: "app.example".to_owned(),
            subject: "local:anna".to_owned(),
            session: "s1".to_owned(),
            issued_at: NOW,
            expires_at: NOW.plus(3600),
            binding: Binding::new("local", "anna", "s1"),
            proofs: vec![Proof::new(FactorKind::Totp, EnrolmentId("e1".into()), NOW)],
        }
    }

    #[test]
    fn a_signed_claim_comes_back_whole_and_small() {
        let state = tempfile::tempdir().unwrap();
        let mut largest = claim();
        for n in 0..9 {
            largest.add(Proof {
                properties: Properties::NAMES.into_iter().filter_map(Properties::from_name).collect(),
                ..Proof::new(FactorKind::Totp, EnrolmentId(format!("enrolmt{n}").into()), NOW)
            });
        }
        assert_eq!(largest.proofs.len(), super::super::claim::MOST_PROOFS);
        let token = ring(state.path()).sign_claim(&largest).unwrap();
        assert!(token.len() < 1400, "{} bytes", token.len());
        assert!(ring(state.path()).sign_claim(&claim()).unwrap().len() < 1024);
        assert_eq!(ring(state.path()).verify_claim(&token, NOW).unwrap(), largest);
    }

    #[test]
    fn f02_every_changed_or_missing_byte_refuses_the_claim() {
        let state = tempfile::tempdir().unwrap();
        let ring = ring(state.path());
        let token = ring.sign_claim(&claim()).unwrap();
        for index in 0..token.len() {
            assert!(ring.verify_claim(token.get(..index).unwrap(), NOW).is_err(), "cut at {index}");
            for bit in 0..7 {
                let mut bytes = token.clone().into_bytes();
                bytes[index] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(bytes) else {
                    continue;
                };
                assert!(ring.verify_claim(&changed, NOW).is_err(), "byte {index} bit {bit}");
            }
        }
        assert!(ring.verify_claim(&format!("{token}="), NOW).is_err());
    }

    #[test]
    fn f04_an_assertion_is_no_claim_and_another_ring_signs_nothing_here() {
        let state = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let ring = ring(state.path());
        let assertion = ring.sign_assertion(&claim().to_wire(PORTAL)).unwrap();
        assert!(ring.verify_claim(&assertion, NOW).is_err());
        let foreign = KeyRing::open(other.path(), PORTAL.to_owned(), NOW)
            .unwrap()
            .sign_claim(&claim())
            .unwrap();
        assert_eq!(ring.verify_claim(&foreign, NOW), Err(ClaimError::BadSignature));
    }

    #[test]
    fn dates_are_judged() {
        let state = tempfile::tempdir().unwrap();
        let ring = ring(state.path());
        let token = ring.sign_claim(&claim()).unwrap();
        assert_eq!(ring.verify_claim(&token, NOW.plus(3600)), Err(ClaimError::Expired));
        assert_eq!(ring.verify_claim(&token, NOW.plus(-61)), Err(ClaimError::FromTheFuture));
        assert!(ring.verify_claim(&token, NOW.plus(-60)).is_ok());
    }

    #[test]
    fn old_keys_verify_until_their_claims_have_expired() {
        let state = tempfile::tempdir().unwrap();
        let token = ring(state.path()).sign_claim(&claim()).unwrap();
        KeyRing::rotate(state.path(), NOW.plus(10), 3600).unwrap();
        assert!(ring(state.path()).verify_claim(&token, NOW.plus(20)).is_ok());
        let newer = ring(state.path()).sign_claim(&claim()).unwrap();
        assert_ne!(token.split('.').next(), newer.split('.').next(), "the new key signs");
        let infos = KeyRing::rotate(state.path(), NOW.plus(4000), 3600).unwrap();
        assert_eq!(infos.len(), 4, "the first pair can have signed nothing that still counts: {infos:?}");
        assert_eq!(ring(state.path()).verify_claim(&token, NOW.plus(20)), Err(ClaimError::BadSignature));
    }

    #[test]
    fn r31_open_or_broken_files_are_refused_by_name() {
        use std::os::unix::fs::PermissionsExt as _;
        let state = tempfile::tempdir().unwrap();
        drop(ring(state.path()));
        let path = state.path().join("keys.json");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(KeyRing::open(state.path(), String::new(), NOW), Err(KeyError::Open(_))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(KeyRing::open(state.path(), String::new(), NOW), Err(KeyError::Broken(_))));
    }
}
