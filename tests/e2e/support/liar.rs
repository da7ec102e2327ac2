//! A small OpenID provider that tells the truth, or exactly one lie. It has no pages: the test goes from the
//! authorization request straight to the way back.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Map, Value, json};

use super::{Browser, Gate, Recorded, Reply, Upstream, unix_now};

/// Who signs the ID token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignedBy {
    #[default]
    Itself,
    /// Another key under the same id.
    Stranger,
    /// Its own key, under an id that nobody has published.
    Unpublished,
    /// `alg: none`.
    Nobody,
    /// HS256 with the published key, and with the client's secret.
    PublicKey,
    ClientSecret,
}

/// What is not as it should be.
#[derive(Clone, Default)]
pub struct Lie {
    /// Claims of the ID token; `null` takes one away.
    pub claims: Value,
    /// Fields of its header.
    pub header: Value,
    pub signer: SignedBy,
    /// The userinfo's claims, instead of its own.
    pub userinfo: Value,
    /// Members of the discovery document.
    pub discovery: Value,
    /// Whole answers, by path; an empty one is silence.
    pub answers: Vec<(&'static str, Vec<u8>)>,
}

/// What a request for authorization said.
pub struct Asked {
    pub state: String,
    pub nonce: String,
    pub query: Vec<(String, String)>,
}

pub struct Liar {
    server: Upstream,
    state: Arc<Mutex<State>>,
}

struct State {
    lie: Lie,
    nonce: String,
    key: rcgen::KeyPair,
    serial: u32,
    issuer: String,
}

pub const SECRET: &str = "hush-hush-hush-hush-hush-hush-hush";

impl Liar {
    pub fn start() -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let state =
            State { lie: Lie::default(), nonce: String::new(), key, serial: 1, issuer: String::new() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let server = Upstream::scripted(move |request, stream| {
            let answer = shared.lock().unwrap().answer(request);
            if answer.is_empty() {
                // Silence, until the other side has had enough.
                let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
                let _ = std::io::Read::read(stream, &mut [0]);
                return Ok(false);
            }
            std::io::Write::write_all(stream, &answer)?;
            Ok(false)
        });
        state.lock().unwrap().issuer = server.url();
        Self { server, state }
    }

    pub fn issuer(&self) -> String {
        self.server.url()
    }

    /// An item of `identity:` for it.
    pub fn source(&self, name: &str, more: &str) -> String {
        let comma = if more.is_empty() { "" } else { ", " };
        format!(
            "\n  - {{ name: {name}, type: oidc, issuer: \"{}\", client_id: stepgate, client_secret: {SECRET}{comma}{more} }}\n",
            self.issuer()
        )
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on this is what is not true.
    pub fn lies(&self, lie: Lie) {
        self.lock().lie = lie;
    }

    /// New keys; the old ones are gone.
    pub fn rotate(&self) {
        let mut state = self.lock();
        state.key = rcgen::KeyPair::generate().expect("a key");
        state.serial += 1;
    }

    /// The requests it got on a path.
    pub fn requests(&self, path: &str) -> Vec<Recorded> {
        self.server
            .requests()
            .into_iter()
            .filter(|request| request.target() == path)
            .collect()
    }

    /// A logout token with these claims more; `null` takes one away.
    pub fn logout_token(&self, claims: &Value) -> String {
        let state = self.lock();
        let now = unix_now();
        let mut all = json!({
            "iss": state.issuer, "aud": "stepgate", "iat": now, "exp": now + 120,
            "jti": format!("jti-{now}-{}", serial()),
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        merge(&mut all, claims);
        let header = json!({ "alg": "ES256", "kid": state.kid(), "typ": "logout+jwt" });
        state.signed(&header, &all, SignedBy::Itself)
    }

    /// Goes to sign in at the source of this name, up to the provider's door.
    #[track_caller]
    pub fn ask(&self, gate: &Gate, browser: &mut Browser, source: &str, query: &str) -> Asked {
        let away = browser.visit(&gate.portal(&format!("sign-in/{source}{query}"))).expect(303);
        let location = away.location().to_owned();
        assert!(location.starts_with(&format!("{}/auth?", self.issuer())), "{location}");
        let (_, query) = location.split_once('?').expect("a query");
        let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let one = |name: &str| {
            query
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, v)| v.clone())
                .unwrap_or_default()
        };
        let asked = Asked { state: one("state"), nonce: one("nonce"), query };
        self.lock().nonce.clone_from(&asked.nonce);
        asked
    }

    /// Comes back from there.
    #[track_caller]
    pub fn come_back(&self, gate: &Gate, browser: &mut Browser, source: &str, asked: &Asked) -> Reply {
        self.lock().nonce.clone_from(&asked.nonce);
        let query = [
            ("code", "a-code"),
            ("state", &asked.state),
            ("iss", &self.issuer()),
        ]
        .iter()
        .fold(form_urlencoded::Serializer::new(String::new()), |mut query, (name, value)| {
            query.append_pair(name, value);
            query
        })
        .finish();
        browser.visit(&gate.portal(&format!("sign-in/{source}/callback?{query}")))
    }
}

impl State {
    fn kid(&self) -> String {
        format!("key-{}", self.serial)
    }

    fn answer(&self, request: &Recorded) -> Vec<u8> {
        let target = request.target();
        let path = target.split('?').next().unwrap_or_default();
        if let Some((_, answer)) = self.lie.answers.iter().find(|(lied, _)| *lied == path) {
            return answer.clone();
        }
        match path {
            "/.well-known/openid-configuration" => json_answer(&self.discovery()),
            "/jwks" => {
                let raw = self.key.public_key_raw();
                json_answer(&json!({ "keys": [{
                    "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid(),
                    "x": BASE64.encode(&raw[1..33]), "y": BASE64.encode(&raw[33..65]),
                }] }))
            }
            "/token" => json_answer(&json!({
                "access_token": "an-access-token", "token_type": "Bearer", "expires_in": 60,
                "id_token": self.id_token(),
            })),
            "/me" => {
                let mut claims = json!({ "sub": "anna", "groups": ["staff"] });
                merge(&mut claims, &self.lie.userinfo);
                json_answer(&claims)
            }
            _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        }
    }

    fn discovery(&self) -> Value {
        let issuer = &self.issuer;
        let mut document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/auth"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/me"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
            "authorization_response_iss_parameter_supported": true,
        });
        merge(&mut document, &self.lie.discovery);
        document
    }

    fn id_token(&self) -> String {
        let now = unix_now();
        let mut claims = json!({
            "iss": self.issuer, "aud": "stepgate", "sub": "anna", "iat": now, "exp": now + 300,
            "nonce": self.nonce, "sid": "session-1", "name": "Anna", "email": "anna@example.com",
            "email_verified": true,
        });
        merge(&mut claims, &self.lie.claims);
        let kid = if self.lie.signer == SignedBy::Unpublished {
            "key-of-nobody".to_owned()
        } else {
            self.kid()
        };
        let mut header = json!({ "alg": "ES256", "kid": kid });
        merge(&mut header, &self.lie.header);
        self.signed(&header, &claims, self.lie.signer)
    }

    fn signed(&self, header: &Value, claims: &Value, signer: SignedBy) -> String {
        let mut header = header.clone();
        match signer {
            SignedBy::Nobody => header["alg"] = json!("none"),
            SignedBy::PublicKey | SignedBy::ClientSecret => header["alg"] = json!("HS256"),
            SignedBy::Itself | SignedBy::Stranger | SignedBy::Unpublished => {}
        }
        let covered = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let ecdsa = |key: &rcgen::KeyPair| {
            let key = EncodingKey::from_ec_der(&key.serialize_der());
            jsonwebtoken::crypto::sign(covered.as_bytes(), &key, Algorithm::ES256).expect("a signature")
        };
        let hmac = |secret: &[u8]| {
            let key = EncodingKey::from_secret(secret);
            jsonwebtoken::crypto::sign(covered.as_bytes(), &key, Algorithm::HS256).expect("a signature")
        };
        let signature = match signer {
            SignedBy::Itself | SignedBy::Unpublished => ecdsa(&self.key),
            SignedBy::Stranger => ecdsa(&rcgen::KeyPair::generate().expect("a key")),
            SignedBy::Nobody => String::new(),
            SignedBy::PublicKey => hmac(self.key.public_key_raw()),
            SignedBy::ClientSecret => hmac(SECRET.as_bytes()),
        };
        format!("{covered}.{signature}")
    }
}

/// Members of `changes` take the place of those of `base`; `null` takes one away.
fn merge(base: &mut Value, changes: &Value) {
    let none = Map::new();
    let base = base.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().unwrap_or(&none) {
        if value.is_null() {
            base.remove(name);
        } else {
            base.insert(name.clone(), value.clone());
        }
    }
}

pub fn json_answer(body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Some text that no other call gives.
fn serial() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}
