//! Nobody is made of two: the identity of one person never meets the claim of another, nor one session
//! the claim of the next, whatever cookies come together and wherever they come in (security.md F08).
//!
//! Two people with two sessions each at two sites and the portal. Every identity cookie goes with every
//! claim, through every door, and what else their browsers keep goes with all of them.

use serde_json::json;

use crate::identity::{Issuer, claims};
use crate::support::doors::{Ask, Decision, Door, Outcome, through};
use crate::support::{Authenticator, Browser, Form, Gate, OwnLogin, Setup, Upstream, text_of};

const PORTAL: &str = "localhost";
const WIKI: &str = "wiki.localhost";
const PAY: &str = "pay.localhost";
const HOSTS: [&str; 3] = [PORTAL, WIKI, PAY];

const ROUTES: &str = "
  - { name: wiki, host: wiki.localhost, upstream: $UPSTREAM, require: daily, rules: [{ path: /known/**, require: signed-in }, { path: /open/**, require: public }] }
  - { name: pay, host: pay.localhost, upstream: $UPSTREAM, require: daily, rules: [{ path: /known/**, require: signed-in }] }
";

/// One first-factor session with everything that a browser keeps of it.
struct Session {
    person: &'static str,
    browser: Browser,
}

/// One cookie of one session, and the host that set it.
#[derive(Clone)]
struct Piece {
    session: usize,
    host: &'static str,
    value: String,
}

fn scene() -> (Upstream, Gate, Vec<Session>) {
    let upstream = Upstream::start();
    let gate = Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url()))
        .section("levels", "[{ name: daily, any_of: [totp], valid_for: 12h, remember_device: 7d }]")
        .server("trusted_proxies: [127.0.0.1]")
        .user("anna", &[])
        .user("ben", &[])
        .start();
    let mut sessions = Vec::new();
    for person in ["anna", "ben"] {
        let (_, mut authenticator) = gate.enrolled(person);
        for _ in 0..2 {
            sessions.push(begin(&gate, person, &mut authenticator));
        }
    }
    upstream.take();
    (upstream, gate, sessions)
}

/// Posts a form before anybody is signed in, goes through sign-in and challenge with the box ticked, and
/// stops before the click that would send the form; then goes to the other site.
#[track_caller]
fn begin(gate: &Gate, person: &'static str, authenticator: &mut Authenticator) -> Session {
    let mut browser = gate.browser();
    browser.visit(&gate.url(WIKI, "/open/form")).expect(200);
    browser.url = gate.url(WIKI, "/open/form");
    let secret = format!("text=of-{person}-{}", authenticator.last_step());
    let reply =
        browser.post_form(&gate.url(WIKI, "/form"), secret.into_bytes(), "application/x-www-form-urlencoded");
    let page = browser.settle(reply);
    let form = Form::sign_in(&page.text()).expect("a sign-in form");
    let reply = browser.submit(&form.fill("username", person).fill("password", &Setup::password(person)));
    let page = browser.settle(reply);
    let form = Form::code(&page.text()).expect("a form for the code");
    let reply = browser.submit(&form.fill("code", &authenticator.code()).fill("remember", "yes"));
    let page = browser.settle(reply).expect(200);
    assert!(page.text().contains("stepgate-send-kept"), "{}", text_of(&page.text()));
    assert_eq!(browser.go(&gate.url(PAY, "/start")).text(), "upstream");
    Session { person, browser }
}

/// Every cookie of this name.
fn pieces(sessions: &[Session], name: &str) -> Vec<Piece> {
    let of = |(session, one): (usize, &Session)| {
        let piece = |host: &&'static str| {
            let value = one.browser.cookie(host, name)?.to_owned();
            Some(Piece { session, host, value })
        };
        HOSTS.iter().filter_map(piece).collect::<Vec<_>>()
    };
    sessions.iter().enumerate().flat_map(of).collect()
}

/// None, or one of them.
fn or_none(pieces: &[Piece]) -> Vec<Option<&Piece>> {
    std::iter::once(None).chain(pieces.iter().map(Some)).collect()
}

fn field(parts: &[(&str, Option<&Piece>)]) -> String {
    let pairs = parts
        .iter()
        .filter_map(|(name, piece)| Some(format!("{name}={}", (*piece)?.value)));
    pairs.collect::<Vec<_>>().join("; ")
}

fn is_of(piece: Option<&Piece>, host: &str) -> bool {
    piece.is_some_and(|piece| piece.host == host)
}

/// Whether both are of one session at this host.
fn is_whole(id: Option<&Piece>, claim: Option<&Piece>, host: &str) -> bool {
    let same = id.map(|id| id.session) == claim.map(|claim| claim.session);
    same && is_of(id, host) && is_of(claim, host)
}

fn told<'a>(outcome: &'a Outcome, name: &str) -> Option<&'a str> {
    outcome.told.get(name).map(String::as_str)
}

/// Whether the app is told of more than a password.
fn has_proof(outcome: &Outcome) -> bool {
    told(outcome, "stepgate-amr").is_some_and(|methods| methods.split(' ').any(|method| method == "mfa"))
}

#[test]
fn f08_no_door_joins_an_identity_with_the_claim_of_another() {
    let (upstream, gate, sessions) = scene();
    let (ids, claims) = (pieces(&sessions, "stepgate-id"), pieces(&sessions, "stepgate"));
    let (browsers, helds) = (pieces(&sessions, "stepgate-browser"), pieces(&sessions, "stepgate-held"));
    let trusted = pieces(&sessions, "stepgate-trusted");
    assert_eq!((ids.len(), claims.len(), browsers.len()), (12, 12, 12));
    assert_eq!((trusted.len(), helds.len()), (4, 4));
    let others = |turn: usize| {
        let pick = |all: &'static str, list: &[Piece]| (all, list.get(turn % (list.len() + 1)).cloned());
        [
            pick("stepgate-browser", &browsers),
            pick("stepgate-trusted", &trusted),
            pick("stepgate-held", &helds),
        ]
    };
    let doors = std::iter::once(Door::Proxy).chain(Door::CHECKS);
    let (mut turn, mut whole) = (0, 0);
    for door in doors {
        for id in or_none(&ids) {
            for claim in or_none(&claims) {
                for host in [WIKI, PAY] {
                    turn += 1;
                    // The other doors ask the same gate: nothing of this host at all is tried at one.
                    if door != Door::Proxy && !is_of(id, host) && !is_of(claim, host) {
                        continue;
                    }
                    let others = others(turn);
                    let mut parts = vec![("stepgate-id", id), ("stepgate", claim)];
                    parts.extend(others.iter().map(|(name, piece)| (*name, piece.as_ref())));
                    let cookies = field(&parts);
                    let ask = |path| Ask::get(path).host(host).with("Cookie", &cookies);
                    let what = || {
                        let show = |piece: Option<&Piece>| piece.map(|p| (p.session, p.host));
                        format!("{door:?} at {host}: id {:?}, claim {:?}", show(id), show(claim))
                    };
                    let outcome = through(door, &gate, &upstream, &ask("/x"));
                    let genuine = is_whole(id, claim, host);
                    assert_eq!(outcome.decision == Decision::Allowed, genuine, "{}", what());
                    let person = id.filter(|id| id.host == host).map(|id| sessions[id.session].person);
                    if genuine {
                        whole += 1;
                        assert_eq!(told(&outcome, "remote-user"), person, "{}", what());
                        assert!(has_proof(&outcome), "{}", what());
                    }
                    // Where an identity is enough, it is that of its own cookie, and no claim speaks for it.
                    let outcome = through(door, &gate, &upstream, &ask("/known/x"));
                    assert_eq!(outcome.decision == Decision::Allowed, person.is_some(), "{}", what());
                    assert_eq!(told(&outcome, "remote-user"), person, "{}", what());
                    assert_eq!(has_proof(&outcome), genuine, "{}", what());
                }
            }
        }
    }
    assert_eq!(whole, 5 * 8, "each session at each site, through each door");
}

#[test]
fn f08_the_portal_and_its_api_join_nobody_either() {
    let (_upstream, gate, sessions) = scene();
    let (ids, claims) = (pieces(&sessions, "stepgate-id"), pieces(&sessions, "stepgate"));
    let browsers = pieces(&sessions, "stepgate-browser");
    let enrolments: Vec<String> = ["anna", "ben"]
        .iter()
        .map(|person| {
            let row = format!("SELECT id FROM enrolments WHERE subject_key = 'local:{person}'");
            gate.sql(&row).trim().to_owned()
        })
        .collect();
    for (turn, id) in or_none(&ids).into_iter().enumerate() {
        for (again, claim) in or_none(&claims).into_iter().enumerate() {
            let browser = browsers.get((turn + again) % (browsers.len() + 1));
            let cookies = field(&[
                ("stepgate-id", id),
                ("stepgate", claim),
                ("stepgate-browser", browser),
            ]);
            let mut client = gate.browser();
            client.extra = vec![("Cookie".to_owned(), cookies)];
            let said = client.fetch("GET", &gate.portal("api/v1/session"), None).expect(200).json();
            let show = |piece: Option<&Piece>| piece.map(|p| (p.session, p.host));
            let what = format!("id {:?}, claim {:?}: {said}", show(id), show(claim));
            let person = id.filter(|id| id.host == PORTAL).map(|id| sessions[id.session].person);
            assert_eq!(said["signed_in"], json!(person.is_some()), "{what}");
            let subject = person.map(|person| format!("local:{person}"));
            assert_eq!(said["subject"].as_str(), subject.as_deref(), "{what}");
            let proofs = said["proofs"].as_array().map_or(0, Vec::len);
            assert_eq!(proofs > 0, is_whole(id, claim, PORTAL), "{what}");
            if is_whole(id, claim, PORTAL) {
                continue;
            }
            // Nothing can be changed by a set that is not whole, neither of the one nor of the other.
            for enrolment in &enrolments {
                let url = gate.portal(&format!("api/v1/enrolments/{enrolment}"));
                let status = client.fetch("DELETE", &url, None).status;
                assert!([401, 403, 404].contains(&status), "{status}: {what}");
            }
            let page = client.go(&gate.portal("my-mfa"));
            let text = text_of(&page.text());
            let shows = |name: &str| text.contains(&format!("Signed in as {name}"));
            for name in ["anna", "ben"] {
                assert!(!shows(name) || person == Some(name), "{what} {text}");
            }
        }
    }
    for enrolment in enrolments {
        let left = gate.sql(&format!("SELECT count(*) FROM enrolments WHERE id = '{enrolment}'"));
        assert_eq!(left.trim(), "1");
    }
}

#[test]
fn f08_a_kept_form_is_sent_by_nobody_but_its_own_session() {
    let (upstream, gate, sessions) = scene();
    let helds = pieces(&sessions, "stepgate-held");
    let click = |session: &Session, held: &Piece| {
        let mut browser = session.browser.clone();
        let jar = browser.cookies.entry(WIKI.to_owned()).or_default();
        jar.insert("stepgate-held".to_owned(), held.value.clone());
        browser.url = gate.url(WIKI, "/.stepgate/callback");
        let body = format!("stepgate-send-kept={}", held.value).into_bytes();
        browser.post_form(&gate.url(WIKI, "/form"), body, "application/x-www-form-urlencoded");
        upstream.take().into_iter().map(|request| request.body).collect::<Vec<_>>()
    };
    for (at, session) in sessions.iter().enumerate() {
        for held in helds.iter().filter(|held| held.session != at) {
            let sent = click(session, held);
            let foreign = sent.iter().any(|body| String::from_utf8_lossy(body).contains("text=of-"));
            assert!(!foreign, "session {at} sent the form of {}: {sent:?}", held.session);
        }
    }
    for (at, session) in sessions.iter().enumerate() {
        let held = helds.iter().find(|held| held.session == at).expect("a kept form");
        let sent = click(session, held);
        let own = format!("text=of-{}", session.person);
        assert!(String::from_utf8_lossy(&sent.concat()).starts_with(&own), "{sent:?}");
    }
}

#[test]
fn f08_a_trusted_browser_speaks_for_its_own_person_alone() {
    let (upstream, gate, sessions) = scene();
    let (trusted, browsers) = (pieces(&sessions, "stepgate-trusted"), pieces(&sessions, "stepgate-browser"));
    let reaches = |person: &str, trust: usize| {
        let mut browser = gate.signed_in(person);
        let jar = browser.cookies.entry(PORTAL.to_owned()).or_default();
        let known = browsers
            .iter()
            .find(|one| one.session == trust && one.host == PORTAL)
            .expect("one");
        jar.insert("stepgate-browser".to_owned(), known.value.clone());
        let token = trusted.iter().find(|one| one.session == trust).expect("one");
        jar.insert("stepgate-trusted".to_owned(), token.value.clone());
        upstream.take();
        let page = browser.go(&gate.url(WIKI, "/x"));
        assert_eq!(upstream.take().is_empty(), page.text() != "upstream");
        page.text() == "upstream"
    };
    for (trust, session) in sessions.iter().enumerate() {
        let other = if session.person == "anna" { "ben" } else { "anna" };
        assert!(!reaches(other, trust), "{other} by what {}'s browser is trusted with", session.person);
    }
    for (trust, session) in sessions.iter().enumerate() {
        assert!(reaches(session.person, trust), "{}'s own", session.person);
    }
}

/// A first factor as it comes with a request, and the claim that was made beside it.
struct Known {
    host: &'static str,
    person: &'static str,
    /// Name and value of the fields that say who it is; of cookies, the pair.
    fields: Vec<(&'static str, String)>,
    claim: String,
}

/// One gate with a site for each source, every person in two sessions of each.
fn all_sources() -> (OwnLogin, Upstream, Gate, Vec<Known>) {
    let (app, upstream, issuer) = (OwnLogin::start(), Upstream::start(), Issuer::new());
    let route = |name: &str, to: &str| {
        format!(
            "\n  - {{ host: {name}.localhost, upstream: \"{to}\", identity: {name}, require: standard, \
             rules: [{{ path: /login, require: public }}, {{ path: /known/**, require: signed-in }}] }}"
        )
    };
    let routes = [
        route("app", &app.url()),
        route("front", &upstream.url()),
        route("sso", &upstream.url()),
        route("local", &upstream.url()),
    ];
    let identity = format!(
        "
  - {{ name: app, type: app-session, probe: {{ url: /me, cookies: [sid], user: {{ json: /user }} }}, sign_in: /login }}
  - {{ name: front, type: trusted-header, from: [127.0.0.1], session: X-Session, attributes: {{ user: X-Remote-User }} }}
  - {{ name: sso, type: jwt, header: Authorization, algorithm: RS256, public_key: \"{}\", issuer: \"https://sso.example\", audience: stepgate }}
  - {{ name: local, type: local }}",
        issuer.public("one").replace('\n', "\\n")
    );
    let gate = Setup::new(&routes.concat())
        .section("identity", &identity)
        .server("trusted_proxies: [127.0.0.1]")
        .user("anna", &[])
        .user("ben", &[])
        .start();
    let mut known = Vec::new();
    for person in ["anna", "ben"] {
        for source in ["app", "front", "sso"] {
            let mut authenticator = None;
            for session in ["one", "two"] {
                known.push(step_up(&gate, (&app, &issuer), (source, person, session), &mut authenticator));
            }
        }
        let (_, mut authenticator) = gate.enrolled(person);
        for _ in 0..2 {
            let host = "local.localhost";
            let mut browser = gate.browser();
            let page = gate.url(host, "/x");
            browser.go_through(&page, person, &Setup::password(person), Some(&mut authenticator));
            let id = browser.cookie(host, "stepgate-id").expect("an identity cookie");
            let fields = vec![("Cookie", format!("stepgate-id={id}"))];
            known.push(Known { host, person, fields, claim: claim_of(&browser, host) });
        }
    }
    (app, upstream, gate, known)
}

fn claim_of(browser: &Browser, host: &str) -> String {
    browser.cookie(host, "stepgate").expect("a claim").to_owned()
}

/// Somebody whom only the site knows proves more at the portal, and comes back with a claim.
#[track_caller]
fn step_up(
    gate: &Gate,
    (app, issuer): (&OwnLogin, &Issuer),
    (source, person, session): (&'static str, &'static str, &str),
    authenticator: &mut Option<Authenticator>,
) -> Known {
    let mut browser = gate.browser();
    let (host, fields) = match source {
        "app" => {
            let cookie = format!("{person}{session}");
            app.signs_in(&cookie, person);
            let jar = browser.cookies.entry("app.localhost".to_owned()).or_default();
            jar.insert("sid".to_owned(), cookie.clone());
            ("app.localhost", vec![("Cookie", format!("sid={cookie}"))])
        }
        "front" => {
            let said = vec![
                ("X-Remote-User", person.to_owned()),
                ("X-Session", session.to_owned()),
            ];
            ("front.localhost", said)
        }
        _ => {
            let mut said = claims(person);
            said["sid"] = json!(session);
            let token = issuer.sign("one", &json!({ "alg": "RS256", "typ": "JWT", "kid": "one" }), &said);
            ("sso.localhost", vec![("Authorization", format!("Bearer {token}"))])
        }
    };
    let extra = fields.iter().filter(|(name, _)| *name != "Cookie");
    let extra = extra.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    browser.extra_on.insert(host.to_owned(), extra);
    let page = gate.url(host, "/x");
    let shown = browser.go(&page);
    match authenticator {
        None => *authenticator = Some(gate.enrol(&mut browser)),
        Some(authenticator) => {
            let form = Form::code(&shown.text()).unwrap_or_else(|| panic!("{}", text_of(&shown.text())));
            let reply = browser.submit(&form.fill("code", &authenticator.code()));
            browser.settle(reply);
        }
    }
    browser.go(&page).expect(200);
    Known { host, person, fields, claim: claim_of(&browser, host) }
}

#[test]
fn f08_no_app_no_proxy_and_no_token_joins_with_the_claim_of_another() {
    let (app, upstream, gate, known) = all_sources();
    assert_eq!(known.len(), 16);
    let claims: Vec<Option<usize>> = std::iter::once(None).chain((0..known.len()).map(Some)).collect();
    let mut whole = 0;
    for (at, who) in known.iter().enumerate() {
        for claim in &claims {
            let claim_cookie = claim.map(|at| format!("stepgate={}", known[at].claim));
            let own = who.fields.iter().filter(|(name, _)| *name == "Cookie");
            let cookies: Vec<String> = own.map(|(_, pair)| pair.clone()).chain(claim_cookie).collect();
            let ask = |path| {
                let fields = who.fields.iter().filter(|(name, _)| *name != "Cookie");
                let ask = Ask::get(path).host(who.host).with("Cookie", &cookies.join("; "));
                fields.fold(ask, |ask, (name, value)| ask.with(name, value))
            };
            let what = || {
                let of = claim.map(|at| (known[at].person, known[at].host, at));
                format!("{} at {} ({at}) with the claim of {of:?}", who.person, who.host)
            };
            let genuine = *claim == Some(at);
            let outcome = through(Door::Forward, &gate, &upstream, &ask("/x"));
            assert_eq!(outcome.decision == Decision::Allowed, genuine, "{}", what());
            whole += usize::from(genuine);
            let outcome = through(Door::Forward, &gate, &upstream, &ask("/known/x"));
            assert_eq!(told(&outcome, "remote-user"), Some(who.person), "{}", what());
            assert_eq!(has_proof(&outcome), genuine, "{}", what());
            // The reverse proxy lets the same through, and nothing else.
            upstream.take();
            let before = app.visits().len();
            let mut browser = gate.browser();
            browser.extra = ask("/x").headers;
            let status = browser.fetch("GET", &gate.url(who.host, "/x"), None).status;
            assert_eq!(status == 200, genuine, "{}: {status}", what());
            let reached = upstream.take().len() + app.visits().len() - before;
            assert_eq!(reached, usize::from(genuine), "{}", what());
        }
    }
    assert_eq!(whole, known.len());
}
