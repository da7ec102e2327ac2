//! What is said to somebody who says that it was not them.

pub const NOT_ME: &str = "Was this not you?";
pub const NOT_ME_TEXT: &str = "If it was not, stop all sign-ins to your account. Wherever you are signed in, you'll be \
     signed out, and nobody can sign in or change your account until your administrator allows it again.";
pub const STOP_SIGN_INS: &str = "Stop all sign-ins";
pub const IT_WAS_ME: &str = "It was me";
pub const STOPPED_NOW: &str = "Sign-ins are stopped";
pub const STOPPED_NOW_TEXT: &str =
    "Whoever was signed in to your account has been signed out, and nobody can sign in.";
pub const STOPPED_HOW: &str = "Tell your administrator what has happened. They can let you in again.";
pub const NOT_ME_GONE: &str = "It was used already, or is more than a week old.";
pub const STOPPED: &str = "Sign-ins to this account are stopped";
pub const STOPPED_TEXT: &str =
    "Somebody who gets the mail of this account has said that something on it was not them.";
pub const MY_ACCOUNT: &str = "Go to your account";

/// When what the notice was about has happened.
#[must_use]
pub fn happened_at(time: &str) -> String {
    format!("This was on {time}.")
}
