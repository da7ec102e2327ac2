//! An issuer of ES256 tokens with a key of its own, and clients that hold one: made without the library
//! that checks them.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A P-256 key.
pub struct Signer {
    pair: EcdsaKeyPair,
    pub id: String,
}

impl Signer {
    pub fn new(id: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Self { pair, id: id.to_owned() }
    }

    /// RFC 7518 section 6.2, the members that RFC 7638 takes alone.
    pub fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        json!({ "crv": "P-256", "kty": "EC", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) })
    }

    /// RFC 7638.
    pub fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let text = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
        URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
    }

    /// The set that an issuer publishes.
    pub fn jwks(&self) -> String {
        let mut key = self.jwk();
        key["kid"] = json!(self.id);
        key["alg"] = json!("ES256");
        key["use"] = json!("sig");
        json!({ "keys": [key] }).to_string()
    }

    /// SubjectPublicKeyInfo of a P-256 key (RFC 5480), in PEM.
    pub fn pem(&self) -> String {
        let mut der = vec![
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
            0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ];
        der.extend(self.pair.public_key().as_ref());
        let text = STANDARD.encode(der);
        let (first, second) = text.split_at(64);
        format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n")
    }

    pub fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "JWT", "kid": self.id })
    }

    pub fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims)
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.signature(&signed)))
    }

    /// As AWS load balancers do: with the padding, which is signed as well.
    pub fn sign_padded(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        format!("{signed}.{}", URL_SAFE.encode(self.signature(&signed)))
    }

    fn signature(&self, text: &str) -> Vec<u8> {
        let signed = self.pair.sign(&SystemRandom::new(), text.as_bytes());
        signed.expect("a signature").as_ref().to_vec()
    }

    /// A proof of possession for one request with this token (RFC 9449 section 4.2).
    pub fn proof(&self, method: &str, url: &str, token: &str) -> String {
        let mut id = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut id).expect("randomness");
        self.proof_of(json!({
            "jti": URL_SAFE_NO_PAD.encode(id), "htm": method, "htu": url,
            "iat": super::unix_now(), "ath": URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes())),
        }))
    }

    pub fn proof_of(&self, claims: Value) -> String {
        self.sign(&json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk() }), &claims)
    }
}
