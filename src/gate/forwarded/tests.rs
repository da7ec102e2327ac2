//! Who is believed about what, named by the rows of the threat table.

use http::{Request, Version};
use proptest::prelude::*;

use super::hops::MOST_HOPS;
use super::*;

const PROXY: &str = "10.0.0.9";

fn trusted() -> Vec<IpNet> {
    vec!["10.0.0.0/24".parse().unwrap(), "2001:db8::1/128".parse().unwrap()]
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::try_from(*value).unwrap());
    }
    headers
}

fn client_of(peer: &str, fields: &[(&'static str, &str)]) -> Result<String, &'static str> {
    client(peer.parse().unwrap(), &headers(fields), &trusted())
        .map(|client| client.to_string())
        .map_err(|refusal| refusal.code)
}

fn forwarded(lines: &[&str]) -> Result<String, &'static str> {
    let fields: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
    client_of(PROXY, &fields)
}

#[test]
fn b05_nobody_else_is_believed() {
    let fields = [
        ("forwarded", "for=10.0.0.1;host=other.example"),
        ("x-forwarded-for", "10.0.0.2"),
        ("x-forwarded-host", "other.example"),
    ];
    assert_eq!(client_of("192.0.2.1", &fields).as_deref(), Ok("192.0.2.1"));
    let peer = "192.0.2.1".parse().unwrap();
    assert_eq!(client(peer, &headers(&fields), &[]).unwrap(), peer);
    let mut parts = Request::get("/").header("host", "app.example").body(()).unwrap().into_parts().0;
    parts.headers.extend(headers(&fields));
    adopt_host(&mut parts, peer, &trusted()).unwrap();
    assert_eq!(parts.headers[HOST], "app.example");
    // Even of a broken header there is nothing to say then.
    assert_eq!(client_of("192.0.2.1", &[("forwarded", "for=\"")]).as_deref(), Ok("192.0.2.1"));
}

#[test]
fn b05_forwarded_is_walked_from_the_right() {
    assert_eq!(forwarded(&["for=198.51.100.1"]).as_deref(), Ok("198.51.100.1"));
    assert_eq!(
        forwarded(&["for=10.0.0.1, for=198.51.100.1, for=10.0.0.2"]).as_deref(),
        Ok("198.51.100.1")
    );
    assert_eq!(
        forwarded(&[
            "for=1.1.1.1",
            "For=198.51.100.1;proto=http;by=10.0.0.3,for=10.0.0.2"
        ])
        .as_deref(),
        Ok("198.51.100.1")
    );
    assert_eq!(
        forwarded(&["for=\"[2001:db8::5]:4711\", for=\"[2001:db8::1]\""]).as_deref(),
        Ok("2001:db8::5")
    );
    assert_eq!(forwarded(&["for=\"198.51.100.1:_port\""]).as_deref(), Ok("198.51.100.1"));
    assert_eq!(forwarded(&["proto=https;for=\"198.51.100.1\""]).as_deref(), Ok("198.51.100.1"));
    assert_eq!(forwarded(&["for=\"[::ffff:198.51.100.1]\""]).as_deref(), Ok("198.51.100.1"));
    assert_eq!(forwarded(&[", ,for=198.51.100.1,"]).as_deref(), Ok("198.51.100.1"));
}

#[test]
fn b05_what_is_no_address_ends_the_walk() {
    for hidden in [
        "unknown",
        "_hidden",
        "\"_SEVKISEK\"",
        "example.com",
        "\"[::1\"",
        "\"1.2.3.4:x\"",
        "2001:db8::7",
    ] {
        let line = format!("for=198.51.100.1, for={hidden}, for=10.0.0.2");
        assert_eq!(forwarded(&[&line]).as_deref(), Ok("10.0.0.2"), "{hidden}");
    }
    assert_eq!(forwarded(&["for=198.51.100.1, proto=https"]).as_deref(), Ok(PROXY));
}

#[test]
fn b05_a_quote_hides_nothing() {
    // The commas and semicolons inside belong to the value; the real hop is the last.
    let line = "for=\"10.0.0.1, for=10.0.0.2;for=10.0.0.3\", for=198.51.100.1";
    assert_eq!(forwarded(&[line]).as_deref(), Ok("198.51.100.1"));
    assert_eq!(forwarded(&["for=\"1.1.1.1\\\"\", for=198.51.100.1"]).as_deref(), Ok("198.51.100.1"));
    // One that never ends could swallow what a trusted proxy has appended.
    for broken in [
        "for=\"1.1.1.1, for=198.51.100.1",
        "for=\"\\",
        "for=1.1.1.1\"",
        "for==1.1.1.1",
    ] {
        assert_eq!(forwarded(&[broken]), Err("forwarded_invalid"), "{broken}");
    }
}

#[test]
fn b05_what_breaks_the_grammar_is_refused() {
    let twice = "for=198.51.100.1;for=198.51.100.2";
    for broken in [
        "for",
        "=x",
        "for=",
        "for 1",
        "for=1.1.1.1 for=2.2.2.2",
        "x=\"y\"z",
        twice,
    ] {
        assert_eq!(forwarded(&[broken]), Err("forwarded_invalid"), "{broken}");
    }
    let many = vec!["for=10.0.0.1"; MOST_HOPS + 1].join(",");
    assert_eq!(forwarded(&[&many]), Err("forwarded_invalid"));
}

#[test]
fn b05_two_headers_must_agree() {
    let both = |list: &'static str, told: &'static str| {
        client_of(PROXY, &[("x-forwarded-for", list), ("forwarded", told)])
    };
    assert_eq!(both("198.51.100.1", "for=198.51.100.1").as_deref(), Ok("198.51.100.1"));
    // A proxy that keeps one header and passes the other through.
    assert_eq!(both("198.51.100.1", "for=10.0.0.1"), Err("forwarded_contradiction"));
    assert_eq!(both("198.51.100.1", "for=unknown"), Err("forwarded_contradiction"));
    assert_eq!(both("unknown", "for=198.51.100.1"), Err("forwarded_contradiction"));
}

fn host_of(fields: &[(&'static str, &str)]) -> Result<String, &'static str> {
    let mut parts = Request::get("/x?y")
        .header("host", "stepgate.internal:8080")
        .body(())
        .unwrap()
        .into_parts()
        .0;
    parts.headers.extend(headers(fields));
    adopt_host(&mut parts, PROXY.parse().unwrap(), &trusted()).map_err(|refusal| refusal.code)?;
    Ok(parts.headers[HOST].to_str().unwrap().to_owned())
}

#[test]
fn a10_a_trusted_proxy_names_the_one_host() {
    assert_eq!(host_of(&[]).as_deref(), Ok("stepgate.internal:8080"));
    assert_eq!(host_of(&[("x-forwarded-host", "app.example:8443")]).as_deref(), Ok("app.example:8443"));
    assert_eq!(
        host_of(&[("forwarded", "for=198.51.100.1;host=\"app.example:8443\"")]).as_deref(),
        Ok("app.example:8443")
    );
    for several in [
        "app.example, other.example",
        "app.example,",
        "",
        "app example",
        "http://app.example",
        "a@b",
    ] {
        assert_eq!(host_of(&[("x-forwarded-host", several)]), Err("forwarded_host"), "{several:?}");
        assert_eq!(
            host_of(&[("forwarded", &format!("host=\"{several}\""))]),
            Err("forwarded_host"),
            "{several:?}"
        );
    }
    let twice = [
        ("x-forwarded-host", "app.example"),
        ("x-forwarded-host", "app.example"),
    ];
    assert_eq!(host_of(&twice), Err("forwarded_host"));
    let differ = [
        ("x-forwarded-host", "app.example"),
        ("forwarded", "host=other.example"),
    ];
    assert_eq!(host_of(&differ), Err("forwarded_contradiction"));
    let agree = [
        ("x-forwarded-host", "APP.example:443"),
        ("forwarded", "host=app.example"),
    ];
    assert_eq!(host_of(&agree).as_deref(), Ok("APP.example:443"));
}

#[test]
fn a10_only_hops_that_are_believed_name_a_host() {
    let by = |line: &str| host_of(&[("forwarded", line)]);
    // The first trusted proxy was asked for `app`, and asked the second for `inner`.
    assert_eq!(
        by("for=198.51.100.1;host=app.example, for=10.0.0.2;host=inner.example").as_deref(),
        Ok("app.example")
    );
    // What the client wrote itself is not one of them.
    assert_eq!(
        by("for=10.0.0.3;host=evil.example, for=198.51.100.1;host=app.example").as_deref(),
        Ok("app.example")
    );
    assert_eq!(by("host=evil.example, for=198.51.100.1").as_deref(), Ok("stepgate.internal:8080"));
}

#[test]
fn a10_over_http2_the_adopted_host_takes_the_place_of_the_authority() {
    let request = Request::get("https://stepgate.internal/x?y").version(Version::HTTP_2);
    let mut parts = request
        .header("x-forwarded-host", "app.example")
        .body(())
        .unwrap()
        .into_parts()
        .0;
    adopt_host(&mut parts, PROXY.parse().unwrap(), &trusted()).unwrap();
    assert_eq!(
        (parts.uri.to_string().as_str(), &parts.headers[HOST]),
        ("/x?y", &HeaderValue::from_static("app.example"))
    );
}

proptest! {
    #[test]
    fn b05_nothing_a_client_writes_before_changes_what_a_proxy_appends(
        written in "[ -~]{0,40}",
        lines in prop::collection::vec("(for=[0-9.]{1,9}|for=\"[ -!#-\\[\\]-~]{0,9}\"|proto=https|unknown|,|;){0,4}", 0..3),
    ) {
        // As separate lines, as proxies that do not join them append.
        let fields: Vec<_> = lines.iter().chain([&written]).map(|line| ("forwarded", line.as_str())).chain([("forwarded", "for=198.51.100.1")]).collect();
        match client_of(PROXY, &fields) {
            Ok(client) => prop_assert_eq!(client, "198.51.100.1"),
            Err(code) => prop_assert_eq!(code, "forwarded_invalid"),
        }
        let list = format!("{written}, 198.51.100.1");
        prop_assert_eq!(client_of(PROXY, &[("x-forwarded-for", &list)]).unwrap(), "198.51.100.1");
    }

    #[test]
    fn b05_any_list_names_an_address_that_somebody_trusted_said(
        hops in prop::collection::vec((0_u8..4, any::<bool>()), 1..6),
    ) {
        // Addresses of proxies (10.0.0.x) and of others (192.0.2.x).
        let addresses: Vec<String> = hops.iter().map(|(n, ours)| format!("{}.{n}", if *ours { "10.0.0" } else { "192.0.2" })).collect();
        let expected = addresses.iter().rev().find(|a| a.starts_with("192")).unwrap_or(&addresses[0]);
        let list = addresses.join(", ");
        let told = addresses.iter().map(|a| format!("for={a}")).collect::<Vec<_>>().join(",");
        prop_assert_eq!(&client_of(PROXY, &[("x-forwarded-for", &list)]).unwrap(), expected);
        prop_assert_eq!(&client_of(PROXY, &[("forwarded", &told)]).unwrap(), expected);
        prop_assert_eq!(&client_of(PROXY, &[("forwarded", &told), ("x-forwarded-for", &list)]).unwrap(), expected);
    }
}
