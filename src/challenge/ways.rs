//! The ways a person has to prove more, best first (ux.md U-4).

use super::view::{Way, WhyNot};
use crate::ambient::UnixTime;
use crate::config::{FactorKind, FactorSet};
use crate::factors::{Answer, Factor, Factors, Prompt, Starts};
use crate::policy::{Accepted, EnrolmentId};
use crate::store::{EnrolmentRecord, TokenHash};

/// What the order depends on.
pub(super) struct Taste<'a> {
    pub(super) accepted: &'a Accepted,
    /// Kinds that count only beside another.
    pub(super) companions: FactorSet,
    /// The known browser the person is in, if it is one.
    pub(super) browser: Option<&'a str>,
    pub(super) default: Option<&'a EnrolmentId>,
    /// Kinds that have been proved already and count.
    pub(super) done: &'a [FactorKind],
    pub(super) now: UnixTime,
}

/// Every enrolment: last used in this browser, else the person's default, else the strongest, of these the
/// latest used; what does not count here after what does, then what is off; recovery codes last.
pub(super) fn ways(mut enrolled: Vec<EnrolmentRecord>, factors: &Factors, taste: &Taste<'_>) -> Vec<Way> {
    let here = taste.browser.map(TokenHash::of);
    enrolled.sort_by_key(|one| {
        let used_here = here.is_some() && one.last_browser == here;
        (
            one.factor.is_spare(),
            factors.get(one.factor).is_none(),
            !taste.accepted.contains(one.factor, one.properties()),
            !used_here,
            Some(&one.id) != taste.default,
            one.factor.rank(),
            std::cmp::Reverse(one.last_used),
            one.created,
        )
    });
    let all = enrolled.clone();
    enrolled.into_iter().filter_map(|one| way(one, &all, factors, taste)).collect()
}

/// Whether a last resort is none here, because the person has something better that is accepted.
pub(super) fn is_overshadowed(
    factor: &dyn Factor,
    enrolled: &[EnrolmentRecord],
    factors: &Factors,
    accepted: &Accepted,
) -> bool {
    let better = |one: &EnrolmentRecord| {
        one.factor != factor.kind()
            && !one.factor.is_spare()
            && accepted.contains(one.factor, one.properties())
            && factors.get(one.factor).is_some()
    };
    factor.is_last_resort() && enrolled.iter().any(better)
}

fn way(one: EnrolmentRecord, all: &[EnrolmentRecord], factors: &Factors, taste: &Taste<'_>) -> Option<Way> {
    let Some(factor) = factors.get(one.factor) else {
        return (!one.factor.is_spare()).then(|| switched_off(one));
    };
    if factor.is_over(one.state, taste.now) {
        return None;
    }
    let left = factor.left(one.state);
    let overshadowed = is_overshadowed(factor, all, factors, taste.accepted);
    let why_not = why_not(&one, left, taste).or(overshadowed.then_some(WhyNot::LastResort));
    Some(Way {
        enrolment: one.id,
        factor: one.factor,
        name: one.name,
        prompt: factor.prompt_for(&one.about),
        hint: one.about.hint,
        starts: factor.starts(),
        started: None,
        last_used: one.last_used,
        choices: factor.choices(),
        takes_code_at_once: factor.prompt() == Prompt::Approve
            && !factor.needs_start(&Answer::Code(String::new())),
        accepted: why_not.is_none(),
        why_not,
        left,
    })
}

/// One that its person has and cannot use: shown, so that nobody looks for it in vain.
fn switched_off(one: EnrolmentRecord) -> Way {
    Way {
        enrolment: one.id,
        factor: one.factor,
        name: one.name,
        prompt: Prompt::OneTimePassword,
        hint: one.about.hint,
        starts: Starts::Never,
        started: None,
        last_used: one.last_used,
        choices: &[],
        takes_code_at_once: false,
        accepted: false,
        why_not: Some(WhyNot::Off),
        left: None,
    }
}

/// Why an enrolment does not count here; `None` if it does.
fn why_not(one: &EnrolmentRecord, left: Option<u32>, taste: &Taste<'_>) -> Option<WhyNot> {
    if taste.accepted.contains(one.factor, one.properties()) {
        return (left == Some(0)).then_some(WhyNot::UsedUp);
    }
    let needed = taste.accepted.properties();
    Some(if taste.done.contains(&one.factor) {
        WhyNot::Done
    } else if !one.properties().covers(needed) {
        WhyNot::Lacks { properties: needed.names().collect() }
    } else if taste.companions.contains(one.factor) {
        WhyNot::OnlyBeside
    } else {
        WhyNot::OtherKind
    })
}

/// The way to ask for at once. A recovery code is never chosen for a person.
pub(super) fn chosen(ways: &[Way]) -> Option<EnrolmentId> {
    ways.iter()
        .find(|way| way.accepted && !way.factor.is_spare())
        .map(|way| way.enrolment.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FactorKind, Properties};

    fn factors() -> Factors {
        crate::factors::all(&crate::policy::tests_support::settings(Vec::new())).unwrap()
    }

    fn factors_of(kinds: &[FactorKind]) -> Factors {
        let mut settings = crate::policy::tests_support::settings(Vec::new());
        settings.factors.enabled = kinds.iter().copied().collect();
        crate::factors::all(&settings).unwrap()
    }

    fn one(id: &str, factor: FactorKind, used: i64, browser: Option<&str>) -> EnrolmentRecord {
        EnrolmentRecord {
            id: EnrolmentId(id.into()),
            factor,
            name: id.into(),
            state: 10 << 56,
            about: crate::factors::About::default(),
            created: UnixTime(0),
            last_used: Some(UnixTime(used)),
            last_used_by: None,
            last_browser: browser.map(TokenHash::of),
        }
    }

    fn order(enrolled: &[EnrolmentRecord], taste: &Taste<'_>) -> (String, Option<String>) {
        let ways = ways(enrolled.to_vec(), &factors(), taste);
        let names: Vec<&str> = ways.iter().map(|way| way.name.as_str()).collect();
        (names.join(" "), chosen(&ways).map(|id| id.0.to_string()))
    }

    #[test]
    fn this_browser_then_default_then_latest_then_recovery_codes() {
        let enrolled = [
            one("codes", FactorKind::RecoveryCode, 99, Some("laptop")),
            one("old", FactorKind::Totp, 1, Some("laptop")),
            one("default", FactorKind::Totp, 2, None),
            one("new", FactorKind::Totp, 3, Some("tablet")),
        ];
        let all = Accepted::kinds_of(FactorKind::ALL.into_iter().collect());
        let default = EnrolmentId("default".into());
        let taste = |browser| Taste {
            accepted: &all,
            companions: FactorSet::EMPTY,
            browser,
            default: Some(&default),
            done: &[],
            now: UnixTime(0),
        };
        assert_eq!(
            order(&enrolled, &taste(Some("laptop"))),
            ("old default new codes".into(), Some("old".into()))
        );
        assert_eq!(order(&enrolled, &taste(None)), ("default new old codes".into(), Some("default".into())));
    }

    #[test]
    fn recovery_codes_are_never_chosen_and_what_does_not_count_is_not_either() {
        let enrolled = [
            one("codes", FactorKind::RecoveryCode, 1, None),
            one("app", FactorKind::Totp, 1, None),
        ];
        let accepted = Accepted::kinds_of(FactorSet::EMPTY.with(FactorKind::RecoveryCode));
        let taste = taste_of(&accepted);
        assert_eq!(order(&enrolled, &taste), ("app codes".into(), None));
    }

    fn taste_of(accepted: &Accepted) -> Taste<'_> {
        let companions = FactorSet::EMPTY.with(FactorKind::RecoveryCode);
        Taste { accepted, companions, browser: None, default: None, done: &[], now: UnixTime(0) }
    }

    #[test]
    fn without_any_use_or_wish_the_strongest_is_chosen() {
        let enrolled = [
            one("app", FactorKind::Totp, 9, None),
            one("key", FactorKind::Passkey, 1, None),
        ];
        let all = Accepted::kinds_of(FactorKind::ALL.into_iter().collect());
        let on = factors_of(&[FactorKind::Totp, FactorKind::Passkey]);
        let ways = ways(enrolled.to_vec(), &on, &taste_of(&all));
        assert_eq!(chosen(&ways).map(|id| id.0.to_string()), Some("key".to_owned()));
    }

    #[test]
    fn what_is_switched_off_is_shown_as_such_and_never_chosen() {
        let on = factors_of(&[FactorKind::Totp]);
        let enrolled = [
            one("texts", FactorKind::Sms, 9, Some("laptop")),
            one("app", FactorKind::Totp, 1, None),
        ];
        let all = Accepted::kinds_of(FactorKind::ALL.into_iter().collect());
        let taste = Taste { browser: Some("laptop"), ..taste_of(&all) };
        let shown = ways(enrolled.to_vec(), &on, &taste);
        assert_eq!(chosen(&shown).map(|id| id.0.to_string()), Some("app".to_owned()));
        assert_eq!(
            (&*shown[1].name, shown[1].accepted, &shown[1].why_not),
            ("texts", false, &Some(WhyNot::Off))
        );
    }

    #[test]
    fn what_does_not_count_says_why() {
        let reason = |kind: FactorKind, state: i64, accepted: &Accepted| {
            let one = EnrolmentRecord { state, ..one("x", kind, 1, None) };
            ways(vec![one], &factors(), &taste_of(accepted)).remove(0).why_not
        };
        let strong: FactorSet = [FactorKind::Totp, FactorKind::Passkey].into_iter().collect();
        let resistant = Accepted::with_properties(strong, Properties::PHISHING_RESISTANT);
        let lacks = WhyNot::Lacks { properties: vec!["phishing_resistant"] };
        assert_eq!(reason(FactorKind::Totp, 1, &resistant), Some(lacks));
        let plain = Accepted::kinds_of(strong);
        assert_eq!(reason(FactorKind::Totp, 1, &plain), None);
        assert_eq!(reason(FactorKind::RecoveryCode, 10 << 56, &plain), Some(WhyNot::OnlyBeside));
        let done = Taste { done: &[FactorKind::Totp], ..taste_of(&resistant) };
        let shown = ways(vec![one("app", FactorKind::Totp, 1, None)], &factors(), &done).remove(0);
        assert_eq!(shown.why_not, Some(WhyNot::Done));
        let only_passkey = Accepted::kinds_of(FactorSet::EMPTY.with(FactorKind::Passkey));
        assert_eq!(reason(FactorKind::Totp, 1, &only_passkey), Some(WhyNot::OtherKind));
    }
}
