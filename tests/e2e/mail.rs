//! Mail through a server that is not ours: TLS of both kinds, signing in, answers good and bad; and what
//! `stepgate check --connect` and `stepgate factors test` say of it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Browser, Form, Setup, Upstream, peers_python, unix_now, wait_until, write_private};

/// aiosmtpd, with a certificate for `localhost`; ends with the test.
struct Server {
    child: Child,
    said: BufReader<ChildStdout>,
    port: u64,
}

impl Server {
    fn start(setup: &Setup, tls: &str, user: Option<&str>) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(setup.path("mail.crt"), made.cert.pem()).unwrap();
        write_private(&setup.path("mail.key"), &made.signing_key.serialize_pem());
        let mut command = Command::new(peers_python());
        command.args(["tests/peers/mail_server.py", "--tls", tls]);
        command.arg("--certificate").arg(setup.path("mail.crt"));
        command.arg("--key").arg(setup.path("mail.key"));
        command.args(user.iter().flat_map(|user| ["--user", user]));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, said, port: 0 };
        server.port = server.next().as_u64().expect("a port");
        server
    }

    /// What it says next: the port, then every mail.
    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ROUTES: &str = "  - { name: app, host: localhost, upstream: \"http://127.0.0.1:1\" }\n";

fn setup() -> Setup {
    Setup::new(ROUTES).section("branding", "{ name: Example Ltd }")
}

/// The configuration with one mail server, as `keys` say.
fn with(setup: Setup, port: u64, keys: &str) -> Setup {
    let mail = format!(
        "\n  mail: {{ type: smtp, host: localhost, port: {port}, from: Example <security@example.com>, {keys} }}"
    );
    setup.section("senders", &mail)
}

fn test_mail(setup: &Setup, to: &str) -> crate::support::Finished {
    setup.command(&["factors", "test", "email", "--to", to], "")
}

#[test]
fn a_mail_goes_out_over_both_kinds_of_tls_signed_in() {
    for (tls, security) in [("implicit", "tls"), ("starttls", "starttls")] {
        let setup = setup();
        let mut server = Server::start(&setup, tls, Some("stepgate:correct horse"));
        write_private(&setup.path("password"), "correct horse\n");
        let keys = format!(
            "security: {security}, username: stepgate, password: {{ file: \"$DIR/password\" }}, authority: \"$DIR/mail.crt\""
        );
        let setup = with(setup, server.port, &keys);
        setup.command(&["check", "--connect"], "").expect(0);
        let told = test_mail(&setup, "anna@example.com").expect(0);
        assert!(told.stdout.contains("taken by `mail`") && told.stdout.contains("4711"), "{}", told.stdout);
        let mail = server.next();
        assert_eq!(mail["tls"], true, "{mail}");
        assert_eq!(mail["user"], "stepgate", "{mail}");
        assert_eq!(mail["to"], json!(["anna@example.com"]));
        assert_eq!(mail["from"], "security@example.com");
        assert_eq!(mail["headers"]["subject"], "Your code for Example Ltd");
        assert_eq!(mail["headers"]["auto-submitted"], "auto-generated");
        let id = mail["headers"]["message-id"].as_str().unwrap();
        assert!(id.starts_with('<') && id.ends_with("@example.com>"), "{id}");
        let plain = mail["plain"].as_str().unwrap();
        let code = plain
            .lines()
            .map(str::trim)
            .find(|line| line.len() == 8 && line.bytes().all(|b| b.is_ascii_digit()));
        let code = code.unwrap_or_else(|| panic!("{plain}"));
        assert!(mail["html"].as_str().unwrap().contains(code), "{mail}");
        let log = format!("{}{}", told.stdout, told.stderr);
        assert!(!log.contains(code) && !log.contains("correct horse"), "{log}");
    }
}

#[test]
fn what_a_server_refuses_or_cannot_do_now_is_told_apart() {
    let setup = setup();
    let mut server = Server::start(&setup, "none", None);
    let setup = with(setup, server.port, "security: none, timeout: 5s");
    let gone = test_mail(&setup, "gone@example.com").expect(1);
    assert!(
        gone.stderr.contains("invalid_destination") && gone.stderr.contains("no such person"),
        "{}",
        gone.stderr
    );
    assert!(!gone.stderr.contains("gone@example.com"), "{}", gone.stderr);
    let busy = test_mail(&setup, "busy@example.com").expect(69);
    assert!(busy.stderr.contains("throttled") && !busy.stderr.contains("may still"), "{}", busy.stderr);
    test_mail(&setup, "soon@example.com").expect(0);
    assert_eq!(server.next()["to"][0], "soon@example.com");
    let never = test_mail(&setup, "never@example.com").expect(69);
    assert!(never.stderr.contains("unavailable; it may still arrive"), "{}", never.stderr);
}

#[test]
fn a_mail_server_that_is_slow_is_counted_as_slow() {
    let app = Upstream::start();
    let setup = setup();
    let server = Server::start(&setup, "none", None);
    let mut gate = with(setup, server.port, "security: none, timeout: 2s")
        .section("factors", "{ email: { enabled: true, use_for: [factor] } }")
        .user("anna", &["--email", "never@example.com"])
        .start();
    drop(app);
    let (mut anna, _) = gate.enrolled("anna");
    let begin = json!({ "factor": "email" });
    let begun = anna.fetch("POST", &gate.portal("api/v1/enrolments"), Some(&begin));
    assert!(
        !begun.text().contains("no answer"),
        "the vendor's words are for the log: {}",
        begun.text()
    );
    let slow =
        r#"stepgate_messages_total{sender="mail",channel="email",outcome="slow",reason="unavailable"} "#;
    let metrics = gate.operations("/metrics").text();
    assert!(metrics.contains(slow), "{metrics}");
    gate.kill();
}

#[test]
fn without_trust_or_the_right_password_nothing_is_sent_and_check_says_so() {
    let mut setup = setup();
    let server = Server::start(&setup, "starttls", Some("stepgate:correct horse"));
    let known = "security: starttls, authority: \"$DIR/mail.crt\"";
    for (keys, verdict, words) in [
        ("security: starttls".to_owned(), "NOT believed", "UnknownIssuer"),
        ("security: tls".to_owned(), "NOT", "Connection error"),
        (format!("{known}, username: stepgate, password: wrong"), "it does NOT let us in", "535"),
    ] {
        setup = with(setup, server.port, &keys);
        let checked = setup.command(&["check", "--connect"], "").expect(69);
        let told = checked
            .stderr
            .lines()
            .find(|line| line.starts_with("sender mail: "))
            .unwrap_or_default();
        assert!(told.contains(verdict) && told.contains(words), "{verdict}, {words}\n{}", checked.stderr);
        assert!(
            checked.stderr.contains("look at: ") && checked.stderr.contains("`senders.mail`"),
            "{}",
            checked.stderr
        );
        test_mail(&setup, "anna@example.com").expect(69);
    }
}

#[test]
fn check_connect_names_every_service_and_a_dead_one_by_its_exit_code() {
    let setup = setup();
    setup.command(&["check", "--connect"], "").expect(0);
    let server = Server::start(&setup, "none", None);
    let senders = format!(
        "\n  good: {{ type: smtp, host: localhost, port: {}, security: none, from: a@example.com }}\
         \n  dead: {{ type: smtp, host: localhost, port: 1, security: none, from: a@example.com }}",
        server.port
    );
    let setup = setup.section("senders", &senders);
    setup.command(&["check"], "").expect(0);
    let text = setup.command(&["check", "--connect"], "").expect(69).stderr;
    assert!(
        text.contains("sender good: reached") && text.contains("sender dead: NOT reached"),
        "{text}"
    );
    let json = setup.command(&["check", "--connect", "--format", "json"], "").expect(69).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["services"][0]["reached"], true, "{json}");
    assert_eq!(json["services"][1]["service"], "sender dead", "{json}");
    // The dead one surely sent nothing: the other one does.
    let setup = setup.section("factors", "{ email: { sender: [dead, good] } }");
    let told = test_mail(&setup, "anna@example.com").expect(0);
    assert!(told.stdout.contains("taken by `good`"), "{}", told.stdout);
    assert!(told.stderr.is_empty() || !told.stderr.contains("anna@"), "{}", told.stderr);
}

#[test]
fn what_is_no_destination_is_no_message() {
    let setup = setup();
    for (factor, to) in [
        ("email", "anna"),
        ("email", "anna@example.com\r\nBcc: ben@example.com"),
        ("sms", "07700 900123"),
        ("voice", "+44770090012x"),
    ] {
        setup.command(&["factors", "test", factor, "--to", to], "").expect(2);
    }
}

#[test]
fn people_are_told_by_mail_what_happened_to_their_factors() {
    let setup = setup();
    let mut server = Server::start(&setup, "none", None);
    let mut gate = with(setup, server.port, "security: none")
        .user("anna", &["--email", "anna@example.com"])
        .start();
    let (mut anna, _) = gate.enrolled("anna");
    let mail = server.next();
    assert_eq!(mail["to"], json!(["anna@example.com"]), "{mail}");
    assert_eq!(mail["headers"]["subject"], "Example Ltd: a new way to confirm it's you");
    let plain = mail["plain"].as_str().unwrap();
    for part in [
        "“Phone” was added",
        " UTC",
        "Browser: ",
        "Address: 127.0.0.1",
        &gate.portal("my-mfa"),
    ] {
        assert!(plain.contains(part), "{part}\n{plain}");
    }

    // What an administrator does on the command line is told as well, and by whom.
    let code = gate.setup.command(&["users", "temporary-code", "anna"], "").expect(0);
    assert!(code.stderr.contains("a…@example.com"), "{}", code.stderr);
    let mail = server.next();
    assert_eq!(mail["headers"]["subject"], "Example Ltd: a temporary code was given out", "{mail}");
    let plain = mail["plain"].as_str().unwrap();
    assert!(plain.contains("By: your administrator"), "{plain}");
    assert!(!plain.contains(code.stdout.lines().next().unwrap()), "{plain}");

    // Nobody is there any more; the act is done all the same, and the end does not wait for ever.
    drop(server);
    let listed = anna.fetch("GET", &gate.portal("api/v1/enrolments"), None).json();
    let id = listed["enrolments"][0]["id"].as_str().unwrap_or_else(|| panic!("{listed}"));
    let removed = anna.fetch("DELETE", &gate.portal(&format!("api/v1/enrolments/{id}")), None);
    assert!(removed.status < 300, "{} {}", removed.status, removed.text());
    assert_eq!(gate.audit("enrolment.removed").len(), 1);
    gate.signal("TERM");
    assert_eq!(wait_until("the gate has ended", || gate.exited()), Some(0));
    let lost = gate.audit("notice.lost");
    // The server may have gone before it had said that it took the first one.
    let removed = lost.iter().filter(|lost| lost["detail"]["event"] == "factor_removed").count();
    assert_eq!(removed, 1, "{lost:?}\n{}", gate.log());
}

#[test]
fn a_channel_without_a_sender_says_so() {
    let told = setup()
        .command(&["factors", "test", "sms", "--to", "+447700900123"], "")
        .expect(69);
    assert!(told.stderr.contains("no sender is configured for sms"), "{}", told.stderr);
}

/// "This wasn't me" (P-30): a program that reads mail and opens its links changes nothing; a person who presses the
/// button ends everything that was open, and an administrator allows it again.
#[test]
fn a_notice_stops_sign_ins_by_one_button_and_nothing_less() {
    let app = Upstream::start();
    let routes =
        format!("\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n", app.url());
    let setup = Setup::new(&routes);
    let mut server = Server::start(&setup, "none", None);
    let gate = with(setup, server.port, "security: none")
        .user("anna", &["--email", "anna@example.com"])
        .user("ben", &[])
        .start();
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    let (mut ben, _) = gate.enrolled("ben");
    let mail = server.next();
    let plain = mail["plain"].as_str().unwrap();
    let link = plain
        .lines()
        .find_map(|line| line.strip_prefix("This wasn't me: "))
        .expect("the link")
        .to_owned();
    assert!(link.starts_with(&gate.portal("not-me?link=")), "{link}");
    assert!(mail["html"].as_str().unwrap().contains(&link), "{mail}");
    let visit = |browser: &mut Browser| browser.fetch("GET", &gate.url("localhost", "/x"), None).status;

    let mut stranger = gate.browser();
    for _ in 0..2 {
        let page = stranger.go(&link).expect(200).text();
        assert!(page.contains("“Phone” was added") && page.contains("Stop all sign-ins"), "{page}");
        assert!(!page.contains("anna"), "{page}");
    }
    assert_eq!(visit(&mut anna), 200, "looking changes nothing");

    let page = stranger.go(&link).expect(200).text();
    let form = Form::with(&page, |field| field.name == "link").expect("a form");
    let done = stranger.submit(&form).expect(200).text();
    assert!(done.contains("Sign-ins are stopped"), "{done}");
    wait_until("her session has ended", || (visit(&mut anna) == 401).then_some(()));
    assert_eq!(visit(&mut ben), 200, "nobody else is touched");
    let body = json!({ "username": "anna", "password": Setup::password("anna") });
    let refused = gate.browser().fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body));
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (403, Some("stopped")),
        "{}",
        refused.text()
    );
    let mut browser = gate.browser();
    let page = browser.go(&gate.portal("sign-in")).text();
    let form = Form::sign_in(&page)
        .unwrap()
        .fill("username", "anna")
        .fill("password", &Setup::password("anna"));
    let page = browser.submit(&form).expect(403).text();
    assert!(page.contains("Sign-ins to this account are stopped"), "{page}");
    assert!(stranger.go(&link).expect(410).text().contains("used already"), "one use");
    let told = gate.audit("person.stopped");
    assert_eq!((told.len(), told[0]["result"].as_str()), (1, Some("not_me")), "{told:?}");
    assert!(gate.operations("/metrics").text().contains("stepgate_people_stopped_total 1"));
    assert!(!gate.log().contains(link.rsplit('=').next().unwrap()), "the link is in no log");

    gate.setup.command(&["users", "unlock", "anna"], "").expect(0);
    // What was proved in the very second of the stop is void with it.
    let stopped = unix_now();
    wait_until("the next second", || (unix_now() > stopped).then_some(()));
    let mut again = gate.signed_in("anna");
    gate.step_up(&mut again, &mut authenticator);
    assert_eq!(visit(&mut again), 200);
}
