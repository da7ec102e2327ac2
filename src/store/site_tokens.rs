//! The tokens by which sites know sessions, and their replacement.
//!
//! Only hashes are kept. A replaced token is named in the feed, since other processes remember it.

use super::{RevocationKind, Store, StoreError, TokenHash, Tx};
use crate::ambient::UnixTime;

/// What came of a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Whether the new token stands for the session now; not, when that has ended.
    pub added: bool,
    /// Whether there was one to replace.
    pub any: bool,
}

impl Store {
    /// Makes `new` stand for the session at this site, and `old` for nothing, soon.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn replace_site_token(
        &self,
        old: Option<&str>,
        new: &str,
        sid: &str,
        site: &str,
        now: UnixTime,
    ) -> Result<Replaced, StoreError> {
        let (old, new) = (old.map(TokenHash::of), TokenHash::of(new));
        let (sid, site) = (sid.to_owned(), site.to_owned());
        self.write(move |mut tx| async move {
            if !tx.add_site_token(new, &sid, &site, now).await? {
                return Ok(Replaced { added: false, any: false });
            }
            let mut any = false;
            if let Some(old) = old {
                let done = sqlx::query(
                    "UPDATE site_tokens SET replaced = $3 \
                     WHERE token = $1 AND site = $2 AND replaced IS NULL",
                )
                .bind(old.bytes())
                .bind(&site)
                .bind(now.0)
                .execute(tx.sql())
                .await?;
                any = done.rows_affected() == 1;
                if any {
                    tx.revoke(RevocationKind::Token, &old.name(), now).await?;
                }
            }
            tx.commit(Replaced { added: true, any }).await
        })
        .await
    }
}

impl Tx {
    /// Whether the token now stands for this session. A token that is made of somebody else's
    /// credential may have stood for one that is over.
    pub(super) async fn add_site_token(
        &mut self,
        token: TokenHash,
        sid: &str,
        site: &str,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let added = sqlx::query(
            "INSERT INTO site_tokens (token, sid, site, created) \
             SELECT $1, sid, $3, $4 FROM sessions WHERE sid = $2 AND ended IS NULL \
             ON CONFLICT (token) DO UPDATE \
             SET sid = excluded.sid, site = excluded.site, created = excluded.created, replaced = NULL \
             WHERE site_tokens.sid = excluded.sid \
             OR (SELECT ended IS NOT NULL OR expires <= excluded.created FROM sessions \
             WHERE sid = site_tokens.sid)",
        )
        .bind(token.bytes())
        .bind(sid)
        .bind(site)
        .bind(now.0)
        .execute(self.sql())
        .await?;
        Ok(added.rows_affected() == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::tests::store;
    use crate::store::sessions::tests::session;

    #[tokio::test]
    async fn a_replaced_token_is_marked_and_told_once_at_its_own_site() {
        let (_guard, store) = store().await;
        store.start_session(session("s1"), "old", "wiki", None).await.unwrap();
        let replace = |old, new, site, at| {
            let store = store.clone();
            async move {
                store
                    .replace_site_token(Some(old), new, "s1", site, UnixTime(at))
                    .await
                    .unwrap()
            }
        };
        assert_eq!(replace("old", "a", "pay", 20).await, Replaced { added: true, any: false });
        assert_eq!(replace("old", "b", "wiki", 20).await, Replaced { added: true, any: true });
        assert_eq!(replace("old", "c", "wiki", 25).await, Replaced { added: true, any: false });
        let found = |token| {
            let store = store.clone();
            async move { store.session_by_token(token, "wiki").await.unwrap().unwrap() }
        };
        assert_eq!(found("old").await.replaced, Some(UnixTime(20)));
        assert_eq!(found("b").await.replaced, None);
        let feed = store.revocations_after(0).await.unwrap();
        assert_eq!(feed.len(), 1);
        assert_eq!((feed[0].kind, &feed[0].key), (RevocationKind::Token, &TokenHash::of("old").name()));
        store.end_session("s1", UnixTime(30), None).await.unwrap();
        assert_eq!(replace("b", "d", "wiki", 31).await, Replaced { added: false, any: false });
    }
}
