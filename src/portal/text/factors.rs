//! What is said about each kind of factor. The words of people, never those of the trade.

use crate::config::FactorKind;
use crate::factors::Malformed;

/// What a kind is called.
pub fn kind(factor: FactorKind) -> &'static str {
    match factor {
        FactorKind::Totp => "Authenticator app",
        FactorKind::RecoveryCode => "Recovery codes",
        FactorKind::Passkey => "Passkey",
        FactorKind::Email => "E-mail",
        FactorKind::Sms => "Text message",
        FactorKind::Voice => "Phone call",
        FactorKind::Duo => "Duo",
        FactorKind::Radius => "Security token",
        FactorKind::Yubikey => "YubiKey",
        FactorKind::Hotp => "Code token",
        FactorKind::TemporaryCode => "Temporary code",
    }
}

/// The one sentence beside it where it is offered.
pub fn offer(factor: FactorKind) -> &'static str {
    match factor {
        FactorKind::Totp => {
            "An app on your phone shows a new code every 30 seconds. Works without a connection."
        }
        FactorKind::RecoveryCode => "A list to print or save, for the day you don't have your phone.",
        FactorKind::Passkey => {
            "Confirm with your fingerprint, face, PIN or a security key. The quickest, and the safest."
        }
        FactorKind::Email => "We send a code to your e-mail address.",
        FactorKind::Sms => {
            "We text a code to your phone. Texts can be late, and your phone company may charge for them."
        }
        FactorKind::Voice => "We call your phone and read out a code.",
        FactorKind::Duo => "Confirm with Duo, as you do elsewhere at work.",
        FactorKind::Radius => "The token or app you already have from your company.",
        FactorKind::Yubikey => "Touch the YubiKey you already have; it types a code.",
        FactorKind::Hotp => "A token that shows a new code at each press.",
        FactorKind::TemporaryCode => "A code from the people who run this site.",
    }
}

/// What removing one does.
pub fn remove_effect(factor: FactorKind) -> &'static str {
    match factor {
        FactorKind::Totp => {
            "Codes from this app stop working now. What you confirmed with it has to be confirmed again."
        }
        FactorKind::RecoveryCode => {
            "All codes on your list stop working now. What you confirmed with one has to be confirmed again."
        }
        FactorKind::Passkey => {
            "This passkey stops working here now. What you confirmed with it has to be confirmed again. You can delete it from your device, too."
        }
        _ => "It stops working here now. What you confirmed with it has to be confirmed again.",
    }
}

/// What to say when an answer is not even the right shape.
pub fn malformed(factor: FactorKind, why: &Malformed) -> String {
    match (factor, why) {
        (FactorKind::Totp, Malformed::Empty) => "Enter the 6 digits from your app".to_owned(),
        (FactorKind::RecoveryCode, Malformed::Empty) => "Enter one of your recovery codes".to_owned(),
        (FactorKind::RecoveryCode, _) => "Enter one whole code from your list".to_owned(),
        (_, Malformed::Empty) => "Enter the code".to_owned(),
        (_, Malformed::Length { expected, got }) => {
            format!("The code has {expected} digits. You entered {got}")
        }
        (_, Malformed::NotDigits) => "The code is only numbers".to_owned(),
    }
}
