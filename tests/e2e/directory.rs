//! People of a directory: groups of groups, states of accounts, ways to sign in, several servers, and what
//! changes there while somebody is signed in. Against Debian's slapd.

use serde_json::json;

use crate::support::{Browser, Form, Gate, Reply, Setup, Slapd, Upstream, poll};

fn scene(identity: &str) -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let routes = format!(
        "\n  - {{ name: App, host: app.localhost, upstream: \"{}\", require: signed-in }}\n",
        upstream.url()
    );
    (upstream, Setup::new(&routes).section("identity", identity).start())
}

fn sign_in(gate: &Gate, browser: &mut Browser, name: &str) -> Reply {
    let body = json!({ "username": name, "password": Setup::password(&name.to_lowercase()) });
    browser.fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body))
}

/// What the app hears of somebody who signs in by this source.
fn heard(identity: &str, name: &str) -> (Vec<String>, Vec<String>) {
    let (upstream, gate) = scene(identity);
    let mut browser = gate.browser();
    sign_in(&gate, &mut browser, name).expect(200);
    browser.go(&gate.url("app.localhost", "/")).expect(200);
    let last = upstream.last();
    (last.twins("remote-user"), last.twins("remote-groups"))
}

fn both(user: &str, groups: &str) -> (Vec<String>, Vec<String>) {
    (vec![user.to_owned()], vec![groups.to_owned()])
}

#[test]
fn a_person_has_one_spelling_and_the_groups_of_their_groups() {
    let slapd = Slapd::start();
    let source = slapd.source(&[&slapd.ldaps()], "");
    assert_eq!(heard(&source, "ANNA"), both("anna", "everyone,round,staff"));
}

#[test]
fn people_bind_by_a_template_over_starttls() {
    let slapd = Slapd::start();
    let source = format!(
        "\n  - {{ name: corp, type: ldap, servers: \"{}\", authority: {}, \
         bind: \"uid={{user}},ou=people,dc=example,dc=com\", groups: {{ base: \"ou=groups,dc=example,dc=com\", \
         name: dn }} }}\n",
        slapd.ldap(),
        slapd.authority().display()
    );
    let (upstream, gate) = scene(&source);
    let mut browser = gate.browser();
    for name in ["anna,ou=people", "*", "nobody"] {
        sign_in(&gate, &mut browser, name).expect(401);
    }
    sign_in(&gate, &mut browser, "anna").expect(200);
    browser.go(&gate.url("app.localhost", "/")).expect(200);
    assert_eq!(upstream.last().twins("remote-user"), ["anna"]);
}

#[test]
fn an_old_password_is_said_to_who_knows_it_and_a_locked_account_to_nobody_else() {
    let slapd = Slapd::start();
    let (_upstream, gate) = scene(&slapd.source(&[&slapd.ldaps()], ""));
    let mut browser = gate.browser();
    let carla = sign_in(&gate, &mut browser, "carla");
    assert_eq!((carla.status, carla.json()["code"].as_str()), (403, Some("password_change_required")));
    let dora = sign_in(&gate, &mut browser, "dora");
    assert_eq!(dora.status, 401, "{}", dora.text());
    let page = browser.go(&gate.portal("sign-in"));
    let form = Form::sign_in(&page.text()).expect("the form of the sign-in page");
    let form = form.fill("username", "carla").fill("password", &Setup::password("carla"));
    let told = browser.submit(&form).text();
    assert!(told.contains("must be changed in the Example directory first"), "{told}");
}

#[test]
fn r24_the_next_server_is_asked_when_one_is_not_there() {
    let (mut first, second) = (Slapd::start(), Slapd::start());
    std::fs::write(
        first.authority(),
        [first.authority(), second.authority()]
            .map(|file| std::fs::read_to_string(file).unwrap())
            .concat(),
    )
    .unwrap();
    let (_upstream, gate) = scene(&first.source(&[&first.ldaps(), &second.ldaps()], ""));
    gate.signed_in("anna");
    first.stop();
    gate.signed_in("anna");
    gate.signed_in("ben");
}

#[test]
fn check_tries_the_account_that_looks() {
    let slapd = Slapd::start();
    let good = slapd.source(&[&slapd.ldaps(), &slapd.ldap()], "");
    let setup = |identity: &str| {
        Setup::new("\n  - { host: a.localhost, upstream: \"http://127.0.0.1:1\" }\n")
            .section("identity", identity)
    };
    let found = setup(&good).command(&["check", "--connect"], "");
    assert!(
        format!("{}{}", found.stdout, found.stderr).contains("identity corp: reached"),
        "{found:?}"
    );
    let bad = good.replace("looker password", "another password");
    let found = setup(&bad).command(&["check", "--connect"], "");
    let said = format!("{}{}", found.stdout, found.stderr);
    assert!(
        said.contains("identity corp: reached, but it does NOT let us in") && said.contains("bind_dn"),
        "{said}"
    );
    assert_eq!(found.code, Some(69));
}

#[test]
#[ignore = "slow: people are looked for again once a minute at most"]
fn who_is_gone_is_signed_out_and_other_groups_count() {
    let slapd = Slapd::start();
    let (upstream, gate) = scene(&slapd.source(&[&slapd.ldaps()], "    recheck: 1m\n"));
    let (mut anna, mut ben) = (gate.signed_in("anna"), gate.signed_in("ben"));
    anna.go(&gate.url("app.localhost", "/")).expect(200);
    ben.go(&gate.url("app.localhost", "/")).expect(200);
    slapd.modify(
        "dn: cn=staff,ou=groups,dc=example,dc=com\nchangetype: delete\n\n\
         dn: uid=ben,ou=people,dc=example,dc=com\nchangetype: delete\n",
    );
    let patience = std::time::Duration::from_secs(240);
    poll(patience, || {
        anna.fetch("GET", &gate.url("app.localhost", "/"), None).expect(200);
        upstream.last().twins("remote-groups").is_empty().then_some(())
    })
    .expect("anna is in no group any more");
    poll(patience, || {
        let reply = ben.fetch("GET", &gate.url("app.localhost", "/"), None);
        (reply.status == 401).then_some(())
    })
    .expect("ben is signed out");
    assert_eq!(gate.audit("session.ended")[0]["result"], "not_in_directory");
}
