//! Who may change factors, by the pure rule.

use super::*;
use crate::challenge::permission::{Facts, Rules, judge};
use crate::challenge::view::Change;
use crate::challenge::view::ChangePermission::{self, Granted, NeedsInvitation, NeedsProof};
use crate::config::Properties;
use crate::config::settings::When;
use crate::factors::About;
use crate::policy::TrustId;
use crate::store::EnrolmentRecord;

const NOW: UnixTime = UnixTime(10_000);
const RESISTANT: Properties = Properties::PHISHING_RESISTANT;

/// Factors of these kinds, named after them, enrolled long ago; a passkey resists phishing.
fn facts(kinds: &[FactorKind]) -> Facts {
    let record = |kind: &FactorKind| EnrolmentRecord {
        id: EnrolmentId(kind.name().into()),
        factor: *kind,
        name: kind.name().into(),
        state: 0,
        about: About {
            properties: if *kind == FactorKind::Passkey {
                RESISTANT
            } else {
                Properties::EMPTY
            },
            ..About::default()
        },
        created: UnixTime(0),
        last_used: None,
        last_used_by: None,
        last_browser: None,
    };
    Facts {
        enrolled: kinds.iter().map(record).collect(),
        ever_enrolled: !kinds.is_empty(),
        invited: false,
    }
}

fn rules(first: &FirstFactor) -> Rules<'_> {
    Rules { first, enabled: FactorKind::ALL.into_iter().collect(), email_recovers: false }
}

fn proof(kind: FactorKind, age: i64) -> Proof {
    let properties = if kind == FactorKind::Passkey {
        RESISTANT
    } else {
        Properties::EMPTY
    };
    Proof { properties, ..Proof::new(kind, EnrolmentId(kind.name().into()), NOW.plus(-age)) }
}

fn with(proofs: Vec<Proof>) -> Caller {
    Caller { proofs, ..caller("anna") }
}

/// What a proof of this kind, ten seconds old, lets the owner of these factors do.
fn by(has: &[FactorKind], kind: FactorKind) -> (ChangePermission, ChangePermission) {
    let (facts, anna) = (facts(has), with(vec![proof(kind, 10)]));
    let ask = |change| judge(&facts, &rules(&FirstFactor::Open), &anna, change, NOW);
    (ask(Change::Add), ask(Change::Other))
}

const TOTP: FactorKind = FactorKind::Totp;
const PASSKEY: FactorKind = FactorKind::Passkey;
const EMAIL: FactorKind = FactorKind::Email;
const RECOVERY: FactorKind = FactorKind::RecoveryCode;
const TEMPORARY: FactorKind = FactorKind::TemporaryCode;

#[test]
fn e14_a_change_needs_a_fresh_proof_by_an_own_factor() {
    let mine = facts(&[TOTP]);
    let ask = |proofs| judge(&mine, &rules(&FirstFactor::Open), &with(proofs), Change::Other, NOW);
    assert_eq!(ask(vec![proof(TOTP, 300)]), Granted);
    assert_eq!(ask(vec![proof(TOTP, 301)]), NeedsProof);
    assert_eq!(ask(vec![proof(TOTP, -61)]), NeedsProof);
    assert_eq!(ask(vec![proof(FactorKind::Sms, 1)]), NeedsProof, "one that was removed");
    assert_eq!(ask(vec![]), NeedsProof);
}

#[test]
fn e25_what_a_trusted_browser_brought_back_changes_nothing() {
    let remembered = Proof { remembered: Some(TrustId("b".into())), ..proof(TOTP, 1) };
    let ask = |change| {
        judge(&facts(&[TOTP]), &rules(&FirstFactor::Open), &with(vec![remembered.clone()]), change, NOW)
    };
    assert_eq!((ask(Change::Add), ask(Change::Other)), (NeedsProof, NeedsProof));
}

#[test]
fn who_has_a_passkey_uses_it() {
    assert_eq!(by(&[TOTP], TOTP), (Granted, Granted));
    assert_eq!(by(&[TOTP, PASSKEY], TOTP), (NeedsProof, NeedsProof));
    assert_eq!(by(&[TOTP, PASSKEY], PASSKEY), (Granted, Granted));
}

#[test]
fn codes_for_the_worst_day_add_one_factor_and_no_more() {
    for (has, code) in [
        (&[TOTP, RECOVERY][..], RECOVERY),
        (&[TOTP, PASSKEY, RECOVERY], RECOVERY),
        (&[RECOVERY], RECOVERY),
        (&[PASSKEY, TEMPORARY], TEMPORARY),
    ] {
        assert_eq!(by(has, code), (Granted, NeedsProof), "{has:?}");
        let mut after = facts(has);
        let mut added = after.enrolled[0].clone();
        added.id = EnrolmentId("new".into());
        added.created = NOW.plus(-5);
        after.enrolled.push(added);
        let again = judge(&after, &rules(&FirstFactor::Open), &with(vec![proof(code, 10)]), Change::Add, NOW);
        assert_eq!(again, NeedsProof, "it has been used for that: {has:?}");
    }
}

#[test]
fn e_mail_changes_nothing_and_adds_only_where_it_is_for_that() {
    assert_eq!(by(&[TOTP, EMAIL], EMAIL), (NeedsProof, NeedsProof));
    assert_eq!(by(&[EMAIL, RECOVERY], EMAIL), (Granted, NeedsProof), "there is nothing else");
    let ask = |has: &[FactorKind]| {
        let rules = Rules { email_recovers: true, ..rules(&FirstFactor::Open) };
        judge(&facts(has), &rules, &with(vec![proof(EMAIL, 10)]), Change::Add, NOW)
    };
    assert_eq!(ask(&[TOTP, EMAIL]), Granted);
    assert_eq!(ask(&[PASSKEY, EMAIL]), NeedsProof);
}

#[test]
fn a_factor_that_is_off_permits_nothing_and_its_owner_needs_an_invitation() {
    let enabled = FactorSet::EMPTY.with(PASSKEY);
    let mut mine = facts(&[TOTP]);
    let ask = |facts: &Facts| {
        let rules = Rules { enabled, ..rules(&FirstFactor::Open) };
        judge(facts, &rules, &with(vec![proof(TOTP, 1)]), Change::Add, NOW)
    };
    assert_eq!(ask(&mine), NeedsInvitation);
    mine.invited = true;
    assert_eq!(ask(&mine), Granted);
}

#[test]
fn the_first_factor_needs_what_the_settings_say_and_a_reset_reopens_nothing() {
    let when = FirstFactor::When(When::Is("office".into()));
    let ask = |ever_enrolled, invited, first: &FirstFactor, trusted_place| {
        let facts = Facts { enrolled: vec![], ever_enrolled, invited };
        let anna = Caller { trusted_place, ..caller("anna") };
        judge(&facts, &rules(first), &anna, Change::Add, NOW)
    };
    assert_eq!(ask(false, false, &FirstFactor::Open, false), Granted);
    assert_eq!(ask(true, false, &FirstFactor::Open, false), NeedsInvitation);
    assert_eq!(ask(false, false, &when, true), Granted);
    assert_eq!(ask(false, false, &when, false), NeedsInvitation);
    assert_eq!(ask(true, false, &when, true), NeedsInvitation);
    assert_eq!(ask(false, false, &FirstFactor::Invitation, true), NeedsInvitation);
    assert_eq!(ask(true, true, &FirstFactor::Invitation, false), Granted);
}
