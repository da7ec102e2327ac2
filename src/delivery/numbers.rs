//! Telephone numbers as people type them, and the one spelling that is used: E.164.
//!
//! What is refused here is refused before anything costs money: numbers of countries that were not
//! chosen, premium and shared-cost ranges, ranges nobody was given, and lines that cannot take a
//! text. Nothing here asks a service whether a number is in use, and no number is ever logged.

use std::fmt;

use phonenumber::country::Id;
use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, PhoneNumber, Type};
use unicode_normalization::UnicodeNormalization as _;

use super::digits::ascii_digit;

/// Bytes looked at; E.164 has at most 15 digits, people add spaces and brackets.
const MAX_TYPED: usize = 128;
/// Digits at the end that a block of numbers shares the rest with: what is sold at once.
const BLOCK_DIGITS: usize = 4;
/// Digits that are dialled behind a switchboard, at most.
const EXTENSION_DIGITS: usize = 8;
/// Between number and extension, as RFC 3966 writes it.
const EXTENSION: &str = ";ext=";

/// What a number is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Text,
    Call,
}

/// What may be sent to, as the configuration has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NumberRules {
    /// ISO 3166 codes, upper case. Empty allows no country.
    pub countries: Vec<String>,
    /// Whether numbers of internet telephony count, which are easily had by the thousand.
    pub internet_telephony: bool,
    /// Whether an extension behind the number can be dialled, in calls.
    pub extensions: bool,
}

/// Why a number is not taken. The person is told which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadNumber {
    #[error("no number was given")]
    Missing,
    #[error("this is not a telephone number, or its country is missing")]
    NotANumber,
    #[error("numbers of this country are not accepted")]
    CountryNotAllowed,
    /// Premium rate, shared cost, freephone, company-wide and other special numbers.
    #[error("numbers with a price or a service of their own are not accepted")]
    Premium,
    #[error("a fixed line takes no texts")]
    NotMobile,
    #[error("numbers of internet telephony are not accepted")]
    InternetTelephony,
    /// The range is not in use.
    #[error("nobody has numbers of this kind")]
    Unassigned,
}

/// A number that may be sent to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number {
    e164: String,
    country: String,
}

impl Number {
    /// Reads a number as typed: international (`+44 …`, `0044 …`), or national with the country it
    /// belongs to. Without a country, the only one that is allowed is meant.
    ///
    /// # Errors
    /// [`BadNumber`] says which rule it breaks.
    pub fn parse(
        typed: &str,
        country: Option<&str>,
        rules: &NumberRules,
        what_for: Use,
    ) -> Result<Self, BadNumber> {
        let (typed, extension) = match split_extension(typed) {
            (number, Some(digits)) if rules.extensions && what_for == Use::Call => (number, Some(digits)),
            (_, Some(_)) => return Err(BadNumber::NotANumber),
            (number, None) => (number, None),
        };
        let plain = plain(typed)?;
        let region = region(country, rules)?;
        let number = phonenumber::parse(region, &plain).map_err(|_| BadNumber::NotANumber)?;
        if number.extension().is_some() {
            return Err(BadNumber::NotANumber);
        }
        let id = number.country().id();
        let Some(id) = id.filter(|_| number.is_valid()) else {
            return Err(BadNumber::Unassigned);
        };
        let country = id.as_ref().to_ascii_uppercase();
        if !rules.countries.contains(&country) {
            return Err(BadNumber::CountryNotAllowed);
        }
        usable(&number, rules, what_for)?;
        let mut e164 = number.format().mode(Mode::E164).to_string();
        let digits = e164.strip_prefix('+').unwrap_or_default();
        if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadNumber::NotANumber);
        }
        if let Some(extension) = extension {
            e164.push_str(EXTENSION);
            e164.push_str(extension);
        }
        Ok(Self { e164, country })
    }

    /// `+447…`; with an extension `+442…;ext=12`.
    #[must_use]
    pub fn e164(&self) -> &str {
        &self.e164
    }

    /// ISO 3166 code of the country the number belongs to.
    #[must_use]
    pub fn country(&self) -> &str {
        &self.country
    }
}

/// Only its end: a number in full belongs in no log.
impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({} {})", self.country, masked(&self.e164))
    }
}

/// "ending 42": what a person recognises and a stranger cannot use.
#[must_use]
pub fn masked(e164: &str) -> String {
    let (number, extension) = with_extension(e164);
    let kept = number.chars().count().saturating_sub(2);
    let end: String = number.chars().skip(kept).collect();
    match extension {
        Some(extension) => format!("ending {end}, extension {extension}"),
        None => format!("ending {end}"),
    }
}

/// The number itself, and the extension behind it.
#[must_use]
pub fn with_extension(e164: &str) -> (&str, Option<&str>) {
    match e164.split_once(EXTENSION) {
        Some((number, extension)) => (number, Some(extension)),
        None => (e164, None),
    }
}

/// The block of ten thousand numbers that an E.164 number is in. Fraud that earns by each message
/// uses numbers side by side.
#[must_use]
pub fn block(e164: &str) -> String {
    let (number, _) = with_extension(e164);
    let kept = number.chars().count().saturating_sub(BLOCK_DIGITS);
    number.chars().take(kept).collect()
}

/// ISO 3166 code of the country that an E.164 number belongs to.
#[must_use]
pub fn country(e164: &str) -> Option<String> {
    let number = phonenumber::parse(None, with_extension(e164).0).ok()?;
    number.country().id().map(|id| id.as_ref().to_ascii_uppercase())
}

/// A number of that country as people there write it, which nobody need have: "07400 123456". It would
/// itself be taken.
#[must_use]
pub fn example(country: &str, what_for: Use) -> Option<String> {
    let id: Id = country.parse().ok()?;
    let all = DATABASE.by_id(country)?.descriptors();
    let line = all.fixed_line().filter(|_| what_for == Use::Call);
    let number = line.or(all.mobile()).or(all.fixed_line())?.example()?;
    let parsed = phonenumber::parse(Some(id), number).ok()?;
    let rules = NumberRules { countries: vec![country.to_owned()], ..NumberRules::default() };
    // The parser does not understand every country's own way of writing.
    [Mode::National, Mode::International].into_iter().find_map(|mode| {
        let written = parsed.format().mode(mode).to_string();
        let read = Number::parse(&written, Some(country), &rules, what_for).ok()?;
        (read.country == country).then_some(written)
    })
}

/// The calling code of a country, `44` for GB.
#[must_use]
pub fn calling_code(country: &str) -> Option<u16> {
    DATABASE.by_id(country).map(phonenumber::Metadata::country_code)
}

/// What was typed before and after `ext. 12`, `x12`, `#12` or `;ext=12`.
fn split_extension(typed: &str) -> (&str, Option<&str>) {
    let typed = typed.trim();
    let before = typed.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = typed.get(before.len()..).unwrap_or_default();
    if !(1..=EXTENSION_DIGITS).contains(&digits.len()) {
        return (typed, None);
    }
    let head = before.trim_end_matches([' ', '.', ':', '=']);
    for mark in ["extension", "ext", "x", "#"] {
        let at = head.len().saturating_sub(mark.len());
        if head.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(mark)) {
            let number = head.get(..at).unwrap_or_default();
            return (number.trim_end_matches([' ', ',', ';']), Some(digits));
        }
    }
    (typed, None)
}

/// What was typed, in ASCII: digits, a leading plus and what people put between. Letters are
/// refused, where the parser would dial them.
fn plain(typed: &str) -> Result<String, BadNumber> {
    if typed.len() > MAX_TYPED {
        return Err(BadNumber::NotANumber);
    }
    let mut plain = String::with_capacity(typed.len());
    for c in typed.trim().nfkc() {
        if let Some(digit) = ascii_digit(c) {
            plain.push(digit);
            continue;
        }
        match c {
            '+' if plain.is_empty() => plain.push(c),
            '(' | ')' | '.' | '/' | '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
            c if c.is_whitespace()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}') =>
                {}
            _ => return Err(BadNumber::NotANumber),
        }
    }
    match plain.as_str() {
        "" | "+" => Err(BadNumber::Missing),
        _ => Ok(plain),
    }
}

/// The country that a national number is read in.
fn region(country: Option<&str>, rules: &NumberRules) -> Result<Option<Id>, BadNumber> {
    let chosen = country.map(str::trim).filter(|country| !country.is_empty());
    let code = match (chosen, rules.countries.as_slice()) {
        (Some(code), _) => code.to_ascii_uppercase(),
        (None, [only]) => only.clone(),
        (None, _) => return Ok(None),
    };
    if rules.countries.contains(&code) {
        code.parse().map(Some).map_err(|_| BadNumber::CountryNotAllowed)
    } else {
        Err(BadNumber::CountryNotAllowed)
    }
}

fn usable(number: &PhoneNumber, rules: &NumberRules, what_for: Use) -> Result<(), BadNumber> {
    match (number.number_type(&DATABASE), what_for) {
        (Type::Mobile | Type::FixedLineOrMobile, _) | (Type::FixedLine, Use::Call) => Ok(()),
        (Type::Voip, _) if rules.internet_telephony => Ok(()),
        (Type::Voip, _) => Err(BadNumber::InternetTelephony),
        (Type::FixedLine, Use::Text) => Err(BadNumber::NotMobile),
        (Type::Unknown, _) => Err(BadNumber::Unassigned),
        _ => Err(BadNumber::Premium),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules() -> NumberRules {
        let countries = ["GB", "DE", "IE", "US", "IT", "FR"].map(str::to_owned).to_vec();
        NumberRules { countries, internet_telephony: false, extensions: false }
    }

    fn text(typed: &str, country: Option<&str>) -> Result<String, BadNumber> {
        Number::parse(typed, country, &rules(), Use::Text).map(|number| number.e164)
    }

    #[test]
    fn every_way_to_write_a_number_is_one_number() {
        for (typed, country, expected) in [
            ("07400 123456", Some("GB"), "+447400123456"),
            ("07400 123456", Some("gb"), "+447400123456"),
            ("(07400) 123-456", Some("GB"), "+447400123456"),
            ("+44 7400 123456", None, "+447400123456"),
            ("+44 (0)7400 123456", None, "+447400123456"),
            ("+44 7400 123456", Some("DE"), "+447400123456"),
            ("0044 7400 123456", Some("DE"), "+447400123456"),
            ("０７４００ １２３４５６", Some("GB"), "+447400123456"),
            ("٠٧٤٠٠ ١٢٣٤٥٦", Some("GB"), "+447400123456"),
            ("+४४ ७४०० १२३४५६", None, "+447400123456"),
            ("0151 23456789", Some("DE"), "+4915123456789"),
            ("0151/234.567-89", Some("DE"), "+4915123456789"),
            ("(201) 555-0123", Some("US"), "+12015550123"),
            ("312 345 6789", Some("IT"), "+393123456789"),
            ("06 12 34 56 78", Some("FR"), "+33612345678"),
        ] {
            assert_eq!(text(typed, country).as_deref(), Ok(expected), "{typed} {country:?}");
        }
    }

    #[test]
    fn what_would_cost_too_much_or_go_nowhere_is_refused() {
        for (typed, country, expected) in [
            ("", Some("GB"), BadNumber::Missing),
            (" + ", None, BadNumber::Missing),
            ("07400 123456", None, BadNumber::NotANumber),
            ("07400 CALLME", Some("GB"), BadNumber::NotANumber),
            ("1-800-FLOWERS", Some("US"), BadNumber::NotANumber),
            ("07400 123456 ext. 7", Some("GB"), BadNumber::NotANumber),
            ("07400;123456", Some("GB"), BadNumber::NotANumber),
            ("12", Some("GB"), BadNumber::Unassigned),
            // Numbers for films: nobody has them.
            ("07700 900123", Some("GB"), BadNumber::Unassigned),
            ("+44 1", None, BadNumber::NotANumber),
            ("+999 123456789", None, BadNumber::NotANumber),
            // Another country than those that are allowed, however it is written.
            ("+41 78 123 45 67", None, BadNumber::CountryNotAllowed),
            ("0041 78 123 45 67", Some("DE"), BadNumber::CountryNotAllowed),
            ("078 123 45 67", Some("CH"), BadNumber::CountryNotAllowed),
            // The Caribbean shares a calling code with the United States, and a price with nobody.
            ("+1 876 210 1234", None, BadNumber::CountryNotAllowed),
            // Jersey shares one with Great Britain.
            ("+44 7797 712345", None, BadNumber::CountryNotAllowed),
            ("0909 8790123", Some("GB"), BadNumber::Premium),
            ("0900 1234567", Some("DE"), BadNumber::Premium),
            ("0180 1234567", Some("DE"), BadNumber::Premium),
            ("0800 1234567", Some("DE"), BadNumber::Premium),
            ("07640 123456", Some("GB"), BadNumber::Premium),
            ("020 7946 0958", Some("GB"), BadNumber::NotMobile),
            ("056 1234 5678", Some("GB"), BadNumber::InternetTelephony),
        ] {
            assert_eq!(text(typed, country), Err(expected), "{typed} {country:?}");
        }
        assert_eq!(text(&"0".repeat(129), Some("GB")), Err(BadNumber::NotANumber));
    }

    #[test]
    fn a_call_reaches_fixed_lines_and_internet_telephony_where_it_is_allowed() {
        let call = |typed, rules: &NumberRules| Number::parse(typed, Some("GB"), rules, Use::Call);
        assert_eq!(call("020 7946 0958", &rules()).unwrap().e164(), "+442079460958");
        assert_eq!(call("056 1234 5678", &rules()), Err(BadNumber::InternetTelephony));
        let open = NumberRules { internet_telephony: true, ..rules() };
        assert_eq!(call("056 1234 5678", &open).unwrap().country(), "GB");
        assert_eq!(call("0909 8790123", &open), Err(BadNumber::Premium));
    }

    #[test]
    fn an_extension_is_dialled_where_calls_can() {
        let open = NumberRules { extensions: true, ..rules() };
        let call = |typed| Number::parse(typed, Some("GB"), &open, Use::Call).map(|number| number.e164);
        for typed in [
            "020 7946 0958 ext. 12",
            "020 7946 0958 EXT 12",
            "020 7946 0958x12",
            "020 7946 0958, extension: 12",
            "+44 20 7946 0958 #12",
            "+442079460958;ext=12",
        ] {
            assert_eq!(call(typed).as_deref(), Ok("+442079460958;ext=12"), "{typed}");
        }
        for typed in [
            "020 7946 0958 ext.",
            "020 7946 0958 ext. 123456789",
            "x12",
            "020 7946 0958 dw 12",
        ] {
            assert!(call(typed).is_err(), "{typed}");
        }
        let text = Number::parse("07400 123456 x12", Some("GB"), &open, Use::Text);
        assert_eq!(text, Err(BadNumber::NotANumber), "no text reaches an extension");
        let closed = Number::parse("020 7946 0958 x12", Some("GB"), &rules(), Use::Call);
        assert_eq!(closed, Err(BadNumber::NotANumber));
        assert_eq!(masked("+442079460958;ext=12"), "ending 58, extension 12");
        assert_eq!(block("+442079460958;ext=12"), block("+442079460958"), "one number to those who count");
    }

    #[test]
    fn the_only_country_need_not_be_chosen_and_none_allows_none() {
        let only = NumberRules { countries: vec!["GB".into()], ..rules() };
        assert_eq!(Number::parse("07400 123456", None, &only, Use::Text).unwrap().e164(), "+447400123456");
        let none = NumberRules::default();
        assert_eq!(Number::parse("+447400123456", None, &none, Use::Text), Err(BadNumber::CountryNotAllowed));
    }

    #[test]
    fn nothing_in_full_is_shown() {
        let number = Number::parse("07400 123456", Some("GB"), &rules(), Use::Text).unwrap();
        assert_eq!(format!("{number:?}"), "Number(GB ending 56)");
        assert_eq!(block(number.e164()), "+44740012");
        assert_eq!((masked(""), block("+1")), ("ending ".into(), String::new()));
    }

    #[test]
    fn every_country_has_an_example_that_would_be_taken() {
        assert_eq!(example("GB", Use::Text).as_deref(), Some("07400 123456"));
        assert_eq!(example("DE", Use::Text).as_deref(), Some("01512 3456789"));
        let letters = || b'A'..=b'Z';
        let codes =
            letters().flat_map(|a| letters().map(move |b| format!("{}{}", char::from(a), char::from(b))));
        let mut known = 0;
        for code in codes.filter(|code| code.parse::<Id>().is_ok()) {
            let rules = NumberRules { countries: vec![code.clone()], ..NumberRules::default() };
            for what_for in [Use::Text, Use::Call] {
                let Some(typed) = example(&code, what_for) else {
                    continue;
                };
                let number = Number::parse(&typed, Some(&code), &rules, what_for);
                assert_eq!(number.as_ref().map(Number::country), Ok(code.as_str()), "{code} {typed}");
                known += 1;
            }
        }
        assert!(known > 400, "{known}");
    }

    #[test]
    fn the_country_of_a_number_is_known() {
        let of = |e164: &str| country(e164);
        assert_eq!(of("+447400123456").as_deref(), Some("GB"));
        assert_eq!(of("+18762101234").as_deref(), Some("JM"));
        assert_eq!((of("447400123456"), of("anna@example.com")), (None, None));
    }

    #[test]
    fn countries_have_calling_codes() {
        assert_eq!((calling_code("GB"), calling_code("JM"), calling_code("UK")), (Some(44), Some(1), None));
    }

    proptest! {
        #[test]
        fn whatever_is_typed_ends_in_e164_or_a_refusal(typed in "[+0-9 ()-]{0,24}|\\PC{0,24}", country in "GB|US|DE|[A-Z]{2}") {
            if let Ok(number) = Number::parse(&typed, Some(&country), &rules(), Use::Call) {
                prop_assert!(number.e164.starts_with('+') && (8..=16).contains(&number.e164.len()));
                let again = Number::parse(&number.e164, None, &rules(), Use::Call);
                prop_assert_eq!(again.unwrap(), number);
            }
        }
    }
}
