//! The life of challenges against a real store: what counts once, what is counted, what locks.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::view::{Caller, Purpose};
use super::{ChallengeError, Challenges};
use crate::ambient::{Clock, UnixTime};
use crate::config::settings::{FirstFactor, IdentityKind, IdentitySource, Settings};
use crate::config::{FactorKind, FactorSet};
use crate::factors::testing::enrolling;
use crate::factors::{Answer, Setup};
use crate::policy::tests_support;
use crate::policy::{Accepted, Binding, EnrolmentId, Identity, Proof, SubjectKey};
use crate::store::Store;

mod answers;
mod directories;
mod enrolment;
mod guesses;
mod new_passwords;
mod notices;
mod passwords;
mod permission;
mod services;

/// A gate with nobody in it, at a time that stands still.
struct World {
    _guard: tempfile::TempDir,
    store: Store,
    clock: Clock,
    challenges: Challenges,
}

const START: UnixTime = UnixTime(1_800_000_000);

fn settings(first_factor: FirstFactor) -> Settings {
    let mut settings = tests_support::settings(Vec::new());
    settings.identity = vec![IdentitySource { name: "local".to_owned(), kind: IdentityKind::Local }];
    settings.limits.window = Duration::from_mins(15);
    settings.enrolment.first_factor = first_factor;
    settings
}

async fn world() -> World {
    world_with(FirstFactor::Open).await
}

async fn world_with(first_factor: FirstFactor) -> World {
    let (guard, store) = crate::store::testing::store().await;
    let clock = Clock::manual(START);
    let challenges = Challenges::new(store.clone(), Arc::new(settings(first_factor)), clock.clone()).unwrap();
    World { _guard: guard, store, clock, challenges }
}

fn purpose() -> Purpose {
    Purpose {
        levels: vec!["sensitive".into()],
        app: "Payroll".into(),
        reason: None,
        remember: None,
        step: None,
        done: Vec::new(),
    }
}

fn every_kind() -> Accepted {
    Accepted::kinds_of(FactorKind::ALL.into_iter().collect())
}

fn code(text: &str) -> Answer {
    Answer::Code(text.to_owned())
}

/// A person in a session, without claim or known browser.
fn caller(name: &str) -> Caller {
    in_session(name, "s1")
}

fn in_session(name: &str, session: &str) -> Caller {
    let identity = Identity {
        source: "local".into(),
        subject: name.into(),
        key: SubjectKey::new("local", name),
        groups: None,
        name: None,
        email: None,
        attributes: std::collections::BTreeMap::new(),
        binding: Binding::new("local", name, session),
        authenticated_at: None,
    };
    Caller {
        identity: Arc::new(identity),
        proofs: vec![],
        browser: None,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        trusted_place: false,
        agent: "Firefox on Linux".to_owned(),
        language: None,
    }
}

/// An authenticator app of somebody's.
struct App {
    id: EnrolmentId,
    key: String,
}

impl App {
    /// The code that the app shows at this time.
    fn code(&self, now: UnixTime) -> String {
        app_code(&self.key, now)
    }
}

fn app_code(key: &str, now: UnixTime) -> String {
    let secret = totp_rs::Secret::try_from_base32(key).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    totp.generate(now.0.unsigned_abs()).to_string()
}

/// A code that is right at no time near this one.
fn wrong_code(app: &App, now: UnixTime) -> String {
    let right: Vec<String> = (-2..=2).map(|step| app.code(now.plus(30 * step))).collect();
    (0..10_u32)
        .map(|n| format!("{n:06}"))
        .find(|code| !right.contains(code))
        .unwrap()
}

impl World {
    fn now(&self) -> UnixTime {
        self.clock.now()
    }

    fn pass_time(&self, seconds: i64) {
        self.clock.set(self.now().plus(seconds));
    }

    /// Gives a person an authenticator app without going through pages.
    async fn app(&self, name: &str) -> App {
        let factor = self.challenges.factors().get(FactorKind::Totp).unwrap();
        let (material, setup) = factor.begin(&enrolling(name)).unwrap();
        let Setup::Totp { key, .. } = setup else {
            panic!("not an app")
        };
        let id = self.enrol(name, FactorKind::Totp, material).await;
        App { id, key }
    }

    async fn recovery_codes(&self, name: &str) -> (EnrolmentId, Vec<String>) {
        let factor = self.challenges.factors().get(FactorKind::RecoveryCode).unwrap();
        let (material, setup) = factor.begin(&enrolling(name)).unwrap();
        let Setup::RecoveryCodes { codes } = setup else {
            panic!("not codes")
        };
        (self.enrol(name, FactorKind::RecoveryCode, material).await, codes)
    }

    async fn enrol(&self, name: &str, factor: FactorKind, material: crate::factors::Material) -> EnrolmentId {
        let enrolment = crate::store::NewEnrolment { factor, name: factor.name().to_owned(), material };
        self.store
            .add_enrolment(&SubjectKey::new("local", name), enrolment, START, None)
            .await
            .unwrap()
    }

    /// Opens a challenge and returns its id.
    async fn open(&self, caller: &Caller) -> String {
        self.challenges.open(caller, purpose(), every_kind(), None).await.unwrap().id
    }

    async fn audit(&self) -> Vec<(String, String)> {
        let records = self.store.audit_after(0, 1000).await.unwrap();
        records
            .into_iter()
            .map(|record| (record.event.what, record.event.result))
            .collect()
    }
}

/// The caller, as after a proof by this enrolment now.
fn proved(mut caller: Caller, factor: FactorKind, enrolment: &EnrolmentId, at: UnixTime) -> Caller {
    caller.proofs = vec![Proof::new(factor, enrolment.clone(), at)];
    caller
}
