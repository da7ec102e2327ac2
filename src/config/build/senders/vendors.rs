//! Vendors with an HTTP API: keys that go together, and ids of the right kind.

use std::fmt::Display;

use super::super::super::codes::Code;
use super::super::super::diagnostic::Diagnostic;
use super::super::super::node::Node;
use super::super::super::settings::{
    Aws, AwsSms, AwsSns, Login, MessageBird, Plivo, SenderKind, SignatureMethod, Twilio, TwilioFrom,
    TwilioVerify, Vendor, Vonage, VonageSecret, VonageVerify, VonageVoice,
};
use super::super::super::values::address;
use super::super::{Build, upstream, value};
use super::gateway;

/// The vendor of this type, with the authorities that its certificate may come from.
pub(super) fn vendor(build: &mut Build<'_>, node: &Node, kind: &str) -> Option<SenderKind> {
    let authority = match node.get("authority") {
        Some(node) => Some(upstream::authority(build, node)?),
        None => None,
    };
    let api = match kind {
        "twilio" => Vendor::Twilio(twilio(build, node)?),
        "twilio-verify" => Vendor::TwilioVerify(twilio_verify(build, node)?),
        "vonage" => Vendor::Vonage(vonage(build, node)?),
        "vonage-verify" => Vendor::VonageVerify(vonage_verify(build, node)?),
        "vonage-voice" => Vendor::VonageVoice(vonage_voice(build, node)?),
        "aws-sms" => Vendor::AwsSms(AwsSms {
            aws: aws(node)?,
            origination_identity: text(node, "origination_identity"),
            configuration_set: text(node, "configuration_set"),
            max_price: text(node, "max_price"),
        }),
        "aws-sns" => Vendor::AwsSns(AwsSns {
            aws: aws(node)?,
            sender_id: text(node, "sender_id"),
            origination_number: text(node, "origination_number"),
            max_price: text(node, "max_price"),
        }),
        "plivo" => Vendor::Plivo(Plivo {
            url: url(node)?,
            login: Login {
                user: path_safe(build, node, "auth_id")?,
                password: node.text_of("auth_token")?.into(),
            },
            from: text(node, "from")?,
        }),
        "messagebird" => Vendor::MessageBird(MessageBird {
            url: url(node)?,
            access_key: node.text_of("access_key")?.into(),
            from: text(node, "from")?,
            signing_key: node.text_of("signing_key").map(Into::into),
        }),
        "http" => Vendor::Http(Box::new(gateway::gateway(build, node)?)),
        _ => return None,
    };
    Some(SenderKind::Vendor { api: Box::new(api), authority })
}

fn vonage_voice(build: &mut Build<'_>, node: &Node) -> Option<VonageVoice> {
    let key = node.get("private_key")?;
    if jsonwebtoken::EncodingKey::from_rsa_pem(key.text()?.as_bytes()).is_err() {
        build.report(
            Diagnostic::error(Code::WeakSecret, "`private_key` is no RSA key in PEM")
                .at(key.pointer(), "the file that Vonage offered when the application was made"),
        );
    }
    Some(VonageVoice {
        url: url(node)?,
        application_id: text(node, "application_id")?,
        private_key: key.text()?.into(),
        from: text(node, "from")?,
        signature_secret: node.text_of("signature_secret").map(Into::into),
    })
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.text_of(key).map(str::to_owned)
}

fn url(node: &Node) -> Option<String> {
    value(node, "url", address::service_url)
}

fn wrong(build: &mut Build<'_>, at: &Node, message: &str, label: impl Display) {
    build.report(Diagnostic::error(Code::Combination, message).at(at.pointer(), label.to_string()));
}

fn twilio(build: &mut Build<'_>, node: &Node) -> Option<Twilio> {
    let account_sid = sid(build, node, "account_sid", "AC");
    let login = twilio_login(build, node, account_sid.as_deref());
    let from = match (node.get("from"), node.get("messaging_service_sid")) {
        (Some(from), None) => Some(TwilioFrom::Number(from.text()?.to_owned())),
        (None, Some(_)) => sid(build, node, "messaging_service_sid", "MG").map(TwilioFrom::Service),
        (Some(_), Some(both)) => {
            wrong(build, both, "two senders", "`from` or `messaging_service_sid`, not both");
            None
        }
        (None, None) => {
            wrong(build, node, "messages need a sender", "add `from` or `messaging_service_sid`");
            None
        }
    };
    Some(Twilio {
        url: url(node)?,
        account_sid: account_sid?,
        login: login?,
        from: from?,
        auth_token: node.text_of("auth_token").map(Into::into),
        webhook_secret: node.text_of("webhook_secret").map(Into::into),
    })
}

fn twilio_verify(build: &mut Build<'_>, node: &Node) -> Option<TwilioVerify> {
    let service_sid = sid(build, node, "service_sid", "VA");
    let account_sid = node.get("account_sid").and_then(|_| sid(build, node, "account_sid", "AC"));
    let login = twilio_login(build, node, account_sid.as_deref());
    Some(TwilioVerify {
        url: url(node)?,
        service_sid: service_sid?,
        login: login?,
        whatsapp: node.is_true("whatsapp"),
    })
}

/// An API key where there is one, else the account itself.
fn twilio_login(build: &mut Build<'_>, node: &Node, account_sid: Option<&str>) -> Option<Login> {
    let login = |user: &str, password: &str| Some(Login { user: user.to_owned(), password: password.into() });
    match (node.get("api_key_sid"), node.text_of("api_key_secret")) {
        (Some(_), Some(secret)) => login(&sid(build, node, "api_key_sid", "SK")?, secret),
        (None, None) => match (account_sid, node.text_of("auth_token")) {
            (Some(account), Some(token)) => login(account, token),
            // The account's id has been reported.
            (None, _) if node.get("account_sid").is_some() => None,
            _ => {
                let label = "add `account_sid` with `auth_token`, or `api_key_sid` with `api_key_secret`";
                wrong(build, node, "Twilio asks who we are", label);
                None
            }
        },
        _ => {
            wrong(build, node, "half of an API key", "`api_key_sid` and `api_key_secret` go together");
            None
        }
    }
}

/// Twilio's ids: two letters and 32 hex digits.
fn sid(build: &mut Build<'_>, node: &Node, key: &str, letters: &str) -> Option<String> {
    let found = node.get(key)?;
    let text = found.text()?;
    let good = text
        .strip_prefix(letters)
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if good {
        return Some(text.to_owned());
    }
    build.report(
        Diagnostic::error(Code::Value, format!("`{key}` is not one of Twilio's ids"))
            .at(found.span, format!("`{letters}` and 32 hexadecimal digits")),
    );
    None
}

/// An id that becomes part of a path.
fn path_safe(build: &mut Build<'_>, node: &Node, key: &str) -> Option<String> {
    let found = node.get(key)?;
    let text = found.text()?;
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Some(text.to_owned());
    }
    build.report(
        Diagnostic::error(Code::Value, format!("`{key}` cannot be this"))
            .at(found.span, "letters and digits"),
    );
    None
}

fn vonage(build: &mut Build<'_>, node: &Node) -> Option<Vonage> {
    let secret = match (node.text_of("api_secret"), node.text_of("signature_secret")) {
        (Some(secret), _) => VonageSecret::Api(secret.into()),
        (None, Some(secret)) => VonageSecret::Signature(secret.into()),
        (None, None) => {
            wrong(build, node, "Vonage asks who we are", "add `api_secret`, or `signature_secret`");
            return None;
        }
    };
    Some(Vonage {
        url: url(node)?,
        api_key: text(node, "api_key")?,
        secret,
        from: text(node, "from")?,
        signature_secret: node.text_of("signature_secret").map(Into::into),
        signature_method: match node.text_of("signature_method")? {
            "sha512" => SignatureMethod::Sha512,
            _ => SignatureMethod::Sha256,
        },
    })
}

fn vonage_verify(build: &mut Build<'_>, node: &Node) -> Option<VonageVerify> {
    let (from, whatsapp) = (text(node, "from"), node.is_true("whatsapp"));
    if whatsapp && from.is_none() {
        wrong(build, node, "WhatsApp needs a number of yours", "add `from`");
    }
    let login = Login { user: text(node, "api_key")?, password: node.text_of("api_secret")?.into() };
    Some(VonageVerify { url: url(node)?, login, from, whatsapp })
}

fn aws(node: &Node) -> Option<Aws> {
    Some(Aws {
        url: url(node),
        region: text(node, "region")?,
        access_key_id: text(node, "access_key_id")?,
        secret_access_key: node.text_of("secret_access_key")?.into(),
        session_token: node.text_of("session_token").map(Into::into),
    })
}
