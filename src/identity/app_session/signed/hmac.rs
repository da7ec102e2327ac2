//! A value and its HMAC in one cookie, as apps in PHP and others sign by hand.
//!
//! `value.signature`: what stands between, how the signature is written and what the value is are
//! described in the configuration. The signature is over the value as it stands in the cookie.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::SecretString;
use serde_json::Value;

use super::keys::Keys;
use super::rails::unhex;
use super::{Format, Opened, json};
use crate::ambient::UnixTime;
use crate::config::settings::Pointer;
use crate::config::settings::{HmacContent, HmacShape, Written};

const EITHER: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, EITHER);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, EITHER);

pub(super) struct Hmac {
    keys: Keys,
    separator: Box<str>,
    written: Written,
    content: HmacContent,
    ends: Option<Pointer>,
    signed: Option<Pointer>,
}

impl Hmac {
    pub(super) fn new(secrets: &[SecretString], shape: &HmacShape) -> Self {
        Self {
            keys: Keys::new(secrets, shape.digest, <[u8]>::to_vec),
            separator: shape.separator.as_str().into(),
            written: shape.written,
            content: shape.content.clone(),
            ends: shape.ends.clone(),
            signed: shape.signed.clone(),
        }
    }

    fn content(&self, value: &str) -> Option<Value> {
        match &self.content {
            HmacContent::Text => Some(value.into()),
            HmacContent::Fields(separator) => Some(value.split(separator.as_str()).collect()),
            HmacContent::Json => json(value.as_bytes()),
            HmacContent::Base64Json => json(&decoded(value)?),
        }
    }
}

impl Format for Hmac {
    fn open(&self, value: &str) -> Option<Opened> {
        let (signed, signature) = value.rsplit_once(&*self.separator)?;
        let signature = match self.written {
            Written::Hex => unhex(signature)?,
            Written::Base64 => decoded(signature)?,
        };
        if !self.keys.have_signed(signed.as_bytes(), &signature) {
            return None;
        }
        let content = self.content(signed)?;
        // A time that is to be looked at and is not there ends everything.
        let time = |pointer: &Option<Pointer>| match pointer {
            Some(pointer) => Some(Some(UnixTime(pointer.text(&content)?.parse().ok()?))),
            None => Some(None),
        };
        Some(Opened { ends: time(&self.ends)?, signed: time(&self.signed)?, content })
    }
}

/// Base64 of either alphabet, padded or not.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let engine = if text.contains(['-', '_']) {
        &URL_SAFE
    } else {
        &STANDARD
    };
    engine.decode(text).ok()
}
