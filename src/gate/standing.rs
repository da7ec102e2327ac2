//! Whether what the gate let through would be let through still.
//!
//! An allowed exchange rests on a session, a claim and the rules. This asks each of them again, from
//! memory alone, whenever one of them may have changed; the policy says what that means. Watching
//! counts as no activity: the idle limit of a session runs by requests, or a socket in a forgotten tab
//! would keep it alive for ever.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use super::judge::Asker;
use super::{Gate, Shared};
use crate::ambient::UnixTime;
use crate::observe::metrics;
use crate::policy::{Deadlines, Lapse, LevelSet, Permit, Policy, Since};
use crate::session::Remembered;
use crate::store::AuditEvent;
use crate::upstream::{Over, Oversight, Standing, Watched};

/// Characters of a path that an audit record keeps.
const LONGEST_PATH: usize = 256;
/// Audit records on their way at once.
const RECORDS: usize = 256;

/// The rules that new requests are judged by, for those who began under older ones.
#[derive(Default)]
pub struct InUse {
    policy: ArcSwapOption<Policy>,
    changes: AtomicU64,
}

impl InUse {
    /// From now on these.
    pub fn replace(&self, policy: &Arc<Policy>) {
        self.policy.store(Some(Arc::clone(policy)));
        self.changes.fetch_add(1, Ordering::Release);
    }
}

/// What the exchanges of one person, with one claim, on one route rest on.
pub(super) struct Warrant {
    pub shared: Arc<Shared>,
    /// What judged them.
    pub policy: Arc<Policy>,
    pub claim: Option<Arc<Remembered>>,
    /// Id of a first-factor session that we keep ourselves.
    pub session: Option<Arc<str>>,
    /// End of the first factor.
    pub expires: UnixTime,
}

impl Gate {
    /// What an exchange of this person rests on if it goes on.
    pub(super) fn warrant(&self, asker: &Asker) -> Warrant {
        Warrant {
            shared: Arc::clone(&self.shared),
            policy: Arc::clone(&self.policy),
            claim: asker.claim.clone(),
            session: asker.established.session.clone(),
            expires: asker.established.expires,
        }
    }
}

impl Standing for Warrant {
    fn look(&self, permit: &Permit) -> Result<UnixTime, Over> {
        let now = self.shared.clock.now();
        if self.shared.revocations.is_stale(now) {
            return Err(UNVERIFIABLE);
        }
        let session = self.session_until(now)?;
        let in_use = self.shared.in_use.policy.load_full();
        let policy = in_use.as_ref().unwrap_or(&self.policy);
        let same = Arc::ptr_eq(policy, &self.policy);
        let proofs = self.proofs(permit, policy, same, now);
        let waived = if same {
            permit.waived()
        } else {
            self.named(permit.waived(), policy)
        };
        let since = Since { deadlines: proofs.deadlines(), waived, now };
        let until = policy.stands(permit, since).map_err(|lapse| match lapse {
            Lapse::Rules => RULES,
            Lapse::Proof if proofs.taken() => REVOKED,
            Lapse::Proof if !same => RULES,
            Lapse::Proof => STALE,
        })?;
        Ok(until.min(session).min(proofs.expire()))
    }
}

impl Warrant {
    fn session_until(&self, now: UnixTime) -> Result<UnixTime, Over> {
        if self.expires <= now {
            return Err(EXPIRED);
        }
        let Some(session) = &self.session else {
            return Ok(self.expires);
        };
        if self.shared.revocations.is_ended(session) {
            return Err(SESSION_ENDED);
        }
        match self.shared.sessions.idle_until(session) {
            Some(idle) if now < idle => Ok(self.expires.min(idle)),
            _ => Err(IDLE),
        }
    }

    /// What the claim proves now, to this policy.
    fn proofs(&self, permit: &Permit, policy: &Policy, same: bool, now: UnixTime) -> Proofs<'_> {
        let (Some(remembered), Some(identity)) = (&self.claim, permit.identity()) else {
            return Proofs::None;
        };
        let claim = &remembered.claim;
        let revocations = &self.shared.revocations;
        if revocations.is_void(&claim.session, &identity.key, claim.issued_at) {
            return Proofs::Taken;
        }
        if claim.expires_at <= now {
            return Proofs::None;
        }
        let removed = claim.proofs.iter().filter(|proof| revocations.is_void_proof(proof)).count();
        if same && removed == 0 {
            return Proofs::Known(&remembered.deadlines, claim.expires_at);
        }
        let left: Vec<_> = claim
            .proofs
            .iter()
            .filter(|proof| !revocations.is_void_proof(proof))
            .cloned()
            .collect();
        Proofs::Judged(policy.deadlines(&left, now), claim.expires_at, removed > 0)
    }

    /// The levels of the same names in another policy.
    fn named(&self, levels: LevelSet, policy: &Policy) -> LevelSet {
        self.policy
            .level_names(levels)
            .filter_map(|name| policy.level_named(name))
            .collect()
    }
}

/// What a claim still proves.
enum Proofs<'a> {
    /// There is no claim, or its time is over.
    None,
    /// It was revoked.
    Taken,
    /// As it was, until the claim ends.
    Known(&'a Deadlines, UnixTime),
    /// Judged anew; whether something was taken away.
    Judged(Deadlines, UnixTime, bool),
}

impl Proofs<'_> {
    const fn deadlines(&self) -> Option<&Deadlines> {
        match self {
            Self::None | Self::Taken => None,
            Self::Known(deadlines, _) => Some(deadlines),
            Self::Judged(deadlines, ..) => Some(deadlines),
        }
    }

    const fn taken(&self) -> bool {
        matches!(self, Self::Taken | Self::Judged(_, _, true))
    }

    /// When to look again because the claim ends.
    const fn expire(&self) -> UnixTime {
        match self {
            Self::None | Self::Taken => UnixTime::NEVER,
            Self::Known(_, at) | Self::Judged(_, at, _) => *at,
        }
    }
}

/// Ends what is over, with a count and a record of each.
pub struct Overseer(pub Arc<Shared>);

impl Oversight for Overseer {
    fn now(&self) -> UnixTime {
        self.0.clock.now()
    }

    fn epoch(&self) -> u64 {
        let changes = self.0.in_use.changes.load(Ordering::Acquire);
        self.0.revocations.generation().wrapping_add(changes << 32)
    }

    fn took_note(&self, ended: Vec<Arc<Watched>>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            for some in ended.chunks(RECORDS) {
                let mut records = tokio::task::JoinSet::new();
                for watched in some {
                    let Some(event) = record(watched, shared.clock.now()) else {
                        continue;
                    };
                    let audit = shared.audit.clone();
                    // What cannot be recorded is counted by the queue; it is over all the same.
                    records.spawn(async move { audit.record(event).await });
                }
                while records.join_next().await.is_some() {}
            }
        })
    }
}

fn record(watched: &Watched, now: UnixTime) -> Option<AuditEvent> {
    let over = watched.over()?;
    let (kind, permit) = (watched.kind().name(), watched.permit());
    metrics().ended(kind, over.reason);
    let request = permit.request();
    let event = AuditEvent::new(now, "long_lived.ended", over.reason)
        .from(request.client)
        .route(&permit.route().name)
        .with("kind", kind)
        .with("path", request.target.path().chars().take(LONGEST_PATH).collect::<String>());
    Some(match permit.identity() {
        Some(identity) => event.who(identity.key.as_str()),
        None => event,
    })
}

const SESSION_ENDED: Over = ended("session_ended", "the session has ended");
const REVOKED: Over = ended("revoked", "a proof does not count any more");
const RULES: Over = ended("rules", "more must be proved here now");
const EXPIRED: Over = Over { by_time: true, ..ended("session_expired", "the session has run out") };
const IDLE: Over = Over { by_time: true, ..ended("idle", "the session was idle for too long") };
const STALE: Over = Over { by_time: true, ..ended("stale", "the proof is too old") };
const UNVERIFIABLE: Over = Over { try_again: true, ..ended("unverifiable", "try again later") };

const fn ended(reason: &'static str, text: &'static str) -> Over {
    Over { reason, text, by_time: false, try_again: false }
}
