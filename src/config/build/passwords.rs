//! Passwords of local users: the list is there, and a mailbox is not both factors.

use std::path::PathBuf;

use super::super::FactorKind;
use super::super::codes::Code;
use super::super::diagnostic::Diagnostic;
use super::super::settings::{Channel, Factors, Passwords, Senders};
use super::Build;

pub(super) fn passwords(build: &mut Build<'_>, factors: &Factors, senders: &Senders) -> Option<Passwords> {
    let node = build.root.get("passwords")?;
    let breach_list = node.get("breach_list").and_then(|list| {
        let path = PathBuf::from(list.text()?);
        if let Err(error) = std::fs::File::open(&path) {
            build.report(
                Diagnostic::error(Code::Unfetched, "the list of stolen passwords cannot be read")
                    .at(list.span, error.to_string()),
            );
        }
        Some(path)
    });
    let mailed = senders.routes.get(&Channel::Email).is_some_and(|route| !route.is_empty());
    let mail_proves = factors.enabled.contains(FactorKind::Email);
    let asked = node.entry("reset_by_mail");
    let wanted = asked.map(|entry| entry.value.text() == Some("true"));
    if let Some(entry) = asked.filter(|_| wanted == Some(true)) {
        if !mailed {
            build.report(
                Diagnostic::error(Code::Combination, "links for new passwords could never leave")
                    .at(entry.key_span, "no sender carries mail")
                    .fix("add one of type `smtp` to `senders`, or leave this key out"),
            );
        }
        if mail_proves {
            build.report(Diagnostic::warning(Code::OneMailbox, "one mailbox is enough for both factors").at(
                entry.key_span,
                "whoever reads a person's mail gets a new password and the code after it",
            ));
        }
    }
    Some(Passwords {
        min_length: node.text_of("min_length")?.parse().ok()?,
        breach_list,
        reset_by_mail: wanted.unwrap_or(mailed && !mail_proves),
    })
}
