//! The short way through the gate: what is let through by what is in memory, without waiting.
//!
//! It asks the same policy the same question as the long way (`judge.rs`) and only ever says yes to a plain
//! allow; everything else goes the long way from its beginning. Not being asynchronous, it costs no
//! moving of futures.

use std::sync::Arc;

use http::request::Parts;
use hyper::body::Incoming;

use super::judge::{Asker, Learned, question};
use super::{Gate, Judgement, activity, form_login, held};
use crate::ambient::UnixTime;
use crate::policy::{AllowReason, CanonicalRequest, Decision, Demand, Facts, Question, Route};
use crate::upstream::Peer;

impl Gate {
    /// Judges a request whose route is known.
    pub(super) async fn judge_on(
        &self,
        route: &Arc<Route>,
        request: CanonicalRequest,
        parts: &mut Parts,
        body: &mut Option<Incoming>,
        peer: Peer,
    ) -> Judgement {
        let now = self.now();
        match self.at_once(route, request, parts, now) {
            Ok(judgement) => judgement,
            // In a box, so that the others do not carry about what only waiting needs.
            Err(request) => Box::pin(self.at_length(route, request, parts, body, (peer, now))).await,
        }
    }

    /// What is asked of whoever comes, where that can be all there is to know.
    pub(super) fn of_anyone(
        &self,
        route: &Route,
        request: &CanonicalRequest,
        now: UnixTime,
    ) -> Option<Demand> {
        (route.may_be_public || !route.asks_person)
            .then(|| self.policy.demand(route, request, &Facts { identity: None, now }))
    }

    /// Lets through what needs nothing but memory, which is nearly everything. Whatever else it may be,
    /// the request comes back to be judged at length.
    #[expect(
        clippy::result_large_err,
        reason = "a request that comes back is moved, not copied; boxing would cost every one"
    )]
    pub(super) fn at_once(
        &self,
        route: &Arc<Route>,
        request: CanonicalRequest,
        parts: &Parts,
        now: UnixTime,
    ) -> Result<Judgement, CanonicalRequest> {
        if held::may_be_click(self, parts, &request) || self.is_watched(route, &request) {
            return Err(request);
        }
        let of_anyone = self.of_anyone(route, &request, now);
        if route.may_be_public
            && let Some(demand) = of_anyone.filter(Demand::is_public)
        {
            return self.pass(question(request, route, demand, None, Learned::NOTHING, now), parts, None);
        }
        let rooms = (&*self.shared.sessions, &self.claims);
        if !self.shared.revocations.is_stale(now)
            && self.sources.read_cookies_alone(route.identity)
            && let Some(familiar) = self.faces.recognise(&parts.headers, &request.host, rooms, now)
        {
            let asker = Some(&familiar.asker);
            let demand = self.demand(of_anyone, route, &request, asker, now);
            return self.pass(question(request, route, demand, asker, Learned::NOTHING, now), parts, asker);
        }
        Err(request)
    }

    /// A plain allow, or the request again.
    #[expect(clippy::result_large_err, reason = "as `at_once`")]
    fn pass(
        &self,
        question: Question<'_>,
        parts: &Parts,
        asker: Option<&Asker>,
    ) -> Result<Judgement, CanonicalRequest> {
        let (route, counting, now) = (question.route, question.demand.activity(), question.now);
        match self.policy.decide(question) {
            Decision::Allow(permit)
                if permit.reason() == AllowReason::Grace
                    || form_login::is_for_form(route, permit.request()) =>
            {
                Err(permit.into_parts().request)
            }
            Decision::Allow(permit) => {
                let request = permit.request();
                let Ok(onlookers) = self.onlookers((route, request), &parts.headers, asker, None) else {
                    return Err(permit.into_parts().request);
                };
                self.allowed(route, request.door);
                if let Some(asker) = asker {
                    activity::note(&asker.established, counting, &request.method, &parts.headers, now);
                }
                let outgoing = self.outgoing(&permit, route, asker);
                Ok(Judgement::Forward { permit, outgoing, body: None, onlookers })
            }
            Decision::SignIn(request) | Decision::Challenge(request, _) | Decision::Deny(request, _) => {
                Err(request)
            }
        }
    }
}
