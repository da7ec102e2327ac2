//! Path patterns: `*` within a segment, `**` as a whole segment for any number of them.
//!
//! Patterns are written decoded (`/a b`, `/ä`) and compared with decoded readings. One trailing
//! slash makes no difference, on either side: `/admin/` is `/admin`, and `/admin/**` covers both.
//! Nothing here recurses or looks ahead without bound: paths come from strangers.

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
    #[error("no decoded path without query and fragment contains `{0}`")]
    Forbidden(char),
}

/// How a path is compared with patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
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
        let path = written.strip_prefix('/').ok_or(PatternError::Start)?;
        if let Some(bad) = path.chars().find(|c| c.is_control() || matches!(c, '\\' | '%' | '?' | '#')) {
            return Err(PatternError::Forbidden(bad));
        }
        let segments = |path: &str| segments(path).map(Segment::parse).collect::<Result<_, _>>();
        Ok(Self {
            written: written.into(),
            exact: segments(written)?,
            folded: segments(&text::fold(written))?,
        })
    }

    /// Whether a path matches.
    pub fn holds(&self, path: &str, case: Case) -> bool {
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
        self.0.iter().map(|pattern| &*pattern.written)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(written: &str) -> Pattern {
        Pattern::parse(written).unwrap()
    }

    fn matches(written: &str, path: &str) -> bool {
        pattern(written).holds(path, Case::Exact)
    }

    #[test]
    fn a_double_star_stands_for_any_number_of_segments() {
        for path in ["/admin", "/admin/", "/admin/a", "/admin/a/b/"] {
            assert!(matches("/admin/**", path), "{path}");
        }
        for path in ["/", "/administrator", "/a/admin", "/admin.php"] {
            assert!(!matches("/admin/**", path), "{path}");
        }
        assert!(matches("/**/edit", "/edit") && matches("/**/edit", "/a/edit/b/edit"));
        assert!(!matches("/**/edit", "/edit/b"));
        assert!(matches("/**", "/") && matches("/", "/"));
    }

    #[test]
    fn a_star_stays_within_its_segment() {
        assert!(matches("/payments/*/approve", "/payments/881/approve"));
        assert!(!matches("/payments/*/approve", "/payments/1/2/approve"));
        assert!(!matches("/payments/*/approve", "/payments/approve"));
        assert!(
            matches("/static/*.css", "/static/a.min.css") && !matches("/static/*.css", "/static/a/b.css")
        );
        assert!(matches("/a*b*c", "/aXbYbZc") && !matches("/a*b*c", "/aXc"));
    }

    #[test]
    fn one_trailing_slash_makes_no_difference() {
        assert!(matches("/healthz", "/healthz/") && matches("/healthz/", "/healthz"));
        assert!(matches("/a/*", "/a/b/") && !matches("/a/*", "/a/"));
    }

    #[test]
    fn folding_is_for_both_sides() {
        let admin = pattern("/Admin/Ärzte*");
        assert!(admin.holds("/ADMIN/ärzte1", Case::Folded) && !admin.holds("/admin/ärzte1", Case::Exact));
        assert!(admin.minds_case() && !pattern("/admin").minds_case());
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
            ("/a%20b", PatternError::Forbidden('%')),
            ("/a\nb", PatternError::Forbidden('\n')),
        ] {
            assert_eq!(Pattern::parse(written), Err(error), "{written}");
        }
    }

    /// The plain recursive definition.
    fn by_definition(pattern: &[&str], path: &[&str]) -> bool {
        fn within(glob: &str, text: &str) -> bool {
            match glob.split_once('*') {
                None => glob == text,
                Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
                    (0..=rest.len()).filter_map(|at| rest.get(at..)).any(|rest| within(after, rest))
                }),
            }
        }
        match (pattern, path) {
            ([], _) => path.is_empty(),
            (["**", after @ ..], _) => (0..=path.len()).any(|at| by_definition(after, &path[at..])),
            ([glob, after @ ..], [text, rest @ ..]) => within(glob, text) && by_definition(after, rest),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_what_the_definition_says(
            pattern in prop::collection::vec("a|b|ab|[*]|[*][*]|a[*]|[*]b|a[*]b[*]a", 0..6),
            path in prop::collection::vec("[ab]{1,5}", 0..6),
        ) {
            let (pattern, path): (Vec<&str>, Vec<&str>) =
                (pattern.iter().map(|s| &**s).collect(), path.iter().map(|s| &**s).collect());
            let matched = matches(&format!("/{}", pattern.join("/")), &format!("/{}", path.join("/")));
            prop_assert_eq!(matched, by_definition(&pattern, &path));
        }

        #[test]
        fn no_text_panics(written in "/?.*", path in ".*") {
            if let Ok(pattern) = Pattern::parse(&written) {
                // What matches as it stands matches folded.
                let folded = pattern.holds(&text::fold(&path), Case::Folded);
                prop_assert!(!pattern.holds(&path, Case::Exact) || folded || !path.starts_with('/'));
            }
        }
    }
}
