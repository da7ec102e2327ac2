//! Apache's htpasswd: `name:hash` in each line, and nothing else about the person.

use secrecy::SecretString;

use super::{People, Person};
use crate::cli::import::rows::Wrong;

/// Reads the lines; empty ones and those after `#` say nothing.
pub(super) fn read(text: &str) -> People {
    let mut people = People::default();
    for (index, line) in text.lines().enumerate() {
        let (number, line) = (index + 1, line.trim_end_matches('\r'));
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, hash)) = line.split_once(':') else {
            people
                .wrong
                .push(Wrong { line: number, what: "this is no `name:hash`".to_owned() });
            continue;
        };
        people.taken.push(Person {
            line: number,
            name: name.to_owned(),
            display_name: None,
            email: None,
            groups: Vec::new(),
            // Some programs write more fields behind it.
            hash: SecretString::from(hash.split(':').next().unwrap_or_default().trim_end()),
            disabled: false,
        });
    }
    people
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn lines_are_names_and_hashes() {
        let people = read("# staff\n\nanna:$apr1$x$y\r\nbob:{SHA}abc=:comment\nnonsense\n");
        let all: Vec<_> = people
            .taken
            .iter()
            .map(|one| (one.line, &*one.name, one.hash.expose_secret()))
            .collect();
        assert_eq!(all, [(3, "anna", "$apr1$x$y"), (4, "bob", "{SHA}abc=")]);
        assert_eq!(people.wrong, [Wrong { line: 5, what: "this is no `name:hash`".to_owned() }]);
    }
}
