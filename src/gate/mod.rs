//! Canonical request → route → identity → claim → facts → decision.
//!
//! The gate feeds the policy its facts, lazily, and turns the decision into what a door can
//! answer. It never decides by itself and never talks to an upstream.

mod activity;
pub mod answer;
mod at_once;
pub mod audit;
pub mod canonical;
mod carry_out;
pub mod check;
pub mod client;
mod doorstep;
pub mod entrance;
mod facts;
mod familiar;
pub mod farewell;
mod form_login;
mod forwarded;
mod guesses;
mod hand_off;
pub(crate) mod held;
mod inline;
mod journeys;
mod judge;
pub mod judgement;
pub mod limits;
mod onlookers;
mod outgoing;
pub mod pages;
pub mod passage;
pub mod readings;
mod site;
mod standing;
mod vouch;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use foldhash::fast::FixedState;
use prometheus_client::metrics::counter::Counter;

use crate::ambient::{Clock, UnixTime};
use crate::challenge::{BuildError, Challenges};
use crate::config::Settings;
use crate::config::settings::{IdentitySource, SourceSet};
use crate::identity::guesses::Guesses;
use crate::identity::{Building, SourceError, Sources};
use crate::observe::metrics;
use crate::observe::metrics::DecisionLabels;
use crate::policy::{CompileError, Door, Policy, Route};
use crate::session::{Claims, CookieMode, KeyRing, Revocations, Sessions};
use crate::store::Store;

pub use audit::AuditQueue;
pub use form_login::LogIn;
pub use judgement::Judgement;
pub use onlookers::Onlookers;
pub use passage::Passage;
pub use standing::{InUse, Overseer};

/// What outlives a reload of the configuration.
pub struct Shared {
    pub store: Store,
    /// Where the key ring's file is.
    pub state_directory: PathBuf,
    pub clock: Clock,
    pub ring: Arc<ArcSwap<KeyRing>>,
    pub revocations: Arc<Revocations>,
    pub sessions: Arc<Sessions>,
    pub challenges: Challenges,
    pub audit: AuditQueue,
    /// The rules that new requests are judged by.
    pub in_use: InUse,
    pub mode: CookieMode,
    /// Sign-in, challenge and enrolment, per client network.
    pub attempts: limits::NetworkLimit,
    /// Journeys begun, per client network.
    pub journeys: limits::NetworkLimit,
    /// Audit records of requests by nobody in particular, per client network.
    pub strangers: limits::NetworkLimit,
}

/// The gate of one configuration.
pub struct Gate {
    shared: Arc<Shared>,
    policy: Arc<Policy>,
    /// The challenge room under this configuration: its factors and its limits.
    challenges: Challenges,
    sources: Sources,
    claims: Claims,
    people: facts::People,
    informer: outgoing::Informer,
    faces: familiar::Faces,
    /// Sign-ins to apps through their own forms, of late.
    attempts: form_login::Attempts,
    answers: answer::Answers,
    /// Plain allows by route and door, looked up once.
    allowed: HashMap<Box<str>, [OnceLock<Counter>; Door::COUNT], FixedState>,
}

/// Why there is no gate for a configuration.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    #[error(transparent)]
    Policy(#[from] CompileError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Header(#[from] outgoing::BadHeaderName),
    #[error(transparent)]
    Challenges(#[from] BuildError),
}

impl Gate {
    /// Builds the gate of a configuration.
    ///
    /// # Errors
    /// When something in it cannot be compiled, which `check` has already told.
    pub fn new(
        shared: Arc<Shared>,
        settings: &Arc<Settings>,
        pages: Arc<dyn pages::Pages>,
    ) -> Result<Self, GateError> {
        let policy = Arc::new(Policy::compile(settings)?);
        let challenges = shared.challenges.with_settings(Arc::clone(settings))?;
        let automatic = challenges.factors().automatic();
        let guesses: Arc<dyn Guesses> =
            Arc::new(guesses::Spaced { shared: Arc::clone(&shared), counting: challenges.clone() });
        let building = Building {
            sessions: &shared.sessions,
            store: &shared.store,
            clock: &shared.clock,
            public_url: &policy.settings().server.public_url,
            policy: &policy,
            guesses: &guesses,
        };
        Ok(Self {
            challenges,
            sources: Sources::new(&settings.identity, &building)?,
            claims: Claims::new(
                Arc::clone(&shared.ring),
                Arc::clone(&shared.revocations),
                Arc::clone(&policy),
            ),
            people: facts::People::new(shared.store.clone(), Arc::clone(&shared.revocations), automatic),
            informer: outgoing::Informer::new(settings)?,
            faces: familiar::Faces::new(),
            attempts: form_login::Attempts::new(),
            answers: answer::Answers::new(pages, settings),
            allowed: allow_counters(settings),
            policy,
            shared,
        })
    }

    /// The compiled rules.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// What outlives a reload.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The challenge room under this gate's configuration.
    #[must_use]
    pub const fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// The gate's own answers, for doors that meet an error of their own.
    #[must_use]
    pub fn answers(&self) -> &answer::Answers {
        &self.answers
    }

    /// Whether requests to protected routes can be judged at the moment.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.shared.revocations.is_stale(self.now())
    }

    fn now(&self) -> UnixTime {
        self.shared.clock.now()
    }

    /// The origin of a site: the portal's scheme and port, this host (security.md B06).
    fn origin_of(&self, host: &str) -> String {
        self.policy.settings().server.public_url.origin_of(host)
    }

    /// Where a browser that is on this host finds this target. One that begins with two slashes
    /// would by itself name another site (security.md G01), so it comes with its origin.
    fn place(&self, host: &str, target: &str) -> String {
        if target.starts_with("//") {
            format!("{}{target}", self.origin_of(host))
        } else {
            target.to_owned()
        }
    }

    /// The configured sources among the accepted ones.
    fn accepted(&self, accepted: SourceSet) -> impl Iterator<Item = &IdentitySource> {
        let sources = self.policy.settings().identity.iter().enumerate();
        sources
            .filter(move |(index, _)| accepted.contains(*index))
            .map(|(_, source)| source)
    }

    /// Whether people can sign in on our own pages with one of the accepted sources.
    fn has_sign_in(&self, accepted: SourceSet) -> bool {
        self.accepted(accepted).any(|source| source.kind.signs_in())
    }

    /// Counts a plain allow without looking the counter up by its labels.
    fn allowed(&self, route: &Arc<Route>, door: Door) {
        if let Some(counter) = self.allowed.get(&*route.name).and_then(|doors| doors.get(door as usize)) {
            counter.get_or_init(|| allow_counter(&route.name, door)).inc();
        }
    }
}

fn allow_counters(settings: &Settings) -> HashMap<Box<str>, [OnceLock<Counter>; Door::COUNT], FixedState> {
    settings
        .routes
        .iter()
        .map(|route| (route.name.as_str().into(), Default::default()))
        .collect()
}

fn allow_counter(route: &str, door: Door) -> Counter {
    let labels = DecisionLabels { route: route.to_owned(), decision: "allow", mode: door.name() };
    metrics().decisions.get_or_create(&labels).clone()
}
