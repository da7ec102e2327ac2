//! Both ceremonies against an authenticator in software, and everything that must not count.

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;
use webauthn_rs::prelude::Url;

use super::kept::{Authentication, Enrolled};
use super::relying_party::{Person, Refusal, RelyingParty, Wishes};
use super::{answer, models};

#[path = "../../../tests/e2e/support/soft_passkey.rs"]
pub(super) mod soft_passkey;
use soft_passkey::{Maker, SoftPasskey};

const ORIGIN: &str = "https://mfa.example.com";
const ANNA: Uuid = Uuid::from_bytes([7; 16]);

fn party(verified: bool, models: &[[u8; 16]]) -> RelyingParty {
    let models: BTreeSet<Uuid> = models.iter().copied().map(Uuid::from_bytes).collect();
    let wishes = Wishes { verified, models, roots: Vec::new() };
    let related = [Url::parse("https://other.test").unwrap()];
    RelyingParty::new("Example", "example.com", &Url::parse(ORIGIN).unwrap(), &related, wishes).unwrap()
}

fn anna() -> Person<'static> {
    Person { handle: ANNA, account: "anna", display_name: "Anna" }
}

fn enrol(party: &RelyingParty, key: &mut SoftPasskey) -> Result<Enrolled, Refusal> {
    let (options, registration) = party.register(&anna(), Vec::new()).unwrap();
    party.registered(&registration, ANNA, &key.create(&options, ORIGIN).to_string())
}

fn ask(party: &RelyingParty, enrolled: &Enrolled) -> (Value, Authentication) {
    party.authenticate(std::slice::from_ref(enrolled)).unwrap()
}

fn prove(
    party: &RelyingParty,
    enrolled: &Enrolled,
    key: &mut SoftPasskey,
) -> Result<(Enrolled, bool), Refusal> {
    let (options, authentication) = ask(party, enrolled);
    party.authenticated(authentication, enrolled, &key.get(&options, ORIGIN).to_string())
}

#[test]
fn a_passkey_is_made_and_used_and_its_counter_kept() {
    let (party, mut key) = (party(true, &[]), SoftPasskey::new(1));
    let enrolled = enrol(&party, &mut key).unwrap();
    assert_eq!(
        (enrolled.credential.counter, models::name(&enrolled, "Firefox on Linux")),
        (1, "Security key")
    );
    assert_eq!(enrolled.transports, ["nfc", "usb"]);
    let (enrolled, verified) = prove(&party, &enrolled, &mut key).unwrap();
    assert_eq!((enrolled.credential.counter, verified), (2, true));
    assert!(prove(&party, &enrolled, &mut key).is_ok());
}

#[test]
fn the_browser_is_asked_for_what_is_judged_later() {
    let party = party(true, &[]);
    let (options, _) = party.register(&anna(), vec![vec![9; 32]]).unwrap();
    let options = &options["publicKey"];
    assert_eq!(options["rp"]["id"], "example.com");
    assert_eq!(options["authenticatorSelection"]["residentKey"], "preferred");
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(options["excludeCredentials"].as_array().map(Vec::len), Some(1));
    let enrolled = enrol(&party, &mut SoftPasskey::new(1)).unwrap();
    let (options, _) = ask(&party, &enrolled);
    assert_eq!(options["publicKey"]["allowCredentials"][0]["transports"][0], "nfc");
    assert!(options["publicKey"].get("hints").is_none());
}

#[test]
fn e18_nothing_counts_that_the_library_has_not_verified() {
    let (party, mut key) = (party(true, &[]), SoftPasskey::new(1));
    let enrolled = enrol(&party, &mut key).unwrap();
    key.bogus = true;
    assert!(prove(&party, &enrolled, &mut key).is_err(), "another signature");
    key.bogus = false;

    let mut stranger = SoftPasskey::new(1);
    (stranger.user, stranger.counter) = (key.user.clone(), 50);
    assert!(prove(&party, &enrolled, &mut stranger).is_err(), "another key under the same id");

    let (first, _) = ask(&party, &enrolled);
    let (_, second) = ask(&party, &enrolled);
    let old = key.get(&first, ORIGIN).to_string();
    assert!(party.authenticated(second, &enrolled, &old).is_err(), "another challenge's answer");

    let (options, authentication) = ask(&party, &enrolled);
    let abroad = key.get(&options, "https://evil.test").to_string();
    assert!(party.authenticated(authentication, &enrolled, &abroad).is_err(), "another site's page");

    key.user = Some(vec![8; 16]);
    assert!(prove(&party, &enrolled, &mut key).is_err(), "another person's handle");
    key.user = None;
    assert!(prove(&party, &enrolled, &mut key).is_ok(), "a key that stores no handle");
}

#[test]
fn e18_one_id_in_one_spelling_from_a_page_of_its_own() {
    let (party, mut key) = (party(true, &[]), SoftPasskey::new(1));
    let enrolled = enrol(&party, &mut key).unwrap();
    let (options, _) = ask(&party, &enrolled);
    let good = key.get(&options, ORIGIN);
    assert!(answer::is_credential(&good.to_string()));
    for (field, value) in [("id", "AAAA"), ("rawId", "AAAA"), ("type", "password")] {
        let mut bad = good.clone();
        bad[field] = value.into();
        assert!(!answer::is_credential(&bad.to_string()), "{field}");
    }
    assert!(!answer::is_credential("{}") && !answer::is_credential(&"[".repeat(20_000)));
    key.cross_origin = true;
    assert!(prove(&party, &enrolled, &mut key).is_err(), "in a frame of another site");
    assert!(enrol(&party, &mut key).is_err());
}

#[test]
fn e19_user_verification_is_checked_here() {
    let (strict, lenient) = (party(true, &[]), party(false, &[]));
    let mut key = SoftPasskey::new(1);
    let enrolled = enrol(&strict, &mut key).unwrap();
    key.verified = false;
    assert!(prove(&strict, &enrolled, &mut key).is_err());
    assert!(enrol(&strict, &mut SoftPasskey { verified: false, ..SoftPasskey::new(2) }).is_err());
    // Preferred: a key that can't is taken, and known not to have; presence is always asked for.
    let mut plain = SoftPasskey { verified: false, ..SoftPasskey::new(3) };
    let enrolled = enrol(&lenient, &mut plain).unwrap();
    let (enrolled, verified) = prove(&lenient, &enrolled, &mut plain).unwrap();
    assert!(!verified);
    plain.present = false;
    assert!(prove(&lenient, &enrolled, &mut plain).is_err());
    // Who signs in with a passkey alone is verified, whatever the setting.
    plain.present = true;
    let (options, anyone) = lenient.authenticate_anyone().unwrap();
    let answer = plain.get(&options, ORIGIN).to_string();
    assert!(lenient.authenticated(anyone, &enrolled, &answer).is_err());
}

#[test]
fn e19_only_makes_that_are_accepted() {
    let (ours, other) = ([3; 16], [4; 16]);
    let party = party(true, &[ours]);
    let (options, _) = party.register(&anna(), Vec::new()).unwrap();
    assert_eq!(options["publicKey"]["attestation"], "direct");
    assert!(enrol(&party, &mut SoftPasskey { aaguid: ours, ..SoftPasskey::new(1) }).is_ok());
    let refused = enrol(&party, &mut SoftPasskey { aaguid: other, ..SoftPasskey::new(2) });
    assert!(matches!(refused, Err(Refusal::Unfit(_))));
}

/// An authenticator of this make, with a certificate that its maker signed.
fn attested(maker: &Maker, aaguid: [u8; 16], seed: u8) -> SoftPasskey {
    SoftPasskey { aaguid, attestation: Some(maker.certify(aaguid)), ..SoftPasskey::new(seed) }
}

#[test]
fn e19_where_roots_are_given_a_make_is_what_its_maker_has_signed() {
    let (ours, other) = ([3; 16], [4; 16]);
    let (maker, stranger) = (Maker::new(), Maker::new());
    for verified in [true, false] {
        let wishes = Wishes {
            verified,
            models: [Uuid::from_bytes(ours)].into(),
            roots: vec![maker.certificate().der().to_vec()],
        };
        let origin = Url::parse(ORIGIN).unwrap();
        let party = RelyingParty::new("Example", "example.com", &origin, &[], wishes).unwrap();
        let (options, _) = party.register(&anna(), Vec::new()).unwrap();
        // Browsers would refuse keys that know no such policy, and one that contradicts the rest.
        let extensions = &options["publicKey"]["extensions"];
        assert!(extensions.get("enforceCredentialProtectionPolicy").is_none(), "{extensions}");
        assert_eq!(extensions.get("credentialProtectionPolicy").is_some(), verified, "{extensions}");
        let mut good = attested(&maker, ours, 1);
        let enrolled = enrol(&party, &mut good).unwrap();
        assert_eq!(enrolled.aaguid.as_bytes(), &ours);
        assert!(prove(&party, &enrolled, &mut good).is_ok());
        for (mut key, why) in [
            (attested(&stranger, ours, 2), "somebody else's certificate"),
            (attested(&maker, other, 3), "another make"),
            (SoftPasskey { aaguid: ours, ..SoftPasskey::new(4) }, "nothing but its word"),
        ] {
            let refused = enrol(&party, &mut key);
            assert!(matches!(refused, Err(Refusal::Unfit(_))), "{why}: {:?}", refused.err());
        }
        // A certificate of another make in the hand of one that calls itself ours.
        let mut liar = SoftPasskey { attestation: Some(maker.certify(other)), ..attested(&maker, ours, 5) };
        assert!(enrol(&party, &mut liar).is_err());
        let mut forger = SoftPasskey { bogus: true, ..attested(&maker, ours, 6) };
        assert!(enrol(&party, &mut forger).is_err(), "another signature");
    }
}

#[test]
fn e19_a_synced_passkey_is_none_of_a_certified_make() {
    let (ours, maker) = ([3; 16], Maker::new());
    let wishes = Wishes {
        verified: true,
        models: [Uuid::from_bytes(ours)].into(),
        roots: vec![maker.certificate().der().to_vec()],
    };
    let origin = Url::parse(ORIGIN).unwrap();
    let party = RelyingParty::new("Example", "example.com", &origin, &[], wishes).unwrap();
    let mut synced = SoftPasskey { synced: true, ..attested(&maker, ours, 1) };
    let refused = enrol(&party, &mut synced);
    assert!(matches!(refused, Err(Refusal::Unfit(_))), "{:?}", refused.err());
}

#[test]
fn a_device_is_called_by_the_browser_that_it_was_made_in() {
    let (party, mut key) = (party(true, &[]), SoftPasskey::new(1));
    let enrolled = enrol(&party, &mut key).unwrap();
    let reached = |by: &str| Enrolled { transports: vec![by.to_owned()], ..enrolled.clone() };
    for (transport, agent, name) in [
        ("internal", "Firefox on Linux", "Firefox on Linux"),
        ("internal", "another program", "This device"),
        ("hybrid", "Firefox on Linux", "Phone or tablet"),
        ("usb", "Firefox on Linux", "Security key"),
        ("", "Firefox on Linux", "Passkey"),
    ] {
        assert_eq!(models::name(&reached(transport), agent), name, "{transport}");
    }
    let known = Uuid::try_parse("bada5566-a7aa-401f-bd96-45619a55120d").unwrap();
    let known = Enrolled { aaguid: known, ..reached("internal") };
    assert_eq!(models::name(&known, "Firefox on Linux"), "1Password");
}

#[test]
fn a_counter_that_goes_back_is_a_clone() {
    let (party, mut key) = (party(true, &[]), SoftPasskey::new(1));
    key.counter = 40;
    let enrolled = enrol(&party, &mut key).unwrap();
    for back in [39, 40] {
        key.counter = back;
        assert!(matches!(prove(&party, &enrolled, &mut key), Err(Refusal::Cloned)), "{back}");
    }
    // Also when it was used elsewhere since this challenge began.
    let (options, authentication) = ask(&party, &enrolled);
    key.counter = 41;
    let answer = key.get(&options, ORIGIN).to_string();
    key.counter = 49;
    let (newer, _) = prove(&party, &enrolled, &mut key).unwrap();
    let late = party.authenticated(authentication, &newer, &answer);
    assert!(matches!(late, Err(Refusal::Cloned)));
    // A wrong signature is no clone, whatever it counts.
    (key.counter, key.bogus) = (0, true);
    assert!(matches!(prove(&party, &newer, &mut key), Err(Refusal::Library(_))));
}

#[test]
fn synced_passkeys_have_no_counter_and_say_so() {
    let (party, mut key) = (party(true, &[]), SoftPasskey { synced: true, ..SoftPasskey::new(1) });
    let enrolled = enrol(&party, &mut key).unwrap();
    assert!(enrolled.credential.backup_eligible && enrolled.credential.counter == 0);
    assert!(prove(&party, &enrolled, &mut key).is_ok() && prove(&party, &enrolled, &mut key).is_ok());
}

#[test]
fn whoever_signs_in_names_themselves() {
    let (party, mut key) = (party(true, &[]), SoftPasskey::new(1));
    let enrolled = enrol(&party, &mut key).unwrap();
    let (options, anyone) = party.authenticate_anyone().unwrap();
    assert_eq!(options["publicKey"]["allowCredentials"].as_array().map(Vec::len), Some(0));
    let answer = key.get(&options, ORIGIN).to_string();
    assert!(party.authenticated(anyone.clone(), &enrolled, &answer).is_ok());
    key.user = None;
    let nameless = key.get(&options, ORIGIN).to_string();
    assert!(party.authenticated(anyone, &enrolled, &nameless).is_err());
}

#[test]
fn an_excluded_passkey_is_refused_here_too() {
    let (party, mut key) = (party(true, &[]), SoftPasskey::new(1));
    let enrolled = enrol(&party, &mut key).unwrap();
    let known = vec![enrolled.credential.cred_id];
    let (options, registration) = party.register(&anna(), known).unwrap();
    let again = key.create(&options, ORIGIN).to_string();
    assert!(party.registered(&registration, ANNA, &again).is_err());
}

#[test]
fn an_origin_that_the_id_does_not_cover_is_refused_unless_it_is_related() {
    let party = |origin: &str, related: &[Url]| {
        let wishes = Wishes { verified: true, models: BTreeSet::new(), roots: Vec::new() };
        RelyingParty::new("Example", "example.com", &Url::parse(origin).unwrap(), related, wishes)
    };
    for origin in [
        "https://example.org",
        "https://badexample.com",
        "https://192.0.2.1",
    ] {
        assert!(party(origin, &[]).is_err(), "{origin}");
    }
    let moved = Url::parse("https://example.org").unwrap();
    let party = party("https://example.org", std::slice::from_ref(&moved)).unwrap();
    let mut key = SoftPasskey::new(1);
    let (options, registration) = party.register(&anna(), Vec::new()).unwrap();
    let answer = key.create(&options, "https://example.org").to_string();
    assert!(party.registered(&registration, ANNA, &answer).is_ok());
}

#[test]
fn a_related_origin_may_use_them_and_no_other_may() {
    let (party, mut key) = (party(true, &[]), SoftPasskey::new(1));
    let enrolled = enrol(&party, &mut key).unwrap();
    for (origin, counts) in [
        ("https://other.test", true),
        ("https://other.test:8443", false),
        ("http://other.test", false),
        ("https://sub.other.test", false),
        ("https://example.com", false),
    ] {
        let (options, authentication) = ask(&party, &enrolled);
        let answer = key.get(&options, origin).to_string();
        assert_eq!(party.authenticated(authentication, &enrolled, &answer).is_ok(), counts, "{origin}");
        key.counter = 1;
    }
}
