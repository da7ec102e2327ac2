//! The ways a person has to prove more, best first (ux.md U-4).

use super::view::Way;
use crate::config::FactorSet;
use crate::factors::Factors;
use crate::policy::EnrolmentId;
use crate::store::{EnrolmentRecord, TokenHash};

/// What the order depends on.
pub(super) struct Taste<'a> {
    pub(super) accepted: FactorSet,
    /// The known browser the person is in, if it is one.
    pub(super) browser: Option<&'a str>,
    pub(super) default: Option<&'a EnrolmentId>,
}

/// Every enrolment whose factor is on: last used in this browser, else the person's default, else
/// the strongest, of these the latest used; what does not count here after what does, recovery codes last.
pub(super) fn ways(mut enrolled: Vec<EnrolmentRecord>, factors: &Factors, taste: &Taste<'_>) -> Vec<Way> {
    let here = taste.browser.map(TokenHash::of);
    enrolled.sort_by_key(|one| {
        let used_here = here.is_some() && one.last_browser == here;
        (
            one.factor.is_spare(),
            !taste.accepted.contains(one.factor),
            !used_here,
            Some(&one.id) != taste.default,
            one.factor.rank(),
            std::cmp::Reverse(one.last_used),
            one.created,
        )
    });
    enrolled
        .into_iter()
        .filter_map(|one| way(one, factors, taste.accepted))
        .collect()
}

fn way(one: EnrolmentRecord, factors: &Factors, accepted: FactorSet) -> Option<Way> {
    let factor = factors.get(one.factor)?;
    let left = factor.left(one.state);
    Some(Way {
        enrolment: one.id,
        factor: one.factor,
        name: one.name,
        hint: one.about.hint,
        prompt: factor.prompt(),
        starts: factor.starts(),
        started: None,
        last_used: one.last_used,
        accepted: accepted.contains(one.factor) && left != Some(0),
        left,
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
    use crate::ambient::UnixTime;
    use crate::config::FactorKind;

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
        let all: FactorSet = FactorKind::ALL.into_iter().collect();
        let default = EnrolmentId("default".into());
        let taste = |browser| Taste { accepted: all, browser, default: Some(&default) };
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
        let accepted = FactorSet::EMPTY.with(FactorKind::RecoveryCode);
        let taste = Taste { accepted, browser: None, default: None };
        assert_eq!(order(&enrolled, &taste), ("app codes".into(), None));
    }
}
