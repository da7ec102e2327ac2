//! Sign-in ceremonies that have been used. One that has not is kept by the browser, sealed, so that
//! strangers who look at the sign-in page fill nothing here.

use super::{StoreError, TokenHash, Tx};
use crate::ambient::UnixTime;

impl Tx {
    /// Uses a ceremony up; `false` when it was used before. `expires`: when it cannot be used anyway.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn use_ceremony(&mut self, id: &TokenHash, expires: UnixTime) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO used_ceremonies (id, expires) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
        )
        .bind(id.bytes())
        .bind(expires.0)
        .execute(self.sql())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::tests::store;

    #[tokio::test]
    async fn a_ceremony_is_used_once_and_forgotten_when_it_has_run_out() {
        let (_guard, store) = store().await;
        let used = |id: &'static str| {
            let store = store.clone();
            async move {
                store
                    .write(move |mut tx| async move {
                        let first = tx.use_ceremony(&TokenHash::of(id), UnixTime(100)).await?;
                        tx.commit(first).await
                    })
                    .await
                    .unwrap()
            }
        };
        assert!(used("one").await && !used("one").await && used("two").await);
        assert_eq!(store.purge(UnixTime(99)).await.unwrap(), 0);
        assert_eq!(store.purge(UnixTime(100)).await.unwrap(), 2);
    }
}
