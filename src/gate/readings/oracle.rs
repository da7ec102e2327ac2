//! The lenient-reading rule against a brute-force oracle that shares no code with it: whatever
//! composition of readings reaches a protected prefix, the demand is at least that prefix's, or
//! the path is refused.

use std::sync::Arc;

use http::Method;
use http::uri::PathAndQuery;
use proptest::prelude::*;

use crate::ambient::UnixTime;
use crate::config::settings::EncodedSlash;
use crate::gate::canonical;
use crate::lenient::{self, some_reading_reaches};
use crate::policy::tests_support::{SENSITIVE, SIGNED_IN, asks, public, route, rule, settings};
use crate::policy::{Demand, Facts, Policy};

fn policy(slash: EncodedSlash) -> Policy {
    let mut site = route(public());
    site.encoded_slash = slash;
    site.rules = vec![
        rule(&["/free/**"], asks(&[SIGNED_IN])),
        rule(&["/admin/**"], asks(&[SENSITIVE])),
    ];
    Policy::compile(&Arc::new(settings(vec![site]))).unwrap()
}

/// `None`: refused.
fn judged(path: &str, slash: EncodedSlash) -> Option<Demand> {
    let policy = policy(slash);
    let target: PathAndQuery = path.parse().ok()?;
    assert_eq!(target.as_str(), path, "the target is what was sent");
    let host = Arc::clone(policy.known_host("app.example.com").unwrap());
    let request =
        canonical::judge(Method::GET, host, target.clone(), "192.0.2.1".parse().unwrap(), &policy).ok()?;
    assert_eq!(request.target, target);
    let route = policy.route_for("app.example.com").unwrap();
    Some(policy.demand(route, &request, &Facts { identity: None, now: UnixTime(0) }))
}

fn tricky_path() -> impl Strategy<Value = String> {
    let bits = prop::sample::select(&lenient::BITS[..]);
    prop::collection::vec(bits, 1..9).prop_map(|bits| format!("/{}", bits.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a04_no_composition_of_readings_reaches_a_prefix_unjudged(path in tricky_path(), slash in any::<bool>()) {
        prop_assume!(path.parse::<PathAndQuery>().is_ok_and(|target| target.as_str() == path));
        let slash = if slash { EncodedSlash::Judge } else { EncodedSlash::Refuse };
        if let Some(demand) = judged(&path, slash) && some_reading_reaches(&path, "/admin") {
            prop_assert!(demand.required().contains(SENSITIVE), "{path}: {demand:?}");
        }
    }

    #[test]
    fn ordinary_paths_keep_working(segments in prop::collection::vec("[a-zA-Z0-9äöü日ß@:+~_-]([ .a-zA-Z0-9äöü日é@:+~_-]{0,8}[a-z0-9])?", 0..6)) {
        let path = format!("/{}", segments.join("/").replace(' ', "%20"));
        let demand = judged(&path, EncodedSlash::Refuse);
        let protected = segments.first().is_some_and(|first| matches!(&*first.to_lowercase(), "admin" | "free"));
        prop_assert_eq!(demand.map(|demand| demand.is_public()), Some(!protected), "{}", path);
    }

    #[test]
    fn any_path_is_judged_or_refused_without_a_panic(path in "/[ -~\u{80}-\u{2fff}]{0,40}") {
        if path.parse::<PathAndQuery>().is_ok_and(|target| target.as_str() == path) {
            let _ = judged(&path, EncodedSlash::Judge);
        }
    }
}

#[test]
fn the_oracle_finds_the_known_bypasses() {
    for path in [
        "/x/..%2fadmin",
        "/%2561dmin",
        "/admin;x/y",
        "//admin",
        "/ADMIN",
        "/x\\..\\admin",
        "/\u{ff41}dmin",
    ] {
        assert!(some_reading_reaches(path, "/admin"), "{path}");
    }
    assert!(!some_reading_reaches("/administrator", "/admin"));
}

#[test]
fn a_neighbour_of_a_protected_prefix_is_no_part_of_it() {
    for path in [
        "/administrator",
        "/admin-x",
        "/x/admin",
        "/admin.php",
        "/adm%69nistrator",
    ] {
        assert_eq!(judged(path, EncodedSlash::Refuse).map(|demand| demand.is_public()), Some(true), "{path}");
    }
}
