//! What a YubiKey types: up to 16 characters that say which key it is, and 32 encrypted ones, all in
//! modhex, an alphabet that is in the same place on most keyboards. Nothing here is secret.

use crate::factors::Malformed;

/// Sixteen characters, each half a byte.
const MODHEX: &[u8; 16] = b"cbdefghijklnrtuv";
/// The same keys on a keyboard with the Dvorak layout.
const DVORAK: &[u8; 16] = b"jxe.uidchtnbpygk";
/// Characters of the encrypted part.
const ENCRYPTED: usize = 32;
/// Characters of the public id that keys are delivered with.
const PUBLIC_ID: usize = 12;
/// Longer than anything a key types: more is not looked at.
const MAX_TYPED: usize = 128;

/// A one-time password in its one spelling.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Otp(String);

impl Otp {
    /// Reads what was typed, whatever the keyboard's layout.
    ///
    /// # Errors
    /// When it is not 44 characters of the alphabet. Keys without an id, or with a shorter one, cannot
    /// be told apart and are not taken.
    pub(super) fn read(typed: &str) -> Result<Self, Malformed> {
        let length = PUBLIC_ID + ENCRYPTED;
        let expected = u8::try_from(length).unwrap_or(u8::MAX);
        if typed.len() > MAX_TYPED {
            return Err(Malformed::Length { expected, got: typed.chars().count() });
        }
        let plain: String = typed.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
        if plain.is_empty() {
            return Err(Malformed::Empty);
        }
        let otp = if plain.bytes().all(|byte| MODHEX.contains(&byte)) {
            plain
        } else {
            plain
                .chars()
                .map(from_dvorak)
                .collect::<Option<String>>()
                .ok_or(Malformed::NotDigits)?
        };
        if otp.len() == length {
            Ok(Self(otp))
        } else {
            Err(Malformed::Length { expected, got: otp.len() })
        }
    }

    /// The whole of it.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Which key it is.
    pub(super) fn public_id(&self) -> &str {
        self.0.get(..PUBLIC_ID).unwrap_or_default()
    }

    /// The number on the key, where it still has the id it was delivered with: ids that people programme
    /// begin otherwise, and say nothing.
    pub(super) fn serial(&self) -> Option<u32> {
        let number = self.public_id().bytes().try_fold(0_u64, |number, byte| {
            let half = MODHEX.iter().position(|one| *one == byte)?;
            Some((number << 4) | u64::try_from(half).ok()?)
        });
        number.and_then(|number| u32::try_from(number).ok())
    }
}

fn from_dvorak(c: char) -> Option<char> {
    let at = DVORAK.iter().position(|one| char::from(*one) == c)?;
    MODHEX.get(at).map(|byte| char::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of the validation protocol's own documentation.
    const TYPED: &str = "vvungrrdhvtklknvrtvuvbbkeidikkvgglrvdgrfcdft";

    #[test]
    fn reads_what_keys_type_on_either_layout() {
        let otp = Otp::read(TYPED).unwrap();
        assert_eq!((otp.text(), otp.public_id()), (TYPED, "vvungrrdhvtk"));
        assert_eq!(Otp::read(&format!(" {}\n", TYPED.to_uppercase())).unwrap(), otp);
        let dvorak: String = TYPED
            .bytes()
            .map(|byte| char::from(DVORAK[MODHEX.iter().position(|one| *one == byte).unwrap()]))
            .collect();
        assert_ne!(dvorak, TYPED);
        assert_eq!(Otp::read(&dvorak).unwrap(), otp);
    }

    #[test]
    fn the_id_is_the_number_on_the_key() {
        // "cccccc" is zero; the rest is base 16: c=0 b=1 d=2.
        let otp = Otp::read(&format!("ccccccccccbd{}", "c".repeat(32))).unwrap();
        assert_eq!(otp.serial(), Some(0x12));
        assert_eq!(Otp::read(TYPED).unwrap().serial(), None, "an id of somebody's own making");
    }

    #[test]
    fn everything_else_is_malformed() {
        assert_eq!(Otp::read(" \n"), Err(Malformed::Empty));
        assert_eq!(Otp::read("123456"), Err(Malformed::NotDigits));
        assert_eq!(Otp::read(TYPED.get(1..).unwrap()), Err(Malformed::Length { expected: 44, got: 43 }));
        assert_eq!(Otp::read(TYPED.get(12..).unwrap()), Err(Malformed::Length { expected: 44, got: 32 }));
        assert!(Otp::read(&TYPED.repeat(3)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(typed in "\\PC{0,60}") {
            if let Ok(otp) = Otp::read(&typed) {
                prop_assert!(otp.text().len() == 44 && otp.public_id().len() == 12);
            }
        }
    }
}
