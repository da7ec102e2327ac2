//! One reading of the request (security.md 1.1): what is ambiguous never reaches policy or upstream, every
//! lenient reading is judged, and the upstream gets exactly the bytes that were judged.
//!
//! The gate serves `/` to anybody and protects `/admin/**`; the client is nobody. So whatever reaches the
//! upstream was judged public, and nothing below `/admin` may ever be among it.

use crate::support::{Gate, Raw, Reply, Setup, Upstream};

const ROUTES: &str = "
  - name: app
    host: localhost
    upstream: $UPSTREAM
    require: public
    rules:
      - { path: /admin/**, require: standard }
      - { path: /form, method: DELETE, require: deny }
      - { path: /write/**, method: [POST, PUT], require: standard }
      - { path: /write/**, require: public }
  - name: strict
    host: strict.localhost
    upstream: $UPSTREAM
    require: standard
";

pub(super) struct Scene {
    pub(super) gate: Gate,
    pub(super) upstream: Upstream,
}

impl Scene {
    pub(super) fn new() -> Self {
        let upstream = Upstream::start();
        let gate = Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url())).start();
        Self { gate, upstream }
    }

    /// Sends a request line and fields exactly as given.
    pub(super) fn send(&self, line: &str, fields: &str) -> Reply {
        self.upstream.take();
        self.try_send(line, fields).unwrap_or_else(|| panic!("no answer to {line:?}"))
    }

    pub(super) fn try_send(&self, line: &str, fields: &str) -> Option<Reply> {
        let head = format!("{line}\r\n{fields}Connection: close\r\n\r\n");
        let method = line.split(' ').next().unwrap_or_default();
        Raw::connect(self.gate.address()).send(head).reply_to(method).ok()
    }

    pub(super) fn get(&self, target: &str) -> Reply {
        self.send(&format!("GET {target} HTTP/1.1"), "Host: localhost\r\n")
    }

    /// Neither served nor forwarded.
    #[track_caller]
    fn stays_closed(&self, target: &str) {
        let reply = self.get(target);
        let reached = self.upstream.take();
        assert!(reached.is_empty(), "{target} reached the upstream as {}", reached[0].line());
        assert!(
            matches!(reply.status, 400 | 401 | 403 | 404 | 414),
            "{target}: {} {}",
            reply.status,
            reply.text()
        );
    }

    /// Served, and the upstream got the very same bytes.
    #[track_caller]
    fn passes_unchanged(&self, target: &str) {
        let reply = self.get(target);
        assert_eq!(reply.status, 200, "{target}: {}", reply.text());
        assert_eq!(self.upstream.last().target(), target);
    }
}

#[test]
fn a01_headers_do_not_choose_the_path_or_method_that_is_judged() {
    let scene = Scene::new();
    for name in [
        "X-Forwarded-Uri",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-URI",
        "X-Forwarded-Prefix",
    ] {
        let reply =
            scene.send("GET /admin/users HTTP/1.1", &format!("Host: localhost\r\n{name}: /public\r\n"));
        assert_eq!(reply.status, 401, "{name}");
    }
    for name in ["X-Forwarded-Method", "X-Original-Method"] {
        let reply = scene.send(
            "POST /write/x HTTP/1.1",
            &format!("Host: localhost\r\n{name}: GET\r\nContent-Length: 0\r\n"),
        );
        assert_eq!(reply.status, 401, "{name}");
    }
    let reply = scene.send("GET /x HTTP/1.1", "Host: strict.localhost\r\nX-Forwarded-Host: localhost\r\n");
    assert_eq!(reply.status, 401);
    assert!(scene.upstream.requests().is_empty());
}

#[test]
fn a02_such_headers_never_reach_an_upstream() {
    let scene = Scene::new();
    let names = [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-URI",
        "X-Forwarded-Uri",
        "X-Forwarded-Method",
        "X-Original-Method",
        "x_original_url",
        "X-Rewrite_Url",
        "X.Original.URL",
    ];
    for name in names {
        scene
            .send("GET /x HTTP/1.1", &format!("Host: localhost\r\n{name}: /admin\r\n"))
            .expect(200);
        assert_eq!(scene.upstream.last().twins(name), Vec::<String>::new(), "{name}");
    }
    scene
        .send("GET /x HTTP/1.1", "Host: localhost\r\nX-Harmless: 1\r\n")
        .expect(200);
    assert_eq!(scene.upstream.last().all("x-harmless"), ["1"], "ordinary headers pass");
}

#[test]
fn a03_query_and_fragment_take_no_part_in_the_match() {
    let scene = Scene::new();
    for target in [
        "/admin?/public",
        "/admin?x=/../public",
        "/admin/x?a=b",
        "/admin/?",
    ] {
        scene.stays_closed(target);
    }
    scene.passes_unchanged("/public?/admin");
    scene.passes_unchanged("/public?next=/admin/users&x=..%2fadmin");
    for target in ["/admin#/public", "/admin%23/public", "/admin/x#"] {
        scene.stays_closed(target);
    }
    let reply = scene.get("/public#/admin");
    if reply.status == 200 {
        assert_eq!(scene.upstream.last().target(), "/public", "cut for policy and upstream alike");
    } else {
        assert_eq!(reply.status, 400);
    }
}

#[test]
fn a04_dot_segments_plain_or_encoded() {
    let scene = Scene::new();
    for target in [
        "/./admin",
        "/x/../admin",
        "/x/y/../../admin/z",
        "/%2e/admin",
        "/x/%2e%2e/admin",
        "/x/%2E%2e/admin/",
        "/x/.%2e/admin",
        "/%252e/admin",
        "/x/%252e%252e/admin",
        "/../admin",
        "/..;/admin",
        "/x/..;a=b/admin",
        "/admin/.",
        "/admin/..",
        "/admin/../admin",
        "/x/..%00/admin",
        "/x/..%01/admin",
        "/x/.../admin/../../admin",
        "/%61dmin",
        "/\u{ff41}dmin",
        "/adm\u{200b}in",
        "/%2561dmin",
        "/adm%69n/x",
        "/ADMIN",
        "/Admin/x",
        "/%41dmin",
        "/admin%2e",
        "/admin.",
        "/admin%20",
        "/admin/%2e%2e/admin",
        "/%u0061dmin",
        "/%c0%aeadmin/../admin",
        "/%ef%bd%81dmin",
        "/adm%e2%80%8bin",
        "/x/%c0%ae%c0%ae/admin",
        "/x/%e0%80%ae%e0%80%ae/admin",
    ] {
        scene.stays_closed(target);
    }
}

#[test]
fn a05_encoded_slash_and_backslash() {
    let scene = Scene::new();
    for target in [
        "/admin%2fusers",
        "/admin%2Fusers",
        "/x/..%2fadmin",
        "/x%2f..%2fadmin",
        "/%2fadmin",
        "/%5cadmin",
        "/\\admin",
        "/x\\..\\admin",
        "/x/..%5cadmin",
        "/admin%5cusers",
        "/admin\\users",
        "/x%252f..%252fadmin",
        "/public%2fx",
        "/%255cadmin",
        "/x/..%c0%afadmin",
        "/x/..%ef%bc%8fadmin",
    ] {
        scene.stays_closed(target);
    }
}

#[test]
fn a06_path_parameters() {
    let scene = Scene::new();
    for target in [
        "/admin;x",
        "/admin;x=1/users",
        "/;x/admin",
        "/admin/;a",
        "/admin%3bx",
        "/admin%3Bx/users",
        "/;/admin",
        "/x/..;/admin",
        "/x;y/../admin",
        "/admin;/../public",
        "/%3b/admin",
        "/admin;jsessionid=1?x",
    ] {
        scene.stays_closed(target);
    }
}

#[test]
fn a07_duplicate_slashes() {
    let scene = Scene::new();
    for target in [
        "//admin",
        "///admin",
        "/.//admin",
        "//admin//users",
        "/x//../admin",
        "/x/..//admin",
        "//admin/",
        "/;//admin",
    ] {
        scene.stays_closed(target);
    }
}

#[test]
fn a08_the_bytes_judged_are_the_bytes_sent() {
    let scene = Scene::new();
    for target in [
        "/",
        "/x",
        "/x/",
        "/a%20b",
        "/caf%C3%A9",
        "/caf%c3%a9",
        "/a+b",
        "/~anna",
        "/@x",
        "/a:b",
        "/a.b.c",
        "/v1.2/x",
        "/administrator",
        "/admins",
        "/my/admin",
        "/x?a=%2f&b=..",
        "/x?",
        "/x??",
        "/a,b",
        "/a=b",
        "/a!b",
        "/a$b",
        "/a(b)",
        "/a*b",
        "/a'b",
        "/x?q=%zz",
        "/%E2%82%AC",
        "/a&b",
        "/x?a;b",
        "/a_b-c",
        "/x?%00",
        "/.well-known/security.txt",
        "/..x",
        "/x..",
        "/a..b",
    ] {
        let reply = scene.get(target);
        if target == "/x?%00" && reply.status == 400 {
            continue;
        }
        assert_eq!(reply.status, 200, "{target}: {}", reply.text());
        assert_eq!(scene.upstream.last().target(), target);
    }
}

#[test]
fn a09_what_cannot_be_read_is_refused_without_contact() {
    let scene = Scene::new();
    for target in [
        "/%",
        "/%zz",
        "/%2",
        "/x%g0",
        "/%00",
        "/x%00y",
        "/%0a",
        "/x%0d%0aX:y",
        "/%7f",
        "/%ff%fe",
        "x",
        "*",
        "?x",
        "",
    ] {
        scene.upstream.take();
        let reply = scene.try_send(&format!("GET {target} HTTP/1.1"), "Host: localhost\r\n");
        assert!(scene.upstream.requests().is_empty(), "{target} reached {}", scene.upstream.last().line());
        if let Some(reply) = reply {
            assert!((400..500).contains(&reply.status), "{target}: {}", reply.status);
        }
    }
    for line in [
        "GET /x y HTTP/1.1",
        "GET  /x HTTP/1.1",
        "GET\t/x HTTP/1.1",
        "GET /x HTTP/3.0",
        "GET /x",
    ] {
        scene.upstream.take();
        let reply = scene.try_send(line, "Host: localhost\r\n");
        assert!(scene.upstream.requests().is_empty(), "{line:?} reached {}", scene.upstream.last().line());
        assert!(reply.is_none_or(|r| (400..600).contains(&r.status)), "{line:?}");
    }
}

#[test]
fn a12_the_reserved_prefix_elsewhere_means_nothing() {
    let scene = Scene::new();
    for target in [
        "/admin/.stepgate/",
        "/admin/.stepgate/sign-in",
        "/admin?/.stepgate/",
        "/admin/x?.stepgate",
        "/admin;/.stepgate/",
        "/.stepgate/../admin",
        "/.stepgate/%2e%2e/admin",
        "/.stepgatex/../admin",
        "/.stepgate/..;/admin",
        "/.stepgate//../admin",
    ] {
        scene.stays_closed(target);
    }
    for target in [
        "/.stepgate",
        "/.stepgate/",
        "/.stepgate/no-such-page",
        "/.STEPGATE/x",
        "/%2estepgate/x",
        "/.stepgate%2fx",
        "//.stepgate/x",
    ] {
        scene.get(target);
        assert!(scene.upstream.requests().is_empty(), "{target} was forwarded");
    }
    scene.passes_unchanged("/x/.stepgate/sign-in");
    scene.passes_unchanged("/.stepgatex");
}
