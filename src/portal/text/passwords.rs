//! What the pages about passwords say.

use crate::identity::local::BadPassword;

pub const FORGOTTEN: &str = "Forgot your password?";
pub const FORGOTTEN_LEAD: &str = "Enter your user name, and we'll send you a link to choose a new password.";
pub const FORGOTTEN_EMPTY: &str = "Enter your user name";
pub const SEND_LINK: &str = "Send the link";
pub const LINK_ON_ITS_WAY: &str = "Look at your mail";
pub const LINK_ON_ITS_WAY_TEXT: &str =
    "If there is an account of that name with a mail address, a link is on its way to it.";
pub const LINK_ON_ITS_WAY_HOW: &str = "The link can be used once, in the next 30 minutes. If nothing comes, \
     look among unwanted mail, or ask your administrator.";
pub const LINK_GONE: &str = "This link can't be used any more";
pub const LINK_GONE_TEXT: &str = "It was used already, or has run out. You can ask for another one.";
pub const TICKET_GONE_TEXT: &str = "This page had been open for too long. Sign in again.";

pub const CHANGE_PASSWORD: &str = "Change your password";
pub const CHOOSE_PASSWORD: &str = "Choose a new password";
pub const PASSWORD_MUST_CHANGE: &str =
    "Your administrator wants you to choose a password of your own before you go on.";
pub const PASSWORD_BY_LINK: &str = "Wherever you are signed in now, you'll be signed out.";
pub const PASSWORD_CHANGE_LEAD: &str = "Wherever else you are signed in, you'll be signed out.";
pub const CURRENT_PASSWORD: &str = "Your password now";
pub const NEW_PASSWORD: &str = "New password";
pub const SAVE_PASSWORD: &str = "Save the new password";
pub const PASSWORD_WRONG_NOW: &str = "That is not your password now. Check it and try again";
pub const PASSWORD_EMPTY: &str = "Enter a new password";
pub const PASSWORD_CHANGED: &str = "Your password is changed";
pub const PASSWORD_CHANGED_TEXT: &str = "Wherever you were signed in, you have been signed out.";
pub const PASSWORD_CHANGED_NOTICE: &str =
    "Your password is changed. Everywhere else, you have been signed out.";
pub const PASSWORD_OF_YOURS: &str = "You sign in with a user name and a password.";

/// What a new password has to be.
#[must_use]
pub fn password_hint(least: usize) -> String {
    format!("At least {least} characters. Several words that don't belong together make a good one.")
}

/// What is wrong with a new password, and what to do.
#[must_use]
pub fn bad_password(bad: BadPassword) -> String {
    match bad {
        BadPassword::Short { least } => return format!("Use at least {least} characters"),
        BadPassword::Long => "This password is too long. Use at most 1,000 characters",
        BadPassword::Simple => {
            "This is one character again and again, or a row of the keyboard. Choose something else"
        }
        BadPassword::Personal => "This is hardly more than your name or address. Add words that others don't know",
        BadPassword::Service => {
            "This is hardly more than the name of this place. Add words that don't belong to it"
        }
        BadPassword::Known => {
            "This password is on a list of passwords that are tried first, or were stolen somewhere. Choose another one"
        }
        BadPassword::Same => "This is the password you have now. Choose another one",
        BadPassword::Unchecked | BadPassword::Hash => {
            "This password can't be checked right now. Try again in a few minutes"
        }
    }
    .to_owned()
}
