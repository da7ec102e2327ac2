#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test the panic is the message")]

use super::plan::{Plan, Wanted};
use super::*;
use crate::config::{self, Environment, Sources};

const CONFIG: &str = "
version: 1
server: { listen: \"127.0.0.1:8080\", public_url: https://mfa.example.com, trusted_proxies: [127.0.0.1] }
identity:
  - { name: front, type: trusted-header, from: [127.0.0.1], session: X-Sid, attributes: { user: X-Front-User } }
  - { name: api, type: jwt, header: X-Token, algorithm: HS256, secret: 0123456789abcdef0123456789abcdef, issuer: i, audience: a }
routes:
  - { name: wiki, host: [wiki.example.com, \"*.wiki.example.com\"], require: standard, max_body: 1MiB }
  - { name: Wiki, host: \"*\", require: standard }
  - { name: payroll, host: payroll.example.com, upstream: \"http://10.0.0.5:8000\", require: standard }
";

fn settings(text: &str) -> std::sync::Arc<config::Settings> {
    let loaded = config::load(&Sources::text("a.yaml", text), &Environment::default());
    loaded
        .settings
        .unwrap_or_else(|| panic!("{}", loaded.diagnostics.to_text(false)))
}

fn plan_of(text: &str, routes: &[&str], at: Option<&str>, apps: &[&str]) -> Result<Plan, Refused> {
    let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (routes, apps) = (owned(routes), owned(apps));
    Plan::of(&settings(text), &Wanted { asks: true, routes: &routes, at, apps: &apps })
}

#[test]
fn the_routes_without_upstream_are_those_that_proxies_ask_about() {
    let plan = plan_of(CONFIG, &[], None, &["wiki=https://10.0.0.9:8443/"]).unwrap();
    let slugs: Vec<&str> = plan.sites.iter().map(|site| site.slug.as_str()).collect();
    assert_eq!(slugs, ["app-wiki", "app-wiki-2"]);
    assert!(plan.sites[0].app.tls, "as --app says");
    assert_eq!(plan.sites[0].app.with_port(), "10.0.0.9:8443");
    assert!(plan.notes.iter().any(|note| note.contains("--app Wiki=URL")), "{:?}", plan.notes);
    assert_eq!(plan.portal.as_deref(), Some("mfa.example.com"));
    assert_eq!(
        (plan.sources.join(" "), plan.tokens.join(" ")),
        ("X-Front-User X-Sid".into(), "X-Token DPoP".into())
    );

    let plan = plan_of(CONFIG, &["payroll"], None, &[]).unwrap();
    assert_eq!(plan.sites.len(), 1);
    assert_eq!(plan.sites[0].app.authority, "10.0.0.5:8000");
}

#[test]
fn what_does_not_exist_or_cannot_be_written_is_refused() {
    for (routes, at, apps) in [
        (&["pay"][..], None, &[][..]),
        (&[], Some("127.0.0.1"), &[]),
        (&[], Some("a b:1"), &[]),
        (&[], None, &["wiki"]),
        (&[], None, &["pay=http://127.0.0.1:1"]),
        (&[], None, &["wiki=127.0.0.1:1"]),
        (&[], None, &["wiki=http://127.0.0.1:1/path"]),
        (&[], None, &["wiki=http://$host;}"]),
    ] {
        assert!(plan_of(CONFIG, routes, at, apps).is_err(), "{routes:?} {at:?} {apps:?}");
    }
    let odd = format!("{CONFIG}to_upstream: {{ assertion: {{ header: \"X-$a\" }} }}");
    assert!(plan_of(&odd, &[], None, &[]).unwrap_err().to_string().contains("X-$a"));
}

#[test]
fn missing_trust_is_said_with_the_line_to_add() {
    let trusting = plan_of(CONFIG, &["payroll"], None, &[]).unwrap();
    assert!(
        !trusting.notes.iter().any(|note| note.contains("trusted_proxies")),
        "{:?}",
        trusting.notes
    );
    let config = CONFIG
        .replace(", trusted_proxies: [127.0.0.1]", "")
        .replace("127.0.0.1:8080", ":8080");
    let local = plan_of(&config, &["payroll"], None, &[]).unwrap();
    assert!(
        local.notes.iter().any(|note| note.contains("trusted_proxies: [127.0.0.1]")),
        "{:?}",
        local.notes
    );
    assert!(
        local.notes.iter().any(|note| note.contains("listen: \"127.0.0.1:8080\"")),
        "{:?}",
        local.notes
    );
    let remote = plan_of(&config, &["payroll"], Some("stepgate:8080"), &[]).unwrap();
    assert!(remote.notes.iter().any(|note| note.contains("the proxy's address")), "{:?}", remote.notes);
}

#[test]
fn every_recipe_of_a_proxy_names_every_identity_header_and_keeps_its_promises() {
    let plan =
        plan_of(CONFIG, &[], None, &["wiki=http://127.0.0.1:3000", "Wiki=http://127.0.0.1:3001"]).unwrap();
    let kinds = [
        Kind::Nginx,
        Kind::Traefik,
        Kind::Caddy,
        Kind::Envoy,
        Kind::Haproxy,
    ];
    for kind in kinds {
        for form in kind.forms().iter().copied().chain(kind.forms().is_empty().then_some("")) {
            let made = match kind {
                Kind::Nginx => nginx::documents(&plan),
                Kind::Traefik => traefik::documents(&plan, form),
                Kind::Caddy => caddy::documents(&plan),
                Kind::Envoy => envoy::documents(&plan, form),
                _ => haproxy::documents(&plan),
            };
            let text: String = made.unwrap().into_iter().map(|document| document.text).collect();
            let low = text.to_lowercase();
            if (kind, form) != (Kind::Envoy, "grpc") {
                for header in &plan.headers {
                    assert!(low.contains(&header.lower()), "{kind:?} {form}: {}\n{text}", header.name);
                }
            }
            for words in [
                "wiki.example.com",
                "/.stepgate/authz/",
                "stepgate-code",
                "x-front-user",
                "mfa.example.com",
            ] {
                assert!(low.contains(words), "{kind:?} {form}: {words}\n{text}");
            }
            assert!(!text.contains("0123456789abcdef"), "{kind:?} {form}: a secret");
            assert!(!text.contains("\n\n\n") && !text.contains(" \n"), "{kind:?} {form}: odd blanks\n{text}");
        }
    }
}

#[test]
fn an_unknown_form_is_refused_and_the_known_are_named() {
    assert_eq!(form(Kind::Envoy, None).unwrap(), "grpc");
    assert!(
        form(Kind::Envoy, Some("soap"))
            .unwrap_err()
            .to_string()
            .contains("grpc or http")
    );
    assert!(form(Kind::Nginx, Some("http")).is_err());
}
