//! Client certificates: whose count, and who may pass them on.

use super::super::super::codes::Code;
use super::super::super::diagnostic::Diagnostic;
use super::super::super::node::Node;
use super::super::super::settings::{
    CertificateForm, CertificateName, CertificateOrigin, CertificateSource, ForwardedCertificate,
};
use super::super::super::values::address;
use super::super::{Build, upstream, values};
use super::missing;

pub(super) fn read(build: &mut Build<'_>, node: &Node) -> Option<CertificateSource> {
    let user = match node.text_of("user")? {
        "common-name" => CertificateName::CommonName,
        "email" => CertificateName::Email,
        "upn" => CertificateName::PrincipalName,
        "host" => CertificateName::Host,
        "uri" => CertificateName::Uri,
        "spiffe" => CertificateName::Spiffe,
        "subject" => CertificateName::Subject,
        _ => return None,
    };
    let origin = match node.get("forwarded") {
        Some(forwarded) => CertificateOrigin::Forwarded(passed_on(build, forwarded)?),
        None => own(build, node)?,
    };
    let trust_domains = trust_domains(build, node, user)?;
    Some(CertificateSource { user, trust_domains, issuers: node.texts_of("issuers"), origin })
}

fn own(build: &mut Build<'_>, node: &Node) -> Option<CertificateOrigin> {
    let server = build.root.get("server")?;
    if server.get("tls").and_then(|tls| tls.get("device_authority")).is_none() {
        let at = node.get("type").map_or_else(|| node.pointer(), |kind| kind.span);
        build.report(
            Diagnostic::error(Code::Combination, "nobody is asked for a client certificate")
                .at(at, "`server.tls.device_authority` says whose count; or say in `forwarded` which proxy passes them on"),
        );
        return None;
    }
    Some(CertificateOrigin::Own { except: values(server, "trusted_proxies", address::peers) })
}

fn passed_on(build: &mut Build<'_>, node: &Node) -> Option<ForwardedCertificate> {
    let from = node.get("from")?;
    for item in from.items() {
        let all = item
            .text()
            .is_some_and(|text| address::network(text).is_ok_and(|net| net.prefix_len() == 0));
        if all {
            build.report(
                Diagnostic::error(
                    Code::AnyoneTrusted,
                    "anyone on the network could claim to have any certificate",
                )
                .at(item.span, "certificates would be taken from every address")
                .fix("list the proxy's own addresses"),
            );
            return None;
        }
    }
    let (form, usual) = match node.text_of("form")? {
        "client-cert" => (CertificateForm::Rfc9440, "Client-Cert"),
        "nginx" => (CertificateForm::Nginx, "X-SSL-Client-Cert"),
        "envoy" => (CertificateForm::Envoy, "X-Forwarded-Client-Cert"),
        _ => return None,
    };
    let verified = node.text_of("verified").map(str::to_owned);
    let authority = match node.get("authority") {
        Some(file) => Some(upstream::authority(build, file)?),
        None => None,
    };
    if form == CertificateForm::Nginx && verified.is_none() && authority.is_none() {
        // With `ssl_verify_client optional_no_ca` nginx passes on what nobody has verified.
        build.report(
            Diagnostic::error(Code::Combination, "nothing says that the certificate was verified")
                .at(node.pointer(), "nginx passes on certificates that it has not verified as well")
                .fix("verified: X-SSL-Client-Verify   # proxy_set_header X-SSL-Client-Verify $ssl_client_verify;"),
        );
        return None;
    }
    Some(ForwardedCertificate {
        from: values(node, "from", address::peers),
        form,
        header: node.text_of("header").unwrap_or(usual).to_owned(),
        verified,
        authority,
    })
}

fn trust_domains(build: &mut Build<'_>, node: &Node, user: CertificateName) -> Option<Vec<String>> {
    let Some(list) = node.get("trust_domains") else {
        if user == CertificateName::Spiffe {
            build.report(missing(node, "trust_domains"));
            return None;
        }
        return Some(Vec::new());
    };
    for item in list.items() {
        let text = item.text()?;
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        if text.len() > 255 || !text.bytes().all(good) {
            build.report(
                Diagnostic::error(Code::Value, "this is no trust domain")
                    .at(item.span, "write its name alone, in lower case, as `prod.example.com`"),
            );
            return None;
        }
    }
    Some(list.texts())
}
