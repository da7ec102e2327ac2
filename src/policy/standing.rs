//! Whether what was allowed would be allowed still: for exchanges that outlast the moment of decision.
//!
//! The same demand and the same comparison as a decision, with what has changed since: the time, the
//! proofs that still count, the rules. Pure, like all of this room. It never makes a permit, and an
//! exchange it has called over stays over.

use crate::ambient::UnixTime;

use super::decide::{Enrolled, Permit};
use super::demand::LevelSet;
use super::levels::Deadlines;
use super::{Facts, Policy};

/// What has changed since a permit was given, as far as the decision hangs on it.
#[derive(Clone, Copy, Debug)]
pub struct Since<'a> {
    /// What the claim still proves under this policy; `None`: it no longer holds, or there was none.
    pub deadlines: Option<&'a Deadlines>,
    /// [`Permit::waived`] in the levels of this policy.
    pub waived: LevelSet,
    pub now: UnixTime,
}

/// Why something that was allowed would not be allowed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// A proof has become too old, or no longer counts.
    Proof,
    /// The rules have changed: the route is gone, or no longer for this person.
    Rules,
}

impl Policy {
    /// Until when the permit's request would be allowed if it came now.
    ///
    /// A request that needs nobody now stands for ever. Conditions that change by themselves, such as
    /// the time of day, are those of `now`: ask again from time to time.
    ///
    /// # Errors
    /// [`Lapse`] when it would not be allowed.
    pub fn stands(&self, permit: &Permit, since: Since<'_>) -> Result<UnixTime, Lapse> {
        let request = permit.request();
        let route = self.route_for(&request.host).ok_or(Lapse::Rules)?;
        let facts = Facts { identity: permit.identity().map(|identity| &**identity), now: since.now };
        let demand = self.demand(route, request, &facts);
        if demand.is_deny() || demand.denies_in_doubt() {
            return Err(Lapse::Rules);
        }
        if demand.is_public() {
            return Ok(UnixTime::NEVER);
        }
        let identity = permit.identity().ok_or(Lapse::Rules)?;
        if !route.allows(identity) {
            return Err(Lapse::Rules);
        }
        let deadlines = since.deadlines.unwrap_or(&self.levels.unproved);
        let until = |level| {
            let waived = since.waived.contains(level).then(|| permit.waived_until());
            deadlines.until(level).max(waived)
        };
        self.asked(&demand, Enrolled::Unknown)
            .iter()
            .try_fold(UnixTime::NEVER, |first, level| {
                until(level)
                    .filter(|until| since.now < *until)
                    .map(|until| first.min(until))
                    .ok_or(Lapse::Proof)
            })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::decide::LONGEST_GRANTED;
    use super::*;
    use crate::config::settings::{self, Allow};
    use crate::config::{FactorKind, FactorSet};
    use crate::policy::tests_support::{
        CRITICAL, SENSITIVE, STANDARD, anna, asks, deny, get, optionally, policy, proof, public, route, rule,
    };
    use crate::policy::{Decision, Question};

    const NOW: UnixTime = UnixTime(1_800_000_000);

    /// Anna's permit for `/x`: a code 100 s ago, and what was granted.
    fn permit(policy: &Policy, granted: LevelSet, enrolled: Enrolled) -> (Permit, Deadlines) {
        let (identity, request) = (Arc::new(anna()), get("/x"));
        let route = policy.route_for(&request.host).unwrap();
        let demand = policy.demand(route, &request, &Facts { identity: Some(&identity), now: NOW });
        let deadlines = policy.deadlines(&[proof(FactorKind::Totp, NOW.0 - 100)], NOW);
        let question = Question {
            request,
            route,
            demand,
            identity: Some(identity),
            deadlines: Some(&deadlines),
            enrolled,
            grace_until: None,
            granted,
            now: NOW,
        };
        match policy.decide(question) {
            Decision::Allow(permit) => (permit, deadlines),
            other => panic!("{other:?}"),
        }
    }

    fn stands(
        policy: &Policy,
        permit: &Permit,
        deadlines: Option<&Deadlines>,
        after: i64,
    ) -> Result<i64, Lapse> {
        let since = Since { deadlines, waived: permit.waived(), now: NOW.plus(after) };
        policy.stands(permit, since).map(|until| until.since(NOW))
    }

    #[test]
    fn a_permit_stands_until_the_first_of_its_proofs_is_too_old() {
        let policy = policy(route(asks(&[STANDARD, SENSITIVE])));
        let (permit, deadlines) = permit(&policy, LevelSet::EMPTY, Enrolled::Unknown);
        assert_eq!(stands(&policy, &permit, Some(&deadlines), 0), Ok(800));
        assert_eq!(stands(&policy, &permit, Some(&deadlines), 799), Ok(800));
        assert_eq!(stands(&policy, &permit, Some(&deadlines), 800), Err(Lapse::Proof));
        assert_eq!(stands(&policy, &permit, None, 1), Err(Lapse::Proof), "the claim was revoked");
    }

    #[test]
    fn what_was_granted_for_one_request_lasts_an_hour() {
        let policy = policy(route(asks(&[CRITICAL])));
        let (permit, deadlines) = permit(&policy, LevelSet::EMPTY.with(CRITICAL), Enrolled::Unknown);
        assert_eq!(stands(&policy, &permit, Some(&deadlines), 0), Ok(LONGEST_GRANTED));
        assert_eq!(stands(&policy, &permit, Some(&deadlines), LONGEST_GRANTED), Err(Lapse::Proof));
    }

    #[test]
    fn what_was_optional_stays_so() {
        let nothing = Enrolled::Kinds(FactorSet::EMPTY);
        let policy = policy(route(optionally(&[CRITICAL])));
        let (permit, deadlines) = permit(&policy, LevelSet::EMPTY, nothing);
        assert_eq!(stands(&policy, &permit, Some(&deadlines), 0), Ok(UnixTime::NEVER.since(NOW)));
    }

    #[test]
    fn other_rules_count_from_the_moment_they_hold() {
        let old = policy(route(asks(&[STANDARD])));
        let (permit, deadlines) = permit(&old, LevelSet::EMPTY, Enrolled::Unknown);
        let under = |change: &dyn Fn(&mut settings::Route)| {
            let mut route = route(asks(&[STANDARD]));
            change(&mut route);
            stands(&policy(route), &permit, Some(&deadlines), 1)
        };
        let until_standard = Ok(12 * 3600 - 100);
        assert_eq!(under(&|_| {}), until_standard);
        assert_eq!(under(&|route| route.requirement = asks(&[CRITICAL])), Err(Lapse::Proof));
        assert_eq!(under(&|route| route.rules = vec![rule(&["/x"], asks(&[SENSITIVE]))]), Ok(800));
        assert_eq!(under(&|route| route.rules = vec![rule(&["/y"], asks(&[CRITICAL]))]), until_standard);
        assert_eq!(under(&|route| route.requirement = deny()), Err(Lapse::Rules));
        assert_eq!(under(&|route| route.requirement = public()), Ok(UnixTime::NEVER.since(NOW)));
        assert_eq!(under(&|route| route.hosts = vec!["other.example.com".to_owned()]), Err(Lapse::Rules));
        let only = |users: &[&str]| {
            Some(Allow { users: users.iter().map(ToString::to_string).collect(), groups: vec![] })
        };
        assert_eq!(under(&|route| route.allow = only(&["ben"])), Err(Lapse::Rules));
        assert_eq!(under(&|route| route.allow = only(&["anna"])), until_standard);
    }
}
