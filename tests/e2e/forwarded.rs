//! Who the client is and which host it asked for, when other proxies stand in front (security.md B05, A10,
//! D-6). Loopback has many addresses: `127.0.0.2` and `.3` are trusted proxies, `127.0.0.9` is anybody.

use std::net::Ipv4Addr;

use crate::support::{Gate, Raw, Reply, Setup, Upstream};

const ROUTES: &str = "
  - name: app
    host: app.localhost
    upstream: $UPSTREAM
    require: deny
    rules: [{ path: /office, when: [office], require: public }, { path: /open/**, require: public }]
  - { name: other, host: other.localhost, upstream: $UPSTREAM, require: deny, rules: [{ path: /other, require: public }] }
";
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const ANYBODY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

fn setup(upstream: &Upstream) -> Setup {
    Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url()))
        .section("conditions", "{ office: { network: [198.51.100.0/24] } }")
}

fn get(gate: &Gate, from: Ipv4Addr, path: &str, fields: &[&str]) -> Reply {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    Raw::connect_from(from, gate.address())
        .send(format!(
            "GET {path} HTTP/1.1\r\nHost: app.localhost:{}\r\n{fields}Connection: close\r\n\r\n",
            gate.setup.port()
        ))
        .reply()
}

#[test]
fn b05_who_is_believed_about_the_client() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).server("trusted_proxies: [127.0.0.2, 127.0.0.3]").start();
    // Peer, fields, the address that counts; none: refused.
    let cases: &[(Ipv4Addr, &[&str], Option<&str>)] = &[
        (ANYBODY, &["X-Forwarded-For: 198.51.100.1"], Some("127.0.0.9")),
        (ANYBODY, &["Forwarded: for=198.51.100.1"], Some("127.0.0.9")),
        (ANYBODY, &["Forwarded: for=\"", "X-Real-IP: 198.51.100.1"], Some("127.0.0.9")),
        (PROXY, &[], Some("127.0.0.2")),
        (PROXY, &["X-Forwarded-For: 198.51.100.1"], Some("198.51.100.1")),
        (PROXY, &["X-Forwarded-For: 198.51.100.1, 203.0.113.7"], Some("203.0.113.7")),
        (PROXY, &["X-Forwarded-For: 198.51.100.1, 203.0.113.7, 127.0.0.3"], Some("203.0.113.7")),
        (
            PROXY,
            &["X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 203.0.113.7"],
            Some("203.0.113.7"),
        ),
        (PROXY, &["X-Forwarded-For: 198.51.100.1, unknown"], Some("127.0.0.2")),
        (PROXY, &["X-Real-IP: 198.51.100.1"], Some("127.0.0.2")),
        (PROXY, &["Forwarded: for=198.51.100.1, for=203.0.113.7;proto=https"], Some("203.0.113.7")),
        (PROXY, &["Forwarded: for=198.51.100.1, for=_hidden"], Some("127.0.0.2")),
        (PROXY, &["Forwarded: for=\"[2001:db8::7]:4711\""], Some("2001:db8::7")),
        (
            PROXY,
            &["Forwarded: for=203.0.113.7", "X-Forwarded-For: 203.0.113.7"],
            Some("203.0.113.7"),
        ),
        (PROXY, &["Forwarded: for=198.51.100.1", "X-Forwarded-For: 203.0.113.7"], None),
        (PROXY, &["Forwarded: for=\"198.51.100.1, for=203.0.113.7"], None),
    ];
    for (peer, fields, expected) in cases {
        upstream.take();
        let reply = get(&gate, *peer, "/open/x", fields);
        if let Some(client) = expected {
            reply.expect(200);
            assert_eq!(upstream.last().twins("x-forwarded-for"), [*client], "{fields:?}");
            assert!(upstream.last().twins("forwarded").is_empty(), "what was told is not passed on");
            // And the policy has seen the same address.
            let inside = client.starts_with("198.51.100.");
            assert_eq!(
                get(&gate, *peer, "/office", fields).status,
                if inside { 200 } else { 403 },
                "{fields:?}"
            );
        } else {
            reply.expect(400);
            assert!(upstream.requests().is_empty(), "{fields:?}");
        }
    }
}

#[test]
fn b05_an_empty_list_trusts_nobody() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    for from in [Ipv4Addr::LOCALHOST, PROXY] {
        let fields = [
            "X-Forwarded-For: 198.51.100.1",
            "Forwarded: for=198.51.100.1;host=other.localhost",
            "X-Forwarded-Host: other.localhost",
            "X-Forwarded-Proto: https",
        ];
        get(&gate, from, "/open/x", &fields).expect(200);
        let request = upstream.last();
        assert_eq!(request.twins("x-forwarded-for"), [from.to_string()]);
        assert_eq!(request.twins("x-forwarded-host"), [format!("app.localhost:{}", gate.setup.port())]);
        assert_eq!(request.twins("x-forwarded-proto"), ["http"], "the site's own scheme");
        get(&gate, from, "/office", &fields).expect(403);
    }
}

#[test]
fn a10_the_host_that_a_trusted_proxy_was_asked_for_is_judged_and_sent() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).server("trusted_proxies: [127.0.0.2]").start();
    for fields in [
        &["X-Forwarded-Host: other.localhost:8443"][..],
        &["Forwarded: for=203.0.113.7;host=\"other.localhost:8443\""],
        &[
            "X-Forwarded-Host: Other.localhost:8443",
            "Forwarded: host=\"other.localhost\"",
        ],
    ] {
        get(&gate, PROXY, "/other", fields).expect(200);
        let request = upstream.last();
        let host = request.header("host").unwrap();
        assert_eq!(host.to_ascii_lowercase(), "other.localhost:8443", "{fields:?}");
        assert_eq!(request.all("x-forwarded-host"), [host]);
        get(&gate, PROXY, "/open/x", fields).expect(403);
        // Anybody else who says so is asked for nothing but what `Host` says.
        get(&gate, ANYBODY, "/other", fields).expect(403);
    }
    upstream.take();
    for fields in [
        &["X-Forwarded-Host: other.localhost, app.localhost"][..],
        &[
            "X-Forwarded-Host: other.localhost",
            "X-Forwarded-Host: other.localhost",
        ],
        &[
            "X-Forwarded-Host: other.localhost",
            "Forwarded: host=app.localhost",
        ],
        &["X-Forwarded-Host: http://other.localhost"],
        &["X-Forwarded-Host:"],
    ] {
        get(&gate, PROXY, "/other", fields).expect(400);
    }
    assert!(upstream.requests().is_empty());
}
