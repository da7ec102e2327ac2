//! A code that an administrator issues to somebody who has lost everything else: it runs out within
//! the hour, counts once, and suffices to enrol a replacement.
//!
//! A code has 60 random bits. Kept are a random key and, under it, the HMAC-SHA-256 of the code. The
//! state is twice the time at which it runs out, and one more once it is used.

use std::time::Duration;

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::{
    About, Answer, EnrolError, Enrolling, Factor, Malformed, Material, NormalForm, Prompt, Question, Right,
    Setup, Verdict, code,
};
use crate::ambient::{UnixTime, random_bytes};
use crate::config::FactorKind;

/// Characters of a code: 60 bits.
const LENGTH: u8 = 12;
const KEY_LEN: usize = 32;

/// The factor `temporary_code`.
pub(super) struct TemporaryCode;

/// A new code, and what is kept of it. The code is shown once and is nowhere else.
#[must_use]
pub fn temporary_code(valid_for: Duration, now: UnixTime) -> (Material, SecretString) {
    let code = Zeroizing::new(code::random(LENGTH));
    let key = Zeroizing::new(random_bytes::<KEY_LEN>());
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &*key), code.as_bytes());
    let expires = now.plus(i64::try_from(valid_for.as_secs()).unwrap_or(0));
    let about = About { note: until(expires), ..About::default() };
    let material = Material {
        about,
        ..Material::new([&key[..], mac.as_ref()].concat(), expires.0.saturating_mul(2))
    };
    (material, code::grouped(&code).into())
}

/// "until 2026-11-22 14:30 UTC".
fn until(expires: UnixTime) -> Option<String> {
    let time = jiff::Timestamp::from_second(expires.0).ok()?;
    Some(format!("until {} UTC", time.strftime("%Y-%m-%d %H:%M")))
}

impl Factor for TemporaryCode {
    fn kind(&self) -> FactorKind {
        FactorKind::TemporaryCode
    }

    fn default_name(&self, _material: &Material) -> String {
        "Temporary code".to_owned()
    }

    fn prompt(&self) -> Prompt {
        Prompt::RecoveryCode
    }

    fn can_be_enrolled(&self) -> bool {
        false
    }

    fn begin(&self, _new: &Enrolling<'_>) -> Result<(Material, Setup), EnrolError> {
        Err(EnrolError::Account("an administrator issues temporary codes".to_owned()))
    }

    fn replaces_others(&self) -> bool {
        true
    }

    fn normal_form(&self, answer: &Answer) -> Result<NormalForm, Malformed> {
        let Answer::Code(typed) = answer else {
            return Err(Malformed::NotDigits);
        };
        code::crockford(typed, LENGTH)
    }

    fn check(&self, question: &Question<'_>, answer: &NormalForm) -> Verdict {
        let material = question.material;
        let Some((key, mac)) = material.secret.expose_secret().split_at_checked(KEY_LEN) else {
            return Verdict::Wrong;
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        // Constant time; a tag of another length is never equal.
        let right = hmac::verify(&key, answer.0.expose_secret().as_bytes(), mac).is_ok();
        let used = material.state & 1 == 1;
        let over = question.now.0 >= material.state >> 1;
        match (right, used, over) {
            (true, true, _) => Verdict::Used,
            (true, false, false) => Verdict::Right(Right::at(material.state | 1, material)),
            _ => Verdict::Wrong,
        }
    }

    fn left(&self, state: i64) -> Option<u32> {
        Some(u32::from(state & 1 == 0))
    }

    fn is_over(&self, state: i64, now: UnixTime) -> bool {
        state & 1 == 1 || now.0 >= state >> 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factors::testing::{enrolling, judged};

    const HOUR: Duration = Duration::from_hours(1);

    fn check(material: &Material, typed: &str, now: i64) -> Result<i64, bool> {
        let answer = TemporaryCode.normal_form(&Answer::Code(typed.into())).unwrap();
        judged(&TemporaryCode.check(&Question { material, begun: None, now: UnixTime(now) }, &answer))
    }

    #[test]
    fn it_counts_once_until_it_runs_out() {
        let (mut material, code) = temporary_code(HOUR, UnixTime(1000));
        let code = code.expose_secret();
        assert_eq!(material.about.note.as_deref(), Some("until 1970-01-01 01:16 UTC"));
        assert_eq!(TemporaryCode.left(material.state), Some(1));
        assert!(!TemporaryCode.is_over(material.state, UnixTime(4599)));
        assert!(TemporaryCode.is_over(material.state, UnixTime(4600)));
        assert_eq!(check(&material, code, 4600), Err(false), "it has run out");
        let state = check(&material, &code.to_uppercase().replace('-', " "), 4599).unwrap();
        assert!(state > material.state);
        material.state = state;
        assert_eq!(check(&material, code, 1001), Err(true));
        assert_eq!(TemporaryCode.left(state), Some(0));
        assert!(TemporaryCode.is_over(state, UnixTime(1001)));
    }

    #[test]
    fn no_two_are_alike_and_none_is_kept_in_clear() {
        let ((material, one), (_, other)) =
            (temporary_code(HOUR, UnixTime(0)), temporary_code(HOUR, UnixTime(0)));
        assert_eq!(one.expose_secret().len(), 14, "xxxx-xxxx-xxxx");
        assert_eq!(check(&material, other.expose_secret(), 1), Err(false));
        let plain = one.expose_secret().replace('-', "");
        assert!(!material.secret.expose_secret().windows(12).any(|part| part == plain.as_bytes()));
    }

    #[test]
    fn nobody_enrols_one_by_themselves() {
        assert!(!TemporaryCode.can_be_enrolled());
        assert!(TemporaryCode.begin(&enrolling("anna")).is_err());
    }
}
