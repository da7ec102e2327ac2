//! Trusted browsers as stored: whose, the hash of the token that is good now and of the one before,
//! and the proofs that it stands for (security.md E25).
//!
//! Whether a token is good is judged in the challenge room. One that is forgotten is in the revocation
//! feed as well, so that what it brought back into running sessions counts no more.

use super::transaction::within;
use super::{RevocationKind, Store, StoreError, TokenHash, Tx};
use crate::ambient::UnixTime;
use crate::policy::{Proof, SubjectKey, TrustId};

/// Trusted browsers kept for one person; beyond that the one unused for longest goes.
const MAX_PER_PERSON: i64 = 10;

/// A trusted browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedBrowser {
    pub id: TrustId,
    /// The token that is good now.
    pub token: TokenHash,
    /// The one before it, and since when it is not the newest.
    pub previous: Option<TokenHash>,
    pub rotated: UnixTime,
    /// With their original times.
    pub proofs: Vec<Proof>,
    /// "Firefox on Linux".
    pub agent: String,
    pub created: UnixTime,
    pub last_used: UnixTime,
    pub expires: UnixTime,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    token: Vec<u8>,
    previous: Option<Vec<u8>>,
    rotated: i64,
    proofs: String,
    agent: String,
    created: i64,
    last_used: i64,
    expires: i64,
}

impl TryFrom<Row> for TrustedBrowser {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let hash = |bytes: Vec<u8>| bytes.try_into().map(TokenHash).ok();
        Ok(Self {
            id: TrustId(row.id.into()),
            token: hash(row.token).ok_or(StoreError::Corrupt("token of a trusted browser"))?,
            previous: row.previous.and_then(hash),
            rotated: UnixTime(row.rotated),
            proofs: serde_json::from_str(&row.proofs)
                .map_err(|_| StoreError::Corrupt("proofs of a trusted browser"))?,
            agent: row.agent,
            created: UnixTime(row.created),
            last_used: UnixTime(row.last_used),
            expires: UnixTime(row.expires),
        })
    }
}

const LIST: &str = "SELECT id, token, previous, rotated, proofs, agent, created, last_used, expires \
                    FROM trusted_browsers WHERE subject_key = $1 AND expires > $2 ORDER BY last_used DESC, id";
const BY_ID: &str = "SELECT id, token, previous, rotated, proofs, agent, created, last_used, expires \
                     FROM trusted_browsers WHERE subject_key = $1 AND id = $2";
const BY_BROWSER: &str = "SELECT id, token, previous, rotated, proofs, agent, created, last_used, expires \
                          FROM trusted_browsers WHERE subject_key = $1 AND browser = $2";

impl Store {
    /// This person's trusted browsers that have not run out, the last used first.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn trusted_browsers(
        &self,
        subject: &SubjectKey,
        now: UnixTime,
    ) -> Result<Vec<TrustedBrowser>, StoreError> {
        within(async {
            let rows: Vec<Row> = sqlx::query_as(LIST)
                .bind(subject.as_str())
                .bind(now.0)
                .fetch_all(self.readers())
                .await?;
            rows.into_iter().map(TrustedBrowser::try_from).collect()
        })
        .await
    }
}

impl Tx {
    /// One of this person's trusted browsers, whether it has run out or not.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn trusted_browser(
        &mut self,
        subject: &SubjectKey,
        id: &TrustId,
    ) -> Result<Option<TrustedBrowser>, StoreError> {
        let row: Option<Row> = sqlx::query_as(BY_ID)
            .bind(subject.as_str())
            .bind(&*id.0)
            .fetch_optional(self.sql())
            .await?;
        row.map(TrustedBrowser::try_from).transpose()
    }

    /// The one that this person trusts in the browser with this known-browser token.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn trusted_browser_in(
        &mut self,
        subject: &SubjectKey,
        browser: &str,
    ) -> Result<Option<TrustedBrowser>, StoreError> {
        let row: Option<Row> = sqlx::query_as(BY_BROWSER)
            .bind(subject.as_str())
            .bind(TokenHash::of(browser).bytes())
            .fetch_optional(self.sql())
            .await?;
        row.map(TrustedBrowser::try_from).transpose()
    }

    /// Writes a trusted browser whole, new or not. `browser` is its known-browser token.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn put_trusted_browser(
        &mut self,
        subject: &SubjectKey,
        browser: &str,
        trusted: &TrustedBrowser,
    ) -> Result<(), StoreError> {
        let proofs = serde_json::to_string(&trusted.proofs).map_err(|_| StoreError::Corrupt("proofs"))?;
        sqlx::query(
            "INSERT INTO trusted_browsers \
             (id, subject_key, browser, token, previous, rotated, proofs, agent, created, last_used, expires) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO UPDATE SET \
             browser = $3, token = $4, previous = $5, rotated = $6, proofs = $7, agent = $8, \
             last_used = $10, expires = $11 WHERE trusted_browsers.subject_key = $2",
        )
        .bind(&*trusted.id.0)
        .bind(subject.as_str())
        .bind(TokenHash::of(browser).bytes())
        .bind(trusted.token.bytes())
        .bind(trusted.previous.map(|hash| hash.bytes()))
        .bind(trusted.rotated.0)
        .bind(proofs)
        .bind(&trusted.agent)
        .bind(trusted.created.0)
        .bind(trusted.last_used.0)
        .bind(trusted.expires.0)
        .execute(self.sql())
        .await?;
        sqlx::query(
            "DELETE FROM trusted_browsers WHERE id IN (SELECT id FROM trusted_browsers \
             WHERE subject_key = $1 ORDER BY last_used DESC, id LIMIT 1000 OFFSET $2)",
        )
        .bind(subject.as_str())
        .bind(MAX_PER_PERSON)
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// Puts the next token in the place of the one that was good; `false` when it was not any more.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn rotate_trusted_browser(
        &mut self,
        subject: &SubjectKey,
        id: &TrustId,
        from: TokenHash,
        to: TokenHash,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE trusted_browsers SET token = $4, previous = $3, rotated = $5, last_used = $5 \
             WHERE id = $1 AND subject_key = $2 AND token = $3",
        )
        .bind(&*id.0)
        .bind(subject.as_str())
        .bind(from.bytes())
        .bind(to.bytes())
        .bind(now.0)
        .execute(self.sql())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Forgets one trusted browser and tells every process; `false` when the person has no such one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_trusted_browser(
        &mut self,
        subject: &SubjectKey,
        id: &TrustId,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM trusted_browsers WHERE id = $1 AND subject_key = $2")
            .bind(&*id.0)
            .bind(subject.as_str())
            .execute(self.sql())
            .await?
            .rows_affected()
            == 1;
        if done {
            self.revoke(RevocationKind::Enrolment, &id.0, now).await?;
        }
        Ok(done)
    }

    /// Forgets every trusted browser of a person and tells every process.
    pub(super) async fn forget_trusted_browsers(
        &mut self,
        subject: &SubjectKey,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let gone: Vec<(String,)> =
            sqlx::query_as("DELETE FROM trusted_browsers WHERE subject_key = $1 RETURNING id")
                .bind(subject.as_str())
                .fetch_all(self.sql())
                .await?;
        for (id,) in gone {
            self.revoke(RevocationKind::Enrolment, &id, now).await?;
        }
        Ok(())
    }
}
