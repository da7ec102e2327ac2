//! What a text looks like on the wire, and what answers mean. The whole exchange is in
//! `tests/e2e/smpp.rs`, against npm's `smpp`.

use super::super::sms::testing::{code, notice};
use super::*;
use crate::config::settings::SmppAlphabet;

fn sender(from: &str) -> Smpp {
    let settings = settings::Smpp {
        host: "smsc.example.net".to_owned(),
        port: 2775,
        tls: false,
        authority: None,
        system_id: "stepgate".to_owned(),
        password: "hushhush".into(),
        system_type: String::new(),
        from: from.to_owned(),
        alphabet: SmppAlphabet::Gsm,
    };
    Smpp::new("centre", &settings, Duration::from_secs(10)).unwrap()
}

#[test]
fn a_text_has_no_flags_that_the_library_would_set() {
    let submit = sender("Example").submit(&code()).unwrap();
    assert_eq!(u8::from(submit.esm_class), 0);
    assert_eq!(u8::from(submit.registered_delivery), 1);
    assert_eq!(u8::from(submit.data_coding), 0);
    assert_eq!(submit.validity_period.to_string(), "000000000500000R");
    assert_eq!(
        (submit.destination_addr.as_str(), submit.dest_addr_ton),
        ("15005550006", Ton::International)
    );
    assert_eq!((submit.source_addr.as_str(), submit.source_addr_ton), ("Example", Ton::Alphanumeric));
    let text = submit.short_message().as_ref();
    assert!(text.starts_with(b"12345678 is your Example Ltd code"), "{text:?}");
    // The last line begins with `@`, which is 0x00 in the GSM alphabet.
    assert!(text.ends_with(b"\n\n\0mfa.example.com #12345678"), "{text:?}");
    assert!(
        sender("Example")
            .submit(&Message { channel: Channel::Voice, ..code() })
            .is_err()
    );
    let told = sender("+447418342132").submit(&notice()).unwrap();
    assert_eq!(told.validity_period.to_string(), "000000040000000R");
}

#[test]
fn senders_are_names_short_codes_or_numbers() {
    assert_eq!(source("Example"), (Ton::Alphanumeric, Npi::Unknown));
    assert_eq!(source("+447418342132"), (Ton::International, Npi::Isdn));
    assert_eq!(source("447418342132"), (Ton::International, Npi::Isdn));
    assert_eq!(source("12345"), (Ton::NetworkSpecific, Npi::Unknown));
    assert_eq!(source("+"), (Ton::Alphanumeric, Npi::Unknown));
}

#[test]
fn what_the_centre_answers_was_surely_not_sent() {
    for (status, expected) in [
        (CommandStatus::EsmeRinvdstadr, Reason::InvalidDestination),
        (CommandStatus::EsmeRthrottled, Reason::Throttled),
        (CommandStatus::EsmeRmsgqful, Reason::Throttled),
        (CommandStatus::EsmeRsyserr, Reason::Unavailable),
        (CommandStatus::EsmeRsubmitfail, Reason::Unavailable),
        (CommandStatus::EsmeRinvsrcadr, Reason::Misconfigured),
        (CommandStatus::EsmeRinvpaswd, Reason::Misconfigured),
        (CommandStatus::Other(0x0000_0400), Reason::Misconfigured),
    ] {
        let response = Command::builder()
            .status(status)
            .sequence_number(7)
            .pdu(rusmpp::Pdu::EnquireLinkResp);
        let not = refused(&Error::UnexpectedResponse { response: Box::new(response) });
        assert_eq!((not.reason, not.certain), (expected, true), "{status:?}");
    }
    let timeout = Error::ResponseTimeout { sequence_number: 7, timeout: Duration::from_secs(9) };
    for error in [timeout, Error::ConnectionClosed, Error::ConnectionClosedByPeer] {
        let not = refused(&error);
        assert_eq!((not.reason, not.certain), (Reason::Unavailable, false), "{error}");
    }
}

#[test]
fn longer_than_a_day_is_a_day() {
    let period = |seconds| validity(Duration::from_secs(seconds)).unwrap().to_string();
    assert_eq!(period(3661), "000000010101000R");
    assert_eq!(period(1_000_000), "000000235959000R");
}
