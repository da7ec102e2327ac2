//! The groups of a person, and the groups of those groups.
//!
//! More groups than are followed are an error, never a shorter list: a condition may ask for somebody
//! who is *not* in a group.

use std::collections::BTreeSet;

use super::connection::LdapError;
use super::message::{Entry, Scope, Search};
use super::person::group_names;
use super::pool::{Judged, Pool};
use crate::config::settings::{LdapGroups, LdapGroupsFrom};

/// Questions about one person's groups of groups.
const MOST_SEARCHES: usize = 64;
/// Groups that one question may find.
const MOST_FOUND: u32 = 512;
/// RFC 4511 4.5.1.8: no attribute at all.
const NO_ATTRIBUTES: &[&str] = &["1.1"];

/// As whom the directory is searched.
pub(super) enum Seeker<'a, 'p> {
    Service(&'a Pool),
    Person(&'a mut Judged<'p>),
}

impl Seeker<'_, '_> {
    pub(super) async fn search(&mut self, search: &Search<'_>) -> Result<Vec<Entry>, LdapError> {
        match self {
            Self::Service(pool) => pool.search(search).await,
            Self::Person(judged) => judged.search(search).await,
        }
    }
}

/// The names of the groups of this person.
pub(super) async fn of(
    settings: &LdapGroups,
    seeker: &mut Seeker<'_, '_>,
    user: &str,
    entry: &Entry,
) -> Result<Vec<String>, LdapError> {
    let names = match &settings.from {
        LdapGroupsFrom::Attribute(attribute) => group_names(settings, entry.texts(attribute)),
        LdapGroupsFrom::Search { .. } => {
            let found = search(settings, seeker, user, &entry.dn).await?;
            group_names(settings, found.iter().map(String::as_str))
        }
    };
    names.ok_or(LdapError::Lies("more than 256 groups"))
}

/// The full names of all groups, breadth first, each once.
async fn search(
    settings: &LdapGroups,
    seeker: &mut Seeker<'_, '_>,
    user: &str,
    dn: &str,
) -> Result<Vec<String>, LdapError> {
    let LdapGroupsFrom::Search { base, filter, nested } = &settings.from else {
        return Ok(Vec::new());
    };
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let mut members = vec![(dn.to_owned(), user)];
    for _ in 0..MOST_SEARCHES {
        let Some((dn, user)) = members.pop() else {
            return Ok(found);
        };
        let known = [("dn", dn.as_str()), ("user", user)];
        let (scope, most) = (Scope::Subtree, MOST_FOUND);
        let groups = seeker
            .search(&Search { base, scope, filter, known: &known, attributes: NO_ATTRIBUTES, most })
            .await?;
        for group in groups.into_iter().map(|group| group.dn) {
            if seen.insert(group.to_lowercase()) {
                if *nested {
                    members.push((group.clone(), ""));
                }
                found.push(group);
            }
        }
    }
    if members.is_empty() {
        Ok(found)
    } else {
        Err(LdapError::Lies("more groups of groups than are followed"))
    }
}
