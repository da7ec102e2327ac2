//! Odd requests through the gate to an upstream that records every byte (security.md 1.9): fails when policy
//! and upstream could have understood different things.
//!
//! Requests are made from the bits that bypasses are made of (`http1`, `http2`). What arrived is judged by an
//! oracle that shares no code with the gate: read in every lenient way, is any of it a path that this client
//! may not have? Was it sent at all, in these bytes? Does it say what no client may say? Is it one message?
//! Did each answer go to the request it belongs to?

mod http1;
mod http2;

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::lenient::some_reading_reaches;
use crate::support::{Gate, Recorded, Setup, Upstream, ok};

/// What clients put into every header that only stepgate may set, and into requests hidden in bodies.
const CANARY: &str = "mallory";

/// An honest header that says which case a request is of.
const CASE: &str = "x-case";

/// Names that no client may send, in no spelling.
const NOBODY_SAYS: [&str; 16] = [
    "Remote-User",
    "Remote-Groups",
    "Remote-Email",
    "Stepgate-Acr",
    "Stepgate-Assertion",
    "Stepgate-Code",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-Prefix",
    "X-HTTP-Method-Override",
    "Forwarded",
    "X-Real-IP",
    "Proxy-Authorization",
    "Proxy",
];

/// What each worker has for itself: three hosts and the upstream behind them.
const ROUTES: &str = "
  - name: app$N
    host: a$N.localhost
    upstream: $UPSTREAM
    require: public
    rules:
      - { path: /admin/**, require: standard }
      - { path: /private/**, require: signed-in }
      - { path: /write/**, method: [POST, PUT, DELETE], require: standard }
  - { name: strict$N, host: s$N.localhost, upstream: $UPSTREAM, require: standard }
  - name: judge$N
    host: j$N.localhost
    upstream: $UPSTREAM
    require: public
    encoded_slash: judge
    rules: [{ path: /admin/**, require: standard }]
";

/// One client with a part of the gate for itself.
struct Worker<'a> {
    gate: &'a Gate,
    upstream: &'a Upstream,
    number: usize,
    /// The cookie of somebody who has signed in and proved nothing more.
    cookie: String,
    /// How much reached the upstream, of it below the prefix for whoever has signed in, and how much was
    /// sent: a gate that refuses everything would prove nothing.
    arrived: AtomicUsize,
    private: AtomicUsize,
    sent: AtomicUsize,
    case: AtomicUsize,
}

/// Echoes the target that it was asked for, so that an answer shows which request it belongs to.
fn echo() -> Upstream {
    Upstream::scripted(|request, stream| {
        let mut answer = ok(request.target());
        if request.method() == "HEAD" {
            answer.truncate(answer.len() - request.target().len());
        }
        stream.write_all(&answer)?;
        Ok(true)
    })
}

/// Runs `cases` over both versions of HTTP, on workers of their own against one gate.
fn run(cases: u32) {
    let upstreams: Vec<Upstream> = (0..4).map(|_| echo()).collect();
    let mut routes = String::new();
    for (n, upstream) in upstreams.iter().enumerate() {
        routes.push_str(&ROUTES.replace("$N", &n.to_string()).replace("$UPSTREAM", &upstream.url()));
    }
    let gate = Setup::new(&routes).user("anna", &[]).start();
    let mut anna = gate.signed_in("anna");
    let workers: Vec<Worker<'_>> = (upstreams.iter().enumerate())
        .map(|(number, upstream)| {
            let host = format!("a{number}.localhost");
            anna.go(&gate.url(&host, "/private/hello")).expect(200);
            let cookie = anna.cookie_header(&host).expect("a cookie by hand-off");
            let (arrived, private, sent, case) = Default::default();
            Worker { gate: &gate, upstream, number, cookie, arrived, private, sent, case }
        })
        .collect();
    std::thread::scope(|scope| {
        for worker in &workers {
            scope.spawn(move || match worker.number {
                3 => worker.try_all(cases / 4, http2::case(), |worker, case| http2::check(worker, case)),
                _ => worker.try_all(cases / 4, http1::case(), |worker, case| http1::check(worker, case)),
            });
        }
    });
    for worker in &workers {
        let [arrived, private, sent] =
            [&worker.arrived, &worker.private, &worker.sent].map(|count| count.load(Ordering::Relaxed));

        assert!(
            arrived > sent / 10 && arrived < sent && private > 0,
            "{arrived} of {sent}, {private} private"
        );
    }
}

impl Worker<'_> {
    fn try_all<S: Strategy>(
        &self,
        cases: u32,
        strategy: S,
        check: impl Fn(&Self, &S::Value) -> Result<(), TestCaseError>,
    ) {
        let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
        let tried = TestRunner::new(config).run(&strategy, |case| {
            self.upstream.take();
            check(self, &case)
        });
        if let Err(error) = tried {
            panic!("worker {}: {error}", self.number);
        }
    }

    /// The text with this worker's hosts instead of the first one's.
    fn own(&self, text: &str) -> String {
        let number = self.number;
        text.replace("0.localhost", &format!("{number}.localhost"))
            .replace("0.LOCALHOST", &format!("{number}.LOCALHOST"))
    }

    fn next_case(&self) -> usize {
        self.case.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What arrived, without what a case before this one had still under way when it was given up.
    fn arrived_of(&self, case: usize) -> Vec<Recorded> {
        let mut arrived = self.upstream.take();
        arrived.retain(|request| request.header(CASE).is_none_or(|of| of == case.to_string()));
        arrived
    }

    fn count(&self, sent: usize, arrived: &[Recorded]) {
        self.sent.fetch_add(sent, Ordering::Relaxed);
        self.arrived.fetch_add(arrived.len(), Ordering::Relaxed);
        let private = arrived.iter().filter(|request| request.header("remote-user").is_some());
        self.private.fetch_add(private.count(), Ordering::Relaxed);
    }

    fn host(&self, kind: char) -> String {
        format!("{kind}{}.localhost", self.number)
    }
}

/// One request as it was meant to be read, whatever was put around it.
#[derive(Clone, Debug)]
struct Meant {
    /// Bytes of the path and query.
    target: String,
    body: Vec<u8>,
    signed_in: bool,
}

/// What arrived must be allowed under every reading, be one of those that were sent, and be one message.
fn judge(arrived: &Recorded, sent: &[Meant]) -> Result<(), String> {
    let target = arrived.target();
    let meant: Vec<&Meant> = sent.iter().filter(|meant| meant.target == target).collect();
    if meant.is_empty() {
        return Err("nobody sent this target".to_owned());
    }
    if !arrived.body.is_empty() && !meant.iter().any(|meant| meant.body == arrived.body) {
        return Err(format!("nobody sent this body: {:?}", String::from_utf8_lossy(&arrived.body)));
    }
    let path = target.split('?').next().unwrap_or_default();
    let host = arrived.header("host").unwrap_or_default().to_ascii_lowercase();
    if host.starts_with('s') {
        return Err("nobody may come here".to_owned());
    }
    let closed = |prefix: &str| some_reading_reaches(path, prefix);
    if closed("/admin") {
        return Err("some back end reads a path that asks for more".to_owned());
    }
    if closed("/.stepgate") {
        return Err("some back end reads a path of ours".to_owned());
    }
    let reads = matches!(arrived.method().as_str(), "GET" | "HEAD" | "OPTIONS" | "PATCH");
    if host.starts_with('a') && !reads && closed("/write") {
        return Err("this method asks for more here, or is unknown".to_owned());
    }
    let private = host.starts_with('a') && closed("/private");
    if private && !meant.iter().any(|meant| meant.signed_in) {
        return Err("nobody has signed in".to_owned());
    }
    message(arrived)?;
    says(arrived, private)
}

/// What only stepgate may say, it says; and nobody else.
fn says(arrived: &Recorded, private: bool) -> Result<(), String> {
    let head = String::from_utf8_lossy(&arrived.head).into_owned();
    if head.contains(CANARY) {
        return Err("a header of the client's that none may send".to_owned());
    }
    for name in NOBODY_SAYS {
        let values = arrived.twins(name);
        let ours = private && (name.starts_with("Remote-") || name.starts_with("Stepgate-"));
        if !values.is_empty() && !ours {
            return Err(format!("{name} of the client's: {values:?}"));
        }
    }
    let user = arrived.twins("Remote-User");
    if private && user != ["anna"] {
        return Err(format!("Remote-User is {user:?}"));
    }
    if head.contains("stepgate-id=") {
        return Err("our cookie".to_owned());
    }
    for name in ["Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"] {
        if arrived.twins(name).len() != 1 {
            return Err(format!("{name}: {:?}", arrived.twins(name)));
        }
    }
    if arrived.twins("X-Forwarded-For") != ["127.0.0.1"] {
        return Err("another client's address".to_owned());
    }
    Ok(())
}

/// One well-formed message with at most one framing, whoever reads it.
fn message(arrived: &Recorded) -> Result<(), String> {
    let head = &arrived.head;
    let bare = |at: usize| match head[at] {
        b'\n' => at == 0 || head[at - 1] != b'\r',
        b'\r' => head.get(at + 1) != Some(&b'\n'),
        0 => true,
        _ => false,
    };
    if (0..head.len()).any(bare) {
        return Err("a bare CR, LF or NUL".to_owned());
    }
    let text = String::from_utf8_lossy(head).into_owned();
    let mut lines = text.split("\r\n");
    let line: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1"] = line[..] else {
        return Err("the request line has not three parts".to_owned());
    };
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if method.is_empty() || !method.chars().all(token) || !target.starts_with('/') {
        return Err("no method and path".to_owned());
    }
    for field in lines.take_while(|field| !field.is_empty()) {
        let (name, _) = field.split_once(':').ok_or("a line that is no field")?;
        if name.is_empty() || !name.chars().all(token) {
            return Err(format!("{name:?} is no name of a field"));
        }
    }
    let framings = arrived.twins("Content-Length").len() + arrived.twins("Transfer-Encoding").len();
    let hops = [
        "Connection",
        "Upgrade",
        "TE",
        "Trailer",
        "Keep-Alive",
        "HTTP2-Settings",
        "Expect",
    ];
    // Told onwards in our own words alone: that the client takes trailers, and the one upgrade that is relayed.
    let ours = |name: &str| {
        let (said, twins) = (arrived.all(name), arrived.twins(name));
        said.len() == twins.len()
            && match name {
                "TE" => said == ["trailers"],
                "Upgrade" => said == ["websocket"],
                "Connection" if said == ["te"] => arrived.all("TE") == ["trailers"],
                "Connection" => said[0].eq_ignore_ascii_case("upgrade") && said.len() == 1,
                _ => false,
            }
    };
    match hops.iter().find(|name| !arrived.twins(name).is_empty() && !ours(name)) {
        Some(name) => Err(format!("{name} of another hop")),
        None if framings > 1 => Err("two framings".to_owned()),
        None => Ok(()),
    }
}

#[test]
fn a04_c01_b02_policy_and_upstream_understand_the_same() {
    run(480);
}

#[test]
#[ignore = "slow: thousands of cases, minutes"]
fn a04_c01_b02_policy_and_upstream_understand_the_same_at_length() {
    run(20_000);
}

/// The oracle itself, on what a gate with holes would have forwarded.
#[test]
fn the_oracle_sees_what_a_hole_would_let_through() {
    let arrived = |head: &str| Recorded { head: head.as_bytes().to_vec(), body: Vec::new() };
    let fields = "Host: a0.localhost\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a0.localhost\r\n";
    let sent = |target: &str| [Meant { target: target.to_owned(), body: Vec::new(), signed_in: false }];
    let fine = arrived(&format!("GET /x HTTP/1.1\r\n{fields}\r\n"));
    assert_eq!(judge(&fine, &sent("/x")), Ok(()));
    assert!(judge(&fine, &sent("/y")).is_err(), "another target");
    for target in [
        "/x/..%2fadmin",
        "/%2561dmin",
        "/ADMIN;x",
        "/x/..;/.stepgate/y",
        "/private/x",
    ] {
        let reached = arrived(&format!("GET {target} HTTP/1.1\r\n{fields}\r\n"));
        assert!(judge(&reached, &sent(target)).is_err(), "{target}");
    }
    for more in [
        "Remote_User: x\r\n",
        "X.Original.URL: /\r\n",
        "Connection: close\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "X-A: 1\nX-B: 2\r\n",
        "X A: 1\r\n",
        "x_forwarded_for: 127.0.0.1\r\n",
        "Cookie: stepgate-id=x\r\n",
    ] {
        let reached = arrived(&format!("GET /x HTTP/1.1\r\n{fields}{more}\r\n"));
        assert!(judge(&reached, &sent("/x")).is_err(), "{more}");
    }
    let reached = arrived(&format!("FROB /write/x HTTP/1.1\r\n{fields}\r\n"));
    assert!(judge(&reached, &sent("/write/x")).is_err(), "an unknown method");
}
