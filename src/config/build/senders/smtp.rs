//! Mail servers: port and security that go together, and no password in the clear.

use super::super::super::codes::Code;
use super::super::super::diagnostic::Diagnostic;
use super::super::super::node::Node;
use super::super::super::settings::{Smtp, SmtpCredentials, SmtpSecurity};
use super::super::super::values::{address, host};
use super::super::{Build, upstream, value};

pub(super) fn smtp(build: &mut Build<'_>, node: &Node) -> Option<Smtp> {
    let host = value(node, "host", host::exact)?;
    let written = node.text_of("port").and_then(|text| text.parse::<u16>().ok());
    let security = match (node.text_of("security"), written) {
        (Some("tls"), _) => SmtpSecurity::Tls,
        (Some("none"), _) => SmtpSecurity::Plain,
        (Some(_), _) | (None, Some(25 | 587)) => SmtpSecurity::StartTls,
        (None, _) => SmtpSecurity::Tls,
    };
    if security == SmtpSecurity::Plain && !address::is_loopback(&host) {
        let at = node.get("security").map_or(node.span, |node| node.span);
        build.report(
            Diagnostic::error(Code::PlainHttp, "mail to another machine needs TLS")
                .at(at, "codes would travel in the clear; write `tls` or `starttls`"),
        );
    }
    let authority = match node.get("authority") {
        Some(node) => Some(upstream::authority(build, node)?),
        None => None,
    };
    Some(Smtp {
        port: written.unwrap_or(match security {
            SmtpSecurity::Tls => 465,
            SmtpSecurity::StartTls => 587,
            SmtpSecurity::Plain => 25,
        }),
        host: host.trim_matches(['[', ']']).to_owned(),
        security,
        credentials: credentials(build, node)?,
        authority,
        from: value(node, "from", address::mailbox)?,
    })
}

/// The outer `None` where something is wrong, the inner where there are none.
#[expect(clippy::option_option, reason = "read once, right above")]
fn credentials(build: &mut Build<'_>, node: &Node) -> Option<Option<SmtpCredentials>> {
    match (node.get("username"), node.get("password")) {
        (Some(username), Some(password)) => Some(Some(SmtpCredentials {
            username: username.text()?.to_owned(),
            password: password.text()?.into(),
        })),
        (None, None) => Some(None),
        (Some(one), None) | (None, Some(one)) => {
            build.report(
                Diagnostic::error(Code::Combination, "half of the credentials")
                    .at(one.span, "`username` and `password` go together"),
            );
            None
        }
    }
}
