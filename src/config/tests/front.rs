//! Listeners, certificates, bounds: what belongs together, and what is wrong with files.

use std::fs;
use std::path::Path;

use super::{codes, run_in, settings};
use crate::ambient::UnixTime;

fn server(keys: &str) -> String {
    format!("version: 1\nserver: {{ public_url: https://mfa.example.com, {keys} }}\n")
}

#[test]
fn a_listener_is_an_address_or_a_section() {
    let tls = "tls: { certificate: a.crt, key: a.key }";
    let listen = r#"listen: [":8443", { address: ":8080", tls: false }, "unix:/run/a.sock", { address: "[::1]:1", proxy_protocol: true }]"#;
    let settings = settings(&server(&format!("{listen}, {tls}, trusted_proxies: [unix]")), &[]);
    let shown: Vec<(String, bool, bool)> = settings
        .server
        .listen
        .iter()
        .map(|listen| (listen.address.to_string(), listen.tls, listen.proxy_protocol))
        .collect();
    let expected = [
        ("0.0.0.0:8443", true, false),
        ("0.0.0.0:8080", false, false),
        ("unix:/run/a.sock", false, false),
        ("[::1]:1", true, true),
    ];
    assert_eq!(shown, expected.map(|(address, tls, proxy)| (address.to_owned(), tls, proxy)));
    let one = super::settings(&server("listen: { env: WHERE }"), &[("WHERE", ":1")]);
    assert_eq!(one.server.listen[0].address.to_string(), "0.0.0.0:1");
}

#[test]
fn headers_of_peers_on_unix_sockets_can_be_trusted() {
    let identity = "identity:\n  - { name: proxy, type: trusted-header, from: unix, attributes: { user: X-User }, session: X-Session }\n";
    let settings = settings(&format!("{}{identity}", server("trusted_proxies: unix")), &[]);
    let crate::config::settings::IdentityKind::TrustedHeader(source) = &settings.identity[0].kind else {
        panic!("another kind");
    };
    assert_eq!(source.from, ["::/128".parse().unwrap()]);
    assert_eq!(settings.server.trusted_proxies, source.from);
}

#[test]
fn what_does_not_belong_together_is_said() {
    for (keys, code) in [
        (r#"listen: { address: ":1", tls: true }"#, "SG-C012"),
        (r#"listen: { address: ":1", proxy_protocol: true }"#, "SG-C012"),
        ("listen: { tls: false }", "SG-C008"),
        (r#"listen: "unix:a.sock""#, "SG-C011"),
        ("tls: { certificate: a.crt }", "SG-C012"),
        ("tls: { minimum: \"1.2\" }", "SG-C012"),
        ("tls: { certificate: a.crt, key: a.key, minimum: \"1.1\" }", "SG-C011"),
        ("tls: { acme: { hosts: [\"*.example.com\"] } }", "SG-C011"),
        ("tls: { acme: { contact: nobody } }", "SG-C011"),
        ("tls: { acme: { directory: \"http://acme.example.com/\" } }", "SG-C022"),
        ("max_header: 1MiB", "SG-C023"),
        ("max_target: 100B", "SG-C023"),
        ("connections: { per_address: 0 }", "SG-C023"),
    ] {
        assert_eq!(codes(&server(keys), &[]), [code], "{keys}");
    }
}

#[test]
fn certificates_are_obtained_for_exact_public_hosts() {
    let routes = "routes:\n  - { name: a, host: [a.example.com, \"*.b.example.com\", localhost, 192.0.2.1], upstream: \"http://a\", require: public }\n";
    let settings = settings(&format!("{}{routes}", server("tls: { acme: {} }")), &[]);
    assert_eq!(settings.acme_hosts(), ["a.example.com", "mfa.example.com"]);
}

fn pair(directory: &Path, name: &str, hosts: &[&str], not_after: i32) {
    let mut parameters =
        rcgen::CertificateParams::new(hosts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    parameters.not_after = rcgen::date_time_ymd(not_after, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let made = parameters.self_signed(&key).unwrap();
    fs::write(directory.join(format!("{name}.crt")), made.pem()).unwrap();
    let file = directory.join(format!("{name}.key"));
    fs::write(&file, key.serialize_pem()).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
}

#[test]
fn certificate_files_are_looked_into() {
    let directory = tempfile::tempdir().unwrap();
    pair(directory.path(), "good", &["mfa.example.com"], 2040);
    pair(directory.path(), "old", &["mfa.example.com"], 2020);
    pair(directory.path(), "other", &["other.example.com"], 2040);
    let now = UnixTime(1_795_000_000);
    for (certificate, key, expected, said) in [
        ("good.crt", "good.key", &[][..], ""),
        ("old.crt", "old.key", &["SG-C036"][..], "it has run out"),
        ("other.crt", "other.key", &["SG-C036"][..], "none is for mfa.example.com"),
        ("good.crt", "other.key", &["SG-C044"][..], "does not belong to"),
        ("none.crt", "good.key", &["SG-C044"][..], "none.crt: No such file"),
        ("good.key", "good.key", &["SG-C044"][..], "no certificate in it"),
    ] {
        let text = server(&format!("tls: {{ certificate: {certificate}, key: {key} }}"));
        let loaded = run_in(directory.path(), &text, &[]).0.with_certificates(now);
        let found: Vec<_> = loaded.diagnostics.iter().map(|problem| problem.code.id()).collect();
        assert_eq!(found, expected, "{certificate} {key}: {}", loaded.diagnostics);
        assert!(loaded.diagnostics.to_string().contains(said), "{}", loaded.diagnostics);
        assert_eq!(loaded.settings.is_none(), found.contains(&"SG-C044"));
    }
}
