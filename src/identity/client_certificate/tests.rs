//! Certificates that must and must not name somebody, signed by authorities made here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa};
use rcgen::{KeyPair, KeyUsagePurpose, SanType};

use super::*;
use crate::config::settings::CertificateForm;
use crate::identity::testing;

/// Between the dates that rcgen gives where nobody says others.
const NOW: UnixTime = UnixTime(1_700_000_000);

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

fn parameters(common: &str, others: &[SanType]) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, common);
    parameters.subject_alt_names = others.to_vec();
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters
}

fn signed(parameters: &CertificateParams, issuer: &CertifiedIssuer<'static, KeyPair>) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    parameters.signed_by(&key, issuer).unwrap().der().to_vec()
}

fn mail(text: &str) -> SanType {
    SanType::Rfc822Name(text.try_into().unwrap())
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn principal(text: &str) -> SanType {
    SanType::OtherName((
        vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3],
        rcgen::OtherNameValue::Utf8String(text.to_owned()),
    ))
}

fn own(user: CertificateName) -> Certificates {
    let settings = settings::CertificateSource {
        user,
        trust_domains: vec!["prod.example".to_owned()],
        issuers: Vec::new(),
        origin: CertificateOrigin::Own { except: vec!["10.0.0.10/32".parse().unwrap()] },
    };
    Certificates::new("cards", &settings).unwrap()
}

fn shown(source: &Certificates, der: &[u8], now: UnixTime) -> Result<Option<Established>, IdentityError> {
    let certificate = ClientCertificate::of(der).unwrap();
    let headers = HeaderMap::new();
    source.read(&Credentials { certificate: Some(&certificate), ..testing::of(&headers) }, now)
}

fn subject(user: CertificateName, parameters: &CertificateParams) -> Option<String> {
    let der = signed(parameters, &authority("Staff CA"));
    let found = shown(&own(user), &der, NOW).unwrap()?;
    Some(found.identity.subject.to_string())
}

#[test]
fn each_kind_of_name_is_read_and_folded_as_its_kind_is() {
    let all = parameters(
        "Anna",
        &[
            mail("Anna@Example.com"),
            principal("Anna@corp.example"),
            SanType::DnsName("Laptop.example".try_into().unwrap()),
            uri("https://people.example/Anna"),
        ],
    );
    for (user, expected) in [
        (CertificateName::CommonName, Some("anna")),
        (CertificateName::Email, Some("anna@example.com")),
        (CertificateName::PrincipalName, Some("anna@corp.example")),
        (CertificateName::Host, Some("laptop.example")),
        (CertificateName::Uri, Some("https://people.example/Anna")),
        (CertificateName::Subject, Some("CN=Anna")),
        (CertificateName::Spiffe, None),
    ] {
        assert_eq!(subject(user, &all).as_deref(), expected, "{user:?}");
    }
}

#[test]
fn b04_two_names_of_a_kind_name_nobody() {
    let two = parameters(
        "Anna",
        &[
            mail("anna@example.com"),
            mail("ben@example.com"),
            uri("a:b"),
            uri("c:d"),
        ],
    );
    assert_eq!(subject(CertificateName::Email, &two), None);
    assert_eq!(subject(CertificateName::Uri, &two), None);
    let der = signed(&parameters("a@b@c", &[]), &authority("Staff CA"));
    assert!(shown(&own(CertificateName::CommonName), &der, NOW).is_err(), "the grammar of identities");
}

/// The certificate with these bytes in place of others, as many: nothing here looks at the signature.
fn patched(der: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = der.windows(from.len()).position(|window| window == from).unwrap();
    let mut bytes = der.to_vec();
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn b04_a_distinguished_name_that_is_not_text_names_nobody() {
    let ca = authority("Staff CA");
    let source = own(CertificateName::Subject);
    let der = signed(&parameters("Anna", &[]), &ca);
    assert!(shown(&source, &der, NOW).unwrap().is_some());
    for bytes in [b"\xff\xfena", b"\xfe\xffna"] {
        let odd = patched(&der, b"Anna", bytes);
        assert!(shown(&source, &odd, NOW).unwrap().is_none(), "all of them would be one person");
    }
    let mut listed = own(CertificateName::CommonName);
    listed.issuers = vec![ClientCertificate::of(&der).unwrap().names.issuer.to_string()];
    assert!(shown(&listed, &der, NOW).unwrap().is_some());
    let odd = patched(&der, b"Staff CA", b"\xfftaff CA");
    assert!(shown(&listed, &odd, NOW).unwrap().is_none());
    assert_eq!(&*ClientCertificate::of(&odd).unwrap().names.issuer, "");
}

#[test]
fn b04_a_value_never_reads_like_another_part_of_the_name() {
    let mut two = parameters("Anna", &[]);
    two.distinguished_name.push(DnType::OrganizationName, "Staff");
    assert_eq!(subject(CertificateName::Subject, &two).as_deref(), Some("CN=Anna, O=Staff"));
    let one = parameters("Anna, O=Staff", &[]);
    assert_eq!(subject(CertificateName::Subject, &one).as_deref(), Some("CN=Anna\\, O\\=Staff"));
    let mut wide = parameters("x", &[]);
    wide.distinguished_name = rcgen::DistinguishedName::new();
    let zoe = rcgen::DnValue::BmpString("Zoë + Co".try_into().unwrap());
    wide.distinguished_name.push(DnType::CommonName, zoe);
    assert_eq!(subject(CertificateName::Subject, &wide).as_deref(), Some("CN=Zoë \\+ Co"));
}

#[test]
fn a_workload_is_known_by_an_svid_of_our_trust_domain() {
    let good = parameters("x", &[uri("spiffe://prod.example/ns/a/sa/b")]);
    assert_eq!(
        subject(CertificateName::Spiffe, &good).as_deref(),
        Some("spiffe://prod.example/ns/a/sa/b")
    );
    let mut bad = vec![
        parameters("x", &[uri("spiffe://test.example/ns/a")]),
        parameters("x", &[uri("spiffe://prod.example")]),
        parameters("x", &[uri("spiffe://prod.example/a"), uri("spiffe://prod.example/b")]),
        parameters("x", &[]),
    ];
    let mut no_signatures = good.clone();
    no_signatures.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    let mut signs_others = good.clone();
    signs_others.key_usages.push(KeyUsagePurpose::KeyCertSign);
    let mut an_authority = good;
    an_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    bad.extend([no_signatures, signs_others, an_authority]);
    for (index, parameters) in bad.iter().enumerate() {
        assert_eq!(subject(CertificateName::Spiffe, parameters), None, "{index}");
    }
}

#[test]
fn dates_issuers_and_proxies_of_our_own_are_judged() {
    let ca = authority("Staff CA");
    let mut parameters = parameters("Anna", &[]);
    parameters.not_before = rcgen::date_time_ymd(2023, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2024, 1, 1);
    let der = signed(&parameters, &ca);
    let source = own(CertificateName::CommonName);
    let anna = shown(&source, &der, NOW).unwrap().unwrap();
    assert_eq!(anna.expires, UnixTime(1_704_067_200), "no claim outlives the certificate");
    for outside in [UnixTime(1_672_531_199), UnixTime(1_704_067_200)] {
        assert!(shown(&source, &der, outside).unwrap().is_none(), "{outside:?}");
    }
    let certificate = ClientCertificate::of(&der).unwrap();
    let headers = HeaderMap::new();
    let from_proxy = Credentials {
        certificate: Some(&certificate),
        peer: "10.0.0.10".parse().unwrap(),
        ..testing::of(&headers)
    };
    assert!(source.read(&from_proxy, NOW).unwrap().is_none(), "a proxy's certificate is its own");
    let mut of_others = own(CertificateName::CommonName);
    of_others.issuers = vec!["CN=Other CA".to_owned()];
    assert!(shown(&of_others, &der, NOW).unwrap().is_none());
    of_others.issuers.push(certificate.names.issuer.to_string());
    assert!(shown(&of_others, &der, NOW).unwrap().is_some());
    // A claim is of no use with another key of the same person.
    let renewed = shown(&source, &signed(&parameters, &ca), NOW).unwrap().unwrap();
    assert_eq!(anna.identity.key, renewed.identity.key);
    assert_ne!(anna.identity.binding, renewed.identity.binding);
}

fn forwarded(authority: Option<String>, verified: Option<&str>) -> Certificates {
    let settings = settings::CertificateSource {
        user: CertificateName::CommonName,
        trust_domains: Vec::new(),
        issuers: Vec::new(),
        origin: CertificateOrigin::Forwarded(settings::ForwardedCertificate {
            from: vec!["10.0.0.10/32".parse().unwrap()],
            form: CertificateForm::Rfc9440,
            header: "Client-Cert".to_owned(),
            verified: verified.map(str::to_owned),
            authority,
        }),
    };
    Certificates::new("cards", &settings).unwrap()
}

fn passed_on(source: &Certificates, peer: &str, der: &[u8], verified: &[&'static str]) -> bool {
    let mut headers = HeaderMap::new();
    let value = format!(":{}:", STANDARD.encode(der));
    headers.insert("client-cert", HeaderValue::try_from(value).unwrap());
    for word in verified {
        headers.append("x-verify", HeaderValue::from_static(word));
    }
    let credentials = Credentials { peer: peer.parse().unwrap(), ..testing::of(&headers) };
    source.read(&credentials, NOW).unwrap().is_some()
}

#[test]
fn b01_a_forwarded_certificate_counts_from_the_listed_proxy_when_it_was_verified() {
    let (ca, other) = (authority("Staff CA"), authority("Staff CA"));
    let der = signed(&parameters("Anna", &[]), &ca);
    let plain = forwarded(None, None);
    assert!(passed_on(&plain, "10.0.0.10", &der, &[]));
    assert!(!passed_on(&plain, "10.0.0.11", &der, &[]));

    let told = forwarded(None, Some("X-Verify"));
    assert!(passed_on(&told, "10.0.0.10", &der, &["SUCCESS"]));
    for verified in [
        &[][..],
        &["NONE"],
        &["FAILED:expired"],
        &["success"],
        &["SUCCESS", "SUCCESS"],
    ] {
        assert!(!passed_on(&told, "10.0.0.10", &der, verified), "{verified:?}");
    }

    let again = forwarded(Some(ca.pem()), None);
    assert!(passed_on(&again, "10.0.0.10", &der, &[]));
    let stranger = signed(&parameters("Anna", &[]), &other);
    assert!(!passed_on(&again, "10.0.0.10", &stranger, &[]), "an authority of the same name");
    let mut for_servers = parameters("Anna", &[]);
    for_servers.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    assert!(!passed_on(&again, "10.0.0.10", &signed(&for_servers, &ca), &[]));
}
