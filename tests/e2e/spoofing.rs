//! Who says who it is: nginx in front, and everybody who would like to be taken for it. No spelling, no
//! way around and no other address lets a client name itself, and nothing of what it tries reaches the app.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Gate, Http2, Outcome, Raw, Reserved, Setup, Upstream, tool, wait_until};

const ROUTES: &str = "
  - { name: app, host: app.localhost, upstream: $UPSTREAM, require: signed-in, rules: [{ path: /open/**, require: public }] }
";

/// Everything that is read from nginx, and everything that only others may send.
const SOURCES: &str = "
  - { name: front, type: trusted-header, from: [127.0.0.1], session: X-Front-Session, attributes: { user: X-Front-User, groups: X-Front-Groups, email: X-Front-Email } }
  - { name: card, type: client-certificate, forwarded: { from: [127.0.0.1], form: nginx, verified: X-SSL-Client-Verify } }
  - { name: rfc, type: client-certificate, forwarded: { from: [10.9.9.9], form: client-cert } }
  - { name: envoy, type: client-certificate, forwarded: { from: [10.9.9.9], form: envoy } }
  - { name: iap, type: jwt, preset: google-iap, audience: a, jwks: \"http://127.0.0.1:1/\" }
  - { name: access, type: jwt, preset: cloudflare-access, issuer: \"https://t.cloudflareaccess.com\", audience: a, jwks: \"http://127.0.0.1:1/\" }
  - { name: alb, type: jwt, preset: aws-alb, issuer: \"https://i.example\", audience: a, signer: \"arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/a/1\", jwks: \"http://127.0.0.1:1/\" }
  - { name: pomerium, type: jwt, preset: pomerium, issuer: app.localhost, jwks: \"http://127.0.0.1:1/\" }
  - { name: authentik, type: jwt, preset: authentik, issuer: \"https://a.example/application/o/a/\", audience: a, jwks: \"http://127.0.0.1:1/\" }
";

/// Every header that any of them reads, or that says the same beside it.
const NAMES: [&str; 19] = [
    "X-Front-User",
    "X-Front-Groups",
    "X-Front-Email",
    "X-Front-Session",
    "X-SSL-Client-Cert",
    "X-SSL-Client-Verify",
    "Client-Cert",
    "Client-Cert-Chain",
    "X-Forwarded-Client-Cert",
    "X-Goog-IAP-JWT-Assertion",
    "X-Goog-Authenticated-User-Email",
    "Cf-Access-Jwt-Assertion",
    "Cf-Access-Authenticated-User-Email",
    "X-Amzn-Oidc-Data",
    "X-Amzn-Oidc-Identity",
    "X-Pomerium-Jwt-Assertion",
    "X-Pomerium-Claim-Email",
    "X-Authentik-Jwt",
    "X-Authentik-Username",
];

/// What some server along the way takes for the same name.
fn spellings(name: &str) -> Vec<String> {
    let mut all = vec![name.to_owned(), name.to_lowercase(), name.to_uppercase()];
    for other in ["_", ".", "~", "!"] {
        all.push(name.replace('-', other));
        all.push(name.replacen('-', other, 1));
    }
    all
}

/// nginx with a login of its own: whoever has the cookie `who` is that person.
struct Front {
    app: Upstream,
    gate: Gate,
    nginx: Child,
    plain: Reserved,
    h2: Reserved,
}

impl Front {
    /// `lenient`: nginx passes names on that it drops otherwise.
    fn start(lenient: bool) -> Self {
        let app = Upstream::start();
        let gate = Setup::new(&ROUTES.replace("$UPSTREAM", &app.url()))
            .section("identity", SOURCES)
            .start();
        let (plain, h2) = (Reserved::new(), Reserved::new());
        let directory = gate.setup.path("");
        let config = nginx_conf(&directory, [plain.port, h2.port, gate.setup.port()], lenient);
        let file = directory.join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let nginx = Command::new(tool("nginx"))
            .arg("-p")
            .arg(&directory)
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let front = Self { app, gate, nginx, plain, h2 };
        wait_until("nginx to listen", || std::net::TcpStream::connect(("127.0.0.1", front.plain.port)).ok());
        front
    }

    /// By nginx, with these fields; the status.
    fn through(&self, path: &str, fields: &str) -> u16 {
        let address = ([127, 0, 0, 1], self.plain.port).into();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: app.localhost\r\n{fields}Connection: close\r\n\r\n");
        Raw::connect(address).send(request).reply().status
    }

    /// Past nginx, from an address that nobody has listed.
    fn past(&self, path: &str, fields: &str) -> u16 {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: app.localhost\r\n{fields}Connection: close\r\n\r\n");
        Raw::connect_from([127, 0, 0, 2].into(), self.gate.address())
            .send(request)
            .reply()
            .status
    }

    #[track_caller]
    fn nothing_came(&self, what: &str) {
        let came = self.app.take();
        assert!(came.is_empty(), "{what}: {}", String::from_utf8_lossy(&came[0].head));
    }

    /// Nothing that says who it is was in what came, if anything came.
    #[track_caller]
    fn clean(&self, what: &str) {
        for request in self.app.take() {
            let head = String::from_utf8_lossy(&request.head).into_owned();
            assert!(!head.to_lowercase().contains("mallory"), "{what}: {head}");
            for name in NAMES.into_iter().chain(["Remote-User", "Remote-Groups", "Stepgate-Assertion"]) {
                assert!(request.twins(name).is_empty(), "{what}: {head}");
            }
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

fn nginx_conf(directory: &Path, [plain, h2, gate]: [u16; 3], lenient: bool) -> String {
    let directory = directory.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|what| format!("{what}_temp_path {directory}/{what};\n"))
        .collect();
    let names = if lenient {
        "underscores_in_headers on; ignore_invalid_headers off;"
    } else {
        ""
    };
    format!(
        "daemon off; master_process off; pid {directory}/nginx.pid; error_log stderr;\nevents {{}}\n\
         http {{ access_log off;\n{temporary}\
         map $cookie_who $who {{ anna Anna; default ''; }}\n\
         server {{ listen 127.0.0.1:{plain}; listen 127.0.0.1:{h2} http2; {names}\n\
           location / {{ proxy_pass http://127.0.0.1:{gate}; proxy_http_version 1.1;\n\
             proxy_set_header Host app.localhost;\n\
             proxy_set_header X-Front-User $who; proxy_set_header X-Front-Groups '';\n\
             proxy_set_header X-Front-Email ''; proxy_set_header X-Front-Session $cookie_who;\n\
             proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;\n\
             proxy_set_header X-SSL-Client-Verify $ssl_client_verify; }} }} }}\n"
    )
}

#[test]
fn nginx_says_who_it_is_and_nobody_else() {
    let front = Front::start(false);
    assert_eq!(front.through("/x", "Cookie: who=anna\r\n"), 200);
    let seen = front.app.take().pop().unwrap();
    assert_eq!(seen.twins("remote-user"), ["anna"]);
    for name in NAMES {
        assert!(seen.twins(name).is_empty(), "{name} reached the app");
    }
    assert_eq!(front.through("/x", "Cookie: who=mallory\r\n"), 401);
    assert_eq!(front.through("/x", ""), 401);
    front.nothing_came("strangers");
    // What a client writes under the same names changes nothing for somebody who is known.
    let forged = "X-Front-User: mallory\r\nX-Front-Groups: admins\r\nX-Front-Email: mallory@x\r\nx-front-session: 1\r\n";
    assert_eq!(front.through("/x", &format!("Cookie: who=anna\r\n{forged}")), 200);
    let seen = front.app.take().pop().unwrap();
    assert_eq!(seen.twins("remote-user"), ["anna"]);
    assert!(seen.twins("remote-groups").is_empty() && seen.twins("remote-email").is_empty());
}

#[test]
fn b02_no_spelling_gets_through_nginx_as_somebody_or_to_the_app() {
    for lenient in [false, true] {
        let front = Front::start(lenient);
        for name in NAMES {
            for spelling in spellings(name) {
                let forged = format!("{spelling}: mallory\r\n");
                let twice = format!("{forged}{forged}");
                for fields in [&forged, &twice] {
                    let status = front.through("/x", fields);
                    assert!(matches!(status, 400 | 401), "{spelling}: {status}");
                    front.nothing_came(&spelling);
                }
                front.through("/open/x", &forged);
                front.clean(&spelling);
            }
        }
    }
}

#[test]
fn b03_neither_connection_nor_trailers_nor_http2_smuggle_a_name() {
    let front = Front::start(true);
    for name in NAMES {
        let forged = format!("{name}: mallory\r\n");
        for fields in [
            format!("{forged}Connection: {name}\r\n"),
            format!("{forged}Connection: keep-alive, {name}\r\nKeep-Alive: timeout=5\r\n"),
            format!("{forged}TE: trailers\r\nTrailer: {name}\r\n"),
            format!("{forged}Proxy-Connection: {name}\r\n"),
        ] {
            let status = front.through("/x", &fields);
            assert!(matches!(status, 400 | 401), "{fields}: {status}");
            front.nothing_came(&fields);
        }
        // nginx takes out what `Connection` names only from its own fields: ours must still be Anna.
        let nominated = format!("Cookie: who=anna\r\nConnection: {name}\r\n");
        assert_eq!(front.through("/x", &nominated), 200, "{name}");
        assert_eq!(front.app.take().pop().unwrap().twins("remote-user"), ["anna"]);

        let address = ([127, 0, 0, 1], front.plain.port).into();
        for path in ["/x", "/open/x"] {
            let chunked = format!(
                "POST {path} HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\nTrailer: {name}\r\n\
                 Connection: close\r\n\r\n4\r\nbody\r\n0\r\n{name}: mallory\r\n\r\n"
            );
            let _ = Raw::connect(address).send(&chunked).reply_to("POST");
            let _ = Raw::connect_from([127, 0, 0, 2].into(), front.gate.address())
                .send(&chunked)
                .reply_to("POST");
            front.clean(name);
        }

        let mut connection = Http2::connect(([127, 0, 0, 1], front.h2.port).into());
        for spelling in [name.to_lowercase(), name.to_lowercase().replace('-', "_")] {
            let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
            let fields = [
                field(":method", "GET"),
                field(":scheme", "http"),
                field(":authority", "app.localhost"),
                field(":path", "/x"),
                field(&spelling, "mallory"),
            ];
            let refused = match connection.ask(&fields, None) {
                Outcome::Answered { status, .. } => matches!(status, 400 | 401),
                Outcome::Reset(_) | Outcome::Gone => true,
            };
            assert!(refused, "{spelling} over HTTP/2");
            front.nothing_came(&spelling);
            if !connection.is_open() {
                connection = Http2::connect(([127, 0, 0, 1], front.h2.port).into());
            }
        }
    }
}

#[test]
fn b01_b05_from_another_address_nothing_counts_whatever_is_said_about_it() {
    let front = Front::start(false);
    let lies = [
        "",
        "X-Forwarded-For: 127.0.0.1\r\n",
        "X-Forwarded-For: 127.0.0.1, 127.0.0.1\r\n",
        "X-Real-IP: 127.0.0.1\r\n",
        "Forwarded: for=127.0.0.1;by=127.0.0.1\r\n",
        "X-Client-IP: 127.0.0.1\r\nTrue-Client-IP: 127.0.0.1\r\n",
        "Via: 1.1 nginx\r\n",
    ];
    for name in NAMES {
        for spelling in spellings(name) {
            for lie in lies {
                let fields = format!("{spelling}: mallory\r\nX-SSL-Client-Verify: SUCCESS\r\n{lie}");
                let status = front.past("/x", &fields);
                assert!(matches!(status, 400 | 401), "{fields}: {status}");
            }
            front.nothing_came(&spelling);
            front.past("/open/x", &format!("{spelling}: mallory\r\n"));
            front.clean(&spelling);
        }
    }
    // A PROXY header counts only from a balancer that is listed, and none is.
    let request = "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nGET /x HTTP/1.1\r\nHost: app.localhost\r\nX-Front-User: mallory\r\n\r\n";
    let _ = Raw::connect_from([127, 0, 0, 2].into(), front.gate.address())
        .send(request)
        .reply_to("GET");
    front.nothing_came("a PROXY header");
}
