//! From a checked tree to [`Settings`]: what the parts mean together.
//!
//! The walk has reported everything that is wrong with one value alone, and has filled in the
//! defaults. Here a part that cannot be read is left out without a word, and only problems between
//! parts are reported. Nothing is ever replaced by a guess: with any error there are no settings.

mod conditions;
mod duo;
mod factors;
mod form_login;
mod front;
mod identity;
mod levels;
mod outward;
mod passable;
mod passkey;
mod passwords;
mod process;
mod reach;
mod routes;
mod senders;
mod sites;
mod tokens;
mod upstream;

use std::collections::BTreeMap;
use std::time::Duration;

use super::diagnostic::{Diagnostic, Problems};
use super::node::Node;
use super::settings::{Condition, Settings};
use super::source::{Environment, SourceMap, Span};
use super::values::{BadValue, quantity};

use levels::LevelTable;

/// What every part of the build sees.
pub(super) struct Build<'a> {
    pub root: &'a Node,
    pub sources: &'a SourceMap,
    pub problems: &'a mut Problems,
    pub levels: LevelTable,
    pub conditions: BTreeMap<String, Condition>,
}

impl Build<'_> {
    fn report(&mut self, problem: Diagnostic) {
        self.problems.push(problem);
    }

    fn line(&self, span: Span) -> u32 {
        self.sources.place(span).line
    }
}

/// Builds the settings. `None` when a part that must be there cannot be read, which is reported.
pub(super) fn build(
    root: &Node,
    sources: &SourceMap,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<Settings> {
    let factors = factors::factors(root, problems);
    let levels = LevelTable::build(root, &factors, problems);
    let conditions = conditions::conditions(root, problems);
    let mut build = Build { root, sources, problems, levels, conditions };
    let identity = identity::sources(&mut build);
    let senders = senders::senders(&mut build);
    let floor = routes::floor(&mut build);
    let to_upstream = outward::to_upstream(&mut build);
    let routes = routes::routes(&mut build, &identity, &to_upstream);
    outward::check(&mut build, &identity);
    let enrolment = process::enrolment(&mut build);
    let passwords = passwords::passwords(&mut build, &factors, &senders);
    let sessions = process::sessions(&mut build);
    let storage = process::storage(&mut build, environment);
    passable::passable(&mut build, &factors);
    let server = process::server(&mut build);
    if let Some(server) = &server {
        sites::check(&mut build, server);
        identity::app_session::check(&mut build, &server.public_url, &identity, &routes);
    }
    process::warn_of_wide_proxies(&mut build);
    let limits = process::limits(root, build.problems);
    Some(Settings {
        server: server?,
        storage,
        identity,
        factors,
        senders,
        levels: build.levels.into_levels(),
        conditions: build.conditions,
        floor,
        routes,
        to_upstream,
        sessions: sessions?,
        enrolment,
        passwords: passwords?,
        limits: limits?,
        logging: process::logging(root),
        branding: process::branding(root),
    })
}

/// Reads the value of a key; `None` when it is absent or was reported already.
fn value<T>(node: &Node, key: &str, read: fn(&str) -> Result<T, BadValue>) -> Option<T> {
    read(node.text_of(key)?).ok()
}

/// Reads every item of a key's list.
fn values<T>(node: &Node, key: &str, read: fn(&str) -> Result<T, BadValue>) -> Vec<T> {
    let Some(node) = node.get(key) else {
        return Vec::new();
    };
    node.items().iter().filter_map(|item| read(item.text()?).ok()).collect()
}

fn duration(node: &Node, key: &str) -> Option<Duration> {
    value(node, key, quantity::duration)
}
