//! What the columns of tokens, headers and certificates share: one app, ten tabs, a step-up.

use crate::support::{Browser, Gate, Setup, Upstream};

/// An app with a page for whoever is known and one for whoever has proved more.
pub fn gate(upstream: &Upstream, source: &str) -> Gate {
    let routes = format!(
        "- {{ name: app, host: localhost, upstream: \"{}\", require: signed-in, rules: \
         [{{ path: /sure/**, require: standard }}, {{ path: /open/**, require: public }}] }}",
        upstream.url()
    );
    Setup::new(&routes).section("identity", &format!("[{source}]")).start()
}

/// A browser that sends these with everything.
pub fn with(gate: &Gate, fields: &[(&str, &str)]) -> Browser {
    let mut browser = gate.browser();
    set(&mut browser, fields);
    browser
}

pub fn set(browser: &mut Browser, fields: &[(&str, &str)]) {
    browser.extra = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
}

pub fn status(gate: &Gate, browser: &mut Browser, path: &str) -> u16 {
    browser.fetch("GET", &gate.url("localhost", path), None).status
}

/// The answer to a page for whoever is known.
pub fn ask(gate: &Gate, fields: &[(&str, &str)]) -> u16 {
    status(gate, &mut with(gate, fields), "/page")
}

/// Nobody is let in, while what is public stays open.
#[track_caller]
pub fn closed(gate: &Gate, upstream: &Upstream, fields: &[(&str, &str)]) {
    assert_eq!(ask(gate, fields), 503);
    assert!(upstream.take().is_empty());
    assert_eq!(status(gate, &mut with(gate, fields), "/open/x"), 200);
    upstream.take();
}

/// Ten tabs at once are all the same person.
#[track_caller]
pub fn ten(gate: &Gate, upstream: &Upstream, fields: &[(&str, &str)], user: &str) {
    std::thread::scope(|scope| {
        let tabs: Vec<_> = (0..10).map(|_| scope.spawn(|| ask(gate, fields))).collect();
        for tab in tabs {
            assert_eq!(tab.join().unwrap(), 200);
        }
    });
    let came = upstream.take();
    assert_eq!(came.len(), 10);
    assert!(came.iter().all(|request| request.twins("remote-user") == [user]));
}

/// A proof of one person's is of no use to another who comes by in the same browser, and still the first
/// one's afterwards.
#[track_caller]
pub fn not_the_other_s(gate: &Gate, first: &[(&str, &str)], others: &[&[(&str, &str)]]) {
    let mut browser = with(gate, first);
    gate.enrol(&mut browser);
    assert_eq!(status(gate, &mut browser, "/sure/x"), 200);
    for other in others {
        set(&mut browser, other);
        assert_eq!(status(gate, &mut browser.clone(), "/sure/x"), 401, "{other:?}");
        assert_eq!(status(gate, &mut browser.clone(), "/page"), 200, "{other:?}");
    }
    set(&mut browser, first);
    assert_eq!(status(gate, &mut browser, "/sure/x"), 200);
}

/// Signing out at our own page ends the proof everywhere, although the source still says who it is.
#[track_caller]
pub fn sign_out_ends_the_proof(gate: &Gate, fields: &[(&str, &str)]) {
    let mut browser = with(gate, fields);
    gate.enrol(&mut browser);
    let mut other = browser.clone();
    assert_eq!(status(gate, &mut other, "/sure/x"), 200);
    browser.fetch("POST", &gate.portal("api/v1/sign-out"), Some(&serde_json::json!({})));
    assert_eq!(status(gate, &mut other, "/sure/x"), 401);
    assert_eq!(status(gate, &mut other, "/page"), 200);
}
