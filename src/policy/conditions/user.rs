//! What is known about the person: groups and every other attribute.
//!
//! Values are compared exactly, as the identity source spells them.

use std::collections::BTreeMap;

use crate::policy::person::Identity;

use super::{Truth, View};

/// True if every named attribute has one of its accepted values; an attribute that the identity
/// source does not give is unknown, and so is everything while nobody has signed in.
#[derive(Debug)]
pub(in crate::policy) struct User(BTreeMap<String, Vec<String>>);

impl User {
    pub(super) fn compile(wanted: &BTreeMap<String, Vec<String>>) -> Self {
        Self(wanted.clone())
    }

    pub(super) fn holds(&self, view: &View<'_>) -> Truth {
        let Some(identity) = view.identity else {
            return Truth::Unknown;
        };
        let one = |(name, accepted): (&String, &Vec<String>)| attribute(identity, name, accepted);
        self.0.iter().map(one).fold(Truth::True, Truth::and)
    }

    pub(super) fn why(&self, view: &View<'_>) -> String {
        let Some(identity) = view.identity else {
            return "nobody is signed in".to_owned();
        };
        let one = |name: &String| match identity.attribute(name) {
            None => format!("{name} is not known"),
            Some(values) if values.is_empty() => format!("{name} is empty"),
            Some(values) => format!("{name} is \"{}\"", values.join("\", \"")),
        };
        self.0.keys().map(one).collect::<Vec<_>>().join(", ")
    }
}

/// Like [`Identity::attribute`], without a copy: this runs on every request.
fn attribute(identity: &Identity, name: &str, accepted: &[String]) -> Truth {
    let is = |value: &str| accepted.iter().any(|accepted| accepted == value);
    let known = |value: Option<&str>| value.map_or(Truth::Unknown, |value| is(value).into());
    match name {
        "user" => is(&identity.subject).into(),
        "groups" => match &identity.groups {
            Some(groups) => groups.iter().any(|group| is(group)).into(),
            None => Truth::Unknown,
        },
        "name" => known(identity.name.as_deref()),
        "email" => known(identity.email.as_deref()),
        other => match identity.attributes.get(other) {
            Some(values) => values.iter().any(|value| is(value)).into(),
            None => Truth::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::ambient::UnixTime;
    use crate::policy::tests_support::anna;

    fn holds(wanted: &[(&str, &[&str])], identity: Option<&Identity>) -> Truth {
        let accepted = |values: &[&str]| values.iter().map(ToString::to_string).collect();
        let wanted = wanted
            .iter()
            .map(|(name, values)| ((*name).to_owned(), accepted(values)))
            .collect();
        let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
        User::compile(&wanted).holds(&View { client, identity, now: UnixTime(0), request: None })
    }

    #[test]
    fn every_attribute_must_have_an_accepted_value() {
        let anna = anna();
        assert_eq!(holds(&[("groups", &["hr", "finance"])], Some(&anna)), Truth::True);
        assert_eq!(holds(&[("groups", &["admins"])], Some(&anna)), Truth::False);
        assert_eq!(holds(&[("groups", &["finance"]), ("employment", &["staff"])], Some(&anna)), Truth::True);
        assert_eq!(holds(&[("groups", &["finance"]), ("employment", &["x"])], Some(&anna)), Truth::False);
        assert_eq!(holds(&[("user", &["anna"])], Some(&anna)), Truth::True);
    }

    #[test]
    fn what_the_source_does_not_say_is_unknown() {
        let anna = anna();
        assert_eq!(holds(&[("clearance", &["high"])], Some(&anna)), Truth::Unknown);
        assert_eq!(holds(&[("email", &["anna@example.com"])], Some(&anna)), Truth::Unknown);
        // False wins over unknown: one attribute is known not to fit.
        assert_eq!(holds(&[("clearance", &["high"]), ("groups", &["x"])], Some(&anna)), Truth::False);
    }

    #[test]
    fn nobody_is_unknown() {
        assert_eq!(holds(&[("groups", &["finance"])], None), Truth::Unknown);
        let silent = Identity { groups: None, ..anna() };
        assert_eq!(holds(&[("groups", &["finance"])], Some(&silent)), Truth::Unknown);
    }
}
