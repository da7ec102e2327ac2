//! Codes that are sent: by e-mail, by text, and read out in a call. One factor in three kinds, which
//! differ in where a code goes and in what a person must say to have it sent there.
//!
//! A code belongs to the one challenge (or the one enrolment) that it was sent for. It leaves this
//! module once, in the [`Dispatch`] that carries it; what is kept of it is a keyed hash ([`codes`]).
//! How often may be sent is not judged here but where it is counted, in the challenge room.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;

use super::{
    About, Answer, Detail, Dispatch, EnrolError, Enrolling, Factor, Malformed, Material, NormalForm, Prompt,
    Question, Refusal, Right, Setup, Shows, StartError, Started, Starting, Starts, Unavailable, Verdict,
    code,
};
use crate::config::{FactorKind, settings};
use crate::delivery::numbers::{self, BadNumber, Number, NumberRules, Use};
use crate::delivery::{BoxFuture, Channel, addresses};

mod codes;

use codes::Codes;

/// Seconds that a code counts (security.md 2.3).
const LIFE: i64 = 300;

/// The factors `email`, `sms` and `voice`.
pub(super) struct Sent {
    route: Route,
    digits: u8,
}

/// Where codes go.
enum Route {
    /// `true`: people may give an address of their own.
    Mail {
        own: bool,
    },
    Text(NumberRules),
    Call(NumberRules),
}

impl Sent {
    pub(super) fn email(settings: &settings::Email) -> Self {
        Self { route: Route::Mail { own: settings.own_address }, digits: settings.digits }
    }

    pub(super) fn sms(settings: &settings::Telephone) -> Self {
        Self { route: Route::Text(rules(settings, false)), digits: settings.digits }
    }

    /// `extensions`: whether every sender can dial one.
    pub(super) fn voice(settings: &settings::Telephone, extensions: bool) -> Self {
        Self { route: Route::Call(rules(settings, extensions)), digits: settings.digits }
    }

    const fn channel(&self) -> Channel {
        match self.route {
            Route::Mail { .. } => Channel::Email,
            Route::Text(_) => Channel::Sms,
            Route::Call(_) => Channel::Voice,
        }
    }

    /// Where the codes of a new enrolment go.
    fn destination(&self, new: &Enrolling<'_>) -> Result<String, EnrolError> {
        match &self.route {
            Route::Mail { own: true } => {
                let typed = detail(new.details, "address").or(new.email).unwrap_or_default();
                if typed.trim().is_empty() {
                    return Err(refused("address", Refusal::Missing));
                }
                addresses::address(typed).ok_or(refused("address", Refusal::NotAnAddress))
            }
            Route::Mail { own: false } => new
                .email
                .and_then(addresses::address)
                .ok_or(refused("address", Refusal::NotYours)),
            Route::Text(rules) => number(new.details, rules, Use::Text),
            Route::Call(rules) => number(new.details, rules, Use::Call),
        }
    }
}

fn rules(settings: &settings::Telephone, extensions: bool) -> NumberRules {
    NumberRules {
        countries: settings.countries.clone(),
        internet_telephony: settings.internet_telephony,
        extensions,
    }
}

fn detail<'a>(details: &'a BTreeMap<String, String>, field: &str) -> Option<&'a str> {
    details.get(field).map(String::as_str).filter(|text| !text.trim().is_empty())
}

const fn refused(field: &'static str, why: Refusal) -> EnrolError {
    EnrolError::Detail { field, why }
}

fn number(
    details: &BTreeMap<String, String>,
    rules: &NumberRules,
    what_for: Use,
) -> Result<String, EnrolError> {
    let typed = detail(details, "number").unwrap_or_default();
    let parsed = Number::parse(typed, detail(details, "country"), rules, what_for);
    parsed.map(|number| number.e164().to_owned()).map_err(|bad| {
        let why = match bad {
            BadNumber::Missing => Refusal::Missing,
            BadNumber::NotANumber => Refusal::NotANumber,
            BadNumber::Unassigned => Refusal::Unassigned,
            BadNumber::InternetTelephony => Refusal::InternetTelephony,
            BadNumber::CountryNotAllowed => Refusal::CountryNotAllowed,
            BadNumber::Premium => Refusal::Premium,
            BadNumber::NotMobile => Refusal::NotMobile,
        };
        refused("number", why)
    })
}

/// What is shown of a destination: enough for its owner, too little for a stranger.
fn hint(channel: Channel, to: &str) -> String {
    match channel {
        Channel::Email => addresses::masked(to),
        Channel::Sms | Channel::Voice => numbers::masked(to),
    }
}

impl Factor for Sent {
    fn kind(&self) -> FactorKind {
        match self.route {
            Route::Mail { .. } => FactorKind::Email,
            Route::Text(_) => FactorKind::Sms,
            Route::Call(_) => FactorKind::Voice,
        }
    }

    fn default_name(&self, material: &Material) -> String {
        let hint = material.about.hint.as_deref().unwrap_or_default();
        match self.route {
            Route::Mail { .. } => format!("E-mail {}", hint.chars().take(50).collect::<String>()),
            Route::Text(_) => format!("Text message, {hint}"),
            Route::Call(_) => format!("Phone call, {hint}"),
        }
    }

    fn prompt(&self) -> Prompt {
        Prompt::Code { digits: self.digits }
    }

    fn details(&self) -> &'static [Detail] {
        match self.route {
            Route::Mail { own: true } => &[Detail::Address],
            Route::Mail { own: false } => &[],
            Route::Call(NumberRules { extensions: true, .. }) => &[Detail::NumberWithExtension],
            Route::Text(_) | Route::Call(_) => &[Detail::Number],
        }
    }

    fn countries(&self) -> &[String] {
        match &self.route {
            Route::Mail { .. } => &[],
            Route::Text(rules) | Route::Call(rules) => &rules.countries,
        }
    }

    fn begin(&self, new: &Enrolling<'_>) -> Result<(Material, Setup), EnrolError> {
        let to = self.destination(new)?;
        let hint = hint(self.channel(), &to);
        let about = About { hint: Some(hint.clone()), ..About::default() };
        let material = Material { about, ..Material::new(to.into_bytes(), 0) };
        Ok((material, Setup::Sent { to: hint }))
    }

    fn normal_form(&self, answer: &Answer) -> Result<NormalForm, Malformed> {
        match answer {
            Answer::Code(typed) => code::digits(typed, self.digits),
            _ => Err(Malformed::Empty),
        }
    }

    fn check(&self, question: &Question<'_>, answer: &NormalForm) -> Verdict {
        let sent = question.begun.and_then(Codes::read);
        match sent {
            Some(sent) if sent.holds(answer.0.expose_secret(), question.now) => {
                Verdict::Right(Right::once_more(question.material))
            }
            _ => Verdict::Wrong,
        }
    }

    fn starts(&self) -> Starts {
        Starts::OnRequest
    }

    fn sends_to(&self, material: &Material) -> Option<(Channel, String)> {
        let to = std::str::from_utf8(material.secret.expose_secret()).ok()?;
        Some((self.channel(), to.to_owned()))
    }

    fn start<'a>(&'a self, starting: Starting<'a>) -> BoxFuture<'a, Result<Started, StartError>> {
        Box::pin(async move {
            let to = std::str::from_utf8(starting.material.secret.expose_secret())
                .map_err(|_| Unavailable("the destination is not readable".to_owned()))?;
            let mut sent = starting.before.and_then(Codes::read).unwrap_or_else(Codes::none);
            let code = codes::new_code(self.digits);
            sent.add(&code, starting.now, LIFE);
            Ok(Started {
                payload: sent.written(),
                shows: Shows::Sent { to: hint(self.channel(), to), doubtful: false },
                send: Some(Dispatch { channel: self.channel(), to: to.to_owned(), code, lives: LIFE }),
                handle: None,
                lives: LIFE,
            })
        })
    }
}

#[cfg(test)]
mod tests;
