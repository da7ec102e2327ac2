//! Invitations to enrol a first factor: one use, for one person (decision 24).

use super::transaction::within;
use super::{AuditEvent, Store, StoreError, TokenHash, Tx};
use crate::ambient::UnixTime;
use crate::policy::{Binding, SubjectKey};

const IS_INVITED: &str = "SELECT used_at FROM invitations WHERE subject_key = $1 AND used_in = $2 AND \
                          expires > $3 LIMIT 1";

impl Store {
    /// Whether this person has redeemed an invitation in this very session, and it still counts.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn is_invited(
        &self,
        subject: &SubjectKey,
        binding: &Binding,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        within(async {
            let row: Option<(i64,)> = sqlx::query_as(IS_INVITED)
                .bind(subject.as_str())
                .bind(binding.0.to_vec())
                .bind(now.0)
                .fetch_optional(self.readers())
                .await?;
            Ok(row.is_some())
        })
        .await
    }

    /// Keeps an invitation for `subject`. Earlier ones of that person count no more.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn create_invitation(
        &self,
        token: &str,
        subject: &SubjectKey,
        now: UnixTime,
        expires: UnixTime,
        audit: Option<AuditEvent>,
    ) -> Result<(), StoreError> {
        let (token, subject) = (TokenHash::of(token), subject.clone());
        self.write(move |mut tx| async move {
            tx.void_invitations(&subject).await?;
            sqlx::query(
                "INSERT INTO invitations (token, subject_key, created, expires) VALUES ($1, $2, $3, $4)",
            )
            .bind(token.bytes())
            .bind(subject.as_str())
            .bind(now.0)
            .bind(expires.0)
            .execute(tx.sql())
            .await?;
            tx.audit_if(audit).await?;
            tx.commit(()).await
        })
        .await
    }

    /// Uses the invitation in this session, if it is this person's, unused and not run out.
    ///
    /// # Errors
    /// When the database is busy or refuses.
    pub async fn redeem_invitation(
        &self,
        token: &str,
        subject: &SubjectKey,
        binding: &Binding,
        now: UnixTime,
        audit: Option<AuditEvent>,
    ) -> Result<bool, StoreError> {
        let (token, subject, binding) = (TokenHash::of(token), subject.clone(), *binding);
        self.write(move |mut tx| async move {
            let used = sqlx::query(
                "UPDATE invitations SET used_at = $4, used_in = $3 WHERE token = $1 AND subject_key = $2 \
                 AND used_at IS NULL AND expires > $4",
            )
            .bind(token.bytes())
            .bind(subject.as_str())
            .bind(binding.0.to_vec())
            .bind(now.0)
            .execute(tx.sql())
            .await?
            .rows_affected()
                == 1;
            if used {
                tx.audit_if(audit).await?;
            }
            tx.commit(used).await
        })
        .await
    }
}

impl Tx {
    /// As [`Store::is_invited`], in this transaction's view.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn is_invited(
        &mut self,
        subject: &SubjectKey,
        binding: &Binding,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let row: Option<(i64,)> = sqlx::query_as(IS_INVITED)
            .bind(subject.as_str())
            .bind(binding.0.to_vec())
            .bind(now.0)
            .fetch_optional(self.sql())
            .await?;
        Ok(row.is_some())
    }

    /// Ends every invitation of a person: a new one was made, or a factor was enrolled or reset.
    pub(super) async fn void_invitations(&mut self, subject: &SubjectKey) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM invitations WHERE subject_key = $1")
            .bind(subject.as_str())
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
    async fn an_invitation_is_for_one_person_and_one_use() {
        let (_guard, store) = store().await;
        let (alice, bob) = (SubjectKey::new("local", "alice"), SubjectKey::new("local", "bob"));
        let here = Binding::new("local", "alice", "s1");
        store
            .create_invitation("old", &alice, UnixTime(0), UnixTime(100), None)
            .await
            .unwrap();
        store
            .create_invitation("new", &alice, UnixTime(0), UnixTime(100), None)
            .await
            .unwrap();
        let redeem = async |token: &str, who: &SubjectKey, at| {
            store.redeem_invitation(token, who, &here, UnixTime(at), None).await.unwrap()
        };
        assert!(!redeem("old", &alice, 1).await);
        assert!(!redeem("new", &bob, 1).await);
        assert!(!redeem("new", &alice, 100).await);
        assert!(redeem("new", &alice, 1).await);
        assert!(!redeem("new", &alice, 1).await);
    }
}
