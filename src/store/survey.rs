//! Which kinds of factor people have, read from a database beside a server that may be running.
//!
//! Only counts come out of it. It never writes, needs no key, and names nobody.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::transaction::DEADLINE;
use crate::config::{FactorKind, FactorSet};

/// What each person has enrolled; `None` when there is no database, or it cannot be read.
pub async fn survey(database: &Path) -> Option<Vec<FactorSet>> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .read_only(true)
        .create_if_missing(false);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(DEADLINE)
        .connect_with(options)
        .await
        .ok()?;
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT DISTINCT subject_key, factor FROM enrolments")
        .fetch_all(&pool)
        .await
        .ok()?;
    pool.close().await;
    let mut people: BTreeMap<String, FactorSet> = BTreeMap::new();
    for (person, factor) in rows {
        let has = people.entry(person).or_default();
        if let Some(kind) = FactorKind::from_name(&factor) {
            *has = has.with(kind);
        }
    }
    Some(people.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::UnixTime;
    use crate::factors::Material;
    use crate::policy::SubjectKey;
    use crate::store::NewEnrolment;
    use crate::store::open::tests::store;

    #[tokio::test]
    async fn people_are_counted_beside_a_running_store() {
        let (guard, store) = store().await;
        for (person, factor) in [
            ("a", FactorKind::Totp),
            ("a", FactorKind::Sms),
            ("b", FactorKind::Sms),
        ] {
            let enrolment = NewEnrolment { factor, name: "x".into(), material: Material::new(vec![1], 0) };
            let key = SubjectKey::new("local", person);
            store.add_enrolment(&key, enrolment, UnixTime(0), None).await.unwrap();
        }
        let file = guard.path().join("state/stepgate.db");
        let sms = FactorSet::EMPTY.with(FactorKind::Sms);
        assert_eq!(survey(&file).await, Some(vec![sms.with(FactorKind::Totp), sms]));
        assert_eq!(survey(&guard.path().join("other.db")).await, None);
        assert!(!guard.path().join("other.db").exists());
    }
}
