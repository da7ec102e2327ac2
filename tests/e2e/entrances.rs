//! Hosts, methods, exempting headers and sizes (security.md 1.1): every request comes in by one door.

use super::canonical::Scene;
use crate::support::{Setup, Upstream};

#[test]
fn a10_one_host_in_one_spelling() {
    let scene = Scene::new();
    let port = scene.gate.setup.port();
    for host in [
        "LOCALHOST",
        "Localhost.",
        &format!("localhost:{port}"),
        &format!("localhost.:{port}"),
    ] {
        let reply = scene.send("GET /x HTTP/1.1", &format!("Host: {host}\r\n"));
        assert_eq!(reply.status, 200, "{host}: {}", reply.text());
        let seen = scene.upstream.last().header("host").unwrap_or_default().to_lowercase();
        assert!(seen.starts_with("localhost"), "{seen}");
        let reply = scene.send("GET /admin HTTP/1.1", &format!("Host: {host}\r\n"));
        assert_eq!(reply.status, 401, "{host}");
    }
    for host in [
        "STRICT.localhost",
        "strict.localhost.",
        &format!("strict.localhost:{port}"),
    ] {
        let reply = scene.send("GET /x HTTP/1.1", &format!("Host: {host}\r\n"));
        assert_eq!(reply.status, 401, "{host}");
    }
    let absolute = scene.send("GET http://strict.localhost/x HTTP/1.1", "Host: localhost\r\n");
    assert!(
        matches!(absolute.status, 400 | 401),
        "the absolute form wins or is refused: {}",
        absolute.status
    );
    for fields in [
        "",
        "Host: \r\n",
        "Host: localhost\r\nHost: strict.localhost\r\n",
        "Host: strict.localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost, strict.localhost\r\n",
        "Host: localhost/x\r\n",
        "Host: user@localhost\r\n",
        "Host: localhost:\u{30}x\r\n",
        "Host: local host\r\n",
        "Host: localhost..\r\n",
        "Host: .localhost\r\n",
        "Host: localhost:99999\r\n",
        "Host: localhost#\r\n",
        "Host: localhost?\r\n",
        "Host: loc%61lhost\r\n",
        "Host: [::1\r\n",
        "Host: localhost\\strict\r\n",
    ] {
        let reply = scene.send("GET /x HTTP/1.1", fields);
        assert_eq!(reply.status, 400, "{fields:?}");
        assert!(scene.upstream.requests().is_empty(), "{fields:?}");
    }
    let unknown = scene.send("GET /x HTTP/1.1", "Host: elsewhere.test\r\n");
    assert!((400..500).contains(&unknown.status) && scene.upstream.requests().is_empty());
}

#[test]
fn a11_no_header_exempts_anybody() {
    let scene = Scene::new();
    for fields in [
        "User-Agent: kube-probe/1.30",
        "User-Agent: GoogleHC/1.0",
        "User-Agent: ELB-HealthChecker/2.0",
        "X-Health-Check: 1",
        "Authorization: Bearer x",
        "Authorization: Basic YTpi",
        "X-Forwarded-For: 127.0.0.1",
        "Remote-User: anna",
        "Stepgate-Acr: standard",
        "Cookie: stepgate-id=x; stepgate=y",
        "Upgrade: websocket\r\nConnection: Upgrade",
        "Sec-Purpose: prefetch",
        "Access-Control-Request-Method: GET\r\nOrigin: http://localhost",
    ] {
        let reply = scene.send("GET /admin HTTP/1.1", &format!("Host: localhost\r\n{fields}\r\n"));
        assert!(matches!(reply.status, 401 | 400), "{fields}: {}", reply.status);
        assert!(scene.upstream.requests().is_empty(), "{fields}");
    }
}

#[test]
fn a14_methods() {
    let scene = Scene::new();
    for line in [
        "TRACE /x HTTP/1.1",
        "CONNECT localhost:80 HTTP/1.1",
        "CONNECT /x HTTP/1.1",
        "TRACE http://localhost/x HTTP/1.1",
    ] {
        scene.upstream.take();
        let reply = scene.try_send(line, "Host: localhost\r\n");
        assert!(scene.upstream.requests().is_empty(), "{line}");
        assert!(reply.is_none_or(|r| (400..600).contains(&r.status)), "{line}");
    }
    for method in ["get", "post", "FROBNICATE", "PROPFIND", "Post"] {
        let reply =
            scene.send(&format!("{method} /write/x HTTP/1.1"), "Host: localhost\r\nContent-Length: 0\r\n");
        assert_ne!(reply.status, 200, "{method} gets the strictest rule of the path");
        assert!(scene.upstream.requests().is_empty(), "{method}");
    }
    scene.send("GET /write/x HTTP/1.1", "Host: localhost\r\n").expect(200);
    scene.send("DELETE /form HTTP/1.1", "Host: localhost\r\n").expect(403);
    scene.send("OPTIONS /admin HTTP/1.1", "Host: localhost\r\n").expect(401);
}

#[test]
fn a15_method_overrides_are_removed() {
    let scene = Scene::new();
    for name in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "x_http_method_override",
    ] {
        scene
            .send(
                "POST /form HTTP/1.1",
                &format!("Host: localhost\r\n{name}: DELETE\r\nContent-Length: 0\r\n"),
            )
            .expect(200);
        assert_eq!(scene.upstream.last().twins(name), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a16_no_shape_of_request_goes_around() {
    let scene = Scene::new();
    for (line, fields) in [
        (
            "GET /admin/ws HTTP/1.1",
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        ),
        ("GET /admin HTTP/1.1", "Authorization: Basic YW5uYTp4\r\n"),
        ("PROPFIND /admin HTTP/1.1", "Depth: 1\r\n"),
        ("HEAD /admin HTTP/1.1", ""),
        ("GET /admin HTTP/1.0", ""),
        ("GET /admin HTTP/1.1", "Range: bytes=0-1\r\n"),
        ("GET /admin HTTP/1.1", "If-None-Match: *\r\n"),
        ("GET /admin HTTP/1.1", "Expect: 100-continue\r\n"),
    ] {
        let reply = scene.send(line, &format!("Host: localhost\r\n{fields}"));
        assert!(matches!(reply.status, 400 | 401 | 303 | 417), "{line} {fields}: {}", reply.status);
        assert!(scene.upstream.requests().is_empty(), "{line} {fields}");
    }
}

#[test]
fn d08_what_is_too_large_is_refused() {
    let scene = Scene::new();
    let long = "x".repeat(9000);
    assert_eq!(scene.get(&format!("/{long}")).status, 414);
    let reply =
        scene.send("GET /x HTTP/1.1", &format!("Host: localhost\r\nX-Long: {}\r\n", "y".repeat(40_000)));
    assert_eq!(reply.status, 431);
    let many = (0..150).map(|i| format!("X-N{i}: 1\r\n")).collect::<String>();
    assert_eq!(scene.send("GET /x HTTP/1.1", &format!("Host: localhost\r\n{many}")).status, 431);
    assert!(scene.upstream.requests().is_empty());
}

#[test]
fn d08_a_route_has_bounds_of_its_own() {
    let upstream = Upstream::start();
    let gate = Setup::new(
        &"
  - { name: tight, host: localhost, upstream: $UPSTREAM, require: public, max_header: 2KiB, max_target: 1KiB }
  - { name: wide, host: wide.localhost, upstream: $UPSTREAM, require: public, max_target: 20KiB }
"
        .replace("$UPSTREAM", &upstream.url()),
    )
    .start();
    let status = |host: &str, length: usize, header: usize| {
        let (path, value) = ("a".repeat(length), "b".repeat(header));
        gate.raw()
            .send(format!(
                "GET /{path} HTTP/1.1\r\nHost: {host}\r\nX-Long: {value}\r\nConnection: close\r\n\r\n"
            ))
            .reply()
            .status
    };
    assert_eq!(status("localhost", 1000, 1500), 200);
    assert_eq!(status("localhost", 1100, 10), 414);
    assert_eq!(status("localhost", 10, 2100), 431);
    assert_eq!(status("wide.localhost", 19_000, 9000), 200);
    assert_eq!(status("wide.localhost", 21_000, 10), 414);
    assert_eq!(upstream.requests().len(), 2);
}
