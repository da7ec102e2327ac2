//! An app with sessions of its own, which does and says what a test tells it to.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{Recorded, Upstream, ok};

/// How it answers who is signed in.
#[derive(Clone, Debug, Default)]
pub enum Me {
    /// As it is.
    #[default]
    True,
    /// Whatever the question, these bytes.
    Bytes(Vec<u8>),
    /// Never.
    Silent,
}

#[derive(Default)]
struct State {
    /// Value of the cookie `sid` to user.
    sessions: BTreeMap<String, String>,
    me: Me,
    made: usize,
}

/// The app. `/me` says who is signed in (by cookie or HTTP Basic), `/login?user=NAME` signs in,
/// `/logout` out, `/quit` as well but by nothing than a cleared cookie, `/renew` changes the cookie.
pub struct OwnLogin {
    pub upstream: Upstream,
    state: Arc<Mutex<State>>,
}

impl OwnLogin {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let own = Arc::clone(&state);
        let upstream = Upstream::scripted(move |request, stream| {
            let answer = answer(request, &mut lock(&own));
            match answer {
                Some(bytes) => stream.write_all(&bytes).map(|()| true),
                // Silence, for as long as whoever asks has patience.
                None => std::io::copy(stream, &mut std::io::sink()).map(|_| false),
            }
        });
        Self { upstream, state }
    }

    pub fn url(&self) -> String {
        self.upstream.url()
    }

    /// Somebody is signed in with this cookie from now on.
    pub fn signs_in(&self, cookie: &str, user: &str) {
        lock(&self.state).sessions.insert(cookie.to_owned(), user.to_owned());
    }

    /// How `/me` answers from now on.
    pub fn answers(&self, me: Me) {
        lock(&self.state).me = me;
    }

    /// The questions who is signed in, so far.
    pub fn questions(&self) -> Vec<Recorded> {
        let all = self.upstream.requests();
        all.into_iter().filter(|request| request.target().starts_with("/me")).collect()
    }

    /// Everything else that it was asked for, so far: by method and path.
    pub fn visits(&self) -> Vec<String> {
        let all = self.upstream.requests();
        let others = all.iter().filter(|request| !request.target().starts_with("/me"));
        others
            .map(|request| format!("{} {}", request.method(), request.target()))
            .collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn cookie(request: &Recorded) -> Option<String> {
    let all = request.all("cookie").join("; ");
    let found = all
        .split(';')
        .find_map(|pair| pair.trim().strip_prefix("sid=").map(str::to_owned));
    found.filter(|value| !value.is_empty())
}

/// Name and password of HTTP Basic: everybody's password is `app secret NAME`, in any spelling of the name.
fn basic(request: &Recorded) -> Option<String> {
    let field = request.header("authorization")?;
    let pair = BASE64.decode(field.strip_prefix("Basic ")?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (name, password) = pair.split_once(':')?;
    (password == format!("app secret {}", name.to_lowercase())).then(|| name.to_owned())
}

fn answer(request: &Recorded, state: &mut State) -> Option<Vec<u8>> {
    let target = request.target();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let sid = cookie(request);
    let user = sid.as_ref().and_then(|sid| state.sessions.get(sid).cloned());
    Some(match path {
        "/me" => match &state.me {
            Me::True => match user.or_else(|| basic(request)) {
                Some(user) => {
                    json(200, &serde_json::json!({ "user": user, "groups": ["staff"] }).to_string())
                }
                None => json(401, r#"{"error":"nobody"}"#),
            },
            Me::Bytes(bytes) => bytes.clone(),
            Me::Silent => return None,
        },
        "/login" if request.method() == "POST" => {
            state.made += 1;
            let fresh = format!("made-{}", state.made);
            let name = query.strip_prefix("user=").unwrap_or("anna").to_owned();
            state.sessions.insert(fresh.clone(), name);
            redirect("/", &format!("sid={fresh}; Path=/; HttpOnly"))
        }
        "/logout" | "/quit" => {
            if let Some(sid) = &sid {
                state.sessions.remove(sid);
            }
            let cleared = "sid=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; path=/";
            let kept = "theme=dark";
            redirect("/login", if path == "/quit" { cleared } else { kept })
        }
        "/renew" if request.method() == "GET" => {
            state.made += 1;
            let fresh = format!("made-{}", state.made);
            if let (Some(sid), Some(user)) = (sid, user) {
                state.sessions.remove(&sid);
                state.sessions.insert(fresh.clone(), user);
            }
            redirect("/", &format!("sid={fresh}; Path=/; HttpOnly"))
        }
        _ => ok("upstream"),
    })
}

/// A JSON answer with this status.
pub fn json(status: u16, body: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    (head + body).into_bytes()
}

fn redirect(to: &str, cookie: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nSet-Cookie: {cookie}\r\nContent-Length: 0\r\n\r\n")
        .into_bytes()
}
