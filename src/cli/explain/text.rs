//! The report for people, in columns.
//!
//! Only words: everything that is said here is in the JSON too.

use std::fmt;
use std::fmt::Write as _;

use crate::policy::{Applies, Line};

use super::report::{Kind, MissingLevel, Report, RouteReport, short};

impl Report {
    /// For people; `file` stands before every line number.
    pub(super) fn to_text(&self, file: &str) -> String {
        let mut text = self.heading();
        if let Some(route) = &self.route {
            text.push_str(&route.to_text(file));
        }
        let _ = write!(text, "decision: {}", self.decision.name());
        for (at, missing) in self.missing.iter().enumerate() {
            let word = if at == 0 { "level" } else { "then" };
            let _ = write!(text, ", {word} {missing}");
        }
        if let Some(reason) = &self.reason {
            let _ = write!(text, " ({reason})");
        }
        if let (Some(user), false) = (&self.user, self.has.is_empty()) {
            let _ = write!(text, "\n{user} has: {}", self.has.join(", "));
        }
        if self.grace_would_allow {
            text.push_str("\nin a period of grace: allowed");
        }
        let _ = write!(text, "\nanswer: {}", self.answer);
        text
    }

    fn heading(&self) -> String {
        let user = match &self.user {
            None => "nobody signed in".to_owned(),
            Some(user) if self.groups.is_empty() => format!("user {user}"),
            Some(user) => format!("user {user} ({})", self.groups.join(", ")),
        };
        format!("{} {}   {user}   from {}   {}\n\n", self.method, self.url, self.from, self.at)
    }
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Challenge => "challenge",
            Self::SignIn => "sign-in",
            Self::Deny => "deny",
            Self::Refuse => "refuse",
            Self::Own => "not judged",
        }
    }
}

impl fmt::Display for MissingLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (factors: {}; ", self.level, self.factors.join(" "))?;
        match self.max_age {
            None => f.write_str("once a session)"),
            Some(0) => f.write_str("every time)"),
            Some(seconds) => write!(f, "at most {} old)", short(seconds)),
        }
    }
}

impl RouteReport {
    fn to_text(&self, file: &str) -> String {
        let lines = || self.readings.iter().flat_map(|reading| &reading.lines).chain(&self.raises);
        let width = |of: fn(&Line) -> usize| lines().map(of).max().unwrap_or(0);
        let (name, looks_at) = (width(|line| line.name.len()), width(|line| line.looks_at.chars().count()));
        let mut text = format!("route {:<1$}", self.name, name + looks_at + 6);
        let _ = writeln!(text, "{file}{}", self.line);
        for reading in &self.readings {
            if self.readings.len() > 1 || !reading.also.is_empty() {
                let paths: Vec<&str> =
                    [&reading.path].into_iter().chain(&reading.also).map(String::as_str).collect();
                let _ = writeln!(text, "  read as {}", paths.join(", "));
            }
            for line in &reading.lines {
                push_line(&mut text, line, (name, looks_at), file);
            }
        }
        for line in &self.raises {
            push_line(&mut text, line, (name, looks_at), file);
        }
        text
    }
}

fn push_line(text: &mut String, line: &Line, (name, looks_at): (usize, usize), file: &str) {
    let applies = match line.applies {
        Applies::Yes => "yes",
        Applies::No => "no",
        Applies::Maybe => "may",
    };
    let asks = line.asks.as_ref().map(|asks| format!("-> {asks}"));
    let place = line.line.filter(|_| line.asks.is_some()).map(|line| format!("{file}{line}"));
    let why = Some(line.why.clone()).filter(|why| !why.is_empty());
    let rest = [why, asks, place].into_iter().flatten().collect::<Vec<_>>().join("  ");
    let row = format!("  {:<name$}  {:<looks_at$}  {applies:<3}  {rest}", line.name, line.looks_at);
    text.push_str(row.trim_end());
    text.push('\n');
}
