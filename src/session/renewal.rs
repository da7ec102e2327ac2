//! A new token for the same session, at every step that changes what it is worth (security.md F01).
//!
//! Whoever had planted or copied the old one is left with nothing. Requests that were under way when it was
//! replaced still come with it, from other tabs, so it stands for [`OVERLAP`] seconds longer; in that time it
//! is worth no more than before: what was newly proved is in the claim, which only the new answer carries.

use super::sessions::Sessions;
use crate::ambient::{self, UnixTime};
use crate::store::StoreError;

/// Seconds for which a replaced token is still taken.
pub const OVERLAP: i64 = 10;

impl Sessions {
    /// A fresh identity cookie value for this session at `site`, in the place of the `old` one that this
    /// browser came with, whatever session that stood for.
    ///
    /// # Errors
    /// When the store cannot be written. `None`: the session has ended.
    pub async fn renew(
        &self,
        session: &str,
        old: Option<&str>,
        site: &str,
        now: UnixTime,
    ) -> Result<Option<String>, StoreError> {
        let token = ambient::random_token();
        let replaced = self.store.replace_site_token(old, &token, session, site, now).await?;
        if replaced.any {
            self.catch_up(now).await?;
        }
        Ok(replaced.added.then_some(token))
    }
}
