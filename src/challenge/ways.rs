//! The ways a person has to prove more, best first (ux.md U-4).

use super::view::{Way, WhyNot};
use crate::ambient::UnixTime;
use crate::config::FactorSet;
use crate::factors::{Answer, Factor, Factors, Prompt};
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
    pub(super) now: UnixTime,
}

/// Every enrolment whose factor is on: last used in this browser, else the person's default, else
/// the strongest, of these the latest used; what does not count here after what does, recovery codes last.
pub(super) fn ways(mut enrolled: Vec<EnrolmentRecord>, factors: &Factors, taste: &Taste<'_>) -> Vec<Way> {
    let here = taste.browser.map(TokenHash::of);
    enrolled.sort_by_key(|one| {
        let used_here = here.is_some() && one.last_browser == here;
        (
            one.factor.is_spare(),
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
    let factor = factors.get(one.factor).filter(|factor| !factor.is_over(one.state, taste.now))?;
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

/// Why an enrolment does not count here; `None` if it does.
fn why_not(one: &EnrolmentRecord, left: Option<u32>, taste: &Taste<'_>) -> Option<WhyNot> {
    if taste.accepted.contains(one.factor, one.properties()) {
        return (left == Some(0)).then_some(WhyNot::UsedUp);
    }
    let needed = taste.accepted.properties();
    Some(if !one.properties().covers(needed) {
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
        Taste { accepted, companions, browser: None, default: None, now: UnixTime(0) }
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
        let only_passkey = Accepted::kinds_of(FactorSet::EMPTY.with(FactorKind::Passkey));
        assert_eq!(reason(FactorKind::Totp, 1, &only_passkey), Some(WhyNot::OtherKind));
    }
}
