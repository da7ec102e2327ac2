//! A client that behaves like a browser without script: cookies per host, redirects, forms, fetch metadata.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::html::{self, Form};
use super::http::{Reply, read_reply};
use super::{Authenticator, PATIENCE};

/// The redirects and refreshes that a browser follows before it gives up.
const HOPS: usize = 12;

/// One browser profile.
#[derive(Clone)]
pub struct Browser {
    /// Where every host name leads.
    gate: SocketAddr,
    /// Other servers, by the authority of their addresses.
    pub others: BTreeMap<String, SocketAddr>,
    /// host → cookie name → value.
    pub cookies: BTreeMap<String, BTreeMap<String, String>>,
    /// The page that was shown last.
    pub url: String,
    /// The address that was asked for last, page or not: what a redirect is relative to.
    asked: String,
    /// Further fields sent with everything.
    pub extra: Vec<(String, String)>,
    /// Further fields sent to one host alone: what a proxy in front of that host adds.
    pub extra_on: BTreeMap<String, Vec<(String, String)>>,
    /// Local address to connect from (loopback has 16 million of them).
    pub from: Option<std::net::IpAddr>,
    /// How long it waits for an answer.
    pub patience: Duration,
    /// `Set-Cookie` fields in the order seen, for tests about their attributes.
    pub seen_cookies: Vec<String>,
}

/// One request of a browser.
pub struct Ask<'a> {
    pub method: &'a str,
    pub url: &'a str,
    pub headers: Vec<(&'a str, String)>,
    pub body: Vec<u8>,
}

impl Browser {
    pub fn new(gate: SocketAddr) -> Self {
        Self {
            gate,
            others: BTreeMap::new(),
            cookies: BTreeMap::new(),
            url: String::new(),
            asked: String::new(),
            extra: Vec::new(),
            extra_on: BTreeMap::new(),
            from: None,
            patience: PATIENCE,
            seen_cookies: Vec::new(),
        }
    }

    /// Follows a link or types an address: one request, no redirects followed.
    pub fn visit(&mut self, url: &str) -> Reply {
        let url = self.absolute(url);
        let site = if self.url.is_empty() {
            "none"
        } else {
            self.relation(&url)
        };
        let headers = navigation(site);
        self.send(Ask { method: "GET", url: &url, headers, body: Vec::new() })
    }

    /// Follows a link or types an address, then redirects and refreshes until a page stays.
    pub fn go(&mut self, url: &str) -> Reply {
        let reply = self.visit(url);
        self.settle(reply)
    }

    /// What a script's `fetch` would send from the page shown.
    pub fn fetch(&mut self, method: &str, url: &str, body: Option<&serde_json::Value>) -> Reply {
        let url = self.absolute(url);
        let site = if self.url.is_empty() {
            "same-origin"
        } else {
            self.relation(&url)
        };
        let mut headers = vec![
            ("Accept", "*/*".to_owned()),
            ("Sec-Fetch-Site", site.to_owned()),
            ("Sec-Fetch-Mode", "cors".to_owned()),
            ("Sec-Fetch-Dest", "empty".to_owned()),
        ];
        if method != "GET" {
            let origin = if self.url.is_empty() {
                origin(&url)
            } else {
                origin(&self.url)
            };
            headers.push(("Origin", origin.to_owned()));
        }
        let body = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
        if !body.is_empty() {
            headers.push(("Content-Type", "application/json".into()));
        }
        self.send(Ask { method, url: &url, headers, body })
    }

    /// Submits a form of the page shown; no redirects followed.
    pub fn submit(&mut self, form: &Form) -> Reply {
        self.submit_by(form, None)
    }

    /// Submits a form with the button of this name.
    pub fn submit_by(&mut self, form: &Form, button: Option<&str>) -> Reply {
        let action = if form.action.is_empty() {
            self.url.clone()
        } else {
            form.action.clone()
        };
        let url = self.absolute(&action);
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form.pairs(button))
            .finish();
        if form.method != "post" {
            let base = url.split('?').next().unwrap_or_default();
            return self.visit(&format!("{base}?{body}"));
        }
        self.post_form(&url, body.into_bytes(), "application/x-www-form-urlencoded")
    }

    /// Posts a body as a navigation from the page shown.
    pub fn post_form(&mut self, url: &str, body: Vec<u8>, content_type: &str) -> Reply {
        let url = self.absolute(url);
        let mut headers = navigation(self.relation(&url));
        headers.push(("Content-Type", content_type.to_owned()));
        let from = if self.url.is_empty() { &url } else { &self.url };
        headers.push(("Origin", origin(from).to_owned()));
        self.send(Ask { method: "POST", url: &url, headers, body })
    }

    /// Where a browser would go by itself after this answer.
    pub fn next(&self, reply: &Reply) -> Option<String> {
        let next = match reply.status {
            301 | 302 | 303 | 307 | 308 => Some(reply.location().to_owned()),
            _ if reply.header("content-type").is_some_and(|t| t.starts_with("text/html")) => {
                html::refresh(&reply.text())
            }
            _ => None,
        };
        next.map(|next| resolve(&self.asked, &next))
    }

    /// Follows redirects and zero-second refreshes.
    ///
    /// # Panics
    /// When they go round in circles.
    #[track_caller]
    pub fn settle(&mut self, mut reply: Reply) -> Reply {
        let mut way = vec![self.url.clone()];
        for _ in 0..HOPS {
            let next = self.next(&reply);
            let Some(next) = next else { return reply };
            way.push(next.clone());
            reply = self.visit(&next);
        }
        panic!("more than {HOPS} redirects: {way:#?}");
    }

    /// Signs in where asked, confirms with a code where asked, and returns the page that stays.
    #[track_caller]
    pub fn go_through(
        &mut self,
        url: &str,
        user: &str,
        password: &str,
        authenticator: Option<&mut Authenticator>,
    ) -> Reply {
        let mut reply = self.go(url);
        if let Some(form) = Form::sign_in(&reply.text()) {
            reply = self.submit(&form.fill("username", user).fill("password", password));
            reply = self.settle(reply);
        }
        if let Some(authenticator) = authenticator
            && let Some(form) = Form::code(&reply.text())
        {
            reply = self.submit(&form.fill("code", &authenticator.code()));
            reply = self.settle(reply);
        }
        reply
    }

    /// Sends one request, keeps the cookies that come back.
    #[track_caller]
    pub fn send(&mut self, ask: Ask<'_>) -> Reply {
        ask.url.clone_into(&mut self.asked);
        let authority = authority(ask.url).to_owned();
        let host = host(&authority).to_owned();
        let target = ask.url.split_once("://").map_or(ask.url, |(_, r)| r);
        let target = target.find('/').map_or("/", |at| &target[at..]);
        let target = target.split('#').next().unwrap_or_default();
        let mut head = format!("{} {target} HTTP/1.1\r\nHost: {authority}\r\n", ask.method);
        let of_host = self.extra_on.get(&host).into_iter().flatten();
        let extra = self.extra.iter().chain(of_host).map(|(n, v)| (n.as_str(), v.clone()));
        for (name, value) in ask.headers.into_iter().chain(extra) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(cookies) = self.cookie_header(&host) {
            head.push_str(&format!("Cookie: {cookies}\r\n"));
        }
        if !ask.body.is_empty() || matches!(ask.method, "POST" | "PUT" | "PATCH") {
            head.push_str(&format!("Content-Length: {}\r\n", ask.body.len()));
        }
        head.push_str("Connection: close\r\n\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&ask.body);
        let mut stream = self.connect(&authority);
        // A peer may answer and close before it has read everything (413); its answer counts.
        let _ = stream.write_all(&bytes);
        let reply = read_reply(&mut BufReader::new(stream), ask.method)
            .unwrap_or_else(|e| panic!("no answer to {} {}: {e}", ask.method, ask.url));
        self.keep_cookies(&host, &reply);
        if reply.header("content-type").is_some_and(|t| t.starts_with("text/html")) {
            ask.url.clone_into(&mut self.url);
        }
        reply
    }

    /// The `Cookie` field for a host.
    pub fn cookie_header(&self, host: &str) -> Option<String> {
        let jar = self.cookies.get(host).filter(|jar| !jar.is_empty())?;
        Some(jar.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("; "))
    }

    /// The value of a cookie whose name ends like this, with or without the `__Host-` prefix.
    pub fn cookie(&self, host: &str, name: &str) -> Option<&str> {
        let jar = self.cookies.get(host)?;
        jar.get(name).or_else(|| jar.get(&format!("__Host-{name}"))).map(String::as_str)
    }

    /// Resolves against the page shown.
    pub fn absolute(&self, url: &str) -> String {
        resolve(&self.url, url)
    }

    fn relation(&self, url: &str) -> &'static str {
        if origin(&self.url) == origin(url) {
            "same-origin"
        } else {
            "cross-site"
        }
    }

    fn connect(&self, authority: &str) -> TcpStream {
        let address = self.others.get(authority).copied().unwrap_or(self.gate);
        let stream = match self.from {
            None => TcpStream::connect(address).expect("the gate accepts"),
            Some(from) => {
                let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
                    .expect("a socket");
                socket.bind(&SocketAddr::new(from, 0).into()).expect("a loopback address");
                socket.connect(&address.into()).expect("the gate accepts");
                socket.into()
            }
        };
        stream.set_read_timeout(Some(self.patience)).expect("a timeout can be set");
        stream
    }

    fn keep_cookies(&mut self, host: &str, reply: &Reply) {
        for field in reply.all("set-cookie") {
            self.seen_cookies.push(field.to_owned());
            let mut parts = field.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let gone = parts.any(|part| {
                let part = part.to_ascii_lowercase();
                part == "max-age=0" || part.starts_with("expires=thu, 01 jan 1970")
            });
            let jar = self.cookies.entry(host.to_owned()).or_default();
            if gone {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

fn navigation(site: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8".into()),
        (
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".into(),
        ),
        ("Sec-Fetch-Site", site.to_owned()),
        ("Sec-Fetch-Mode", "navigate".into()),
        ("Sec-Fetch-User", "?1".into()),
        ("Sec-Fetch-Dest", "document".into()),
        ("Upgrade-Insecure-Requests", "1".into()),
    ]
}

/// What a reference found at `base` means.
fn resolve(base: &str, url: &str) -> String {
    if url.contains("://") {
        url.to_owned()
    } else if url.starts_with('/') {
        format!("{}{url}", origin(base))
    } else if url.starts_with('?') {
        format!("{}{url}", base.split('?').next().unwrap_or_default())
    } else {
        let page = base.split(['?', '#']).next().unwrap_or_default();
        let folder = page.rfind('/').map_or(page, |at| &page[..=at]);
        format!("{folder}{url}")
    }
}

/// `scheme://authority` of a URL.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    &url[..end]
}

fn authority(url: &str) -> &str {
    let origin = origin(url);
    origin.split_once("://").map_or(origin, |(_, authority)| authority)
}

fn host(authority: &str) -> &str {
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}
