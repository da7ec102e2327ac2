//! A text as bytes: the GSM default alphabet (3GPP TS 23.038), one character a byte as SMPP has it;
//! Latin-1 for centres whose default that is; UCS-2 for everything else.

use super::super::{Message, sms};
use crate::config::settings::SmppAlphabet;

/// `data_coding` (SMPP 3.4 section 5.2.19).
const DEFAULT: u8 = 0;
const LATIN_1: u8 = 3;
const UCS_2: u8 = 8;
const ESCAPE: u8 = 0x1b;
/// The default alphabet by its codes; at 0x1B the escape to its extension.
const ALPHABET: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
    ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENSION: [(char, u8); 10] = [
    ('\u{c}', 0x0a),
    ('^', 0x14),
    ('{', 0x28),
    ('}', 0x29),
    ('\\', 0x2f),
    ('[', 0x3c),
    ('~', 0x3d),
    (']', 0x3e),
    ('|', 0x40),
    ('€', 0x65),
];

pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    pub(super) coding: u8,
}

/// A message in one segment, in the alphabet that is wanted, or else in UCS-2: a second one would cost a
/// second text, and not every centre puts two together.
pub(super) fn one_segment(message: &Message, alphabet: SmppAlphabet) -> Encoded {
    let at_most = |characters| encode(&sms::text::within(message, characters), alphabet);
    let encoded = at_most(match alphabet {
        SmppAlphabet::Gsm => 160,
        SmppAlphabet::Latin1 => 140,
        SmppAlphabet::Ucs2 => 70,
    });
    if encoded.coding == UCS_2 {
        at_most(70)
    } else {
        encoded
    }
}

/// In the alphabet that is wanted, or else in UCS-2.
fn encode(text: &str, alphabet: SmppAlphabet) -> Encoded {
    let wanted = match alphabet {
        SmppAlphabet::Gsm => gsm(text).map(|bytes| Encoded { bytes, coding: DEFAULT }),
        SmppAlphabet::Latin1 => latin_1(text).map(|bytes| Encoded { bytes, coding: LATIN_1 }),
        SmppAlphabet::Ucs2 => None,
    };
    wanted.unwrap_or_else(|| Encoded {
        bytes: text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        coding: UCS_2,
    })
}

fn gsm(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars().filter(|c| *c != '\u{1b}') {
        if let Some(at) = ALPHABET.chars().position(|known| known == c) {
            bytes.push(u8::try_from(at).ok()?);
        } else {
            let (_, code) = EXTENSION.into_iter().find(|(known, _)| *known == c)?;
            bytes.extend([ESCAPE, code]);
        }
    }
    Some(bytes)
}

fn latin_1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::Content;
    use super::super::super::sms::testing::{code, notice};
    use super::*;

    #[test]
    fn every_message_is_one_segment_in_every_alphabet() {
        for brand in [
            "Example Ltd",
            "Škoda Žižkov, Filiale Düsseldorf",
            "ΩΩΩ",
            "株式会社",
        ] {
            let mut message = code();
            if let Content::Code(code) = &mut message.content {
                brand.clone_into(&mut code.brand);
                "The Department of Long Names".clone_into(&mut code.app);
            }
            for message in [message, notice()] {
                for (alphabet, most) in [
                    (SmppAlphabet::Gsm, 160),
                    (SmppAlphabet::Latin1, 140),
                    (SmppAlphabet::Ucs2, 140),
                ] {
                    let encoded = one_segment(&message, alphabet);
                    let most = if encoded.coding == UCS_2 { 140 } else { most };
                    assert!(encoded.bytes.len() <= most, "{brand} {alphabet:?}: {:?}", encoded.bytes);
                }
            }
        }
    }

    fn bytes(text: &str, alphabet: SmppAlphabet) -> (Vec<u8>, u8) {
        let encoded = encode(text, alphabet);
        (encoded.bytes, encoded.coding)
    }

    #[test]
    fn the_default_alphabet_is_not_ascii() {
        assert_eq!(ALPHABET.chars().count(), 128);
        assert_eq!(bytes("@$_ A1", SmppAlphabet::Gsm), (vec![0x00, 0x02, 0x11, 0x20, 0x41, 0x31], 0));
        assert_eq!(bytes("Ä€[à", SmppAlphabet::Gsm), (vec![0x5b, 0x1b, 0x65, 0x1b, 0x3c, 0x7f], 0));
        assert_eq!(bytes("@x.example #12\n", SmppAlphabet::Gsm).0.first(), Some(&0));
    }

    #[test]
    fn what_does_not_fit_goes_as_ucs_2() {
        assert_eq!(bytes("@é", SmppAlphabet::Latin1), (vec![0x40, 0xe9], 3));
        assert_eq!(bytes("Ω", SmppAlphabet::Latin1), (vec![0x03, 0xa9], 8));
        assert_eq!(bytes("株", SmppAlphabet::Gsm), (vec![0x68, 0x2a], 8));
        assert_eq!(bytes("1", SmppAlphabet::Ucs2), (vec![0x00, 0x31], 8));
    }
}
