//! The app behind a route: addresses that go together, certificates that can be used.

use std::path::Path;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret as _;

use super::super::codes::Code;
use super::super::diagnostic::Diagnostic;
use super::super::fetch;
use super::super::node::{Kind, Node};
use super::super::settings::{
    Address, ClientCertificate, MOST_ADDRESSES, Protocol, RouteTimeouts, Upstream, UpstreamTls,
};
use super::super::source::Span;
use super::super::values::{address, host};
use super::{Build, duration, value};

/// `None` where there is none, or where it was wrong, which is reported.
pub(super) fn upstream(build: &mut Build<'_>, route: &Node) -> Option<Upstream> {
    let node = route.get("upstream")?;
    let details = matches!(node.kind, Kind::Map(_)).then_some(node);
    let list = details.map_or(Some(node), |details| details.get("addresses"))?;
    let written = match details.and_then(|details| details.text_of("protocol")) {
        Some("http1") => Protocol::Http1,
        Some("http2") => Protocol::Http2,
        _ => Protocol::Auto,
    };
    let (addresses, protocol) = addresses(build, list, written)?;
    let secure = addresses.first()?.secure;
    let tls = details.and_then(|details| details.get("tls"));
    if let (Some(tls), false) = (tls, secure) {
        build.report(
            Diagnostic::error(Code::Combination, "`tls` is set, but no address is secure")
                .at(tls.span, "write the addresses with `https://`, or leave `tls` out"),
        );
        return None;
    }
    let tls = match tls {
        Some(node) => Some(self::tls(build, node)?),
        None => secure.then_some(UpstreamTls { authority: None, client: None, server_name: None }),
    };
    Some(Upstream { addresses, protocol, tls })
}

fn addresses(build: &mut Build<'_>, list: &Node, written: Protocol) -> Option<(Vec<Address>, Protocol)> {
    let mut addresses: Vec<Address> = Vec::new();
    let mut protocol = None;
    for node in list.items() {
        let read = address::upstream(node.text()?).ok()?;
        let own = if read.prior_knowledge {
            Protocol::Http2
        } else {
            written
        };
        let first = addresses.first().map_or(read.address.secure, |first| first.secure);
        let problem = if *protocol.get_or_insert(own) != own || first != read.address.secure {
            "all addresses of an upstream speak the same protocol; make two routes of it, or write the same scheme"
        } else if read.prior_knowledge && written == Protocol::Http1 {
            "this is HTTP/2, and `protocol` says HTTP/1.1"
        } else if addresses.contains(&read.address) {
            "this address is here already"
        } else if addresses.len() == MOST_ADDRESSES {
            "at most 64 addresses; put a name before them that resolves to all"
        } else {
            addresses.push(read.address);
            continue;
        };
        build.report(
            Diagnostic::error(Code::Combination, "these addresses do not go together").at(node.span, problem),
        );
        return None;
    }
    Some((addresses, protocol?))
}

fn tls(build: &mut Build<'_>, node: &Node) -> Option<UpstreamTls> {
    let authority = match node.get("authority") {
        Some(node) => Some(authority(build, node)?),
        None => None,
    };
    let client = match (node.get("certificate"), node.get("key")) {
        (Some(chain), Some(key)) => Some(client(build, chain, key)?),
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => {
            build.report(
                Diagnostic::error(Code::Combination, "half a client certificate")
                    .at(one.span, "`certificate` and `key` go together"),
            );
            return None;
        }
    };
    Some(UpstreamTls { authority, client, server_name: value(node, "server_name", host::exact) })
}

fn client(build: &mut Build<'_>, chain: &Node, key: &Node) -> Option<ClientCertificate> {
    let spans = (chain.span, key.span);
    let client = ClientCertificate { chain: pem(build, chain)?, key: pem(build, key)?.into() };
    let certificates = certificates(build, spans.0, &client.chain)?;
    let bad = |why: String| Diagnostic::error(Code::Unfetched, "this key cannot be used").at(spans.1, why);
    let key = PrivateKeyDer::from_pem_slice(client.key.expose_secret().as_bytes())
        .map_err(|_| "there is no private key in PEM in this file".to_owned())
        .and_then(|key| {
            rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
                .map_err(|_| "a key of a kind that is not supported; use ECDSA, Ed25519 or RSA".to_owned())
        });
    let key = match key {
        Ok(key) => key,
        Err(why) => {
            build.report(bad(why));
            return None;
        }
    };
    if rustls::sign::CertifiedKey::new(certificates, key).keys_match().is_err() {
        build.report(bad("it does not belong to the certificate".to_owned()));
        return None;
    }
    Some(client)
}

/// The PEM of authorities in a file that is named here.
pub(super) fn authority(build: &mut Build<'_>, node: &Node) -> Option<String> {
    let text = pem(build, node)?;
    certificates(build, node.span, &text)?;
    Some(text)
}

/// The text of a file that is named here.
fn pem(build: &mut Build<'_>, node: &Node) -> Option<String> {
    match fetch::file(Path::new(node.text()?), node.span) {
        Ok(text) => Some(text),
        Err(problem) => {
            build.report(*problem);
            None
        }
    }
}

fn certificates(build: &mut Build<'_>, at: Span, text: &str) -> Option<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let why = match read {
        Ok(list) if !list.is_empty() => return Some(list),
        Ok(_) => "there is no certificate in PEM in this file".to_owned(),
        Err(error) => error.to_string(),
    };
    build.report(Diagnostic::error(Code::Unfetched, "this certificate cannot be used").at(at, why));
    None
}

/// A route's own deadlines.
pub(super) fn timeouts(route: &Node) -> RouteTimeouts {
    let own = |key| duration(route.get("timeouts")?, key);
    RouteTimeouts { connect: own("connect"), response: own("response"), body_idle: own("body_idle") }
}
