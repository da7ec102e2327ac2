//! Every word that a page says, in one place, so that a translation has one place to start from.
//!
//! Tone (ux.md G-9): short, second person, no blame, no jargon. A sentence is one entry; nothing
//! here is built by joining fragments. It must never hold markup: the templates escape all of it.

mod countries;
mod factors;
mod not_me;
mod passkeys;
mod passwords;

pub use countries::country;
pub use factors::*;
pub use not_me::*;
pub use passkeys::*;
pub use passwords::*;

use crate::challenge::view::WhyNot;
use crate::identity::{Stop, StopReason};

pub const LANG: &str = "en";
pub const DIR: &str = "ltr";

// Around every page.
pub const ERROR_PREFIX: &str = "Error: ";
pub const PROBLEM: &str = "There is a problem";
pub const HELP: &str = "Help";
pub const HELP_WITHOUT_LINK: &str = "Need help? Ask the people who run this site.";
pub const NOT_YOU: &str = "Not you?";
pub const CONTINUE: &str = "Continue";
pub const CANCEL: &str = "Cancel";
pub const REFERENCE: &str = "Reference";
pub const SETTINGS: &str = "My MFA settings";

pub fn signed_in_as(name: &str) -> String {
    format!("Signed in as {name}.")
}

// Sign in (P-8).
pub const SIGN_IN: &str = "Sign in";
pub const USERNAME: &str = "User name";
pub const PASSWORD: &str = "Password";
pub const SHOW_PASSWORD: &str = "Show password";
pub const HIDE_PASSWORD: &str = "Hide password";
pub const SIGN_IN_INVITED: &str =
    "You've been invited to set up a second way to confirm it's you. Sign in first.";
pub const SIGN_IN_FAILED: &str = "That user name and password don't match. Check both and try again";
pub const SIGN_IN_EMPTY: &str = "Enter your user name and your password";
pub const SIGN_IN_STALE: &str = "This page had been open for a while. Please sign in again";
pub const SIGN_IN_ELSEWHERE: &str =
    "You sign in to this site somewhere else. Open the app you want to use and sign in there.";

/// Said only where the source does.
pub fn sign_in_stopped(stop: &Stop) -> String {
    let source = &stop.source;
    match stop.why {
        StopReason::MustChange => {
            format!("Your password must be changed in {source} first. Then sign in here with the new one")
        }
        StopReason::Barred => {
            format!("Your account is locked in {source}. Ask the people who run it to unlock it")
        }
    }
}

// Sign in at a provider.
pub const OR: &str = "or";
pub const CANT_SIGN_IN_NOW: &str = "You can't sign in there right now";
pub const NOT_SIGNED_IN: &str = "You're not signed in";
pub const TRY_AGAIN: &str = "Try again";
pub const SIGN_IN_OTHERWISE: &str = "Sign in another way";

pub fn continue_with(provider: &str) -> String {
    format!("Continue with {provider}")
}

pub fn provider_is_away(provider: &str) -> String {
    format!("We can't reach {provider} at the moment. Wait a little, then try again.")
}

pub fn provider_answer_refused(provider: &str) -> String {
    format!(
        "What {provider} sent us doesn't add up, so we didn't sign you in. Try again; if it happens twice, tell the people who run this site."
    )
}

pub fn provider_was_told_no(provider: &str) -> String {
    format!("The sign-in at {provider} was cancelled.")
}

pub fn provider_answer_stale(_provider: &str) -> String {
    "This sign-in took too long, was used before, or was begun in another browser. Please sign in again."
        .to_owned()
}

pub fn signed_in_needed(app: &str) -> String {
    format!("{app} needs to know who you are.")
}

pub fn sign_in_for(app: &str) -> String {
    format!("Sign in to go on to {app}.")
}

// Sign-in to an app with a form of its own.
pub const APP_SIGN_IN_REFUSED: &str = "That user name and password were not taken. Check both and try again";
pub const APP_SIGN_IN_KEPT: &str = "They are kept encrypted, given to nobody else, and never shown. You can remove them under My MFA settings.";
pub const SAVE_AND_GO_ON: &str = "Save and go on";
pub const APP_SIGN_INS: &str = "Saved sign-ins";
pub const APP_SIGN_INS_TEXT: &str = "You are signed in to these with a user name and password that you saved. Forget one, and you are asked next time.";
pub const APP_FORGOTTEN: &str = "Forgotten. You are asked the next time you open it.";

pub fn app_sign_in(app: &str) -> String {
    format!("Your sign-in for {app}")
}

pub fn app_sign_in_why(app: &str) -> String {
    format!(
        "{app} has user names and passwords of its own. Enter yours once, and you are signed in from now on."
    )
}

pub fn app_username(app: &str) -> String {
    format!("User name in {app}")
}

pub fn app_password(app: &str) -> String {
    format!("Password in {app}")
}

// Confirm (P-1, P-6).
pub const CONFIRM: &str = "Confirm it's you";
pub const CODE: &str = "Code";
pub const RECOVERY_CODE: &str = "Recovery code";
pub const ANOTHER_WAY: &str = "Choose another way";

/// The heading where several proofs are asked for in a row.
pub fn confirm_step(now: usize, of: usize) -> String {
    format!("Confirm it's you: step {now} of {of}")
}

pub fn app_asks_for(app: &str, proofs: usize) -> String {
    match proofs {
        2 => format!("{app} asks you to confirm it's you in two ways."),
        n => format!("{app} asks you to confirm it's you in {n} ways."),
    }
}

/// After a first of several proofs: the same heading again must not look like a failure.
pub fn one_more(app: &str) -> String {
    format!("That was right. {app} asks for one more way.")
}

pub fn app_asks(app: &str) -> String {
    format!("{app} asks you to confirm it's you.")
}

pub fn digits(count: u8) -> String {
    format!("{count} digits")
}

pub fn attempts_left(left: u32) -> String {
    match left {
        0 => "This was the last try for now.".to_owned(),
        1 => "You have 1 try left. Then there is a short wait.".to_owned(),
        n => format!("You have {n} tries left. Then there is a short wait."),
    }
}

// Choose another way (P-4).
pub const WAYS_LEAD: &str = "These are the ways you have set up.";
pub const NO_WAY_USABLE: &str = "I can't use any of these";
pub const NO_WAY_HELP: &str =
    "Ask the people who run this site. They can check that it's you and let you set up a new way.";
pub const NEVER_USED: &str = "Not used yet";
pub const ADD_ANOTHER: &str = "Add another way";

/// The box of U-5.
pub fn dont_ask_again(seconds: i64) -> String {
    let (count, one, many) = match seconds {
        s if s >= 86_400 => (s / 86_400, "day", "days"),
        s if s >= 3_600 => (s / 3_600, "hour", "hours"),
        s => (s / 60, "minute", "minutes"),
    };
    match count {
        1 => format!("Don't ask again on this browser for 1 {one}"),
        n => format!("Don't ask again on this browser for {n} {many}"),
    }
}

/// Why a way does not count here.
pub fn not_accepted(app: &str, why: &WhyNot) -> String {
    match why {
        WhyNot::OtherKind => format!("{app} doesn't accept this way."),
        WhyNot::Lacks { properties } => needs(app, properties),
        WhyNot::OnlyBeside => "This counts only together with another way.".to_owned(),
        WhyNot::LastResort => "This counts only where you have no other way.".to_owned(),
        WhyNot::UsedUp => codes_left(0),
        WhyNot::Done => "You've confirmed with this one already.".to_owned(),
        WhyNot::Off => OFF.to_owned(),
    }
}

/// What the app asks for beyond a kind.
fn needs(app: &str, properties: &[&str]) -> String {
    match properties {
        ["device_bound"] => {
            format!("{app} needs something that stays on one device, such as a security key.")
        }
        [.., "user_verified"] => {
            format!("{app} needs a passkey that makes sure it's you, by fingerprint, face or PIN.")
        }
        [_, "device_bound"] => format!("{app} needs a security key, or a passkey that stays on one device."),
        _ => format!("{app} needs a passkey."),
    }
}

pub fn last_used(when: &str) -> String {
    format!("Last used {when}")
}

pub fn last_used_by(when: &str, agent: &str) -> String {
    format!("Last used {when} with {agent}")
}

pub fn signed_in_since(when: &str, address: Option<&str>) -> String {
    match address {
        Some(address) => format!("Signed in {when} from {address}"),
        None => format!("Signed in {when}"),
    }
}

pub fn not_asked_until(when: &str) -> String {
    format!("Not asked until {when}")
}

pub fn added(when: &str) -> String {
    format!("Added {when}")
}

pub fn codes_left(left: u32) -> String {
    match left {
        0 => "No codes left".to_owned(),
        1 => "1 code left".to_owned(),
        n => format!("{n} codes left"),
    }
}

// Confirmed (P-7).
pub const CONFIRMED: &str = "You're confirmed";
pub const GO_TO_SETTINGS: &str = "Go to my MFA settings";
pub const RENEW_CODES: &str = "Make new codes";

pub fn go_on_to(app: &str) -> String {
    format!("Go on to {app}")
}

pub fn taking_you_to(app: &str) -> String {
    format!("Taking you to {app}.")
}

pub fn recovery_codes_left(left: u32) -> String {
    match left {
        0 => "That was your last recovery code.".to_owned(),
        1 => "You have 1 recovery code left.".to_owned(),
        n => format!("You have {n} recovery codes left."),
    }
}

// Add a way (P-20).
pub const ADD_A_WAY: &str = "Add a way to confirm";
pub const ADD_WHY: &str =
    "A password alone can be guessed or stolen. A second way to confirm it's you keeps others out.";
pub const RECOMMENDED: &str = "Recommended";
pub const NOT_NOW: &str = "Not now";
pub const INVITATION_NEEDED: &str = "You need an invitation";
pub const INVITATION_NEEDED_WHY: &str = "You have no way to confirm it's you that is in use here now. To set one up, open the invitation link you were given. It works once and for 24 hours.";
pub const INVITATION_HOW: &str = "If you don't have one, ask the people who run this site.";
/// For somebody who has a way that is off.
pub const WAY_IS_OFF: &str = "You can't confirm right now";
pub const WAY_IS_OFF_HOW: &str =
    "Ask the people who run this site for an invitation. With it you can set up another way.";

pub fn way_is_off(names: &[&str]) -> String {
    format!("What you set up has been switched off here: {}.", names.join(", "))
}

pub const INVITATION: &str = "Your invitation";
pub const INVITATION_LEAD: &str =
    "You've been invited to set up a second way to confirm it's you. It takes about a minute.";
pub const INVITATION_USELESS: &str = "This invitation doesn't work";
pub const INVITATION_USELESS_WHY: &str =
    "It was used already, has run out, or was made for somebody else. Ask for a new one.";

pub fn app_needs_more(app: &str) -> String {
    format!("{app} needs a second way to confirm it's you. Setting one up takes about a minute.")
}

pub fn needs_other_kind(app: &str) -> String {
    format!("{app} needs a way to confirm that you haven't set up yet.")
}

pub fn until(when: &str) -> String {
    format!("You have until {when}.")
}

// Authenticator app (P-21).
pub const TOTP_TITLE: &str = "Set up an authenticator app";
pub const TOTP_STEP_1: &str = "Get an app";
pub const TOTP_STEP_1_TEXT: &str = "Any authenticator app works: the one in your password manager, Aegis, Google Authenticator, Microsoft Authenticator and many more.";
pub const TOTP_STEP_2: &str = "Scan this code with it";
pub const TOTP_QR_LABEL: &str = "QR code to set up your app";
pub const TOTP_OPEN: &str = "Open in the app on this device";
pub const TOTP_KEY: &str = "Can't scan? Enter this key instead:";
pub const TOTP_STEP_3: &str = "Enter the code it shows";
pub const NAME: &str = "Name";
pub const NAME_HINT: &str = "So that you can tell your ways apart";
pub const NAME_DEFAULT: &str = "Phone";
pub const DETAILS: &str = "Details";
pub const DETAIL_KIND: &str = "Kind";
pub const DETAIL_KIND_VALUE: &str = "Time-based";
pub const DETAIL_ALGORITHM: &str = "Algorithm";
pub const DETAIL_DIGITS: &str = "Digits";
pub const DETAIL_PERIOD: &str = "Period";
pub const DETAIL_PERIOD_VALUE: &str = "30 seconds";
pub const COPY_KEY: &str = "Copy key";
pub const COPIED: &str = "Copied";
pub const NAME_EMPTY: &str = "Enter a name";
pub const NAME_LONG: &str = "Use at most 64 characters";
pub const SETUP_GONE: &str = "This set-up is over";
pub const SETUP_GONE_WHY: &str =
    "It was finished, cancelled, or open for more than 15 minutes. You can start a new one.";
pub const START_AGAIN: &str = "Start again";

// Recovery codes (P-27).
pub const RECOVERY_TITLE: &str = "Save your recovery codes";
pub const RECOVERY_LEAD: &str =
    "Each code lets you in once if you don't have your phone. Keep them where only you can get at them.";
pub const RECOVERY_ONCE: &str = "You won't see them again. Older codes stop working when you continue.";
pub const COPY: &str = "Copy";
pub const DOWNLOAD: &str = "Download";
pub const PRINT: &str = "Print";
pub const SAVED_THEM: &str = "I've saved these codes";
pub const SAVED_MISSING: &str = "Save the codes, then tick the box";
pub const RECOVERY_FILE_NAME: &str = "recovery-codes.txt";

/// What a printed list is for.
pub fn recovery_paper(brand: &str, account: &str) -> String {
    format!("{brand}: recovery codes for {account}")
}

pub fn recovery_file_head(brand: &str, account: &str) -> String {
    format!("{}\nEach code works once.\n", recovery_paper(brand, account))
}

// My MFA settings (P-28, P-29).
pub const YOUR_WAYS: &str = "Your ways to confirm";
pub const TRUSTED_BROWSERS: &str = "Browsers that aren't asked";
pub const TRUSTED_BROWSERS_TEXT: &str =
    "In these you asked not to be asked again for a while. Forget the ones you don't know or don't use.";
pub const FORGET: &str = "Forget";
pub const FORGOTTEN_NOTICE: &str = "Forgotten. That browser is asked again from now on.";
pub const ASK_FIRST: &str = "Ask for this first";
pub const ASKED_FIRST: &str = "Asked for first";
pub const FIRST_TEXT: &str =
    "You'll be asked for it first. Where you used another way last, that browser goes on with that one.";
pub const OFF: &str = "Switched off here, so it can't be used.";
pub const RENAME: &str = "Rename";
pub const REMOVE: &str = "Remove";
pub const SAVE: &str = "Save";
pub const SESSIONS: &str = "Where you're signed in";
pub const THIS_SESSION: &str = "This browser";
pub const END_SESSION: &str = "End";
pub const END_OTHERS: &str = "End all others";
pub const SESSION_ENDED_NOTICE: &str = "Ended. It counts no more, in no app.";
pub const OTHERS_ENDED_NOTICE: &str = "Ended. Only this browser is still signed in.";
pub const UNKNOWN_BROWSER: &str = "Another program";
pub const SIGN_OUT_EVERYWHERE: &str = "Sign out everywhere";
pub const SIGN_OUT_EVERYWHERE_TEXT: &str = "“Sign out everywhere” ends every session you have, in every browser and app behind this gate, this one included.";
pub const NO_CODES_YET: &str = "You have no recovery codes. They help on the day you don't have your phone.";
pub const MAKE_CODES: &str = "Make recovery codes";
pub const RENEW_CODES_TITLE: &str = "Make new recovery codes?";
pub const RENEW_CODES_TEXT: &str =
    "You'll get a new list. The codes you have stop working once you've saved it.";
pub const SAVED_NOTICE: &str = "Saved.";
pub const REMOVED_NOTICE: &str = "Removed. It can't be used any more.";
pub const ADDED_NOTICE: &str = "Added. You can use it from now on.";
pub const REMOVE_LAST: &str =
    "It's your last way to confirm. Without one you may be locked out until somebody invites you again.";
pub const KEEP: &str = "Keep it";

pub fn ways_status(ways: usize) -> &'static str {
    match ways {
        0 => "You have no way to confirm yet.",
        1 => "You have 1 way. Add a second one, so that a lost phone doesn't lock you out.",
        _ => "You have more than one way. Good.",
    }
}

pub fn rename_title(name: &str) -> String {
    format!("Rename “{name}”")
}

pub fn first_title(name: &str) -> String {
    format!("Ask for “{name}” first?")
}

pub fn remove_title(name: &str) -> String {
    format!("Remove “{name}”?")
}

/// Shown as the app a challenge is for when a person is about to change their own factors.
pub const CHANGE_REASON: &str = "Changing how you confirm needs a fresh confirmation.";

// Sign out (P-14).
pub const SIGN_OUT: &str = "Sign out";
pub const SIGN_OUT_TEXT: &str = "You'll be signed out of every app behind this gate in this browser.";
pub const SIGNED_OUT: &str = "You're signed out";
pub const SIGNED_OUT_TEXT: &str = "It's safe to close this window.";
pub const SIGNED_OUT_HERE_TEXT: &str = "What you confirmed counts no more, in no app behind this gate.";
pub const SIGNED_IN_ELSEWHERE: &str =
    "The place where you signed in still knows you. On a computer that isn't yours, sign out there, too.";
pub const SIGNED_IN_ELSEWHERE_UNKNOWN: &str = "The app or company sign-in that you used still knows you. On a computer that isn't yours, sign out there, too, or close the browser.";
pub const SIGN_OUT_THERE: &str = "Sign out there, too";
pub const SIGNED_OUT_EVERYWHERE_TEXT: &str = "All your sessions have ended, in every browser.";
pub const SIGN_IN_AGAIN: &str = "Sign in again";
pub const SWITCH_ACCOUNT: &str = "Switch account";

// Answers of the gate (P-9 to P-12 and failures).
pub const NOT_SENT: &str = "Your form wasn't sent";
pub const NOT_SENT_TEXT: &str =
    "First we had to check that it's you, so what you filled in stayed in your browser.";
pub const NOT_SENT_HOW: &str = "Go back and send it again. Your browser usually still has what you typed.";
pub const SEND_NOW: &str = "Send it now?";
pub const SEND_NOW_TEXT: &str =
    "We kept what you filled in while you confirmed that it's you. Nothing has been sent yet.";
pub const SEND_NOW_BUTTON: &str = "Send it now";
pub const DONT_SEND: &str = "Don't send it";
pub const NOT_ALLOWED: &str = "You can't open this";
pub const NOT_ALLOWED_TEXT: &str = "Your account doesn't have access here.";
pub const NOT_ALLOWED_HOW: &str = "If you think it should, ask the people who run this site.";
pub const TOO_MANY: &str = "Too many tries";
pub const TOO_MANY_TEXT: &str =
    "Too many answers were wrong, so we're waiting for a while. Nothing has been lost.";
pub const TOO_MANY_REQUESTS_TEXT: &str = "There were too many tries from your network. Please wait a little.";
pub const TOO_MANY_HARD: &str =
    "Too many answers in a row were wrong. Only the people who run this site can let you try again.";
pub const WHAT_STILL_WORKS: &str = "Apps where you're confirmed already go on working.";
pub const BUSY: &str = "Many people are signing in right now";
pub const BUSY_TEXT: &str = "Wait a few seconds, then try again. Nothing was counted against you.";
pub const UNAVAILABLE: &str = "We can't check right now";
pub const UNAVAILABLE_TEXT: &str = "Something we need to make sure that it's you isn't answering. To be on the safe side, nobody gets in until it does.";
pub const UNAVAILABLE_HOW: &str = "Wait a moment, then reload this page.";
pub const BAD_REQUEST: &str = "We couldn't read that request";
pub const BAD_REQUEST_TEXT: &str = "The address or something sent with it isn't in a form we can accept.";
pub const STALE_FORM: &str = "Please try that again";
pub const STALE_FORM_TEXT: &str = "The form was too old, or came from another page. Nothing was changed. Go back, reload the page and send it again.";
pub const NOT_FOUND: &str = "There is nothing here";
pub const NOT_FOUND_TEXT: &str = "Check the address, or go back to the app you came from.";
pub const BAD_GATEWAY: &str = "The app isn't answering";
pub const BAD_GATEWAY_TEXT: &str =
    "You're fine, and so is your sign-in. The app behind this page couldn't be reached.";
pub const GATEWAY_TIMEOUT: &str = "The app took too long";
pub const GATEWAY_TIMEOUT_TEXT: &str = "You're fine, and so is your sign-in. The app behind this page didn't answer in time. If you were sending something, check whether it arrived before you send it again.";

pub fn not_sent_app(app: &str) -> String {
    format!("Go back to {app}")
}

pub fn send_to(app: &str) -> String {
    format!("It will be sent to {app}.")
}

pub fn try_again_at(when: &str) -> String {
    format!("You can try again at {when}.")
}
