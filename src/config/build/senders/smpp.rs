//! SMS centres: what fits into the fields of SMPP 3.4, and a warning where codes travel in the clear.

use super::super::super::codes::Code;
use super::super::super::diagnostic::Diagnostic;
use super::super::super::node::Node;
use super::super::super::settings::{Smpp, SmppAlphabet};
use super::super::super::values::{address, host};
use super::super::{Build, upstream, value};

/// Names and secrets with the characters that their fields have (section 4.1).
const FIELDS: [(&str, usize); 4] = [
    ("system_id", 15),
    ("password", 8),
    ("system_type", 12),
    ("from", 20),
];

pub(super) fn smpp(build: &mut Build<'_>, node: &Node) -> Option<Smpp> {
    let host = value(node, "host", host::exact)?;
    let tls = node.text_of("security") != Some("none");
    if !tls && !address::is_loopback(&host) {
        let at = node.get("security").map_or(node.span, |node| node.span);
        build.report(
            Diagnostic::warning(Code::PlainHttp, "codes and password travel in the clear")
                .at(at, "anybody on the way can read them")
                .fix("write `tls`, or see that the network itself is secret (a VPN)"),
        );
    }
    for (key, most) in FIELDS {
        let Some(field) = node.get(key) else { continue };
        let text = field.text().unwrap_or_default();
        if text.len() > most || !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            build.report(
                Diagnostic::error(Code::Value, format!("`{key}` does not fit into SMPP"))
                    .at(field.span, format!("at most {most} characters of ASCII")),
            );
        }
    }
    let from = node.text_of("from")?;
    if from.len() > 11 && !from.trim_start_matches('+').bytes().all(|b| b.is_ascii_digit()) {
        let at = node.get("from").map_or(node.span, |node| node.span);
        build.report(
            Diagnostic::error(Code::Value, "this sender is too long")
                .at(at, "a name has at most 11 characters; a number is written as `+44…`"),
        );
    }
    let authority = match node.get("authority") {
        Some(node) => Some(upstream::authority(build, node)?),
        None => None,
    };
    let written = node.text_of("port").and_then(|text| text.parse::<u16>().ok());
    Some(Smpp {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: written.unwrap_or(if tls { 3550 } else { 2775 }),
        tls,
        authority,
        system_id: node.text_of("system_id")?.to_owned(),
        password: node.text_of("password")?.into(),
        system_type: node.text_of("system_type").unwrap_or_default().to_owned(),
        from: from.to_owned(),
        alphabet: match node.text_of("alphabet") {
            Some("latin1") => SmppAlphabet::Latin1,
            Some("ucs2") => SmppAlphabet::Ucs2,
            _ => SmppAlphabet::Gsm,
        },
    })
}
