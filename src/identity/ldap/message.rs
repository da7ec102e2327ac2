//! The messages of LDAP that signing in needs (RFC 4511): bind, search, StartTLS, unbind.
//!
//! Everything that comes is checked against what was asked; what does not fit is [`Malformed`]. A
//! referral is reported and never followed.

use zeroize::Zeroizing;

use super::ber::{self, BOOLEAN, ENUMERATED, INTEGER, Malformed, OCTETS, Reader, SEQUENCE, SET, Writer};
use super::filter;
use crate::config::settings::Filter;

/// Password policy (draft-behera-ldap-password-policy-11), asked for at every bind of a person.
const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// RFC 4511 4.14.1.
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// Characters of a server's text that are kept.
const LONGEST_TEXT: usize = 256;

const BIND: u8 = 0x60;
const UNBIND: u8 = 0x42;
const SEARCH: u8 = 0x63;
const EXTENDED: u8 = 0x77;
const CONTROLS: u8 = 0xa0;

/// Where in the tree a search looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The entry itself.
    Base,
    /// It and everything below.
    Subtree,
}

/// What is searched for.
pub struct Search<'a> {
    pub base: &'a str,
    pub scope: Scope,
    pub filter: &'a Filter,
    /// What the names in the filter stand for.
    pub known: &'a [(&'a str, &'a str)],
    pub attributes: &'a [&'a str],
    /// Entries at most; more are an error of the server's.
    pub most: u32,
}

/// One entry of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub dn: String,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// Whether some attribute has more values than came with it: `member;range=0-1499` (MS-ADTS
    /// 3.1.1.3.1.3.3).
    pub fn is_partial(&self) -> bool {
        let is_range = |option: &str| option.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("range="));
        self.attributes.iter().any(|(name, _)| name.split(';').skip(1).any(is_range))
    }

    /// The values of an attribute that are text. Names do not tell upper from lower case.
    pub fn texts(&self, attribute: &str) -> impl Iterator<Item = &str> {
        self.attributes
            .iter()
            .filter(move |(name, _)| name.eq_ignore_ascii_case(attribute))
            .flat_map(|(_, values)| values)
            .filter_map(|value| std::str::from_utf8(value).ok())
    }
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Outcome {
    /// RFC 4511 appendix A.
    pub code: u32,
    /// The server's own words, for the log.
    pub text: String,
    /// The error of the password policy control, if it came.
    pub policy: Option<u32>,
}

/// What a server answers to one request.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    Entry(Entry),
    /// Somewhere else might be more; it is not asked.
    Reference,
    Done(Outcome),
}

/// Proves who is asking: a person, or the service itself.
pub fn bind(id: u32, dn: &str, password: &[u8]) -> Zeroizing<Vec<u8>> {
    message(id, |writer| {
        writer.within(BIND, |bind| {
            bind.number(INTEGER, 3).put(OCTETS, dn.as_bytes()).put(0x80, password);
        });
        writer.within(CONTROLS, |controls| {
            controls.within(SEQUENCE, |control| {
                control.put(OCTETS, PASSWORD_POLICY.as_bytes());
            });
        });
    })
}

/// Looks for entries.
pub fn search(id: u32, search: &Search<'_>, seconds: u32) -> Zeroizing<Vec<u8>> {
    let scope = match search.scope {
        Scope::Base => 0,
        Scope::Subtree => 2,
    };
    message(id, |writer| {
        writer.within(SEARCH, |inside| {
            inside.put(OCTETS, search.base.as_bytes());
            // Aliases are never followed: they lead to entries that the base does not hold.
            inside.number(ENUMERATED, scope).number(ENUMERATED, 0);
            inside.number(INTEGER, search.most).number(INTEGER, seconds);
            inside.flag(BOOLEAN, false);
            filter::write(search.filter, inside, search.known);
            inside.within(SEQUENCE, |names| {
                for name in search.attributes {
                    names.put(OCTETS, name.as_bytes());
                }
            });
        });
    })
}

/// Asks for TLS on this connection.
pub fn start_tls(id: u32) -> Zeroizing<Vec<u8>> {
    message(id, |writer| {
        writer.within(EXTENDED, |inside| {
            inside.put(0x80, START_TLS.as_bytes());
        });
    })
}

/// Says goodbye; nothing is answered.
pub fn unbind(id: u32) -> Zeroizing<Vec<u8>> {
    message(id, |writer| {
        writer.put(UNBIND, &[]);
    })
}

fn message(id: u32, inside: impl FnOnce(&mut Writer)) -> Zeroizing<Vec<u8>> {
    let mut writer = Writer::default();
    writer.within(SEQUENCE, |message| inside(message.number(INTEGER, id)));
    writer.bytes()
}

/// Reads one message, which must answer the request with this id.
///
/// # Errors
/// When it is not LDAP, or not an answer to that request.
pub fn reply(bytes: &[u8], id: u32) -> Result<Reply, Malformed> {
    let mut message = Reader::new(Reader::new(bytes).expect(SEQUENCE)?);
    // Also refuses the notice of disconnection, whose id is 0.
    if message.number(INTEGER)? != id {
        return Err(Malformed);
    }
    let (tag, inside) = message.any()?;
    match tag {
        0x64 => entry(inside).map(Reply::Entry),
        0x73 => Ok(Reply::Reference),
        // Bind, search and extended: the same beginning.
        0x61 | 0x65 | 0x78 => {
            let policy = if message.is_empty() {
                None
            } else {
                policy(message)?
            };
            let outcome = outcome(inside)?;
            Ok(Reply::Done(Outcome { policy, ..outcome }))
        }
        _ => Err(Malformed),
    }
}

fn text(bytes: &[u8]) -> Result<String, Malformed> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed)
}

fn outcome(inside: &[u8]) -> Result<Outcome, Malformed> {
    let mut inside = Reader::new(inside);
    let code = inside.number(ENUMERATED)?;
    inside.expect(OCTETS)?;
    let text = String::from_utf8_lossy(inside.expect(OCTETS)?);
    let plain = text.chars().map(|sign| if sign.is_control() { ' ' } else { sign });
    Ok(Outcome {
        code,
        text: plain.take(LONGEST_TEXT).collect::<String>().trim().to_owned(),
        policy: None,
    })
}

fn entry(inside: &[u8]) -> Result<Entry, Malformed> {
    let mut inside = Reader::new(inside);
    let dn = text(inside.expect(OCTETS)?)?;
    let mut list = Reader::new(inside.expect(SEQUENCE)?);
    let mut attributes = Vec::new();
    while !list.is_empty() {
        let mut attribute = Reader::new(list.expect(SEQUENCE)?);
        let name = text(attribute.expect(OCTETS)?)?;
        let mut set = Reader::new(attribute.expect(SET)?);
        let mut values = Vec::new();
        while !set.is_empty() {
            values.push(set.expect(OCTETS)?.to_vec());
        }
        attributes.push((name, values));
    }
    Ok(Entry { dn, attributes })
}

/// The error that the password policy control tells, if it came and tells one.
fn policy(mut rest: Reader<'_>) -> Result<Option<u32>, Malformed> {
    let mut controls = Reader::new(rest.expect(CONTROLS)?);
    while !controls.is_empty() {
        let mut control = Reader::new(controls.expect(SEQUENCE)?);
        if control.expect(OCTETS)? != PASSWORD_POLICY.as_bytes() {
            continue;
        }
        if control.tag() == Some(BOOLEAN) {
            control.any()?;
        }
        if control.is_empty() {
            return Ok(None);
        }
        let mut value = Reader::new(Reader::new(control.expect(OCTETS)?).expect(SEQUENCE)?);
        while !value.is_empty() {
            if value.tag() == Some(0x81) {
                return value.number(0x81).map(Some);
            }
            // A warning: the password runs out soon, or is good a few times more.
            value.any()?;
        }
    }
    Ok(None)
}

/// Bytes of the whole message that begins here; `None`: more is needed to tell.
///
/// # Errors
/// When no LDAP message begins so.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    if bytes.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(Malformed);
    }
    Ok(ber::head(bytes)?.map(|(head, content)| head.saturating_add(content)))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) fn done(id: u32, tag: u8, code: u32, text: &str, policy: Option<u32>) -> Vec<u8> {
        message(id, |writer| {
            writer.within(tag, |inside| {
                inside.number(ENUMERATED, code).put(OCTETS, b"").put(OCTETS, text.as_bytes());
            });
            if let Some(policy) = policy {
                let mut value = Writer::default();
                value.within(SEQUENCE, |inside| {
                    inside.number(0x81, policy);
                });
                writer.within(CONTROLS, |controls| {
                    controls.within(SEQUENCE, |control| {
                        control.put(OCTETS, PASSWORD_POLICY.as_bytes()).put(OCTETS, &value.bytes());
                    });
                });
            }
        })
        .to_vec()
    }

    #[test]
    fn requests_are_what_rfc_4511_says() {
        let starts = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
        assert_eq!(start_tls(1).as_slice(), starts);
        assert_eq!(unbind(2).as_slice(), b"\x30\x05\x02\x01\x02\x42\x00");
        let bound = bind(3, "cn=x", b"secret");
        assert!(
            bound.starts_with(b"\x30\x35\x02\x01\x03\x60\x11\x02\x01\x03\x04\x04cn=x\x80\x06secret\xa0\x1d")
        );
    }

    #[test]
    fn answers_are_read_with_their_policy() {
        let reply = |bytes: &[u8]| super::reply(bytes, 7);
        let Ok(Reply::Done(outcome)) = reply(&done(7, 0x61, 49, "bad\n80090308", Some(1))) else {
            panic!("no result");
        };
        assert_eq!((outcome.code, outcome.policy, outcome.text.as_str()), (49, Some(1), "bad 80090308"));
        let plain = done(7, 0x61, 0, "", None);
        assert_eq!(reply(&plain), Ok(Reply::Done(Outcome::default())));
        assert_eq!(super::reply(&plain, 8), Err(Malformed), "an answer to something else");
        for end in 0..plain.len() {
            assert_eq!(reply(&plain[..end]), Err(Malformed));
        }
    }

    #[test]
    fn entries_are_read() {
        let bytes = message(1, |writer| {
            writer.within(0x64, |entry| {
                entry.put(OCTETS, b"uid=anna").within(SEQUENCE, |list| {
                    list.within(SEQUENCE, |one| {
                        one.put(OCTETS, b"UID").within(SET, |set| {
                            set.put(OCTETS, b"anna").put(OCTETS, b"\xff");
                        });
                    });
                });
            });
        });
        let Ok(Reply::Entry(entry)) = reply(&bytes, 1) else {
            panic!("no entry")
        };
        assert_eq!(entry.dn, "uid=anna");
        assert_eq!(entry.texts("uid").collect::<Vec<_>>(), ["anna"], "bytes that are no text are no value");
    }

    proptest! {
        #[test]
        fn no_bytes_end_the_reader(bytes: Vec<u8>, at in 0_usize..60, byte: u8) {
            let _ = reply(&bytes, 1);
            let _ = length(&bytes);
            let mut bent = done(1, 0x61, 49, "some words of a server", Some(2));
            if let Some(place) = bent.get_mut(at) {
                *place = byte;
            }
            let _ = reply(&bent, 1);
        }
    }
}
