//! The grammar of the configuration, as one table.
//!
//! The same table checks a file ([`walk`]), makes the JSON Schema ([`schema`]) and writes the
//! reference page ([`reference`]), so that the three cannot disagree. What values mean together is
//! not said here but in `build`.

mod access;
mod duo;
mod factors;
mod form_login;
mod front;
mod gateway;
mod identity;
mod outward;
mod passwords;
mod people;
mod quoting;
pub(super) mod reference;
mod scalar;
pub(super) mod schema;
mod senders;
mod tokens;
mod upstream;
pub(super) mod walk;

pub(super) use gateway::ROOT;
pub(super) use scalar::Scalar;

/// What may stand at a place.
pub(super) enum Shape {
    Scalar(Scalar),
    Map(&'static Map),
    /// A list with at least one item.
    List(&'static Shape),
    /// A list whose items are maps with a `name`; files are merged by it and variables address by it.
    Named(&'static Shape),
    /// One value, or a list with at least one. An empty list that selects would select everything.
    Many(&'static Shape),
    /// One value, or a list that may be empty.
    Any(&'static Shape),
    /// A map with at least one key; they are names of the writer's choice.
    Table(&'static Table),
    /// Told apart by being a single value, a list, or a map.
    Either(&'static [Shape]),
    /// A map in which one key says which others belong.
    Tagged(&'static Tagged),
}

/// A map with known keys.
pub(super) struct Map {
    /// "a rule", for messages.
    pub what: &'static str,
    pub doc: &'static str,
    pub keys: &'static [Key],
    /// Groups of keys of which some must be there.
    pub choices: &'static [Choice],
    /// Keys whose feature does not exist yet.
    pub later: &'static [&'static str],
}

/// Keys of which at least one must be there.
pub(super) struct Choice {
    pub keys: &'static [&'static str],
    /// And no more than one.
    pub exclusive: bool,
}

/// One key of a map.
pub(super) struct Key {
    pub name: &'static str,
    pub shape: Shape,
    pub doc: &'static str,
    pub absent: Absent,
}

/// What the absence of a key means.
pub(super) enum Absent {
    Error,
    /// The doc says it.
    Nothing,
    /// The same as this text.
    Is(&'static str),
    /// The same as an empty map: its keys have defaults of their own.
    Empty,
}

pub(super) struct Table {
    /// What the keys are, for the reference: `<name>`.
    pub key: &'static str,
    pub value: Shape,
}

pub(super) struct Tagged {
    pub what: &'static str,
    /// The key that decides.
    pub tag: &'static str,
    pub tag_doc: &'static str,
    pub variants: &'static [(&'static str, &'static Map)],
    pub later: &'static [&'static str],
}

impl Key {
    pub const fn new(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, shape, doc, absent: Absent::Nothing }
    }

    pub const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, shape, doc, absent: Absent::Error }
    }

    pub const fn default(name: &'static str, scalar: Scalar, text: &'static str, doc: &'static str) -> Self {
        Self { name, shape: Shape::Scalar(scalar), doc, absent: Absent::Is(text) }
    }

    pub const fn section(name: &'static str, map: &'static Map) -> Self {
        Self { name, shape: Shape::Map(map), doc: map.doc, absent: Absent::Empty }
    }
}

impl Map {
    pub const fn new(what: &'static str, doc: &'static str, keys: &'static [Key]) -> Self {
        Self { what, doc, keys, choices: &[], later: &[] }
    }

    pub const fn later(self, later: &'static [&'static str]) -> Self {
        Self { later, ..self }
    }

    pub const fn choices(self, choices: &'static [Choice]) -> Self {
        Self { choices, ..self }
    }

    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Tagged {
    /// The keys that go with a value of the tag.
    pub fn variant(&self, tag: &str) -> Option<&'static Map> {
        self.variants.iter().find(|(name, _)| *name == tag).map(|(_, map)| *map)
    }
}
