//! What a call says and when: who calls and that a key shall be pressed; the digits one by one and
//! twice; or all of it at once, where no key can be asked for.

use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use super::phrases::{Phrases, phrases};
use crate::delivery::vendor::not_carried;
use crate::delivery::{Channel, Content, Language, Message, NotSent};

/// Characters of a name that are read out.
const NAME: usize = 40;

/// One thing after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Part {
    Say(String),
    /// For a second.
    Pause,
}

/// What one call is about.
pub struct Spoken {
    code: SecretString,
    /// Who calls.
    brand: String,
    language: Language,
}

impl Spoken {
    /// # Errors
    /// When the message is no code: nobody is called for a notice.
    pub(in super::super) fn of(message: &Message) -> Result<Self, NotSent> {
        match &message.content {
            Content::Code(code) => {
                Ok(Self { code: code.code.clone(), brand: name(&code.brand), language: message.language })
            }
            Content::Notice(_) => Err(not_carried("notices in a call")),
        }
    }

    /// As it is kept, sealed, until a key was pressed.
    pub(super) fn written(&self) -> SecretSlice<u8> {
        let (language, code) = (self.language.name(), self.code.expose_secret());
        format!("{language}\n{code}\n{}", self.brand).into_bytes().into()
    }

    /// What [`Spoken::written`] wrote.
    pub(super) fn read(kept: &SecretSlice<u8>) -> Option<Self> {
        let text = std::str::from_utf8(kept.expose_secret()).ok()?;
        let (language, rest) = text.split_once('\n')?;
        let (code, brand) = rest.split_once('\n')?;
        let language = Language::of_name(language)?;
        Some(Self { code: code.to_owned().into(), brand: brand.to_owned(), language })
    }

    /// The language of the voice, for the vendors (BCP 47).
    pub(in super::super) const fn tag(&self) -> &'static str {
        self.phrases().tag
    }

    const fn phrases(&self) -> Phrases {
        phrases(self.language)
    }

    /// Everything, without waiting for anybody.
    pub(in super::super) fn whole(&self) -> Vec<Part> {
        let phrases = self.phrases();
        let mut parts = vec![Part::Pause, self.hello()];
        parts.extend(self.digits());
        parts.extend([phrases.unasked, phrases.careful, phrases.goodbye].map(say));
        parts
    }

    /// Who calls; then comes [`Spoken::question`].
    pub(super) fn greeting(&self) -> Vec<Part> {
        vec![Part::Pause, self.hello(), say(self.phrases().unasked)]
    }

    /// That a key shall be pressed.
    pub(super) fn question(&self) -> Part {
        say(self.phrases().press)
    }

    /// The code.
    pub(super) fn answer(&self) -> Vec<Part> {
        let phrases = self.phrases();
        let mut parts = self.digits();
        parts.extend([phrases.careful, phrases.goodbye].map(say));
        parts
    }

    /// Nobody has pressed a key: perhaps a mailbox. It gets no code.
    pub(super) fn farewell(&self) -> Vec<Part> {
        let phrases = self.phrases();
        vec![say(phrases.silence), say(phrases.goodbye)]
    }

    fn hello(&self) -> Part {
        let (before, after) = self.phrases().hello;
        Part::Say(format!("{before}{}{after}", self.brand))
    }

    fn digits(&self) -> Vec<Part> {
        let phrases = self.phrases();
        let digits: Vec<String> = self.code.expose_secret().chars().map(String::from).collect();
        let digits = Part::Say(format!("{}.", digits.join(", ")));
        vec![
            say(phrases.code),
            digits.clone(),
            Part::Pause,
            say(phrases.again),
            digits,
            Part::Pause,
        ]
    }
}

/// The part of the address that nobody can guess where this call's code is asked for, if it is.
pub(super) fn token(message: &Message) -> Option<&str> {
    match &message.content {
        Content::Code(code) if message.channel == Channel::Voice => code.call.as_deref(),
        _ => None,
    }
}

/// Everything that is said, in one piece.
///
/// # Errors
/// As [`Spoken::of`].
pub(in super::super) fn spoken(message: &Message) -> Result<String, NotSent> {
    let text = |part| match part {
        Part::Say(text) => Some(text),
        Part::Pause => None,
    };
    let said: Vec<String> = Spoken::of(message)?.whole().into_iter().filter_map(text).collect();
    Ok(said.join(" "))
}

fn say(text: &str) -> Part {
    Part::Say(text.to_owned())
}

/// A name without what no voice can say.
fn name(brand: &str) -> String {
    let plain = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '\'' | '&');
    let kept: String = brand.chars().filter(plain).take(NAME).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::super::sms::testing::{call, notice};
    use super::*;

    fn spoken_in(language: Language) -> Spoken {
        Spoken::of(&Message { language, ..call(None) }).unwrap()
    }

    fn times(parts: &[Part], text: &str) -> usize {
        parts.iter().filter(|part| **part == Part::Say(text.to_owned())).count()
    }

    #[test]
    fn the_digits_are_said_one_by_one_and_twice_in_every_language() {
        for language in Language::ALL {
            let said = spoken_in(language);
            for parts in [said.whole(), said.answer()] {
                assert_eq!(times(&parts, "1, 2, 3, 4, 5, 6, 7, 8."), 2, "{language:?}");
            }
            assert_eq!(said.tag().len(), 5);
            assert!(said.tag().starts_with(language.name()), "{language:?}");
        }
        assert!(Spoken::of(&notice()).is_err());
    }

    #[test]
    fn before_a_key_is_pressed_no_digit_is_said() {
        for language in Language::ALL {
            let said = spoken_in(language);
            let mut parts = said.greeting();
            parts.extend([said.question()]);
            parts.extend(said.farewell());
            let all = format!("{parts:?}");
            assert!(!all.chars().any(|c| c.is_ascii_digit()), "{all}");
            assert!(all.contains("Example Ltd"), "{all}");
        }
    }

    #[test]
    fn what_is_kept_is_read_again_and_nothing_else_is() {
        let kept = spoken_in(Language::De).written();
        let read = Spoken::read(&kept).unwrap();
        assert_eq!((read.answer(), read.tag()), (spoken_in(Language::De).answer(), "de-DE"));
        for bad in ["", "de", "de\n1", "xx\n1\nbrand"] {
            assert!(Spoken::read(&bad.as_bytes().to_vec().into()).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_no_markup() {
        assert_eq!(name("Ex<amp>le  & \"Co\"\n{x}"), "Example & Cox");
        assert_eq!(name(&"x".repeat(100)).len(), NAME);
    }
}
