//! Opening, showing and answering challenges.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::{Attempt, Given, Target, attempt};
use super::start::started_view;
use super::target::{Inquiry, Judged};
use super::view::{Caller, ChallengeView, Outcome, Purpose};
use super::ways::{Taste, chosen, ways};
use super::{ChallengeError, Challenges};
use crate::ambient::random_token;
use crate::config::FactorKind;
use crate::factors::{Answer, Asking, Verdict};
use crate::policy::{Accepted, EnrolmentId};
use crate::store::{ChallengeRecord, Lane, NewChallenge, Stage, StoreError};

/// Seconds that a challenge lives (security.md 2.3).
const LIFE: i64 = 300;
/// A service that judges may wait for a person with a phone in their hand.
const LONGEST_ASK: Duration = Duration::from_secs(75);
/// An open challenge with less than this left is not shared any more. Seconds.
const WORTH_SHARING: i64 = 60;

impl Challenges {
    /// Opens a challenge, or finds the one that is open for the same purpose and journey.
    ///
    /// # Errors
    /// [`ChallengeError::Locked`] while no answer is judged; else when the store cannot be asked.
    pub async fn open(
        &self,
        caller: &Caller,
        purpose: Purpose,
        accepted: Accepted,
        journey: Option<&str>,
    ) -> Result<ChallengeView, ChallengeError> {
        if let Some(locked) = self.lock(caller).await? {
            return Err(ChallengeError::Locked(locked));
        }
        self.enrol_automatically(caller, accepted.kinds()).await?;
        let now = self.clock.now();
        let new = NewChallenge {
            id: random_token(),
            subject: caller.identity.key.clone(),
            binding: caller.identity.binding,
            journey: journey.unwrap_or_default().to_owned(),
            purpose: serde_json::to_string(&purpose).map_err(|_| StoreError::Corrupt("purpose"))?,
            accepted: accepted.clone(),
            opened: now,
            expires: now.plus(LIFE),
        };
        if let Some(open) = self.store.open_challenge(&new, now.plus(WORTH_SHARING)).await? {
            return self.show(caller, open).await;
        }
        let record = ChallengeRecord {
            id: new.id.clone(),
            journey: journey.map(str::to_owned),
            purpose: new.purpose.clone(),
            accepted,
            expires: new.expires,
            stage: Stage::Open,
            passed: None,
        };
        self.store.insert_challenge(new).await?;
        self.show(caller, record).await
    }

    /// The caller's challenge with this id; `None` when there is none or it is not the caller's.
    /// One that has ended is shown as expired, so that the page can begin it anew.
    ///
    /// # Errors
    /// [`ChallengeError::Locked`] while no answer is judged; else when the store cannot be asked.
    pub async fn view(&self, caller: &Caller, id: &str) -> Result<Option<ChallengeView>, ChallengeError> {
        if let Some(locked) = self.lock(caller).await? {
            return Err(ChallengeError::Locked(locked));
        }
        match self.record(caller, id).await? {
            Some(record) => self.show(caller, record).await.map(Some),
            None => Ok(None),
        }
    }

    /// What the caller's challenge is for, whether it still runs or not: its journey and purpose.
    /// Known for a day after its end.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn origin(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Option<(Option<String>, Purpose)>, ChallengeError> {
        let Some(record) = self.record(caller, id).await? else {
            return Ok(None);
        };
        let purpose = purpose(&record)?;
        Ok(Some((record.journey, purpose)))
    }

    /// Judges an answer to the caller's challenge by one of the caller's own enrolments. `None`:
    /// no such challenge, or the enrolment does not count for it.
    ///
    /// # Errors
    /// When the store cannot be asked: then nothing was judged, or nobody has been told.
    pub async fn answer(
        &self,
        caller: &Caller,
        id: &str,
        enrolment: &EnrolmentId,
        answer: Answer,
    ) -> Result<Option<Outcome>, ChallengeError> {
        let target = Target::Challenge { id: id.to_owned(), enrolment: enrolment.clone() };
        self.judge(caller, target, answer).await
    }

    /// Judges a code that came with a request (decision 17): the same counting, no challenge, and
    /// nothing the client could use again. `None`: the person has no such factor.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn verify_inline(
        &self,
        caller: &Caller,
        factor: FactorKind,
        code: &str,
    ) -> Result<Option<Outcome>, ChallengeError> {
        self.judge(caller, Target::Inline { factor }, Answer::Code(code.to_owned()))
            .await
    }

    pub(super) async fn judge(
        &self,
        caller: &Caller,
        target: Target,
        answer: Answer,
    ) -> Result<Option<Outcome>, ChallengeError> {
        let one = Attempt {
            caller: caller.clone(),
            target,
            answer,
            given: None,
            factors: Arc::clone(&self.factors),
            settings: Arc::clone(&self.settings),
            teller: self.teller(),
            now: self.clock.now(),
        };
        self.settled(one).await
    }

    /// Runs one attempt to its end, with the service asked in between where one judges.
    pub(super) async fn settled(&self, one: Attempt) -> Result<Option<Outcome>, ChallengeError> {
        let _turn = match one.target.question() {
            // Whether it is decided yet may be asked by every tab.
            Some(question) if one.answer.is_guess() => Some(self.in_line.turn(question).await?),
            _ => None,
        };
        let again = one.clone();
        let judged = match self.store.write(|tx| attempt(tx, one)).await? {
            Judged::Ask(inquiry) => {
                let given = Some(self.asked(&again, *inquiry).await);
                let second = Attempt { given, now: self.clock.now(), ..again };
                self.store.write(|tx| attempt(tx, second)).await?
            }
            judged => judged,
        };
        match judged {
            Judged::Outcome(outcome) => Ok(Some(outcome)),
            Judged::Unknown | Judged::Ask(_) => Ok(None),
            Judged::NotPermitted(permission) => Err(ChallengeError::NotPermitted(permission)),
            Judged::TooMany => Err(ChallengeError::TooMany),
        }
    }

    /// Asks the service about each candidate until one is more than wrong.
    async fn asked(&self, attempt: &Attempt, inquiry: Inquiry) -> Given {
        let Inquiry { kind, answer, candidates, counted } = inquiry;
        let mut given = Given { verdict: Ok(Verdict::Wrong), of: None, counted, waived: false };
        let Some(factor) = self.factors.get(kind) else {
            return given;
        };
        for candidate in &candidates {
            let asking = Asking {
                material: &candidate.material,
                begun: candidate.begun.as_ref(),
                answer: &answer,
                account: &attempt.caller.identity.subject,
                return_url: &self.return_url(),
                client: attempt.caller.address,
                now: attempt.now,
            };
            let asked = tokio::time::timeout(LONGEST_ASK, factor.ask(asking)).await;
            // It was asked, so it may have judged.
            let verdict = asked.unwrap_or_else(|_| Ok(Verdict::Silent("it took too long".to_owned())));
            given = Given { verdict, of: candidate.enrolment.clone(), ..given };
            if !matches!(given.verdict, Ok(Verdict::Wrong)) {
                break;
            }
        }
        given
    }

    /// Where another site sends people back to.
    pub(super) fn return_url(&self) -> String {
        let server = &self.settings.server;
        format!("{}{}/challenge/return", server.public_url.origin(), server.prefix)
    }

    async fn record(&self, caller: &Caller, id: &str) -> Result<Option<ChallengeRecord>, StoreError> {
        self.store.challenge(&caller.identity.key, &caller.identity.binding, id).await
    }

    async fn show(&self, caller: &Caller, record: ChallengeRecord) -> Result<ChallengeView, ChallengeError> {
        let now = self.clock.now();
        let purpose = purpose(&record)?;
        let key = self.factor_counter(caller).await?;
        let count = self.store.counter(&key).await?;
        let enrolled = self.store.enrolments(&caller.identity.key).await?;
        let default = self.store.person(&caller.identity.key).await?.and_then(|p| p.default_enrolment);
        let taste = Taste {
            accepted: &record.accepted,
            companions: self.settings.factors.companions,
            browser: caller.browser.as_deref().filter(|_| key.lane == Lane::Known),
            default: default.as_ref(),
            done: &purpose.done,
            now,
        };
        let mut ways = ways(enrolled, &self.factors, &taste);
        if record.stage == Stage::Open {
            for started in self.store.started(&caller.identity.key, &record.id).await? {
                let way = ways.iter_mut().find(|way| Some(&way.enrolment) == started.enrolment.as_ref());
                if let Some(way) = way.filter(|_| started.expires > now) {
                    way.started = Some(started_view(&started));
                }
            }
        }
        let ended = record.stage != Stage::Open;
        Ok(ChallengeView {
            purpose,
            id: record.id,
            chosen: chosen(&ways),
            ways,
            expires_at: if ended {
                record.expires.min(now)
            } else {
                record.expires
            },
            attempts_left: self.figures().attempts_left(&count, now),
        })
    }
}

fn purpose(record: &ChallengeRecord) -> Result<Purpose, StoreError> {
    serde_json::from_str(&record.purpose).map_err(|_| StoreError::Corrupt("purpose"))
}
