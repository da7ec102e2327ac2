//! The table's column for client certificates, as nginx passes them on; and those of our own listener.

use std::process::Command;

use rcgen::{BasicConstraints, SanType};
use rcgen::{
    CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};

use super::tokens::{ask, gate, not_the_other_s, sign_out_ends_the_proof, status, ten, with};
use crate::support::{Finished, Gate, Setup, Upstream, run, write_private};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

fn parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters
}

/// Certificate and key in PEM.
fn pair(parameters: &CertificateParams, authority: &Authority) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    (parameters.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

/// As nginx escapes a certificate.
fn escaped(pem: &str) -> String {
    percent_encoding::utf8_percent_encode(pem, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn card(name: &str, authority: &Authority) -> String {
    escaped(&pair(&parameters(name), authority).0)
}

struct Scene {
    app: Upstream,
    authority: Authority,
    gate: Gate,
    _directory: tempfile::TempDir,
}

const HEADER: &str = "X-SSL-Client-Cert";

fn scene() -> Scene {
    let (app, authority) = (Upstream::start(), authority("Staff CA"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let source = format!(
        "{{ name: cards, type: client-certificate, forwarded: {{ from: [127.0.0.1], form: nginx, authority: \"{}\" }} }}",
        file.display()
    );
    let gate = gate(&app, &source);
    Scene { app, authority, gate, _directory: directory }
}

pub fn unknown_person() {
    let scene = scene();
    let mut nameless = parameters("x");
    nameless.distinguished_name = rcgen::DistinguishedName::new();
    let nameless = escaped(&pair(&nameless, &scene.authority).0);
    for fields in [&[][..], &[(HEADER, "")], &[(HEADER, &*nameless)]] {
        assert_eq!(ask(&scene.gate, fields), 401, "{fields:?}");
    }
    assert!(scene.app.take().is_empty());
}

pub fn wrong_credential() {
    let scene = scene();
    let good = card("Anna", &scene.authority);
    let stranger = card("Anna", &authority("Staff CA"));
    let mut server = parameters("Anna");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server = escaped(&pair(&server, &scene.authority).0);
    let own = escaped(&scene.authority.pem());
    for (what, value) in [
        ("another authority", &stranger),
        ("a server's", &server),
        ("the authority's own", &own),
    ] {
        assert_eq!(ask(&scene.gate, &[(HEADER, value)]), 401, "{what}");
    }
    let mut elsewhere = with(&scene.gate, &[(HEADER, &good)]);
    elsewhere.from = Some([127, 0, 0, 2].into());
    assert_eq!(status(&scene.gate, &mut elsewhere, "/page"), 401);
    assert!(scene.app.take().is_empty());
    assert_eq!(ask(&scene.gate, &[(HEADER, &good)]), 200);
    let seen = scene.app.last();
    assert_eq!(seen.twins("remote-user"), ["anna"]);
    assert!(seen.twins(HEADER).is_empty());
}

pub fn lies_oversized() {
    let scene = scene();
    let long = card(&"a".repeat(300), &scene.authority);
    assert_eq!(ask(&scene.gate, &[(HEADER, &long)]), 400);
    assert!(scene.app.take().is_empty());
}

pub fn lies_wrong_type() {
    let scene = scene();
    let good = card("Anna", &scene.authority);
    let two = format!("{good}{good}");
    for fields in [
        &[(HEADER, "anna")][..],
        &[(HEADER, "CN=Anna")],
        &[(HEADER, &*two)],
        &[(HEADER, &good), (HEADER, &good)],
    ] {
        assert_eq!(ask(&scene.gate, fields), 400, "{fields:?}");
    }
    assert!(scene.app.take().is_empty());
}

pub fn other_user_mid_session() {
    let scene = scene();
    let (anna, ben) = (card("Anna", &scene.authority), card("Ben", &scene.authority));
    not_the_other_s(&scene.gate, &[(HEADER, &anna)], &[&[(HEADER, &ben)]]);
}

/// A certificate that was renewed with another key is the same person, who proves anew.
pub fn rotated_keys() {
    let scene = scene();
    let (old, new) = (card("Anna", &scene.authority), card("anna", &scene.authority));
    not_the_other_s(&scene.gate, &[(HEADER, &old)], &[&[(HEADER, &new)]]);
}

pub fn clock_skew() {
    let scene = scene();
    let mut past = parameters("Anna");
    past.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let mut future = parameters("Anna");
    future.not_before = rcgen::date_time_ymd(2090, 1, 1);
    for parameters in [past, future] {
        let shown = escaped(&pair(&parameters, &scene.authority).0);
        assert_eq!(ask(&scene.gate, &[(HEADER, &shown)]), 401);
    }
    assert!(scene.app.take().is_empty());
}

pub fn ten_tabs() {
    let scene = scene();
    let anna = card("Anna", &scene.authority);
    ten(&scene.gate, &scene.app, &[(HEADER, &anna)], "anna");
}

pub fn log_out_in_one_tab() {
    let scene = scene();
    let anna = card("Anna", &scene.authority);
    sign_out_ends_the_proof(&scene.gate, &[(HEADER, &anna)]);
}

/// By curl, with this pair.
fn fetch(gate: &Gate, certificate: Option<&str>, tls: &str, path: &str) -> Finished {
    let mut curl = Command::new("curl");
    curl.args([
        "-ksS",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        tls,
        "-H",
        "X-SSL-Client-Cert: mallory",
    ]);
    if let Some(name) = certificate {
        curl.arg("--cert").arg(gate.setup.path(&format!("{name}.crt")));
        curl.arg("--key").arg(gate.setup.path(&format!("{name}.key")));
    }
    run(curl.arg(gate.url("localhost", path)))
}

#[test]
fn our_own_listener_knows_people_and_workloads_by_their_certificates() {
    let (app, ours, theirs) = (Upstream::start(), authority("Our CA"), authority("Their CA"));
    let routes = format!(
        "- {{ name: app, host: localhost, upstream: \"{}\", require: signed-in, rules: [\
         {{ path: /device/**, when: managed, require: public }}, \
         {{ path: /other/**, when: others, require: public }}, \
         {{ path: [/device/**, /other/**], require: deny }}] }}",
        app.url()
    );
    let mut setup = Setup::new(&routes)
        .section(
            "identity",
            "[{ name: mesh, type: client-certificate, user: spiffe, trust_domains: prod.example }, \
              { name: cards, type: client-certificate }]",
        )
        .section(
            "conditions",
            "{ managed: { client_certificate: [\"CN=Our CA\"] }, others: { client_certificate: \"CN=Their CA\" } }",
        )
        .tls(&["localhost"]);
    let authority = setup.path("ours-ca.pem");
    std::fs::write(&authority, ours.pem()).unwrap();
    setup = setup.section(
        "server",
        "{ listen: \"127.0.0.1:$PORT\", public_url: \"https://localhost:$PORT\", operations: \"127.0.0.1:0\", \
           tls: { certificate: \"$DIR/tls.crt\", key: { file: \"$DIR/tls.key\" }, device_authority: \"$DIR/ours-ca.pem\" } }",
    );
    let mut workload = parameters("x");
    let id = "spiffe://prod.example/ns/shop/sa/cart";
    workload.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
    for (name, parameters, issuer) in [
        ("anna", &parameters("Anna"), &ours),
        ("cart", &workload, &ours),
        ("mallory", &parameters("Anna"), &theirs),
    ] {
        let (certificate, key) = pair(parameters, issuer);
        std::fs::write(setup.path(&format!("{name}.crt")), certificate).unwrap();
        write_private(&setup.path(&format!("{name}.key")), &key);
    }
    let gate = setup.start();
    for tls in ["--tlsv1.3", "--tlsv1.2"] {
        for (certificate, user) in [("anna", "anna"), ("cart", id)] {
            assert_eq!(fetch(&gate, Some(certificate), tls, "/page").stdout, "200", "{}", gate.log());
            let seen = app.take().pop().unwrap();
            assert_eq!(seen.twins("remote-user"), [user]);
        }
        for certificate in [None, Some("mallory")] {
            assert_eq!(fetch(&gate, certificate, tls, "/page").stdout, "401", "{certificate:?}");
        }
    }
    assert!(app.take().is_empty());
    // A condition on the device, for whoever it is.
    for (certificate, path, status) in [
        (Some("anna"), "/device/x", "200"),
        (None, "/device/x", "403"),
        (Some("mallory"), "/device/x", "403"),
        (Some("anna"), "/other/x", "403"),
        (Some("mallory"), "/other/x", "403"),
    ] {
        assert_eq!(fetch(&gate, certificate, "--tlsv1.3", path).stdout, status, "{certificate:?} {path}");
    }
}
