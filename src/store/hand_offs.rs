//! One-time codes that carry a session and its claim from the portal to another site.

use secrecy::{ExposeSecret, SecretSlice};

use super::seal::Place;
use super::{Store, StoreError, TokenHash};
use crate::ambient::UnixTime;

/// What the other site gets for the code.
pub struct HandOff {
    pub sid: Option<String>,
    /// JSON of the gate's own.
    pub payload: SecretSlice<u8>,
}

fn place(code: &TokenHash) -> Place<'_> {
    Place { table: "hand_offs", column: "sealed", row: &code.0 }
}

impl Store {
    /// Keeps what `site` may fetch with `code` until `expires`.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn add_hand_off(
        &self,
        code: &str,
        site: &str,
        hand_off: HandOff,
        expires: UnixTime,
    ) -> Result<(), StoreError> {
        let (code, site) = (TokenHash::of(code), site.to_owned());
        self.write(move |mut tx| async move {
            let sealed = tx.ring().seal(place(&code), hand_off.payload.expose_secret())?;
            sqlx::query(
                "INSERT INTO hand_offs (code, site, sid, sealed, expires) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(code.bytes())
            .bind(site)
            .bind(hand_off.sid)
            .bind(sealed)
            .bind(expires.0)
            .execute(tx.sql())
            .await?;
            tx.commit(()).await
        })
        .await
    }

    /// Takes the hand-off, once, if it is for this site and has not run out.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn take_hand_off(
        &self,
        code: &str,
        site: &str,
        now: UnixTime,
    ) -> Result<Option<HandOff>, StoreError> {
        let (code, site) = (TokenHash::of(code), site.to_owned());
        self.write(move |mut tx| async move {
            let row: Option<(Option<String>, Vec<u8>)> = sqlx::query_as(
                "DELETE FROM hand_offs WHERE code = $1 AND site = $2 AND expires > $3 RETURNING sid, sealed",
            )
            .bind(code.bytes())
            .bind(site)
            .bind(now.0)
            .fetch_optional(tx.sql())
            .await?;
            let Some((sid, sealed)) = row else {
                return Ok(None);
            };
            let payload = tx.ring().open(place(&code), &sealed)?;
            tx.commit(Some(HandOff { sid, payload })).await
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::tests::store;

    #[tokio::test]
    async fn a_code_works_once_at_its_site_in_its_time() {
        let (_guard, store) = store().await;
        let hand_off = HandOff { sid: Some("s1".into()), payload: b"{}".to_vec().into() };
        store.add_hand_off("code", "wiki", hand_off, UnixTime(60)).await.unwrap();
        assert!(store.take_hand_off("code", "pay", UnixTime(1)).await.unwrap().is_none());
        assert!(store.take_hand_off("code", "wiki", UnixTime(60)).await.unwrap().is_none());
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let store = store.clone();
            tasks.spawn(
                async move { store.take_hand_off("code", "wiki", UnixTime(1)).await.unwrap().is_some() },
            );
        }
        let taken = tasks.join_all().await;
        assert_eq!(taken.into_iter().filter(|taken| *taken).count(), 1);
    }
}
