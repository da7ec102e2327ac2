//! A legacy app that nobody here wrote: DokuWiki from Debian, on PHP's own server, behind the gate.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Browser, Form, Gate, Setup, run, text_of, wait_until};

/// DokuWiki with data of its own in a temporary directory.
struct Wiki {
    directory: tempfile::TempDir,
    server: Child,
    port: u16,
}

impl Wiki {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        run(Command::new("cp").args(["-rL", "/usr/share/dokuwiki"]).arg(root.join("wiki"))).expect(0);
        let wiki = root.join("wiki");
        for place in [
            "data/pages",
            "data/media",
            "data/attic",
            "data/media_attic",
            "data/meta",
            "data/media_meta",
            "data/cache",
            "data/index",
            "data/locks",
            "data/tmp",
            "data/log",
        ] {
            std::fs::create_dir_all(wiki.join(place)).unwrap();
        }
        let conf = wiki.join("conf");
        std::fs::create_dir_all(&conf).unwrap();
        for source in ["/usr/share/dokuwiki/conf", "/etc/dokuwiki"] {
            if Path::new(source).is_dir() {
                let _ = run(Command::new("sh")
                    .arg("-c")
                    .arg(format!("cp -rLn {source}/. {}/ 2>/dev/null", conf.display())));
            }
        }
        for leftover in [
            "local.php",
            "acl.auth.php",
            "users.auth.php",
            "local.protected.php",
        ] {
            let _ = std::fs::remove_file(conf.join(leftover));
        }
        // Everybody may write; who is an administrator is DokuWiki's own affair and off here.
        std::fs::write(conf.join("local.php"), "<?php\n$conf['title'] = 'Legacy';\n$conf['useacl'] = 0;\n$conf['savedir'] = './data';\n$conf['userewrite'] = 0;\n").unwrap();
        // Debian's preload points at /var/lib; ours is beside the copy.
        std::fs::write(wiki.join("inc/preload.php"), "<?php\ndefine('DOKU_CONF', DOKU_INC.'conf/');\n")
            .unwrap();
        std::fs::write(wiki.join("data/pages/start.txt"), "====== Start ======\nA page from before.\n")
            .unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(root.join("php.log")).unwrap();
        let server = Command::new("php")
            .args([
                "-d",
                "error_reporting=0",
                "-d",
                "display_errors=0",
                "-S",
                &format!("127.0.0.1:{port}"),
                "-t",
            ])
            .arg(&wiki)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("php is installed (tests/run installs it)");
        wait_until("PHP to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
        Self { directory, server, port }
    }

    fn page(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join("wiki/data/pages").join(name)).unwrap_or_default()
    }
}

impl Drop for Wiki {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

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
        wiki.port
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
    let media = wiki.directory.path().join("wiki/data/media/file.tgz");
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
        wiki.port
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
