//! Sealed values: AES-256-GCM with a key from outside the database, bound to table, column and row.
//!
//! Envelope: version (1 byte), key id (4), nonce (12), ciphertext with tag. The newest key seals;
//! all keys open. A value moved to another row, column or table does not open. Random nonces allow
//! 2^32 messages a key, far more than one installation writes.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use zeroize::Zeroizing;

use crate::ambient::random_bytes;

const VERSION: u8 = 1;
const KEY_ID_LEN: usize = 4;
const HEADER_LEN: usize = 1 + KEY_ID_LEN + NONCE_LEN;
/// Shorter keys are refused: 256 bits.
const MIN_KEY_LEN: usize = 32;

/// Where a sealed value lives. A value opens only where it was sealed.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub table: &'a str,
    pub column: &'a str,
    pub row: &'a [u8],
}

/// Why a value does not open or a key is not usable.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    #[error("a sealed value was sealed with a key that is not in storage.encryption_keys")]
    UnknownKey,
    #[error("a sealed value is damaged or was moved from another record")]
    Damaged,
    #[error("an encryption key is too short: 32 random bytes are needed, as base64 or as they are")]
    ShortKey,
    #[error("the cryptographic library refused")]
    Refused,
}

/// The keys there are. Has no `Debug`.
pub struct KeyRing {
    newest: Key,
    older: Vec<Key>,
}

struct Key {
    id: [u8; KEY_ID_LEN],
    aead: LessSafeKey,
    mac: hmac::Key,
}

impl KeyRing {
    /// Builds the ring from configured keys: base64 of at least 32 bytes, or at least 32 bytes as
    /// they are.
    ///
    /// # Errors
    /// When there is no key or one is too short.
    pub fn new(keys: &[SecretString]) -> Result<Self, SealError> {
        let (newest, older) = keys.split_first().ok_or(SealError::ShortKey)?;
        let older = older.iter().map(Key::derive).collect::<Result<_, _>>()?;
        Ok(Self { newest: Key::derive(newest)?, older })
    }

    /// Seals `plain` for `place` with the newest key.
    ///
    /// # Errors
    /// When the library refuses, which a value of our sizes cannot cause.
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = &self.newest;
        let nonce: [u8; NONCE_LEN] = random_bytes();
        let mut body = Zeroizing::new(plain.to_vec());
        let tag = key
            .aead
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad(place)), &mut body)
            .map_err(|_| SealError::Refused)?;
        let mut sealed = Vec::with_capacity(HEADER_LEN + body.len() + tag.as_ref().len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// When the key is not in the ring, or the value was changed or moved.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<SecretSlice<u8>, SealError> {
        let (&version, rest) = sealed.split_first().ok_or(SealError::Damaged)?;
        if version != VERSION {
            return Err(SealError::Damaged);
        }
        let (id, rest) = rest.split_first_chunk::<KEY_ID_LEN>().ok_or(SealError::Damaged)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Damaged)?;
        let mut keys = std::iter::once(&self.newest).chain(&self.older);
        let key = keys.find(|key| key.id == *id).ok_or(SealError::UnknownKey)?;
        let mut body = Zeroizing::new(body.to_vec());
        let plain = key
            .aead
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad(place)), &mut body)
            .map_err(|_| SealError::Damaged)?;
        Ok(SecretSlice::from(plain.to_vec()))
    }

    /// Keyed hash for `purpose` over length-prefixed parts: recognises a value without keeping it.
    #[must_use]
    pub fn mac(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.newest.mac);
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.sign().as_ref());
        bytes
    }
}

/// Length-prefixed, so that no two places share their bytes.
fn aad(place: Place<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [place.table.as_bytes(), place.column.as_bytes(), place.row] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

impl Key {
    fn derive(configured: &SecretString) -> Result<Self, SealError> {
        let text = configured.expose_secret().trim();
        let material = Zeroizing::new(match STANDARD.decode(text) {
            Ok(decoded) if decoded.len() >= MIN_KEY_LEN => decoded,
            _ => text.as_bytes().to_vec(),
        });
        if material.len() < MIN_KEY_LEN {
            return Err(SealError::ShortKey);
        }
        let aead_key = expand::<32>(&material, b"stepgate seal 1")?;
        let mac_key = expand::<32>(&material, b"stepgate mac 1")?;
        let aead = UnboundKey::new(&AES_256_GCM, &*aead_key).map_err(|_| SealError::Refused)?;
        Ok(Self {
            id: *expand::<KEY_ID_LEN>(&material, b"stepgate key id 1")?,
            aead: LessSafeKey::new(aead),
            mac: hmac::Key::new(hmac::HMAC_SHA256, &*mac_key),
        })
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-SHA-256 (RFC 5869): each purpose its own key from one configured secret.
fn expand<const N: usize>(material: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; N]>, SealError> {
    let mut bytes = Zeroizing::new([0; N]);
    Salt::new(HKDF_SHA256, b"stepgate")
        .extract(material)
        .expand(&[info], Length(N))
        .and_then(|okm| okm.fill(&mut *bytes))
        .map_err(|_| SealError::Refused)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HERE: Place<'static> = Place { table: "enrolments", column: "sealed", row: b"a" };

    fn ring(keys: &[&str]) -> KeyRing {
        let keys: Vec<SecretString> = keys.iter().map(|k| SecretString::from(*k)).collect();
        KeyRing::new(&keys).unwrap()
    }

    const OLD: &str = "an old key that is long enough to be taken as it is";
    const NEW: &str = "a new key that is long enough to be taken as it is";

    #[test]
    fn opens_only_in_its_own_row_column_and_table() {
        let ring = ring(&[NEW]);
        let sealed = ring.seal(HERE, b"seed").unwrap();
        assert_eq!(ring.open(HERE, &sealed).unwrap().expose_secret(), b"seed");
        for place in [
            Place { table: "challenges", ..HERE },
            Place { column: "setup", ..HERE },
            Place { row: b"b", ..HERE },
            Place { table: "enrolment", column: "ssealed", row: b"a" },
        ] {
            assert_eq!(ring.open(place, &sealed).unwrap_err(), SealError::Damaged);
        }
    }

    #[test]
    fn an_older_key_still_opens_and_an_unknown_one_does_not() {
        let sealed = ring(&[OLD]).seal(HERE, b"seed").unwrap();
        assert_eq!(ring(&[NEW, OLD]).open(HERE, &sealed).unwrap().expose_secret(), b"seed");
        assert_eq!(ring(&[NEW]).open(HERE, &sealed).unwrap_err(), SealError::UnknownKey);
    }

    #[test]
    fn a_short_key_is_refused_and_base64_is_decoded() {
        assert!(KeyRing::new(&[SecretString::from("short")]).is_err());
        assert!(KeyRing::new(&[]).is_err());
        let padded = STANDARD.encode([7_u8; 32]);
        let sealed = ring(&[&padded]).seal(HERE, b"x").unwrap();
        assert!(ring(&[&format!("{padded}\n")]).open(HERE, &sealed).is_ok());
    }

    proptest! {
        #[test]
        fn any_changed_byte_and_any_truncation_is_refused(plain: Vec<u8>, at: usize, flip in 1_u8..) {
            let ring = ring(&[NEW]);
            let sealed = ring.seal(HERE, &plain).unwrap();
            let mut changed = sealed.clone();
            let at = at % changed.len();
            changed[at] ^= flip;
            prop_assert!(ring.open(HERE, &changed).is_err());
            prop_assert!(ring.open(HERE, &sealed[..at]).is_err());
        }
    }
}
