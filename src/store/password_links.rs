//! Links with which local users choose a new password: one use each, and all gone with the password.

use super::transaction::within;
use super::{Store, StoreError, TokenHash, Tx};
use crate::ambient::UnixTime;

impl Store {
    /// Whose link this is, while it can be used. Uses nothing up.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn password_link(&self, token: &str, now: UnixTime) -> Result<Option<String>, StoreError> {
        within(async {
            let row: Option<(String,)> =
                sqlx::query_as("SELECT name FROM password_links WHERE token = $1 AND expires > $2")
                    .bind(TokenHash::of(token).bytes())
                    .bind(now.0)
                    .fetch_optional(self.readers())
                    .await?;
            Ok(row.map(|(name,)| name))
        })
        .await
    }
}

impl Tx {
    /// Keeps a link for the user of this name.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn insert_password_link(
        &mut self,
        token: &str,
        name: &str,
        now: UnixTime,
        expires: UnixTime,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO password_links (token, name, created, expires) VALUES ($1, $2, $3, $4)")
            .bind(TokenHash::of(token).bytes())
            .bind(name)
            .bind(now.0)
            .bind(expires.0)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// Uses a link up: whose it was, if it could still be used.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn take_password_link(
        &mut self,
        token: &str,
        now: UnixTime,
    ) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> =
            sqlx::query_as("DELETE FROM password_links WHERE token = $1 AND expires > $2 RETURNING name")
                .bind(TokenHash::of(token).bytes())
                .bind(now.0)
                .fetch_optional(self.sql())
                .await?;
        Ok(row.map(|(name,)| name))
    }

    /// Every link of a user: the password has changed.
    pub(super) async fn void_password_links(&mut self, name: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM password_links WHERE name = $1")
            .bind(name)
            .execute(self.sql())
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::tests::store;

    #[tokio::test]
    async fn a_link_is_used_once_and_not_late() {
        let (_guard, store) = store().await;
        let keep = async |token: &'static str| {
            store
                .write(move |mut tx| async move {
                    tx.insert_password_link(token, "anna", UnixTime(0), UnixTime(100)).await?;
                    tx.commit(()).await
                })
                .await
                .unwrap();
        };
        let take = async |token: &'static str, at| {
            store
                .write(move |mut tx| async move {
                    let name = tx.take_password_link(token, UnixTime(at)).await?;
                    tx.commit(name).await
                })
                .await
                .unwrap()
        };
        keep("one").await;
        keep("two").await;
        assert_eq!(store.password_link("one", UnixTime(99)).await.unwrap().as_deref(), Some("anna"));
        assert_eq!(store.password_link("one", UnixTime(100)).await.unwrap(), None);
        assert_eq!(take("one", 100).await, None);
        assert_eq!(take("one", 99).await.as_deref(), Some("anna"));
        assert_eq!(take("one", 99).await, None, "one use");
        assert_eq!(store.password_link("two", UnixTime(1)).await.unwrap().as_deref(), Some("anna"));
    }
}
