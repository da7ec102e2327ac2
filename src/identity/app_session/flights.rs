//! Questions under way: parallel requests with one credential ask once and share the answer.
//!
//! Whoever came first asks; if they go away, the next one does. Keyed by the token, which covers source,
//! site and the whole credential (security.md A17).

use std::future::Future;
use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::OnceCell;

use crate::identity::IdentityError;
use crate::session::LiveSession;

type Answer = Result<Option<Arc<LiveSession>>, IdentityError>;

/// As many as there are credentials with requests waiting.
#[derive(Default)]
pub(super) struct Flights(DashMap<Box<str>, Arc<OnceCell<Answer>>>);

impl Flights {
    /// The answer to the question about `token`: of one that is under way, else of `ask`.
    pub(super) async fn share<F>(&self, token: &str, ask: impl FnOnce() -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        let cell = Arc::clone(&self.0.entry(token.into()).or_default());
        let _landing = Landing { flights: self, token, cell: &cell };
        cell.get_or_init(ask).await.clone()
    }

    /// Whoever comes from now on asks anew: what is under way may be out of date.
    pub(super) fn forget(&self, token: &str) {
        self.0.remove(token);
    }
}

/// Takes the question off the list, also when whoever waited has gone away.
struct Landing<'a> {
    flights: &'a Flights,
    token: &'a str,
    cell: &'a Arc<OnceCell<Answer>>,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        // Two: the list's and ours. Those who still wait keep theirs, and the question on the list.
        self.flights.0.remove_if(self.token, |_, listed| {
            Arc::ptr_eq(listed, self.cell) && (listed.initialized() || Arc::strong_count(listed) <= 2)
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn fifty_at_once_ask_once_and_the_list_is_empty_afterwards() {
        let (flights, asked, go) = (Flights::default(), AtomicUsize::new(0), Notify::new());
        let ask = || async {
            asked.fetch_add(1, Ordering::SeqCst);
            go.notified().await;
            Err(IdentityError::Refused("shared"))
        };
        let all = join_all((0..50).map(|_| flights.share("a", ask)));
        let (answers, ()) = tokio::join!(all, async { go.notify_one() });
        assert_eq!((asked.load(Ordering::SeqCst), answers.len()), (1, 50));
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Err(IdentityError::Refused("shared"))))
        );
        assert!(flights.0.is_empty());
    }

    #[tokio::test]
    async fn who_goes_away_leaves_the_question_to_the_next() {
        let flights = Flights::default();
        {
            let first = flights.share("a", std::future::pending);
            let second = flights.share("a", || async { Ok(None) });
            tokio::pin!(second);
            tokio::select! {
                biased;
                _ = first => unreachable!("nobody answers"),
                () = std::future::ready(()) => {}
            }
            assert!(matches!(second.await, Ok(None)));
        }
        assert!(flights.0.is_empty());
    }
}
