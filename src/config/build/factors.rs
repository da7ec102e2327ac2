//! The factors: which are on, and their settings.

use super::super::codes::Code;
use super::super::diagnostic::{Diagnostic, Problems};
use super::super::factor_kind::FactorKind;
use super::super::node::Node;
use super::super::settings::{Email, Factors, Language, RecoveryCodes, Telephone, Totp};
use super::super::values::{address, country};
use super::{duo, passkey, tokens, value, values};

pub(super) fn factors(root: &Node, problems: &mut Problems) -> Factors {
    let section = root.get("factors");
    let factor = |key| section.and_then(|node| node.get(key));
    let passkey = passkey::passkey(root, factor("passkey"), problems);
    let on = |key| {
        factor(key).is_some_and(|node| node.is_true("enabled")) && (key != "passkey" || passkey.is_some())
    };
    let beside = |key| factor(key).and_then(|node| node.text_of("standalone")) == Some("false");
    let count = factor("recovery_codes").and_then(|node| node.text_of("count")?.parse().ok());
    Factors {
        enabled: FactorKind::ALL.into_iter().filter(|kind| on(kind.section())).collect(),
        companions: FactorKind::ALL.into_iter().filter(|kind| beside(kind.section())).collect(),
        totp: Totp { issuer: issuer(root, factor("totp"), problems) },
        recovery_codes: RecoveryCodes { count: count.unwrap_or_default() },
        email: factor("email").map(email).unwrap_or_default(),
        sms: telephone(factor("sms"), "sms", problems),
        voice: telephone(factor("voice"), "voice", problems),
        passkey: passkey.unwrap_or_default(),
        duo: factor("duo").and_then(|node| duo::duo(node, problems)),
        radius: tokens::radius(root, problems),
        yubikey: tokens::yubikey(root, problems),
        hotp: tokens::hotp(root),
    }
}

fn digits(node: &Node) -> u8 {
    node.text_of("digits").and_then(|text| text.parse().ok()).unwrap_or(8)
}

fn email(node: &Node) -> Email {
    let used_for = |word: &str| node.texts_of("use_for").iter().any(|one| one == word);
    Email {
        digits: digits(node),
        own_address: node.text_of("address") == Some("own"),
        as_factor: used_for("factor"),
        as_recovery: used_for("recovery"),
    }
}

/// Which countries is a decision about money, so that there is no default.
fn telephone(node: Option<&Node>, key: &str, problems: &mut Problems) -> Telephone {
    let Some(node) = node else {
        return Telephone::default();
    };
    if node.is_true("enabled") && node.get("countries").is_none() {
        problems.push(
            Diagnostic::error(Code::MissingKey, format!("`{key}` has no `countries`"))
                .at(node.pointer(), "every country that is open is one that fraud can be paid in")
                .fix("countries: [GB, IE], with those your people have numbers of"),
        );
    }
    Telephone {
        digits: digits(node),
        countries: values(node, "countries", country::country),
        internet_telephony: node.is_true("internet_telephony"),
        language: language(node),
    }
}

fn language(node: &Node) -> Language {
    node.text_of("language").and_then(Language::of_name).unwrap_or_default()
}

fn issuer(root: &Node, totp: Option<&Node>, problems: &mut Problems) -> String {
    if let Some(node) = totp.and_then(|totp| totp.get("issuer")) {
        let text = node.text().unwrap_or_default();
        if text.contains(':') {
            problems.push(
                Diagnostic::error(Code::Value, "an issuer cannot contain a colon")
                    .at(node.span, "authenticator apps split issuer and account there"),
            );
        }
        return text.to_owned();
    }
    let name = root.get("branding").and_then(|branding| branding.get("name"));
    let chosen = name.filter(|name| !name.is_default()).and_then(Node::text);
    let host = || value(root.get("server")?, "public_url", address::public_url).map(|url| url.host);
    let issuer = chosen.map(str::to_owned).or_else(host).unwrap_or_default();
    issuer.replace([':', '[', ']'], "")
}
