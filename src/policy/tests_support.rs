//! People, requests and configurations for this room's tests.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::ambient::UnixTime;
use crate::config::settings::{
    Activity, Answer, Branding, Condition, Connections, EncodedSlash, Enrolment, Factors, FirstFactor, Level,
    LevelId, Limits, LogFormat, Logging, MessageLimits, Passkey, Passwords, PublicUrl, RecoveryCodes,
    Require, Requirement, Route, RouteTimeouts, Rule, Senders, Server, Sessions, Settings, Storage, Timeouts,
    ToUpstream, Totp, When,
};
use crate::config::{FactorKind, FactorSet, Properties};

use super::{Binding, CanonicalRequest, Door, EnrolmentId, Identity, Proof, Readings, SubjectKey};

pub const SIGNED_IN: LevelId = LevelId(0);
pub const STANDARD: LevelId = LevelId(1);
pub const SENSITIVE: LevelId = LevelId(2);
pub const CRITICAL: LevelId = LevelId(3);
pub const BOTH: LevelId = LevelId(4);

/// Anna of finance: staff, without an e-mail address.
pub fn anna() -> Identity {
    Identity {
        source: "local".into(),
        subject: "anna".into(),
        key: SubjectKey::new("local", "anna"),
        groups: Some(vec!["finance".into()]),
        name: None,
        email: None,
        attributes: BTreeMap::from([("employment".to_owned(), vec!["staff".to_owned()])]),
        binding: Binding::new("local", "anna", "s1"),
        authenticated_at: None,
    }
}

pub fn proof(factor: FactorKind, at: i64) -> Proof {
    Proof::new(factor, EnrolmentId(factor.name().into()), UnixTime(at))
}

/// A plain GET.
pub fn get(target: &str) -> CanonicalRequest {
    request("GET", target)
}

/// A request whose path means only itself.
pub fn request(method: &str, target: &str) -> CanonicalRequest {
    CanonicalRequest {
        method: method.parse().unwrap(),
        host: "app.example.com".into(),
        target: target.parse().unwrap(),
        readings: Readings::Plain,
        client: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
        door: Door::Proxy,
        device: super::Device::Unknown,
    }
}

pub fn asks(levels: &[LevelId]) -> Requirement {
    Requirement { require: Require::Levels(levels.to_vec()), optional: false }
}

pub fn optionally(levels: &[LevelId]) -> Requirement {
    Requirement { require: Require::Levels(levels.to_vec()), optional: true }
}

pub fn public() -> Requirement {
    Requirement { require: Require::Public, optional: false }
}

pub fn deny() -> Requirement {
    Requirement { require: Require::Deny, optional: false }
}

pub fn is(name: &str) -> When {
    When::Is(name.to_owned())
}

/// A rule for these paths.
pub fn rule(path: &[&str], requirement: Requirement) -> Rule {
    Rule {
        path: path.iter().map(ToString::to_string).collect(),
        method: vec![],
        when: None,
        query: BTreeMap::new(),
        requirement,
        reason: None,
        answer: None,
        activity: None,
        line: 1,
    }
}

/// The route of app.example.com, with nothing but this requirement.
pub fn route(requirement: Requirement) -> Route {
    Route {
        name: "app".to_owned(),
        hosts: vec!["app.example.com".to_owned()],
        upstream: None,
        host_header: None,
        timeouts: RouteTimeouts::default(),
        to_upstream: ToUpstream::default(),
        form_login: None,
        allow: None,
        requirement,
        rules: vec![],
        raise: vec![],
        encoded_slash: EncodedSlash::Refuse,
        reason: None,
        answer: Answer::Auto,
        activity: None,
        max_body: None,
        identity: crate::config::settings::SourceSet::ALL,
        long_lived_grace: Duration::ZERO,
        max_header: None,
        max_target: None,
        line: 1,
    }
}

/// Conditions `office` (10.0.0.0/8), `finance` (group) and `high` (an attribute nobody has).
fn conditions() -> BTreeMap<String, Condition> {
    let user = |name: &str, value: &str| {
        Condition::User(BTreeMap::from([(name.to_owned(), vec![value.to_owned()])]))
    };
    let query = Condition::Query(BTreeMap::from([("do".to_owned(), vec!["admin".to_owned()])]));
    BTreeMap::from([
        ("office".to_owned(), Condition::Network(vec!["10.0.0.0/8".parse().unwrap()])),
        ("finance".to_owned(), user("groups", "finance")),
        ("high".to_owned(), user("clearance", "high")),
        ("do-admin".to_owned(), query),
    ])
}

fn levels() -> Vec<Level> {
    let any: FactorSet = FactorKind::ALL.into_iter().collect();
    let totp = FactorSet::EMPTY.with(FactorKind::Totp);
    let recovery = FactorSet::EMPTY.with(FactorKind::RecoveryCode);
    let level = |name: &str, slots: &[FactorSet], valid_for: Option<u64>| Level {
        name: name.to_owned(),
        slots: slots.to_vec(),
        valid_for: valid_for.map(Duration::from_secs),
        properties: Properties::EMPTY,
        remember_device: None,
    };
    vec![
        level("signed-in", &[], None),
        level("standard", &[any], Some(12 * 3600)),
        level("sensitive", &[totp], Some(900)),
        level("critical", &[totp], Some(0)),
        level("both", &[any, recovery], None),
    ]
}

/// A whole configuration around these routes.
pub fn settings(routes: Vec<Route>) -> Settings {
    let second = Duration::from_secs(1);
    Settings {
        server: Server {
            listen: vec![],
            public_url: PublicUrl { https: true, host: "mfa.example.com".to_owned(), port: None },
            tls: None,
            trusted_proxies: vec![],
            connections: Connections { most: 16_384, per_address: 1_024 },
            operations: None,
            workers: None,
            prefix: "/.stepgate".to_owned(),
            timeouts: Timeouts {
                handshake: second,
                headers: second,
                idle: second,
                body_idle: second,
                upstream_connect: second,
                upstream_response: second,
            },
            max_body: None,
            max_header: 32 << 10,
            max_target: 8 << 10,
            drain: second,
        },
        storage: Storage { database: "db".into(), state_directory: "state".into(), encryption_keys: vec![] },
        identity: vec![],
        senders: Senders::default(),
        factors: Factors {
            enabled: FactorKind::ALL.into_iter().collect(),
            totp: Totp { issuer: "Example".to_owned() },
            recovery_codes: RecoveryCodes { count: 10 },
            passkey: Passkey {
                relying_party: "mfa.example.com".to_owned(),
                name: "Example".to_owned(),
                origins: vec!["https://mfa.example.com".to_owned()],
                ..Passkey::default()
            },
            ..Factors::default()
        },
        levels: levels(),
        conditions: conditions(),
        floor: None,
        routes,
        to_upstream: ToUpstream::default(),
        sessions: Sessions { idle_timeout: second, absolute_timeout: second, activity: Activity::Actions },
        enrolment: Enrolment { first_factor: FirstFactor::Open, grace_period: None },
        passwords: Passwords { min_length: 8, breach_list: None, reset_by_mail: false },
        limits: Limits {
            wrong_answers: 5,
            window: second,
            hard_stop: 50,
            per_network_per_minute: 60,
            messages: MessageLimits::default(),
        },
        logging: Logging { format: LogFormat::Auto, level: "info".to_owned() },
        branding: Branding { name: "Example".to_owned(), support_url: None },
    }
}

/// A policy with this one route.
pub fn policy(route: Route) -> super::Policy {
    super::Policy::compile(&Arc::new(settings(vec![route]))).unwrap()
}
