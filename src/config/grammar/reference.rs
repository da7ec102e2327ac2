//! The grammar as the reference page, `docs/reference/configuration.md`.
//!
//! Generated, so that it is complete and cannot be out of date; a test compares the file.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::codes::Code;
use super::{Absent, Key, Map, ROOT, Shape, Tagged, walk};

const HEAD: &str = "\
# Configuration reference

<!-- Generated from the grammar in src/config/grammar; change it there.
     UPDATE_GOLDEN=1 cargo test --lib config::tests::reference writes this page anew. -->

A configuration is YAML, in one file or several (`-c A -c B`, or a directory of `*.yaml` files):
lists of named things and the maps of conditions are joined, other sections are merged key by key,
and the same name or setting twice is an error. `stepgate check` shows every problem of all files in
one run, with its place. `stepgate schema` prints the same grammar as JSON Schema for editors.

Everything here is strict. Unknown and duplicate keys are errors, as are anchors, aliases, tags and
merge keys. Text that YAML could take for something else (`no`, `on`, `07:00`, `123`) needs quotes.

## Values

| value | how it is written |
|---|---|
| a duration | `30s`, `15m`, `12h`, `30d`: a whole number and one unit |
| a size | `512B`, `64KiB`, `10MiB`, `2GiB` |
| a rate | `5 per 15m` |
| a network | `10.0.0.0/8`, `2001:db8::/32`, or one address |
| a host | `app.example.com`, `*.example.com`, or `\"*\"`; no port |
| a path pattern | `/admin/**`, `/files/*.css`: `*` stays within one segment, `**` is any number of segments, none included; a trailing slash makes no difference |
| an address to listen on | `:8080` (every IPv4 address), `127.0.0.1:8080`, `[::]:8080`, `localhost:8080` |
| a combination of conditions | a condition's name, a list of combinations that must all hold, `{ any: […] }` or `{ not: … }` |
| a file | a path; a relative one is taken from the directory of the file it is written in |

**Values that live elsewhere.** For any text, `{ file: PATH }` is the text of a file (without one
trailing newline) and `{ env: NAME }` the value of a variable. Secrets belong there: a secret in the
configuration itself is a warning, and a secret file that group or others can read is an error.

**Variables that override.** `STEPGATE__SERVER__LISTEN=:9000` replaces one value, or adds it. Parts
are joined by two underscores; items of named lists go by their name
(`STEPGATE__ROUTES__PAYROLL__UPSTREAM`), in capitals and with every other character as one
underscore. A value that begins with `[` or `{` is read as YAML. A `STEPGATE__…` variable that names
no setting is an error.

";

/// The whole page.
#[cfg_attr(not(test), expect(dead_code, reason = "the page is written by a test"))]
pub(in super::super) fn page() -> String {
    let mut page = Page { text: HEAD.to_owned(), seen: BTreeSet::new() };
    page.text.push_str("## Keys\n\n");
    page.map("", &ROOT);
    page.codes();
    page.text
}

struct Page {
    text: String,
    /// Combinations of conditions contain themselves; each map is written once per place.
    seen: BTreeSet<String>,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn map(&mut self, path: &str, map: &'static Map) {
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        if path.is_empty() {
            self.line("### The whole file\n");
        } else {
            let _ = writeln!(self.text, "### `{path}`\n\n{}\n", map.doc);
        }
        self.table(map);
        for key in map.keys {
            let below = if path.is_empty() {
                key.name.to_owned()
            } else {
                format!("{path}.{}", key.name)
            };
            self.below(&below, &key.shape);
        }
    }

    fn table(&mut self, map: &'static Map) {
        self.line("| key | value | without it | |\n|---|---|---|---|");
        for key in map.keys {
            let row = format!("| `{}` | {} | {} | {} |", key.name, kind(&key.shape), absent(key), key.doc);
            self.line(&row);
        }
        self.line("");
        for choice in map.choices {
            let names = super::scalar::either(choice.keys);
            let how = if choice.exclusive {
                "Exactly one"
            } else {
                "At least one"
            };
            let _ = writeln!(self.text, "{how} of {names}.\n");
        }
        if !map.later.is_empty() {
            let names: Vec<_> = map.later.iter().map(|name| format!("`{name}`")).collect();
            let _ = writeln!(self.text, "Not available yet, and refused: {}.\n", names.join(", "));
        }
    }

    /// What goes on below a key.
    fn below(&mut self, path: &str, shape: &'static Shape) {
        match shape {
            // A combination of conditions is described where it is used.
            Shape::Scalar(_) | Shape::Either([Shape::Scalar(super::Scalar::Condition), ..]) => {}
            Shape::Map(map) => self.map(path, map),
            Shape::Tagged(tagged) => self.tagged(path, tagged),
            Shape::List(item) | Shape::Named(item) | Shape::Many(item) | Shape::Any(item) => {
                self.below(&format!("{path}[]"), item);
            }
            Shape::Table(table) => self.below(&format!("{path}.<{}>", table.key), &table.value),
            Shape::Either(shapes) => shapes.iter().for_each(|shape| self.below(path, shape)),
        }
    }

    fn tagged(&mut self, path: &str, tagged: &'static Tagged) {
        for (name, map) in tagged.variants {
            let _ = writeln!(self.text, "### `{path}` with `{}: {name}`\n\n{}\n", tagged.tag, map.doc);
            self.table(map);
        }
        let names: Vec<_> = tagged.later.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(self.text, "Types not available yet, and refused: {}.\n", names.join(", "));
    }

    fn codes(&mut self) {
        self.line(
            "## Codes\n\nWhat `stepgate check` says, by its code. A code keeps its meaning for ever.\n",
        );
        self.line("| code | what |\n|---|---|");
        for (_, id, text) in Code::ALL {
            let _ = writeln!(self.text, "| {id} | {text} |");
        }
    }
}

fn kind(shape: &Shape) -> String {
    match shape {
        Shape::Map(_) | Shape::Tagged(_) => "section, see below".to_owned(),
        Shape::List(item) | Shape::Named(item) => match item {
            Shape::Map(_) | Shape::Tagged(_) => "list, see below".to_owned(),
            _ => format!("list of: {}", walk::describe(item)),
        },
        Shape::Table(table) => match &table.value {
            Shape::Map(_) => "map, see below".to_owned(),
            value => format!("map of {} to {}", table.key, kind(value)),
        },
        Shape::Either([super::Shape::Scalar(super::Scalar::Condition), ..]) => {
            "a combination of conditions".to_owned()
        }
        Shape::Either(shapes) => shapes.iter().map(kind).collect::<Vec<_>>().join(", or "),
        other => walk::describe(other),
    }
}

fn absent(key: &Key) -> String {
    match key.absent {
        Absent::Error => "error".to_owned(),
        Absent::Is(text) => format!("`{text}`"),
        Absent::Empty => "its defaults".to_owned(),
        Absent::Nothing => String::new(),
    }
}
