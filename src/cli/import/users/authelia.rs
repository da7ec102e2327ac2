//! Authelia's `users_database.yml`: `users:` with a map of names, each with `password`, `displayname`,
//! `email`, `groups` and `disabled`. Whatever else it says about people stays behind.

use granit_parser::{Event, Parser};
use secrecy::SecretString;

use super::{People, Person};
use crate::cli::import::rows::Wrong;

/// Deeper than any such file.
const DEPTH: usize = 16;

/// A value of the file, with the line it begins in.
struct Value {
    line: usize,
    kind: Kind,
}

enum Kind {
    Text(String),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

pub(super) fn read(text: &str) -> People {
    let mut people = People::default();
    match parse(text) {
        Ok(root) => match root.get("users") {
            Some(users) => users.entries().for_each(|(name, about)| match person(name, about) {
                Ok(person) => people.taken.push(person),
                Err(wrong) => people.wrong.push(wrong),
            }),
            None => people.wrong.push(Wrong { line: 1, what: "there is no `users:`".to_owned() }),
        },
        Err(wrong) => people.wrong.push(wrong),
    }
    people
}

fn person(name: &Value, about: &Value) -> Result<Person, Wrong> {
    let wrong = |what: String| Wrong { line: name.line, what };
    let Kind::Text(called) = &name.kind else {
        return Err(wrong("a user's name is no text".to_owned()));
    };
    let text = |key: &str| about.get(key).and_then(Value::text).map(str::to_owned);
    let groups = match about.get("groups").map(|groups| &groups.kind) {
        Some(Kind::List(groups)) => groups.iter().filter_map(Value::text).map(str::to_owned).collect(),
        // `groups: ~` and nothing at all.
        _ => Vec::new(),
    };
    let disabled = match text("disabled").as_deref() {
        None | Some("false" | "") => false,
        Some("true") => true,
        Some(_) => return Err(wrong(format!("{called}: `disabled` is neither true nor false"))),
    };
    let hash = text("password").ok_or_else(|| wrong(format!("{called} has no `password`")))?;
    Ok(Person {
        line: name.line,
        name: called.clone(),
        display_name: text("displayname"),
        email: text("email"),
        groups,
        hash: SecretString::from(hash),
        disabled,
    })
}

impl Value {
    fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    fn entries(&self) -> impl Iterator<Item = &(Self, Self)> {
        let entries: &[(Self, Self)] = match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        };
        entries.iter()
    }

    fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .find(|(name, _)| name.text() == Some(key))
            .map(|(_, value)| value)
    }
}

/// The plain part of YAML, which is all that such a file has.
fn parse(text: &str) -> Result<Value, Wrong> {
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    options.emit_anchor_events = true;
    options.emit_unresolved_aliases = true;
    let mut open: Vec<(usize, Vec<Value>, bool)> = Vec::new();
    let mut root = None;
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| Wrong {
            line: error.marker().line(),
            what: "this is not well-formed YAML".to_owned(),
        })?;
        let line = span.start.line();
        let refused = |what: &str| Err(Wrong { line, what: what.to_owned() });
        let done = match event {
            Event::Scalar(text, ..) => Value { line, kind: Kind::Text(text.into_owned()) },
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= DEPTH => {
                return refused("this is nested too deeply");
            }
            Event::SequenceStart(..) => {
                open.push((line, Vec::new(), false));
                continue;
            }
            Event::MappingStart(..) => {
                open.push((line, Vec::new(), true));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some((line, values, is_map)) => Value { line, kind: closed(values, is_map) },
                None => continue,
            },
            Event::Alias(_) | Event::UnresolvedAlias(_) | Event::Anchor(..) => {
                return refused("anchors and aliases are not read: write the value out");
            }
            _ => continue,
        };
        match open.last_mut() {
            Some((_, values, _)) => values.push(done),
            None => root = Some(done),
        }
    }
    root.ok_or_else(|| Wrong { line: 1, what: "the file is empty".to_owned() })
}

fn closed(values: Vec<Value>, is_map: bool) -> Kind {
    if !is_map {
        return Kind::List(values);
    }
    let mut entries = Vec::with_capacity(values.len() / 2);
    let mut values = values.into_iter();
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        entries.push((key, value));
    }
    Kind::Map(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    /// The first two people of the example in Authelia's guide.
    const GUIDE: &str = "users:
  john:
    disabled: false
    displayname: 'John Doe'
    password: '$argon2id$v=19$m=65536,t=3,p=2$BpLnfgDsc2WD8F2q$o/vzA4myCqZZ36bUGsDY//8mKUYNZZaR0t4MFFSs+iM'
    email: 'john.doe@authelia.com'
    groups:
      - 'admins'
      - 'dev'
  harry:
    disabled: true
    displayname: 'Harry Potter'
    password: '$6$x$y'
    email: 'harry.potter@authelia.com'
    groups: []
";

    #[test]
    fn the_guides_example() {
        let people = read(GUIDE);
        assert_eq!(people.wrong, []);
        let [john, harry] = people.taken.as_slice() else {
            panic!("two people")
        };
        assert_eq!((john.line, &*john.name, john.disabled), (2, "john", false));
        assert_eq!(john.display_name.as_deref(), Some("John Doe"));
        assert_eq!(john.email.as_deref(), Some("john.doe@authelia.com"));
        assert_eq!(john.groups, ["admins", "dev"]);
        assert!(john.hash.expose_secret().starts_with("$argon2id$v=19$m=65536"));
        assert!(harry.disabled && harry.groups.is_empty());
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        for (text, what) in [
            ("", "the file is empty"),
            ("people: {}", "there is no `users:`"),
            ("users: { anna: { email: a@b } }", "anna has no `password`"),
            (
                "users: { anna: { password: x, disabled: maybe } }",
                "anna: `disabled` is neither true nor false",
            ),
            (
                "users: { anna: &a { password: x } }",
                "anchors and aliases are not read: write the value out",
            ),
            ("users: [", "this is not well-formed YAML"),
        ] {
            let people = read(text);
            assert_eq!(people.wrong.first().map(|wrong| &*wrong.what), Some(what), "{text}");
            assert!(people.taken.is_empty());
        }
    }
}
