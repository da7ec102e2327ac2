//! Passkeys: where they can be, and for which domain.

use super::super::settings::UserVerification;
use super::*;

fn with(url: &str, passkey: &str) -> String {
    format!("version: 1\nserver: {{ public_url: \"{url}\" }}\nfactors: {{ passkey: {{ {passkey} }} }}\n")
}

#[test]
fn they_are_on_wherever_browsers_know_them() {
    for (url, on) in [
        ("https://mfa.example.com", true),
        ("http://localhost:8080", true),
        ("http://127.0.0.1:8080", false),
        ("http://[::1]:8080", false),
    ] {
        let text = with(url, "");
        let settings = settings(&text, &[]);
        assert_eq!(settings.factors.enabled.contains(FactorKind::Passkey), on, "{url}");
        assert!(codes(&text, &[]).iter().all(|code| *code != "SG-C037"), "{url}");
    }
    let settings = settings(&with("https://mfa.example.com", ""), &[]);
    let passkey = &settings.factors.passkey;
    assert_eq!((passkey.relying_party.as_str(), passkey.origins.len()), ("mfa.example.com", 1));
    assert_eq!(passkey.user_verification, UserVerification::Required);
    assert!(codes(&with("http://127.0.0.1:8080", "enabled: true"), &[]).contains(&"SG-C037"));
}

#[test]
fn the_domain_covers_the_portal() {
    for (domain, fine) in [
        ("mfa.example.com", true),
        ("example.com", true),
        ("com", false),
        ("ple.com", false),
        ("other.example.com", false),
    ] {
        let text = with("https://mfa.example.com", &format!("relying_party: {domain}"));
        assert_eq!(!codes(&text, &[]).contains(&"SG-C021"), fine, "{domain}");
    }
    let related = "relying_party: old.test, related_origins: [https://mfa.example.com]";
    // Whom browsers ask is none of ours: then somebody else has to answer.
    let elsewhere = with("https://mfa.example.com", related);
    assert_eq!(codes(&elsewhere, &[]), ["SG-C037"]);
    for (host, answers) in [("old.test", true), ("*.test", true), ("new.test", false)] {
        let routes =
            format!("routes: [{{ host: \"{host}\", upstream: \"http://127.0.0.1:1\", require: signed-in }}]");
        let told = codes(&format!("{elsewhere}{routes}\n"), &[]);
        assert_eq!(!told.contains(&"SG-C037"), answers, "{host}: {told:?}");
    }
}

#[test]
fn makes_are_proved_by_roots_or_a_warning_says_so() {
    let model = "models: [08987058-cadc-4b81-b6e1-30de50dcbe96]";
    assert_eq!(codes(&with("https://mfa.example.com", model), &[]), ["SG-C037"]);
    let without = "attestation_roots: nowhere.pem";
    assert_eq!(codes(&with("https://mfa.example.com", without), &[]), ["SG-C012"]);
    let both = format!("{model}, attestation_roots: nowhere.pem");
    assert!(codes(&with("https://mfa.example.com", &both), &[]).contains(&"SG-C044"));
}
