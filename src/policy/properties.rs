//! What must hold for every configuration and every request.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::ambient::UnixTime;
use crate::config::settings::{Floor, Level, LevelId, Raise, Requirement, Route, Rule, When};
use crate::config::{FactorKind, FactorSet, Properties, Settings};

use super::tests_support::{anna, asks, deny, optionally, proof, public, request, route, rule, settings};
use super::{
    AllowReason, CanonicalRequest, Decision, Demand, Enrolled, Facts, Identity, LevelSet, Policy, Proof,
    Question, Reading, Readings, TrustId,
};

const NOW: i64 = 1_800_000_000;

const PATHS: [&str; 7] = ["/", "/a", "/a/b", "/A", "/b", "/b/c", "/a/b/c"];

fn requirement() -> impl Strategy<Value = Requirement> {
    let levels = || prop::collection::btree_set((0..5_u8).prop_map(LevelId), 1..3);
    prop_oneof![
        2 => Just(public()),
        1 => Just(deny()),
        4 => levels().prop_map(|levels| asks(&levels.into_iter().collect::<Vec<_>>())),
        2 => levels().prop_map(|levels| optionally(&levels.into_iter().collect::<Vec<_>>())),
    ]
}

fn when() -> impl Strategy<Value = When> {
    let name = prop::sample::select(vec!["office", "finance", "high", "do-admin"]);
    name.prop_map(|name| When::Is(name.to_owned()))
        .prop_recursive(2, 6, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..3).prop_map(When::All),
                prop::collection::vec(inner.clone(), 1..3).prop_map(When::Any),
                inner.prop_map(|when| When::Not(Box::new(when))),
            ]
        })
}

prop_compose! {
    fn any_rule()(
        paths in prop::collection::vec(prop::sample::select(vec!["/**", "/a/**", "/A", "/b/*", "/a"]), 0..2),
        method in prop::collection::vec(prop::sample::select(vec!["GET", "POST"]), 0..2),
        when in prop::option::of(when()),
        query in any::<bool>(),
        requirement in requirement(),
    ) -> Rule {
        let method = method.iter().map(ToString::to_string).collect();
        let query = if query { BTreeMap::from([("do".to_owned(), vec![])]) } else { BTreeMap::new() };
        Rule { method, when, query, ..rule(&paths, requirement) }
    }
}

fn any_raise() -> impl Strategy<Value = Raise> {
    (when(), requirement()).prop_map(|(when, requirement)| Raise { when, requirement, line: 1 })
}

/// A configuration of one route.
#[derive(Clone, Debug)]
struct Site {
    route: Route,
    floor: Option<Floor>,
}

impl Site {
    fn policy(&self) -> Policy {
        let mut settings = settings(vec![self.route.clone()]);
        settings.floor = self.floor.clone();
        Policy::compile(&Arc::new(settings)).unwrap()
    }

    fn demand(&self, request: &CanonicalRequest, identity: Option<&Identity>) -> Demand {
        let policy = self.policy();
        let route = policy.route_for(&request.host).unwrap();
        policy.demand(route, request, &Facts { identity, now: UnixTime(NOW) })
    }
}

prop_compose! {
    fn any_site()(
        requirement in requirement(),
        rules in prop::collection::vec(any_rule(), 0..5),
        raise in prop::collection::vec(any_raise(), 0..4),
        floor in prop::option::of((
            requirement(),
            prop::collection::vec(prop::sample::select(vec!["/a/**", "/b"]), 0..2),
        )),
    ) -> Site {
        let floor = floor.map(|(requirement, except)| {
            Floor { requirement, except: except.iter().map(ToString::to_string).collect() }
        });
        Site { route: Route { rules, raise, ..route(requirement) }, floor }
    }
}

prop_compose! {
    fn any_request()(
        method in prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "get", "FOO"]),
        path in prop::sample::select(&PATHS[..]),
        query in prop::sample::select(vec!["", "?do=admin", "?d%6f=x", "?x=1"]),
        office in any::<bool>(),
        readings in prop::collection::vec(prop::sample::select(&PATHS[..]), 0..4),
    ) -> CanonicalRequest {
        let mut request = request(method, &format!("{path}{query}"));
        if office {
            request.client = "10.1.2.3".parse().unwrap();
        }
        if !readings.is_empty() {
            request.readings = Readings::Several(readings.iter().map(|path| Reading::new((*path).to_owned())).collect());
        }
        request
    }
}

/// Anna with or without her group, and with, without or with another clearance.
fn any_identity() -> impl Strategy<Value = Identity> {
    (any::<bool>(), prop::option::of(prop::sample::select(vec!["high", "low"]))).prop_map(
        |(finance, clearance)| {
            let mut anna = anna();
            if !finance {
                anna.groups = Some(Vec::new());
            }
            if let Some(clearance) = clearance {
                anna.attributes.insert("clearance".to_owned(), vec![clearance.to_owned()]);
            }
            anna
        },
    )
}

fn any_properties() -> impl Strategy<Value = Properties> {
    prop::sample::subsequence(&Properties::NAMES[..], 0..=3)
        .prop_map(|names| names.into_iter().filter_map(Properties::from_name).collect())
}

fn any_proofs() -> impl Strategy<Value = Vec<Proof>> {
    let kind = prop::sample::select(&FactorKind::ALL[..]);
    prop::collection::vec((kind, -200..50_000_i64, any_properties(), prop::option::of(Just("browser"))), 0..5)
        .prop_map(|proofs| {
            let one = |(kind, age, properties, browser): (_, _, _, Option<&str>)| Proof {
                properties,
                remembered: browser.map(|id| TrustId(id.into())),
                ..proof(kind, NOW - age)
            };
            proofs.into_iter().map(one).collect()
        })
}

prop_compose! {
    /// The levels of the tests, each asking for properties and trusting browsers or not, some kinds
    /// off and some that count only beside another.
    fn any_levels()(
        asks in prop::collection::vec((any_properties(), prop::option::of(0..40_000_u64)), 5),
        narrow in prop::collection::vec(prop::sample::subsequence(&FactorKind::ALL[..], 0..4), 5),
        companions in prop::sample::subsequence(&FactorKind::ALL[..], 0..5),
        off in prop::sample::subsequence(&FactorKind::ALL[..], 0..3),
    ) -> Arc<Settings> {
        let mut settings = settings(vec![route(public())]);
        settings.factors.companions = companions.into_iter().collect();
        settings.factors.email.as_factor = true;
        settings.factors.enabled =
            FactorKind::ALL.into_iter().collect::<FactorSet>().without(off.into_iter().collect());
        for (level, ((properties, remember), narrow)) in settings.levels.iter_mut().zip(asks.into_iter().zip(narrow)) {
            level.properties = properties;
            level.remember_device = remember.map(std::time::Duration::from_secs);
            if let Some(slot) = level.slots.last_mut().filter(|_| !narrow.is_empty()) {
                *slot = narrow.into_iter().collect();
            }
        }
        Arc::new(settings)
    }
}

/// Whether these proofs meet this level, by trying every assignment of proofs to slots.
fn meets(settings: &Settings, level: &Level, proofs: &[Proof]) -> bool {
    fn fill(slots: &[FactorSet], proofs: &[&Proof], used: FactorSet, beside: FactorSet) -> bool {
        let [slot, rest @ ..] = slots else {
            return !used.without(beside).is_empty();
        };
        proofs.iter().any(|proof| {
            slot.contains(proof.factor)
                && !used.contains(proof.factor)
                && fill(rest, proofs, used.with(proof.factor), beside)
        })
    }
    let factors = &settings.factors;
    let seconds = |length: std::time::Duration| i64::try_from(length.as_secs()).unwrap();
    let counts = |proof: &&Proof| {
        let age = NOW - proof.at.0;
        let young = match (&proof.remembered, level.valid_for, level.remember_device) {
            (Some(_), Some(std::time::Duration::ZERO), _) | (Some(_), _, None) => false,
            (Some(_), _, Some(remember)) => age.max(0) < seconds(remember),
            (None, valid_for, _) => valid_for.is_none_or(|valid_for| age.max(0) < seconds(valid_for)),
        };
        age >= -60
            && young
            && factors.enabled.contains(proof.factor)
            && proof.factor.at_most().covers(level.properties)
            && proof.properties.covers(level.properties)
    };
    let counting: Vec<&Proof> = proofs.iter().filter(counts).collect();
    level.slots.is_empty() || fill(&level.slots, &counting, FactorSet::EMPTY, factors.companions)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn raising_never_weakens(
        site in any_site(), raise in any_raise(), request in any_request(), identity in prop::option::of(any_identity()),
    ) {
        let before = site.demand(&request, identity.as_ref());
        let mut raised = site;
        raised.route.raise.push(raise);
        prop_assert!(raised.demand(&request, identity.as_ref()).is_at_least(&before));
    }

    #[test]
    fn a_floor_never_weakens(
        site in any_site(), floor in requirement(), request in any_request(), identity in any_identity(),
    ) {
        let mut without = site;
        without.floor = None;
        let before = without.demand(&request, Some(&identity));
        without.floor = Some(Floor { requirement: floor, except: vec!["/a/**".to_owned()] });
        prop_assert!(without.demand(&request, Some(&identity)).is_at_least(&before));
    }

    #[test]
    fn where_nothing_asks_who_it_is_all_are_asked_the_same(
        site in any_site(), request in any_request(), identity in any_identity(),
    ) {
        let asks_person = site.policy().route_for(&request.host).unwrap().asks_person;
        if !asks_person {
            prop_assert_eq!(site.demand(&request, None), site.demand(&request, Some(&identity)));
        }
    }

    #[test]
    fn the_order_of_raises_does_not_matter(
        (site, raise) in any_site().prop_flat_map(|site| {
            let raise = Just(site.route.raise.clone()).prop_shuffle();
            (Just(site), raise)
        }),
        request in any_request(), identity in prop::option::of(any_identity()),
    ) {
        let shuffled = Site { route: Route { raise, ..site.route.clone() }, ..site.clone() };
        prop_assert_eq!(
            site.demand(&request, identity.as_ref()),
            shuffled.demand(&request, identity.as_ref())
        );
    }

    #[test]
    fn not_knowing_the_person_never_relaxes(
        site in any_site(), request in any_request(), identity in any_identity(),
    ) {
        let known = site.demand(&request, Some(&identity));
        prop_assert!(site.demand(&request, None).is_at_least(&known));
    }

    #[test]
    fn not_knowing_an_attribute_never_relaxes(
        site in any_site(), request in any_request(), identity in any_identity(),
    ) {
        let known = site.demand(&request, Some(&identity));
        let mut less = identity;
        less.attributes.clear();
        prop_assert!(site.demand(&request, Some(&less)).is_at_least(&known));
    }

    #[test]
    fn another_reading_only_tightens(
        site in any_site(), request in any_request(), more in prop::sample::select(&PATHS[..]), identity in any_identity(),
    ) {
        let before = site.demand(&request, Some(&identity));
        let mut wider = request;
        let mut readings = match wider.readings {
            Readings::Plain => vec![Reading::new(wider.target.path().to_owned())],
            Readings::Several(readings) => readings.into_vec(),
        };
        readings.push(Reading::new(more.to_owned()));
        wider.readings = Readings::Several(readings.into());
        prop_assert!(site.demand(&wider, Some(&identity)).is_at_least(&before));
    }

    #[test]
    fn a_query_never_relaxes(site in any_site(), request in any_request(), identity in any_identity()) {
        let mut bare = request.clone();
        bare.target = request.target.path().parse().unwrap();
        let without = site.demand(&bare, Some(&identity));
        prop_assert!(site.demand(&request, Some(&identity)).is_at_least(&without));
    }

    #[test]
    fn explaining_is_the_same_evaluation(
        site in any_site(), request in any_request(), identity in prop::option::of(any_identity()),
    ) {
        let policy = site.policy();
        let route = policy.route_for(&request.host).unwrap();
        let facts = Facts { identity: identity.as_ref(), now: UnixTime(NOW) };
        prop_assert_eq!(policy.explain(route, &request, &facts).demand, policy.demand(route, &request, &facts));
    }

    #[test]
    fn who_passes_has_proved_every_level(
        site in any_site(), request in any_request(), identity in prop::option::of(any_identity()),
        proofs in any_proofs(), enrolled in prop::option::of(prop::collection::vec(prop::sample::select(&FactorKind::ALL[..]), 0..3)),
        grace in any::<bool>(),
    ) {
        let policy = site.policy();
        let route = policy.route_for(&request.host).unwrap();
        let now = UnixTime(NOW);
        let demand = policy.demand(route, &request, &Facts { identity: identity.as_ref(), now });
        let deadlines = policy.deadlines(&proofs, now);
        let enrolled: Option<FactorSet> = enrolled.map(|kinds| kinds.into_iter().collect());
        let decision = policy.decide(Question {
            request: request.clone(),
            route,
            demand,
            identity: identity.map(Arc::new),
            deadlines: Some(&deadlines),
            enrolled: enrolled.map_or(Enrolled::Unknown, Enrolled::Kinds),
            grace_until: grace.then(|| now.plus(1)),
            granted: LevelSet::EMPTY,
            now,
        });
        let Decision::Allow(permit) = decision else { return Ok(()) };
        prop_assert_eq!(&permit.request().target, &request.target);
        prop_assert_eq!(permit.identity().is_some(), !demand.is_public());
        prop_assert!(!demand.is_deny());
        let met = |level: LevelId| meets(policy.settings(), policy.settings().level(level).unwrap(), &proofs);
        let missing: Vec<LevelId> = demand.required().iter().filter(|level| !met(*level)).collect();
        if permit.reason() == AllowReason::Grace {
            prop_assert!(grace && enrolled == Some(FactorSet::EMPTY));
            prop_assert!(missing.iter().all(|level| !demand.firm().contains(*level) && !policy.once().contains(*level)));
        } else {
            prop_assert!(missing.is_empty(), "{missing:?}");
        }
        // What is optional is left out only for those who are known to have nothing for it.
        for level in demand.optional().iter().filter(|level| !met(*level)) {
            let nothing = enrolled.is_some_and(|kinds| policy.kinds_for(LevelSet::EMPTY.with(level)).intersection(kinds).is_empty());
            prop_assert!(nothing || permit.reason() == AllowReason::Grace);
        }
    }

    #[test]
    fn deadlines_are_what_trying_everything_says(settings in any_levels(), proofs in any_proofs()) {
        let policy = Policy::compile(&settings).unwrap();
        let deadlines = policy.deadlines(&proofs, UnixTime(NOW));
        for (id, level) in (0..).map(LevelId).zip(&policy.settings().levels) {
            let met = !deadlines.met(LevelSet::EMPTY.with(id), UnixTime(NOW)).is_empty();
            prop_assert_eq!(met, meets(&settings, level, &proofs), "{}", &level.name);
        }
    }

    #[test]
    fn more_proofs_never_meet_less_and_time_never_meets_more(
        settings in any_levels(), proofs in any_proofs(), more in any_proofs(), later in 0..100_000_i64,
    ) {
        let policy = Policy::compile(&settings).unwrap();
        let all = LevelSet::from_bits(0b11111);
        let now = UnixTime(NOW);
        let met = policy.deadlines(&proofs, now).met(all, now);
        prop_assert!(met.covers(policy.deadlines(&proofs, now).met(all, now.plus(later))));
        let together: Vec<Proof> = proofs.into_iter().chain(more).collect();
        prop_assert!(policy.deadlines(&together, now).met(all, now).covers(met));
    }

    #[test]
    fn e25_without_leave_a_trusted_browser_is_as_if_it_were_not(
        settings in any_levels(), proofs in any_proofs(),
    ) {
        let mut strict = (*settings).clone();
        strict.levels.iter_mut().for_each(|level| level.remember_device = None);
        let policy = Policy::compile(&Arc::new(strict)).unwrap();
        let own: Vec<Proof> = proofs.iter().filter(|proof| proof.remembered.is_none()).cloned().collect();
        let now = UnixTime(NOW);
        prop_assert_eq!(policy.deadlines(&proofs, now), policy.deadlines(&own, now));
        // And with leave, what is asked every time is asked all the same.
        let lenient = Policy::compile(&settings).unwrap();
        let once = lenient.once();
        prop_assert_eq!(
            lenient.met_at_once(&proofs, now).intersection(once),
            lenient.met_at_once(&own, now).intersection(once)
        );
    }

    #[test]
    fn who_proves_what_is_left_arrives_in_as_many_steps_and_proves_nothing_twice(
        settings in any_levels(), level in 0..5_u8, picks in prop::collection::vec(any::<prop::sample::Index>(), 6),
    ) {
        let policy = Policy::compile(&settings).unwrap();
        let (now, wanted) = (UnixTime(NOW), LevelSet::EMPTY.with(LevelId(level)));
        let made = |kind: FactorKind| Proof { properties: kind.at_most(), ..proof(kind, NOW) };
        let everything: Vec<Proof> = FactorKind::ALL.into_iter().map(made).collect();
        if !policy.met_at_once(&everything, now).covers(wanted) {
            return Ok(());
        }
        let mut proofs: Vec<Proof> = Vec::new();
        for pick in picks {
            if policy.met_at_once(&proofs, now).covers(wanted) {
                break;
            }
            let left = policy.remaining(wanted, &proofs, FactorSet::EMPTY, now);
            let kinds: Vec<FactorKind> = left.accepted.kinds().iter().collect();
            let kind = *pick.get(&kinds);
            prop_assert!(proofs.iter().all(|proof| proof.factor != kind), "{kind:?} twice");
            proofs.push(made(kind));
            if !policy.met_at_once(&proofs, now).covers(wanted) {
                prop_assert_eq!(policy.remaining(wanted, &proofs, FactorSet::EMPTY, now).steps, left.steps - 1);
            }
        }
        prop_assert!(policy.met_at_once(&proofs, now).covers(wanted), "{proofs:?}");
    }

    #[test]
    fn what_is_accepted_for_a_level_is_what_can_help_to_meet_it(
        settings in any_levels(), kind in prop::sample::select(&FactorKind::ALL[..]), properties in any_properties(),
    ) {
        let policy = Policy::compile(&settings).unwrap();
        for (id, level) in (0..).map(LevelId).zip(&settings.levels).filter(|(_, level)| level.slots.len() == 1) {
            let alone = proof(kind, NOW);
            let met = meets(&settings, &Level { valid_for: None, ..level.clone() }, &[Proof { properties, ..alone }]);
            prop_assert_eq!(policy.accepted_for(LevelSet::EMPTY.with(id)).contains(kind, properties), met);
        }
    }
}
