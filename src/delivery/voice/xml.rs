//! The little XML that Twilio and Plivo read: elements of ours around texts that may hold anything.

use super::Part;

/// The words of one dialect.
pub(super) struct Dialect {
    /// Opening tag around what is said, with the language in place of `{}`.
    pub say: (&'static str, &'static str),
    pub close: &'static str,
    pub pause: &'static str,
}

impl Dialect {
    /// Everything that is said, in this language.
    pub(super) fn said(&self, parts: &[Part], language: &str) -> String {
        let one = |part: &Part| match part {
            Part::Say(text) => {
                format!("{}{language}{}{}{}", self.say.0, self.say.1, escaped(text), self.close)
            }
            Part::Pause => self.pause.to_owned(),
        };
        parts.iter().map(one).collect()
    }
}

/// The whole document, which ends the call.
pub(super) fn document(inside: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{inside}<Hangup/></Response>")
}

/// As text, or as the value of an attribute in quotes.
pub(super) fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut xml, c| {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            c => xml.push(c),
        }
        xml
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_becomes_markup() {
        let dialect = Dialect { say: ("<Say language=\"", "\">"), close: "</Say>", pause: "<Pause/>" };
        assert_eq!(
            dialect.said(&[Part::Say("a & b <c> \"d\"".into()), Part::Pause], "en-GB"),
            "<Say language=\"en-GB\">a &amp; b &lt;c&gt; &quot;d&quot;</Say><Pause/>"
        );
        assert!(document("").ends_with("<Response><Hangup/></Response>"));
    }
}
