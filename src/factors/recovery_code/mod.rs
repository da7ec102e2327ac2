//! Recovery codes: a printed list, each code good once.
//!
//! A code has 80 random bits. Kept are a random key of the enrolment's own and, under it, the
//! HMAC-SHA-256 of each code; the store seals both. The state holds how many codes there are and
//! a bit mask of the used ones, which only grows.

use aws_lc_rs::hmac;
use secrecy::ExposeSecret;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::{
    Answer, Confirmation, EnrolError, Enrolling, Factor, Malformed, Material, NormalForm, Prompt, Question,
    Right, Setup, Verdict, code,
};
use crate::ambient::random_bytes;
use crate::config::{FactorKind, settings};

/// Characters of a code: 80 bits.
const LENGTH: u8 = 16;
const KEY_LEN: usize = 32;
const MAC_LEN: usize = 32;
/// State: bits 0 to 55 are used codes, the bits above say how many codes there are.
const MAX_COUNT: u8 = 50;
const COUNT_SHIFT: u32 = 56;
const USED: i64 = (1 << COUNT_SHIFT) - 1;

/// The factor `recovery_code`.
pub(super) struct RecoveryCode {
    count: u8,
}

impl RecoveryCode {
    pub(super) fn new(settings: &settings::RecoveryCodes) -> Self {
        Self { count: settings.count.clamp(1, MAX_COUNT) }
    }
}

impl Factor for RecoveryCode {
    fn kind(&self) -> FactorKind {
        FactorKind::RecoveryCode
    }

    fn default_name(&self, _material: &Material) -> String {
        "Recovery codes".to_owned()
    }

    fn prompt(&self) -> Prompt {
        Prompt::RecoveryCode
    }

    fn begin(&self, _new: &Enrolling<'_>) -> Result<(Material, Setup), EnrolError> {
        let key = Zeroizing::new(random_bytes::<KEY_LEN>());
        let mac_key = hmac::Key::new(hmac::HMAC_SHA256, &*key);
        let mut secret = key.to_vec();
        let mut codes = Vec::with_capacity(usize::from(self.count));
        for _ in 0..self.count {
            let code = Zeroizing::new(code::random(LENGTH));
            secret.extend_from_slice(hmac::sign(&mac_key, code.as_bytes()).as_ref());
            codes.push(code::grouped(&code));
        }
        let state = i64::from(self.count) << COUNT_SHIFT;
        Ok((Material::new(secret, state), Setup::RecoveryCodes { codes }))
    }

    fn confirmation(&self) -> Confirmation {
        Confirmation::Saved
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
        let Some((key, macs)) = material.secret.expose_secret().split_at_checked(KEY_LEN) else {
            return Verdict::Wrong;
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let typed = hmac::sign(&key, answer.0.expose_secret().as_bytes());
        let mut matched = 0_i64;
        let mut any = Choice::from(0);
        for (index, mac) in macs.chunks_exact(MAC_LEN).take(usize::from(MAX_COUNT)).enumerate() {
            let same = mac.ct_eq(typed.as_ref());
            matched.conditional_assign(&(1_i64 << index), same);
            any |= same;
        }
        match (bool::from(any), material.state & matched == 0) {
            (true, true) => Verdict::Right(Right::at(material.state | matched, material)),
            (true, false) => Verdict::Used,
            (false, _) => Verdict::Wrong,
        }
    }

    fn left(&self, state: i64) -> Option<u32> {
        let count = u32::try_from(state >> COUNT_SHIFT).unwrap_or(0);
        Some(count.saturating_sub((state & USED).count_ones()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::UnixTime;
    use crate::factors::testing::{enrolling, judged};

    fn factor() -> RecoveryCode {
        RecoveryCode::new(&settings::RecoveryCodes { count: 10 })
    }

    fn codes() -> (Material, Vec<String>) {
        let (material, setup) = factor().begin(&enrolling("alice")).unwrap();
        let Setup::RecoveryCodes { codes } = setup else {
            panic!("not recovery codes")
        };
        (material, codes)
    }

    fn check(material: &Material, typed: &str) -> Result<i64, bool> {
        let answer = factor().normal_form(&Answer::Code(typed.into())).unwrap();
        judged(&factor().check(&Question { material, begun: None, now: UnixTime(0) }, &answer))
    }

    #[test]
    fn e16_each_code_counts_once() {
        let (mut material, codes) = codes();
        assert_eq!(codes.len(), 10);
        for (used, code) in codes.iter().enumerate() {
            assert_eq!(factor().left(material.state), Some(10 - u32::try_from(used).unwrap()));
            let before = material.state;
            let Ok(state) = check(&material, code) else {
                panic!("{code} is right")
            };
            assert!(state > before);
            material.state = state;
            assert_eq!(check(&material, code), Err(true));
        }
        assert_eq!(factor().left(material.state), Some(0));
    }

    #[test]
    fn codes_are_read_however_they_are_typed_and_only_by_their_owner() {
        let (material, all) = codes();
        let code = all.first().unwrap();
        assert_eq!(code.len(), 19);
        for typed in [
            code.to_uppercase(),
            code.replace('-', " "),
            code.replace('0', "o").replace('1', "I"),
        ] {
            assert!(check(&material, &typed).is_ok(), "{typed}");
        }
        assert_eq!(check(&codes().0, code), Err(false));
    }

    #[test]
    fn no_code_is_kept_in_clear() {
        let (material, all) = codes();
        let secret = material.secret.expose_secret();
        for code in all {
            let plain = code.replace('-', "");
            assert!(!secret.windows(plain.len()).any(|window| window == plain.as_bytes()));
        }
    }
}
