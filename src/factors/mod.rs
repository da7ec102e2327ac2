//! One folder per factor, behind one trait.
//!
//! A factor knows nothing of HTTP, cookies, routes, pages or the store: it says what it needs
//! from the person and judges what came back. The challenge carries its words. A new factor is
//! one folder here, one line in [`all`] and one line in [`FactorKind`].

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::ambient::UnixTime;
use crate::calls::Unwell;
use crate::config::{FactorKind, FactorSet, Settings};
use crate::delivery::{BoxFuture, Channel, voice};

mod begun;
mod code;
mod duo;
mod hotp;
mod material;
mod oath;
mod passkey;
mod radius;
mod recovery_code;
mod sent;
mod temporary_code;
mod totp;
mod yubikey;

pub use begun::{Asking, Dispatch, Question, Shows, StartError, Started, Starting, Starts, Unavailable};
pub use material::{About, Material, Right, Verdict};
pub use oath::{Algorithm, BadToken, Parameters, imported, secret_of};
pub use passkey::{SignIn, SignInBegun};
pub use temporary_code::temporary_code;

/// What the person is asked for. Serialised as it stands for the API; the page has one partial
/// per variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Prompt {
    /// Digits from an app or a message.
    Code { digits: u8 },
    /// One of the codes from the printed list.
    RecoveryCode,
    /// What a token shows or types, in its own alphabet.
    OneTimePassword,
    /// A ceremony of the browser's.
    Passkey,
    /// Another site asks, and sends the person back.
    Redirect,
    /// Another device asks; the page waits for it.
    Approve,
}

/// What came back.
#[derive(Clone)]
pub enum Answer {
    /// As typed: the factor normalises.
    Code(String),
    /// JSON of the browser's credential, as the browser made it.
    Ceremony(String),
    /// What another site sent the person back with.
    Return { code: String, error: String },
    /// Nothing: whether it has been decided elsewhere.
    Ask,
}

impl Answer {
    /// Whether this could be a guess, which has to be counted before anybody judges it.
    #[must_use]
    pub const fn is_guess(&self) -> bool {
        !matches!(self, Self::Ask)
    }
}

/// An answer in the one spelling that is judged, so that no other spelling of a used code is
/// another code (security.md E03).
pub struct NormalForm(pub SecretString);

/// What a new enrolment shows, once, to the person who makes it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Setup {
    /// Key and `otpauth:` URI for an authenticator app.
    Totp { key: String, uri: String },
    /// The codes themselves: they are never shown again.
    RecoveryCodes { codes: Vec<String> },
    /// What the browser's `navigator.credentials.create` takes.
    Passkey { options: serde_json::Value },
    /// A code is on its way there (not the whole address or number).
    Sent { to: String },
    /// Another site asks.
    Redirect,
    /// Another device asks.
    Approve,
    /// Nothing is shown: one code of what the person already has.
    OneTimePassword,
}

/// How an answer is not even the right shape (ux.md P-1 has the texts). Never counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    Empty,
    /// `got`: 0 where nothing was typed.
    Length {
        expected: u8,
        got: usize,
    },
    /// It holds characters that such a code never has.
    NotDigits,
}

/// How a new enrolment is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// By proving it once, which makes a proof.
    Proof,
    /// By saying that what was shown is saved ([`SAVED`]), which proves nothing.
    Saved,
}

/// The answer that confirms what needs no proof.
pub const SAVED: &str = "saved";

/// What a person must say before an enrolment can begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// The fields `number` and `country` (ISO 3166).
    Number,
    /// The same; behind the number an extension may stand. No other question to programs.
    #[serde(rename = "number")]
    NumberWithExtension,
    /// The field `address`.
    Address,
}

/// A new enrolment, as far as the person and their session say what it is to be.
pub struct Enrolling<'a> {
    /// The person's name in their identity source.
    pub account: &'a str,
    /// As people see it.
    pub display_name: &'a str,
    /// The mail address that the identity source vouches for.
    pub email: Option<&'a str>,
    /// Stands for the person where a service wants an id: stable, and says nothing about them.
    pub person: [u8; 16],
    /// What was asked for by [`Factor::details`], by field name.
    pub details: &'a BTreeMap<String, String>,
    /// The person's enrolments of this kind.
    pub enrolled: &'a [Material],
}

/// One way to prove more.
///
/// Judged either here ([`check`](Self::check)) or by a service ([`ask`](Self::ask)); the challenge
/// room counts around both.
pub trait Factor: Send + Sync {
    fn kind(&self) -> FactorKind;

    /// What an enrolment is called unless the person names it.
    fn default_name(&self, material: &Material) -> String;

    /// As [`default_name`](Self::default_name), where the browser it is enrolled in is known
    /// ("Firefox on Linux").
    fn name_where(&self, material: &Material, _agent: &str) -> String {
        self.default_name(material)
    }

    /// What to ask for when this factor is challenged.
    fn prompt(&self) -> Prompt;

    /// As [`prompt`](Self::prompt), for one enrolment: imported tokens have more digits than others.
    fn prompt_for(&self, _about: &About) -> Prompt {
        self.prompt()
    }

    /// What must be known before an enrolment can begin.
    fn details(&self) -> &'static [Detail] {
        &[]
    }

    /// Countries whose numbers it takes (ISO 3166), where it asks for one.
    fn countries(&self) -> &[String] {
        &[]
    }

    /// Whether a person can enrol it; if not, only an administrator gives it.
    fn can_be_enrolled(&self) -> bool {
        true
    }

    /// Whether everybody has it without enrolling: the service behind it knows the people.
    fn is_automatic(&self) -> bool {
        false
    }

    /// Whether it counts only for people who have nothing else that would.
    fn is_last_resort(&self) -> bool {
        false
    }

    /// Makes the secret for a new enrolment and what to show of it.
    ///
    /// # Errors
    /// When what the person said cannot be used.
    fn begin(&self, new: &Enrolling<'_>) -> Result<(Material, Setup), EnrolError>;

    fn confirmation(&self) -> Confirmation {
        Confirmation::Proof
    }

    /// Whether a new enrolment takes the place of the person's others of this kind.
    fn replaces_others(&self) -> bool {
        false
    }

    /// The one spelling of an answer.
    ///
    /// # Errors
    /// When it is not even the right shape.
    fn normal_form(&self, answer: &Answer) -> Result<NormalForm, Malformed>;

    /// As [`normal_form`](Self::normal_form), for one enrolment.
    ///
    /// # Errors
    /// When it is not even the right shape.
    fn form_for(&self, _about: &About, answer: &Answer) -> Result<NormalForm, Malformed> {
        self.normal_form(answer)
    }

    /// Judges an answer, at enrolment and at a challenge alike. Constant time in the secret.
    /// Never called where a service judges.
    fn check(&self, _question: &Question<'_>, _answer: &NormalForm) -> Verdict {
        Verdict::Wrong
    }

    /// How often this enrolment can still be used, where that is limited.
    fn left(&self, _state: i64) -> Option<u32> {
        None
    }

    /// Whether one question takes an answer by any of the person's enrolments of this kind.
    fn asks_for_any(&self) -> bool {
        false
    }

    /// The sign-in without a name that it can do, if it can.
    fn sign_in(&self) -> Option<&dyn SignIn> {
        None
    }

    /// Whether this enrolment has run out, and need not be shown any more.
    fn is_over(&self, _state: i64, _now: UnixTime) -> bool {
        false
    }

    /// What has to happen before there can be an answer.
    fn starts(&self) -> Starts {
        Starts::Never
    }

    /// Whether this answer is to something that must have been begun.
    fn needs_start(&self, _answer: &Answer) -> bool {
        self.starts() != Starts::Never
    }

    /// The ways within this way, where a person chooses among several; the first is the usual one.
    fn choices(&self) -> &'static [&'static str] {
        &[]
    }

    /// Begins what has to happen first: makes a code, a ceremony, or asks a service for one.
    fn start<'a>(&'a self, _starting: Starting<'a>) -> BoxFuture<'a, Result<Started, StartError>> {
        Box::pin(async { Err(StartError::Unavailable(Unavailable("it begins nothing".to_owned()))) })
    }

    /// Whether a service judges.
    fn is_remote(&self) -> bool {
        false
    }

    /// Lets the service judge.
    fn ask<'a>(&'a self, _asking: Asking<'a>) -> BoxFuture<'a, Result<Verdict, Unavailable>> {
        Box::pin(async { Ok(Verdict::Wrong) })
    }

    /// Where the codes of this enrolment are sent.
    fn sends_to(&self, _material: &Material) -> Option<(Channel, String)> {
        None
    }

    /// Tries the service behind it, proving and sending nothing; says what does not work.
    fn probe(&self) -> BoxFuture<'_, Result<(), Unwell>> {
        Box::pin(async { Ok(()) })
    }
}

/// Why an enrolment could not begin.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The account cannot be carried by what the factor shows.
    #[error("this factor cannot be set up for the account: {0}")]
    Account(String),
    /// What the person said in this field cannot be used.
    #[error("`{field}` cannot be used")]
    Detail { field: &'static str, why: Refusal },
}

/// Why a number or an address cannot be used (ux.md P-24, P-25 have the texts).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Missing,
    /// It cannot be read as a telephone number.
    NotANumber,
    /// No such number is given out.
    Unassigned,
    /// The operator does not send to that country.
    CountryNotAllowed,
    /// Premium rate, shared cost, freephone and other special numbers.
    Premium,
    /// A fixed line, for texts.
    NotMobile,
    /// A number of internet telephony.
    InternetTelephony,
    /// It cannot be read as a mail address.
    NotAnAddress,
    /// Only the address that the identity source vouches for.
    NotYours,
}

impl Refusal {
    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotANumber => "not_a_number",
            Self::Unassigned => "unassigned",
            Self::CountryNotAllowed => "country_not_allowed",
            Self::Premium => "premium",
            Self::NotMobile => "not_mobile",
            Self::InternetTelephony => "internet_telephony",
            Self::NotAnAddress => "not_an_address",
            Self::NotYours => "not_yours",
        }
    }
}

/// The factors that are switched on.
pub struct Factors {
    list: Vec<Box<dyn Factor>>,
}

impl Factors {
    /// These and no others, for tests.
    #[cfg(test)]
    pub(crate) fn of(list: Vec<Box<dyn Factor>>) -> Self {
        Self { list }
    }

    /// The factor of this kind, if it is on.
    #[must_use]
    pub fn get(&self, kind: FactorKind) -> Option<&dyn Factor> {
        self.list.iter().find(|factor| factor.kind() == kind).map(|factor| &**factor)
    }

    /// Every factor that is on.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Factor> {
        self.list.iter().map(|factor| &**factor)
    }

    /// The kinds that everybody has without enrolling.
    #[must_use]
    pub fn automatic(&self) -> FactorSet {
        self.iter().filter(|factor| factor.is_automatic()).map(Factor::kind).collect()
    }

    /// The kinds that are on.
    #[must_use]
    pub fn kinds(&self) -> FactorSet {
        self.list.iter().map(|factor| factor.kind()).collect()
    }
}

/// Why a factor cannot be made of its settings.
#[derive(Debug, thiserror::Error)]
#[error("the factor `{}` cannot be used: {why}", .factor.name())]
pub struct FactorsError {
    pub factor: FactorKind,
    pub why: String,
}

/// Every factor that the settings switch on.
///
/// # Errors
/// When one cannot be made of its settings.
pub fn all(settings: &Settings) -> Result<Factors, FactorsError> {
    let factors = &settings.factors;
    let mut list: Vec<Box<dyn Factor>> = vec![
        Box::new(totp::Totp::new(&factors.totp)),
        Box::new(recovery_code::RecoveryCode::new(&factors.recovery_codes)),
        Box::new(sent::Sent::email(&factors.email)),
        Box::new(sent::Sent::sms(&factors.sms)),
        Box::new(sent::Sent::voice(&factors.voice, voice::asked::dial_extensions(settings))),
        Box::new(temporary_code::TemporaryCode),
        Box::new(hotp::Hotp::new(&factors.hotp)),
        Box::new(radius::Radius::new(&factors.radius)),
        Box::new(yubikey::Yubikey::new(&factors.yubikey)),
    ];
    if factors.enabled.contains(FactorKind::Passkey) {
        list.push(Box::new(passkey::Passkeys::new(&factors.passkey)?));
    }
    if let Some(settings) = &factors.duo {
        let failed =
            |why: crate::calls::HttpsError| FactorsError { factor: FactorKind::Duo, why: why.to_string() };
        list.push(Box::new(duo::Duo::new(settings).map_err(failed)?));
    }
    list.retain(|factor| factors.enabled.contains(factor.kind()));
    Ok(Factors { list })
}

/// For the tests of every factor.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// An enrolment of this account, with nothing more known.
    pub(crate) fn enrolling(account: &str) -> Enrolling<'_> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        Enrolling {
            account,
            display_name: account,
            email: None,
            person: [7; 16],
            details: &NONE,
            enrolled: &[],
        }
    }

    /// The state after a right answer; else whether it was right once.
    pub(crate) fn judged(verdict: &Verdict) -> Result<i64, bool> {
        match verdict {
            Verdict::Right(right) => Ok(right.state),
            Verdict::Used => Err(true),
            _ => Err(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests_support;

    #[test]
    fn a_factor_that_is_off_is_not_there() {
        let mut settings = tests_support::settings(Vec::new());
        settings.factors.enabled = FactorSet::EMPTY.with(FactorKind::Totp);
        let factors = all(&settings).unwrap();
        assert!(factors.get(FactorKind::Totp).is_some() && factors.get(FactorKind::RecoveryCode).is_none());
        settings.factors.enabled = FactorSet::EMPTY.with(FactorKind::Totp).with(FactorKind::RecoveryCode);
        assert_eq!(all(&settings).unwrap().kinds(), settings.factors.enabled);
    }
}
