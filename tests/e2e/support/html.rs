//! Just enough of a reader of pages: forms, their fields, meta refresh, and visible text.

/// One `<form>` of a page.
#[derive(Clone, Debug, Default)]
pub struct Form {
    pub action: String,
    pub method: String,
    /// What would be sent: inputs, text areas and selected options, in order.
    pub fields: Vec<Field>,
}

/// One field of a form.
#[derive(Clone, Debug, Default)]
pub struct Field {
    pub name: String,
    pub value: String,
    /// `type`, lower case: `text`, `hidden`, `password`, `submit`, `checkbox`, `file`, …
    pub kind: String,
    checked: bool,
}

impl Form {
    /// Every form of a page, in order.
    pub fn all(page: &str) -> Vec<Self> {
        let mut forms = Vec::new();
        let mut rest = page;
        while let Some(start) = rest.find("<form") {
            rest = &rest[start..];
            let end = rest.find("</form>").unwrap_or(rest.len());
            forms.push(Self::read(&rest[..end]));
            rest = &rest[end..];
        }
        forms
    }

    /// The first form that has a field which `wanted` accepts.
    pub fn with(page: &str, wanted: impl Fn(&Field) -> bool) -> Option<Self> {
        Self::all(page).into_iter().find(|form| form.fields.iter().any(&wanted))
    }

    /// The form that asks for a user name and a password.
    pub fn sign_in(page: &str) -> Option<Self> {
        Self::with(page, |f| f.kind == "password")
    }

    /// The form that asks for a code.
    pub fn code(page: &str) -> Option<Self> {
        Self::with(page, |f| f.name == "code")
    }

    /// Sets a field, adding it when it is not there.
    #[must_use]
    pub fn fill(mut self, name: &str, value: &str) -> Self {
        match self.fields.iter_mut().find(|f| f.name == name) {
            Some(field) => {
                value.clone_into(&mut field.value);
                field.checked = true;
            }
            None => self
                .fields
                .push(Field { name: name.into(), value: value.into(), ..Field::default() }),
        }
        self
    }

    /// The value of a field.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|f| f.name == name).map(|f| f.value.as_str())
    }

    /// The fields as a browser would send them; of buttons only the one called `button`.
    pub fn pairs(&self, button: Option<&str>) -> Vec<(&str, &str)> {
        self.fields
            .iter()
            .filter(|f| !f.name.is_empty())
            .filter(|f| match f.kind.as_str() {
                "submit" | "button" | "image" => button == Some(f.name.as_str()),
                "checkbox" | "radio" => f.checked,
                "file" | "reset" => false,
                _ => true,
            })
            .map(|f| (f.name.as_str(), f.value.as_str()))
            .collect()
    }

    fn read(html: &str) -> Self {
        let mut form = Self::default();
        for (tag, inner) in tags(html) {
            let get = |name: &str| attribute(tag, name);
            match name_of(tag) {
                "form" => {
                    form.action = get("action").unwrap_or_default();
                    form.method = get("method").unwrap_or_else(|| "get".into()).to_lowercase();
                }
                element @ ("input" | "button" | "textarea") => form.fields.push(Field {
                    name: get("name").unwrap_or_default(),
                    value: match element {
                        "textarea" => unescape(inner.strip_prefix('\n').unwrap_or(inner)),
                        _ => get("value").unwrap_or_default(),
                    },
                    kind: match element {
                        "input" => get("type").unwrap_or_else(|| "text".into()).to_lowercase(),
                        "button" => "submit".into(),
                        _ => "textarea".into(),
                    },
                    checked: tag.split_whitespace().any(|w| w.trim_end_matches('>') == "checked")
                        || get("checked").is_some(),
                }),
                "select" => form.fields.push(Field {
                    name: get("name").unwrap_or_default(),
                    kind: "select".into(),
                    ..Field::default()
                }),
                "option" => {
                    let selected = tag.contains("selected");
                    if let Some(select) = form.fields.last_mut().filter(|f| f.kind == "select")
                        && (selected || select.value.is_empty())
                    {
                        select.value = get("value").unwrap_or_else(|| unescape(inner.trim()));
                    }
                }
                _ => {}
            }
        }
        form
    }
}

/// Where a zero-second refresh leads.
pub(super) fn refresh(page: &str) -> Option<String> {
    tags(page)
        .filter(|(tag, _)| name_of(tag) == "meta")
        .filter(|(tag, _)| attribute(tag, "http-equiv").is_some_and(|v| v.eq_ignore_ascii_case("refresh")))
        .find_map(|(tag, _)| attribute(tag, "content"))
        .and_then(|content| {
            let (delay, url) = content.split_once(';')?;
            (delay.trim() == "0").then_some(())?;
            let url = url.trim();
            let url = if url.len() >= 4 && url[..4].eq_ignore_ascii_case("url=") {
                &url[4..]
            } else {
                url
            };
            Some(url.trim_matches(['\'', '"']).to_owned())
        })
}

/// The words of a page, without tags, style and script, white space collapsed.
pub fn text_of(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        text.push(' ');
        rest = &rest[open..];
        let skip = match name_of(rest) {
            "script" => rest.find("</script>"),
            "style" => rest.find("</style>"),
            "svg" => rest.find("</svg>"),
            _ => None,
        };
        rest = &rest[skip.unwrap_or(0)..];
        rest = rest.find('>').map_or("", |close| &rest[close + 1..]);
    }
    text.push_str(rest);
    unescape(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Opening tags with the text up to the next tag.
fn tags(html: &str) -> impl Iterator<Item = (&str, &str)> {
    html.match_indices('<').filter_map(|(start, _)| {
        let rest = &html[start..];
        let end = end_of_tag(rest)?;
        let inner = &rest[end..];
        Some((&rest[..end], &inner[..inner.find('<').unwrap_or(inner.len())]))
    })
}

/// After the `>` that ends this tag, quotes respected.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (i, c) in tag.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(i + 1),
            (None, '"' | '\'') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            _ => {}
        }
    }
    None
}

fn name_of(tag: &str) -> &str {
    let tag = &tag[1..];
    &tag[..tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len())]
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    while let Some(at) = rest.find(name) {
        let before = rest[..at].chars().last();
        let after = rest[at + name.len()..].trim_start();
        rest = &rest[at + name.len()..];
        if !before.is_some_and(char::is_whitespace) {
            continue;
        }
        let Some(value) = after.strip_prefix('=').map(str::trim_start) else {
            continue;
        };
        return Some(unescape(match value.chars().next() {
            Some(q @ ('"' | '\'')) => value[1..].split(q).next().unwrap_or_default(),
            _ => value.split(|c: char| c.is_whitespace() || c == '>').next().unwrap_or_default(),
        }));
    }
    None
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(end) = rest.find(';').filter(|&e| e <= 10) else {
            out.push('&');
            rest = &rest[1..];
            continue;
        };
        let entity = &rest[1..end];
        let character = match entity {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            "nbsp" => Some(' '),
            _ => entity.strip_prefix('#').and_then(|n| match n.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok().and_then(char::from_u32),
                None => n.parse().ok().and_then(char::from_u32),
            }),
        };
        match character {
            Some(c) => out.push(c),
            None => out.push_str(&rest[..=end]),
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out
}
