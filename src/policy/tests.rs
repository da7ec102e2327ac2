//! The policy as a whole: what is asked, and what is decided.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ambient::UnixTime;
use crate::config::settings::{Allow, Floor, Raise, Settings, When};
use crate::config::{FactorKind, FactorSet};

use super::tests_support::*;
use super::*;

const NOW: UnixTime = UnixTime(1_800_000_000);

fn raise(when: When, requirement: crate::config::settings::Requirement) -> Raise {
    Raise { when, requirement, line: 1 }
}

fn demand_of(settings: Settings, request: &CanonicalRequest, identity: Option<&Identity>) -> Demand {
    let policy = Policy::compile(&Arc::new(settings)).unwrap();
    let route = policy.route_for(&request.host).unwrap();
    policy.demand(route, request, &Facts { identity, now: NOW })
}

fn levels(levels: &[LevelId]) -> LevelSet {
    levels.iter().copied().collect()
}

fn required(route: config_route::Route, request: &CanonicalRequest, identity: Option<&Identity>) -> LevelSet {
    demand_of(settings(vec![route]), request, identity).required()
}

use crate::config::settings as config_route;

#[test]
fn the_first_matching_rule_counts_else_the_route() {
    let mut route = route(asks(&[STANDARD]));
    route.rules = vec![
        rule(&["/admin/help"], asks(&[SIGNED_IN])),
        rule(&["/admin/**", "/export/**"], asks(&[SENSITIVE])),
    ];
    assert_eq!(required(route.clone(), &get("/admin/help"), None), levels(&[SIGNED_IN]));
    assert_eq!(required(route.clone(), &get("/export/x?y=z"), None), levels(&[SENSITIVE]));
    assert_eq!(required(route, &get("/administrator"), None), levels(&[STANDARD]));
}

#[test]
fn a03_the_query_takes_no_part_in_the_path() {
    let mut route = route(asks(&[STANDARD]));
    route.rules = vec![rule(&["/healthz"], public())];
    assert_eq!(required(route.clone(), &get("/admin?/healthz"), None), levels(&[STANDARD]));
    assert_eq!(required(route.clone(), &get("/admin?x=/../healthz"), None), levels(&[STANDARD]));
    assert!(demand_of(settings(vec![route]), &get("/healthz?x=/admin"), None).is_public());
}

#[test]
fn case_makes_no_difference_to_what_protects() {
    let mut route = route(public());
    route.rules = vec![rule(&["/Admin/**"], asks(&[SENSITIVE]))];
    for path in ["/Admin/x", "/admin/x", "/ADMIN/x"] {
        assert_eq!(required(route.clone(), &get(path), None), levels(&[SENSITIVE]), "{path}");
    }
}

#[test]
fn every_reading_is_judged_and_joined() {
    let mut route = route(asks(&[STANDARD]));
    route.rules = vec![
        rule(&["/free/**"], public()),
        rule(&["/admin/**"], asks(&[SENSITIVE])),
    ];
    let mut request = get("/free/..%2fadmin");
    request.readings = Readings::Several(
        ["/free/../admin", "/admin", "/else"]
            .map(|path| Reading::new(path.to_owned()))
            .into(),
    );
    assert_eq!(required(route, &request, None), levels(&[SENSITIVE, STANDARD]));
}

#[test]
fn a14_methods_select_rules_and_unknown_ones_get_them_all() {
    let mut with_methods = route(asks(&[SIGNED_IN]));
    let method = |methods: &[&str], requirement| config_route::Rule {
        method: methods.iter().map(ToString::to_string).collect(),
        ..rule(&["/pay/**"], requirement)
    };
    with_methods.rules = vec![
        method(&["GET"], asks(&[STANDARD])),
        method(&["POST", "PUT"], asks(&[CRITICAL])),
    ];
    let asked = |name: &str| required(with_methods.clone(), &request(name, "/pay/1"), None);
    assert_eq!(asked("GET"), levels(&[STANDARD]));
    assert_eq!(asked("HEAD"), levels(&[STANDARD]));
    assert_eq!(asked("POST"), levels(&[CRITICAL]));
    assert_eq!(asked("DELETE"), levels(&[SIGNED_IN]));
    for unknown in ["post", "get", "PROPFIND", "FOO"] {
        assert_eq!(asked(unknown), levels(&[SIGNED_IN, STANDARD, CRITICAL]), "{unknown}");
    }
}

#[test]
fn an_unknown_condition_contributes_both_outcomes() {
    let mut route = route(asks(&[SENSITIVE]));
    let when =
        |name: &str, requirement| config_route::Rule { when: Some(is(name)), ..rule(&[], requirement) };
    route.rules = vec![
        when("high", asks(&[STANDARD])),
        when("finance", asks(&[SIGNED_IN])),
    ];
    let anna = anna();
    // The clearance is unknown, the group is known.
    assert_eq!(required(route.clone(), &get("/"), Some(&anna)), levels(&[STANDARD, SIGNED_IN]));
    assert_eq!(required(route, &get("/"), None), levels(&[STANDARD, SIGNED_IN, SENSITIVE]));
}

#[test]
fn a_raise_adds_also_when_unknown() {
    let mut route = route(asks(&[STANDARD]));
    let not_office = When::Not(Box::new(is("office")));
    route.raise = vec![
        raise(is("high"), asks(&[SENSITIVE])),
        raise(is("office"), asks(&[BOTH])),
        raise(not_office, asks(&[CRITICAL])),
    ];
    let demand = demand_of(settings(vec![route]), &get("/"), Some(&anna()));
    assert_eq!(demand.required(), levels(&[STANDARD, SENSITIVE, CRITICAL]));
    assert_eq!(demand.firm(), levels(&[SENSITIVE, CRITICAL]));
}

#[test]
fn the_floor_reaches_public_paths_but_not_its_exceptions() {
    let mut with_floor = settings(vec![route(public())]);
    with_floor.floor = Some(Floor { requirement: asks(&[STANDARD]), except: vec!["/healthz".to_owned()] });
    let policy = Policy::compile(&Arc::new(with_floor)).unwrap();
    let route = policy.route_for("app.example.com").unwrap();
    let demand = |request| policy.demand(route, &request, &Facts { identity: None, now: NOW });
    assert_eq!(demand(get("/")).required(), levels(&[STANDARD]));
    assert!(demand(get("/healthz")).is_public());
    let mut odd = get("/healthz;x");
    odd.readings = Readings::Several(["/healthz;x", "/healthz"].map(|p| Reading::new(p.to_owned())).into());
    assert_eq!(demand(odd).required(), levels(&[STANDARD]));
}

#[test]
fn a_query_only_adds_and_never_ends_the_search() {
    let mut route = route(asks(&[STANDARD]));
    let admin = BTreeMap::from([("do".to_owned(), vec!["admin".to_owned()])]);
    let on_query = config_route::Rule { query: admin, ..rule(&[], asks(&[SENSITIVE])) };
    let by_name = |requirement| config_route::Rule { when: Some(is("do-admin")), ..rule(&[], requirement) };
    route.rules = vec![by_name(public()), on_query];
    assert_eq!(required(route.clone(), &get("/doku.php?do=admin"), None), levels(&[STANDARD, SENSITIVE]));
    assert_eq!(required(route.clone(), &get("/doku.php?do=show"), None), levels(&[STANDARD]));
    // Even turned round it cannot relax: whoever leaves the parameter out gains nothing.
    route.rules =
        vec![config_route::Rule { when: Some(When::Not(Box::new(is("do-admin")))), ..rule(&[], public()) }];
    assert_eq!(required(route, &get("/doku.php"), None), levels(&[STANDARD]));
}

#[test]
fn an_encoded_question_mark_begins_a_query_too() {
    let mut route = route(asks(&[STANDARD]));
    let admin = BTreeMap::from([("do".to_owned(), vec![])]);
    route.rules = vec![config_route::Rule { query: admin, ..rule(&[], asks(&[SENSITIVE])) }];
    let mut request = get("/doku.php%3Fdo=admin");
    request.readings = Readings::Several(Box::new([Reading::new("/doku.php?do=admin".to_owned())]));
    assert_eq!(required(route, &request, None), levels(&[STANDARD, SENSITIVE]));
}

#[test]
fn hosts_exact_then_longest_wildcard_then_any() {
    let named = |name: &str, host: &str| config_route::Route {
        name: name.to_owned(),
        hosts: vec![host.to_owned()],
        ..route(public())
    };
    let routes = vec![
        named("exact", "app.example.com"),
        named("wide", "*.example.com"),
        named("narrow", "*.dev.example.com"),
    ];
    let name = |policy: &Policy, host: &str| policy.route_for(host).map(|route| route.name.to_string());
    let policy = Policy::compile(&Arc::new(settings(routes.clone()))).unwrap();
    assert_eq!(name(&policy, "app.example.com").as_deref(), Some("exact"));
    assert_eq!(name(&policy, "x.example.com").as_deref(), Some("wide"));
    assert_eq!(name(&policy, "a.b.dev.example.com").as_deref(), Some("narrow"));
    assert_eq!(name(&policy, "example.com"), None);
    assert_eq!(name(&policy, ".example.com"), None);
    assert_eq!(name(&policy, "example.com.evil.test"), None);
    let with_any = settings([routes, vec![named("any", "*")]].concat());
    let policy = Policy::compile(&Arc::new(with_any)).unwrap();
    assert_eq!(name(&policy, "example.com").as_deref(), Some("any"));
    assert_eq!(policy.known_host("app.example.com").map(|host| &**host), Some("app.example.com"));
}

#[test]
fn a13_what_does_not_resolve_makes_no_policy() {
    let broken = |change: fn(&mut Settings)| {
        let mut settings = settings(vec![route(asks(&[STANDARD]))]);
        change(&mut settings);
        Policy::compile(&Arc::new(settings)).is_err()
    };
    assert!(!broken(|_| {}));
    assert!(broken(|settings| settings.routes[0].requirement = asks(&[LevelId(63)])));
    assert!(broken(|settings| settings.routes[0].requirement = asks(&[])));
    assert!(broken(|settings| settings.routes[0].rules = vec![rule(&["admin"], public())]));
    assert!(broken(|settings| settings.routes[0].raise = vec![raise(is("nowhere"), deny())]));
    assert!(broken(|settings| settings.routes.push(route(public()))));
    assert!(broken(|settings| {
        settings.floor = Some(Floor { requirement: public(), except: vec!["x".to_owned()] });
    }));
}

/// A question with everything unknown, and ways to fill it in.
struct Ask {
    policy: Policy,
    request: CanonicalRequest,
    identity: Option<Arc<Identity>>,
    proofs: Vec<Proof>,
    enrolled: Enrolled,
    grace_until: Option<UnixTime>,
    granted: LevelSet,
}

impl Ask {
    fn of(route: config_route::Route) -> Self {
        Self {
            policy: policy(route),
            request: get("/page"),
            identity: Some(Arc::new(anna())),
            proofs: vec![],
            enrolled: Enrolled::Unknown,
            grace_until: None,
            granted: LevelSet::EMPTY,
        }
    }

    fn decide(&self) -> Decision {
        let route = self.policy.route_for(&self.request.host).unwrap();
        let facts = Facts { identity: self.identity.as_deref(), now: NOW };
        let demand = self.policy.demand(route, &self.request, &facts);
        let deadlines = self.policy.deadlines(&self.proofs, NOW);
        self.policy.decide(Question {
            request: self.request.clone(),
            route,
            demand,
            identity: self.identity.clone(),
            deadlines: (!self.proofs.is_empty()).then_some(&deadlines),
            enrolled: self.enrolled,
            grace_until: self.grace_until,
            granted: self.granted,
            now: NOW,
        })
    }

    fn missing(&self) -> LevelSet {
        match self.decide() {
            Decision::Challenge(_, missing) => missing.levels,
            Decision::Allow(_) => LevelSet::EMPTY,
            other => panic!("{other:?}"),
        }
    }

    fn reason(&self) -> Option<AllowReason> {
        match self.decide() {
            Decision::Allow(permit) => Some(permit.reason()),
            _ => None,
        }
    }
}

#[test]
fn public_carries_no_person() {
    let Decision::Allow(permit) = Ask::of(route(public())).decide() else {
        panic!("not allowed")
    };
    assert_eq!((permit.reason(), permit.identity().is_none()), (AllowReason::Public, true));
}

#[test]
fn nobody_is_led_to_sign_in_and_never_through() {
    for requirement in [asks(&[SIGNED_IN]), asks(&[STANDARD]), optionally(&[STANDARD])] {
        let ask = Ask {
            identity: None,
            enrolled: Enrolled::Kinds(FactorSet::EMPTY),
            ..Ask::of(route(requirement))
        };
        assert!(matches!(ask.decide(), Decision::SignIn(_)));
    }
}

#[test]
fn the_permit_is_for_exactly_this_request() {
    let mut ask = Ask::of(route(asks(&[SIGNED_IN])));
    ask.request = request("POST", "/a%20b?x=%2F..%2f&y");
    let Decision::Allow(permit) = ask.decide() else {
        panic!("not allowed")
    };
    assert_eq!(permit.identity().map(|identity| &*identity.subject), Some("anna"));
    let parts = permit.into_parts();
    assert_eq!(parts.request.target.as_str(), "/a%20b?x=%2F..%2f&y");
    assert_eq!((parts.request.method.as_str(), &*parts.request.host), ("POST", "app.example.com"));
    assert_eq!((parts.met, &*parts.route.name), (levels(&[SIGNED_IN]), "app"));
}

#[test]
fn a_level_is_met_exactly_by_a_fresh_proof_that_counts() {
    let ask = |factor, age: i64| Ask {
        proofs: vec![proof(factor, NOW.0 - age)],
        ..Ask::of(route(asks(&[STANDARD, SENSITIVE])))
    };
    assert_eq!(Ask::of(route(asks(&[SENSITIVE]))).missing(), levels(&[SENSITIVE]));
    assert_eq!(ask(FactorKind::Totp, 0).missing(), LevelSet::EMPTY);
    assert_eq!(ask(FactorKind::Totp, 899).missing(), LevelSet::EMPTY);
    assert_eq!(ask(FactorKind::Totp, 900).missing(), levels(&[SENSITIVE]));
    assert_eq!(ask(FactorKind::Totp, 12 * 3600).missing(), levels(&[STANDARD, SENSITIVE]));
    assert_eq!(ask(FactorKind::RecoveryCode, 0).missing(), levels(&[SENSITIVE]));
}

#[test]
fn zero_seconds_are_met_by_a_grant_alone() {
    let mut ask = Ask {
        proofs: vec![proof(FactorKind::Totp, NOW.0)],
        ..Ask::of(route(asks(&[CRITICAL, STANDARD])))
    };
    assert_eq!(ask.missing(), levels(&[CRITICAL]));
    ask.granted = ask.policy.met_at_once(&ask.proofs, NOW);
    assert_eq!(ask.reason(), Some(AllowReason::Met));
    let old = [proof(FactorKind::Totp, NOW.0 - 120)];
    assert!(!ask.policy.met_at_once(&old, NOW).contains(CRITICAL));
}

#[test]
fn a_401_names_one_level_at_a_time() {
    let mut ask = Ask::of(route(asks(&[SENSITIVE, STANDARD])));
    let next = |ask: &Ask| match ask.decide() {
        Decision::Challenge(_, missing) => Some(missing.next),
        _ => None,
    };
    assert_eq!(next(&ask), Some(STANDARD));
    ask.proofs = vec![proof(FactorKind::RecoveryCode, NOW.0)];
    assert_eq!(next(&ask), Some(SENSITIVE));
}

#[test]
fn allow_is_checked_before_any_challenge() {
    let with = |users: &[&str], groups: &[&str]| {
        let own = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let allow = Some(Allow { users: own(users), groups: own(groups) });
        matches!(
            Ask::of(config_route::Route { allow, ..route(asks(&[STANDARD])) }).decide(),
            Decision::Deny(_, DenyReason::NotAllowed)
        )
    };
    assert!(with(&[], &["hr"]) && with(&["bob"], &[]) && with(&[], &[]));
    assert!(with(&["jwt:anna"], &[]));
    assert!(!with(&[], &["hr", "finance"]) && !with(&["anna"], &["hr"]) && !with(&["local:anna"], &[]));
}

#[test]
fn optional_asks_only_those_who_have_enrolled() {
    let mut ask = Ask {
        enrolled: Enrolled::Kinds(FactorSet::EMPTY),
        ..Ask::of(route(optionally(&[SENSITIVE])))
    };
    assert_eq!(ask.reason(), Some(AllowReason::Met));
    ask.enrolled = Enrolled::Kinds(FactorSet::EMPTY.with(FactorKind::RecoveryCode));
    assert_eq!(ask.missing(), LevelSet::EMPTY);
    ask.enrolled = Enrolled::Kinds(FactorSet::EMPTY.with(FactorKind::Totp));
    assert_eq!(ask.missing(), levels(&[SENSITIVE]));
    ask.enrolled = Enrolled::Unknown;
    assert_eq!(ask.missing(), levels(&[SENSITIVE]));
}

#[test]
fn optional_relaxes_only_its_own_part() {
    let mut route = route(optionally(&[STANDARD, SENSITIVE]));
    route.raise = vec![raise(is("finance"), asks(&[STANDARD]))];
    let ask = Ask { enrolled: Enrolled::Kinds(FactorSet::EMPTY), ..Ask::of(route) };
    assert_eq!(ask.missing(), levels(&[STANDARD]));
}

#[test]
fn grace_is_for_those_who_never_enrolled_and_never_for_what_is_firm() {
    let in_grace = |route| Ask {
        enrolled: Enrolled::Kinds(FactorSet::EMPTY),
        grace_until: Some(NOW.plus(1)),
        ..Ask::of(route)
    };
    let standard = || route(asks(&[STANDARD]));
    assert_eq!(in_grace(standard()).reason(), Some(AllowReason::Grace));
    assert_eq!(in_grace(route(asks(&[CRITICAL]))).reason(), None);
    let mut raised = standard();
    raised.raise = vec![raise(is("finance"), asks(&[STANDARD]))];
    assert_eq!(in_grace(raised).reason(), None);
    let over = Ask { grace_until: Some(NOW), ..in_grace(standard()) };
    assert_eq!(over.reason(), None);
    let enrolled = Enrolled::Kinds(FactorSet::EMPTY.with(FactorKind::RecoveryCode));
    for enrolled in [enrolled, Enrolled::Unknown] {
        assert_eq!(Ask { enrolled, ..in_grace(standard()) }.reason(), None);
    }
    assert_eq!(Ask { grace_until: None, ..in_grace(standard()) }.reason(), None);
}

#[test]
fn a_deny_that_hangs_on_the_person_asks_who_it_is_first() {
    let mut on_person = route(asks(&[SIGNED_IN]));
    on_person.raise = vec![raise(is("high"), deny())];
    let known = Ask::of(on_person);
    assert!(matches!(known.decide(), Decision::Deny(_, DenyReason::Denied)));
    let nobody = Ask { identity: None, ..known };
    assert!(matches!(nobody.decide(), Decision::SignIn(_)));

    let mut on_place = route(asks(&[SIGNED_IN]));
    on_place.raise = vec![raise(When::Not(Box::new(is("office"))), deny())];
    let nobody = Ask { identity: None, ..Ask::of(on_place) };
    assert!(matches!(nobody.decide(), Decision::Deny(_, DenyReason::Denied)));
}

#[test]
fn the_rule_that_asks_gives_the_reason() {
    let mut site = route(asks(&[STANDARD]));
    site.reason = Some("The wiki".to_owned());
    let reason = Some("Approve a payment".to_owned());
    site.rules = vec![config_route::Rule { reason, line: 87, ..rule(&["/pay"], asks(&[SENSITIVE])) }];
    let policy = policy(site);
    let route = policy.route_for("app.example.com").unwrap();
    let told = |target| {
        let demand = policy.demand(route, &get(target), &Facts { identity: None, now: NOW });
        (route.reason(&demand).map(ToString::to_string).unwrap(), route.line_of(&demand))
    };
    assert_eq!(told("/pay"), ("Approve a payment".to_owned(), 87));
    assert_eq!(told("/"), ("The wiki".to_owned(), 1));
}
