//! Search filters of LDAP (RFC 4515), parsed once.
//!
//! What is only known later, `{user}` above all, stays a place of its own and is filled in as bytes of
//! an assertion value, so there is nothing to escape and nothing that could become part of the filter
//! (security.md H01). It must never parse anything but the configuration.

use super::BadValue;

/// How deep a filter may be nested.
const DEEPEST: usize = 16;

/// A filter in which some values are still open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(pub FilterPart);

/// A part of a filter. The numbers are the tags that RFC 4511 4.5.1.7 gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterPart {
    /// `&` or `|`, and what they join.
    Join(u8, Vec<FilterPart>),
    Not(Box<FilterPart>),
    /// `=`, `>=`, `<=`, `~=`.
    Compare(u8, String, FilterValue),
    Present(String),
    /// First, middle and last pieces of a value.
    Substrings(String, Vec<(u8, FilterValue)>),
    /// `attribute:dn:rule:=value`.
    Extensible {
        rule: Option<String>,
        attribute: Option<String>,
        value: FilterValue,
        with_dn: bool,
    },
}

/// A value: bytes, and places for what is known later.
pub type FilterValue = Vec<FilterPiece>;

/// What a value is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterPiece {
    Bytes(Vec<u8>),
    /// The name between the braces.
    Open(String),
}

/// Why a text is no filter.
#[derive(Debug, PartialEq, Eq)]
struct BadFilter(&'static str);

/// Reads a filter that may have these names between braces in its values.
pub(in super::super) fn filter(text: &str, names: &[&str]) -> Result<Filter, BadValue> {
    parse(text, names).map_err(|BadFilter(why)| BadValue::new("this is no LDAP filter", why))
}

fn parse(text: &str, names: &[&str]) -> Result<Filter, BadFilter> {
    let mut parser = Parser { rest: text.trim(), names };
    let part = parser.part(0)?;
    if !parser.rest.is_empty() {
        return Err(BadFilter("something follows the last bracket"));
    }
    Ok(Filter(part))
}

impl Filter {
    /// One that is known to be good, with `{user}` and `{dn}`.
    ///
    /// # Panics
    /// Where it is not.
    #[cfg(test)]
    #[must_use]
    pub fn of(text: &str) -> Self {
        parse(text, &["user", "dn"]).unwrap()
    }

    /// What every entry is.
    #[must_use]
    pub fn anything() -> Self {
        Self(FilterPart::Present("objectClass".to_owned()))
    }

    /// Whether `{name}` occurs in it.
    #[must_use]
    pub fn mentions(&self, name: &str) -> bool {
        self.0.mentions(name)
    }
}

impl FilterPart {
    fn mentions(&self, name: &str) -> bool {
        let open = |value: &FilterValue| {
            value
                .iter()
                .any(|piece| matches!(piece, FilterPiece::Open(open) if open == name))
        };
        match self {
            Self::Join(_, parts) => parts.iter().any(|part| part.mentions(name)),
            Self::Not(part) => part.mentions(name),
            Self::Compare(_, _, value) | Self::Extensible { value, .. } => open(value),
            Self::Present(_) => false,
            Self::Substrings(_, pieces) => pieces.iter().any(|(_, value)| open(value)),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    names: &'a [&'a str],
}

impl<'a> Parser<'a> {
    fn take(&mut self, sign: char) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn until(&mut self, ends: &[char]) -> &'a str {
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (before, after) = self.rest.split_at(end);
        self.rest = after;
        before
    }

    fn part(&mut self, depth: usize) -> Result<FilterPart, BadFilter> {
        if depth > DEEPEST {
            return Err(BadFilter("it is nested too deep"));
        }
        if !self.take('(') {
            return Err(BadFilter("every part of a filter stands in brackets: (uid={user})"));
        }
        let part = if self.take('&') {
            FilterPart::Join(0xa0, self.parts(depth)?)
        } else if self.take('|') {
            FilterPart::Join(0xa1, self.parts(depth)?)
        } else if self.take('!') {
            FilterPart::Not(Box::new(self.part(depth + 1)?))
        } else {
            self.item()?
        };
        if self.take(')') {
            Ok(part)
        } else {
            Err(BadFilter("a bracket is not closed"))
        }
    }

    fn parts(&mut self, depth: usize) -> Result<Vec<FilterPart>, BadFilter> {
        let mut parts = Vec::new();
        while self.rest.starts_with('(') {
            parts.push(self.part(depth + 1)?);
        }
        if parts.is_empty() {
            return Err(BadFilter("& and | join at least one part"));
        }
        Ok(parts)
    }

    fn item(&mut self) -> Result<FilterPart, BadFilter> {
        let left = self.until(&['=', '(', ')']);
        if !self.take('=') {
            return Err(BadFilter("a part has the form attribute=value"));
        }
        if let Some(left) = left.strip_suffix(':') {
            return self.extensible(left);
        }
        let (tag, name) = match left.char_indices().next_back() {
            Some((at, '>')) => (0xa5, left.get(..at)),
            Some((at, '<')) => (0xa6, left.get(..at)),
            Some((at, '~')) => (0xa8, left.get(..at)),
            _ => (0xa3, Some(left)),
        };
        let name = described(name.unwrap_or_default())?;
        let text = self.until(&['(', ')']);
        if tag != 0xa3 || !text.contains('*') {
            return Ok(FilterPart::Compare(tag, name, self.value(text)?));
        }
        if text == "*" {
            return Ok(FilterPart::Present(name));
        }
        self.substrings(name, text)
    }

    fn substrings(&self, name: String, text: &str) -> Result<FilterPart, BadFilter> {
        let parts: Vec<&str> = text.split('*').collect();
        let last = parts.len().saturating_sub(1);
        let mut pieces = Vec::new();
        for (at, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let tag = match at {
                0 => 0x80,
                at if at == last => 0x82,
                _ => 0x81,
            };
            pieces.push((tag, self.value(part)?));
        }
        if pieces.is_empty() {
            return Err(BadFilter("a value of asterisks alone is one asterisk"));
        }
        Ok(FilterPart::Substrings(name, pieces))
    }

    /// `attribute[:dn][:rule]:=value`.
    fn extensible(&mut self, left: &str) -> Result<FilterPart, BadFilter> {
        let mut parts = left.split(':');
        let attribute = parts.next().filter(|name| !name.is_empty()).map(described).transpose()?;
        let (mut with_dn, mut rule) = (false, None);
        for part in parts {
            match part {
                "dn" if rule.is_none() => with_dn = true,
                part if rule.is_none() => rule = Some(described(part)?),
                _ => return Err(BadFilter("a part has one matching rule at most")),
            }
        }
        if attribute.is_none() && rule.is_none() {
            return Err(BadFilter("a matching rule or an attribute is missing before :="));
        }
        let text = self.until(&['(', ')']);
        Ok(FilterPart::Extensible { rule, attribute, value: self.value(text)?, with_dn })
    }

    fn value(&self, text: &str) -> Result<FilterValue, BadFilter> {
        let mut pieces = Vec::new();
        let mut bytes = Vec::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let after = rest.get(next.len_utf8()..).unwrap_or_default();
            rest = match next {
                '\\' => {
                    let hex = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
                    bytes.push(hex.ok_or(BadFilter("after a backslash stand two hexadecimal digits"))?);
                    after.get(2..).unwrap_or_default()
                }
                '{' => {
                    let (name, after) = after.split_once('}').ok_or(BadFilter("a brace is not closed"))?;
                    if !self.names.contains(&name) {
                        return Err(BadFilter("nothing is known by the name between the braces"));
                    }
                    if !bytes.is_empty() {
                        pieces.push(FilterPiece::Bytes(std::mem::take(&mut bytes)));
                    }
                    pieces.push(FilterPiece::Open(name.to_owned()));
                    after
                }
                '*' => {
                    return Err(BadFilter("an asterisk stands in values of = alone; as itself it is \\2a"));
                }
                other => {
                    bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                    after
                }
            };
        }
        if !bytes.is_empty() {
            pieces.push(FilterPiece::Bytes(bytes));
        }
        Ok(pieces)
    }
}

/// The name of an attribute or rule: letters, digits, and what stands between them.
fn described(name: &str) -> Result<String, BadFilter> {
    let fine = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '.' | ';');
    if name.is_empty() || !name.chars().all(fine) {
        return Err(BadFilter("the name of an attribute has letters, digits, - and . only"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_filter_is_said() {
        for bad in [
            "uid={user}",
            "(uid={user}",
            "(uid={user}))",
            "()",
            "(&)",
            "(uid={name})",
            "(uid={user)",
            r"(uid=\2)",
            "(u id=x)",
            "(=x)",
            "(uid>=a*)",
            "(:=x)",
            "(cn=**)",
            "",
        ] {
            assert!(filter(bad, &["user"]).is_err(), "{bad}");
        }
        let deep = format!("{}(a=b){}", "(!".repeat(50), ")".repeat(50));
        assert_eq!(parse(&deep, &[]), Err(BadFilter("it is nested too deep")));
    }

    #[test]
    fn what_is_open_is_known() {
        assert!(Filter::of("(&(a=1)(!(b=x{user}y)))").mentions("user"));
        assert!(Filter::of("(cn=*{user}*)").mentions("user"));
        assert!(!Filter::of("(a=user)").mentions("user"));
    }
}
