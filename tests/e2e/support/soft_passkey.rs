//! An authenticator in software: makes ES256 passkeys and signs with them, rightly or, where a test
//! asks for it, wrongly. Written from WebAuthn L3 6.1 and 6.5; it shares no code with the server.

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;

/// One authenticator with room for one passkey.
pub struct SoftPasskey {
    pub key: EcdsaKeyPair,
    pub id: Vec<u8>,
    pub user: Option<Vec<u8>>,
    pub aaguid: [u8; 16],
    /// Moved before each signature.
    pub counter: u32,
    pub present: bool,
    pub verified: bool,
    pub synced: bool,
    pub cross_origin: bool,
    /// Signs something else than what it sends.
    pub bogus: bool,
    /// What its maker gave it to show, where it is asked to.
    pub attestation: Option<Attestation>,
}

/// A certificate of the make and its key (L3 8.2: `packed`).
pub struct Attestation {
    certificate: Vec<u8>,
    key: EcdsaKeyPair,
}

impl SoftPasskey {
    /// A device-bound authenticator that verifies its user.
    pub fn new(seed: u8) -> Self {
        Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            id: vec![seed; 32],
            user: None,
            aaguid: [0; 16],
            counter: 0,
            present: true,
            verified: true,
            synced: false,
            cross_origin: false,
            bogus: false,
            attestation: None,
        }
    }

    /// The answer to `navigator.credentials.create(options)` on a page of `origin`.
    pub fn create(&mut self, options: &Value, origin: &str) -> Value {
        let options = &options["publicKey"];
        self.user = options["user"]["id"].as_str().map(decoded);
        let mut data = self.authenticator_data(options["rp"]["id"].as_str().unwrap(), ATTESTED);
        data.extend_from_slice(&self.aaguid);
        data.extend_from_slice(&u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend_from_slice(&self.id);
        data.extend(self.public_key());
        let client_data = self.client_data("webauthn.create", options, origin);
        let mut object = vec![0xa3];
        object.extend(self.statement(&data, &client_data));
        object.extend_from_slice(b"\x68authData\x59");
        object.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
        object.extend(data);
        let response = json!({
            "clientDataJSON": encoded(&client_data),
            "attestationObject": encoded(&object),
            "transports": ["usb", "nfc", "nonsense"],
        });
        self.credential(&response)
    }

    /// `fmt` and `attStmt`.
    fn statement(&self, data: &[u8], client_data: &[u8]) -> Vec<u8> {
        let Some(attestation) = &self.attestation else {
            return b"\x63fmt\x64none\x67attStmt\xa0".to_vec();
        };
        let mut signed = data.to_vec();
        signed.extend_from_slice(digest::digest(&digest::SHA256, client_data).as_ref());
        if self.bogus {
            signed.push(0);
        }
        let signature = attestation.key.sign(&SystemRandom::new(), &signed).unwrap();
        let mut statement = b"\x63fmt\x66packed\x67attStmt\xa3\x63alg\x26\x63sig\x58".to_vec();
        statement.push(u8::try_from(signature.as_ref().len()).unwrap());
        statement.extend_from_slice(signature.as_ref());
        statement.extend_from_slice(b"\x63x5c\x81\x59");
        statement.extend_from_slice(&u16::try_from(attestation.certificate.len()).unwrap().to_be_bytes());
        statement.extend_from_slice(&attestation.certificate);
        statement
    }

    /// The answer to `navigator.credentials.get(options)` on a page of `origin`.
    pub fn get(&mut self, options: &Value, origin: &str) -> Value {
        let options = &options["publicKey"];
        let data = self.authenticator_data(options["rpId"].as_str().unwrap(), 0);
        let client_data = self.client_data("webauthn.get", options, origin);
        let mut signed = data.clone();
        signed.extend_from_slice(digest::digest(&digest::SHA256, &client_data).as_ref());
        if self.bogus {
            signed.push(0);
        }
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        let mut response = json!({
            "clientDataJSON": encoded(&client_data),
            "authenticatorData": encoded(&data),
            "signature": encoded(signature.as_ref()),
        });
        if let Some(user) = &self.user {
            response["userHandle"] = json!(encoded(user));
        }
        self.credential(&response)
    }

    fn credential(&self, response: &Value) -> Value {
        json!({
            "id": encoded(&self.id),
            "rawId": encoded(&self.id),
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {},
            "authenticatorAttachment": "cross-platform",
        })
    }

    fn client_data(&self, kind: &str, options: &Value, origin: &str) -> Vec<u8> {
        let mut data = json!({ "type": kind, "challenge": options["challenge"], "origin": origin });
        if self.cross_origin {
            data["crossOrigin"] = json!(true);
        }
        data.to_string().into_bytes()
    }

    fn authenticator_data(&mut self, rp_id: &str, more: u8) -> Vec<u8> {
        let flag = |on: bool, bits: u8| if on { bits } else { 0 };
        let flags = flag(self.present, USER_PRESENT)
            | flag(self.verified, USER_VERIFIED)
            | flag(self.synced, BACKUP_ELIGIBLE | BACKED_UP)
            | more;
        if !self.synced {
            self.counter += 1;
        }
        let mut data = digest::digest(&digest::SHA256, rp_id.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend_from_slice(&self.counter.to_be_bytes());
        data
    }

    /// COSE: EC2, ES256, P-256, x and y.
    fn public_key(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let mut key = vec![0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
        key.extend_from_slice(x);
        key.extend_from_slice(&[0x22, 0x58, 0x20]);
        key.extend_from_slice(y);
        key
    }
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Who makes authenticators: signs what they show of themselves.
pub struct Maker {
    root: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
}

impl Maker {
    pub fn new() -> Self {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        parameters.distinguished_name = named("Maker Root");
        let key = rcgen::KeyPair::generate().unwrap();
        Self { root: rcgen::CertifiedIssuer::self_signed(parameters, key).unwrap() }
    }

    pub fn certificate(&self) -> &rcgen::Certificate {
        self.root.as_ref()
    }

    /// A certificate for authenticators of this make (L3 8.2.1).
    pub fn certify(&self, aaguid: [u8; 16]) -> Attestation {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::ExplicitNoCa;
        parameters.distinguished_name = named("Attestation");
        let content = [&[0x04, 0x10], aaguid.as_slice()].concat();
        let id_fido_gen_ce_aaguid = [1, 3, 6, 1, 4, 1, 45724, 1, 1, 4];
        parameters.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(
            &id_fido_gen_ce_aaguid,
            content,
        )];
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.root).unwrap().der().to_vec();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key.serialize_der()).unwrap();
        Attestation { certificate, key }
    }
}

fn named(common: &str) -> rcgen::DistinguishedName {
    let mut name = rcgen::DistinguishedName::new();
    name.push(rcgen::DnType::CountryName, "SE");
    name.push(rcgen::DnType::OrganizationName, "Maker AB");
    name.push(rcgen::DnType::OrganizationalUnitName, "Authenticator Attestation");
    name.push(rcgen::DnType::CommonName, common);
    name
}
