//! The polls that are under way. Duo's hang until there is news; a page asks every few seconds. So one
//! task per transaction follows it to its end, and pages look at what it has learnt: a poll that were
//! broken off could lose the news.
//!
//! What is here is a memory, no record: another process, or this one after a restart, asks Duo again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::auth_api::{AuthApi, Status};
use super::service::CallFailed;
use crate::ambient::UnixTime;

/// Transactions followed at one time; more is somebody's attack.
const MOST: usize = 4096;
/// Longer than any push or call lives.
const LONGEST: Duration = Duration::from_secs(180);
/// Calls that fail in a row before the transaction is given up.
const FAILURES: u32 = 5;
/// Polls without news before it is given up: Duo's own wait for most of a minute, and say the same
/// of a transaction they do not know.
const SILENCES: u32 = 30;
/// How long one look waits for news.
const LOOK: Duration = Duration::from_secs(3);

/// How a transaction ended, once it has.
type End = Option<Result<Status, CallFailed>>;

#[derive(Default)]
pub(super) struct Polls(Mutex<HashMap<String, Poll>>);

struct Poll {
    end: watch::Receiver<End>,
    until: Instant,
}

impl Polls {
    /// How the transaction ended, or `None` while it waits.
    pub(super) async fn look(&self, api: &Arc<AuthApi>, now: UnixTime, txid: &str) -> End {
        let Some(mut end) = self.follow(api, now, txid) else {
            return Some(Err(CallFailed::OutOfReach("too many people are being asked".to_owned())));
        };
        let end = match timeout(LOOK, end.wait_for(Option::is_some)).await {
            Ok(Ok(end)) => end.clone(),
            // The task has ended without a word.
            Ok(Err(_)) => Some(Err(CallFailed::Nonsense("the poll was lost"))),
            Err(_) => None,
        };
        if let Some(Err(_)) = &end {
            // Who looks again asks again.
            self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(txid);
        }
        end
    }

    /// The poll that is under way, or a new one. `None` when there are too many.
    fn follow(&self, api: &Arc<AuthApi>, now: UnixTime, txid: &str) -> Option<watch::Receiver<End>> {
        let mut polls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(poll) = polls.get(txid) {
            return Some(poll.end.clone());
        }
        let began = Instant::now();
        polls.retain(|_, poll| poll.until > began);
        if polls.len() >= MOST {
            return None;
        }
        let (tell, end) = watch::channel(None);
        let (api, id) = (Arc::clone(api), txid.to_owned());
        tokio::spawn(async move {
            let ended = timeout(LONGEST, to_its_end(&api, &id, now, began)).await;
            // Nobody may be looking any more.
            let _ = tell.send(Some(ended.unwrap_or(Err(CallFailed::Nonsense("it never ended")))));
        });
        // Kept for as long again: a second look, of another tab, must see the same end.
        polls.insert(txid.to_owned(), Poll { end: end.clone(), until: began + LONGEST * 2 });
        Some(end)
    }
}

/// `now` is the time at `began`: what is signed later carries what has passed since.
async fn to_its_end(api: &AuthApi, txid: &str, now: UnixTime, began: Instant) -> Result<Status, CallFailed> {
    let (mut failures, mut silences) = (0, 0);
    loop {
        let passed = i64::try_from(began.elapsed().as_secs()).unwrap_or_default();
        match api.status(txid, now.plus(passed)).await {
            Ok(Some(status)) if !status.is_waiting() => return Ok(status),
            Ok(Some(_)) => failures = 0,
            Ok(None) => {
                silences += 1;
                if silences == SILENCES {
                    return Err(CallFailed::Nonsense("it knows nothing of this transaction"));
                }
                pause().await;
            }
            Err(failed) => {
                failures += 1;
                if failures == FAILURES || !failed.is_outage() {
                    return Err(failed);
                }
                pause().await;
            }
        }
    }
}

/// So that a service that answers at once with nothing is not asked without a breath.
async fn pause() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}
