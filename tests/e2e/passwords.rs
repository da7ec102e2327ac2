//! Passwords of local users: changed, wanted, mailed and imported, and what a burst of sign-ins costs.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{
    Browser, Form, Gate, Inbox, PATIENCE, Reply, Setup, Upstream, read_reply, run, text_of, wait_until,
};

const NEW: &str = "yellow submarine fleet";

fn setup(upstream: &Upstream) -> Setup {
    Setup::new(&format!(
        "\n  - {{ name: App, host: app.localhost, upstream: \"{}\", require: signed-in }}\n",
        upstream.url()
    ))
}

fn sign_in(gate: &Gate, browser: &mut Browser, name: &str, password: &str) -> Reply {
    let body = json!({ "username": name, "password": password });
    browser.fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body))
}

fn is_signed_in(gate: &Gate, browser: &mut Browser) -> bool {
    browser.fetch("GET", &gate.portal("api/v1/session"), None).json()["signed_in"] == true
}

/// The form of this page that asks for a new password.
fn new_password(reply: &Reply) -> Form {
    let page = reply.text();
    Form::with(&page, |field| field.name == "password").unwrap_or_else(|| panic!("{page}"))
}

#[test]
fn its_owner_changes_a_password_after_a_fresh_proof_and_is_signed_out_elsewhere() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).user("anna", &[]).start();
    let (mut browser, _) = gate.enrolled("anna");
    let mut elsewhere = gate.signed_in("anna");

    // Nothing was proved there: the way leads to the challenge.
    let led = elsewhere.visit(&gate.portal("my-mfa/password"));
    assert!(
        led.status == 303 && led.location().contains("/challenge"),
        "{} {}",
        led.status,
        led.text()
    );
    let body = json!({ "current": Setup::password("anna"), "new": NEW });
    let refused = elsewhere.fetch("POST", &gate.portal("api/v1/password"), Some(&body));
    assert_eq!((refused.status, refused.json()["code"].clone()), (403, json!("proof_needed")));

    let page = browser.go(&gate.portal("my-mfa")).expect(200).text();
    assert!(page.contains("/.stepgate/my-mfa/password"), "{page}");
    let page = browser.go(&gate.portal("my-mfa/password")).expect(200);
    for (current, new, says) in [
        ("not the password", NEW, "not your password now"),
        (&*Setup::password("anna"), "short", "Use at least 8 characters"),
        (&*Setup::password("anna"), "Password1", "stolen somewhere"),
        (&*Setup::password("anna"), "anna-1234", "your name"),
    ] {
        let told = browser.submit(&new_password(&page).fill("current", current).fill("password", new));
        let told = told.expect(422).text();
        assert!(text_of(&told).contains(says), "{says}: {told}");
        assert!(!told.contains(new) && !told.contains(current), "no password comes back");
    }
    let form = new_password(&page)
        .fill("current", &Setup::password("anna"))
        .fill("password", NEW);
    let done = browser.submit(&form);
    let done = browser.settle(done).expect(200).text();
    assert!(text_of(&done).contains("Your password is changed"), "{done}");
    assert!(is_signed_in(&gate, &mut browser));
    wait_until("the other session is over", || (!is_signed_in(&gate, &mut elsewhere)).then_some(()));
    assert_eq!(sign_in(&gate, &mut gate.browser(), "anna", &Setup::password("anna")).status, 401);
    sign_in(&gate, &mut gate.browser(), "anna", NEW).expect(200);
    let log = gate.log();
    assert!(!log.contains(NEW) && !log.contains("correct horse"), "{log}");
}

#[test]
fn a_password_that_must_change_lets_nobody_in_before_it_has() {
    let upstream = Upstream::start();
    let gate = setup(&upstream)
        .user("anna", &["--must-change"])
        .user("ben", &["--must-change"])
        .start();
    let mut browser = gate.browser();
    let page = browser.go(&gate.url("app.localhost", "/there")).expect(200).text();
    let form = Form::sign_in(&page).unwrap();
    let form = form.fill("username", "anna").fill("password", &Setup::password("anna"));
    let page = browser.submit(&form).expect(200);
    assert!(text_of(&page.text()).contains("Your administrator wants you"), "{}", page.text());
    assert!(!is_signed_in(&gate, &mut browser), "not before");
    assert!(upstream.take().is_empty());
    let page = browser.submit(&new_password(&page).fill("password", "password1")).expect(422);
    let arrived = browser.submit(&new_password(&page).fill("password", NEW));
    browser.settle(arrived).expect(200);
    assert_eq!(upstream.last().target(), "/there");
    assert_eq!(upstream.last().twins("remote-user"), ["anna"]);

    let mut browser = gate.browser();
    let told = sign_in(&gate, &mut browser, "ben", &Setup::password("ben")).expect(403).json();
    assert_eq!(told["code"], "new_password_needed", "{told}");
    let body = json!({ "ticket": told["ticket"], "new": NEW });
    let session = browser
        .fetch("POST", &gate.portal("api/v1/password"), Some(&body))
        .expect(200)
        .json();
    assert_eq!(session["subject"], "local:ben");
    browser.fetch("POST", &gate.portal("api/v1/password"), Some(&body)).expect(410);
    sign_in(&gate, &mut gate.browser(), "ben", NEW).expect(200);
}

/// The address in the newest mail that leads to the form.
fn link_in(mail: &str) -> String {
    let plain = mail.replace("=\n", "").replace("=3D", "=");
    let start = plain.find("http://").unwrap_or_else(|| panic!("{plain}"));
    plain[start..].split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_mailed_link_gives_a_new_password_and_nothing_else() {
    let upstream = Upstream::start();
    let (inbox, port) = Inbox::mail();
    let senders = format!(
        "\n  mail: {{ type: smtp, host: localhost, port: {port}, security: none, from: gate@example.test }}"
    );
    let routes = format!(
        "\n  - {{ name: App, host: app.localhost, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    );
    let setup = Setup::new(&routes).section("senders", &senders);
    let gate = setup.user("anna", &["--email", "anna@example.test"]).user("ben", &[]).start();
    let (mut old, _) = gate.enrolled("anna");

    let mut browser = gate.browser();
    let page = browser.go(&gate.portal("sign-in")).expect(200).text();
    assert!(page.contains("/.stepgate/sign-in/forgotten"), "{page}");
    let mut pages = Vec::new();
    for name in ["nobody", "ben", "anna"] {
        let page = browser.go(&gate.portal("sign-in/forgotten")).expect(200).text();
        let form = Form::with(&page, |field| field.name == "username").unwrap();
        pages.push(browser.submit(&form.fill("username", name)).expect(200).text());
    }
    assert!(pages.iter().all(|page| *page == pages[0]), "the same for everybody");
    let with_link = || inbox.all().into_iter().filter(|mail| mail.contains("/new-password"));
    let mail = wait_until("the mail", || with_link().next());
    assert!(mail.contains("127.0.0.1") && mail.contains("choose a new password"), "{mail}");
    let link = link_in(&mail);

    let page = browser.visit(&link).expect(200);
    browser.visit(&link).expect(200);
    browser.submit(&new_password(&page).fill("password", "short")).expect(422);
    let done = browser.submit(&new_password(&page).fill("password", NEW)).expect(200);
    assert!(text_of(&done.text()).contains("Your password is changed"), "{}", done.text());
    browser.visit(&link).expect(410);
    assert!(!is_signed_in(&gate, &mut browser), "nobody is signed in by a mail");
    wait_until("the old session is over", || (!is_signed_in(&gate, &mut old)).then_some(()));

    // The factor still stands before the app.
    sign_in(&gate, &mut browser, "anna", NEW).expect(200);
    upstream.take();
    let reply = browser.fetch("GET", &gate.url("app.localhost", "/"), None);
    assert_eq!(reply.status, 401, "{}", reply.text());
    assert!(upstream.take().is_empty());
    let notice =
        wait_until("the notice", || inbox.all().into_iter().find(|mail| mail.contains("was changed")));
    assert!(!notice.contains("/new-password") && with_link().count() == 1, "one mail with a link");
    let token = link.rsplit('=').next().unwrap();
    assert!(!gate.sql("SELECT hex(token), name FROM password_links").contains(token));
    assert!(!gate.log().contains(token), "{}", gate.log());
}

#[test]
fn without_mail_nobody_is_offered_a_link() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).user("anna", &[]).start();
    let mut browser = gate.browser();
    let page = browser.go(&gate.portal("sign-in")).expect(200).text();
    assert!(!page.contains("forgotten"), "{page}");
    browser.visit(&gate.portal("sign-in/forgotten")).expect(404);
    browser.visit(&gate.portal("new-password?link=abc")).expect(404);
}

fn import(setup: &Setup, format: &str, text: &str, more: &[&str]) -> crate::support::Finished {
    let arguments: Vec<&str> = ["users", "import", "--format", format, "-"]
        .iter()
        .chain(more)
        .copied()
        .collect();
    setup.command(&arguments, text)
}

/// What Debian's own htpasswd writes, in each of its kinds.
#[test]
fn people_of_an_htpasswd_sign_in_with_their_passwords() {
    let upstream = Upstream::start();
    let setup = setup(&upstream).user("ben", &[]);
    let mut file = String::new();
    for (name, kind) in [
        ("md5", "-m"),
        ("bcrypt", "-B"),
        ("sha256", "-2"),
        ("sha512", "-5"),
        ("sha1", "-s"),
        ("des", "-d"),
    ] {
        let password = format!("pw {name}");
        let made = run(Command::new("htpasswd").args(["-nb", kind, name, &password])).expect(0);
        file.push_str(made.stdout.trim());
        file.push('\n');
    }
    let dry = import(&setup, "htpasswd", &file, &[]).expect(0).stdout;
    assert!(
        dry.contains("would import 5, leave out 1") && dry.contains("line 6: left out: des"),
        "{dry}"
    );
    assert!(!dry.contains('$') && !dry.contains("{SHA}"), "no hash is printed: {dry}");
    let listed = |setup: &Setup| setup.command(&["users", "list"], "").expect(0).stdout;
    assert!(!listed(&setup).contains("md5"), "nothing was written");
    let clash = import(
        &setup,
        "htpasswd",
        &format!("{file}ben:{{SHA}}L55TUjtiq8FBorTWAZ0jy6g129A=\n"),
        &["--yes"],
    );
    assert_eq!(clash.code, Some(1));
    assert!(clash.stderr.contains("line 7: there is a user `ben` already"), "{}", clash.stderr);
    assert!(!listed(&setup).contains("md5"), "nothing is half imported");
    import(&setup, "htpasswd", &file, &["--yes"]).expect(0);

    let gate = setup.start();
    for name in ["md5", "bcrypt", "sha256", "sha512", "sha1"] {
        let mut browser = gate.browser();
        assert_eq!(sign_in(&gate, &mut browser, name, "pw wrong").status, 401, "{name}");
        sign_in(&gate, &mut browser, name, &format!("pw {name}")).expect(200);
        let kept = gate.sql(&format!("SELECT password_hash FROM users WHERE name = '{name}'"));
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{name}: {kept}");
        sign_in(&gate, &mut gate.browser(), name, &format!("pw {name}")).expect(200);
        browser.go(&gate.url("app.localhost", "/")).expect(200);
        assert_eq!(upstream.last().twins("remote-user"), [name]);
    }
}

#[test]
fn people_of_authelia_bring_names_groups_and_passwords() {
    let upstream = Upstream::start();
    let setup = setup(&upstream);
    // The digest of "password" in Authelia's guide; somebody disabled; a hash that costs too much.
    let file = "users:
  john:
    disabled: false
    displayname: 'John Doe'
    password: '$argon2id$v=19$m=65536,t=3,p=4$Hjc8e7WYcBFcJmEDUOsS9A$ozM7RyZR1EyDR8cuyVpDDfmLrGPGFgo5E2NNqRumui4'
    email: 'john.doe@authelia.com'
    groups:
      - 'admins'
      - 'dev'
  harry:
    disabled: true
    displayname: 'Harry Potter'
    password: '{SHA}L55TUjtiq8FBorTWAZ0jy6g129A='
    email: 'harry.potter@authelia.com'
    groups: []
  bob:
    displayname: 'Bob Dylan'
    password: '$argon2id$v=19$m=2097152,t=1,p=4$BpLnfgDsc2WD8F2q$o/vzA4myCqZZ36bUGsDY//8mKUYNZZaR0t4MFFSs+iM'
";
    let told = import(&setup, "authelia", file, &["--yes", "--json"]).expect(0);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told, json!({ "users": 2, "left_out": 1, "written": true }));
    let gate = setup.start();
    assert_eq!(sign_in(&gate, &mut gate.browser(), "harry", "correct horse").status, 401, "disabled");
    assert_eq!(sign_in(&gate, &mut gate.browser(), "bob", "password").status, 401, "left out");
    let mut browser = gate.browser();
    sign_in(&gate, &mut browser, "john", "password").expect(200);
    browser.go(&gate.url("app.localhost", "/")).expect(200);
    let seen = upstream.last();
    assert_eq!(seen.twins("remote-groups"), ["admins,dev"]);
    assert_eq!(seen.twins("remote-email"), ["john.doe@authelia.com"]);
    assert_eq!(seen.twins("remote-name"), ["John Doe"]);
}

/// Bytes of memory, the most there ever were.
fn most_memory(gate: &Gate) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gate.process())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("the system says");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number")
        * 1024
}

fn request(name: &str, password: &str, cookies: &str) -> String {
    let body = json!({ "username": name, "password": password }).to_string();
    format!(
        "POST /.stepgate/api/v1/sign-in HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Each hash takes 19 MiB; 500 of them at the same time would take 9.5 GiB.
#[test]
fn a_burst_of_sign_ins_is_told_to_come_again_and_takes_no_memory() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).user("anna", &[]).user("ben", &[]).start();
    let (known, _) = gate.enrolled("anna");
    let before = most_memory(&gate);
    let mut streams: Vec<TcpStream> = (0..500)
        .map(|n| {
            let mut stream = TcpStream::connect(gate.address()).expect("the gate accepts");
            stream.set_read_timeout(Some(PATIENCE * 3)).unwrap();
            let request = request(&format!("stranger{n}"), "a wrong password", "");
            stream.write_all(&request.as_bytes()[..request.len() - 1]).unwrap();
            stream
        })
        .collect();
    for stream in &mut streams {
        stream.write_all(b"}").unwrap();
    }
    // While they are being worked off, somebody signs in whose browser is known here.
    let mut own = TcpStream::connect(gate.address()).expect("the gate accepts");
    own.set_read_timeout(Some(PATIENCE * 3)).unwrap();
    let cookies = known.cookie_header("localhost").unwrap_or_default();
    own.write_all(request("anna", &Setup::password("anna"), &cookies).as_bytes())
        .unwrap();
    let own = read_reply(&mut BufReader::new(own), "POST").expect("an answer");
    let replies: Vec<Reply> = streams
        .into_iter()
        .map(|stream| read_reply(&mut BufReader::new(stream), "POST").expect("an answer"))
        .collect();
    assert_eq!(own.status, 200, "{}", own.text());
    let busy: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 503).collect();
    assert!(!busy.is_empty(), "a burst that was none");
    assert!(replies.iter().all(|reply| matches!(reply.status, 401 | 503)));
    for reply in busy {
        assert_eq!(reply.json()["code"], "busy");
        assert!(reply.header("retry-after").is_some());
    }
    let grown = most_memory(&gate).saturating_sub(before);
    // Four hashes are 76 MiB; glibc keeps several times that in its arenas, once and not once per burst.
    assert!(grown < 1 << 30, "{} MiB more", grown >> 20);
    sign_in(&gate, &mut gate.browser(), "ben", &Setup::password("ben")).expect(200);
}
