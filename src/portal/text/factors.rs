//! What is said about each kind of factor. The words of people, never those of the trade.

use crate::ambient::UnixTime;
use crate::challenge::view::{Cap, StartedView, Way};
use crate::config::FactorKind;
use crate::delivery::Reason;
use crate::factors::{Malformed, Refusal, Shows};

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
        FactorKind::Radius => "Company code",
        FactorKind::Yubikey => "YubiKey",
        FactorKind::Hotp => "Key fob",
        FactorKind::TemporaryCode => "Temporary code",
    }
}

/// What a person calls one of their ways.
pub fn way_title(way: &Way) -> &str {
    if way.factor.is_spare() {
        kind(way.factor)
    } else {
        &way.name
    }
}

/// What a way is and where it leads, as far as the name it was given does not say so.
pub fn kind_beside(name: &str, factor: FactorKind, hint: Option<&str>) -> Option<String> {
    let hint = hint.filter(|hint| !name.contains(hint));
    match (name.starts_with(kind(factor)), hint) {
        (true, None) => None,
        (true, Some(hint)) => Some(hint.to_owned()),
        (false, None) => Some(kind(factor).to_owned()),
        (false, Some(hint)) => Some(format!("{}, {hint}", kind(factor))),
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
        FactorKind::Voice => {
            "We call your phone and read out a code. Calls you take abroad may cost you something."
        }
        FactorKind::Duo => "Confirm with Duo, as you do elsewhere at work.",
        FactorKind::Radius => "The code device or app you already have from your company.",
        FactorKind::Yubikey => "Touch the YubiKey you already have; it types a code.",
        FactorKind::Hotp => "A key fob that shows a new code at each press.",
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

/// Where the code is to be found that nobody sends: on what the person calls `name`. `entry`: under what an
/// app shows it.
pub fn where_it_is(factor: FactorKind, name: &str, entry: Option<&str>) -> String {
    match (factor, entry) {
        (FactorKind::Totp, Some(entry)) => {
            format!("Open your authenticator app (“{name}”) and enter the code it shows for {entry}.")
        }
        (FactorKind::Hotp, _) => format!("Press the button of “{name}” and enter the code it shows."),
        (FactorKind::Yubikey, _) => {
            format!("Put the cursor in the field and touch “{name}”. It types the code for you.")
        }
        (FactorKind::Radius, _) => format!("Enter the code of “{name}”."),
        _ => format!("Enter the code that “{name}” shows."),
    }
}

/// The same for what is being added.
pub fn where_the_first_is(factor: FactorKind) -> Option<&'static str> {
    match factor {
        FactorKind::Yubikey => {
            Some("Put the cursor in the field and touch your YubiKey. It types a code for you.")
        }
        FactorKind::Radius => Some("Enter one code of the device or app that your company gave you."),
        _ => None,
    }
}

/// The label of a field for what a server asks besides, which need not be a code.
pub const ANSWER: &str = "Answer";
pub const ANSWER_HINT: &str = "What is asked for above";

/// The line below the label of a field that takes what a token shows or types.
pub fn token_hint(factor: FactorKind) -> &'static str {
    match factor {
        FactorKind::Yubikey => "44 letters, typed by the key",
        _ => "Whatever your device or app shows",
    }
}

/// What to say when an answer is not even the right shape.
pub fn malformed(factor: FactorKind, why: &Malformed) -> String {
    match (factor, why) {
        (FactorKind::Totp, Malformed::Length { expected, got: 0 }) => {
            format!("Enter the {expected} digits from your app")
        }
        (FactorKind::Hotp, Malformed::Length { expected, got: 0 }) => {
            format!("Enter the {expected} digits that it shows")
        }
        (FactorKind::RecoveryCode, Malformed::Empty) => "Enter one of your recovery codes".to_owned(),
        (FactorKind::RecoveryCode, _) => "Enter one whole code from your list".to_owned(),
        (FactorKind::Passkey, _) => "Nothing was confirmed. Try again or choose another way".to_owned(),
        (FactorKind::TemporaryCode, _) => "Enter the whole code you were given".to_owned(),
        (FactorKind::Yubikey, _) => "Touch your YubiKey while the cursor is in the field".to_owned(),
        (_, Malformed::Empty | Malformed::Length { got: 0, .. }) => "Enter the code".to_owned(),
        (FactorKind::Radius, _) => "That can't be a code of yours".to_owned(),
        (_, Malformed::Length { expected, got }) => {
            format!("The code has {expected} digits. You entered {got}")
        }
        (_, Malformed::NotDigits) => "The code is only numbers".to_owned(),
    }
}

/// A wrong answer.
pub fn wrong(factor: FactorKind) -> &'static str {
    match factor {
        FactorKind::RecoveryCode => "That code isn't right. Check it against your list",
        FactorKind::TemporaryCode => "That code isn't right. Check each letter and number",
        FactorKind::Passkey => "That didn't work. Try again or choose another way",
        FactorKind::Duo => "It wasn't confirmed. Try again or choose another way",
        _ => "That code isn't right. Check it's the newest one",
    }
}

/// What may help after several.
pub fn wrong_advice(factor: FactorKind) -> Option<&'static str> {
    match factor {
        FactorKind::Totp => Some("Check that your phone sets its time automatically."),
        FactorKind::Hotp => Some(
            "If its button was pressed many times, press it twice more and enter both codes, one after the other.",
        ),
        _ => None,
    }
}

/// The page was open for too long.
pub fn ran_out(factor: FactorKind) -> &'static str {
    match factor {
        FactorKind::RecoveryCode | FactorKind::TemporaryCode => {
            "That took a little too long, so nothing was checked. Enter the code again"
        }
        FactorKind::Passkey | FactorKind::Duo => {
            "That took a little too long, so nothing was checked. Try again"
        }
        _ => "That took a little too long, so nothing was checked. Enter the newest code",
    }
}

/// An answer that was right once.
pub fn used(factor: FactorKind) -> &'static str {
    match factor {
        FactorKind::RecoveryCode => "That code was already used. Take another one from your list",
        FactorKind::TemporaryCode => "That code was already used. Ask for a new one",
        FactorKind::Yubikey => "That was already used. Touch your YubiKey again",
        FactorKind::Hotp => "That code was already used. Press for the next one",
        _ => "That code was already used. Wait for the next one",
    }
}

/// Before something is sent or asked.
pub fn start_lead(factor: FactorKind, to: &str) -> String {
    match factor {
        FactorKind::Sms => {
            format!("We'll text a code to the number {to}. Your phone company may charge for it.")
        }
        FactorKind::Voice => format!("We'll call the number {to} and read out a code, twice."),
        FactorKind::Email => format!("We'll e-mail a code to {to}."),
        FactorKind::Duo => "You confirm with Duo, and then come back here.".to_owned(),
        _ => "We'll ask for it, and you confirm there.".to_owned(),
    }
}

/// The button that sends or asks.
pub fn start_button(factor: FactorKind) -> &'static str {
    match factor {
        FactorKind::Sms => "Text me a code",
        FactorKind::Voice => "Call me",
        FactorKind::Email => "E-mail me a code",
        FactorKind::Duo => "Continue to Duo",
        _ => "Continue",
    }
}

/// One of the ways within a way.
pub fn choice(name: &str) -> &'static str {
    match name {
        "push" => "Send a push",
        "phone" => "Call me",
        "text" => "Text me passcodes",
        _ => "Continue",
    }
}

/// Before the ways within a way.
pub const CHOICES_LEAD: &str = "How do you want to confirm?";
pub const PASSCODE: &str = "Or a passcode";
pub const PASSCODE_HINT: &str = "From the app, a text or your key fob";

/// Where a code may have gone: the service took it and did not say so.
pub fn perhaps_sent(factor: FactorKind, to: &str) -> String {
    match factor {
        FactorKind::Sms => format!(
            "The text service didn't answer, so we can't say whether a text is on its way to the number {to}. If one comes, enter its code."
        ),
        FactorKind::Voice => format!(
            "The call service didn't answer, so we can't say whether the number {to} will ring. If it does, enter the code you hear."
        ),
        _ => format!(
            "The mail service didn't answer, so we can't say whether an e-mail is on its way to {to}. If one comes, enter its code."
        ),
    }
}

/// Where a code went.
pub fn sent(factor: FactorKind, to: &str) -> String {
    match factor {
        FactorKind::Sms => format!("We sent a text to the number {to}."),
        FactorKind::Voice => {
            format!(
                "We're calling the number {to}. Press a key when you're asked to, and type what you hear."
            )
        }
        FactorKind::Duo => format!("Duo sent passcodes by text to {to}."),
        _ => format!("We sent an e-mail to {to}."),
    }
}

/// For those to whom nothing came.
pub fn nothing_came(factor: FactorKind) -> &'static str {
    match factor {
        FactorKind::Email => "I didn't get an e-mail",
        FactorKind::Voice => "I didn't get a call",
        FactorKind::Duo => "Nothing came, or use Duo in another way",
        _ => "I didn't get a code",
    }
}

/// The service that carries or judges refuses, or is away.
pub fn refused(factor: FactorKind, reason: Reason) -> String {
    let service = match factor {
        FactorKind::Sms => "the text service",
        FactorKind::Voice => "the call service",
        FactorKind::Email => "the mail service",
        FactorKind::Duo => "Duo",
        _ => "the service",
    };
    match reason {
        Reason::InvalidDestination => match factor {
            FactorKind::Duo => "Duo has no phone of yours for that. Use it in another way".to_owned(),
            FactorKind::Email => "That address takes no mail. Choose another way".to_owned(),
            _ => "That number can't be reached. Choose another way".to_owned(),
        },
        Reason::NotMobile => "That number takes no texts. Try a call, or another way".to_owned(),
        Reason::OptedOut => {
            "You told your phone company to stop texts from us. Choose another way".to_owned()
        }
        Reason::Blocked if factor == FactorKind::Duo => {
            "Duo doesn't let you confirm now. Choose another way, or ask the people who run this site"
                .to_owned()
        }
        Reason::RegionBlocked | Reason::Blocked => {
            "We can't send to that number. Choose another way".to_owned()
        }
        Reason::Throttled => {
            format!("There is too much to do for {service} right now. Wait a moment, or choose another way")
        }
        Reason::Misconfigured | Reason::Unavailable => {
            format!("We couldn't reach {service}. Try another way, or try again in a moment")
        }
    }
}

/// What was begun has run out.
pub fn not_begun(factor: FactorKind) -> &'static str {
    match factor {
        FactorKind::Duo => "It has run out. Ask for it again, or choose another way",
        _ => "That code has run out. Ask for a new one",
    }
}

/// The service behind a factor does not know the person.
pub fn unknown_to_service(factor: FactorKind) -> &'static str {
    match factor {
        FactorKind::Duo => "Duo doesn't know you yet. Ask the people who run this site",
        _ => "The service doesn't know you yet. Ask the people who run this site",
    }
}

/// What is wrong with a number or an address.
pub fn refusal(why: Refusal) -> &'static str {
    match why {
        Refusal::Missing => "Fill this in",
        Refusal::NotANumber => "Enter a phone number: only digits, and choose its country",
        Refusal::Unassigned => "Nobody has a number like that. Check each digit, and the country",
        Refusal::CountryNotAllowed => {
            "We can't send to that country. Use a number of another country, or another way"
        }
        Refusal::Premium => {
            "That is a special number, such as a premium or service line. Use an ordinary one"
        }
        Refusal::NotMobile => "That is a landline, which takes no texts. Use a mobile number",
        Refusal::InternetTelephony => {
            "That is a number of an internet phone service, which we don't accept. Use a mobile number"
        }
        Refusal::NotAnAddress => "Enter an e-mail address, like name@example.com",
        Refusal::NotYours => "Only the address that your account has can be used",
    }
}

pub const DENIED: &str = "It was declined. Try again or choose another way";
pub const DENIED_ADVICE: &str = "If that wasn't you, tell the people who run this site.";
pub const LAPSED: &str = "Nobody confirmed it in time. Try again or choose another way";
pub const BARRED: &str =
    "Your account is locked there. Choose another way, or ask the people who run this site";
pub const DENIED_FRAUD: &str =
    "You said that it wasn't you. If somebody else tried, your administrator has been told";
pub const STILL_WAITING: &str = "We're still waiting. Confirm it there, then check again.";
pub const SERVICE_AWAY: &str =
    "We couldn't check it right now. Nothing was counted. Try again, or choose another way";
pub const TAKEN: &str = "Somebody has added this one already. Use another";
pub const LEAVING: &str = "Taking you there";
pub const LEAVING_TEXT: &str = "You confirm on the other page, and it brings you back here.";
pub const LEAVING_BUTTON: &str = "Continue";
pub const WAY_BACK_OVER: &str = "This step is over";
pub const WAY_BACK_OVER_WHY: &str = "You've come back here before, or it took too long. Go to where you were going; we ask again if something is still missing.";
pub const CHECK_NOW: &str = "Check now";
pub const APPROVE_LEAD: &str = "Confirm it on your phone. This page goes on by itself.";
pub const APPROVE_NUMBER: &str = "Type this number there:";

/// Beside a field for one of the codes for the worst day.
pub fn spare_hint(factor: FactorKind) -> &'static str {
    match factor {
        FactorKind::TemporaryCode => {
            "The code you were given. It works once. Dashes and capitals don't matter."
        }
        _ => "One of the codes you saved. Each code works once. Dashes and capitals don't matter.",
    }
}
pub const ANOTHER_CODE: &str = "Send another";

pub fn again_from(when: &str) -> String {
    format!("You can ask for another from {when}.")
}

pub fn ask_from(when: &str) -> String {
    format!("You can ask again from {when}.")
}

/// So many were sent that no more are for a while.
pub fn capped(factor: FactorKind, cap: Cap) -> String {
    let what = match factor {
        FactorKind::Sms => "texts",
        FactorKind::Voice => "calls",
        FactorKind::Email => "e-mails",
        _ => "questions",
    };
    let place = if factor == FactorKind::Email {
        "address"
    } else {
        "number"
    };
    match cap {
        Cap::Resend | Cap::Person => {
            format!("You've had as many {what} as one person can have for now. Choose another way, or wait")
        }
        Cap::Destination => {
            format!("That {place} has had as many {what} as it can have for now. Choose another way, or wait")
        }
        Cap::Declined => {
            "What we asked on your phone was declined or left unanswered twice, so we don't ask there for now. Choose another way, or wait"
                .to_owned()
        }
        Cap::Prefix | Cap::Unanswered | Cap::Country | Cap::Network | Cap::Overall => format!(
            "Too many {what} are being asked for right now, so yours has to wait. It's nothing you did. Choose another way, or wait"
        ),
    }
}

/// The same as a count: minutes and seconds stand where the braces are.
pub const AGAIN_IN: &str = "You can ask for another in {}.";
pub const AGAIN_NOW: &str = "You can ask for another now.";

/// For how long what was sent can be used.
pub fn lasts(started: &StartedView, now: UnixTime) -> Option<String> {
    if !matches!(started.shows, Shows::Sent { .. }) {
        return None;
    }
    Some(match started.expires_at.since(now) / 60 {
        ..=1 => "It can be used for about a minute.".to_owned(),
        minutes => format!("It can be used for {minutes} minutes."),
    })
}

/// Another way, where this one can't be had.
pub fn use_instead(name: &str) -> String {
    format!("Use {name} instead")
}

pub const COUNTRY: &str = "Country";
pub const NUMBER: &str = "Phone number";
pub const NOT_ALONE: &str =
    "A phone number can get lost or be taken over. Add another way as well, such as a passkey or an app.";

/// What a number is used for, before somebody gives it.
pub fn number_hint(factor: FactorKind) -> &'static str {
    match factor {
        FactorKind::Voice => "We call there when you ask for a code, and for nothing else.",
        _ => {
            "We text a code there when you ask for one, and a word when your ways to confirm change. Nothing else."
        }
    }
}

/// How a number is written there.
pub fn number_example(country: &str, number: &str) -> String {
    format!("For example {number} ({country}), or the whole number from its +.")
}
pub const EXTENSION_HINT: &str = "An extension can follow it: ext. 12.";
pub const ADDRESS: &str = "E-mail address";
pub const ADDRESS_HINT: &str = "We send a code there when you confirm.";

/// Heading of the page that adds one.
pub fn adding(factor: FactorKind) -> &'static str {
    match factor {
        FactorKind::Passkey => "Add a passkey",
        FactorKind::Email => "Add your e-mail address",
        FactorKind::Sms => "Add a phone number for texts",
        FactorKind::Voice => "Add a phone number for calls",
        FactorKind::Duo => "Add Duo",
        FactorKind::Yubikey => "Add your YubiKey",
        FactorKind::Radius | FactorKind::Hotp => "Add your code device",
        _ => "Add a way to confirm",
    }
}
