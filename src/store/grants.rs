//! Grants: a passed `valid_for: 0s` challenge, good for one request (decision 8).
//!
//! A grant serves only whoever holds the proof that earned it: where a source ties all of a person's
//! sign-ins to one binding, another browser of theirs must never take it.

use super::transaction::within;
use super::{Store, StoreError};
use crate::ambient::UnixTime;
use crate::policy::{Binding, Proof};

/// The request a grant is for, and the level it meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub binding: Binding,
    pub method: String,
    pub host: String,
    /// SHA-256 of path and query.
    pub digest: [u8; 32],
    /// Name of the level that was met.
    pub level: String,
    /// The proof that met it. One proof earns one grant for a level, however often the answer
    /// that made it is posted (security.md E02).
    pub proof: Proof,
}

impl Store {
    /// Keeps a grant until `expires`, unless its proof has earned one for this level before.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn add_grant(&self, grant: Grant, expires: UnixTime) -> Result<(), StoreError> {
        self.write(move |mut tx| async move {
            sqlx::query(
                "INSERT INTO grants (id, binding, method, host, digest, level, expires) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
            )
            .bind(id_of(&grant))
            .bind(grant.binding.0.to_vec())
            .bind(grant.method)
            .bind(grant.host)
            .bind(grant.digest.to_vec())
            .bind(grant.level)
            .bind(expires.0)
            .execute(tx.sql())
            .await?;
            tx.commit(()).await
        })
        .await
    }

    /// Names of the levels that grants for this request meet, without taking any: for knowing what
    /// is still missing. `held`: the proofs in the claim of whoever asks.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn granted_levels(
        &self,
        binding: &Binding,
        held: &[Proof],
        (method, host): (&str, &str),
        digest: &[u8; 32],
        now: UnixTime,
    ) -> Result<Vec<String>, StoreError> {
        within(async {
            let rows: Vec<(String, String)> = sqlx::query_as(WAITING)
                .bind(binding.0.to_vec())
                .bind(digest.to_vec())
                .bind(method)
                .bind(host)
                .bind(now.0)
                .fetch_all(self.readers())
                .await?;
            let held = rows.into_iter().filter(|(id, _)| is_earned_by(id, held));
            Ok(each_once(held.map(|(_, level)| level).collect()))
        })
        .await
    }

    /// Takes every grant for this request that a proof in `held` has earned, each by a conditional
    /// write, and returns the levels they meet; of two requests that come together one gets them.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn take_grants(
        &self,
        binding: &Binding,
        held: Vec<Proof>,
        (method, host): (&str, &str),
        digest: &[u8; 32],
        now: UnixTime,
    ) -> Result<Vec<String>, StoreError> {
        let (binding, digest) = (binding.0.to_vec(), digest.to_vec());
        let (method, host) = (method.to_owned(), host.to_owned());
        self.write(move |mut tx| async move {
            let rows: Vec<(String, String)> = sqlx::query_as(WAITING)
                .bind(binding)
                .bind(digest)
                .bind(method)
                .bind(host)
                .bind(now.0)
                .fetch_all(tx.sql())
                .await?;
            let mut levels = Vec::new();
            for (id, level) in rows.into_iter().filter(|(id, _)| is_earned_by(id, &held)) {
                let taken = sqlx::query("UPDATE grants SET taken = $2 WHERE id = $1 AND taken IS NULL")
                    .bind(id)
                    .bind(now.0)
                    .execute(tx.sql())
                    .await?;
                if taken.rows_affected() == 1 {
                    levels.push(level);
                }
            }
            tx.commit(each_once(levels)).await
        })
        .await
    }
}

/// Grants for one request that nobody has taken.
const WAITING: &str = "SELECT id, level FROM grants WHERE binding = $1 AND digest = $2 AND method = $3 \
                       AND host = $4 AND expires > $5 AND taken IS NULL";

/// What a grant is kept under: its proof, and the level.
fn id_of(grant: &Grant) -> String {
    format!("{} {} {}", grant.proof.enrolment.0, grant.proof.at.0, grant.level)
}

/// Whether one of these proofs is the grant's own, or a newer one by the same enrolment, which takes the
/// older one's place in a claim.
fn is_earned_by(id: &str, held: &[Proof]) -> bool {
    let mut parts = id.splitn(3, ' ');
    let (Some(enrolment), Some(Ok(at))) = (parts.next(), parts.next().map(str::parse::<i64>)) else {
        return false;
    };
    held.iter().any(|proof| *proof.enrolment.0 == *enrolment && proof.at.0 >= at)
}

fn each_once(mut levels: Vec<String>) -> Vec<String> {
    levels.sort_unstable();
    levels.dedup();
    levels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::tests::store;

    const NOW: UnixTime = UnixTime(1);

    fn proof(enrolment: &str, at: i64) -> Proof {
        let enrolment = crate::policy::EnrolmentId(enrolment.into());
        Proof::new(crate::config::FactorKind::Totp, enrolment, UnixTime(at))
    }

    fn grant(level: &str) -> Grant {
        Grant {
            binding: Binding::new("local", "alice", "s1"),
            method: "POST".into(),
            host: "pay".into(),
            digest: [7; 32],
            level: level.into(),
            proof: proof("e1", 1),
        }
    }

    async fn take(store: &Store, like: &Grant, held: &[Proof], now: UnixTime) -> Vec<String> {
        let request = (like.method.as_str(), like.host.as_str());
        let taken = store.take_grants(&like.binding, held.to_vec(), request, &like.digest, now);
        taken.await.unwrap()
    }

    #[tokio::test]
    async fn a_grant_serves_one_request_and_only_that_request() {
        let (_guard, store) = store().await;
        let held = [proof("e1", 1)];
        store.add_grant(grant("critical"), UnixTime(120)).await.unwrap();
        store.add_grant(grant("boss"), UnixTime(120)).await.unwrap();
        for other in [
            Grant { binding: Binding::new("local", "alice", "s2"), ..grant("boss") },
            Grant { method: "GET".into(), ..grant("boss") },
            Grant { host: "wiki".into(), ..grant("boss") },
            Grant { digest: [8; 32], ..grant("boss") },
        ] {
            assert!(take(&store, &other, &held, NOW).await.is_empty(), "{other:?}");
        }
        let it = grant("boss");
        assert!(take(&store, &it, &held, UnixTime(120)).await.is_empty(), "too late");
        let waiting = store.granted_levels(&it.binding, &held, ("POST", "pay"), &it.digest, NOW);
        assert_eq!(waiting.await.unwrap().len(), 2);
        assert_eq!(take(&store, &it, &held, NOW).await, ["boss", "critical"]);
        assert!(take(&store, &it, &held, NOW).await.is_empty());
        let elsewhere = Grant { digest: [9; 32], ..grant("boss") };
        for again in [grant("boss"), elsewhere] {
            store.add_grant(again.clone(), UnixTime(120)).await.unwrap();
            let levels = take(&store, &again, &held, NOW).await;
            assert!(levels.is_empty(), "e02: the same proof earns nothing more");
        }
    }

    #[tokio::test]
    async fn a_grant_is_for_whoever_holds_the_proof_that_earned_it() {
        let (_guard, store) = store().await;
        let it = Grant { proof: proof("e1", 50), ..grant("critical") };
        store.add_grant(it.clone(), UnixTime(120)).await.unwrap();
        // Another browser of the same binding: nothing proved, another factor, an older proof.
        for held in [&[][..], &[proof("e2", 60)], &[proof("e1", 49)]] {
            let waiting = store.granted_levels(&it.binding, held, ("POST", "pay"), &it.digest, NOW);
            assert!(waiting.await.unwrap().is_empty(), "{held:?}");
            assert!(take(&store, &it, held, NOW).await.is_empty(), "{held:?}");
        }
        // A later proof has taken the place of the one that earned it.
        let held = [proof("e2", 1), proof("e1", 51)];
        assert_eq!(take(&store, &it, &held, NOW).await, ["critical"]);
    }
}
