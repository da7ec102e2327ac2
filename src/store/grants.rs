//! Grants: a passed `valid_for: 0s` challenge, good for one request (decision 8).

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
            .bind(format!("{} {} {}", grant.proof.enrolment.0, grant.proof.at.0, grant.level))
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
    /// is still missing.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn granted_levels(
        &self,
        binding: &Binding,
        method: &str,
        host: &str,
        digest: &[u8; 32],
        now: UnixTime,
    ) -> Result<Vec<String>, StoreError> {
        within(async {
            let rows: Vec<(String,)> = sqlx::query_as(
                "SELECT DISTINCT level FROM grants WHERE binding = $1 AND digest = $2 AND method = $3 \
                 AND host = $4 AND expires > $5 AND taken IS NULL ORDER BY level",
            )
            .bind(binding.0.to_vec())
            .bind(digest.to_vec())
            .bind(method)
            .bind(host)
            .bind(now.0)
            .fetch_all(self.readers())
            .await?;
            Ok(rows.into_iter().map(|(level,)| level).collect())
        })
        .await
    }

    /// Takes every grant for this request in one conditional write and returns the levels they
    /// meet; of two requests that come together one gets them.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn take_grants(
        &self,
        binding: &Binding,
        method: &str,
        host: &str,
        digest: &[u8; 32],
        now: UnixTime,
    ) -> Result<Vec<String>, StoreError> {
        let (binding, digest) = (binding.0.to_vec(), digest.to_vec());
        let (method, host) = (method.to_owned(), host.to_owned());
        self.write(move |mut tx| async move {
            let rows: Vec<(String,)> = sqlx::query_as(
                "UPDATE grants SET taken = $5 WHERE binding = $1 AND digest = $2 AND method = $3 \
                 AND host = $4 AND expires > $5 AND taken IS NULL RETURNING level",
            )
            .bind(binding)
            .bind(digest)
            .bind(method)
            .bind(host)
            .bind(now.0)
            .fetch_all(tx.sql())
            .await?;
            let mut levels: Vec<String> = rows.into_iter().map(|(level,)| level).collect();
            levels.sort_unstable();
            levels.dedup();
            tx.commit(levels).await
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::tests::store;

    #[tokio::test]
    async fn a_grant_serves_one_request_and_only_that_request() {
        let (_guard, store) = store().await;
        let binding = Binding::new("local", "alice", "s1");
        let grant = |level: &str| Grant {
            binding,
            method: "POST".into(),
            host: "pay".into(),
            digest: [7; 32],
            level: level.into(),
            proof: Proof::new(
                crate::config::FactorKind::Totp,
                crate::policy::EnrolmentId("e1".into()),
                UnixTime(1),
            ),
        };
        store.add_grant(grant("critical"), UnixTime(120)).await.unwrap();
        store.add_grant(grant("boss"), UnixTime(120)).await.unwrap();
        let other = Binding::new("local", "alice", "s2");
        let now = UnixTime(1);
        assert!(
            store
                .take_grants(&other, "POST", "pay", &[7; 32], now)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            store
                .take_grants(&binding, "GET", "pay", &[7; 32], now)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            store
                .take_grants(&binding, "POST", "wiki", &[7; 32], now)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            store
                .take_grants(&binding, "POST", "pay", &[8; 32], now)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            store
                .take_grants(&binding, "POST", "pay", &[7; 32], UnixTime(120))
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            store
                .granted_levels(&binding, "POST", "pay", &[7; 32], now)
                .await
                .unwrap()
                .len(),
            2
        );
        assert_eq!(
            store.take_grants(&binding, "POST", "pay", &[7; 32], now).await.unwrap(),
            ["boss", "critical"]
        );
        assert!(
            store
                .take_grants(&binding, "POST", "pay", &[7; 32], now)
                .await
                .unwrap()
                .is_empty()
        );
        let elsewhere = Grant { digest: [9; 32], ..grant("boss") };
        for again in [grant("boss"), elsewhere] {
            let digest = again.digest;
            store.add_grant(again, UnixTime(120)).await.unwrap();
            let levels = store.take_grants(&binding, "POST", "pay", &digest, now).await.unwrap();
            assert!(levels.is_empty(), "e02: the same proof earns nothing more");
        }
    }
}
