//! A directory that knows people and their passwords.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

use super::super::Filter;

/// A source of type `ldap`.
#[derive(Debug, Clone)]
pub struct Ldap {
    /// What people call it.
    pub label: String,
    /// Asked in this order.
    pub servers: Vec<LdapServer>,
    /// PEM of the only authorities that are believed; else the system's.
    pub authority: Option<String>,
    /// Without it people are looked for first.
    pub bind: Option<BindName>,
    pub search: Option<LdapSearch>,
    /// Attribute whose one value is the person's canonical name here.
    pub user: String,
    pub name: String,
    pub email: String,
    /// Further attributes for conditions, by the name that these give them.
    pub attributes: BTreeMap<String, String>,
    pub groups: LdapGroups,
    /// How often people who are signed in are looked for again.
    pub recheck: Option<Duration>,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapServer {
    pub host: String,
    pub port: u16,
    pub security: LdapSecurity,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LdapSecurity {
    Tls,
    /// TLS begins on the plain port.
    StartTls,
    /// This machine only.
    Loopback,
}

/// Where people are.
#[derive(Debug, Clone)]
pub struct LdapSearch {
    pub base: String,
    /// With `{user}`.
    pub filter: Filter,
    /// Who looks. Without it: nobody, or with `bind` the person.
    pub account: Option<LdapAccount>,
}

/// The service's own account.
#[derive(Debug, Clone)]
pub struct LdapAccount {
    pub dn: String,
    pub password: SecretString,
}

/// What stands around `{user}` in a name to bind with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindName {
    pub before: String,
    pub after: String,
}

/// Where a person's groups come from.
#[derive(Debug, Clone)]
pub struct LdapGroups {
    pub from: LdapGroupsFrom,
    /// Known by their full name, not by its first value.
    pub by_dn: bool,
}

/// Likewise.
#[derive(Debug, Clone)]
pub enum LdapGroupsFrom {
    /// Names of groups in the person's entry.
    Attribute(String),
    Search {
        base: String,
        /// With `{dn}` or `{user}`.
        filter: Filter,
        /// Whether groups of groups are followed here.
        nested: bool,
    },
}

impl BindName {
    /// `None`: `{user}` does not stand in it exactly once.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.split_once("{user}")?;
        let once = !after.contains("{user}");
        once.then(|| Self { before: before.to_owned(), after: after.to_owned() })
    }

    /// Whether it makes the name of an entry; else it is a login name like `{user}@example.com`.
    #[must_use]
    pub fn is_dn(&self) -> bool {
        self.before.contains('=')
    }
}

impl std::fmt::Display for LdapServer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}
