//! Delivery receipts of an SMS centre (SMPP 3.4 appendix B): what became of a text, counted and logged.
//! They decide nothing: whether a code arrived is shown by its being answered.

use rusmpp::pdus::DeliverSm;
use rusmpp::tlvs::TlvValue;
use rusmpp::values::MessageState;

use super::super::Reason;
use super::super::receipts::Outcome;
use crate::observe::metrics;

/// `message_type` of a receipt in `esm_class`.
const RECEIPT: u8 = 0x04;
const KIND: u8 = 0x3c;
/// A centre's name for a text has at most so many characters.
const LONGEST: usize = 65;

/// A receipt, or a message that somebody has sent us, which nobody reads.
pub(super) fn told(sender: &str, delivered: &DeliverSm) {
    if u8::from(delivered.esm_class) & KIND != RECEIPT {
        tracing::debug!(sender, "the SMS centre has brought a message that is not for us");
        return;
    }
    let text = String::from_utf8_lossy(delivered.short_message().as_ref()).into_owned();
    let state = field(&text, "stat:").or_else(|| state(delivered)).unwrap_or("UNKNOWN");
    let outcome = outcome(state);
    metrics().receipt(sender, outcome.name(), outcome.reason());
    if let Outcome::Failed(_) = outcome {
        let of = |name| printable(field(&text, name).unwrap_or_default());
        let (id, error) = (of("id:"), of("err:"));
        tracing::warn!(sender, id, error, state = printable(state), "a text did not arrive");
    } else {
        tracing::debug!(sender, state = printable(state), "the SMS centre tells what became of a text");
    }
}

/// The state from its own parameter, which some centres send instead of the text (section 5.3.2.35).
fn state(delivered: &DeliverSm) -> Option<&'static str> {
    delivered.tlvs().iter().find_map(|tlv| match tlv.value() {
        Some(TlvValue::MessageState(state)) => Some(match state {
            MessageState::Delivered => "DELIVRD",
            MessageState::Rejected => "REJECTD",
            MessageState::Expired => "EXPIRED",
            MessageState::Deleted => "DELETED",
            MessageState::Undeliverable => "UNDELIV",
            _ => "ENROUTE",
        }),
        _ => None,
    })
}

/// What a state means.
fn outcome(state: &str) -> Outcome {
    match state {
        "DELIVRD" => Outcome::Delivered,
        "REJECTD" => Outcome::Failed(Reason::Blocked),
        "EXPIRED" | "DELETED" | "UNDELIV" => Outcome::Failed(Reason::Unavailable),
        _ => Outcome::Underway,
    }
}

/// The word after a name; receipts are `name:value` in a row, some names with a space in them.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(name)?;
    rest.split_whitespace().next()
}

fn printable(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphanumeric).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "id:7f3a sub:001 dlvrd:001 submit date:2611221201 done date:2611221202 \
                        stat:UNDELIV err:011 text:12345678 is";

    #[test]
    fn receipts_are_read() {
        assert_eq!(field(TEXT, "stat:"), Some("UNDELIV"));
        assert_eq!((field(TEXT, "id:"), field(TEXT, "err:")), (Some("7f3a"), Some("011")));
        assert_eq!(field("nothing", "stat:"), None);
        for (state, expected) in [
            ("DELIVRD", ("delivered", "none")),
            ("UNDELIV", ("failed", "unavailable")),
            ("REJECTD", ("failed", "blocked")),
            ("EXPIRED", ("failed", "unavailable")),
            ("ENROUTE", ("underway", "none")),
            ("", ("underway", "none")),
        ] {
            assert_eq!((outcome(state).name(), outcome(state).reason()), expected);
        }
        assert_eq!(printable("DELI\nVRD<script>"), "DELIVRDscript");
    }
}
