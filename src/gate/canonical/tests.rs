//! What has one meaning and what is refused, named by the rows of the threat table.

use http::Request;

use super::*;
use crate::policy::tests_support::{SIGNED_IN, asks, route, settings};

fn policy() -> Policy {
    Policy::compile(&Arc::new(settings(vec![route(asks(&[SIGNED_IN]))]))).unwrap()
}

fn trusted() -> Vec<IpNet> {
    vec!["10.0.0.0/24".parse().unwrap(), "2001:db8::1/128".parse().unwrap()]
}

fn parts(method: &str, uri: &str, headers: &[(&str, &str)], version: Version) -> Parts {
    let mut builder = Request::builder().method(method).uri(uri).version(version);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn read_from(peer: &str, parts: &Parts) -> Result<CanonicalRequest, &'static str> {
    read(parts, peer.parse().unwrap(), &trusted(), &policy()).map_err(|refusal| refusal.code)
}

fn http1(uri: &str, headers: &[(&str, &str)]) -> Result<CanonicalRequest, &'static str> {
    read_from("192.0.2.1", &parts("GET", uri, headers, Version::HTTP_11))
}

fn host_of(host: &str) -> Result<String, &'static str> {
    http1("/", &[("host", host)]).map(|request| request.host.to_string())
}

#[test]
fn a01_only_the_request_line_names_path_and_method() {
    let headers = [
        ("host", "app.example.com"),
        ("x-original-url", "/free"),
        ("x-rewrite-url", "/free"),
        ("x-forwarded-uri", "/free"),
        ("x-forwarded-method", "HEAD"),
        ("x-forwarded-host", "other.example.com"),
        ("x-http-method-override", "PUT"),
    ];
    let request = http1("/admin?x=1", &headers).unwrap();
    assert_eq!(request.target.as_str(), "/admin?x=1");
    assert_eq!((request.method, &*request.host), (Method::GET, "app.example.com"));
}

#[test]
fn a10_one_canonical_host() {
    for written in [
        "app.example.com",
        "APP.Example.com",
        "app.example.com.",
        "app.example.com:8443",
        "App.example.com.:80",
    ] {
        assert_eq!(host_of(written).as_deref(), Ok("app.example.com"), "{written}");
    }
    assert_eq!(host_of("[2001:DB8::0:1]:80").as_deref(), Ok("[2001:db8::1]"));
    for written in [
        "",
        ".",
        "a..b",
        "a.b..",
        "a b",
        "a,b",
        "a/b",
        "a@b",
        "a:b",
        "a:",
        "a:80:80",
        "a:+80",
        "a:99999",
        "ä.example",
        "%61pp.example.com",
        "[::1",
        "[::1]x",
        "[::1%25eth0]",
        "::1",
    ] {
        assert_eq!(host_of(written), Err("host_invalid"), "{written}");
    }
    assert_eq!(host_of(&"a.".repeat(127)), Ok("a.".repeat(127).trim_end_matches('.').to_owned()));
    assert_eq!(host_of(&"a.".repeat(128)), Err("host_invalid"));
    assert_eq!(host_of(&"a".repeat(64)), Err("host_invalid"));
}

#[test]
fn a10_no_host_and_two_hosts_are_refused() {
    assert_eq!(http1("/", &[]).err(), Some("host_missing"));
    for second in ["app.example.com", "other.example.com"] {
        let twice = [("host", "app.example.com"), ("host", second)];
        assert_eq!(http1("/", &twice).err(), Some("host_twice"));
    }
}

#[test]
fn a10_an_absolute_target_overrides_the_host_header() {
    let request = http1("http://APP.example.com:80/x", &[("host", "other.example.com")]).unwrap();
    assert_eq!((&*request.host, request.target.as_str()), ("app.example.com", "/x"));
    assert_eq!(http1("http://app.example.com/", &[]).err(), Some("host_missing"));
    assert_eq!(http1("http://anna@app.example.com/", &[("host", "a")]).err(), Some("host_invalid"));
    assert_eq!(http1("ftp://app.example.com/", &[("host", "a")]).err(), Some("target_form"));
    let bare = http1("http://app.example.com", &[("host", "a")]).unwrap();
    assert_eq!(bare.target.as_str(), "/");
}

#[test]
fn a10_http2_authority_and_host_must_agree() {
    let http2 = |host: &[(&str, &str)]| {
        let parts = parts("GET", "https://app.example.com/x", host, Version::HTTP_2);
        read_from("192.0.2.1", &parts).map(|request| request.host.to_string())
    };
    assert_eq!(http2(&[]).as_deref(), Ok("app.example.com"));
    assert_eq!(http2(&[("host", "App.example.com:443")]).as_deref(), Ok("app.example.com"));
    assert_eq!(http2(&[("host", "other.example.com")]), Err("host_twice"));
}

#[test]
fn a10_targets_that_are_no_path_are_refused() {
    for target in ["admin", "app.example.com:80", "*"] {
        assert_eq!(http1(target, &[("host", "app.example.com")]).err(), Some("target_form"), "{target}");
    }
}

#[test]
fn a14_connect_and_trace_are_refused() {
    for method in ["CONNECT", "TRACE"] {
        let parts = parts(method, "/", &[("host", "app.example.com")], Version::HTTP_11);
        assert_eq!(read_from("192.0.2.1", &parts).err(), Some("method_refused"), "{method}");
    }
}

#[test]
fn d08_a_target_above_8_kib_is_too_long() {
    let target = |length: usize| format!("/{}?{}", "a".repeat(10), "b".repeat(length - 12));
    assert!(http1(&target(8192), &[("host", "app.example.com")]).is_ok());
    let refused = http1(&target(8193), &[("host", "app.example.com")]);
    assert_eq!(refused.err(), Some("target_too_long"));
}

fn client_of(peer: &str, lists: &[&str]) -> String {
    let headers: Vec<_> = [("host", "app.example.com")]
        .into_iter()
        .chain(lists.iter().map(|list| ("x-forwarded-for", *list)))
        .collect();
    read_from(peer, &parts("GET", "/", &headers, Version::HTTP_11))
        .unwrap()
        .client
        .to_string()
}

#[test]
fn b05_only_trusted_proxies_name_the_client() {
    assert_eq!(client_of("192.0.2.1", &["10.0.0.9"]), "192.0.2.1");
    assert_eq!(client_of("10.0.0.9", &["198.51.100.1"]), "198.51.100.1");
    assert_eq!(client_of("::ffff:10.0.0.9", &["198.51.100.1"]), "198.51.100.1");
    assert_eq!(client_of("10.0.0.9", &[]), "10.0.0.9");
    let real_ip = [
        ("host", "a"),
        ("x-real-ip", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
    ];
    let request = read_from("192.0.2.1", &parts("GET", "/", &real_ip, Version::HTTP_11)).unwrap();
    assert_eq!(request.client.to_string(), "192.0.2.1");
}

#[test]
fn b05_the_list_is_walked_from_the_right() {
    assert_eq!(client_of("10.0.0.9", &["10.0.0.1, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
    assert_eq!(client_of("10.0.0.9", &["1.1.1.1", "198.51.100.1 ,\t10.0.0.2"]), "198.51.100.1");
    assert_eq!(client_of("10.0.0.9", &["10.0.0.1, 10.0.0.2"]), "10.0.0.1");
    assert_eq!(client_of("10.0.0.9", &["[2001:db8::5]:80, 2001:db8::1"]), "2001:db8::5");
    assert_eq!(client_of("10.0.0.9", &["198.51.100.1:4711"]), "198.51.100.1");
    assert_eq!(client_of("10.0.0.9", &["::ffff:198.51.100.1"]), "198.51.100.1");
}

#[test]
fn b05_what_is_no_address_ends_the_walk() {
    assert_eq!(client_of("10.0.0.9", &["198.51.100.1, unknown, 10.0.0.2"]), "10.0.0.2");
    assert_eq!(client_of("10.0.0.9", &["198.51.100.1,"]), "10.0.0.9");
    assert_eq!(client_of("10.0.0.9", &["010.0.0.1"]), "10.0.0.9");
}

#[test]
fn a_known_host_is_not_copied() {
    let policy = policy();
    let parts = parts("GET", "/x", &[("host", "app.example.com")], Version::HTTP_11);
    let request = read(&parts, "192.0.2.1".parse().unwrap(), &[], &policy).unwrap();
    assert!(Arc::ptr_eq(&request.host, policy.known_host("app.example.com").unwrap()));
}
