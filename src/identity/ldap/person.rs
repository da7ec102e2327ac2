//! What an entry of the directory says about a person.
//!
//! The canonical name is the one value of one attribute, folded, so that every spelling somebody types
//! is the same person (security.md B08). An entry without exactly one such value is nobody.

use std::collections::BTreeMap;

use super::dn;
use super::message::Entry;
use crate::config::settings::{Ldap, LdapGroups, LdapGroupsFrom};
use crate::identity::grammar;
use crate::session::NewPerson;

/// Values of one attribute that are kept.
const MOST_VALUES: usize = 64;
/// Flags of `userAccountControl` (Active Directory): disabled.
const ACCOUNT_DISABLED: u32 = 2;

/// The attributes that are asked for.
pub(super) fn asked(settings: &Ldap) -> Vec<&str> {
    let mut names = vec![settings.user.as_str(), &settings.name, &settings.email];
    names.extend(settings.attributes.values().map(String::as_str));
    if let LdapGroupsFrom::Attribute(attribute) = &settings.groups.from {
        names.push(attribute);
    }
    names.extend([
        "userAccountControl",
        "nsAccountLock",
        "loginDisabled",
        "pwdAccountLockedTime",
    ]);
    names
}

/// The canonical name, if the entry has exactly one.
pub(super) fn subject(settings: &Ldap, entry: &Entry) -> Option<String> {
    let mut values = entry.texts(&settings.user);
    let value = grammar::value(values.next()?).ok()?;
    values.next().is_none().then(|| grammar::fold(value))
}

/// Whether the directory keeps this account and lets nobody in with it. Each kind of server has a mark
/// of its own; where none is there, binding alone tells.
pub(super) fn is_disabled(entry: &Entry) -> bool {
    let is_set = |attribute: &str| entry.texts(attribute).any(|value| value.eq_ignore_ascii_case("true"));
    let control = entry.texts("userAccountControl").find_map(|value| value.parse::<u32>().ok());
    control.is_some_and(|control| control & ACCOUNT_DISABLED != 0)
        || is_set("nsAccountLock")
        || is_set("loginDisabled")
        // Locked by an administrator, for good (draft-behera-ldap-password-policy 5.3.3).
        || entry.texts("pwdAccountLockedTime").any(|value| value == "000001010000Z")
}

/// Everything but the groups.
pub(super) fn person(source: &str, settings: &Ldap, subject: &str, entry: &Entry) -> NewPerson {
    let first = |attribute: &str| {
        entry
            .texts(attribute)
            .find_map(|value| grammar::value(value).ok())
            .map(str::to_owned)
    };
    let attributes: BTreeMap<String, Vec<String>> = settings
        .attributes
        .iter()
        .map(|(name, attribute)| {
            let values = entry.texts(attribute).filter(|value| grammar::value(value).is_ok());
            (name.clone(), values.take(MOST_VALUES).map(str::to_owned).collect())
        })
        .collect();
    NewPerson {
        name: first(&settings.name),
        email: first(&settings.email),
        attributes,
        ..NewPerson::new(source, subject)
    }
}

/// Groups by the names that conditions know them by. One whose name breaks the grammar cannot stand in
/// a condition, and is left out. `None`: more than anybody may have.
pub(super) fn group_names<'a>(
    settings: &LdapGroups,
    names: impl Iterator<Item = &'a str>,
) -> Option<Vec<String>> {
    let mut groups: Vec<String> = names
        .filter_map(|name| {
            if settings.by_dn {
                Some(name.to_owned())
            } else {
                dn::first_value(name)
            }
        })
        .filter(|name| grammar::value(name).is_ok())
        .collect();
    groups.sort_unstable();
    groups.dedup();
    (groups.len() <= grammar::MOST_GROUPS).then_some(groups)
}
