//! Directories: what their keys mean together.

use std::time::Duration;

use super::super::super::codes::Code;
use super::super::super::diagnostic::Diagnostic;
use super::super::super::node::Node;
use super::super::super::settings::{
    BindName, Filter, Ldap, LdapAccount, LdapGroups, LdapGroupsFrom, LdapSearch, LdapServer,
};
use super::super::super::values::{BadValue, directory, filter};
use super::super::{Build, duration, upstream};
use super::attributes;

/// People are not looked for more often than that.
const SHORTEST_RECHECK: Duration = Duration::from_mins(1);

pub(super) fn read(build: &mut Build<'_>, node: &Node) -> Option<Ldap> {
    let servers = servers(build, node);
    let authority = match node.get("authority") {
        Some(file) => Some(upstream::authority(build, file)?),
        None => None,
    };
    let bind = bind(build, node);
    let search = match node.get("search") {
        Some(search) => Some(self::search(build, search)?),
        None => None,
    };
    fits(build, node, bind.as_ref(), search.as_ref());
    let recheck = recheck(build, node, search.as_ref());
    let mut names = attributes(node);
    let mut name = |key: &str, usual: &str| names.remove(key).unwrap_or_else(|| usual.to_owned());
    Some(Ldap {
        label: node.text_of("label")?.to_owned(),
        servers,
        authority,
        bind,
        search,
        user: name("user", "uid"),
        name: name("name", "cn"),
        email: name("email", "mail"),
        attributes: names,
        groups: groups(build, node)?,
        recheck,
    })
}

fn bad(build: &mut Build<'_>, node: &Node, bad: BadValue) {
    build.report(Diagnostic::error(bad.code, bad.message).at(node.span, bad.label));
}

fn servers(build: &mut Build<'_>, node: &Node) -> Vec<LdapServer> {
    let start_tls = node.is_true("start_tls");
    let mut servers = Vec::new();
    for item in node.get("servers").map(Node::items).unwrap_or_default() {
        match item.text().map(|text| directory::server(text, start_tls)) {
            Some(Ok(server)) => servers.push(server),
            Some(Err(why)) => bad(build, item, why),
            None => {}
        }
    }
    servers
}

fn bind(build: &mut Build<'_>, node: &Node) -> Option<BindName> {
    let node = node.get("bind")?;
    let name = BindName::parse(node.text()?);
    if name.is_none() {
        build.report(
            Diagnostic::error(Code::Value, "`bind` has no `{user}`")
                .at(node.span, "everybody would sign in with this one name")
                .fix("write it as `uid={user},ou=people,dc=example,dc=com`"),
        );
    }
    name
}

fn read_filter(build: &mut Build<'_>, node: &Node, names: &[&str]) -> Option<Filter> {
    match filter::filter(node.text()?, names) {
        Ok(filter) => Some(filter),
        Err(why) => {
            bad(build, node, why);
            None
        }
    }
}

fn search(build: &mut Build<'_>, node: &Node) -> Option<LdapSearch> {
    let at = node.get("filter")?;
    let filter = read_filter(build, at, &["user"])?;
    if !filter.mentions("user") {
        build.report(
            Diagnostic::error(Code::Value, "`filter` has no `{user}`")
                .at(at.span, "it would find the same entry for everybody")
                .fix("write it as `(uid={user})`"),
        );
    }
    let account = match (node.get("bind_dn"), node.get("password")) {
        (Some(dn), Some(password)) => {
            let (dn_text, password_text) = (dn.text()?, password.text()?);
            if dn_text.is_empty() || password_text.is_empty() {
                build.report(
                    Diagnostic::error(Code::WeakSecret, "the account of `bind_dn` has no password")
                        .at(password.span, "a directory takes an empty one for nobody and lets them in"),
                );
            }
            Some(LdapAccount { dn: dn_text.to_owned(), password: password_text.into() })
        }
        (None, None) => None,
        (one, other) => {
            let at = one.or(other).map_or(node.span, |node| node.span);
            build.report(
                Diagnostic::error(Code::MissingKey, "`bind_dn` and `password` belong together")
                    .at(at, "the other one is missing"),
            );
            None
        }
    };
    Some(LdapSearch { base: node.text_of("base")?.to_owned(), filter, account })
}

/// What can only go together.
fn fits(build: &mut Build<'_>, node: &Node, bind: Option<&BindName>, search: Option<&LdapSearch>) {
    let Some(name) = bind else { return };
    let at = node.get("bind").map_or(node.span, |bind| bind.span);
    if !name.is_dn() && search.is_none() {
        build.report(
            Diagnostic::error(Code::MissingKey, "`search` is missing")
                .at(at, "this is a login name; the entry has to be looked for by the person")
                .fix("add `search` with `base` and `filter`"),
        );
    }
}

fn recheck(build: &mut Build<'_>, node: &Node, search: Option<&LdapSearch>) -> Option<Duration> {
    let every = duration(node, "recheck")?;
    let at = node.get("recheck").map_or(node.span, |recheck| recheck.span);
    if every < SHORTEST_RECHECK {
        build.report(
            Diagnostic::error(Code::Bound, "people would be looked for all the time").at(at, "1m or more"),
        );
    }
    if search.is_none_or(|search| search.account.is_none()) {
        build.report(
            Diagnostic::error(Code::Combination, "nobody could look for people again")
                .at(at, "this needs an account")
                .fix("add `search` with `bind_dn` and `password`"),
        );
    }
    Some(every)
}

fn groups(build: &mut Build<'_>, node: &Node) -> Option<LdapGroups> {
    let groups = node.get("groups")?;
    let by_dn = groups.text_of("name") == Some("dn");
    let from = if let Some(base) = groups.text_of("base") {
        let at = groups.get("filter")?;
        let filter = read_filter(build, at, &["dn", "user"])?;
        if !filter.mentions("dn") && !filter.mentions("user") {
            build.report(
                Diagnostic::error(Code::Value, "`filter` has neither `{dn}` nor `{user}`")
                    .at(at.span, "it would find the same groups for everybody")
                    .fix("write it as `(member={dn})`"),
            );
        }
        let nested = groups.is_true("nested");
        LdapGroupsFrom::Search { base: base.to_owned(), filter, nested }
    } else {
        if let Some(nested) = groups.get("nested").filter(|_| groups.is_true("nested")) {
            build.report(
                Diagnostic::error(Code::Combination, "groups of groups cannot be followed without `base`")
                    .at(nested.span, "an attribute of the entry names its own groups alone")
                    .fix("add `base`, where the groups are"),
            );
        }
        LdapGroupsFrom::Attribute(groups.text_of("attribute")?.to_owned())
    };
    Some(LdapGroups { from, by_dn })
}
