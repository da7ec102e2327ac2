//! Proofs that must and must not count, made with keys of our own.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::*;
use crate::identity::testing;

const NOW: UnixTime = UnixTime(1_700_000_000);
const TOKEN: &str = "header.payload.signature";

/// A client with a key.
struct Holder {
    key: EncodingKey,
    jwk: Value,
    thumbprint: String,
}

impl Holder {
    fn new() -> Self {
        let made = rcgen::KeyPair::generate().unwrap();
        let key = EncodingKey::from_ec_der(&made.serialize_der());
        let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk.as_object_mut()
            .unwrap()
            .retain(|name, _| ["kty", "crv", "x", "y"].contains(&name.as_str()));
        Self { key, jwk, thumbprint }
    }

    fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, Algorithm::ES256).unwrap();
        format!("{signed}.{signature}")
    }

    fn proof(&self, id: &str) -> String {
        self.sign(&self.header(), &claims(id))
    }
}

fn claims(id: &str) -> Value {
    json!({
        "jti": id, "htm": "GET", "htu": "https://a.example/", "iat": NOW.0,
        "ath": BASE64.encode(digest(&SHA256, TOKEN.as_bytes())),
    })
}

fn dpop(required: bool) -> Dpop {
    let public_url = PublicUrl { https: true, host: "mfa.example".to_owned(), port: None };
    // Memory of its own: the process's began at another time.
    let seen = Box::leak(Box::new(Seen::new(NOW.plus(-1000), 1000)));
    Dpop { required, public_url, seen }
}

fn presented(as_bearer: bool) -> Presented<'static> {
    Presented { token: TOKEN, as_bearer }
}

fn ask(dpop: &Dpop, holder: &Holder, proofs: &[&str]) -> Result<bool, IdentityError> {
    let mut headers = HeaderMap::new();
    for proof in proofs {
        headers.append("dpop", HeaderValue::from_str(proof).unwrap());
    }
    let bound = Bound::Key(holder.thumbprint.clone());
    dpop.holds(Some(&bound), presented(false), &testing::of(&headers), NOW)
}

#[test]
fn a_bound_token_counts_with_a_proof_and_each_proof_once() {
    let (dpop, holder) = (dpop(false), Holder::new());
    assert!(ask(&dpop, &holder, &[&holder.proof("1")]).unwrap());
    assert!(!ask(&dpop, &holder, &[&holder.proof("1")]).unwrap(), "again");
    assert!(ask(&dpop, &holder, &[&holder.proof("2")]).unwrap());
    assert!(!ask(&dpop, &holder, &[]).unwrap(), "the token alone");
    assert!(ask(&dpop, &holder, &[&holder.proof("3"), &holder.proof("4")]).is_err(), "two proofs");
}

#[test]
fn a_bound_token_is_no_bearer_token_even_with_a_proof() {
    let (dpop, holder) = (dpop(false), Holder::new());
    let mut headers = HeaderMap::new();
    headers.append("dpop", HeaderValue::from_str(&holder.proof("1")).unwrap());
    let bound = Bound::Key(holder.thumbprint);
    assert!(!dpop.holds(Some(&bound), presented(true), &testing::of(&headers), NOW).unwrap());
}

#[test]
fn another_key_proves_nothing() {
    let (dpop, holder, thief) = (dpop(false), Holder::new(), Holder::new());
    assert!(!ask(&dpop, &holder, &[&thief.proof("1")]).unwrap());
    // The holder's key named, and signed with another.
    assert!(!ask(&dpop, &holder, &[&thief.sign(&holder.header(), &claims("1"))]).unwrap());
}

#[test]
fn every_claim_of_a_proof_must_fit_the_request() {
    let (dpop, holder) = (dpop(false), Holder::new());
    for (name, value) in [
        ("htm", json!("POST")),
        ("htm", json!("get")),
        ("htu", json!("https://a.example/other")),
        ("htu", json!("https://b.example/")),
        ("htu", json!("http://a.example/")),
        ("htu", json!("/")),
        ("iat", json!(NOW.0 - 61)),
        ("iat", json!(NOW.0 + 61)),
        ("iat", json!("1700000000")),
        ("ath", json!("x")),
        ("jti", json!("")),
        ("jti", json!("x".repeat(257))),
        ("jti", json!(7)),
    ] {
        for absent in [false, true] {
            let mut changed = claims("1");
            changed[name] = value.clone();
            if absent {
                changed.as_object_mut().unwrap().remove(name);
            }
            let proof = holder.sign(&holder.header(), &changed);
            assert!(!ask(&dpop, &holder, &[&proof]).unwrap(), "{name}={value} absent={absent}");
        }
    }
    for good in [json!(NOW.0 - 60), json!(NOW.0 + 60)] {
        let mut changed = claims(&good.to_string());
        changed["iat"] = good;
        assert!(ask(&dpop, &holder, &[&holder.sign(&holder.header(), &changed)]).unwrap());
    }
}

#[test]
fn f04_the_header_of_a_proof_is_what_the_standard_has() {
    let (dpop, holder) = (dpop(false), Holder::new());
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", Value::Null),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("ES384")),
        ("jwk", Value::Null),
        ("jwk", json!({ "kty": "oct", "k": "AAAA" })),
        ("kid", json!("1")),
        ("jku", json!("https://evil.example")),
    ] {
        let mut changed = holder.header();
        changed[name] = value.clone();
        let proof = holder.sign(&changed, &claims("1"));
        assert!(!ask(&dpop, &holder, &[&proof]).unwrap(), "{name}={value}");
    }
    let mut private = holder.header();
    private["jwk"]["d"] = json!("AAAA");
    assert!(!ask(&dpop, &holder, &[&holder.sign(&private, &claims("1"))]).unwrap(), "a private key");
    assert!(ask(&dpop, &holder, &[&holder.proof("1")]).unwrap(), "none of them has used the name up");
}

#[test]
fn where_proofs_are_required_nothing_else_counts() {
    let headers = HeaderMap::new();
    let certificate = Bound::Certificate("x".to_owned());
    for bound in [None, Some(&certificate)] {
        let required = dpop(true);
        assert!(!required.asks_nothing(bound));
        assert!(!required.holds(bound, presented(false), &testing::of(&headers), NOW).unwrap());
    }
    assert!(dpop(false).asks_nothing(None));
}

/// RFC 9449 section 7.1, figure 12: the example of the standard itself.
#[test]
fn the_proof_of_the_standard_holds() {
    const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    let wanted = proof::Wanted {
        method: "GET",
        url: "https://resource.example.org/protectedresource",
        token: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
        thumbprint: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
    };
    let good = proof::check(PROOF, &wanted, UnixTime(1_562_262_618)).unwrap();
    assert_eq!(good.id, "e1j3V_bKic8-LAEB");
    let other = proof::Wanted { token: "another", ..wanted };
    assert!(proof::check(PROOF, &other, UnixTime(1_562_262_618)).is_none());
}
