//! Tokens that count (RFC 4226): a key fob whose button makes the next code.
//!
//! The state is the next counter that may count, so the conditional write that moves it lets every
//! code count once. Codes made and not used are forgiven within a window; a token that is further on
//! is found again by two codes in a row, typed one after the other into the same field (RFC 4226
//! 7.4). People cannot enrol such a token: it comes with its secret and is imported.

use secrecy::ExposeSecret as _;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::oath::Token;
use super::{
    About, Answer, EnrolError, Enrolling, Factor, Malformed, Material, NormalForm, Prompt, Question, Right,
    Setup, Verdict, code,
};
use crate::config::{FactorKind, settings};

/// Digits of a code, unless the token says otherwise.
const DIGITS: u8 = 6;
/// Counters in which two codes in a row are looked for: more presses than a year in a pocket makes. Two codes
/// make it a chance of one in 10^9, less than that of one code within the window.
const RESYNCHRONISATION: u64 = 1000;

/// The factor `hotp`.
pub(super) struct Hotp {
    look_ahead: u64,
}

impl Hotp {
    pub(super) fn new(settings: &settings::Hotp) -> Self {
        Self { look_ahead: u64::from(settings.look_ahead) }
    }

    /// One code: within the window ahead, or one that was used just before.
    fn one(&self, token: &Token, next: u64, typed: &str) -> Result<u64, bool> {
        match find(next..next.saturating_add(self.look_ahead), |at| equal(token, at, typed)) {
            Some(at) => Ok(at.saturating_add(1)),
            None => {
                Err(find(next.saturating_sub(self.look_ahead)..next, |at| equal(token, at, typed)).is_some())
            }
        }
    }
}

/// Two codes in a row, of a token that has run ahead.
fn two(token: &Token, next: u64, first: &str, second: &str) -> Result<u64, bool> {
    find(next..next.saturating_add(RESYNCHRONISATION), |at| {
        equal(token, at, first) & equal(token, at.saturating_add(1), second)
    })
    .map(|at| at.saturating_add(2))
    .ok_or(false)
}

/// Codes of another length are never equal.
fn equal(token: &Token, counter: u64, typed: &str) -> Choice {
    token.code(counter).as_bytes().ct_eq(typed.as_bytes())
}

/// The first counter that fits; every one is compared, so that the time says nothing.
fn find(counters: std::ops::Range<u64>, fits: impl Fn(u64) -> Choice) -> Option<u64> {
    let (mut found, mut any) = (0_u64, Choice::from(0));
    for counter in counters {
        let fits = fits(counter);
        found.conditional_assign(&counter, fits & !any);
        any |= fits;
    }
    bool::from(any).then_some(found)
}

impl Factor for Hotp {
    fn kind(&self) -> FactorKind {
        FactorKind::Hotp
    }

    fn default_name(&self, _material: &Material) -> String {
        "Key fob".to_owned()
    }

    fn prompt(&self) -> Prompt {
        Prompt::Code { digits: DIGITS }
    }

    fn prompt_for(&self, about: &About) -> Prompt {
        Prompt::Code { digits: about.digits.unwrap_or(DIGITS) }
    }

    fn can_be_enrolled(&self) -> bool {
        false
    }

    fn begin(&self, _new: &Enrolling<'_>) -> Result<(Material, Setup), EnrolError> {
        Err(EnrolError::Account("tokens are imported".to_owned()))
    }

    fn normal_form(&self, answer: &Answer) -> Result<NormalForm, Malformed> {
        self.form_for(&About::default(), answer)
    }

    /// One code, or two in a row.
    fn form_for(&self, about: &About, answer: &Answer) -> Result<NormalForm, Malformed> {
        let Answer::Code(typed) = answer else {
            return Err(Malformed::NotDigits);
        };
        let one = about.digits.unwrap_or(DIGITS);
        code::either(typed, &[one, one.saturating_mul(2)])
    }

    fn check(&self, question: &Question<'_>, answer: &NormalForm) -> Verdict {
        let material = question.material;
        let (Some(token), Ok(next)) = (Token::read(&material.secret), u64::try_from(material.state)) else {
            return Verdict::Wrong;
        };
        let typed = answer.0.expose_secret();
        let digits = usize::from(token.parameters.digits);
        let judged = match typed.split_at_checked(digits) {
            Some((code, "")) => self.one(&token, next, code),
            Some((first, second)) => two(&token, next, first, second),
            None => Err(false),
        };
        match judged.map(i64::try_from) {
            Ok(Ok(state)) => Verdict::Right(Right::at(state, material)),
            Err(true) => Verdict::Used,
            Ok(Err(_)) | Err(false) => Verdict::Wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::UnixTime;
    use crate::factors::imported;
    use crate::factors::oath::Parameters;
    use crate::factors::testing::{enrolling, judged};

    /// RFC 4226, appendix D.
    const SEED: &[u8] = b"12345678901234567890";
    const CODES: [&str; 10] = [
        "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489",
    ];

    fn factor() -> Hotp {
        Hotp::new(&settings::Hotp { look_ahead: 5 })
    }

    fn check(material: &Material, typed: &str) -> Result<i64, bool> {
        let answer = factor().form_for(&material.about, &Answer::Code(typed.into())).unwrap();
        judged(&factor().check(&Question { material, begun: None, now: UnixTime(0) }, &answer))
    }

    fn at(state: i64) -> Material {
        Material::new(SEED.to_vec(), state)
    }

    #[test]
    fn each_code_counts_once_and_in_order() {
        let mut material = at(0);
        for (counter, code) in (1..).zip(CODES) {
            assert_eq!(check(&material, code), Ok(counter), "{code}");
            material.state = counter;
            assert_eq!(check(&material, code), Err(true), "{code} is used");
        }
    }

    #[test]
    fn codes_that_were_made_and_not_used_are_forgiven_within_the_window() {
        assert_eq!(check(&at(0), CODES[4]), Ok(5));
        assert_eq!(check(&at(0), CODES[5]), Err(false));
        assert_eq!(check(&at(5), CODES[0]), Err(true), "just passed over: used, not unknown");
        assert_eq!(check(&at(9), CODES[0]), Err(false));
    }

    #[test]
    fn two_codes_in_a_row_find_a_token_that_has_run_ahead() {
        assert_eq!(check(&at(0), "520489 403154"), Ok(11), "codes 9 and 10");
        assert_eq!(check(&at(0), &format!("{}{}", CODES[7], CODES[9])), Err(false), "not in a row");
        assert_eq!(check(&at(0), &format!("{}{}", CODES[9], CODES[8])), Err(false), "not backwards");
        assert_eq!(check(&at(9), &format!("{}{}", CODES[0], CODES[1])), Err(false), "never back");
        let token = Token::read(&at(0).secret).unwrap();
        let pair = |first: u64| format!("{} {}", *token.code(first), *token.code(first + 1));
        assert_eq!(check(&at(0), &pair(999)), Ok(1001));
        assert_eq!(check(&at(0), &pair(1000)), Err(false), "too far");
    }

    #[test]
    fn tokens_of_eight_digits() {
        let parameters = Parameters { digits: 8, ..Parameters::default() };
        let about = About { digits: Some(8), ..About::default() };
        let material = Material { secret: imported(SEED, parameters).unwrap(), about, ..at(0) };
        assert_eq!(check(&material, "84755224"), Ok(1));
        let short = factor().form_for(&material.about, &Answer::Code("755224".into()));
        assert_eq!(short.err(), Some(Malformed::Length { expected: 8, got: 6 }));
        assert_eq!(check(&material, "8475 5224 9428 7082"), Ok(2));
    }

    #[test]
    fn nobody_enrols_one_by_themselves() {
        assert!(!factor().can_be_enrolled());
        assert!(factor().begin(&enrolling("anna")).is_err());
    }
}
