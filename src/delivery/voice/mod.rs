//! Codes read out in a call: what is said, and the vendors that say it.
//!
//! Calls ring for 20 s, which most mailboxes wait for; where the vendor can tell a machine, it hangs
//! up. A mailbox that is quicker may record the code, which is of use only in the browser that asked
//! for it. None of the vendors was called with a real account: each was written from its published
//! contract.

pub(super) mod twilio;
pub(super) mod vonage;

use secrecy::ExposeSecret as _;

use super::{Code, Content, Language, Message, NotSent};
use crate::delivery::vendor::not_carried;

/// Seconds that it rings.
pub(super) const RINGS: u64 = 20;
/// Seconds that a call may take.
pub(super) const LONGEST: u64 = 90;
/// Characters of a name that are read out.
const NAME: usize = 40;

/// One thing after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Say(String),
    /// For a second.
    Pause,
}

/// What is said around the digits.
struct Phrases {
    /// For the vendors (BCP 47).
    tag: &'static str,
    /// Before and after the name.
    hello: (&'static str, &'static str),
    code: &'static str,
    again: &'static str,
    careful: &'static str,
    goodbye: &'static str,
}

const fn phrases(language: Language) -> Phrases {
    match language {
        Language::En => Phrases {
            tag: "en-GB",
            hello: ("Hello. This is ", "."),
            code: "Your code is:",
            again: "Once more:",
            careful: "If you did not ask for this call, hang up. Do not tell this code to anybody.",
            goodbye: "Goodbye.",
        },
        Language::De => Phrases {
            tag: "de-DE",
            hello: ("Guten Tag. Hier ist ", "."),
            code: "Ihr Code lautet:",
            again: "Noch einmal:",
            careful: "Wenn Sie diesen Anruf nicht angefordert haben, legen Sie auf. Sagen Sie den Code niemandem.",
            goodbye: "Auf Wiederhören.",
        },
        Language::Fr => Phrases {
            tag: "fr-FR",
            hello: ("Bonjour. Ici ", "."),
            code: "Votre code est :",
            again: "Une deuxième fois :",
            careful: "Si vous n'avez pas demandé cet appel, raccrochez. Ne donnez ce code à personne.",
            goodbye: "Au revoir.",
        },
        Language::Es => Phrases {
            tag: "es-ES",
            hello: ("Hola. Le llama ", "."),
            code: "Su código es:",
            again: "Otra vez:",
            careful: "Si no ha pedido esta llamada, cuelgue. No diga este código a nadie.",
            goodbye: "Adiós.",
        },
        Language::It => Phrases {
            tag: "it-IT",
            hello: ("Buongiorno. Qui ", "."),
            code: "Il suo codice è:",
            again: "Ancora una volta:",
            careful: "Se non ha richiesto questa chiamata, riagganci. Non dica questo codice a nessuno.",
            goodbye: "Arrivederci.",
        },
        Language::Nl => Phrases {
            tag: "nl-NL",
            hello: ("Goedendag. U spreekt met ", "."),
            code: "Uw code is:",
            again: "Nog een keer:",
            careful: "Hebt u niet om dit gesprek gevraagd, hang dan op. Vertel deze code aan niemand.",
            goodbye: "Tot ziens.",
        },
    }
}

/// The language of the voice.
pub(super) const fn tag(language: Language) -> &'static str {
    phrases(language).tag
}

/// What is said: the digits one by one, twice.
///
/// # Errors
/// When the message is no code: nobody is called for a notice.
pub(super) fn script(message: &Message) -> Result<Vec<Part>, NotSent> {
    match &message.content {
        Content::Code(code) => Ok(script_of(code, message.language)),
        Content::Notice(_) => Err(not_carried("notices in a call")),
    }
}

/// As [`script`], in one piece.
pub(super) fn spoken(message: &Message) -> Result<String, NotSent> {
    let say = |part| match part {
        Part::Say(text) => Some(text),
        Part::Pause => None,
    };
    let said: Vec<String> = script(message)?.into_iter().filter_map(say).collect();
    Ok(said.join(" "))
}

fn script_of(code: &Code, language: Language) -> Vec<Part> {
    let phrases = phrases(language);
    let digits: Vec<String> = code.code.expose_secret().chars().map(String::from).collect();
    let digits = format!("{}.", digits.join(", "));
    let say = |text: &str| Part::Say(text.to_owned());
    let hello = format!("{}{}{}", phrases.hello.0, name(&code.brand), phrases.hello.1);
    vec![
        Part::Pause,
        Part::Say(hello),
        say(phrases.code),
        Part::Say(digits.clone()),
        Part::Pause,
        say(phrases.again),
        Part::Say(digits),
        Part::Pause,
        say(phrases.careful),
        say(phrases.goodbye),
    ]
}

/// A name without what no voice can say.
fn name(brand: &str) -> String {
    let plain = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '\'' | '&');
    let kept: String = brand.chars().filter(plain).take(NAME).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::Channel;
    use super::super::sms::testing::{code, notice};
    use super::*;

    #[test]
    fn the_digits_are_said_one_by_one_and_twice_in_every_language() {
        for language in Language::ALL {
            let message = Message { channel: Channel::Voice, language, ..code() };
            let script = script(&message).unwrap();
            let digits = Part::Say("1, 2, 3, 4, 5, 6, 7, 8.".to_owned());
            assert_eq!(script.iter().filter(|part| **part == digits).count(), 2, "{language:?}");
            assert!(spoken(&message).unwrap().contains("Example Ltd"), "{language:?}");
            assert_eq!(tag(language).len(), 5);
        }
        assert!(script(&notice()).is_err());
    }

    #[test]
    fn a_name_is_no_markup() {
        assert_eq!(name("Ex<amp>le  & \"Co\"\n{x}"), "Example & Cox");
        assert_eq!(name(&"x".repeat(100)).len(), NAME);
    }
}
