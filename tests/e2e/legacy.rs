//! A legacy app that nobody here wrote: DokuWiki from Debian, on PHP's own server, behind the gate.

use crate::support::{Browser, Form, Gate, Setup, Wiki, text_of};

fn gate(wiki: &Wiki) -> Gate {
    Setup::new(&format!(
        "
  - name: Wiki
    host: wiki.localhost
    upstream: http://127.0.0.1:{}
    require: signed-in
    encoded_slash: judge
    rules:
      - {{ path: /doku.php, query: {{ do: admin }}, require: sensitive, reason: Administration of the wiki }}
",
        wiki.port()
    ))
    .user("anna", &[])
    .start()
}

/// A multipart form as a browser makes it.
fn multipart(form: &Form, file: (&str, &str, &[u8])) -> (Vec<u8>, String) {
    let boundary = "----stepgatetest7MA4YWxkTrZu0gW";
    let mut body = Vec::new();
    for (name, value) in form.pairs(None) {
        body.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .as_bytes(),
        );
    }
    let (name, filename, bytes) = file;
    body.extend_from_slice(
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{filename}\"\r\nContent-Type: application/gzip\r\n\r\n").as_bytes(),
    );
    body.extend_from_slice(bytes);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (body, format!("multipart/form-data; boundary={boundary}"))
}

fn edit(gate: &Gate, browser: &mut Browser, page: &str, text: &str) -> crate::support::Reply {
    let shown = browser
        .go(&gate.url("wiki.localhost", &format!("/doku.php?id={page}&do=edit")))
        .expect(200);
    let form = Form::with(&shown.text(), |f| f.name == "wikitext")
        .unwrap_or_else(|| panic!("no editor: {}", text_of(&shown.text())));
    let reply = browser.submit_by(&form.fill("wikitext", text), Some("do[save]"));
    browser.settle(reply)
}

#[test]
fn browsing_saving_uploading_and_administration_stepped_up() {
    let wiki = Wiki::start();
    let gate = gate(&wiki);
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = gate.browser();

    // Browse.
    let start = browser
        .go_through(&gate.url("wiki.localhost", "/"), "anna", &Setup::password("anna"), None)
        .expect(200);
    assert!(text_of(&start.text()).contains("A page from before"), "{}", text_of(&start.text()));
    let style = browser
        .visit(&gate.url("wiki.localhost", "/lib/exe/css.php?t=dokuwiki"))
        .expect(200);
    assert!(
        style.header("content-type").is_some_and(|t| t.starts_with("text/css")),
        "{:?}",
        style.headers
    );
    assert!(
        browser.cookies["wiki.localhost"]
            .keys()
            .any(|name| name.starts_with("DW") || name == "DokuWiki"),
        "its cookies pass: {:?}",
        browser.cookies
    );

    // Edit and save, with what needs encoding.
    let typed = "====== Notes ======\nGrüße & <b>100 %</b> + \"quotes\"; a=b\n";
    let saved = edit(&gate, &mut browser, "notes", typed).expect(200);
    assert!(text_of(&saved.text()).contains("Grüße"), "{}", text_of(&saved.text()));
    assert_eq!(wiki.page("notes.txt").trim(), typed.trim());

    // Upload.
    let manager = browser
        .go(&gate.url("wiki.localhost", "/lib/exe/mediamanager.php?ns="))
        .expect(200);
    let form = Form::with(&manager.text(), |f| f.kind == "file")
        .unwrap_or_else(|| panic!("no upload: {}", text_of(&manager.text())));
    let content = b"uploaded through the gate\n".repeat(5000);
    let (body, kind) = multipart(&form, ("upload", "file.tgz", &content));
    let action = browser.absolute(&form.action);
    let reply = browser.post_form(&action, body, &kind);
    let uploaded = browser.settle(reply);
    let media = wiki.path("data/media/file.tgz");
    let arrived = std::fs::read(&media).unwrap_or_default();
    assert!(
        arrived == content,
        "{} of {} bytes arrived: {}",
        arrived.len(),
        content.len(),
        text_of(&uploaded.text())
    );
    let fetched = browser
        .visit(&gate.url("wiki.localhost", "/lib/exe/fetch.php?media=file.tgz"))
        .expect(200);
    assert_eq!(fetched.body, content);

    // Administration needs a code; every spelling of it does.
    for query in [
        "do=admin",
        "id=start&do=admin&page=config",
        "d%6F=admin",
        "do[]=admin",
        "do=show&do=admin",
    ] {
        let reply = browser.fetch("GET", &gate.url("wiki.localhost", &format!("/doku.php?{query}")), None);
        assert_eq!(reply.status, 401, "{query}");
    }
    let asked = browser.go(&gate.url("wiki.localhost", "/doku.php?id=start&do=admin"));
    assert!(
        text_of(&asked.text()).contains("Administration of the wiki"),
        "{}",
        text_of(&asked.text())
    );
    let form = Form::code(&asked.text()).expect("a form for the code");
    let reply = browser.submit(&form.fill("code", &authenticator.code()));
    let there = browser.settle(reply);
    assert_eq!(there.status, 200, "{}", text_of(&there.text()));
    assert!(
        there.text().to_lowercase().contains("dokuwiki"),
        "the wiki answers: {}",
        text_of(&there.text())
    );
    assert!(browser.url.ends_with("/doku.php?id=start&do=admin"), "{}", browser.url);
}

#[test]
fn a_long_edit_survives_the_challenge() {
    let wiki = Wiki::start();
    let gate = Setup::new(&format!(
        "
  - name: Wiki
    host: wiki.localhost
    upstream: http://127.0.0.1:{}
    require: signed-in
    rules: [{{ path: /doku.php, method: POST, require: sensitive }}]
",
        wiki.port()
    ))
    .user("anna", &[])
    .start();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = gate.browser();
    browser
        .go_through(&gate.url("wiki.localhost", "/"), "anna", &Setup::password("anna"), None)
        .expect(200);
    let typed = format!("====== Long ======\n{}\n", "A sentence that took some thought. ".repeat(800));
    let met = edit(&gate, &mut browser, "long", &typed).expect(200);
    assert_eq!(wiki.page("long.txt"), "", "nothing was saved before the code");
    let form = Form::code(&met.text()).unwrap_or_else(|| panic!("the challenge: {}", text_of(&met.text())));
    let reply = browser.submit(&form.fill("code", &authenticator.code()));
    let held = browser.settle(reply);
    let send = Form::all(&held.text())
        .into_iter()
        .find(|f| f.method == "post")
        .unwrap_or_else(|| panic!("a button: {}", text_of(&held.text())));
    let reply = browser.submit(&send);
    browser.settle(reply).expect(200);
    assert_eq!(wiki.page("long.txt").trim(), typed.trim());
}
