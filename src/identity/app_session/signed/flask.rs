//! Flask's session cookie, signed by itsdangerous (`URLSafeTimedSerializer`, keys by HMAC).
//!
//! `data.time.signature`: data as in Django, time as a big-endian number in base64.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use secrecy::SecretString;

use super::keys::{Keys, algorithm};
use super::{Format, Opened, django};
use crate::ambient::UnixTime;
use crate::config::settings::Digest;

/// Signed by Flask's `SECRET_KEY`, or one of `SECRET_KEY_FALLBACKS`.
pub(super) struct Flask(Keys);

impl Flask {
    /// `salt` is `cookie-session` where nobody has changed it; `of` is SHA-1 likewise.
    pub(super) fn new(secrets: &[SecretString], salt: &str, of: Digest) -> Self {
        let derive = |secret: &[u8]| {
            let key = hmac::Key::new(algorithm(of), secret);
            hmac::sign(&key, salt.as_bytes()).as_ref().to_vec()
        };
        Self(Keys::new(secrets, of, derive))
    }
}

impl Format for Flask {
    fn open(&self, value: &str) -> Option<Opened> {
        let (signed, signature) = value.rsplit_once('.')?;
        if !self.0.have_signed(signed.as_bytes(), &BASE64.decode(signature).ok()?) {
            return None;
        }
        let (data, time) = signed.rsplit_once('.')?;
        let time = BASE64.decode(time).ok()?;
        let number = |sum: i64, byte: &u8| sum.checked_mul(256)?.checked_add(i64::from(*byte));
        let seconds = time.iter().try_fold(0, number)?;
        Some(Opened { content: django::content(data)?, signed: Some(UnixTime(seconds)), ends: None })
    }
}
