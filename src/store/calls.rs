//! What a telephone call will say, kept sealed from the moment the call is asked for until the person
//! has pressed a key, and never longer than the call can last.

use secrecy::{ExposeSecret as _, SecretSlice};

use super::seal::Place;
use super::transaction::within;
use super::{Store, StoreError, TokenHash, Tx};
use crate::ambient::UnixTime;

fn place(token: &TokenHash) -> Place<'_> {
    Place { table: "calls", column: "sealed", row: &token.0 }
}

impl Tx {
    /// Keeps what the call of this token says, until `expires`.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn put_call(
        &mut self,
        token: &str,
        says: &SecretSlice<u8>,
        expires: UnixTime,
    ) -> Result<(), StoreError> {
        let token = TokenHash::of(token);
        let sealed = self.ring().seal(place(&token), says.expose_secret())?;
        sqlx::query("INSERT INTO calls (token, sealed, expires) VALUES ($1, $2, $3)")
            .bind(token.bytes())
            .bind(sealed)
            .bind(expires.0)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// Forgets a call that surely was not made.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn drop_call(&mut self, token: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM calls WHERE token = $1")
            .bind(TokenHash::of(token).bytes())
            .execute(self.sql())
            .await?;
        Ok(())
    }
}

impl Store {
    /// What the call will say, without using it up: its first words carry no code.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn call(&self, token: &str, now: UnixTime) -> Result<Option<SecretSlice<u8>>, StoreError> {
        let token = TokenHash::of(token);
        within(async {
            let row: Option<(Vec<u8>,)> =
                sqlx::query_as("SELECT sealed FROM calls WHERE token = $1 AND expires > $2")
                    .bind(token.bytes())
                    .bind(now.0)
                    .fetch_optional(self.readers())
                    .await?;
            Ok(match row {
                Some((sealed,)) => Some(self.ring().open(place(&token), &sealed)?),
                None => None,
            })
        })
        .await
    }

    /// What the call says now, once.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn take_call(&self, token: &str, now: UnixTime) -> Result<Option<SecretSlice<u8>>, StoreError> {
        let token = TokenHash::of(token);
        self.write(move |mut tx| async move {
            let row: Option<(Vec<u8>,)> =
                sqlx::query_as("DELETE FROM calls WHERE token = $1 AND expires > $2 RETURNING sealed")
                    .bind(token.bytes())
                    .bind(now.0)
                    .fetch_optional(tx.sql())
                    .await?;
            let Some((sealed,)) = row else {
                return Ok(None);
            };
            let says = tx.ring().open(place(&token), &sealed)?;
            tx.commit(Some(says)).await
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::tests::store;

    async fn kept(store: &Store, token: &'static str) {
        store
            .write(move |mut tx| async move {
                tx.put_call(token, &b"12345678".to_vec().into(), UnixTime(60)).await?;
                tx.commit(()).await
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_call_is_heard_once_in_its_time_and_never_by_guessing() {
        let (_guard, store) = store().await;
        kept(&store, "token").await;
        assert!(store.call("other", UnixTime(1)).await.unwrap().is_none());
        assert!(store.take_call("other", UnixTime(1)).await.unwrap().is_none());
        assert!(store.call("token", UnixTime(60)).await.unwrap().is_none());
        assert!(store.take_call("token", UnixTime(60)).await.unwrap().is_none());
        for _ in 0..2 {
            let says = store.call("token", UnixTime(59)).await.unwrap().unwrap();
            assert_eq!(says.expose_secret(), b"12345678");
        }
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let store = store.clone();
            tasks.spawn(async move { store.take_call("token", UnixTime(59)).await.unwrap().is_some() });
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|taken| *taken).count(), 1);
        assert!(store.call("token", UnixTime(1)).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_code_is_not_in_the_database_and_what_was_not_called_is_forgotten() {
        let (_guard, store) = store().await;
        kept(&store, "one").await;
        kept(&store, "two").await;
        let rows: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as("SELECT token, sealed FROM calls")
            .fetch_all(store.readers())
            .await
            .unwrap();
        for (token, sealed) in rows {
            assert!(!sealed.windows(8).any(|window| window == b"12345678") && token != b"one");
        }
        let drop = store.write(|mut tx| async move {
            tx.drop_call("one").await?;
            tx.commit(()).await
        });
        drop.await.unwrap();
        assert!(store.call("one", UnixTime(1)).await.unwrap().is_none());
        assert_eq!(store.purge(UnixTime(59)).await.unwrap(), 0);
        assert_eq!(store.purge(UnixTime(60)).await.unwrap(), 1);
    }
}
