//! RADIUS packets (RFC 2865): an Access-Request with its hidden password, and the judgement whether
//! a reply is one from the server that holds the secret.
//!
//! MD5 is broken, and RADIUS rests on it. What still protects an answer is the HMAC in the
//! Message-Authenticator attribute (RFC 3579 3.2): it is sent first in every request and, unless the
//! operator says that the server is old, demanded in every reply (CVE-2024-3596). Nothing here does
//! I/O, and nothing that has not been verified is looked at.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::config::settings::MessageAuthenticator;

/// Bytes of a packet, either way (RFC 2865 3).
pub(super) const MAX_PACKET: usize = 4096;
const HEADER: usize = 20;
/// Bytes of a password that the attribute can carry (RFC 2865 5.2).
pub(super) const MAX_PASSWORD: usize = 128;
/// Bytes of any other attribute's value.
const MAX_VALUE: usize = 253;

const ACCESS_REQUEST: u8 = 1;
const ACCESS_ACCEPT: u8 = 2;
const ACCESS_REJECT: u8 = 3;
const ACCESS_CHALLENGE: u8 = 11;
const STATUS_SERVER: u8 = 12;

const USER_NAME: u8 = 1;
const USER_PASSWORD: u8 = 2;
const REPLY_MESSAGE: u8 = 18;
const STATE: u8 = 24;
const CALLING_STATION_ID: u8 = 31;
const NAS_IDENTIFIER: u8 = 32;
const MESSAGE_AUTHENTICATOR: u8 = 80;

/// What to ask the server.
pub(super) struct Ask<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a SecretString,
    /// Of the challenge that this answers.
    pub(super) state: Option<&'a [u8]>,
    pub(super) nas_identifier: &'a str,
    pub(super) client: IpAddr,
}

/// A packet to send, and what its reply is measured by.
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    id: u8,
    authenticator: [u8; 16],
}

/// What the server said, verified.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Accept,
    /// With the server's own words, which say more to the operator than to the person.
    Reject {
        message: String,
    },
    Challenge {
        state: Vec<u8>,
        message: String,
    },
}

/// Why a packet is not taken for the reply. It is dropped, and the wait goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("a packet that is not a reply to the request")]
    Foreign,
    #[error("a malformed packet")]
    Malformed,
    #[error("a reply that was made with another shared secret")]
    Forged,
    #[error(
        "a reply without Message-Authenticator: update the server, or set `message_authenticator: server-is-old`"
    )]
    Unprotected,
}

/// What does not fit into a packet.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is too long for RADIUS")]
pub(super) struct TooLong(&'static str);

impl Request {
    /// An Access-Request. `id` and `authenticator` must be random and new.
    pub(super) fn access(
        id: u8,
        authenticator: [u8; 16],
        secret: &SecretString,
        ask: &Ask<'_>,
    ) -> Result<Self, TooLong> {
        let mut attributes = Attributes::default();
        attributes.push(USER_NAME, ask.user.as_bytes(), "the user's name")?;
        let hidden = hide(secret, &authenticator, ask.password)?;
        attributes.push(USER_PASSWORD, &hidden, "the code")?;
        attributes.push(NAS_IDENTIFIER, ask.nas_identifier.as_bytes(), "`nas_identifier`")?;
        attributes.push(CALLING_STATION_ID, ask.client.to_string().as_bytes(), "the address")?;
        if let Some(state) = ask.state {
            attributes.push(STATE, state, "the server's state")?;
        }
        Ok(Self::signed(ACCESS_REQUEST, id, authenticator, secret, &attributes))
    }

    /// Asks whether the server is there (RFC 5997). Proves nothing and is not logged as an attempt.
    pub(super) fn status(
        id: u8,
        authenticator: [u8; 16],
        secret: &SecretString,
        nas_identifier: &str,
    ) -> Result<Self, TooLong> {
        let mut attributes = Attributes::default();
        attributes.push(NAS_IDENTIFIER, nas_identifier.as_bytes(), "`nas_identifier`")?;
        Ok(Self::signed(STATUS_SERVER, id, authenticator, secret, &attributes))
    }

    fn signed(
        code: u8,
        id: u8,
        authenticator: [u8; 16],
        secret: &SecretString,
        attributes: &Attributes,
    ) -> Self {
        let mut protector = Attributes::default();
        // Sixteen bytes always fit.
        let _ = protector.push(MESSAGE_AUTHENTICATOR, &[0; 16], "");
        let length = HEADER + protector.0.len() + attributes.0.len();
        let mut bytes = vec![code, id];
        bytes.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(&authenticator);
        bytes.extend_from_slice(&protector.0);
        let value = HEADER + 2;
        bytes.extend_from_slice(&attributes.0);
        let tag = message_authenticator(secret, &[&bytes]);
        if let Some(place) = bytes.get_mut(value..value + 16) {
            place.copy_from_slice(&tag);
        }
        Self { bytes, id, authenticator }
    }

    /// Judges a packet that came back.
    pub(super) fn reply(
        &self,
        packet: &[u8],
        secret: &SecretString,
        rule: MessageAuthenticator,
    ) -> Result<Reply, Refused> {
        let (&header, _) = packet.split_first_chunk::<HEADER>().ok_or(Refused::Malformed)?;
        let [code, id, high, low, given @ ..] = header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        // Bytes after the length are padding and do not count (RFC 2865 3).
        let packet = packet
            .get(..length)
            .filter(|_| length <= MAX_PACKET)
            .ok_or(Refused::Malformed)?;
        let attributes = packet.get(HEADER..).ok_or(Refused::Malformed)?;
        if id != self.id || ![ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE].contains(&code) {
            return Err(Refused::Foreign);
        }
        let start = [code, id, high, low];
        let hash = Md5::new()
            .chain_update(start)
            .chain_update(self.authenticator)
            .chain_update(attributes)
            .chain_update(secret.expose_secret())
            .finalize();
        if !bool::from(hash.as_slice().ct_eq(&given)) {
            return Err(Refused::Forged);
        }
        let read = Read::of(attributes).ok_or(Refused::Malformed)?;
        match read.protected_at {
            None if rule == MessageAuthenticator::Required => return Err(Refused::Unprotected),
            None => {}
            Some(at) => self.verify(start, attributes, at, secret)?,
        }
        Ok(match code {
            ACCESS_ACCEPT => Reply::Accept,
            ACCESS_REJECT => Reply::Reject { message: read.message },
            _ => Reply::Challenge { state: read.state, message: read.message },
        })
    }

    /// The HMAC over the reply with its value zeroed and the request's authenticator in the header.
    fn verify(
        &self,
        start: [u8; 4],
        attributes: &[u8],
        at: usize,
        secret: &SecretString,
    ) -> Result<(), Refused> {
        let before = attributes.get(..at).ok_or(Refused::Malformed)?;
        let given = attributes.get(at..at + 16).ok_or(Refused::Malformed)?;
        let after = attributes.get(at + 16..).ok_or(Refused::Malformed)?;
        let tag = message_authenticator(secret, &[&start, &self.authenticator, before, &[0; 16], after]);
        if bool::from(tag.as_slice().ct_eq(given)) {
            Ok(())
        } else {
            Err(Refused::Forged)
        }
    }
}

#[derive(Default)]
struct Attributes(Vec<u8>);

impl Attributes {
    fn push(&mut self, kind: u8, value: &[u8], what: &'static str) -> Result<(), TooLong> {
        let length = u8::try_from(value.len() + 2).map_err(|_| TooLong(what))?;
        if value.len() > MAX_VALUE {
            return Err(TooLong(what));
        }
        self.0.extend_from_slice(&[kind, length]);
        self.0.extend_from_slice(value);
        Ok(())
    }
}

/// What a reply's attributes say that anybody here asks for.
#[derive(Default)]
struct Read {
    /// Where the value of the one Message-Authenticator begins.
    protected_at: Option<usize>,
    state: Vec<u8>,
    message: String,
}

impl Read {
    /// `None` when the attributes do not add up, or a singular one is there twice.
    fn of(attributes: &[u8]) -> Option<Self> {
        let mut read = Self::default();
        let mut at = 0;
        while let Some(&[kind, length]) = attributes.get(at..).and_then(<[u8]>::first_chunk::<2>) {
            let value = attributes.get(at + 2..at + usize::from(length))?;
            match kind {
                MESSAGE_AUTHENTICATOR if value.len() != 16 || read.protected_at.is_some() => return None,
                MESSAGE_AUTHENTICATOR => read.protected_at = Some(at + 2),
                STATE if !read.state.is_empty() => return None,
                STATE => read.state = value.to_vec(),
                REPLY_MESSAGE => read.message.push_str(&String::from_utf8_lossy(value)),
                _ => {}
            }
            at += usize::from(length);
        }
        (at == attributes.len()).then_some(read)
    }
}

fn message_authenticator(secret: &SecretString, parts: &[&[u8]]) -> [u8; 16] {
    // An HMAC takes keys of any length; an impossible failure signs nothing that anybody accepts.
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return [0; 16];
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The User-Password attribute (RFC 2865 5.2).
fn hide(
    secret: &SecretString,
    authenticator: &[u8; 16],
    password: &SecretString,
) -> Result<Vec<u8>, TooLong> {
    let mut plain = Zeroizing::new(password.expose_secret().as_bytes().to_vec());
    if plain.len() > MAX_PASSWORD {
        return Err(TooLong("the code"));
    }
    let blocks = plain.len().max(1).next_multiple_of(16);
    plain.resize(blocks, 0);
    let mut hidden: Vec<u8> = Vec::with_capacity(plain.len());
    let mut before: [u8; 16] = *authenticator;
    for block in plain.chunks_exact(16) {
        let pad = Md5::new().chain_update(secret.expose_secret()).chain_update(before).finalize();
        for (place, (byte, pad)) in before.iter_mut().zip(block.iter().zip(pad)) {
            *place = byte ^ pad;
        }
        hidden.extend_from_slice(&before);
    }
    Ok(hidden)
}

/// The other side of the wire, for tests.
#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A reply to this packet as a server with this secret makes it.
    pub(in super::super) fn reply_to(
        packet: &[u8],
        code: u8,
        secret: &SecretString,
        attributes: &[u8],
        protect: bool,
    ) -> Vec<u8> {
        let authenticator = packet[4..20].try_into().unwrap();
        let request = Request { bytes: vec![], id: packet[1], authenticator };
        made(code, &request, secret, attributes, protect)
    }

    pub(super) fn made(
        code: u8,
        request: &Request,
        secret: &SecretString,
        attributes: &[u8],
        protect: bool,
    ) -> Vec<u8> {
        let mut body = Vec::new();
        if protect {
            body.extend([MESSAGE_AUTHENTICATOR, 18]);
            body.extend([0; 16]);
        }
        body.extend_from_slice(attributes);
        let length = u16::try_from(HEADER + body.len()).unwrap().to_be_bytes();
        let start = [code, request.id, length[0], length[1]];
        if protect {
            let tag = message_authenticator(secret, &[&start, &request.authenticator, &body]);
            body[2..18].copy_from_slice(&tag);
        }
        let hash = Md5::new()
            .chain_update(start)
            .chain_update(request.authenticator)
            .chain_update(&body)
            .chain_update(secret.expose_secret())
            .finalize();
        [&start[..], &hash[..], &body].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::made;
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(text.get(at..at + 2).unwrap(), 16).unwrap())
            .collect()
    }

    fn secret() -> SecretString {
        SecretString::from("xyzzy5461")
    }

    fn authenticator() -> [u8; 16] {
        hex("0f403f9473978057bd83d5cb98f4227a").try_into().unwrap()
    }

    fn request() -> Request {
        Request { bytes: vec![], id: 0, authenticator: authenticator() }
    }

    /// RFC 2865 7.1, with the reply's attributes as they stand there.
    fn accept() -> Vec<u8> {
        let mut packet = hex("02000026");
        packet.extend(hex("86fe220e7624ba2a1005f6bf9b55e0b2"));
        packet.extend(hex("0606000000010f06000000000e06c0a80103"));
        packet
    }

    const REQUIRED: MessageAuthenticator = MessageAuthenticator::Required;
    const OLD: MessageAuthenticator = MessageAuthenticator::ServerIsOld;

    #[test]
    fn rfc_2865_7_1_password_and_reply() {
        let hidden = hide(&secret(), &authenticator(), &"arctangent".to_owned().into()).unwrap();
        assert_eq!(hidden, hex("0dbe708d93d413ce3196e43f782a0aee"));
        assert_eq!(request().reply(&accept(), &secret(), OLD), Ok(Reply::Accept));
        assert_eq!(request().reply(&accept(), &secret(), REQUIRED), Err(Refused::Unprotected));
    }

    #[test]
    fn a_request_begins_with_its_message_authenticator() {
        let ask = Ask {
            user: "nemo",
            password: &"arctangent".to_owned().into(),
            state: Some(b"abc"),
            nas_identifier: "mfa.example.com",
            client: "192.0.2.7".parse().unwrap(),
        };
        let request = Request::access(9, authenticator(), &secret(), &ask).unwrap();
        assert_eq!(
            usize::from(u16::from_be_bytes([request.bytes[2], request.bytes[3]])),
            request.bytes.len()
        );
        assert_eq!(request.bytes[..2], [ACCESS_REQUEST, 9]);
        assert_eq!(request.bytes[20..22], [MESSAGE_AUTHENTICATOR, 18]);
        let mut zeroed = request.bytes.clone();
        zeroed[22..38].fill(0);
        assert_eq!(request.bytes[22..38], message_authenticator(&secret(), &[&zeroed]));
        assert!(request.bytes.windows(2 + 9).any(|part| part == b"\x1f\x0b192.0.2.7"));
        assert!(request.bytes.windows(5).any(|part| part == b"\x18\x05abc"));
        assert!(!request.bytes.windows(10).any(|part| part == b"arctangent"));
    }

    #[test]
    fn passwords_of_every_length_are_hidden_in_blocks_and_no_more_than_128_bytes() {
        let length = |n: usize| hide(&secret(), &authenticator(), &"x".repeat(n).into()).map(|h| h.len());
        assert_eq!(length(0), Ok(16));
        assert_eq!(length(16), Ok(16));
        assert_eq!(length(17), Ok(32));
        assert_eq!(length(128), Ok(128));
        assert_eq!(length(129), Err(TooLong("the code")));
    }

    #[test]
    fn only_the_holder_of_the_secret_can_reply() {
        let (right, wrong) = (secret(), SecretString::from("guessed"));
        for code in [ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE] {
            assert!(
                request()
                    .reply(&made(code, &request(), &right, b"", true), &right, REQUIRED)
                    .is_ok()
            );
            let forged = made(code, &request(), &wrong, b"", true);
            assert_eq!(request().reply(&forged, &right, REQUIRED), Err(Refused::Forged));
            let bare = made(code, &request(), &right, b"", false);
            assert_eq!(request().reply(&bare, &right, REQUIRED), Err(Refused::Unprotected));
        }
        let other = Request { id: 1, ..request() };
        let foreign = made(ACCESS_ACCEPT, &other, &right, b"", true);
        assert_eq!(request().reply(&foreign, &right, OLD), Err(Refused::Foreign));
        let earlier = Request { authenticator: [1; 16], ..request() };
        let replayed = made(ACCESS_ACCEPT, &earlier, &right, b"", true);
        assert_eq!(request().reply(&replayed, &right, OLD), Err(Refused::Forged));
    }

    #[test]
    fn a_wrong_message_authenticator_is_refused_even_from_old_servers() {
        let mut attributes = vec![MESSAGE_AUTHENTICATOR, 18];
        attributes.extend([7; 16]);
        let packet = made(ACCESS_ACCEPT, &request(), &secret(), &attributes, false);
        assert_eq!(request().reply(&packet, &secret(), OLD), Err(Refused::Forged));
        let twice = made(ACCESS_ACCEPT, &request(), &secret(), &attributes, true);
        assert_eq!(request().reply(&twice, &secret(), OLD), Err(Refused::Malformed));
    }

    #[test]
    fn a_challenge_has_its_state_and_its_words() {
        let packet = made(
            ACCESS_CHALLENGE,
            &request(),
            &secret(),
            b"\x12\x07Enter\x12\x06 PIN\x18\x06\x00\xff12",
            true,
        );
        let reply = request().reply(&packet, &secret(), REQUIRED).unwrap();
        assert_eq!(reply, Reply::Challenge { state: b"\x00\xff12".to_vec(), message: "Enter PIN".into() });
        for bad in [&b"\x12\x00"[..], b"\x12\x01", b"\x12\x09abc", b"\x12"] {
            let packet = made(ACCESS_CHALLENGE, &request(), &secret(), bad, true);
            assert_eq!(request().reply(&packet, &secret(), REQUIRED), Err(Refused::Malformed), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_taken_for_a_reply(bytes: Vec<u8>, at: usize, flip in 1_u8..) {
            prop_assert!(request().reply(&bytes, &secret(), OLD).is_err());
            let mut packet = made(ACCESS_ACCEPT, &request(), &secret(), b"\x12\x03a", true);
            let at = at % packet.len();
            packet[at] ^= flip;
            prop_assert!(request().reply(&packet, &secret(), OLD).is_err());
            prop_assert!(request().reply(&packet[..at], &secret(), OLD).is_err());
        }
    }
}
