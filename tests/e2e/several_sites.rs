//! One sign-in for several hosts, of one domain and of others, by hand-off alone: also with ten tabs that set
//! out at once, and until a sign-out anywhere ends all of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, Mutex};

use crate::support::{Browser, Form, Gate, Reply, Setup, Upstream, text_of, wait_until};

const WIKI: &str = "wiki.localhost";
const PAY: &str = "pay.localhost";
const CRM: &str = "crm.example.net";
const HOSTS: [&str; 3] = [WIKI, PAY, CRM];
const HOPS: usize = 24;

type Jar = BTreeMap<String, BTreeMap<String, String>>;

fn scene() -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let route = |host: &str| format!("\n  - {{ host: {host}, upstream: \"{}\" }}", upstream.url());
    let gate = Setup::new(&HOSTS.map(route).concat()).user("anna", &[]).start();
    (upstream, gate)
}

/// One of several tabs with one cookie jar: cookies are read when a request leaves and kept when its answer
/// has come, as it happens.
struct Tab {
    browser: Browser,
    jar: Arc<Mutex<Jar>>,
}

impl Tab {
    fn visit(&mut self, url: &str) -> Reply {
        let before = self.jar.lock().expect("no poison").clone();
        self.browser.cookies = before.clone();
        let reply = self.browser.visit(url);
        let mut jar = self.jar.lock().expect("no poison");
        for (host, cookies) in &self.browser.cookies {
            let old = before.get(host).cloned().unwrap_or_default();
            let shared = jar.entry(host.clone()).or_default();
            for (name, value) in cookies.iter().filter(|(name, value)| old.get(*name) != Some(*value)) {
                shared.insert(name.clone(), value.clone());
            }
            shared.retain(|name, _| cookies.contains_key(name) || !old.contains_key(name));
        }
        reply
    }

    fn go(&mut self, url: &str) -> Reply {
        let mut reply = self.visit(url);
        let mut way = vec![url.to_owned()];
        for _ in 0..HOPS {
            let Some(next) = self.browser.next(&reply) else {
                return reply;
            };
            way.push(next.clone());
            reply = self.visit(&next);
        }
        panic!("no end: {way:#?}");
    }
}

#[test]
fn ten_tabs_at_once_on_three_hosts_of_two_domains_need_one_sign_in() {
    let (upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = gate.browser();
    let first = gate.url(WIKI, "/start");
    let page = browser.go_through(&first, "anna", &Setup::password("anna"), Some(&mut authenticator));
    assert_eq!(page.text(), "upstream");
    upstream.take();
    let jar = Arc::new(Mutex::new(browser.cookies.clone()));
    let together = Barrier::new(10);
    let urls: Vec<String> = (0..10).map(|n| gate.url(HOSTS[n % 3], &format!("/tab/{n}"))).collect();
    std::thread::scope(|scope| {
        for url in &urls {
            let (jar, together) = (Arc::clone(&jar), &together);
            let mut tab = Tab { browser: gate.browser(), jar };
            scope.spawn(move || {
                together.wait();
                let page = tab.go(url);
                assert_eq!(page.text(), "upstream", "{url}: {}", text_of(&page.text()));
            });
        }
    });
    let mut served: Vec<String> = upstream.take().iter().map(crate::support::Recorded::target).collect();
    served.sort();
    let wanted: Vec<String> = (0..10).map(|n| format!("/tab/{n}")).collect();
    assert_eq!(served, wanted, "each tab where it was going, once");
    // What is left in the jar serves every host, without another question.
    browser.cookies.clone_from(&jar.lock().expect("no poison"));
    for host in HOSTS {
        browser.visit(&gate.url(host, "/again")).expect(200);
    }
    let sessions = gate.sql("SELECT count(*) FROM sessions WHERE ended IS NULL AND agent LIKE 'Firefox%'");
    assert_eq!(sessions.trim(), "1", "one session in all of them");
}

#[test]
fn a_sign_out_on_one_domain_ends_the_others() {
    let (_upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = gate.browser();
    for host in HOSTS {
        let url = gate.url(host, "/start");
        browser.go_through(&url, "anna", &Setup::password("anna"), Some(&mut authenticator));
        browser.visit(&url).expect(200);
    }
    let mut kept = browser.clone();
    let page = browser.go(&gate.url(CRM, "/.stepgate/sign-out"));
    let done = browser.submit(&Form::all(&page.text()).remove(0)).expect(200);
    assert!(text_of(&done.text()).contains("You're signed out"));
    for host in HOSTS {
        wait_until(host, || (kept.fetch("GET", &gate.url(host, "/start"), None).status == 401).then_some(()));
    }
    let said = kept.fetch("GET", &gate.portal("api/v1/session"), None).expect(200).json();
    assert_eq!(said["signed_in"], false);
}
