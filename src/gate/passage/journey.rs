//! Where people were going, and what is still missing there: judged by the same policy as the gate.

use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use http::uri::{PathAndQuery, Uri};

use super::{BadReturn, Journey, Missing, Passage, PassageError};
use crate::ambient::{self, UnixTime};
use crate::challenge::view::{Caller, Purpose, Step};
use crate::gate::{canonical, inline, journeys};
use crate::policy::{
    Binding, CanonicalRequest, Deadlines, Decision, Enrolled, Facts, LevelSet, Proof, Question, Remaining,
    Reserved, Route,
};
use crate::store::{NewJourney, StoreError};

/// Proofs for one journey that were asked for within so many seconds are in one row.
const ROW: i64 = 600;

/// A journey's request, judged for one person.
pub(super) struct Judged {
    pub(super) route: Arc<Route>,
    pub(super) decision: Decision,
}

impl Passage {
    /// Keeps where the person wants to go (`return`, `rd`): a path, or a URL on a site of ours.
    ///
    /// # Errors
    /// When it is neither, or the store cannot be written.
    pub async fn begin_journey(&self, return_to: &str, method: &str) -> Result<Journey, PassageError> {
        let gate = &*self.gate;
        let (host, target) = self.parse_return(return_to).ok_or(BadReturn)?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| BadReturn)?;
        let local = IpAddr::from([127, 0, 0, 1]);
        let request = canonical::judge(method, host, target, local, &gate.policy).map_err(|_| BadReturn)?;
        if request.reserved(&gate.policy.settings().server.prefix) != Reserved::Outside {
            return Err(BadReturn.into());
        }
        let id = ambient::random_token();
        let now = gate.now();
        let journey = NewJourney {
            id: id.clone(),
            site: request.host.to_string(),
            method: request.method.to_string(),
            target: request.target.to_string(),
            subject: None,
            context: "{}".to_owned(),
            held: None,
            created: now,
            expires: now.plus(journeys::LIFE),
        };
        gate.shared.store.add_journey(journey).await?;
        self.journey(&id)
            .await?
            .ok_or_else(|| PassageError::Unavailable("the journey was not kept".to_owned()))
    }

    /// A path on the portal's own origin, or a URL whose origin is exactly that of a site of ours (G01).
    pub(super) fn parse_return(&self, text: &str) -> Option<(Arc<str>, PathAndQuery)> {
        if text.bytes().any(|b| b.is_ascii_control() || b == b'\\' || b == b' ') {
            return None;
        }
        if text.starts_with('/') {
            let path = !text.starts_with("//");
            return path.then(|| Some((self.portal_host().into(), text.parse().ok()?))).flatten();
        }
        let uri: Uri = text.parse().ok()?;
        let host = canonical::canonical_host(uri.authority()?.as_str()).ok()?;
        let host = host.trim_matches(['[', ']']).to_owned();
        self.gate.policy.route_for(&host).filter(|_| self.gate.policy.is_site(&host))?;
        let origin = self.gate.origin_of(&host);
        let rest = text.strip_prefix(&origin)?;
        let target = if rest.is_empty() { "/" } else { rest };
        target
            .starts_with('/')
            .then(|| Some((Arc::from(host), target.parse().ok()?)))
            .flatten()
    }

    /// A journey by its opaque id; `None` when unknown or older than 24 h.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn journey(&self, id: &str) -> Result<Option<Journey>, PassageError> {
        let Some(record) = self.gate.shared.store.journey(id, self.gate.now()).await? else {
            return Ok(None);
        };
        let app = self.gate.policy.route_for(&record.site).map(|route| route.name.to_string());
        let context: journeys::Context = serde_json::from_str(&record.context).unwrap_or_default();
        Ok(Some(Journey {
            id: id.to_owned(),
            site: record.site.into(),
            target: record.target,
            method: record.method,
            held: record.holds_body,
            app: app.unwrap_or_default(),
            nonce: context.nonce,
            person: context.person.map(Binding),
        }))
    }

    /// Judges the journey's request again for this person, by the same policy as the gate.
    ///
    /// # Errors
    /// When a fact cannot be looked up.
    pub async fn missing(&self, caller: &Caller, journey: &Journey) -> Result<Missing, PassageError> {
        let gate = &*self.gate;
        let now = gate.now();
        let deadlines = gate.policy.deadlines(&caller.proofs, now);
        let granted = self.granted(caller, &caller.proofs, journey, now).await?;
        let Some(judged) = self.judge(caller, journey, &deadlines, granted).await else {
            return Ok(Missing::Denied);
        };
        Ok(match judged.decision {
            Decision::Allow(_) => Missing::Nothing,
            Decision::Challenge(_, missing) => {
                let levels = gate.policy.level_names(missing.levels).map(str::to_owned).collect();
                let reason = judged.route.reason(&missing.demand).map(ToString::to_string);
                let app = judged.route.name.to_string();
                let left = self.remaining(caller, missing.levels, now).await;
                let step = self.step(caller, journey, &left, now).await?;
                // One tick is for the whole row, so it stands beside the last.
                let last = left.steps == 1;
                let remember = gate.policy.remember_for(missing.levels).filter(|_| last);
                let done = left.done.iter().collect();
                let purpose = Purpose { levels, app, reason, remember, step, done };
                Missing::Proof { purpose, accepted: left.accepted }
            }
            Decision::SignIn(_) => Missing::SignIn,
            Decision::Deny(..) => Missing::Denied,
        })
    }

    /// Until when this person may go on without any factor; `None` when they may not.
    pub async fn grace_until(&self, caller: &Caller) -> Option<UnixTime> {
        let gate = &*self.gate;
        let now = gate.now();
        let period = gate.policy.settings().enrolment.grace_period?;
        let period = i64::try_from(period.as_secs()).unwrap_or(i64::MAX);
        let until = gate.people.grace_until(&caller.identity.key, period, now).await?;
        (until > now).then_some(until)
    }

    async fn remaining(&self, caller: &Caller, levels: LevelSet, now: UnixTime) -> Remaining {
        let gate = &*self.gate;
        let on = gate.policy.settings().factors.enabled;
        let have = match gate.people.enrolled(&caller.identity.key, on).await {
            Enrolled::Kinds(kinds) => kinds,
            Enrolled::Unknown => on,
        };
        gate.policy.remaining(levels, &caller.proofs, have, now)
    }

    /// Which of several proofs in a row comes now; `None` where one is enough.
    async fn step(
        &self,
        caller: &Caller,
        journey: &Journey,
        left: &Remaining,
        now: UnixTime,
    ) -> Result<Option<Step>, StoreError> {
        let identity = &caller.identity;
        let since = now.plus(-ROW);
        let store = &self.gate.shared.store;
        let passed = store
            .challenges_passed(&identity.key, &identity.binding, &journey.id, since)
            .await?;
        let of = passed + left.steps;
        Ok((of > 1).then(|| Step { now: passed + 1, of }))
    }

    /// The levels already granted for this journey's request to whoever holds these proofs, not yet
    /// consumed.
    pub(super) async fn granted(
        &self,
        caller: &Caller,
        held: &[Proof],
        journey: &Journey,
        now: UnixTime,
    ) -> Result<LevelSet, StoreError> {
        let digest = inline::request_digest(&journey.target);
        let store = &self.gate.shared.store;
        let names = store
            .granted_levels(&caller.identity.binding, held, (&journey.method, &journey.site), &digest, now)
            .await?;
        Ok(names.iter().filter_map(|name| self.gate.policy.level_named(name)).collect())
    }

    /// `None`: the site, its target or its method is not (or no longer) one that is served.
    pub(super) async fn judge(
        &self,
        caller: &Caller,
        journey: &Journey,
        deadlines: &Deadlines,
        granted: LevelSet,
    ) -> Option<Judged> {
        let gate = &*self.gate;
        let now = gate.now();
        let request = self.request(caller, journey)?;
        let route = gate.policy.route_for(&request.host)?.clone();
        let identity =
            Some(&caller.identity).filter(|identity| self.is_accepted(route.identity, &identity.source));
        let facts = Facts { identity: identity.map(|identity| &**identity), now };
        let demand = gate.policy.demand(&route, &request, &facts);
        let settings = gate.policy.settings();
        let enrolled = gate.people.enrolled(&caller.identity.key, settings.factors.enabled).await;
        // No period of grace here: who stands at the challenge is asked, and may decline.
        let decision = gate.policy.decide(Question {
            request,
            route: &route,
            demand,
            identity: identity.cloned(),
            deadlines: Some(deadlines).filter(|_| identity.is_some()),
            enrolled,
            grace_until: None,
            granted,
            now,
        });
        Some(Judged { route, decision })
    }

    pub(super) fn request(&self, caller: &Caller, journey: &Journey) -> Option<CanonicalRequest> {
        let method = Method::from_bytes(journey.method.as_bytes()).ok()?;
        let target = journey.target.parse().ok()?;
        canonical::judge(method, Arc::clone(&journey.site), target, caller.address, &self.gate.policy).ok()
    }
}
