//! One field of a form, where no app could read another value for it.
//!
//! Frameworks take the first or the last of two fields of one name, ignore case, drop blanks, make lists
//! of `a[]` and objects of `a[b]`, split at `;`, or look into the query as well. If two of them could
//! disagree about the name in a login, it is not known.

use percent_encoding::percent_decode;

use super::Said;

/// More fields than that make no login form.
const MOST_FIELDS: usize = 256;

/// The field that names the person.
pub(super) struct Field {
    name: Box<str>,
    /// The same as parts of a path, for `user[name]`.
    path: Vec<Vec<u8>>,
}

impl Field {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), path: path(name.as_bytes()) }
    }

    /// Whether it is this field, by exactly its name.
    pub(super) fn is(&self, name: &[u8]) -> bool {
        *name == *self.name.as_bytes()
    }

    /// Whether some app may take a field of this name for it, or for what it lies in.
    pub(super) fn resembles(&self, name: &[u8]) -> bool {
        let other = path(name);
        let shared = self.path.len().min(other.len());
        shared > 0 && self.path.get(..shared) == other.get(..shared)
    }

    /// Its one value in a form as browsers send it, unless the query has something like it.
    pub(super) fn in_urlencoded(&self, body: &[u8], query: Option<&str>) -> Said {
        // No browser sends a bare `;`, and some servers split at it.
        if body.contains(&b';') || self.is_in_query(query) {
            return Said::Unclear;
        }
        let mut only = Only::default();
        for pair in body.split(|byte| *byte == b'&') {
            let (name, value) = halves(pair);
            let name = decoded(name);
            if self.resembles(&name) {
                only.take(self.is(&name), value);
            }
            only.fields += 1;
        }
        only.said(decoded)
    }

    /// Whether the query of the address could name somebody too.
    pub(super) fn is_in_query(&self, query: Option<&str>) -> bool {
        let query = query.unwrap_or_default().as_bytes();
        query
            .split(|byte| matches!(byte, b'&' | b';'))
            .any(|pair| self.resembles(&decoded(halves(pair).0)))
    }
}

/// The one value of the field, so far.
#[derive(Default)]
pub(super) struct Only<'a> {
    value: Option<&'a [u8]>,
    clashes: bool,
    pub(super) fields: usize,
}

impl<'a> Only<'a> {
    /// A field that resembles it; `exact` says whether it is the field itself.
    pub(super) fn take(&mut self, exact: bool, value: &'a [u8]) {
        self.clashes |= !exact || self.value.replace(value).is_some();
    }

    /// The value, if nothing else could be meant.
    pub(super) fn said(self, decoded: impl Fn(&[u8]) -> Vec<u8>) -> Said {
        match self.value {
            _ if self.clashes || self.fields > MOST_FIELDS => Said::Unclear,
            None => Said::Nothing,
            Some(value) => String::from_utf8(decoded(value)).map_or(Said::Unclear, Said::Name),
        }
    }
}

fn halves(pair: &[u8]) -> (&[u8], &[u8]) {
    let at = memchr::memchr(b'=', pair).unwrap_or(pair.len());
    (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default())
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).collect()
}

/// A field's name as apps may read it: parts between brackets, letters and digits alone,
/// without case, and nothing after a NUL.
fn path(name: &[u8]) -> Vec<Vec<u8>> {
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let plain = |part: &[u8]| -> Vec<u8> {
        let kept = part.iter().filter(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
        kept.map(u8::to_ascii_lowercase).collect()
    };
    let parts = name.split(|byte| matches!(byte, b'[' | b']'));
    parts.map(plain).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(body: &str) -> Said {
        Field::new("user_name").in_urlencoded(body.as_bytes(), Some("next=%2Fhome"))
    }

    fn name(name: &str) -> Said {
        Said::Name(name.to_owned())
    }

    #[test]
    fn the_one_field_of_that_name() {
        assert_eq!(user("user_name=J%C3%B6rg+M&password=x%26y"), name("Jörg M"));
        assert_eq!(user("password=x&user_name="), name(""));
        assert_eq!(user("password=user_name"), Said::Nothing);
        assert_eq!(user("user_name=j%F6rg"), Said::Unclear);
        let rails = Field::new("session[login]");
        let body = b"session%5Blogin%5D=anna&session%5Bpassword%5D=x&session%5Blogin_hint%5D=y";
        assert_eq!(rails.in_urlencoded(body, None), name("anna"));
    }

    #[test]
    fn where_two_apps_could_read_two_names_there_is_none() {
        for other in [
            "user_name=bob",
            "User_Name=bob",
            "user.name=bob",
            "+user_name=bob",
            "user+name=bob",
            "user_name%00=bob",
            "user_name[]=bob",
            "user_name[x]=bob",
            "user_name",
            "x=1;user_name=bob",
        ] {
            assert_eq!(user(&format!("user_name=anna&{other}")), Said::Unclear, "{other}");
            assert_eq!(user(&format!("{other}&user_name=anna")), Said::Unclear, "{other}");
        }
        let unclear =
            |field: &str, body: &str, query| Field::new(field).in_urlencoded(body.as_bytes(), query);
        assert_eq!(unclear("u", "u=anna", Some("id=start&u=bob")), Said::Unclear);
        assert_eq!(unclear("u", "u=anna", Some("a;u=bob")), Said::Unclear);
        assert_eq!(unclear("session[login]", "session[login]=a&session=b", None), Said::Unclear);
    }

    #[test]
    fn nothing_makes_it_panic() {
        for body in ["", "&", "=", "&&&=&", "%", "user_name=%"] {
            assert_ne!(user(body), Said::Unclear, "{body}");
        }
        assert_eq!(user(&("a=1&".repeat(MOST_FIELDS + 1) + "user_name=anna")), Said::Unclear);
    }
}
