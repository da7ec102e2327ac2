//! What is said about passkeys while the browser asks for one.

pub const USE_PASSKEY: &str = "Use passkey";
pub const PASSKEY_LEAD: &str = "Your device asks for your fingerprint, face, PIN or security key.";
pub const MAKE_PASSKEY: &str = "Create a passkey";
pub const MAKE_PASSKEY_LEAD: &str = "A passkey is kept by this device, your phone, your password manager or a security key. It works with your fingerprint, face or PIN, on this site alone.";
pub const SIGN_IN_PASSKEY: &str = "Sign in with a passkey";
pub const SIGN_IN_PASSKEY_FAILED: &str =
    "That passkey didn't work here. Try again, or sign in with your user name and password";

// What the browser says, in our words.
pub const PASSKEY_CANCELLED: &str = "Nothing was confirmed. Try again or choose another way.";
pub const PASSKEY_LATE: &str = "That took too long, so nothing was confirmed. Try again.";
pub const PASSKEY_TWICE: &str =
    "This device has a passkey for your account already. You can use it as it is.";
pub const PASSKEY_ADDRESS: &str =
    "Passkeys don't work at this address. Ask the people who run this site, or choose another way.";
pub const PASSKEY_UNFIT: &str =
    "This device can't make a passkey of the kind that is needed here. Try another device.";
pub const PASSKEY_UNSUPPORTED: &str = "This browser can't use passkeys. Choose another way.";
pub const PASSKEY_FAILED: &str = "The browser couldn't finish. Try again or choose another way.";
pub const PASSKEY_NO_SCRIPT: &str =
    "Passkeys need JavaScript, and it is off in this browser. Choose another way, or switch it on.";

pub fn your_passkeys(names: &[String]) -> String {
    format!("You have set up: {}.", names.join(", "))
}
