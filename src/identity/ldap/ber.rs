//! The part of BER (X.690) that LDAP is made of: definite lengths and one-byte tags (RFC 4511 5.1).
//!
//! Reading goes one element at a time over a message that is there in full, never by recursion, so
//! that no nesting can use up the stack. It must never believe a length before it has seen the bytes.

use zeroize::Zeroizing;

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The bytes are not what LDAP says they should be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("what came is not LDAP")]
pub struct Malformed;

/// Elements that follow one another.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The tag of the next element.
    pub(super) fn tag(self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element: its tag and what is in it.
    pub(super) fn any(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let tag = self.tag().ok_or(Malformed)?;
        let (head, content) = head(self.0)?.ok_or(Malformed)?;
        let end = head.checked_add(content).ok_or(Malformed)?;
        let inside = self.0.get(head..end).ok_or(Malformed)?;
        self.0 = self.0.get(end..).ok_or(Malformed)?;
        Ok((tag, inside))
    }

    /// What is in the next element, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.any()? {
            (found, inside) if found == tag => Ok(inside),
            _ => Err(Malformed),
        }
    }

    /// A number that is not negative, as result codes and message ids are.
    pub(super) fn number(&mut self, tag: u8) -> Result<u32, Malformed> {
        let bytes = self.expect(tag)?;
        if bytes.is_empty() || bytes.len() > 5 || bytes.first().is_some_and(|first| first & 0x80 != 0) {
            return Err(Malformed);
        }
        let number = bytes.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        u32::try_from(number).map_err(|_| Malformed)
    }
}

/// Bytes of the head (tag and length) of the element that begins here, and of what follows it.
/// `None`: more is needed to tell.
pub(super) fn head(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    match bytes.first() {
        // A tag of more than one byte, which LDAP has not.
        Some(tag) if tag & 0x1f == 0x1f => return Err(Malformed),
        Some(_) => {}
        None => return Ok(None),
    }
    match bytes.get(1) {
        None => Ok(None),
        Some(short) if *short < 0x80 => Ok(Some((2, usize::from(*short)))),
        Some(long) => {
            let count = usize::from(long & 0x7f);
            // 0 is the indefinite form; more than four bytes are a length that nobody takes.
            if !(1..=4).contains(&count) {
                return Err(Malformed);
            }
            let Some(length) = bytes.get(2..2 + count) else {
                return Ok(None);
            };
            let length = length.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
            Ok(Some((2 + count, length)))
        }
    }
}

/// Elements being written. What was written may be a password: it is wiped when it is dropped.
#[derive(Default)]
pub(super) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    pub(super) fn put(&mut self, tag: u8, content: &[u8]) -> &mut Self {
        self.0.push(tag);
        self.length(content.len());
        self.0.extend_from_slice(content);
        self
    }

    pub(super) fn number(&mut self, tag: u8, number: u32) -> &mut Self {
        let bytes = u64::from(number).to_be_bytes();
        // As few bytes as leave the first bit clear.
        let skip = bytes
            .windows(2)
            .take_while(|two| matches!(two, [0, next] if next & 0x80 == 0))
            .count();
        self.put(tag, bytes.get(skip..).unwrap_or(&bytes))
    }

    pub(super) fn flag(&mut self, tag: u8, flag: bool) -> &mut Self {
        self.put(tag, &[if flag { 0xff } else { 0 }])
    }

    /// An element that holds what `inside` writes.
    pub(super) fn within(&mut self, tag: u8, inside: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        inside(&mut inner);
        self.put(tag, &inner.0)
    }

    fn length(&mut self, length: usize) {
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => self.0.push(short),
            _ => {
                let bytes = length.to_be_bytes();
                let skip = bytes.iter().take_while(|byte| **byte == 0).count();
                let bytes = bytes.get(skip..).unwrap_or_default();
                self.0.push(0x80 | u8::try_from(bytes.len()).unwrap_or(0x7f));
                self.0.extend_from_slice(bytes);
            }
        }
    }

    pub(super) fn bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for number in [0, 1, 127, 128, 255, 256, 32_767, 32_768, i32::MAX.unsigned_abs()] {
            let mut writer = Writer::default();
            writer.number(INTEGER, number);
            assert_eq!(Reader::new(&writer.bytes()).number(INTEGER), Ok(number));
        }
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let mut writer = Writer::default();
            writer.within(SEQUENCE, |inside| {
                inside.put(OCTETS, &content);
            });
            let bytes = writer.bytes();
            let mut inside = Reader::new(Reader::new(&bytes).expect(SEQUENCE).unwrap());
            assert_eq!(inside.expect(OCTETS), Ok(content.as_slice()));
            assert!(inside.is_empty());
        }
    }

    #[test]
    fn what_is_not_ldap_is_refused() {
        let bad: [&[u8]; 6] = [
            &[0x30, 0x80, 0, 0],                   // indefinite
            &[0x30, 0x85, 1, 0, 0, 0, 0],          // longer than anything
            &[0x3f, 0x81, 0],                      // a long tag
            &[0x30, 2, 0],                         // cut off
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], // announced and not there
            &[],
        ];
        for bytes in bad {
            assert_eq!(Reader::new(bytes).any(), Err(Malformed), "{bytes:x?}");
        }
        assert_eq!(Reader::new(&[2, 1, 0x80]).number(INTEGER), Err(Malformed));
        assert_eq!(head(&[0x30]), Ok(None));
        assert_eq!(head(&[0x30, 0x82, 1]), Ok(None));
    }

    proptest! {
        #[test]
        fn no_bytes_end_the_reader(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while let Ok((_, inside)) = reader.any() {
                prop_assert!(inside.len() < bytes.len());
            }
        }
    }
}
