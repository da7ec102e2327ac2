//! What is said about passkeys while the browser asks for one, and after.

pub const USE_PASSKEY: &str = "Use passkey";
pub const PASSKEY_LEAD: &str = "Your device asks for your fingerprint, face, PIN or security key.";
pub const MAKE_PASSKEY: &str = "Create a passkey";
pub const MAKE_PASSKEY_LEAD: &str = "A passkey is kept by this device, your phone, your password manager or a security key. It works with your fingerprint, face or PIN, on this site alone.";
pub const SIGN_IN_PASSKEY: &str = "Sign in with a passkey";
pub const SIGN_IN_PASSKEY_FAILED: &str =
    "That passkey didn't work here. Try again, or sign in with your user name and password";

// What the browser says, in our words. Where it found no passkey and where somebody cancelled it says the
// same, so that sites cannot tell who has one: the first two texts stand together.
pub const PASSKEY_CANCELLED: &str = "Nothing was confirmed. Try again or choose another way.";
pub const PASSKEY_NOT_HERE: &str = "If this device has none of your passkeys, use one from your phone or a security key: your browser offers that when it asks.";
pub const PASSKEY_NOT_MADE: &str = "No passkey was created. Try again, or choose another way.";
pub const PASSKEY_LATE: &str = "That took too long. Try again, or choose another way.";
pub const PASSKEY_TWICE: &str =
    "This device or key has a passkey for your account already. You can use it as it is.";
pub const PASSKEY_ADDRESS: &str =
    "Passkeys don't work at this address. Ask the people who run this site, or choose another way.";
pub const PASSKEY_UNFIT: &str =
    "This device can't make a passkey of the kind that is needed here. Try another device.";
pub const PASSKEY_FULL: &str = "This device or key couldn't keep one more passkey. It may be full: delete one that you don't need, or use another device.";
pub const PASSKEY_UNSUPPORTED: &str = "This browser can't use passkeys. Choose another way.";
pub const PASSKEY_FAILED: &str = "The browser couldn't finish. Try again or choose another way.";
pub const PASSKEY_NO_SCRIPT: &str =
    "Passkeys need JavaScript, and it is off in this browser. Choose another way, or switch it on.";

// What the server says.
pub const PASSKEY_STALE: &str = "This page had been open for a while, so nothing was confirmed. Try again";
pub const PASSKEY_COPIED: &str = "There may be a copy of this passkey, so it doesn't count any more. Choose another way, and tell the people who run this site";
pub const PASSKEY_NOT_ACCEPTED: &str =
    "This kind of passkey isn't accepted here. Use another device, or the security key that you were given";

pub fn your_passkeys(names: &[String]) -> String {
    format!("You have set up: {}.", names.join(", "))
}

// A new one (P-22).
pub const PASSKEY_ADDED: &str = "Your passkey is ready";
pub const PASSKEY_SYNCED: &str =
    "It's synced: whoever keeps it for you copies it to your other devices, too.";
pub const PASSKEY_STAYS: &str = "It stays on this one device or key.";
pub const PASSKEY_ALONE: &str =
    "Add a second way to confirm, so that you aren't locked out on the day you don't have it.";
