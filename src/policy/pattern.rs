//! Path patterns: `*` within a segment, `**` as a whole segment for any number of them.
//!
//! Patterns are written decoded (`/a b`, `/ä`; escapes are understood) and are compared with
//! decoded readings. One trailing slash makes no difference, on either side: `/admin/` is `/admin`,
//! and `/admin/**` covers both. No regular expressions: containment of globs can be proved.

use super::text;

/// One path pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    written: Box<str>,
    exact: Box<[Segment]>,
    folded: Box<[Segment]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// `**`
    Many,
    Literal(Box<str>),
    /// With at least one `*` in it.
    Glob(Box<str>),
}

/// Why a path pattern is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("a path pattern begins with `/`")]
    Start,
    #[error("`**` stands only as a whole segment, as in `/admin/**`")]
    ManyInside,
    #[error("an empty segment never matches: write one `/`")]
    EmptySegment,
    #[error("`.` and `..` are taken out of paths before they are matched")]
    DotSegment,
    #[error("a path never contains `{0}`: only the path is matched, without query and fragment")]
    Forbidden(char),
    #[error("`%` is followed by two hexadecimal digits that make UTF-8 and no slash or star")]
    Escape,
}

/// How a path is compared with patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// As it is written.
    Exact,
    /// Both sides folded; the path's own folding beyond ASCII has been done before.
    Folded,
}

/// Several patterns, one of which must match; none at all matches any path.
#[derive(Clone, Debug, Default)]
pub(super) struct PathSet(Box<[Pattern]>);

impl Pattern {
    /// # Errors
    /// When the text is no path pattern.
    pub fn parse(written: &str) -> Result<Self, PatternError> {
        let decoded = decode(written)?;
        let path = decoded.strip_prefix('/').ok_or(PatternError::Start)?;
        if let Some(bad) = path.chars().find(|c| c.is_control() || matches!(c, '\\' | '?' | '#')) {
            return Err(PatternError::Forbidden(bad));
        }
        let segments = |path: &str| segments(path).map(Segment::parse).collect::<Result<_, _>>();
        Ok(Self {
            written: written.into(),
            exact: segments(&decoded)?,
            folded: segments(&text::fold(&decoded))?,
        })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether this pattern matches every path that `other` matches. Conservative: `false` may
    /// also mean that it could not be shown.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        wildcard(&self.exact, other.exact.iter(), Segment::is_many, |wide, narrow| wide.covers(narrow))
    }

    /// Whether a path matches this pattern as it stands.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.holds(path, Case::Exact)
    }

    pub(super) fn holds(&self, path: &str, case: Case) -> bool {
        let pattern = match case {
            Case::Exact => &self.exact,
            Case::Folded => &self.folded,
        };
        wildcard(pattern, segments(path), Segment::is_many, |segment, text| segment.holds(text, case))
    }

    fn minds_case(&self) -> bool {
        self.exact != self.folded
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, PatternError> {
        match text {
            "" => Err(PatternError::EmptySegment),
            "." | ".." => Err(PatternError::DotSegment),
            "**" => Ok(Self::Many),
            _ if text.contains("**") => Err(PatternError::ManyInside),
            _ if text.contains('*') => Ok(Self::Glob(text.into())),
            _ => Ok(Self::Literal(text.into())),
        }
    }

    const fn is_many(&self) -> bool {
        matches!(self, Self::Many)
    }

    fn holds(&self, text: &str, case: Case) -> bool {
        match (self, case) {
            (Self::Many, _) => false,
            (Self::Literal(literal), Case::Exact) => **literal == *text,
            // Beyond ASCII the path comes folded, so this is the rest of the folding.
            (Self::Literal(literal), Case::Folded) => literal.eq_ignore_ascii_case(text),
            (Self::Glob(glob), _) => wildcard(
                glob.as_bytes(),
                text.bytes(),
                |byte| *byte == b'*',
                |byte, text| *byte == text || (case == Case::Folded && *byte == text.to_ascii_lowercase()),
            ),
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match other {
            Self::Many => false,
            // The star of a narrower glob equals no byte of the wider one, only its star takes it in.
            Self::Literal(text) | Self::Glob(text) => self.holds(text, Case::Exact),
        }
    }
}

impl PathSet {
    pub(super) fn parse(patterns: &[String]) -> Result<Self, PatternError> {
        patterns
            .iter()
            .map(|pattern| Pattern::parse(pattern))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether it is spelled out which paths are meant.
    pub(super) const fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn holds(&self, path: &str, case: Case) -> bool {
        self.is_any() || self.names(path, case)
    }

    /// Whether a pattern matches: an empty set names nothing.
    pub(super) fn names(&self, path: &str, case: Case) -> bool {
        self.0.iter().any(|pattern| pattern.holds(path, case))
    }

    /// Whether folding changes any pattern, so that even a lower-case path is to be judged twice.
    pub(super) fn minds_case(&self) -> bool {
        self.0.iter().any(Pattern::minds_case)
    }

    pub(super) fn written(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Pattern::as_str)
    }
}

/// The segments of a path that begins with a slash; a trailing slash adds none.
fn segments(path: &str) -> impl Iterator<Item = &str> + Clone {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    Some(path)
        .filter(|path| !path.is_empty())
        .into_iter()
        .flat_map(|path| path.split('/'))
}

/// Wildcard matching without recursion: when it fails, the last star takes one item more.
fn wildcard<'p, P, I>(
    pattern: &'p [P],
    text: I,
    is_star: impl Fn(&P) -> bool,
    fits: impl Fn(&P, I::Item) -> bool,
) -> bool
where
    I: Iterator + Clone,
{
    let (mut pattern, mut text) = (pattern, text);
    let mut last_star: Option<(&'p [P], I)> = None;
    loop {
        match pattern.split_first() {
            Some((first, after)) if is_star(first) => {
                if after.is_empty() {
                    return true;
                }
                last_star = Some((after, text.clone()));
                pattern = after;
                continue;
            }
            Some((first, after)) => {
                let mut ahead = text.clone();
                if ahead.next().is_some_and(|item| fits(first, item)) {
                    (pattern, text) = (after, ahead);
                    continue;
                }
            }
            None if text.next().is_none() => return true,
            None => {}
        }
        let Some((after, mut from)) = last_star.take() else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        (pattern, text) = (after, from.clone());
        last_star = Some((after, from));
    }
}

fn decode(written: &str) -> Result<String, PatternError> {
    let decoded = text::percent_decode(written.as_bytes()).ok_or(PatternError::Escape)?;
    let structural = |text: &[u8]| text.iter().filter(|byte| matches!(byte, b'/' | b'*')).count();
    if structural(&decoded) != structural(written.as_bytes()) {
        return Err(PatternError::Escape);
    }
    String::from_utf8(decoded).map_err(|_| PatternError::Escape)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(written: &str) -> Pattern {
        Pattern::parse(written).unwrap()
    }

    #[test]
    fn a_double_star_stands_for_any_number_of_segments() {
        let admin = pattern("/admin/**");
        for path in ["/admin", "/admin/", "/admin/a", "/admin/a/b/"] {
            assert!(admin.matches(path), "{path}");
        }
        for path in ["/", "/administrator", "/a/admin", "/admin.php"] {
            assert!(!admin.matches(path), "{path}");
        }
        assert!(pattern("/**/edit").matches("/edit") && pattern("/**/edit").matches("/a/edit/b/edit"));
        assert!(!pattern("/**/edit").matches("/edit/b"));
        assert!(pattern("/**").matches("/") && pattern("/").matches("/"));
    }

    #[test]
    fn a_star_stays_within_its_segment() {
        let approve = pattern("/payments/*/approve");
        assert!(approve.matches("/payments/881/approve"));
        assert!(!approve.matches("/payments/1/2/approve") && !approve.matches("/payments/approve"));
        let style = pattern("/static/*.css");
        assert!(style.matches("/static/a.min.css") && !style.matches("/static/a/b.css"));
        assert!(pattern("/a*b*c").matches("/aXbYbZc") && !pattern("/a*b*c").matches("/aXc"));
    }

    #[test]
    fn one_trailing_slash_makes_no_difference() {
        assert!(pattern("/healthz").matches("/healthz/") && pattern("/healthz/").matches("/healthz"));
        assert!(pattern("/a/*").matches("/a/b/") && !pattern("/a/*").matches("/a/"));
    }

    #[test]
    fn folding_is_for_both_sides() {
        let admin = pattern("/Admin/Ärzte*");
        assert!(admin.holds("/ADMIN/\u{e4}rzte1", Case::Folded) && !admin.matches("/admin/ärzte1"));
        assert!(admin.minds_case() && !pattern("/admin").minds_case());
    }

    #[test]
    fn escapes_are_what_they_stand_for() {
        assert!(pattern("/a%20b").matches("/a b") && pattern("/%C3%A4").matches("/ä"));
        assert!(pattern("/100%25").matches("/100%"));
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for (written, error) in [
            ("admin", PatternError::Start),
            ("", PatternError::Start),
            ("/a**", PatternError::ManyInside),
            ("/a//b", PatternError::EmptySegment),
            ("/a/../b", PatternError::DotSegment),
            ("/a?b", PatternError::Forbidden('?')),
            ("/a%0ab", PatternError::Forbidden('\n')),
            ("/a%2fb", PatternError::Escape),
            ("/100%", PatternError::Escape),
            ("/%ff", PatternError::Escape),
        ] {
            assert_eq!(Pattern::parse(written), Err(error), "{written}");
        }
    }

    #[test]
    fn containment() {
        for (wide, narrow) in [
            ("/admin/**", "/admin/payments/**"),
            ("/admin/**", "/admin"),
            ("/**", "/"),
            ("/a/*", "/a/b"),
            ("/a/*.css", "/a/x*.css"),
            ("/**/edit", "/a/**/edit"),
            ("/a/**/b", "/a/*/c/b"),
        ] {
            assert!(pattern(wide).covers(&pattern(narrow)), "{wide} {narrow}");
        }
        for (narrow, wide) in [
            ("/admin/payments/**", "/admin/**"),
            ("/a/b", "/a/*"),
            ("/a/*", "/a/**"),
            ("/a/*b", "/a/*"),
            ("/admin/**", "/administrator/**"),
        ] {
            assert!(!pattern(narrow).covers(&pattern(wide)), "{narrow} {wide}");
        }
    }

    fn any_pattern() -> impl Strategy<Value = Pattern> {
        let segment = prop_oneof![
            Just("a"),
            Just("b"),
            Just("ab"),
            Just("*"),
            Just("**"),
            Just("a*"),
            Just("*b")
        ];
        prop::collection::vec(segment, 0..5).prop_map(|segments| pattern(&format!("/{}", segments.join("/"))))
    }

    proptest! {
        #[test]
        fn what_covers_a_pattern_matches_all_it_matches(
            wide in any_pattern(),
            narrow in any_pattern(),
            path in "(/[ab]{1,3}){0,5}/?",
        ) {
            if wide.covers(&narrow) && narrow.matches(&path) {
                prop_assert!(wide.matches(&path));
            }
        }

        #[test]
        fn covering_is_reflexive_and_patterns_never_panic(pattern in any_pattern(), text in ".*", path in ".*") {
            prop_assert!(pattern.covers(&pattern));
            if let Ok(pattern) = Pattern::parse(&text) {
                prop_assert_eq!(pattern.matches(&path), pattern.clone().matches(&path));
            }
        }
    }
}
