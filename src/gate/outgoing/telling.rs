//! How one app is told: which header says what. Prepared once per configuration.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::ambient::UnixTime;
use crate::config::settings::{IdentityTemplate, Inject, Said, ToUpstream};
use crate::policy::Identity;

/// A configured header name is none.
#[derive(Debug, thiserror::Error)]
#[error("to_upstream: `{0}` is not a header name")]
pub struct BadHeaderName(String);

/// What is known of how somebody proved who they are.
pub(super) struct Proved<'a> {
    pub acr: &'a str,
    pub amr: &'a [String],
    pub auth_time: Option<UnixTime>,
}

/// The headers of one route's app.
#[derive(Debug)]
pub(super) struct Telling {
    preset: Vec<(HeaderName, Said)>,
    own: Vec<(HeaderName, IdentityTemplate)>,
    pub(super) assertion: Option<HeaderName>,
    inject: Option<Inject>,
}

impl Telling {
    pub(super) fn new(settings: &ToUpstream) -> Result<Self, BadHeaderName> {
        let name = |text: &str| HeaderName::try_from(text).map_err(|_| BadHeaderName(text.to_owned()));
        let preset = settings.preset.headers().iter();
        Ok(Self {
            preset: preset.map(|(text, said)| Ok((name(text)?, *said))).collect::<Result<_, _>>()?,
            own: settings
                .headers
                .iter()
                .map(|(text, template)| Ok((name(text)?, template.clone())))
                .collect::<Result<_, _>>()?,
            assertion: settings.assertion.as_deref().map(name).transpose()?,
            inject: settings.inject.clone(),
        })
    }

    /// Every header that says anything about a person.
    pub(super) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let preset = self.preset.iter().map(|(name, _)| name);
        let own = self.own.iter().map(|(name, _)| name);
        preset.chain(own).chain(&self.assertion)
    }

    /// Whether `Authorization` is ours alone on the way to this app.
    pub(super) const fn injects(&self) -> bool {
        self.inject.is_some()
    }

    /// The headers about this person, the assertion aside; empty where nothing is known.
    pub(super) fn about(&self, identity: &Identity, proved: &Proved<'_>) -> Vec<(HeaderName, HeaderValue)> {
        let preset = self
            .preset
            .iter()
            .map(|(name, said)| (name.clone(), says(*said, identity, proved)));
        let own = self.own.iter().map(|(name, template)| {
            let text = template.fill(|attribute| identity.attribute(attribute));
            (name.clone(), value(text.as_deref().unwrap_or_default()))
        });
        preset.chain(own).collect()
    }

    /// `Authorization` for this person. `None` where there is none, or where it cannot be made: the app is
    /// then asked without.
    pub(super) fn credential(&self, identity: &Identity) -> Option<HeaderValue> {
        let text = Zeroizing::new(match self.inject.as_ref()? {
            Inject::Basic { username, password } => {
                let username = username.fill(|attribute| identity.attribute(attribute))?;
                if username.contains(':') {
                    // It would end the name and begin the password (RFC 7617 section 2).
                    return None;
                }
                let pair = Zeroizing::new(format!("{username}:{}", password.expose_secret()));
                format!("Basic {}", BASE64.encode(pair.as_bytes()))
            }
            Inject::Bearer(token) => format!("Bearer {}", token.expose_secret()),
        });
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

fn says(said: Said, identity: &Identity, proved: &Proved<'_>) -> HeaderValue {
    match said {
        Said::User => value(&identity.subject),
        Said::Groups => value(&list(identity.groups().iter().map(|group| &**group))),
        Said::Name => value(identity.name.as_deref().unwrap_or_default()),
        Said::Email => value(identity.email.as_deref().unwrap_or_default()),
        Said::Acr => value(proved.acr),
        Said::Amr => value(&proved.amr.join(" ")),
        Said::AuthTime => proved.auth_time.map_or_else(|| value(""), |time| HeaderValue::from(time.0)),
    }
}

/// Groups as the one line that apps split at commas. A name that has a comma itself would be read as
/// groups that nobody granted: it is left out here, and the assertion has it whole.
fn list<'a>(groups: impl Iterator<Item = &'a str>) -> String {
    let fit: Vec<&str> = groups.filter(|group| !group.contains(',')).collect();
    fit.join(",")
}

/// As a header value; UTF-8 passes as the bytes it is. Identity grammar allows no controls, so this cannot
/// fail; an impossible one says nothing.
pub(super) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_bytes(text.as_bytes()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::settings::Preset;
    use crate::policy::{Binding, SubjectKey};

    fn anna() -> Identity {
        Identity {
            source: "local".into(),
            subject: "anna".into(),
            key: SubjectKey::new("local", "anna"),
            groups: Some(vec![Arc::from("hr"), Arc::from("finance")]),
            name: None,
            email: Some("anna@example.test".into()),
            attributes: [("mail".to_owned(), vec!["a@b.test".to_owned()])].into(),
            binding: Binding::new("local", "anna", "s"),
            authenticated_at: None,
        }
    }

    fn credential(inject: Inject, identity: &Identity) -> Option<String> {
        let settings = ToUpstream { inject: Some(inject), ..ToUpstream::default() };
        let value = Telling::new(&settings).unwrap().credential(identity)?;
        assert!(value.is_sensitive());
        Some(value.to_str().unwrap().to_owned())
    }

    fn template(text: &str) -> IdentityTemplate {
        IdentityTemplate::of(text)
    }

    #[test]
    fn b04_no_name_of_a_group_becomes_two() {
        assert_eq!(list(["hr", "finance"].into_iter()), "hr,finance");
        assert_eq!(list(["hr", "guests,admins", "cn=x,ou=y"].into_iter()), "hr");
        assert_eq!(list([].into_iter()), "");
    }

    #[test]
    fn each_preset_says_the_same_under_its_own_names() {
        for (word, preset) in Preset::ALL {
            let told = Telling::new(&ToUpstream { preset, ..ToUpstream::default() }).unwrap();
            let amr = ["otp".to_owned()];
            let proved = Proved { acr: "standard", amr: &amr, auth_time: Some(UnixTime(7)) };
            let about = told.about(&anna(), &proved);
            let find = |end: &str| {
                about
                    .iter()
                    .find(|(name, _)| name.as_str().ends_with(end))
                    .map(|(_, v)| v.to_str().unwrap())
            };
            let there = (preset != Preset::None).then_some(());
            assert_eq!(find("-user"), there.map(|()| "anna"), "{word}");
            assert_eq!(find("-groups"), there.map(|()| "hr,finance"), "{word}");
            assert_eq!(find("-email"), there.map(|()| "anna@example.test"), "{word}");
            assert_eq!(find("stepgate-auth-time"), there.map(|()| "7"), "{word}");
        }
    }

    #[test]
    fn credentials_are_made_for_the_person() {
        let basic =
            |name: &str| Inject::Basic { username: template(name), password: "pässword".to_owned().into() };
        let made = credential(basic("{user}"), &anna()).unwrap();
        let pair = BASE64.decode(made.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(pair, "anna:pässword".as_bytes());
        assert_eq!(credential(Inject::Bearer("t0ken".to_owned().into()), &anna()).unwrap(), "Bearer t0ken");
        assert_eq!(credential(basic("{attribute:absent}"), &anna()), None);
        assert_eq!(credential(Inject::Bearer("a\r\nX: y".to_owned().into()), &anna()), None);
        let colon = Identity { subject: "an:na".into(), ..anna() };
        assert_eq!(credential(basic("{user}"), &colon), None, "a name cannot begin the password");
    }
}
