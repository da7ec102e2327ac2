//! What the query says, for apps that route by `?do=admin`.
//!
//! The client writes the query, so it may only tighten: a parameter that some back end could read
//! makes the condition unknown, never true. It therefore adds what it asks and ends no search.
//! Matching errs on the side of finding: every duplicate, separator and encoding counts. The same
//! name in a body is not seen.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::policy::request::{CanonicalRequest, Readings};
use crate::policy::text;

use super::{Truth, View};

/// How often a value may be encoded over itself and still be found.
const DEPTH: usize = 6;

/// Unknown if every named parameter may be there with one of its values, else false.
#[derive(Debug)]
pub(in crate::policy) struct Query(Vec<Parameter>);

#[derive(Debug)]
struct Parameter {
    written: String,
    name: String,
    /// Empty: present at all.
    accepted: Vec<String>,
}

impl Query {
    pub(in crate::policy) fn compile(wanted: &BTreeMap<String, Vec<String>>) -> Self {
        let compile = |(name, accepted): (&String, &Vec<String>)| Parameter {
            written: if accepted.is_empty() {
                name.clone()
            } else {
                format!("{name}={}", accepted.join("|"))
            },
            name: plain_name(name),
            accepted: accepted.iter().map(|value| plain(value)).collect(),
        };
        Self(wanted.iter().map(compile).collect())
    }

    pub(super) fn holds(&self, view: &View<'_>) -> Truth {
        let Some(request) = view.request else {
            return Truth::Unknown;
        };
        if self.0.iter().all(|parameter| parameter.is_in(request)) {
            Truth::Unknown
        } else {
            Truth::False
        }
    }

    pub(super) fn why(&self, view: &View<'_>) -> String {
        let found = |parameter: &Parameter| {
            let found = view.request.is_none_or(|request| parameter.is_in(request));
            format!("query {} {}", if found { "says" } else { "does not say" }, parameter.written)
        };
        self.0.iter().map(found).collect::<Vec<_>>().join(", ")
    }

    /// As it is written: `query do=admin`.
    pub(super) fn label(&self) -> String {
        let written: Vec<&str> = self.0.iter().map(|parameter| parameter.written.as_str()).collect();
        format!("query {}", written.join(", "))
    }
}

impl Parameter {
    fn is_in(&self, request: &CanonicalRequest) -> bool {
        request.query().is_some_and(|query| self.is_in_query(query))
            || match &request.readings {
                Readings::Plain => false,
                // An encoded question mark begins a query for those who decode first.
                Readings::Several(readings) => readings
                    .iter()
                    .filter_map(|reading| reading.path().split_once('?'))
                    .any(|(_, query)| self.is_in_query(query)),
            }
    }

    /// At every depth to which the query as a whole may be decoded before it is taken apart.
    fn is_in_query(&self, query: &str) -> bool {
        decodings(query).any(|query| {
            query.split('&').any(|pair| self.is_pair(pair))
                || (query.contains(';') && query.split(['&', ';']).any(|pair| self.is_pair(pair)))
        })
    }

    fn is_pair(&self, pair: &str) -> bool {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        decodings(name).any(|name| plain_name(&name) == self.name)
            && (self.accepted.is_empty()
                || decodings(value).any(|value| self.accepted.contains(&plain(&value))))
    }
}

/// A parameter's name without what back ends take for indices, with the bytes folded that PHP folds.
fn plain_name(name: &str) -> String {
    let name = name.split_once('[').map_or(name, |(name, _)| name);
    plain(name).replace(['.', ' '], "_")
}

/// Without case, compatible characters, surrounding blanks, and what a NUL would cut off.
fn plain(value: &str) -> String {
    let value = value.split_once('\0').map_or(value, |(value, _)| value);
    let spaced = value.replace('+', " ");
    text::fold(&spaced)
        .trim_matches(|c: char| c.is_whitespace() || c.is_control())
        .to_owned()
}

/// The text, and the text decoded once, twice and so on, as long as that changes it.
fn decodings(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let once_more = |text: &Cow<'_, str>| {
        let decoded = text.contains('%').then(|| lenient(text))?;
        (decoded != **text).then_some(Cow::Owned(decoded))
    };
    std::iter::successors(Some(Cow::Borrowed(text)), once_more).take(DEPTH + 1)
}

/// Decodes whatever some decoder would: `%XX`, `%uXXXX`, overlong UTF-8. What makes no character
/// is dropped, what is no escape stays.
fn lenient(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, rest) {
            (b'%', [b'u' | b'U', digits @ ..]) if let Some((c, after)) = four_digits(digits) => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
            }
            (b'%', [high, low, after @ ..])
                if let (Some(high), Some(low)) = (text::hex(*high), text::hex(*low)) =>
            {
                bytes.push(high << 4 | low);
                rest = after;
            }
            _ => bytes.push(*byte),
        }
    }
    characters(&bytes)
}

fn four_digits(digits: &[u8]) -> Option<(char, &[u8])> {
    let (digits, after) = digits.split_at_checked(4)?;
    let value = digits
        .iter()
        .try_fold(0, |value, digit| Some(value << 4 | u32::from(text::hex(*digit)?)))?;
    Some((char::from_u32(value)?, after))
}

/// UTF-8 with overlong forms read and broken ones dropped.
fn characters(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let (more, start) = match first {
            0x00..=0x7f => (0, u32::from(*first)),
            0xc0..=0xdf => (1, u32::from(first & 0x1f)),
            0xe0..=0xef => (2, u32::from(first & 0x0f)),
            0xf0..=0xf7 => (3, u32::from(first & 0x07)),
            _ => (usize::MAX, 0),
        };
        let tail = after
            .split_at_checked(more)
            .filter(|(tail, _)| tail.iter().all(|byte| byte & 0xc0 == 0x80));
        rest = after;
        if let Some((tail, after)) = tail {
            let value = tail.iter().fold(start, |value, byte| value << 6 | u32::from(byte & 0x3f));
            text.extend(char::from_u32(value));
            rest = after;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, accepted: &[&str], query: &str) -> bool {
        let accepted = accepted.iter().map(ToString::to_string).collect();
        let wanted = BTreeMap::from([(name.to_owned(), accepted)]);
        Query::compile(&wanted).0.iter().all(|parameter| parameter.is_in_query(query))
    }

    #[test]
    fn every_reading_of_duplicates_and_encodings_counts() {
        for query in [
            "do=admin",
            "id=start&do=admin",
            "do=admin&do=show",
            "do=show&do=admin",
            "d%6f=admin",
            "do=adm%69n",
            "%64%6F=%61%64%6D%69%6E",
            "do=adm%2569n",
            "do%3dadmin",
            "id=x%26do=admin",
            "id=x;do=admin",
            "id=x%3bdo=admin",
            "do[]=admin",
            "do%5B%5D=admin",
            "do[0]=admin",
            "DO=Admin",
            "do=admin+",
            "+do=admin",
            "do=%20admin",
            "do=admin%00.html",
            "do=%u0061dmin",
            "do=%c1%a1dmin",
            "do=adm%ffin",
            "do=\u{ff41}dmin",
            "do=ad\u{200b}min",
        ] {
            assert!(found("do", &["admin"], query), "{query}");
        }
    }

    #[test]
    fn other_parameters_and_values_are_not_meant() {
        for query in [
            "",
            "do",
            "do=",
            "do=show",
            "undo=admin",
            "do=administrator",
            "x=do=admin",
            "admin=do",
            "do=100%",
        ] {
            assert!(!found("do", &["admin"], query), "{query}");
        }
    }

    #[test]
    fn no_values_ask_only_for_presence() {
        for query in ["do", "do=", "do=anything", "x=1&do", "do[]"] {
            assert!(found("do", &[], query), "{query}");
        }
        assert!(!found("do", &[], "redo=1"));
    }

    #[test]
    fn a_missing_value_is_the_empty_one() {
        assert!(found("do", &[""], "do") && found("do", &[""], "do="));
        assert!(!found("do", &[""], "do=x"));
    }

    #[test]
    fn names_that_php_rewrites_are_found() {
        assert!(found("my_do", &["x"], "my.do=x") && found("my.do", &["x"], "my_do=x"));
        assert!(found("my_do", &["x"], "my+do=x"));
    }

    #[test]
    fn separators_inside_a_value_do_not_hide_it() {
        assert!(found("do", &["a&b"], "do=a%26b") && found("do", &["a;b"], "do=a;b"));
    }
}
