//! Cookies of Ruby on Rails: encrypted (AES-256-GCM, the session since Rails 5.2) and signed.
//!
//! Encrypted: `data--iv--tag`, signed: `data--hex`, each part but the last of a signed one in base64.
//! Inside, Rails says what the cookie is for; without the very name the content of another cookie,
//! one that the person may write into, could be moved here. Values are JSON; Marshal is not read.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::keys::Keys;
use super::{Format, Opened, json};
use crate::ambient::UnixTime;
use crate::config::settings::Digest;

/// Rounds of `ActiveSupport::KeyGenerator` for the secrets of an application.
const ROUNDS: std::num::NonZeroU32 = std::num::NonZeroU32::new(1000).expect("a thousand is not zero");
const ENCRYPTED_SALT: &[u8] = b"authenticated encrypted cookie";
const SIGNED_SALT: &[u8] = b"signed cookie";

/// Reads the cookies of one name, by `secret_key_base`. `of` makes keys of it: SHA-256 since Rails 7,
/// SHA-1 before.
pub(super) fn jar(secrets: &[SecretString], cookie: &str, encrypted: bool, of: Digest) -> Box<dyn Format> {
    let purpose = format!("cookie.{cookie}").into_boxed_str();
    if encrypted {
        let key = |secret: &SecretString| {
            let key = derived(secret.expose_secret().as_bytes(), ENCRYPTED_SALT, 32, of);
            UnboundKey::new(&AES_256_GCM, &key).ok().map(LessSafeKey::new)
        };
        return Box::new(Encrypted { keys: secrets.iter().filter_map(key).collect(), purpose });
    }
    // The key is made with the newer digest; the signature itself is SHA-1 in every Rails, where nobody
    // has chosen another.
    let keys = Keys::new(secrets, Digest::Sha1, |secret| derived(secret, SIGNED_SALT, 64, of));
    Box::new(Signed { keys, purpose })
}

fn derived(secret: &[u8], salt: &[u8], bytes: usize, of: Digest) -> Vec<u8> {
    let algorithm = match of {
        Digest::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        Digest::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        Digest::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
        Digest::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
    };
    let mut key = vec![0; bytes];
    pbkdf2::derive(algorithm, ROUNDS, salt, secret, &mut key);
    key
}

struct Encrypted {
    keys: Vec<LessSafeKey>,
    purpose: Box<str>,
}

impl Format for Encrypted {
    fn open(&self, value: &str) -> Option<Opened> {
        let mut parts = value.split("--");
        let (data, nonce, tag) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let nonce: [u8; 12] = BASE64.decode(nonce).ok()?.try_into().ok()?;
        let tag: [u8; 16] = BASE64.decode(tag).ok()?.try_into().ok()?;
        let mut sealed = BASE64.decode(data).ok()?;
        sealed.extend_from_slice(&tag);
        self.keys.iter().find_map(|key| {
            let mut sealed = sealed.clone();
            let nonce = Nonce::assume_unique_for_key(nonce);
            let plain = key.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
            for_purpose(plain, &self.purpose)
        })
    }
}

struct Signed {
    keys: Keys,
    purpose: Box<str>,
}

impl Format for Signed {
    fn open(&self, value: &str) -> Option<Opened> {
        let (data, signature) = value.rsplit_once("--")?;
        if !self.keys.have_signed(data.as_bytes(), &unhex(signature)?) {
            return None;
        }
        for_purpose(&BASE64.decode(data).ok()?, &self.purpose)
    }
}

/// What is inside Rails' envelope, if it is addressed to this cookie.
fn for_purpose(envelope: &[u8], purpose: &str) -> Option<Opened> {
    let envelope = json(envelope)?;
    let inside = envelope.get("_rails")?;
    if inside.get("pur")?.as_str()? != purpose {
        return None;
    }
    let ends = match inside.get("exp") {
        None | Some(Value::Null) => None,
        Some(time) => Some(UnixTime(time.as_str()?.parse::<jiff::Timestamp>().ok()?.as_second())),
    };
    let content = match (inside.get("message"), inside.get("data")) {
        (Some(message), None) => json(&BASE64.decode(message.as_str()?).ok()?)?,
        (None, Some(Value::String(text))) => json(text.as_bytes())?,
        (None, Some(data)) => data.clone(),
        _ => return None,
    };
    Some(Opened { content, signed: None, ends })
}

/// Bytes in hexadecimal digits, of either case.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |&[high, low]: &[u8; 2]| Some(digit(high)? << 4 | digit(low)?);
    rest.is_empty().then(|| pairs.iter().map(byte).collect()).flatten()
}
