//! Authenticator apps: RFC 6238. What is set up here is SHA-1, six digits, thirty seconds, because
//! several apps silently ignore anything else; imported secrets keep the figures they came with.
//! One step of drift either way; each step counts once.

use secrecy::ExposeSecret;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use totp_rs::{Builder, Secret};

use super::oath::{SECRET_LEN, Token};
use super::{
    About, Answer, EnrolError, Enrolling, Factor, Malformed, Material, NormalForm, Prompt, Question, Right,
    Setup, Verdict, code,
};
use crate::ambient::random_bytes;
use crate::config::{FactorKind, settings};

/// Digits of the codes that are set up here. Imported ones say theirs.
const DIGITS: u8 = 6;
/// Steps before and after the present one.
const SKEW: i64 = 1;
/// Characters of the account that an app shows.
const MAX_LABEL: usize = 100;

/// The factor `totp`.
pub(super) struct Totp {
    issuer: String,
}

impl Totp {
    pub(super) fn new(settings: &settings::Totp) -> Self {
        Self { issuer: label(&settings.issuer) }
    }
}

/// The key URI joins issuer and account with a colon; neither may hold one.
fn label(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .map(|c| if c == ':' { '_' } else { c })
        .take(MAX_LABEL)
        .collect()
}

impl Factor for Totp {
    fn kind(&self) -> FactorKind {
        FactorKind::Totp
    }

    fn default_name(&self, _material: &Material) -> String {
        "Phone".to_owned()
    }

    fn prompt(&self) -> Prompt {
        Prompt::Code { digits: DIGITS }
    }

    fn begin(&self, new: &Enrolling<'_>) -> Result<(Material, Setup), EnrolError> {
        let account = label(new.account);
        if account.trim().is_empty() {
            return Err(EnrolError::Account("its name is empty".to_owned()));
        }
        let bytes: [u8; SECRET_LEN] = random_bytes();
        let secret = Secret::from(bytes);
        let key = secret.to_base32();
        let uri = Builder::new()
            .with_secret(secret)
            .with_account_name(account)
            .with_issuer(Some(self.issuer.clone()))
            .build()
            .and_then(|totp| totp.to_url())
            .map_err(|error| EnrolError::Account(error.to_string()))?;
        // Under this the app shows its codes.
        let about = About { hint: Some(self.issuer.clone()), ..About::default() };
        let material = Material { about, ..Material::new(bytes.to_vec(), 0) };
        Ok((material, Setup::Totp { key, uri }))
    }

    fn prompt_for(&self, about: &About) -> Prompt {
        Prompt::Code { digits: about.digits.unwrap_or(DIGITS) }
    }

    fn normal_form(&self, answer: &Answer) -> Result<NormalForm, Malformed> {
        self.form_for(&About::default(), answer)
    }

    fn form_for(&self, about: &About, answer: &Answer) -> Result<NormalForm, Malformed> {
        let Answer::Code(typed) = answer else {
            return Err(Malformed::NotDigits);
        };
        code::digits(typed, about.digits.unwrap_or(DIGITS))
    }

    fn check(&self, question: &Question<'_>, answer: &NormalForm) -> Verdict {
        let material = question.material;
        let Some(token) = Token::read(&material.secret) else {
            return Verdict::Wrong;
        };
        let typed = answer.0.expose_secret().as_bytes();
        let present = question.now.0.max(0) / i64::from(token.parameters.period);
        let mut matched = 0_i64;
        let mut any = Choice::from(0);
        for step in (present - SKEW).max(0)..=present + SKEW {
            let expected = token.code(u64::try_from(step).unwrap_or(0));
            // Codes of another length are never equal.
            let same = expected.as_bytes().ct_eq(typed);
            // The newest matching step, so that a code that fits two steps is used up whole.
            matched.conditional_assign(&step, same);
            any |= same;
        }
        match (bool::from(any), matched > material.state) {
            (true, true) => Verdict::Right(Right::at(matched, material)),
            (true, false) => Verdict::Used,
            (false, _) => Verdict::Wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::oath::{Algorithm, Parameters, imported};
    use super::*;
    use crate::ambient::UnixTime;
    use crate::factors::testing::{enrolling, judged};

    const SEED: &[u8] = b"12345678901234567890";

    fn factor() -> Totp {
        Totp::new(&settings::Totp { issuer: "ACME: Co".into() })
    }

    /// The state after a right answer; `Err`: whether it was used.
    fn check(typed: &str, state: i64, now: i64) -> Result<i64, bool> {
        let material = Material::new(SEED.to_vec(), state);
        let answer = factor().normal_form(&Answer::Code(typed.into())).unwrap();
        let question = Question { material: &material, begun: None, now: UnixTime(now) };
        judged(&factor().check(&question, &answer))
    }

    #[test]
    fn rfc_6238_vectors() {
        for (now, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(check(code, 0, now), Ok(now / 30), "{now}");
        }
    }

    #[test]
    fn e01_a_step_counts_once_and_no_earlier_step_after_it() {
        assert_eq!(check("287082", 0, 59), Ok(1));
        assert_eq!(check("287082", 1, 59), Err(true));
        assert_eq!(check("287082", 2, 59), Err(true));
    }

    #[test]
    fn e04_one_step_of_drift_and_no_more() {
        for now in [30, 59, 60, 89, 0, 29] {
            assert_eq!(check("287082", 0, now), Ok(1), "{now}");
        }
        assert_eq!(check("287082", 0, 90), Err(false));
        assert_eq!(check("287083", 0, 59), Err(false));
    }

    #[test]
    fn imported_secrets_keep_their_figures() {
        let parameters = Parameters { algorithm: Algorithm::Sha256, digits: 8, period: 60 };
        let secret: Vec<u8> = SEED.iter().copied().cycle().take(32).collect();
        let secret = imported(&secret, parameters).unwrap();
        let material = Material { secret, ..Material::new(Vec::new(), 0) };
        let about = About { digits: Some(8), ..About::default() };
        assert_eq!(factor().prompt_for(&about), Prompt::Code { digits: 8 });
        let form = |typed: &str| factor().form_for(&about, &Answer::Code(typed.into()));
        assert_eq!(form("119246").err(), Some(Malformed::Length { expected: 8, got: 6 }));
        let judge = |typed: &str, now| {
            let answer = form(typed).unwrap();
            judged(
                &factor().check(&Question { material: &material, begun: None, now: UnixTime(now) }, &answer),
            )
        };
        // RFC 6238: the code of step 1, which lasts from 60 to 119 s when a step has 60.
        for now in [0, 60, 119, 179] {
            assert_eq!(judge("4611 9246", now), Ok(1), "{now}");
        }
        assert_eq!(judge("46119246", 180), Err(false));
    }

    #[test]
    fn the_uri_is_one_that_every_app_reads() {
        let (material, setup) = factor().begin(&enrolling("alice:x@example.test")).unwrap();
        assert_eq!(material.secret.expose_secret().len(), 20);
        assert_eq!(material.about.hint.as_deref(), Some("ACME_ Co"), "what the page says to look for");
        let Setup::Totp { key, uri } = setup else {
            panic!("not an authenticator app")
        };
        assert_eq!(
            uri,
            format!("otpauth://totp/ACME_%20Co:alice_x%40example.test?secret={key}&issuer=ACME_%20Co")
        );
        assert!(factor().begin(&enrolling(" ")).is_err());
    }
}
