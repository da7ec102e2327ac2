//! Senders by name, and which of them each channel uses.

mod gateway;
mod smpp;
mod smtp;
mod vendors;

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::codes::Code;
use super::super::diagnostic::Diagnostic;
use super::super::grammar::Scalar;
use super::super::node::{Entry, Node};
use super::super::settings::{Channel, Sender, SenderKind, Senders};
use super::{Build, duration};

/// Messages go through one after the other while somebody waits.
const MOST_IN_A_ROW: usize = 4;

pub(super) fn senders(build: &mut Build<'_>) -> Senders {
    let root = build.root;
    let entries = root.get("senders").map(Node::entries).unwrap_or_default();
    let list: Vec<Sender> = entries.iter().filter_map(|entry| sender(build, entry)).collect();
    let routes = Channel::ALL
        .into_iter()
        .map(|channel| (channel, route(build, channel, &list, entries)))
        .collect::<BTreeMap<_, _>>();
    Senders { list, routes }
}

fn sender(build: &mut Build<'_>, entry: &Entry) -> Option<Sender> {
    if let Err(bad) = Scalar::Name.check(&entry.key) {
        build.report(Diagnostic::error(bad.code, bad.message).at(entry.key_span, bad.label));
    }
    let node = &entry.value;
    let kind = match node.text_of("type")? {
        "smtp" => smtp::smtp(build, node).map(SenderKind::Smtp),
        "smpp" => smpp::smpp(build, node).map(SenderKind::Smpp),
        kind => vendors::vendor(build, node, kind),
    };
    let timeout = timeout(build, node);
    Some(Sender { name: entry.key.clone(), timeout: timeout?, kind: kind? })
}

fn timeout(build: &mut Build<'_>, node: &Node) -> Option<Duration> {
    let timeout = duration(node, "timeout")?;
    if !(Duration::from_secs(1)..=Duration::from_secs(30)).contains(&timeout) {
        let at = node.get("timeout").map_or(node.span, |node| node.span);
        build.report(
            Diagnostic::error(Code::Bound, "`timeout` is out of bounds")
                .at(at, "from 1s to 30s: somebody is waiting for the message"),
        );
    }
    Some(timeout)
}

/// What the channel's factor names, else everything that carries the channel.
fn route(build: &mut Build<'_>, channel: Channel, list: &[Sender], entries: &[Entry]) -> Vec<String> {
    let named = build
        .root
        .get("factors")
        .and_then(|factors| factors.get(channel.name())?.get("sender"));
    let Some(named) = named else {
        let all = list.iter().filter(|sender| sender.kind.channels().contains(&channel));
        let route: Vec<_> = all.take(MOST_IN_A_ROW).map(|sender| sender.name.clone()).collect();
        if route.is_empty() && list.len() == entries.len() {
            nothing_carries(build, channel);
        }
        return route;
    };
    let mut route: Vec<String> = Vec::new();
    for item in named.items() {
        let Some(name) = item.text() else { continue };
        let problem = match list.iter().find(|sender| sender.name == name) {
            // One that is there and could not be read is reported already.
            None if entries.iter().any(|entry| entry.key == name) => continue,
            None => unknown(name, item, entries),
            Some(sender) if !sender.kind.channels().contains(&channel) => cannot_carry(sender, item),
            Some(_) if route.iter().any(|other| other == name) => {
                Diagnostic::error(Code::DuplicateName, format!("the sender `{name}` is here twice"))
                    .at(item.span, "each is asked once")
            }
            Some(_) if route.len() == MOST_IN_A_ROW => {
                Diagnostic::error(Code::Bound, "too many senders in a row")
                    .at(item.span, format!("at most {MOST_IN_A_ROW}: somebody is waiting for the message"))
            }
            Some(_) => {
                route.push(name.to_owned());
                continue;
            }
        };
        build.report(problem);
    }
    route
}

/// A factor that is on and could never send a code.
fn nothing_carries(build: &mut Build<'_>, channel: Channel) {
    let factor = build.root.get("factors").and_then(|factors| factors.entry(channel.name()));
    let Some(factor) = factor.filter(|factor| factor.value.is_true("enabled")) else {
        return;
    };
    build.report(
        Diagnostic::error(Code::Combination, format!("`{}` is on, and no sender can carry it", factor.key))
            .at(factor.key_span, "its codes could never leave; add one to `senders`"),
    );
}

fn unknown(name: &str, item: &Node, entries: &[Entry]) -> Diagnostic {
    let names: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    let label = if names.is_empty() {
        "there are none: `senders` names them".to_owned()
    } else {
        format!("senders are: {}", names.join(", "))
    };
    Diagnostic::error(Code::UnknownName, format!("there is no sender named `{name}`")).at(item.span, label)
}

fn cannot_carry(sender: &Sender, item: &Node) -> Diagnostic {
    let carried: Vec<&str> = sender.kind.channels().iter().map(|channel| channel.name()).collect();
    Diagnostic::error(Code::Combination, format!("the sender `{}` cannot carry this", sender.name))
        .at(item.span, format!("it is for {}", carried.join(" and ")))
}
